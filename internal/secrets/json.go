package secrets

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// JSON returns the data of an event with secrets replaced, and the names of the rules
// that found them. verbatim tells which values are kept as they are, by the names of
// the members that lead there; nil: none. Data in which nothing is found are returned
// as they are; of other data all that is no secret stays byte for byte.
func (r *Redactor) JSON(ctx context.Context, data []byte, verbatim func(path []string) bool) ([]byte, []string, error) {
	if r.mode == Full || len(data) == 0 {
		return data, nil, nil
	}
	if r.mode == Redacted && r.clean(data) {
		return data, nil, nil
	}
	w := walk{work: work{Redactor: r, ctx: ctx, left: maxFindings}, verbatim: verbatim, data: data}
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

// clean reports whether nothing can be found in any text of JSON data, as far as a look
// at the data as they stand tells. Escapes push characters apart and never together,
// but for those that stand for letters.
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

// walk goes through JSON and notes what is to be replaced.
type walk struct {
	work
	verbatim func(path []string) bool
	in       *jsontext.Decoder
	data     []byte
	out      []byte // what comes out, as far as data is copied
	at       int    // how far that is
	path     []string
}

// A place is where in JSON a value stands.
type place struct {
	member string // its name, or that of the list which it is in
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

// content are the members whose values are content of prompts and tools.
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

// object goes through the members of an object. Where one is called name, the value is
// that of this name, as in the environment of a container.
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

// ahead returns the text that comes next, and leaves it there.
func (w *walk) ahead() string {
	rest := bytes.TrimLeft(w.data[w.in.InputOffset():], ": \t\r\n")
	d := jsontext.NewDecoder(bytes.NewReader(rest[:min(len(rest), 512)]), jsontext.AllowInvalidUTF8(true))
	raw, err := d.ReadValue()
	if err != nil {
		return "" // longer than a name is
	}
	return unquoted(raw)
}

// drop leaves out the member whose name was read, with the comma before it or, of the
// first one, behind it.
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

// list goes through the elements of a list. Where one is a flag, as --password, the
// next one is its value.
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

// element is [walk.ahead] in a list.
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
	text, _ := jsontext.AppendUnquote(nil, raw) // it was read as a string: the error is of what is no UTF-8
	return string(text)
}

func quoted(text string) string {
	out, _ := jsontext.AppendQuote(nil, text) // as above
	return string(out)
}

// member returns the text of a member with its secrets replaced: those in it, and it as
// a whole where its name says so.
func (w *work) member(p place, text string) (string, error) {
	for range maxPasses {
		out, err := w.memberOnce(p, text)
		if err != nil || out == text {
			return out, err
		}
		text = out
	}
	return w.hide(text, tooMany), nil
}

func (w *work) memberOnce(p place, text string) (string, error) {
	if text == "" || marker().FindString(text) == text {
		return text, nil
	}
	kind := kindOf(p.member)
	if len(text) <= longestIdentity && identity().MatchString(text) && (kind < tokenKind || strings.Contains(text, ":")) {
		return text, nil // a digest that says so is one, under whatever name
	}
	if kind == noSecret {
		kind = p.within
	}
	out, err := w.text(text)
	if err != nil || marker().FindString(out) == out {
		return out, err
	}
	if kind >= tokenKind && out != text || kind != noSecret && secretMember(text, kind) {
		return w.hide(text, namedValue), nil // all of it: it is secret by its name
	}
	if out != text || p.member == "" || len(text) > 4096 {
		return out, nil
	}
	return w.beside(p.member, text)
}

const longestIdentity = 128

// secretMember reports whether the text of a member is secret, of which the name says
// so.
func secretMember(text string, kind nameKind) bool {
	if len(text) < 3 || placeholder().MatchString(text) || nothing[strings.ToLower(text)] || path().MatchString(text) {
		return false
	}
	if kind == tokenKind && len(text) >= 3 && letters(text) {
		return len(text) >= 8
	}
	return secretText(text, kind, false)
}

// beside looks for rules that need a name beside the value, as api_key has one.
func (w *work) beside(member, text string) (string, error) {
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
