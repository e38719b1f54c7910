package strictyaml

import (
	"strings"
	"testing"
	"time"
)

type kind string

type inner struct {
	Text string         `yaml:"text"`
	Map  map[string]int `yaml:"map"`
	Kind kind           `yaml:"kind"`
}

type outer struct {
	N     int       `yaml:"n"`
	F     float64   `yaml:"f"`
	B     bool      `yaml:"b"`
	At    time.Time `yaml:"at"`
	List  []inner   `yaml:"list"`
	One   inner     `yaml:"one"`
	Names []string  `yaml:"names"`
	Group struct {
		A int `yaml:"a"`
	} `yaml:"group"`
	Maybe *int `yaml:"maybe"`
}

func TestErrorsAreInWords(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "n: 1\nlist: [{text: a}]": "", "---\nn: 1\n---\n": "",
		"x: 1":                   "line 1: there is no key x",
		"n: 1\none: {y: 1}":      "line 2: there is no key y",
		"n: a":                   `line 1: "a" stands where a whole number is wanted`,
		"n: []":                  "line 1: a list stands where a whole number is wanted",
		"f: x":                   `line 1: "x" stands where a number is wanted`,
		"b: maybe":               `line 1: "maybe" stands where true or false is wanted`,
		"at: soon":               `"soon" is no time, as 2027-01-31`,
		"at: [1]":                "line 1: a list stands where a time, as 2027-01-31 is wanted",
		"list: {text: a}":        "line 1: keys with values stands where a list is wanted",
		"names: a":               `line 1: "a" stands where a list is wanted`,
		"one: a":                 `line 1: "a" stands where something else, most likely keys with values, is wanted`,
		"one: {map: [1]}":        "line 1: a list stands where something else, most likely keys with values, is wanted",
		"one: {kind: [1]}":       "line 1: a list stands where",
		"one: {text: [a]}":       "line 1: a list stands where a text is wanted",
		"maybe: x":               `line 1: "x" stands where a whole number is wanted`,
		"group: {b: 1}":          "line 1: there is no key b",
		"group: a":               `line 1: "a" stands where`,
		"x: 1\ny: 2":             "line 1: there is no key x; line 2: there is no key y",
		"n: 1\nn: 2":             "already defined",
		"n: 1\n---\nn: 2":        "a second document begins",
		"n: 1\n---\n- [a, {b: c": "did not find",
		"n: [":                   "did not find",
	} {
		err := Decode([]byte(text), new(outer))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "strictyaml.") || strings.Contains(err.Error(), "unmarshal") || strings.Contains(err.Error(), "!!") || strings.Contains(err.Error(), "struct")) {
			t.Errorf("%q: %v tells a type of Go", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("n: 1\n---\nx: `a` into b\n")
	f.Fuzz(func(t *testing.T, text string) {
		var one outer
		if err := Decode([]byte(text), &one); err != nil && strings.Contains(err.Error(), "not found in type") {
			t.Errorf("%q: %v", text, err)
		}
	})
}
