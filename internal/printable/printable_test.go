package printable

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

func TestTerminalControlCharactersAreShown(t *testing.T) {
	for text, want := range map[string]string{
		"plain, Grüße, 漢字, 🙂\n\tnext\r\n": "plain, Grüße, 漢字, 🙂\n\tnext\r\n",
		"\x1b]52;c;aGk=\x07":              `\u001b]52;c;aGk=\u0007`,
		"\u009b31m\u0085":                 `\u009b31m\u0085`,
		"a\rb\x00\x7f\x08":                `a\u000db\u0000\u007f\u0008`,
		"\u202egnp.exe\u2066\u061c":       `\u202egnp.exe\u2066\u061c`,
		"a\u200bb\ufeffc\u00ad\u2028":     `a\u200bb\ufeffc\u00ad\u2028`,
		"\U000e0041":                      `\udb40\udc41`,
		"\x9b31m \xff \xe2\x80":           `\x9b31m \xff \xe2\x80`,
		"\ufffd":                          "\ufffd",
	} {
		if got := string(Show([]byte(text))); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// However a text is split into writes, the output is the same, and contains no control characters.
func FuzzWriter(f *testing.F) {
	for _, s := range []string{"a\r\nb\r", "\xe2\x80\xae\x9b\xf0\x9f\x99\x82\xf0\x9f", "\x1b[2J\u202e\u2066", "\xff\xfe\x00"} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		var out bytes.Buffer
		w := NewWriter(&out)
		for rest, n := text, int(step)%5+1; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			if k, err := w.Write(rest[:min(n, len(rest))]); err != nil || k != min(n, len(rest)) {
				t.Fatal(k, err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if want := string(Show(text)); got != want {
			t.Errorf("in pieces of %d: %q, at once: %q", step%5+1, got, want)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q is no UTF-8", got)
		}
		for i, r := range got {
			if r != '\n' && r != '\t' && (r < ' ' || r == 0x7f || r >= 0x80 && !unicode.IsGraphic(r) && unicode.In(r, unicode.Cc, unicode.Cf)) && !strings.HasPrefix(got[i:], "\r\n") {
				t.Errorf("%q holds %U", got, r)
			}
		}
		if utf8.Valid(text) { // JSON keeps its meaning
			in, err := json.Marshal(string(text))
			var back string
			if err != nil || json.Unmarshal(Show(in), &back) != nil || back != string(text) {
				t.Errorf("as JSON: %q", back)
			}
		}
	})
}
