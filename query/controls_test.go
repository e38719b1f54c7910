package query

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

// TestAQueryForEachFrameworkAndControl, with a name and a query that can be read, whatever the tags are.
func TestAQueryForEachFrameworkAndControl(t *testing.T) {
	fields, err := RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	saved := OfControls([]record.ResolvedControl{
		{Tag: "pci-dss-6.3.2", Framework: "PCI DSS", Title: "inventory"},
		{Tag: "pci-dss-6.3.3", Framework: "PCI DSS"},
		{Tag: `Ours "7" (a)`},
		{Tag: "…"},
	})
	var got []string
	for _, q := range saved {
		got = append(got, q.Name+" | "+q.Title+" | "+q.Query)
		if _, err := Parse(q.Query, fields, time.Now()); err != nil || !nameForm.MatchString(q.Name) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	want := []string{
		`framework-pci-dss | Changes in the scope of PCI DSS | changetrail.control.frameworks:"PCI DSS"`,
		`control-pci-dss-6.3.2 | Control pci-dss-6.3.2: inventory | tags:"pci-dss-6.3.2"`,
		`control-pci-dss-6.3.3 | Control pci-dss-6.3.3 | tags:"pci-dss-6.3.3"`,
		`control-ours-7-a | Control Ours "7" (a) | tags:"Ours \"7\" (a)"`,
	}
	if diff := cmp.Diff(want, got[:min(len(want), len(got))]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestColumnsThatAreNoFields are mistakes in queries.yaml.
func TestColumnsThatAreNoFields(t *testing.T) {
	for _, line := range []string{"columns: [service.nam]", "sort: -service.nam"} {
		_, err := ParseSaved([]byte("queries:\n  - {name: a, title: a, question: a, query: tags:x, " + line + "}\n"))
		if err == nil || !strings.Contains(err.Error(), "did you mean service.name?") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
