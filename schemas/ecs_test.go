//go:build servers

package schemas_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/schemas"
)

// An ecsField is a field of the Elastic Common Schema.
type ecsField struct {
	Type    string     `json:"type"`
	Allowed []ecsValue `json:"allowed_values"`
}

// An ecsValue is a value that a field may have.
type ecsValue struct {
	Name  string   `json:"name"`
	Types []string `json:"expected_event_types"` // of a category
}

// ecs returns the fields of the Elastic Common Schema, as its makers publish them.
func ecs(t *testing.T) map[string]ecsField {
	t.Helper()
	dir := foreign.NPM(t, "@elastic/ecs@9.4.0")
	out, err := exec.Command("node", "-p", `JSON.stringify(require(process.argv[1]).EcsFlat)`, filepath.Join(dir, "build", "commonjs")).Output() //nolint:gosec // a fixed program
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]ecsField)
	if err := json.Unmarshal(out, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// family returns the group of types that are searched and aggregated alike.
func family(fieldType string) string {
	switch fieldType {
	case "constant_keyword", "wildcard":
		return "keyword"
	case "match_only_text":
		return "text"
	}
	return fieldType
}

// otherwise are fields whose type is not that of ECS, and why.
var otherwise = map[string]string{
	"event.sequence":            "keyword", // the CloudEvents extension sequence is a string, and may have more digits than a long
	"vulnerability.description": "text",    // a text of a scanner has no limit, and a keyword has
}

// outside are fields beside changetrail.* that ECS does not have, and why they are there.
var outside = []string{
	"gen_ai.agent.version", "gen_ai.provider.name", // of OpenTelemetry's conventions, from which ECS has gen_ai
	"package.fixed_version", // as the integrations of Elastic for vulnerability scanners name it
}

// TestFieldsHaveTheTypesOfECS compares the mappings with ECS.
func TestFieldsHaveTheTypesOfECS(t *testing.T) {
	fields := ecs(t)
	unused := slices.Clone(outside)
	for path, have := range mapped(t) {
		if strings.HasPrefix(path, "changetrail.") {
			continue
		}
		f, known := fields[path]
		switch {
		case !known && !slices.Contains(outside, path):
			t.Errorf("ECS has no field %s", path)
		case !known:
			unused = slices.DeleteFunc(unused, func(o string) bool { return o == path })
		case otherwise[path] == "" && family(have) != family(f.Type):
			t.Errorf("%s is %s, in ECS %s", path, have, f.Type)
		case otherwise[path] != "" && (otherwise[path] != have || family(have) == family(f.Type)):
			t.Errorf("%s is %s, in ECS %s; the list of exceptions says %s", path, have, f.Type, otherwise[path])
		}
	}
	if len(unused) > 0 {
		t.Errorf("%v are no fields, or fields of ECS: remove them from the list", unused)
	}
}

// mapped returns the types of the fields of all documents.
func mapped(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, kind := range []string{"event", "record", "finding"} {
		for path, f := range fieldsOf(t, kind) {
			out[path] = f
		}
	}
	return out
}

// TestValuesAreThoseOfECS checks the values that ECS lists: the kind, the categories, the types and
// the outcome of events, and that each type is one that ECS expects in one of the categories.
func TestValuesAreThoseOfECS(t *testing.T) {
	fields := ecs(t)
	allowed := func(field, value string) bool {
		return slices.ContainsFunc(fields[field].Allowed, func(a ecsValue) bool { return a.Name == value })
	}
	seen := make(map[string]bool)
	for _, d := range append(produced.Demo(t, 1), produced.Odd(t, 5, 4000)...) {
		var doc struct {
			Event schemas.EventFields `json:"event"`
		}
		if err := json.Unmarshal(d.Body, &doc); err != nil {
			t.Fatal(err)
		}
		e := doc.Event
		combination := strings.Join([]string{e.Kind, strings.Join(e.Category, "+"), strings.Join(e.Type, "+"), e.Outcome}, " ")
		if seen[combination] {
			continue
		}
		seen[combination] = true
		if !allowed("event.kind", e.Kind) || e.Outcome != "" && !allowed("event.outcome", e.Outcome) {
			t.Errorf("ECS does not have the kind or the outcome of %s: %s", combination, d.Body)
		}
		var expected []string
		for _, c := range e.Category {
			if !allowed("event.category", c) {
				t.Errorf("ECS has no category %s", c)
			}
			for _, a := range fields["event.category"].Allowed {
				if a.Name == c {
					expected = append(expected, a.Types...)
				}
			}
		}
		for _, typ := range e.Type {
			if !slices.Contains(expected, typ) {
				t.Errorf("ECS does not expect the type %s in %v: %s", typ, e.Category, d.Body)
			}
		}
	}
	t.Logf("%d combinations of kind, category, type and outcome", len(seen))
	if len(seen) < 10 {
		t.Error("these are too few to say anything")
	}
}
