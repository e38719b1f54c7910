package policy

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const catalog = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: payments
  annotations:
    github.com/project-slug: acme/payments
    changetrail.dev/classification: critical
    changetrail.dev/data-classes: cardholder, pii
spec: {type: service, owner: "group:default/team-payments"}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: ledger
  annotations:
    backstage.io/source-location: url:https://github.com/acme/platform/tree/main/services/ledger/
    changetrail.dev/classification: high
spec: {type: service, owner: team-finance}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: team-payments}
`

const owners = "* @acme/platform\n/src/auth/ @acme/security @mira-s\n"

func TestServicesFromACatalogAndReviewersFromCODEOWNERS(t *testing.T) {
	files := fstest.MapFS{
		"etc/policy.yaml": {Data: []byte(`
catalogs: [catalog-info.yaml]
codeowners: {github.com/acme/payments: payments.CODEOWNERS}
teams: [{id: security, members: [jonas.k]}, {id: team-payments, members: [ana.p]}]
people: [{id: jonas.k, accounts: [jonas-k]}, {id: mira.s, accounts: [mira-s]}]
rules:
  - {name: by owners, when: 'true', verdict: review-required, reason: owners review, by: [owners]}
`)},
		"etc/catalog-info.yaml":   {Data: []byte(catalog)},
		"etc/payments.CODEOWNERS": {Data: []byte(owners)},
	}
	p, err := Load(files, "etc/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []Service{
		{Name: "payments", Repositories: []string{"github.com/acme/payments"}, Classification: "critical", DataClasses: []string{"cardholder", "pii"}, Owner: "team-payments"},
		{Name: "ledger", Repositories: []string{"github.com/acme/platform"}, Paths: []string{"services/ledger/**"}, Classification: "high", Owner: "team-finance"},
	}
	if diff := cmp.Diff(want, p.Services, cmp.Comparer(func(a, b []string) bool { return strings.Join(a, " ") == strings.Join(b, " ") })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	v := p.Decide(Request{Repository: "github.com/acme/payments", Paths: []string{"src/auth/a.js"}})
	if diff := cmp.Diff([]string{"@acme/security", "@mira-s"}, v.By); diff != "" {
		t.Errorf("by (-want +got):\n%s", diff)
	}
	for account, in := range map[string]bool{"jonas-k": true, "mira-s": true, "mira.s": true, "ana.p": false, "someone": false} {
		if p.InGroup(account, v.By) != in {
			t.Errorf("%s in %v: want %v", account, v.By, in)
		}
	}
	before := p.Digest()
	files["etc/payments.CODEOWNERS"].Data = []byte("* @someone\n")
	if p, err = Load(files, "etc/policy.yaml"); err != nil || p.Digest() == before {
		t.Errorf("another CODEOWNERS, and the digest is the same (%v)", err)
	}
}

func TestSourcesThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ policy, catalog, want string }{
		"no such file":         {"catalogs: [none.yaml]", "", "none.yaml"},
		"no repository":        {"catalogs: [c.yaml]", "kind: Component\nmetadata: {name: x}", "component x: its repository is unknown"},
		"no class":             {"catalogs: [c.yaml]", "kind: Component\nmetadata: {name: x, annotations: {github.com/project-slug: a/b}}", "annotation changetrail.dev/classification is missing"},
		"a class of their own": {"catalogs: [c.yaml]", "kind: Component\nmetadata: {name: x, annotations: {github.com/project-slug: a/b, changetrail.dev/classification: tier-1}}", `classification "tier-1" is not one of critical`},
		"no YAML":              {"catalogs: [c.yaml]", "{", "c.yaml"},
		"no CODEOWNERS":        {"codeowners: {github.com/a/b: c.yaml}", "src/ not an owner!\nnor/ this", "codeowners: c.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{"p.yaml": {Data: []byte(c.policy)}, "c.yaml": {Data: []byte(c.catalog)}}, "p.yaml")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := Parse([]byte("catalogs: [a]")); err == nil {
		t.Error("a policy that names files is read without them")
	}
}

func TestCovers(t *testing.T) {
	p, err := Parse([]byte("services: [{name: a, repositories: [github.com/x/a], classification: low}]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scope string
		files string
		want  bool
	}{
		{"", "x.go", true},
		{"a", "x.go", true},
		{"b", "x.go", false},
		{"github.com/x/*", "x.go", true},
		{"src/**", "src/a.go src/b.go", true},
		{"src/**", "src/a.go b.go", false},
	} {
		surely, may := p.Covers(strings.Fields(c.scope), "a", Request{Repository: "github.com/x/a", Paths: strings.Fields(c.files)})
		if surely != c.want || may != c.want {
			t.Errorf("%q covers %q: surely %v, maybe %v", c.scope, c.files, surely, may)
		}
	}
}

func FuzzCatalog(f *testing.F) {
	f.Add([]byte(catalog))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = readCatalog(b) })
}
