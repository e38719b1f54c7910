package schemas_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/generated"
	"github.com/changetrail/changetrail/record"
)

// A property is a part of a JSON Schema.
type property struct {
	Type        string              `json:"type"`
	Format      string              `json:"format"`
	Description string              `json:"description"`
	Enum        []string            `json:"enum"`
	Required    []string            `json:"required"`
	Properties  map[string]property `json:"properties"`
	Items       *property           `json:"items"`
}

// TestTheTablesOfEvents compares the tables in docs/events.md with the schemas.
func TestTheTablesOfEvents(t *testing.T) {
	file := generated.File{Path: filepath.Join("..", "docs", "events.md"), Part: "fields", Command: "go test ./schemas -update"}
	file.Check(t, []byte(tables(t)), *update)
}

// tables has one table for each type of event.
func tables(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range record.Types() {
		text, err := os.ReadFile(filepath.Join("events", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var schema property
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fmt.Fprintf(&b, "\n### %s\n\n", name)
		if schema.Description != "" {
			fmt.Fprintf(&b, "%s\n\n", schema.Description)
		}
		fmt.Fprint(&b, "| field | what | |\n|---|---|---|\n")
		rows(&b, "", schema)
	}
	return b.String()
}

func rows(b *strings.Builder, prefix string, p property) {
	names := make([]string, 0, len(p.Properties))
	for name := range p.Properties {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { // what is required first
		a, c := slices.Contains(p.Required, x), slices.Contains(p.Required, y)
		switch {
		case a && !c:
			return -1
		case c && !a:
			return 1
		}
		return strings.Compare(x, y)
	})
	for _, name := range names {
		f := p.Properties[name]
		required := ""
		if slices.Contains(p.Required, name) {
			required = "**required**; "
		}
		fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", prefix+name, required, kindOf(f), strings.ReplaceAll(f.Description, "|", "\\|"))
		inner, mark := f, "."
		if f.Items != nil {
			inner, mark = *f.Items, "[]."
		}
		rows(b, prefix+name+mark, inner)
	}
}

// kindOf is what a field holds, in words.
func kindOf(p property) string {
	switch {
	case len(p.Enum) > 0:
		values := slices.DeleteFunc(slices.Clone(p.Enum), func(v string) bool { return v == "" })
		return "`" + strings.Join(values, "`, `") + "`"
	case p.Format == "date-time":
		return "time (RFC 3339)"
	case p.Type == "array" && p.Items != nil && p.Items.Properties == nil:
		return "list of " + kindOf(*p.Items)
	}
	words := map[string]string{"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list", "object": "object"}
	if words[p.Type] == "" {
		return "any JSON"
	}
	return words[p.Type]
}
