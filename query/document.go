package query

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Doc is a found record, as a tree of JSON values.
type Doc struct{ tree any }

// ReadDoc reads the document of a hit.
func ReadDoc(text jsontext.Value) (Doc, error) {
	var d Doc
	err := json.Unmarshal(text, &d.tree, jsontext.AllowInvalidUTF8(true))
	return d, err
}

// Values returns the values of a field, whose name has dots.
func (d Doc) Values(field string) []string { return valuesAt(d.tree, field) }

// Text returns the values of a field, separated by spaces.
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

// formula matches where a spreadsheet would begin a formula: at the start of a text, or after a
// character that may end a cell or a line. A semicolon may if the comma is a decimal point, a tab
// in pasted text, and a line feed within quotes that the spreadsheet does not recognize. Blanks and
// invisible characters before the formula do not matter, and wide forms of the characters are
// equivalent (OWASP, CSV injection).
var formula = regexp.MustCompile(`(^|[;|\x{FF1B}\t\r\n\v\f\x{85}\x{2028}\x{2029}])([ \x00-\x08\x0E-\x1F\x7F\p{Zs}\p{Cf}'"]*)([=+\-@\x{2212}\x{FE62}\x{FE63}\x{FE66}\x{FE6B}\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}])`)

// EscapeFormula prevents a spreadsheet from reading a text, or a part of it, as a formula.
func EscapeFormula(s string) string {
	s = formula.ReplaceAllString(s, "$1'$2$3")
	if s != "" && strings.ContainsRune("\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
