package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// A world is what was in force at each time: versions of the policy, oldest first.
type world struct {
	Versions []rules
	Limit    int             // for facts of one kind and sender; 0: that of the product
	parsed   *enricher.Rules // the versions as the product reads them: empty until it has
}

// rules are one version of a policy, in a form that is easy to evaluate by hand.
type rules struct {
	Since      time.Time
	Everything bool     // mode gate-everything
	Names      []string // names of the repository that the policy uses
	Services   []service
	Agents     []agent
	People     []person
	Teams      []person  // Accounts are the members
	Owners     []section // CODEOWNERS
	Rules      []rule
	Default    string
	Approvers  map[string]int // how many people must approve beforehand, by class
}

type service struct{ Name, Prefix, Class, Owner, Site string } // no prefix: the whole repository

type agent struct {
	ID, Account string
	Services    []string // names, or "*"
	Delegates   []string
}

type person struct {
	ID       string
	Accounts []string
}

// A rule applies by its Kind: "some" path lies under Arg, or "all" paths do; the change was
// "deployed" to Arg, or "only" there; the "jump", "kind", "class" or "site" is Arg; or "always".
type rule struct {
	Name, Kind, Arg, Verdict string
	By                       []string
}

// A section is a section of a CODEOWNERS file; without a name it is the whole file of GitHub.
type section struct {
	Name     string
	Optional bool
	Default  string // owners of lines without any
	Lines    []line
}

// A line has the owners that apply to it.
type line struct {
	Pattern string
	Owners  []string
}

// Universe has a path for everything that a rule, a service or a line of CODEOWNERS may test
// about paths.
var universe = []string{
	"docs/guide.md", "src/auth/login.go", "src/app.go", "package.json",
	"pkg/testdata/a.json", "services/checkout/cart.go", "services/ledger/book.go", "README",
}

var (
	jumps     = []string{"", "patch", "minor", "major", "downgrade", "unknown"}
	kinds     = []string{"", "dependency-update", "vulnerability-fix", "code", "configuration", "test", "documentation"}
	reviewers = []string{"jonas-k", "ana-p", "lea-w", "mira-s", "tom-b"}
)

// inForce returns the time that an event states, or its arrival if that is earlier: no policy
// comes into force at a time in the future.
func inForce(e record.Event) time.Time {
	if at := stated(e); at.Before(e.Arrived) {
		return at
	}
	return e.Arrived
}

func newWorld(g *generator) world {
	w := world{Versions: []rules{newRules(g)}, parsed: new(enricher.Rules)}
	if g.chance(30) { // the policy changes at the time of any event, or a second before or after it
		around := g.h.Events
		if i := slices.IndexFunc(around, is[*record.Merged]); i >= 0 && g.chance(50) {
			around = around[i : i+1]
		}
		for range 1 + g.IntN(3) {
			next := newRules(g)
			next.People, next.Teams = w.Versions[0].People, w.Versions[0].Teams
			next.Since = inForce(pick(g, around...)).Add(time.Duration(g.IntN(3)-1) * time.Second)
			w.Versions = append(w.Versions, next)
		}
		if g.chance(50) {
			w.Versions = w.Versions[1:] // the first one was never recorded
			for i := range w.Versions {
				w.Versions[i].Since = w.Versions[i].Since.Add(time.Duration(len(around)%3) * 30 * time.Minute)
			}
		}
		slices.SortStableFunc(w.Versions, func(a, b rules) int { return a.Since.Compare(b.Since) })
	}
	return w
}

