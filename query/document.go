package query

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Doc is a record that was found, as a tree of JSON values.
type Doc struct{ tree any }

// ReadDoc reads the document of a hit.
func ReadDoc(text jsontext.Value) (Doc, error) {
	var d Doc
	err := json.Unmarshal(text, &d.tree, jsontext.AllowInvalidUTF8(true))
	return d, err
}

// Values returns the values of a field, by its name with dots.
func (d Doc) Values(field string) []string { return valuesAt(d.tree, field) }

// Text returns the values of a field with a space between them.
func (d Doc) Text(field string) string { return strings.Join(d.Values(field), " ") }

func valuesAt(v any, path string) []string {
	switch v := v.(type) {
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, valuesAt(e, path)...)
		}
		return out
	case map[string]any:
		key, rest, _ := strings.Cut(path, ".")
		return valuesAt(v[key], rest)
	case string:
		return []string{v}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case bool:
		return []string{strconv.FormatBool(v)}
	}
	return nil
}

// Harmless keeps a spreadsheet from taking a text for a formula (OWASP, CSV
// injection).
func Harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
