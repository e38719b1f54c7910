package signin

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/changetrail/changetrail/internal/settings"
)

// A Person is somebody who signed in.
type Person struct {
	ID       string // the account by which policies and code hosts name the person
	Name     string // for people to read; ID where the provider states none
	Email    string // for people to read; "" where it is unknown or not verified
	Roles    []settings.Role
	Provider string // who authenticated the person: the issuer, or "proxy" with its address
	Subject  string // the provider's own, permanent id of the person; ID behind a proxy

	Since time.Time // when the person signed in; zero behind a proxy, which does not say
}

// Has reports whether the person has a role. No role contains another one.
func (p Person) Has(role settings.Role) bool { return slices.Contains(p.Roles, role) }

type personKey struct{}

// With returns a context that contains a person.
func With(ctx context.Context, p Person) context.Context {
	return context.WithValue(ctx, personKey{}, p)
}

// Of returns the person who signed in; false if nobody did, such as for a program with a token.
func Of(ctx context.Context) (Person, bool) {
	p, ok := ctx.Value(personKey{}).(Person)
	return p, ok
}

// everyone in a grant means each person who can sign in.
const everyone = "*"

// rolesOf returns the roles that values of a claim, or groups, give.
func rolesOf(grants []settings.RoleGrant, values []string) []settings.Role {
	var out []settings.Role
	for _, role := range settings.Roles() {
		given := len(grants) == 0 && slices.Contains(values, string(role))
		for _, g := range grants {
			given = given || g.Role == role && (g.Value == everyone || slices.Contains(values, g.Value))
		}
		if given {
			out = append(out, role)
		}
	}
	return out
}

// maxText bounds what is kept of a name, in bytes.
const maxText = 256

// readable reports whether people can read a name: no control characters, none that change the
// direction of the text, and not too long.
func readable(s string) bool {
	return s != "" && len(s) <= maxText && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
