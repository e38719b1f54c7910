package schemas

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestMedia(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "application/json": "application/json", "application/JSON": "application/json", "application/json ; charset=utf-8": "application/json",
		" Application/Json;charset=utf-8": "application/json", "application/vnd.x+JSON": "application/vnd.x+json", "json": "", "application/;": "", "/json": "",
		"application/json, text/plain": "", "a/b/c": "", "application/cloudevents+jsonx": "application/cloudevents+jsonx",
	} {
		if got := Media(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
		wantJSON := in == "" || want == "application/json" || strings.HasSuffix(want, "+json")
		if IsJSON(in) != wantJSON {
			t.Errorf("%q is JSON: %v", in, IsJSON(in))
		}
	}
}

func TestSound(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for data, sound := range map[string]bool{
		`{}`: true, `1`: true, `-0.0`: true, `1e308`: true, `[1,2.5e10,-3E-9]`: true, `1e309`: false, `{"a":[1,{"b":1e999}]}`: false, `-1E+400`: false, `1e-999`: false,
		`"1e999"`: true, `{"1e999":"\\\"1e999"}`: true, `"\\" `: true, `["\\",1e999]`: false, `"a\\\"1e999"`: true,
		strings.Repeat("9", 300): true, strings.Repeat("9", 301): false, deep(1000): true, deep(1001): false,
		`{"` + strings.Repeat("n", 9_000) + `":1}`: true, `{"` + strings.Repeat("n", 11_000) + `" :1}`: false, `["` + strings.Repeat("n", 11_000) + `"]`: true,
	} {
		if err := Sound([]byte(data)); (err == nil) != sound {
			t.Errorf("%.60s: %v", data, err)
		}
	}
}

// FuzzSound compares the scanner with one that reads tokens.
func FuzzSound(f *testing.F) {
	for _, s := range []string{`{"a":1e999}`, `["\\",1e999]`, `"\"1e9"`, `{"x\\":[1e-400,"]"]}`, `[0e999]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !jsontext.Value(data).IsValid() || len(data) > 9000 {
			return
		}
		sound, depth := true, 0
		d := jsontext.NewDecoder(strings.NewReader(string(data)))
		for {
			v, err := d.ReadToken()
			if err != nil {
				break
			}
			depth = max(depth, d.StackDepth())
			if v.Kind() != '0' {
				continue
			}
			text := v.String()
			n, err := strconv.ParseFloat(text, 64)
			at := strings.IndexAny(text, "eE")
			sound = sound && len(text) <= 300 && err == nil && !math.IsInf(n, 0) && (n != 0 || at < 0 || len(text)-at <= 3)
		}
		if err := Sound(data); (err == nil) != (sound && depth <= 1000) {
			t.Errorf("%s: %v, want sound %v, depth %d", data, err, sound, depth)
		}
	})
}
