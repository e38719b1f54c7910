package local

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/schemas"
)

// A mapping says what a document may contain and how it is searched. It is the mapping of the
// search engines.
type mapping struct {
	Type       string              `json:"type"`
	Enabled    *bool               `json:"enabled"`
	Index      *bool               `json:"index"`
	Properties map[string]*mapping `json:"properties"`
}

func newMapping(name string) (*mapping, error) {
	text, err := schemas.Mapping(schemas.OpenSearch, name)
	if err != nil {
		return nil, err
	}
	m := new(mapping)
	return m, json.Unmarshal(text, m)
}

// ignoreAbove is how many characters of a keyword the engines index; a longer keyword is kept but
// not found.
const ignoreAbove = 8191

// A value is an indexed value of a field.
type value struct {
	field  string
	term   string
	number float64
	isTerm bool
}

// read checks doc and calls add with each value that is indexed.
func (m *mapping) read(doc []byte, add func(value)) error {
	var v any
	if err := json.Unmarshal(doc, &v, jsontext.AllowInvalidUTF8(true)); err != nil {
		return fmt.Errorf("the document cannot be read as JSON: %w", err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("the document is not a JSON object")
	}
	return m.object("", object, add)
}

func (m *mapping) object(path string, o map[string]any, add func(value)) error {
	for name, v := range o {
		p, ok := m.Properties[name]
		if !ok {
			return fmt.Errorf("field [%s] is not in the mapping, which allows no other fields", path+name)
		}
		if err := p.value(path+name, v, add); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapping) value(path string, v any, add func(value)) error {
	if v == nil || m.Enabled != nil && !*m.Enabled {
		return nil
	}
	if list, ok := v.([]any); ok {
		for _, v := range list {
			if err := m.value(path, v, add); err != nil {
				return err
			}
		}
		return nil
	}
	object, isObject := v.(map[string]any)
	if (m.Properties != nil) != isObject {
		return fmt.Errorf("field [%s] of type [%s] cannot hold %s", path, m.name(), short(v))
	}
	if isObject {
		return m.object(path+".", object, add)
	}
	return m.scalar(path, v, add)
}

func (m *mapping) scalar(path string, v any, add func(value)) error {
	unfit := func() error { return fmt.Errorf("field [%s] of type [%s] cannot hold %s", path, m.Type, short(v)) }
	searched := m.Index == nil || *m.Index
	switch m.Type {
	case "keyword", "text":
		var text string
		switch v := v.(type) {
		case string:
			text = v
		case bool:
			text = strconv.FormatBool(v)
		case float64:
			text = strconv.FormatFloat(v, 'f', -1, 64)
		}
		switch {
		case !searched:
		case m.Type == "text":
			for _, w := range query.Words(text) {
				add(value{field: path, term: w, isTerm: true})
			}
		case utf8.RuneCountInString(text) <= ignoreAbove:
			add(value{field: path, term: text, isTerm: true})
		}
	case "boolean":
		b, ok := v.(bool)
		if !ok {
			return unfit()
		}
		add(value{field: path, term: strconv.FormatBool(b), isTerm: true})
	case "date":
		text, ok := v.(string)
		t, err := time.Parse(time.RFC3339Nano, text)
		if !ok || err != nil {
			return unfit()
		}
		add(value{field: path, number: float64(t.UnixMilli())})
	default:
		n, ok := v.(float64)
		if !ok || m.Type == "long" && n != math.Trunc(n) {
			return unfit()
		}
		if m.Type == "float" {
			n = float64(float32(n))
		}
		add(value{field: path, number: n})
	}
	return nil
}

func (m *mapping) name() string {
	if m.Properties != nil {
		return "object"
	}
	return m.Type
}

func short(v any) string {
	s := fmt.Sprintf("%v", v)
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
