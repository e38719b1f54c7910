// Package strictyaml reads the files that people write: an unknown key is an error, and errors are
// in plain words, with the line and the column, and without Go types.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
)

// Decode reads the only document of text into v. An empty text does not change v. All errors are of
// type [*mistake.Mistake], and returned together.
func Decode(text []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return explain(err, text, v)
	}
	var more yaml.Node
	err = d.Decode(&more)
	if err == nil && !isEmpty(&more) {
		return &mistake.Mistake{Line: more.Line, Column: more.Column, What: "a second document begins, and one is read; take out the line ---"}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return explain(err, text, v)
	}
	return nil
}

func isEmpty(n *yaml.Node) bool {
	return len(n.Content) == 0 || n.Content[0].Tag == "!!null"
}

// Plain translates an error of a YAML reader into plain words.
func Plain(err error) error { return explain(err, nil, nil) }

var (
	unknownKey = lazy(`(?s)^field (.*?) not found in type (.*)$`)
	twice      = lazy(`(?s)^(?:field (.*) already set in type .*|mapping key "(.*)" already defined at line (\d+))$`)
	wrongKind  = lazy("(?s)^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.*)$")
	atLine     = lazy(`(?s)^(?:yaml: )?(?:line (\d+): )?(.*)$`)
)

// lazy compiles an expression when it is first needed: hooks read valid settings at each call
// of a tool.
func lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// explain translates a YAML reader's error about text, which was read into v.
func explain(err error, text []byte, v any) error {
	e := explainer{keys: make(map[string][]string)}
	if yaml.Unmarshal(text, &e.root) != nil {
		e.root = yaml.Node{}
	}
	if v != nil {
		e.learn(reflect.TypeOf(v))
	}
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		all := make([]error, len(wrong.Errors))
		for i, one := range wrong.Errors {
			all[i] = e.typed(one)
		}
		return errors.Join(all...)
	}
	var instant *time.ParseError
	if errors.As(err, &instant) {
		return e.value(instant.Value, fmt.Sprintf("%q is not a time, for example 2027-01-31", instant.Value))
	}
	if what := err.Error(); !strings.HasPrefix(what, "yaml: ") { // of a type with its own unmarshaler
		quoted, _ := strconv.QuotedPrefix(what)
		given, _ := strconv.Unquote(quoted)
		return e.value(given, what)
	}
	m := atLine().FindStringSubmatch(err.Error())
	line, _ := strconv.Atoi(m[1])
	if line > 0 && strings.HasPrefix(m[2], "did not find expected") { // the reader counts these from 0
		line = min(line+1, 1+bytes.Count(bytes.TrimRight(text, "\n"), []byte("\n")))
	}
	return &mistake.Mistake{Line: max(line, 1), What: syntax(m[2])}
}

// An explainer has the document, and the keys of each Go type.
type explainer struct {
	root yaml.Node
	keys map[string][]string
}

// learn records the keys of all types that t consists of.
func (e *explainer) learn(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		e.learn(t.Elem())
	case reflect.Struct:
		if _, known := e.keys[t.String()]; known {
			return
		}
		e.keys[t.String()] = nil
		e.keys[t.String()] = e.keysOf(t)
	}
}

func (e *explainer) keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.IsExported() || f.Anonymous {
			e.learn(f.Type)
		}
		switch {
		case option == "inline":
			keys = append(keys, e.keys[f.Type.String()]...)
		case name != "" && name != "-":
			keys = append(keys, name)
		}
	}
	return keys
}

// typed explains that a key or a value does not fit.
func (e *explainer) typed(text string) error {
	at := atLine().FindStringSubmatch(text)
	line, _ := strconv.Atoi(at[1])
	out := &mistake.Mistake{Line: line, What: at[2]}
	if m := unknownKey().FindStringSubmatch(at[2]); m != nil {
		out.Column = e.column(line, m[1], true)
		out.What = "there is no key " + m[1] + nearest.Hint(m[1], e.keys[strings.TrimPrefix(m[2], "*")])
	}
	if m := twice().FindStringSubmatch(at[2]); m != nil {
		out.Column = e.column(line, m[1]+m[2], true)
		out.What = "the key " + m[1] + m[2] + " is set twice"
		if m[3] != "" {
			out.What += ", first in line " + m[3]
		}
	}
	if m := wrongKind().FindStringSubmatch(at[2]); m != nil {
		out.Column = e.column(line, m[2], false)
		if m[2] == "" {
			out.Column = e.list(line, "!!"+m[1])
		}
		out.What = mismatch(m)
	}
	return out
}

