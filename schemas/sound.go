package schemas

import (
	"bytes"
	"strconv"
)

// Bounds of JSON that every index accepts, whatever the names of its members.
const (
	maxNesting = 1000
	maxNumber  = 300    // characters of a number
	maxName    = 10_000 // bytes of the name of a member
)

// Sound refuses data that is valid JSON but that no index accepts: a number outside the range of a
// double, such as 1e999, a very long member name, or very deep nesting. Such members are kept with
// the event even if no code reads them, so all must fit.
func Sound(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			end := stringEnd(data, i)
			if end-i > maxName && isName(data[end:]) {
				return Refuse(SchemaViolation, "data: the name of a member has %d bytes; at most %d are allowed", end-i-2, maxName)
			}
			i = end - 1
		case '{', '[':
			if depth++; depth > maxNesting {
				return Refuse(SchemaViolation, "data: it is nested more than %d levels deep", maxNesting)
			}
		case '}', ']':
			depth--
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end := i + 1
			for end < len(data) && inNumber(data[end]) {
				end++
			}
			if err := soundNumber(data[i:end]); err != nil {
				return err
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns the end of the string that begins at data[start].
func stringEnd(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			break
		}
		slashes := 0
		for j := i + n - 1; j > start && data[j] == '\\'; j-- {
			slashes++
		}
		if i += n; slashes%2 == 0 {
			return i + 1
		}
	}
	return len(data)
}

// isName reports whether the text after a string makes the string the name of a member.
func isName(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

func inNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

func soundNumber(text []byte) error {
	if len(text) > maxNumber {
		return Refuse(SchemaViolation, "data: a number has %d characters; at most %d are allowed; send it as a string", len(text), maxNumber)
	}
	if at := bytes.IndexAny(text, "eE"); at < 0 || len(text)-at <= 3 { // the exponent has at most two digits
		return nil
	}
	if f, err := strconv.ParseFloat(string(text), 64); err != nil || f == 0 {
		return Refuse(SchemaViolation, "data: the number %s is out of range; send it as a string", text)
	}
	return nil
}
