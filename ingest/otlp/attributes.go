package otlp

import (
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/changetrail/changetrail/agents"
	"github.com/changetrail/changetrail/record"
)

// attributes are those of a span or a log, with those of its resource as a fallback.
type attributes struct {
	own, resource pcommon.Map
	metadata      map[string]any // of OpenInference: JSON in an attribute
}

func attributesOf(own, resource pcommon.Map) attributes {
	a := attributes{own: own, resource: resource}
	if v, ok := own.Get("metadata"); ok && v.Type() == pcommon.ValueTypeStr {
		_ = json.Unmarshal([]byte(v.Str()), &a.metadata) // in another form it is ignored
	}
	return a
}

func (a attributes) value(key string) (pcommon.Value, bool) {
	if v, ok := a.own.Get(key); ok {
		return v, true
	}
	return a.resource.Get(key)
}

// text returns the value of an attribute as a text, or "".
func (a attributes) text(key string) string {
	if inner, ok := strings.CutPrefix(key, "metadata."); ok {
		s, _ := a.metadata[inner].(string)
		return s
	}
	v, ok := a.value(key)
	if !ok {
		return ""
	}
	return strings.ToValidUTF8(v.AsString(), "�")
}

// first returns the first of the attributes that is a text.
func (a attributes) first(keys []string) string {
	for _, key := range keys {
		if v := a.text(key); v != "" {
			return v
		}
	}
	return ""
}

// content returns the first of the attributes that has a value, as JSON: a text that is JSON
// unchanged, any other text as a string.
func (a attributes) content(keys []string) record.RawJSON {
	for _, key := range keys {
		v, ok := a.value(key)
		if !ok {
			continue
		}
		if v.Type() == pcommon.ValueTypeStr {
			return contentOf(v.Str())
		}
		b, err := json.Marshal(v.AsRaw(), json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
		if err == nil {
			return agents.Bounded(b)
		}
	}
	return nil
}

// failed reports whether the first of the attributes that has a value is a result that says that
// the call failed. It checks the original value, since a result that is too large to keep also says
// it.
func (a attributes) failed(keys []string) bool {
	for _, key := range keys {
		if v, ok := a.value(key); ok {
			if v.Type() == pcommon.ValueTypeStr {
				return agents.Failed([]byte(v.Str()))
			}
			b, err := json.Marshal(v.AsRaw(), json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
			return err == nil && agents.Failed(b)
		}
	}
	return false
}

func contentOf(text string) record.RawJSON {
	if v := jsontext.Value(text); text != "" && strings.ContainsAny(text[:1], `{["`) && v.IsValid() {
		if v.Compact() == nil {
			return agents.Bounded(record.RawJSON(v))
		}
	}
	b, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(text, "�"))
	if err != nil {
		return nil
	}
	return agents.Bounded(b)
}

// clip shortens s to at most n bytes, at the start of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
