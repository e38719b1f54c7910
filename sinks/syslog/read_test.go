package syslog_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A message is what a reader of RFC 5424 sees. The reader is written from the grammar in section 6,
// and shares no code with the writer.
type message struct {
	priority      string
	at            time.Time
	host, app, id string
	element       string
	parameters    map[string]string
	text          string
}

var header = regexp.MustCompile(`^<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) - ([!-~]{1,32}) (\[.*)$`)

func parse(raw string) (message, error) {
	head, rest := raw, ""
	if i := strings.Index(raw, " ["); i >= 0 { // the text may have line breaks, the header has none
		head, rest = raw[:i]+" [", raw[i+2:]
	}
	h := header.FindStringSubmatch(head)
	if h == nil {
		return message{}, fmt.Errorf("no header of RFC 5424: %.80q", raw)
	}
	at, err := time.Parse("2006-01-02T15:04:05.999999Z07:00", h[2])
	if err != nil {
		return message{}, err
	}
	m := message{priority: h[1], at: at, host: h[3], app: h[4], id: h[5], parameters: make(map[string]string)}
	m.element, rest, _ = strings.Cut(rest, " ")
	for {
		name, after, ok := strings.Cut(rest, `="`)
		if !ok {
			return m, errors.New("a parameter has no value")
		}
		value, end := "", -1
		for i := 0; i < len(after); i++ {
			c := after[i]
			if c == '\\' && i+1 < len(after) && strings.ContainsRune(`"\]`, rune(after[i+1])) {
				i++
				value += after[i : i+1]
				continue
			}
			if c == ']' {
				return m, errors.New("a bracket in a value is not escaped")
			}
			if c == '"' {
				end = i
				break
			}
			value += after[i : i+1]
		}
		if end < 0 || end+1 >= len(after) {
			return m, errors.New("a value does not end")
		}
		m.parameters[name] = value
		if rest = after[end+1:]; rest[0] == ']' {
			m.text = strings.TrimPrefix(rest[1:], " ")
			return m, nil
		}
		rest = rest[1:]
	}
}

// cef reads CEF as the standard of ArcSight describes it: seven fields between bars, then keys with
// values up to the next key.
func cef(text string) (head []string, extension map[string]string, err error) {
	text, ok := strings.CutPrefix(text, "CEF:0|")
	if !ok {
		return nil, nil, errors.New("no CEF")
	}
	field := ""
	for len(head) < 6 {
		if text == "" {
			return nil, nil, errors.New("the header is short")
		}
		switch {
		case text[0] == '\\' && len(text) > 1 && (text[1] == '|' || text[1] == '\\'):
			field, text = field+text[1:2], text[1:]
		case text[0] == '|':
			head, field = append(head, field), ""
		case text[0] == '\n', text[0] == '\r':
			return nil, nil, errors.New("a line break in the header")
		default:
			field += text[:1]
		}
		text = text[1:]
	}
	if strings.ContainsAny(text, "\n\r") {
		return nil, nil, errors.New("a line break in the extension")
	}
	extension = make(map[string]string)
	key := regexp.MustCompile(`(^| )([A-Za-z0-9_]+)=`)
	at := key.FindAllStringSubmatchIndex(text, -1) // an escaped = has a backslash before it, so that no key matches
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		value, err := unescape(text[m[1]:end])
		if err != nil {
			return nil, nil, err
		}
		extension[text[m[4]:m[5]]] = value
	}
	return head, extension, nil
}

func unescape(s string) (string, error) {
	out := new(strings.Builder)
	for i := 0; i < len(s); i++ {
		if s[i] == '=' {
			return "", errors.New("an equals sign is not escaped")
		}
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", errors.New("a backslash at the end")
		}
		switch s[i] {
		case '\\', '=':
			out.WriteByte(s[i])
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		default:
			return "", fmt.Errorf("an escape that there is not: %q", s[i-1:i+1])
		}
	}
	return out.String(), nil
}
