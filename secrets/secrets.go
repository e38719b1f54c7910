package secrets

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A Mode is how much of the content of prompts and tools is kept.
type Mode string

// The modes.
const (
	MetadataOnly Mode = "metadata-only" // no arguments, no results: that a tool was called, when, and how it ended
	Redacted     Mode = "redacted"      // everything, secrets replaced
	Full         Mode = "full"          // everything as it came
)

// ParseMode reads a mode; empty is Redacted.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Redacted, nil
	case MetadataOnly, Redacted, Full:
		return m, nil
	}
	return "", fmt.Errorf("content mode %q is none of metadata-only, redacted, full", s)
}

// A Redactor replaces secrets. It is safe for concurrent use.
type Redactor struct {
	mode  Mode
	key   []byte
	rules *rules
}

// New returns a Redactor. Without a key it makes one of its own: markers of the
// same secret are then alike within this process only.
func New(mode Mode, key []byte) (*Redactor, error) {
	if len(key) == 0 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
	}
	if mode == Full {
		return &Redactor{mode: mode}, nil
	}
	r, err := newRules()
	if err != nil {
		return nil, fmt.Errorf("secrets: the rules of gitleaks: %w", err)
	}
	return &Redactor{mode, key, r}, nil
}

// String is how much is kept: the mode.
func (r *Redactor) String() string { return string(r.mode) }

// Text returns s with secrets replaced, and the names of the rules that found
// them.
func (r *Redactor) Text(s string) (string, []string) {
	if r.mode == Full {
		return s, nil
	}
	var rules []string
	for _, f := range r.rules.find(s) {
		if !strings.Contains(s, f.Secret) { // it was part of another
			continue
		}
		s = strings.ReplaceAll(s, f.Secret, r.marker(f.RuleID, f.Secret))
		rules = append(rules, f.RuleID)
	}
	return s, rules
}

func (r *Redactor) marker(rule, secret string) string {
	m := hmac.New(sha256.New, r.key)
	m.Write([]byte(secret))
	return "[redacted:" + rule + ":" + hex.EncodeToString(m.Sum(nil)[:8]) + "]"
}

// JSON returns the data of an event with secrets replaced, and the names of the
// rules that found them. free tells which members hold what was written freely;
// nil: all of them do. Data in which nothing is found is returned as it is.
func (r *Redactor) JSON(data []byte, free func(member string) bool) ([]byte, []string, error) {
	if r.mode == Full || len(data) == 0 {
		return data, nil, nil
	}
	if r.mode == Redacted && r.rules.clean(data) {
		return data, nil, nil
	}
	w := writer{redactor: r, free: free, in: jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowInvalidUTF8(true))}
	w.out = jsontext.NewEncoder(&w.buffer, jsontext.AllowInvalidUTF8(true)) // code hosts cut texts in the middle of a character
	if free == nil {
		w.free = func(string) bool { return true }
	}
	if err := w.value("", free == nil); err != nil {
		return nil, nil, fmt.Errorf("secrets: %w", err)
	}
	if len(w.rules) == 0 && !w.dropped {
		return data, nil, nil
	}
	slices.Sort(w.rules)
	return bytes.TrimRight(w.buffer.Bytes(), "\n"), w.rules, nil
}

// writer copies JSON and replaces secrets on the way.
type writer struct {
	redactor *Redactor
	free     func(string) bool
	in       *jsontext.Decoder
	out      *jsontext.Encoder
	buffer   bytes.Buffer
	rules    []string
	dropped  bool
}

// content are the members whose values are content of prompts and tools.
var content = []string{"arguments", "result"}

// value copies the value of a member.
func (w *writer) value(member string, free bool) error {
	switch w.in.PeekKind() {
	case '{':
		return w.inside(func() error {
			name, err := w.in.ReadToken()
			if err != nil {
				return err
			}
			m := name.String()
			if w.redactor.mode == MetadataOnly && slices.Contains(content, m) {
				w.dropped = true
				return w.in.SkipValue()
			}
			if err := w.out.WriteToken(jsontext.String(m)); err != nil {
				return err
			}
			return w.value(m, free || w.free(m))
		})
	case '[':
		return w.inside(func() error { return w.value(member, free) })
	case '"':
		t, err := w.in.ReadToken()
		if err != nil {
			return err
		}
		return w.out.WriteToken(jsontext.String(w.text(member, t.String(), free)))
	}
	v, err := w.in.ReadValue()
	if err != nil {
		return err
	}
	return w.out.WriteValue(v)
}

// inside copies an object or an array, each element by f.
func (w *writer) inside(f func() error) error {
	begin, err := w.in.ReadToken()
	if err != nil {
		return err
	}
	if err := w.out.WriteToken(begin); err != nil {
		return err
	}
	for {
		switch w.in.PeekKind() {
		case '}', ']':
			end, err := w.in.ReadToken()
			if err != nil {
				return err
			}
			return w.out.WriteToken(end)
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// text replaces secrets in a string. Rules that need a name beside the value, as
// api_key: …, are given that of the member.
func (w *writer) text(member, s string, free bool) string {
	if !free || len(s) <= longestIdentity && identity.MatchString(s) {
		return s
	}
	out, rules := w.redactor.Text(s)
	if len(rules) == 0 && member != "" && !strings.ContainsAny(s, " \n") {
		for _, f := range w.redactor.rules.find(member + `="` + s + `"`) {
			if strings.Contains(out, f.Secret) {
				out, rules = strings.ReplaceAll(out, f.Secret, w.redactor.marker(f.RuleID, f.Secret)), append(rules, f.RuleID)
			}
		}
	}
	w.rules = append(w.rules, rules...)
	return out
}

const longestIdentity = 128

// identity is what is joined by and no secret, though it looks random: commits,
// digests, UUIDs.
var identity = regexp.MustCompile(`^([a-z0-9]+:)?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$|^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