func newRules(g *generator) rules {
	p := rules{
		Services:   []service{{Name: "payments", Class: "critical", Owner: "team-payments"}},
		Agents:     []agent{{ID: "patch-pilot", Account: "patch-pilot[bot]", Services: []string{"*"}}, {ID: "doc-scribe", Account: "doc-scribe[bot]", Services: []string{"docs"}}},
		People:     []person{{"mira.s", []string{"mira-s", "mira-second"}}, {"jonas.k", []string{"jonas-k", "jonas@acme.example"}}, {"ana.p", []string{"ana-p"}}},
		Teams:      []person{{"team-payments", []string{"jonas-k", "ana.p"}}, {"team-ledger", []string{"lea-w"}}, {"team-machines", []string{"doc-scribe[bot]"}}},
		Default:    pick(g, "review-required", "review-required", "review-required", "review-required", "approval-required", "autonomous", "autonomous", "forbidden"),
		Everything: g.chance(8),
	}
	if g.chance(20) { // listed by numbers that stay when accounts are renamed
		p.People[1].Accounts[0], p.Agents[0].Account = "id:4", pick(g, "patch-pilot[bot]", "id:1")
	}
	if p.Names = []string{string(repository)}; g.h.Renamed != "" { // by any name it is the same repository
		p.Names = pick(g, p.Names, []string{string(g.h.Renamed)}, []string{string(repository), string(g.h.Renamed)})
	}
	p.serve(g)
	if g.chance(35) {
		p.Owners = newOwners(g)
	}
	for i := range g.IntN(4) {
		r := newRule(g, len(p.Owners) > 0)
		r.Name = fmt.Sprintf("rule %d", i)
		if !slices.ContainsFunc(p.Rules, func(o rule) bool { return o.Kind == r.Kind && o.Arg == r.Arg }) {
			p.Rules = append(p.Rules, r)
		}
	}
	if g.chance(20) || g.chance(60) && len(g.permitted()) > 1 {
		p.Approvers = map[string]int{"critical": pick(g, 1, 2, 2, 2, 3)}
		if g.chance(30) {
			p.Approvers[pick(g, "medium", "low", "high")] = 2
		}
	}
	return p
}

// permitted returns the accounts that gave an approval.
func (g *generator) permitted() set {
	out := make(set)
	for _, a := range facts[*record.Approval](g.h.Events) {
		out.add(those(set{a.Approver: a.Verdict != "refused"})...)
	}
	return out
}

// serve sets the services, and what agents may change.
func (p *rules) serve(g *generator) {
	p.Services[0].Site = pick(g, "", "production")
	if g.chance(35) {
		p.Services = []service{
			{"docs", "docs/", "low", "", ""}, {"checkout", "services/checkout/", "critical", "team-payments", "production"}, {"ledger", "services/ledger/", "critical", "team-ledger", "production"},
		}
		if g.chance(60) {
			p.Services = append(p.Services, service{"all", "", "medium", pick(g, "", "jonas.k", "team-payments"), "staging"})
		}
	} else if g.chance(10) {
		p.Services[0].Owner = pick(g, "", "team-machines", "acme/team-nobody")
	}
	if g.chance(15) {
		p.Agents[0].Services = []string{pick(g, "payments", "docs", "ledger")}
	}
	if g.chance(20) {
		p.Agents[0].Delegates = []string{pick(g, "mira.s", "Mira-S", "jonas.k")}
	}
	if g.chance(5) {
		p.Agents = p.Agents[1:]
	}
}

func newRule(g *generator, owned bool) rule {
	r := rule{Kind: "class", Arg: "critical", Verdict: pick(g, "autonomous", "autonomous", "review-required", "approval-required", "forbidden")}
	switch n := g.IntN(6); {
	case n < 2 || owned && n < 5:
		r.By = []string{"owners"}
		if g.chance(15) {
			r.By = append(r.By, "mira.s")
		}
		if owned && g.chance(50) {
			r.Verdict = pick(g, "review-required", "review-required", "approval-required")
		}
	case n == 5:
		r.By = []string{pick(g, "team-payments", "team-ledger", "jonas.k", "team-machines", "Team-Payments", "@acme/team-nobody")}
	}
	switch g.IntN(10) {
	case 0, 1:
		r.Kind, r.Arg = "some", pick(g, "src/auth/", "services/ledger/", "docs/")
	case 2, 3:
		r.Kind, r.Arg = "all", pick(g, "docs/", "pkg/testdata/", "src/")
	case 4:
		r.Kind, r.Arg = "jump", pick(g, "patch", "patch", "minor")
	case 5:
		r.Kind, r.Arg = "kind", pick(g, "documentation", "dependency-update")
	case 6:
		r.Kind, r.Arg = "deployed", pick(g, "production", "staging")
	case 7:
		r.Kind, r.Arg = "only", pick(g, "staging", "production")
	case 8:
		r.Kind, r.Arg = "site", "production"
	}
	return r
}

// newOwners generates a CODEOWNERS file, of GitHub or, with sections, of GitLab.
func newOwners(g *generator) (out []section) {
	names := []string{""}
	if g.chance(40) {
		names = append(names, "Docs", "Code")
	}
	for _, name := range names {
		s := section{Name: name, Optional: name != "" && g.chance(30)}
		if name != "" && g.chance(50) {
			s.Default = ownersOf(g)
		}
		for _, pattern := range []string{"*", "/docs/", "/src/", "/services/", "*.json"} { // the widest first: the last match counts
			if !g.chance(45) {
				continue
			}
			owners := ownersOf(g)
			if g.chance(20) {
				owners = s.Default
			}
			s.Lines = append(s.Lines, line{pattern, strings.Fields(owners)})
		}
		if len(s.Lines) > 0 { // whose files have unknown owners
			s.Lines = append(s.Lines, line{"/nobody-can-read-this/", []string{"without-an-at-sign"}})
		}
		out = append(out, s)
	}
	return out
}

