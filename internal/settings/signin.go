package settings

import (
	"errors"
	"fmt"
	"slices"

	"github.com/changetrail/changetrail/internal/nearest"
)

// A Role says what a person who signed in may do. No role contains another one.
type Role string

// The roles. Each of them may read.
const (
	Viewer        Role = "viewer"
	Approver      Role = "approver"      // gives approvals
	Auditor       Role = "auditor"       // reads what only auditors need, and writes nothing
	Administrator Role = "administrator" // revokes approvals that others gave
)

// Roles returns all roles.
func Roles() []Role { return []Role{Viewer, Approver, Auditor, Administrator} }

// A RoleGrant gives a role to each person whose claim or group has a value.
type RoleGrant struct {
	Value string `yaml:"value"` // "*": everybody who can sign in
	Role  Role   `yaml:"role"`
}

// Check returns an error that says what is wrong with g, or nil.
func (g RoleGrant) Check() error {
	var errs []error
	if g.Value == "" {
		errs = append(errs, errors.New(`value is missing: a value of the claim, or "*" for everybody`))
	}
	if !slices.Contains(Roles(), g.Role) {
		names := make([]string, 0, len(Roles()))
		for _, r := range Roles() {
			names = append(names, string(r))
		}
		errs = append(errs, fmt.Errorf("role: %s", nearest.NotOne(string(g.Role), names)))
	}
	return errors.Join(errs...)
}
