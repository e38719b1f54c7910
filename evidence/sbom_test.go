package evidence

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// TestDelta updates lodash in the bills that npm wrote for one project, in both formats.
func TestDelta(t *testing.T) {
	cyclone, spdx := string(read(t, "npm.cdx.json")), string(read(t, "npm.spdx.json"))
	fix := strings.NewReplacer(`"version": "4.17.15"`, `"version": "4.17.21"`, `"versionInfo": "4.17.15"`, `"versionInfo": "4.17.21"`, "lodash@4.17.15", "lodash@4.17.21")
	update := record.DependencyUpdate{Name: "lodash", Ecosystem: "npm", From: "4.17.15", To: "4.17.21"}
	for name, c := range map[string]struct {
		before, after string
		want          []record.DependencyUpdate
	}{
		"the same twice":         {cyclone, cyclone, nil},
		"the same in two words":  {cyclone, spdx, nil},
		"an update, CycloneDX":   {cyclone, fix.Replace(cyclone), []record.DependencyUpdate{update}},
		"an update, SPDX":        {spdx, fix.Replace(spdx), []record.DependencyUpdate{update}},
		"an update, from either": {cyclone, fix.Replace(spdx), []record.DependencyUpdate{update}},
		"one new and one gone": {
			`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","version":"1"}]}`,
			`<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components><component type="library"><name>b</name><version>2</version></component></components></bom>`,
			[]record.DependencyUpdate{{Name: "a", From: "1"}, {Name: "b", To: "2"}},
		},
		"one of two versions": {
			`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","version":"1.0"},{"type":"library","name":"a","version":"2.0"}]}`,
			`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","version":"1.0"},{"type":"library","name":"a","version":"2.1"}]}`,
			[]record.DependencyUpdate{{Name: "a", From: "2.0", To: "2.1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Delta([]byte(c.before), []byte(c.after))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for name, bad := range map[string]string{"": "", "a scan": string(read(t, "semgrep.json")), "cut short": cyclone[:2000], "a component that is none": `{"bomFormat":"CycloneDX","components":["x"]}`, "SPDX 3": `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}`} {
		if _, err := Delta([]byte(cyclone), []byte(bad)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDelta(f *testing.F) {
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"a","version":"1"}]}`), read(f, "sbom.cdx.json"))
	f.Add([]byte(`{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","SPDXID":"SPDXRef-a","versionInfo":"1"}]}`), read(f, "pip-audit.cdx.xml"))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		if _, err := Delta(before, after); err != nil && !errors.Is(err, ErrUnreadable) {
			t.Error(err)
		}
	})
}
