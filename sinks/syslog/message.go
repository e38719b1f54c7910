package syslog

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/outline"
)

// facility is "log audit" (RFC 5424, section 6.2.1).
const facility = 13

// severities are those of syslog: informational, notice, warning, error and critical.
var severities = map[outline.Severity]int{outline.Info: 6, outline.Low: 5, outline.Medium: 4, outline.High: 3, outline.Critical: 2}

// element is the name of the structured data. 32473 is the number that RFC 5612 reserves for
// examples: changetrail has no enterprise number of its own.
const element = "changetrail@32473"

// A writer writes messages.
type writer struct{ host, format, version string }

// message writes a document as a message of RFC 5424, without framing. The text has no byte order
// mark, which readers of JSON and CEF do not expect.
func (w writer) message(d sinks.Document, o outline.Outline) []byte {
	b := make([]byte, 0, len(o.Body)+512)
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(8*facility+severities[o.Severity]), 10)
	b = append(b, ">1 "...)
	b = append(b, timestamp(o.Time)...)
	b = append(b, ' ')
	b = append(b, orNil(w.host)...)
	b = append(b, " changetrail - "...)
	b = append(b, o.Class...)
	b = append(b, " ["+element...)
	b = appendParameter(b, "index", d.Index)
	b = appendParameter(b, "id", d.ID)
	if d.Version > 0 {
		b = appendParameter(b, "revision", strconv.FormatInt(d.Version, 10))
	}
	b = append(b, "] "...)
	if w.format == CEF {
		return appendCEF(b, w.version, d, o)
	}
	return append(b, o.Body...)
}

// timestamp is a time as RFC 5424 has it, which knows the years 0 to 9999 and microseconds.
func timestamp(t time.Time) string {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.999999Z")
}

func orNil(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable is a text without characters that a header must not have, of at most n characters.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), n)]
}

// appendParameter writes a parameter of structured data (RFC 5424, section 6.3.3).
func appendParameter(b []byte, name, value string) []byte {
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, `="`...)
	for _, r := range value { // invalid UTF-8 becomes U+FFFD
		if r == '"' || r == '\\' || r == ']' {
			b = append(b, '\\')
		}
		b = utf8.AppendRune(b, r)
	}
	return append(b, '"')
}

// summary is the outline of a document that is too large for a receiver: what it is about, its
// digest and its size. A text that would be too large as well is left out.
func summary(o outline.Outline, largest int) outline.Outline {
	type change struct {
		ID string `json:"id"`
	}
	type short struct {
		Of    string `json:"of"` // digest of the document
		Bytes int    `json:"bytes"`
		Why   string `json:"why"`
	}
	type event struct {
		Action  string `json:"action,omitempty"`
		Outcome string `json:"outcome,omitempty"`
		URL     string `json:"url,omitempty"`
	}
	type trail struct {
		Change  *change `json:"change,omitempty"`
		Type    string  `json:"type"`
		Summary short   `json:"summary"`
	}
	var of *change
	if o.Change != "" {
		of = &change{o.Change}
	}
	if len(o.Message) > largest/8 {
		o.Message = ""
	}
	body, err := json.Marshal(struct {
		Timestamp time.Time `json:"@timestamp"`
		Message   string    `json:"message,omitempty"`
		Event     event     `json:"event,omitzero"`
		Trail     trail     `json:"changetrail"`
	}{
		o.Time, o.Message,
		event{o.Action, o.Outcome, o.URL},
		trail{of, o.Type, short{digests.Of(o.Body), len(o.Body), "the document is larger than the receiver accepts; this is its summary"}},
	})
	if err != nil { // a time that cannot be written
		return o
	}
	o.Body = jsontext.Value(body)
	return o
}
