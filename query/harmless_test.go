package query

import (
	"strings"
	"testing"
)

func TestNoCellIsAFormula(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain": "plain", "a=b": "a=b", "a - b": "a - b", "CVE-2021-1": "CVE-2021-1", "github.com/a/b": "github.com/a/b", "x;y": "x;y", "mira@acme.example": "mira@acme.example", "a, -b": "a, -b",
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx", "\nx": "'\nx",
		" =1+1": "' =1+1", "\n=1": "'\n'=1", "\t=1": "'\t'=1", "\u00a0=1": "'\u00a0=1", "\u200b=1": "'\u200b=1", "\ufeff=1": "'\ufeff=1", "\x00=1": "'\x00=1", "  \u2003 +1": "'  \u2003 +1",
		"＝1+1": "'＝1+1", "＋1": "'＋1", "－1": "'－1", "＠SUM(A1)": "'＠SUM(A1)", "﹦1": "'﹦1",
		"x;=1+1": "x;'=1+1", "x; =1+1": "x;' =1+1", "x;＝1": "x;'＝1", "a\t=1": "a\t'=1", "a\n=1": "a\n'=1", "a\r\n-1": "a\r\n'-1", "x;;@a": "x;;'@a", `x";=1`: `x";'=1`, `"=1`: `'"=1`, "a|=1": "a|'=1",
	} {
		if got := EscapeFormula(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// FuzzHarmless splits a cell as a spreadsheet may, and looks for a formula.
func FuzzHarmless(f *testing.F) {
	for _, s := range []string{"=1", " =1", "x;=1", "\n＝1", ";;=", "\";='\"=1", ";'=1\t;\n=@", "=;=", "\ufeff;\u200b=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.ContainsAny(s, "=+-@") {
			return
		}
		for _, cell := range strings.FieldsFunc(EscapeFormula(s), func(r rune) bool { return strings.ContainsRune(";|\t\r\n", r) }) {
			cell = strings.TrimLeft(cell, " \u00a0\u200b\ufeff\x00\v\f\"")
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("%q becomes %q, of which %q is a formula", s, EscapeFormula(s), cell)
			}
		}
	})
}
