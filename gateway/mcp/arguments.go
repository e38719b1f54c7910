package mcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// asMeant reads the arguments of a call as the model meant them: many models write a list, an object,
// a number or a truth value as a text. A text that is JSON of the wanted kind is replaced by that
// JSON. Any other is refused with an error that says what is wanted.
func (t *Tools) asMeant(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		params, is := req.GetParams().(*mcp.CallToolParamsRaw)
		if !is || t.inputs[params.Name] == nil || len(params.Arguments) == 0 {
			return next(ctx, method, req)
		}
		meant, err := meant(t.inputs[params.Name], jsontext.Value(params.Arguments), "arguments")
		if err != nil {
			refused := new(mcp.CallToolResult)
			refused.SetError(err)
			return refused, nil
		}
		params.Arguments = []byte(meant)
		return next(ctx, method, req)
	}
}

// meant returns a value in the form that a schema wants. at says in words where the value is.
func meant(of *jsonschema.Schema, v jsontext.Value, at string) (jsontext.Value, error) {
	if of == nil || of.Ref != "" || len(v) == 0 {
		return v, nil
	}
	if v.Kind() == '"' && len(kindsOf(of)) > 0 && !slices.Contains(kindsOf(of), "string") {
		inner, err := unquoted(of, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		v = inner
	}
	switch v.Kind() {
	case '{':
		return meantObject(of, v, at)
	case '[':
		return meantArray(of, v, at)
	}
	return v, nil // checked by the schema later
}

func meantObject(of *jsonschema.Schema, v jsontext.Value, at string) (jsontext.Value, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(v, &members, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(members)) {
		inner, err := meant(of.Properties[name], members[name], strings.TrimPrefix(at+"."+name, "arguments."))
		members[name] = inner
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return json.Marshal(members, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}

func meantArray(of *jsonschema.Schema, v jsontext.Value, at string) (jsontext.Value, error) {
	var items []jsontext.Value
	if err := json.Unmarshal(v, &items, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	var errs []error
	for i := range items {
		inner, err := meant(of.Items, items[i], fmt.Sprintf("%s[%d]", at, i))
		items[i] = inner
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return json.Marshal(items, jsontext.AllowInvalidUTF8(true))
}

// unquoted returns the JSON in a text. It must be of a kind that the schema wants.
func unquoted(of *jsonschema.Schema, v jsontext.Value) (jsontext.Value, error) {
	text, err := jsontext.AppendUnquote(nil, v)
	inner := jsontext.Value(strings.TrimSpace(string(text)))
	wanted := kindsOf(of)
	if len(inner) > 0 && inner.IsValid() && slices.ContainsFunc(wanted, func(kind string) bool { return kindOf(inner, kind) }) {
		return inner, nil
	}
	example := map[string]string{"array": `, as ["a", "b"]`, "object": `, as {"name": "value"}`}[wanted[0]]
	return nil, errors.Join(fmt.Errorf("a text was given, but JSON of the type %s is needed%s", strings.Join(wanted, " or "), example), err)
}

func kindsOf(of *jsonschema.Schema) []string {
	if of.Type != "" {
		return []string{of.Type}
	}
	return of.Types
}

// kindOf reports whether a value is of a type of JSON Schema.
func kindOf(v jsontext.Value, kind string) bool {
	switch v.Kind() {
	case '[':
		return kind == "array"
	case '{':
		return kind == "object"
	case '0':
		return kind == "number" || kind == "integer"
	case 't', 'f':
		return kind == "boolean"
	case 'n':
		return kind == "null"
	}
	return false
}