// column finds a key or a text value in a line; 0 if it is not there.
func (e *explainer) column(line int, text string, key bool) (column int) {
	text, cut := strings.CutSuffix(text, "...")
	visit(&e.root, func(n *yaml.Node, isKey bool) bool {
		if n.Line == line && isKey == key && n.Kind == yaml.ScalarNode && (n.Value == text || cut && strings.HasPrefix(n.Value, text)) {
			column = n.Column
		}
		return column == 0
	})
	return column
}

// list finds the last list or group of keys that begins in a line.
func (e *explainer) list(line int, tag string) (column int) {
	visit(&e.root, func(n *yaml.Node, _ bool) bool {
		if n.Line == line && n.Tag == tag {
			column = n.Column
		}
		return true
	})
	return column
}

// value returns a mistake at the position of a value.
func (e *explainer) value(given, what string) error {
	out := &mistake.Mistake{What: what}
	visit(&e.root, func(n *yaml.Node, isKey bool) bool {
		if !isKey && n.Kind == yaml.ScalarNode && n.Value == given && given != "" {
			out.Line, out.Column = n.Line, n.Column
		}
		return out.Line == 0
	})
	return out
}

// visit walks through a document until f returns false.
func visit(n *yaml.Node, f func(n *yaml.Node, isKey bool) bool) bool {
	for i, c := range n.Content {
		if !f(c, n.Kind == yaml.MappingNode && i%2 == 0) || !visit(c, f) {
			return false
		}
	}
	return true
}

// mismatch explains that a value has the wrong kind.
func mismatch(m []string) string {
	given := map[string]string{"seq": "a list", "map": "a group of keys", "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a time"}[m[1]]
	if given == "" {
		given = "a value of another kind"
	}
	if m[2] != "" {
		given = fmt.Sprintf("%q", m[2])
	}
	return "expected " + wanted(m[3]) + ", found " + given
}

// wanted describes a Go type in plain words.
func wanted(of string) string {
	of = strings.TrimPrefix(of, "*")
	switch {
	case of == "string":
		return "a text"
	case of == "bool":
		return "true or false"
	case strings.HasPrefix(of, "int"), strings.HasPrefix(of, "uint"):
		return "a whole number"
	case strings.HasPrefix(of, "float"):
		return "a number"
	case of == "time.Time":
		return "a time, for example 2027-01-31"
	case strings.HasPrefix(of, "["):
		return "a list"
	}
	return "a group of keys"
}

// inWords are the messages of the YAML reader, and what they mean to the author of the file.
var inWords = []struct{ message, words string }{
	{"did not find expected ',' or ']'", "a list that begins with [ does not end with ]"},
	{"did not find expected ',' or '}'", "a group that begins with { does not end with }"},
	{"did not find expected key", "this line is not indented like the lines before it"},
	{"did not find expected '-' indicator", "this line is not indented like the lines before it, or the - of a list entry is missing"},
	{"did not find expected node content", "a value is missing, or a bracket or a quotation mark is not closed"},
	{"mapping values are not allowed", "there is a second colon in a value; put a text that contains a colon in quotes"},
	{"cannot start any token", "a value begins with a character that needs quotes, or the line is indented with a tab; indent with spaces"},
	{"tab character", "the line is indented with a tab; indent with spaces"},
	{"could not find expected ':'", "a key without a colon"},
	{"unexpected end of stream", "a text in quotes is not closed"},
	{"unknown escape character", `a text in double quotes contains an unknown escape with \; use single quotes`},
	{"block sequence entries are not allowed", "a list begins in the line of its key; begin it in the next line"},
	{"unknown anchor", "a value begins with * and refers to nothing; put the text in quotes"},
	{"excessive aliasing", "the file repeats itself by too many references (*)"},
	{"UTF-8", "the file is not text in UTF-8"},
	{"UTF-16", "the file is not text in UTF-8"},
	{"control characters are not allowed", "the file contains control characters; it is not a text"},
}

// syntax translates a message of the YAML reader.
func syntax(message string) string {
	i := slices.IndexFunc(inWords, func(w struct{ message, words string }) bool { return strings.Contains(message, w.message) })
	if i < 0 {
		return "this is not YAML"
	}
	return inWords[i].words
}
