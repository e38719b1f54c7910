package secrets

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// JSON returns the data of an event with secrets replaced, and the names of the rules that found
// them. verbatim selects values that are kept unchanged, by the names of the members on the path to
// them; nil selects none. Data without findings are returned unchanged; in other data everything
// but the secrets stays the same, byte for byte.
func (r *Redactor) JSON(ctx context.Context, data []byte, verbatim func(path []string) bool) ([]byte, []string, error) {
	if r.mode == Full || len(data) == 0 {
		return data, nil, nil
	}
	if r.mode == Redacted && r.clean(data) {
		return data, nil, nil
	}
	w := walk{redaction: redaction{Redactor: r, ctx: ctx, left: maxFindings}, verbatim: verbatim, data: data}
	w.in = jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) // code hosts cut texts in the middle of a character
	if err := w.value(place{}); err != nil {
		return nil, nil, fmt.Errorf("secrets: %w", err)
	}
	if w.at == 0 {
		return data, nil, nil
	}
	slices.Sort(w.names)
	return append(w.out, data[w.at:]...), slices.Compact(w.names), nil
}

// clean reports whether the undecoded data show that no text in them can contain a finding. Escapes
// move characters apart and never together, except escapes of letters.
func (r *Redactor) clean(data []byte) bool {
	if bytes.Contains(data, []byte(`\u`)) || bytes.Contains(data, []byte(`\/`)) {
		return false
	}
	text := string(data)
	lower := lowered(text)
	if len(r.rules.hits(text, lower, true)) > 0 {
		return false
	}
	s := search{rules: r.rules, ctx: context.Background(), text: text, lower: lower}
	return s.encoded() == nil && len(s.found) == 0
}

// walk traverses JSON and records what must be replaced.
type walk struct {
	redaction
	verbatim func(path []string) bool
	in       *jsontext.Decoder
	data     []byte
	out      []byte // the output for the part of data that was copied
	at       int    // the end of that part
	path     []string
}

// A place is the place of a value in JSON.
type place struct {
	member string // its name, or the name of the list that contains it
	within nameKind
}

// put replaces data from start to end.
func (w *walk) put(start, end int, text string) {
	if w.out == nil {
		w.out = make([]byte, 0, len(w.data)+256)
	}
	w.out = append(w.out, w.data[w.at:start]...)
	w.out = append(w.out, text...)
	w.at = end
}

// content are the members that contain the content of prompts and tools.
var content = []string{"arguments", "result"}

func (w *walk) value(p place) error {
	switch w.in.PeekKind() {
	case '{':
		return w.object(p)
	case '[':
		return w.list(p)
	}
	raw, err := w.in.ReadValue()
	if err != nil {
		return err
	}
	end := int(w.in.InputOffset())
	start := end - len(raw)
	if w.verbatim != nil && w.verbatim(w.path) {
		return nil
	}
	switch raw.Kind() {
	case '"':
		text := unquoted(raw)
		out, err := w.member(p, text)
		if err == nil && out != text {
			w.put(start, end, quoted(out))
		}
		return err
	case '0':
		if len(raw) >= 4 && kindOf(p.member) == passKind && !strings.EqualFold(p.member, "pass") {
			w.put(start, end, quoted(w.hide(string(raw), namedValue)))
		}
	}
	return nil
}

