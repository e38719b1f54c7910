package setup

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Roles creates or updates the roles for the sink, analysts and auditors, and returns what it found
// and did. In OpenSearch it also maps each role to the backend role of the same name, unless
// somebody has already mapped it.
func Roles(ctx context.Context, s Server, dryRun bool) ([]stream.Step, error) {
	x := &indexer{Server: s, Options: Options{DryRun: dryRun}}
	text, err := fs.ReadFile(siem.Roles(), s.Name()+".json")
	if err != nil {
		return nil, fmt.Errorf("%s has no roles: %w", s.Name(), err)
	}
	var want map[string]map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		return nil, fmt.Errorf("roles of %s: %w", s.Name(), err)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if err := x.role(ctx, name, want[name]); err != nil {
			return x.steps, err
		}
	}
	return x.steps, nil
}

// The APIs of OpenSearch's security plug-in.
const (
	securityRoles    = "/_plugins/_security/api/roles/"
	securityMappings = "/_plugins/_security/api/rolesmapping/"
)

func (x *indexer) role(ctx context.Context, name string, want map[string]any) error {
	path := "/_security/role/"
	if x.Name() == schemas.OpenSearch {
		path = securityRoles
	}
	have, err := x.named(ctx, path, name)
	if err != nil {
		return err
	}
	if err := x.set(ctx, "role "+name, path+name, have, want); err != nil || x.Name() != schemas.OpenSearch {
		return err
	}
	mapped, err := x.named(ctx, securityMappings, name)
	if err != nil {
		return err
	}
	if mapped != nil { // a mapping that somebody made is kept
		x.note("mapping of role "+name, "")
		return nil
	}
	return x.set(ctx, "mapping of role "+name, securityMappings+name, nil, map[string]any{"backend_roles": []any{name}})
}

// named returns the object with a name under path; nil if there is none.
func (x *indexer) named(ctx context.Context, path, name string) (map[string]any, error) {
	status, answer, err := x.Request(ctx, http.MethodGet, path+name, nil)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound && !noHandler(answer):
		return nil, nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, fmt.Errorf("%s: GET %s%s: HTTP %d: this user may not manage roles; run setup --roles as an administrator", x.Name(), path, name, status)
	case status != http.StatusOK:
		return nil, fmt.Errorf("%s: GET %s%s: HTTP %d: roles need the security of the server, which is off or missing here: %s", x.Name(), path, name, status, printable.Beginning(answer, 500))
	}
	var all map[string]map[string]any
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("%s: GET %s%s: the answer cannot be read: %w", x.Name(), path, name, err)
	}
	return all[name], nil
}

// set sends want, unless have already contains it.
func (x *indexer) set(ctx context.Context, what, path string, have, want map[string]any) error {
	change := "create"
	if have != nil {
		if contains(have, want) {
			x.note(what, "")
			return nil
		}
		change = "update"
	}
	x.note(what, change)
	if x.DryRun {
		return nil
	}
	return x.send(ctx, http.MethodPut, path, want)
}
