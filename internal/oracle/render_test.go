package oracle

import (
	"fmt"
	"strings"
	"time"
)

// condition renders when r holds.
func (r rule) condition() string {
	switch r.Kind {
	case "some":
		return fmt.Sprintf(`change.paths.exists(p, glob(p, "%s**"))`, r.Arg)
	case "all":
		return fmt.Sprintf(`change.paths.size() > 0 && change.paths.all(p, glob(p, "%s**"))`, r.Arg)
	case "jump":
		return fmt.Sprintf(`change.jump == "%s"`, r.Arg)
	case "kind":
		return fmt.Sprintf(`change.kind == "%s"`, r.Arg)
	case "class":
		return fmt.Sprintf(`service.classification == "%s"`, r.Arg)
	}
	return "true"
}

// yaml renders p as the product reads it.
func (p rules) yaml() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	list := func(names []string) string {
		quoted := make([]string, len(names))
		for i, n := range names {
			quoted[i] = fmt.Sprintf("%q", n)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	line("recognize: own")
	if !p.Since.IsZero() {
		line("since: %s", p.Since.Format(time.RFC3339))
	}
	line("services:")
	for _, s := range p.Services {
		paths := ""
		if s.Prefix != "" {
			paths = fmt.Sprintf(", paths: [%q]", s.Prefix+"**")
		}
		owner := ""
		if s.Owner != "" {
			owner = fmt.Sprintf(", owner: %q", s.Owner)
		}
		line("- {name: %s, repositories: [%q]%s, classification: %s%s}", s.Name, "github.com/acme/*", paths, s.Class, owner)
	}
	line("agents:")
	for _, a := range p.Agents {
		line("- {id: %s, accounts: [%q], services: %s, delegates: %s}", a.ID, a.Account, list(a.Services), list(a.Delegates))
	}
	line("people:")
	for _, h := range p.People {
		line("- {id: %s, accounts: %s}", h.ID, list(h.Accounts))
	}
	if len(p.Teams) > 0 {
		line("teams:")
	}
	for _, t := range p.Teams {
		line("- {id: %s, members: %s}", t.ID, list(t.Accounts))
	}
	if len(p.Rules) > 0 {
		line("rules:")
	}
	for _, r := range p.Rules {
		line("- {name: %q, when: '%s', verdict: %s, reason: so it is, by: %s}", r.Name, r.condition(), r.Verdict, list(r.By))
	}
	line("default: %s", p.Default)
	return b.String()
}