// object traverses the members of an object. A member called name gives the name of the member
// value, as in the environment of a container.
func (w *walk) object(p place) error {
	if _, err := w.in.ReadToken(); err != nil {
		return err
	}
	inside := p.within
	if k := kindOf(p.member); k == tokenKind && strings.HasSuffix(p.member, "s") {
		inside = keyKind
	}
	called := ""
	for first := true; w.in.PeekKind() != '}'; first = false {
		before := int(w.in.InputOffset())
		raw, err := w.in.ReadValue()
		if err != nil {
			return err
		}
		end := int(w.in.InputOffset())
		name := unquoted(raw)
		if w.mode == MetadataOnly && slices.Contains(content, name) {
			if err := w.drop(before, first); err != nil {
				return err
			}
			continue
		}
		out, err := w.text(name)
		if err != nil {
			return err
		}
		if out != name {
			w.put(end-len(raw), end, quoted(out))
		}
		next := place{member: out, within: inside}
		switch strings.ToLower(name) {
		case "name", "key", "variable", "header", "envvar", "param", "option":
			if w.in.PeekKind() == '"' {
				if called, err = w.text(w.ahead()); err != nil {
					return err
				}
				if strings.ContainsFunc(called, func(c rune) bool { return c >= 0x80 || !nameByte(byte(c)) }) {
					called = "" // no name
				}
			}
		case "value", "val", "data", "default":
			if called != "" {
				next.member = called
			}
		}
		w.path = append(w.path, name)
		if err := w.value(next); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	_, err := w.in.ReadToken()
	return err
}

// ahead returns the next text without consuming it.
func (w *walk) ahead() string {
	rest := bytes.TrimLeft(w.data[w.in.InputOffset():], ": \t\r\n")
	d := jsontext.NewDecoder(bytes.NewReader(rest[:min(len(rest), 512)]), jsontext.AllowInvalidUTF8(true))
	raw, err := d.ReadValue()
	if err != nil {
		return "" // too long for a name
	}
	return unquoted(raw)
}

// drop removes the member whose name was just read, with the comma before it or, for the first
// member, after it.
func (w *walk) drop(before int, first bool) error {
	if err := w.in.SkipValue(); err != nil {
		return err
	}
	end := int(w.in.InputOffset())
	if first {
		for end < len(w.data) && bytes.IndexByte([]byte(", \t\r\n"), w.data[end]) >= 0 {
			end++
			if w.data[end-1] == ',' {
				break
			}
		}
	}
	w.put(before, end, "")
	return nil
}

// list traverses the elements of a list. An element that is a flag, such as --password, names the
// next one.
func (w *walk) list(p place) error {
	if _, err := w.in.ReadToken(); err != nil {
		return err
	}
	for flag := ""; w.in.PeekKind() != ']'; {
		next := p
		if flag != "" {
			next.member = flag
		}
		flag = ""
		if w.in.PeekKind() == '"' {
			if text := w.element(); strings.HasPrefix(text, "-") && len(text) < maxName {
				flag = strings.TrimLeft(text, "-")
			}
		}
		if err := w.value(next); err != nil {
			return err
		}
	}
	_, err := w.in.ReadToken()
	return err
}

// element is [walk.ahead] for a list.
func (w *walk) element() string {
	rest := bytes.TrimLeft(w.data[w.in.InputOffset():], ", \t\r\n")
	if !bytes.HasPrefix(rest, []byte(`"-`)) {
		return ""
	}
	text, _, _ := bytes.Cut(rest[1:min(len(rest), maxName)], []byte(`"`))
	return string(text)
}

func unquoted(raw jsontext.Value) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // a valid string: the only error is invalid UTF-8
	return string(text)
}

func quoted(text string) string {
	out, _ := jsontext.AppendQuote(nil, text) // see above
	return string(out)
}

// member returns the text of a member with its secrets replaced: those within it, or the whole text
// if its name says that it is secret.
func (w *redaction) member(p place, text string) (string, error) {
	for range maxPasses {
		out, err := w.memberOnce(p, text)
		if err != nil || out == text {
			return out, err
		}
		text = out
	}
	return w.hide(text, tooMany), nil
}

func (w *redaction) memberOnce(p place, text string) (string, error) {
	if text == "" || marker().FindString(text) == text {
		return text, nil
	}
	kind := kindOf(p.member)
	if len(text) <= longestIdentity && identity().MatchString(text) && (kind < tokenKind || strings.Contains(text, ":")) {
		return text, nil // a prefixed digest is no secret, whatever its name
	}
	if kind == noSecret {
		kind = p.within
	}
	out, err := w.text(text)
	if err != nil || marker().FindString(out) == out {
		return out, err
	}
	if kind >= tokenKind && out != text || kind != noSecret && secretMember(text, kind) {
		return w.hide(text, namedValue), nil // the whole text is secret by its name
	}
	if out != text || p.member == "" || len(text) > 4096 {
		return out, nil
	}
	return w.namedValue(p.member, text)
}

const longestIdentity = 128

// secretMember reports whether the text of a member is secret, if its name says so.
func secretMember(text string, kind nameKind) bool {
	if len(text) < 3 || placeholder().MatchString(text) || nothing()[strings.ToLower(text)] || path().MatchString(text) {
		return false
	}
	if kind == tokenKind && len(text) >= 3 && letters(text) {
		return len(text) >= 8
	}
	return secretText(text, kind, false)
}

// namedValue applies rules that need a name beside the value, such as api_key.
func (w *redaction) namedValue(member, text string) (string, error) {
	if w.left <= 0 || len(member) > maxName || len(w.rules.hits(member+"=", lowered(member)+"=", false)) == 0 {
		return text, nil
	}
	head, tail := member+`="`, `"`
	if strings.ContainsAny(text, "\"\\") {
		head, tail = member+": ", ""
	}
	found, err := w.rules.find(w.ctx, head+text+tail)
	if err != nil {
		return text, err
	}
	inside := found[:0]
	for _, f := range found {
		f.start, f.end = max(0, f.start-len(head)), min(len(text), f.end-len(head))
		if f.end > f.start {
			inside = append(inside, f)
		}
	}
	if len(inside) == 0 {
		return text, nil
	}
	return w.replace(text, inside), nil
}
