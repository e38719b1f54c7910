// Package strictyaml reads the files that people write: a key that nobody knows is an
// error, and errors are in words, with no types of Go.
//
// It imports nothing of ours.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Decode reads the one document of text into v. Nothing leaves v as it is.
func Decode(text []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return Plain(err)
	}
	var more yaml.Node
	err = d.Decode(&more)
	if err == nil && !isEmpty(&more) {
		return fmt.Errorf("line %d: a second document begins, and one is read; take out the line ---", more.Line)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return Plain(err)
	}
	return nil
}

func isEmpty(n *yaml.Node) bool {
	return len(n.Content) == 0 || n.Content[0].Tag == "!!null"
}

var (
	unknownKey = regexp.MustCompile(`(?s)field (.*) not found in type .*`)
	twice      = regexp.MustCompile(`(?s)field (.*) already set in type .*`)
	wrongKind  = regexp.MustCompile("(?s)cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.*)")
)

// Plain is an error of a YAML reader in words.
func Plain(err error) error {
	var instant *time.ParseError
	if errors.As(err, &instant) {
		return fmt.Errorf("%q is no time, as 2027-01-31", instant.Value)
	}
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return err
	}
	each := make([]string, len(wrong.Errors))
	for i, text := range wrong.Errors {
		text = unknownKey.ReplaceAllString(text, "there is no key $1")
		text = twice.ReplaceAllString(text, "the key $1 is set twice")
		each[i] = wrongKind.ReplaceAllStringFunc(text, mismatch)
	}
	return errors.New(strings.Join(each, "; "))
}

// mismatch says in words that a value is not of the kind that is wanted.
func mismatch(text string) string {
	m := wrongKind.FindStringSubmatch(text)
	given := map[string]string{"seq": "a list", "map": "keys with values", "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a time"}[m[1]]
	if given == "" {
		given = "a value of another kind"
	}
	if m[2] != "" {
		given = fmt.Sprintf("%q", m[2])
	}
	return given + " stands where " + wanted(m[3]) + " is wanted"
}

// wanted is a type of Go in words.
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
		return "a time, as 2027-01-31"
	case strings.HasPrefix(of, "["):
		return "a list"
	}
	return "something else, most likely keys with values,"
}
