//go:build servers

package ocsf_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/schemas/ocsf"
)

// generate prints a JSON Schema for each class and set of profiles, as the published schema of a
// version of OCSF says. Attributes that a class does not have are not allowed.
const generate = `
import json, sys
from ocsf_json_schema import get_ocsf_schema, OcsfJsonSchemaEmbedded
schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=sys.argv[1]))
out = {}
for kind in sys.argv[2:]:
    uid, _, profiles = kind.partition(":")
    name = schema.lookup_class_name_from_uid(int(uid))
    out[kind] = schema.get_class_schema(class_name=name, profiles=[p for p in profiles.split(",") if p])
json.dump(out, sys.stdout)
`

// kinds are the classes that are used, each with the profiles that its events may have.
var kinds = []string{"2003:", "2004:", "2007:", "6002:", "6007:", "6003:", "6003:security_control", "6003:trace", "6003:security_control,trace"}

// published returns the JSON Schemas of a version of OCSF, by kind. They are made from the schema
// that https://schema.ocsf.io exports, which the package contains.
func published(t *testing.T, version string) map[string]*jsonschema.Schema {
	t.Helper()
	python := filepath.Join(foreign.Python(t, "ocsf-json-schema==1.2.0"), "python")
	text, err := exec.Command(python, append([]string{"-c", generate, version}, kinds...)...).Output() //nolint:gosec // a fixed program
	if err != nil {
		t.Fatalf("the schemas cannot be made: %v", err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]*jsonschema.Schema)
	for kind, doc := range all {
		c := jsonschema.NewCompiler()
		if err := c.AddResource("urn:ocsf:"+kind, doc); err != nil {
			t.Fatal(err)
		}
		if out[kind], err = c.Compile("urn:ocsf:" + kind); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// kindOf returns which of kinds an event of OCSF is.
func kindOf(t testing.TB, event []byte) string {
	t.Helper()
	var e struct {
		Class    int `json:"class_uid"`
		Metadata struct {
			Profiles []string `json:"profiles"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%s", e.Class, strings.Join(e.Metadata.Profiles, ","))
}

// TestEventsFollowThePublishedSchema checks events of every kind against three versions of the
// schema: required attributes, types, enumerations and constraints, and no attribute that the class
// does not have.
func TestEventsFollowThePublishedSchema(t *testing.T) {
	docs := slices.Concat(produced.Demo(t, 1), produced.Workload(t, 5, 100), produced.Odd(t, 3, 4000))
	versions := make(map[string]map[string]*jsonschema.Schema)
	for _, v := range []string{ocsf.Version, "1.7.0", "1.8.0"} {
		versions[v] = published(t, v)
	}
	seen := make(map[string]int)
	for _, d := range docs {
		e, err := ocsf.From(d.Body)
		if err != nil {
			t.Fatalf("%v: %s", err, d.Body)
		}
		kind := kindOf(t, e.JSON)
		seen[kind]++
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.JSON))
		if err != nil {
			t.Fatal(err)
		}
		for version, schemas := range versions {
			if err := schemas[kind].Validate(doc); err != nil {
				t.Errorf("%s by OCSF %s: %v\n%s", d.ID, version, err, e.JSON)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("events by class and profiles: %v", seen)
	for _, kind := range kinds {
		if seen[kind] == 0 {
			t.Errorf("no event is %s", kind)
		}
	}
}
