package corpus

import (
	"fmt"
	"strings"
)

// Oddities are JSON values, and contents of them, that some reader on the way to the index might
// reject.
func Oddities() []string {
	many := make([]string, 3000)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	return []string{
		`1e999`, `-1e999`, `1e-999`, `1e308`, `1.7976931348623157e308`, `5e-324`, `123456789012345678901234567890`, `0.1e-400`, `-0`, `1E+2`,
		`"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\ufffe\uffff"`, `"\u2028\u202e"`, `"` + strings.Repeat("x", 40_000) + `"`, `"` + strings.Repeat("\u00e9", 33_000) + `"`,
		strings.Repeat("[", 300) + strings.Repeat("]", 300), strings.Repeat("[", 990) + strings.Repeat("]", 990), strings.Repeat(`{"a":`, 995) + "1" + strings.Repeat("}", 995),
		strings.Repeat(`{"a":`, 1200) + "1" + strings.Repeat("}", 1200), `{"":1}`, `{".":1}`, `{"a..b":1}`, `{"a.b":1,"a":{"b":2}}`, `{"a.":1,".a":2}`, `{" ":1}`, `{"\u0000":1}`,
		`{"` + strings.Repeat("n", 600) + `":1}`, `{"` + strings.Repeat("n", 20_000) + `":1}`, `{"_id":1,"_source":2,"@timestamp":"x"}`, `{` + strings.Join(many, ",") + `}`, `[1,"a",null,{"b":[]},true]`, `{"a":1,"a":2}`,
	}
}
