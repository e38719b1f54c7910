package schemas

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestOrdinaryStopsAtTheFirstOddByte(t *testing.T) {
	for size := range 30 {
		for at := range size {
			for c := range 256 {
				b := bytes.Repeat([]byte("x"), size)
				b[at] = byte(c)
				for i := at + 1; i < size; i++ {
					b[i] = byte(rand.Uint32()) // the bytes behind it do not matter
				}
				odd := c < ' ' || c == '"' || c == '\\' || c >= 0x80
				if n := ordinary(b); odd && n != at || !odd && n <= at {
					t.Fatalf("%q: %d", b, n)
				}
			}
		}
	}
}

func FuzzStringsAreQuotedAlike(f *testing.F) {
	f.Add("plain text")
	f.Add("\x7f \x1f \\ \" <&> \u2028 ü \xff")
	f.Fuzz(func(t *testing.T, s string) {
		want, _ := jsontext.AppendQuote(nil, s)
		if got := appendString(nil, s); string(got) != string(want) {
			t.Errorf("%q is written as %s, want %s", s, got, want)
		}
	})
}
