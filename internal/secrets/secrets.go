package secrets

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// A Mode says how much of the content of prompts and tools is stored.
type Mode string

// The modes.
const (
	MetadataOnly Mode = "metadata-only" // no arguments and results, only which tool was called, when, and how the call ended
	Redacted     Mode = "redacted"      // everything, with secrets replaced
	Full         Mode = "full"          // everything unchanged
)

// ParseMode parses a mode; "" means Redacted.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Redacted, nil
	case MetadataOnly, Redacted, Full:
		return m, nil
	}
	return "", fmt.Errorf("content mode %q is not one of metadata-only, redacted, full", s)
}

// A Redactor replaces secrets. It is safe for concurrent use.
type Redactor struct {
	mode  Mode
	key   []byte
	rules *rules
}

// New returns a Redactor. Without a key it generates one; markers of the same secret are then equal
// only within this process.
func New(mode Mode, key []byte) (*Redactor, error) {
	if len(key) == 0 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
	}
	if mode == Full {
		return &Redactor{mode: mode}, nil
	}
	return &Redactor{mode, key, shared()}, nil
}

// shared returns the rules, which are the same for all Redactors of a process: up to 17 MB once
// everything in them is compiled.
var shared = sync.OnceValue(newRules)

// String returns the mode.
func (r *Redactor) String() string { return string(r.mode) }

// Text returns a text with secrets replaced, and the names of the rules that found them. Its error
// is that of ctx.
func (r *Redactor) Text(ctx context.Context, text string) (string, []string, error) {
	if r.mode == Full {
		return text, nil, nil
	}
	w := redaction{Redactor: r, ctx: ctx, left: maxFindings}
	out, err := w.text(text)
	return out, w.names, err
}

// Attribute is like Text for the value of an attribute of an event. It replaces the whole value if
// the name says that it is secret. The markers contain only characters that a URI may have.
func (r *Redactor) Attribute(ctx context.Context, name, value string) (string, []string, error) {
	if r.mode == Full {
		return value, nil, nil
	}
	w := redaction{Redactor: r, ctx: ctx, left: maxFindings}
	out, err := w.member(place{member: name}, value)
	if len(w.names) > 0 {
		out = marker().ReplaceAllStringFunc(out, func(m string) string {
			return strings.ReplaceAll(strings.Trim(m, "[]"), ":", ".")
		})
	}
	return out, w.names, err
}

// maxFindings limits the number of secrets in one event that are replaced one by one. The text
// after them is replaced as a whole, since it was not searched.
const maxFindings = 10_000

// tooMany is the rule of a text that was replaced because there were too many secrets before it.
const tooMany = "too-many-secrets"

// redaction is the redaction of one event.
type redaction struct {
	*Redactor
	ctx   context.Context
	left  int // number of findings that are still allowed
	names []string
}

// maxPasses limits how often a text is searched. A secret may become visible only when the one
// beside it is replaced.
const maxPasses = 6

// text replaces the secrets in a text, until a search of the result finds none.
func (w *redaction) text(text string) (string, error) {
	for range maxPasses {
		if w.left <= 0 {
			return w.hide(text, tooMany), nil
		}
		found, err := w.rules.find(w.ctx, text)
		if err != nil || len(found) == 0 {
			return text, err
		}
		text = w.replace(text, found)
	}
	return w.hide(text, tooMany), nil
}

// replace replaces the found secrets in one pass.
func (w *redaction) replace(text string, found []span) string {
	var out strings.Builder
	out.Grow(len(text))
	at := 0
	for _, f := range found {
		if w.left <= 0 {
			out.WriteString(text[at:f.start])
			out.WriteString(w.hide(text[f.start:], tooMany))
			return out.String()
		}
		out.WriteString(text[at:f.start])
		out.WriteString(w.hide(text[f.start:f.end], f.rule))
		at = f.end
	}
	out.WriteString(text[at:])
	return out.String()
}

// hide returns the marker for a secret, and counts it. A text that is already a marker is kept.
func (w *redaction) hide(secret, rule string) string {
	if secret == "" || marker().FindString(secret) == secret {
		return secret
	}
	w.left--
	w.names = append(w.names, rule)
	return w.mark(rule, secret)
}

func (r *Redactor) mark(rule, secret string) string {
	m := hmac.New(sha256.New, r.key)
	m.Write([]byte(secret))
	return "[redacted:" + rule + ":" + hex.EncodeToString(m.Sum(nil)[:8]) + "]"
}

// marker matches the marker of a secret, in a text or in an attribute.
var marker = lazy(`\[redacted:([a-z0-9-]{1,60}):([0-9a-f]{16})\]|redacted\.[a-z0-9-]{1,60}\.[0-9a-f]{16}`)

// lazy compiles an expression at first use, since a hook is started for each call of a tool.
func lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