func ownersOf(g *generator) string {
	return pick(g, "@jonas-k", "@ana-p", "@Lea-W", "@tom-b @mira-s", "@acme/team-payments", "@acme/Team-Ledger", "@acme/ghosts", "@@maintainers", "@acme/team-machines", "jonas@acme.example", "@acme/ghosts @ana-p")
}

// codeowners renders the file as code hosts read it.
func codeowners(sections []section) string {
	b := strings.Builder{}
	b.WriteString("# who must agree\n\n")
	for _, s := range sections {
		if s.Name != "" {
			if s.Optional {
				b.WriteString("^")
			}
			fmt.Fprintf(&b, "[%s] %s # of the section\n", s.Name, s.Default)
		}
		for _, l := range s.Lines {
			owners := strings.Join(l.Owners, " ")
			if owners == s.Default {
				owners = ""
			}
			fmt.Fprintln(&b, l.Pattern, owners)
		}
	}
	return b.String()
}

// parse reads the versions as the product does, once.
func (w world) parse() (*enricher.Rules, error) {
	held := w.parsed
	if held == nil {
		held = new(enricher.Rules)
	} else if len(held.Policies.Versions()) > 0 {
		return held, nil
	}
	for _, v := range w.Versions {
		p, err := v.parse()
		if err != nil {
			return nil, err
		}
		held.Policies, _ = held.Policies.Add(policy.Version[*policy.Policy]{Digest: p.Digest(), Arrived: v.Since, Content: p}, v.Since)
	}
	return held, nil
}

// parse reads p as the product does.
func (p rules) parse() (*policy.Policy, error) {
	files := fstest.MapFS{"policy.yaml": {Data: []byte(p.yaml())}, "CODEOWNERS": {Data: []byte(codeowners(p.Owners))}}
	parsed, err := policy.Load(files, "policy.yaml")
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.yaml())
	}
	return parsed, nil
}

// condition renders when r holds.
func (r rule) condition() string {
	switch r.Kind {
	case "some":
		return fmt.Sprintf(`change.paths.exists(p, glob(p, "%s**"))`, r.Arg)
	case "all":
		return fmt.Sprintf(`change.paths.size() > 0 && change.paths.all(p, glob(p, "%s**"))`, r.Arg)
	case "deployed":
		return fmt.Sprintf(`"%s" in change.environments`, r.Arg)
	case "only":
		return fmt.Sprintf(`change.environments.size() > 0 && change.environments.all(e, e == "%s")`, r.Arg)
	case "jump":
		return fmt.Sprintf(`change.jump == "%s"`, r.Arg)
	case "kind":
		return fmt.Sprintf(`change.kind == "%s"`, r.Arg)
	case "class":
		return fmt.Sprintf(`service.classification == "%s"`, r.Arg)
	case "site":
		return fmt.Sprintf(`"%s" in service.environments`, r.Arg)
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
	names := p.Names
	if names == nil {
		names = []string{string(repository)}
	}
	line("recognize: own")
	if p.Everything {
		line("mode: gate-everything")
	}
	if !p.Since.IsZero() {
		line("since: %s", p.Since.Format(time.RFC3339))
	}
	if len(p.Owners) > 0 {
		line("codeowners: {%s: CODEOWNERS}", strings.Join(names, ": CODEOWNERS, "))
	}
	line("services:")
	for _, s := range p.Services {
		more := ""
		if s.Prefix != "" {
			more += fmt.Sprintf(", paths: [%q]", s.Prefix+"**")
		}
		if s.Owner != "" {
			more += fmt.Sprintf(", owner: %q", s.Owner)
		}
		if s.Site != "" {
			more += fmt.Sprintf(", environments: [%q]", s.Site)
		}
		line("- {name: %s, repositories: %s, classification: %s%s}", s.Name, list(names), s.Class, more)
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
	if len(p.Approvers) > 0 {
		line("approvers:")
	}
	for _, class := range slices.Sorted(maps.Keys(p.Approvers)) {
		line("  %s: %d", class, p.Approvers[class])
	}
	line("default: %s", p.Default)
	return b.String()
}
