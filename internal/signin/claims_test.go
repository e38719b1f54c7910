package signin

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/settings"
)

func TestPathsOfClaims(t *testing.T) {
	const text = `{"groups": ["/a", 7, "b"], "realm_access": {"roles": ["r"]}, "resource_access": {"trail.web": {"roles": ["w"]}}, "https://acme.example/roles": "one", "n": 7, "a.b": {"c": "whole"}, "a": {"b": {"c": "parts", "d": "inner"}}}`
	var c claims
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"groups": {"/a", "b"}, "realm_access.roles": {"r"}, "resource_access.trail.web.roles": {"w"}, "https://acme.example/roles": {"one"}, "a.b.d": {"inner"},
		"a.b.c": {"parts"}, "n": nil, "realm_access": nil, "realm_access.": nil, "": nil, ".": nil, "groups.0": nil, "nothing": nil,
	} {
		if got := c.list(path); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}

func TestRolesFollowFromClaims(t *testing.T) {
	grants := []settings.RoleGrant{{Value: "leads", Role: settings.Approver}, {Value: "leads", Role: settings.Viewer}, {Value: "audit", Role: settings.Auditor}}
	for name, c := range map[string]struct {
		grants []settings.RoleGrant
		values []string
		want   []settings.Role
	}{
		"several":                       {grants, []string{"leads", "x"}, []settings.Role{settings.Viewer, settings.Approver}},
		"none":                          {grants, []string{"x", "Leads", "leads ", "*"}, nil},
		"roles themselves":              {nil, []string{"administrator", "x"}, []settings.Role{settings.Administrator}},
		"roles themselves, with grants": {grants, []string{"administrator"}, nil},
		"everybody":                     {[]settings.RoleGrant{{Value: "*", Role: settings.Viewer}}, nil, []settings.Role{settings.Viewer}},
		"nothing":                       {nil, nil, nil},
	} {
		if got := rolesOf(c.grants, c.values); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzClaims: whatever a token says, reading it ends, and a role follows only from a value that is
// there as a whole.
func FuzzClaims(f *testing.F) {
	f.Add(`{"groups":["leads"]}`, "groups")
	f.Add(`{"a":{"b.c":{"d":["leads"]}}}`, "a.b.c.d")
	f.Add(`{"a":{"":{"":["x"]}}}`, "a..")
	f.Fuzz(func(t *testing.T, text, path string) {
		if len(path) > 200 {
			return // the settings of an operator are not longer
		}
		var c claims
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		list := c.list(path)
		roles := rolesOf([]settings.RoleGrant{{Value: "leads", Role: settings.Approver}}, list)
		if len(roles) > 0 && (!slices.Contains(list, "leads") || !strings.Contains(text, `leads`) && !strings.Contains(text, `\u`)) {
			t.Errorf("%s: %v of %s", path, roles, text)
		}
		_ = c.text(path)
	})
}
