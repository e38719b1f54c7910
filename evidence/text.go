package evidence

import (
	"bytes"
	"regexp"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// unknownRune replaces everything that is no character: a byte that is not UTF-8, half a surrogate
// pair, a control character that XML does not allow.
const unknownRune = "\uFFFD"

// textOf returns the text of a report for all readers: UTF-8 without a byte order mark, which a
// strict reader of JSON or XML accepts. No report is refused for its encoding: all relevant names
// and verdicts are ASCII, and the digest remains that of the original file.
func textOf(file []byte) []byte {
	file = bytes.ToValidUTF8(decodeUnicode(file), []byte(unknownRune))
	file = bytes.TrimLeftFunc(file, func(c rune) bool { return c <= ' ' || c == '\ufeff' })
	switch {
	case len(file) == 0:
		return nil
	case file[0] == '<':
		return xmlText(file)
	case file[0] == '{' || file[0] == '[':
		return jsonText(file)
	}
	return file
}

// decodeUnicode detects UTF-16 and UTF-32 by the byte order mark, or by the zeros beside the first
// character, which is ASCII in JSON, XML and TAP. It detects other charsets by the XML declaration.
func decodeUnicode(file []byte) []byte {
	var from encoding.Encoding
	switch {
	case bytes.HasPrefix(file, []byte("\xff\xfe\x00\x00")), zeros(file, "x000"):
		from = utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)
	case bytes.HasPrefix(file, []byte("\x00\x00\xfe\xff")), zeros(file, "000x"):
		from = utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case bytes.HasPrefix(file, []byte("\xff\xfe")), zeros(file, "x0"):
		from = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case bytes.HasPrefix(file, []byte("\xfe\xff")), zeros(file, "0x"):
		from = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	default:
		return decodeDeclared(file)
	}
	if text, err := from.NewDecoder().Bytes(file); err == nil {
		return text
	}
	return file
}

// zeros reports whether the bytes of the first two characters of file match pattern, which
// describes one character: "0" is a zero byte, "x" any other byte.
func zeros(file []byte, pattern string) bool {
	if len(file) < 2*len(pattern) {
		return false
	}
	for i, b := range file[:2*len(pattern)] {
		if (pattern[i%len(pattern)] == '0') != (b == 0) {
			return false
		}
	}
	return true
}

var declaredCharset = regexp.MustCompile(`^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"'>]+)["']`)

// decodeDeclared decodes XML in the charset that it declares. It ignores a declaration that cannot
// be true, such as UTF-16 in a file of ASCII bytes.
func decodeDeclared(file []byte) []byte {
	m := declaredCharset.FindSubmatch(file[:min(len(file), 256)])
	if m == nil {
		return file
	}
	from := charset(string(m[1]))
	if from == nil {
		return file
	}
	if text, err := from.NewDecoder().Bytes(file); err == nil && bytes.HasPrefix(text, m[0]) {
		return text
	}
	return file
}

// charset returns the encoding with that name, as browsers ("cp1252") or IANA ("IBM850") call it.
// It returns nil for UTF-8 and for an unknown name.
func charset(name string) encoding.Encoding {
	from, err := htmlindex.Get(name)
	if err != nil {
		from, _ = ianaindex.IANA.Encoding(name)
	}
	if from == unicode.UTF8 || from == encoding.Replacement {
		return nil
	}
	return from
}

var (
	xmlDeclaration = regexp.MustCompile(`<\?xml\s[^>]*\?>`)
	xmlReference   = regexp.MustCompile(`&#([0-9]+|[xX][0-9a-fA-F]+);`)
)

// xmlText removes the declarations: the charset is already known, XML 1.1 reads like 1.0 once its
// control characters are gone, and concatenated files have declarations in the middle.
func xmlText(file []byte) []byte {
	file = bytes.TrimSpace(xmlDeclaration.ReplaceAllLiteral(file, nil))
	file = xmlReference.ReplaceAllFunc(file, func(ref []byte) []byte {
		digits, base := ref[2:len(ref)-1], 10
		if digits[0] == 'x' || digits[0] == 'X' {
			digits, base = digits[1:], 16
		}
		if c, err := strconv.ParseUint(string(digits), base, 31); err == nil && xmlChar(rune(c)) {
			return ref
		}
		return []byte(unknownRune)
	})
	return bytes.Map(func(c rune) rune {
		if xmlChar(c) {
			return c
		}
		return utf8.RuneError
	}, file)
}

// xmlChar reports whether XML 1.0 allows a character (section 2.2).
func xmlChar(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || c >= ' ' && c <= 0xD7FF || c >= 0xE000 && c <= 0xFFFD || c >= 0x10000 && c <= utf8.MaxRune
}

// jsonText escapes control characters within strings, replaces halves of surrogate pairs, and
// replaces by white space what is invalid between values: NUL (CodeClimate), the separators of RFC
// 7464, byte order marks.
func jsonText(file []byte) []byte {
	out := make([]byte, 0, len(file))
	quoted := false
	for i := 0; i < len(file); i++ {
		c := file[i]
		switch {
		case c == '"':
			quoted = !quoted
			out = append(out, c)
		case quoted && c == '\\':
			n := 0
			out, n = jsonEscape(out, file[i:])
			i += n - 1
		case quoted && c < ' ':
			out = append(out, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
		case !quoted && c < ' ' && c != '\n' && c != '\r':
			out = append(out, ' ')
		case !quoted && bytes.HasPrefix(file[i:], []byte("\ufeff")):
			out = append(out, ' ')
			i += len("\ufeff") - 1
		default:
			out = append(out, c)
		}
	}
	return out
}

// jsonEscape copies the escape at the start of text, and returns its length.
func jsonEscape(out, text []byte) ([]byte, int) {
	first, ok := utf16Escape(text)
	if !ok || first < 0xD800 || first > 0xDFFF {
		n := min(2, len(text))
		return append(out, text[:n]...), n
	}
	second, ok := utf16Escape(text[6:])
	if first < 0xDC00 && ok && second >= 0xDC00 && second <= 0xDFFF {
		return append(out, text[:12]...), 12
	}
	return append(out, unknownRune...), 6
}

// utf16Escape reads \uXXXX.
func utf16Escape(text []byte) (uint64, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	c, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return c, err == nil
}
