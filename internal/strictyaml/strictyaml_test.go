package strictyaml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/mistake"
)

type kind string

type inner struct {
	Text string         `yaml:"text"`
	Map  map[string]int `yaml:"map"`
	Kind kind           `yaml:"kind"`
}

type span int

func (*span) UnmarshalText(b []byte) error { return fmt.Errorf("%q is not a span", b) }

type outer struct {
	Span  []span    `yaml:"span"`
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
		"x: 1":                   "line 1, column 1: there is no key x",
		"n: 1\none: {y: 1}":      "line 2, column 7: there is no key y",
		"nams: [a]":              "line 1, column 1: there is no key nams; did you mean names?",
		"list: [{txt: a}]":       "line 1, column 9: there is no key txt; did you mean text?",
		"group: {aa: 1}":         "line 1, column 9: there is no key aa; did you mean a?",
		"n: a":                   `line 1, column 4: expected a whole number, found "a"`,
		"n: []":                  "line 1, column 4: expected a whole number, found a list",
		"f: x":                   `line 1, column 4: expected a number, found "x"`,
		"b: maybe":               `line 1, column 4: expected true or false, found "maybe"`,
		"n: 1\nat: soon":         `line 2, column 5: "soon" is not a time, for example 2027-01-31`,
		"at: [1]":                "line 1, column 5: expected a time, for example 2027-01-31, found a list",
		"span: [ever]":           `line 1, column 8: "ever" is not a span`,
		"list: {text: a}":        "line 1, column 7: expected a list, found a group of keys",
		"names: a":               `line 1, column 8: expected a list, found "a"`,
		"one: a":                 `line 1, column 6: expected a group of keys, found "a"`,
		"one: {map: [1]}":        "line 1, column 12: expected a group of keys, found a list",
		"one: {kind: [1]}":       "line 1, column 13: expected",
		"one: {text: [a]}":       "line 1, column 13: expected a text, found a list",
		"maybe: x":               `line 1, column 8: expected a whole number, found "x"`,
		"group: {b: 1}":          "line 1, column 9: there is no key b",
		"group: a":               `line 1, column 8: expected a group of keys, found "a"`,
		"x: 1\ny: 2":             "line 1, column 1: there is no key x\nline 2, column 1: there is no key y",
		"n: 1\nn: 2":             "line 2, column 1: the key n is set twice, first in line 1",
		"n: 1\n---\nn: 2":        "line 2, column 1: a second document begins",
		"n: 1\n---\n- [a, {b: c": "does not end with }",
		"n: [":                   "line 1: a value is missing",
		"n: [1":                  "line 1: a list that begins with [ does not end with ]",
		"a: b: c":                "line 1: there is a second colon in a value",
		"\tn: 1":                 "line 1: a value begins with a character that needs quotes, or the line is indented with a tab",
		"n: *x":                  "line 1: a value begins with * and refers to nothing",
		"n: \xff\xfe":            "line 1: the file is not text in UTF-8",
		"n: \x01":                "line 1: the file contains control characters",
		"a: 'x":                  "a text in quotes is not closed",
		`a: "\q"`:                `a text in double quotes contains an unknown escape`,
	} {
		err := Decode([]byte(text), new(outer))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "strictyaml.") || strings.Contains(err.Error(), "unmarshal") || strings.Contains(err.Error(), "!!") || strings.Contains(err.Error(), "struct") || strings.Contains(err.Error(), "yaml: ")) {
			t.Errorf("%q: %v tells a type of Go", text, err)
		}
	}
}

// Mistakes that are found after reading have the position of their value.
func TestMistakesHaveTheirPlace(t *testing.T) {
	text := []byte("list:\n  - text: a\n  - text: b\n    kind: c\nn: 1\n")
	err := errors.Join(mistake.At("list[1].kind", "c is wrong"), mistake.At("list[1].map", "map is missing"), mistake.At("list[7]", "it is missing"), mistake.At("n", "n is 1"), errors.Join(mistake.At("", "all of it is wrong")), errors.New("other"))
	want := "f.yaml:4:11: c is wrong\nf.yaml:3:5: map is missing\nf.yaml:2:3: it is missing\nf.yaml:5:4: n is 1\nf.yaml: all of it is wrong\nf.yaml: other"
	if got := mistake.In("f.yaml", Locate(text, err)); got == nil || got.Error() != want {
		t.Errorf("%v, want %s", got, want)
	}
	if mistake.In("x", Locate(text, nil)) != nil {
		t.Error("nothing is a mistake")
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
