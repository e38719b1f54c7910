package policy_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// universe are the paths that a generated change may have: one for each folder that rules and
// services name, and one in no folder.
var universe = []string{"docs/guide.md", "lib/auth/login.go", "src/cart.go", "web/index.html", "ledger/book.go", "README.md"}

var folders = []string{"docs/**", "**/auth/**", "src/**", "web/**", "ledger/**"}

// plain are conditions that are independent of each other, so that every verdict called possible
// must be possible.
var plain = []string{
	`change.paths.exists(p, glob(p, "%s"))`,
	`change.paths.all(p, glob(p, "%s"))`,
}

// tangled are conditions that depend on each other, or use the paths as a whole.
var tangled = append([]string{
	`change.paths.size() > 0 && change.paths.all(p, glob(p, "%s"))`,
	`!change.paths.exists(p, glob(p, "%s"))`,
	`"web/index.html" in change.paths || change.paths.exists(p, glob(p, "%s"))`,
	`change.paths.size() > 2 && change.paths.exists(p, glob(p, "%s"))`,
	`size(change.paths) < 3 && change.paths.all(p, !glob(p, "%s"))`,
	`change.paths.size() == 0 || change.paths.all(p, glob(p, "%s"))`,
	`change.paths.filter(p, glob(p, "%s")).size() == 1`,
	`change.paths.exists_one(p, glob(p, "%s"))`,
	`change.paths.map(p, p.split("/")[1]).exists(d, glob(d + "/", "%s"))`,
	`change.paths.exists(p, p.split("/")[1] == "auth" || glob(p, "%s"))`,
	`change["paths"].exists(p, glob(p, "%s"))`,
	`sets.intersects(change.paths, ["docs/guide.md"]) && !change.paths.exists(p, glob(p, "%s"))`,
	`change.paths == ["docs/guide.md"] || change.paths.all(p, glob(p, "%s"))`,
	`change.jump == "patch" && change.paths.all(p, glob(p, "%s"))`,
	`change.jump in ["major", "unknown"] || change.paths.exists(p, glob(p, "%s"))`,
	`change.dependencies.exists(d, d == "react") ? change.paths.size() > 1 : change.paths.exists(p, glob(p, "%s"))`,
	`change.kind == "code" && change.paths.exists(p, glob(p, "%s"))`,
	`"production" in change.environments && change.paths.exists(p, glob(p, "%s"))`,
}, plain...)

// generate writes a policy: services that are the whole repository, or folders of it.
func generate(r *rand.Rand, conditions []string, parted bool) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range 1 + r.IntN(3) {
		fmt.Fprintf(&b, "  - {name: s%d, repositories: [host/a/b], classification: %s", i, policy.Classifications[r.IntN(4)])
		if parted && r.IntN(4) > 0 {
			fmt.Fprintf(&b, ", paths: [%q]", folders[r.IntN(len(folders))])
		}
		b.WriteString("}\n")
	}
	b.WriteString("teams: [{id: t0, members: [ana]}, {id: t1, members: [ben]}]\nrules:\n")
	taken := r.Perm(len(folders))
	for i := range 1 + r.IntN(4) {
		condition := fmt.Sprintf(conditions[r.IntN(len(conditions))], folders[taken[i]])
		if parted && r.IntN(3) == 0 {
			condition = fmt.Sprintf("service.name == %q && (%s)", fmt.Sprint("s", r.IntN(3)), condition)
		}
		fmt.Fprintf(&b, "  - {name: r%d, when: '%s', verdict: %s, reason: x", i, condition, policy.Verdicts[r.IntN(4)])
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, ", by: [t%d]", r.IntN(2))
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "default: %s\n", policy.Verdicts[r.IntN(4)])
	return b.String()
}

// known returns a change that is partly unknown.
func known(r *rand.Rand) policy.Request {
	q := policy.Request{Agent: "bot", Repository: "host/a/b", Kind: "code"}
	for _, p := range universe {
		if r.IntN(3) == 0 {
			q.Paths = append(q.Paths, p)
		}
	}
	q.Unseen.Paths = r.IntN(4) > 0
	q.Unseen.Dependencies, q.Unseen.Kind, q.Unseen.Environments = r.IntN(3) == 0, r.IntN(4) == 0, r.IntN(4) == 0
	return q
}

// completions returns all changes that q may stand for.
func completions(q policy.Request) []policy.Request {
	out := []policy.Request{q}
	widen := func(more func(policy.Request) []policy.Request) {
		for _, c := range out {
			out = append(out, more(c)...)
		}
	}
	if q.Unseen.Paths {
		for _, p := range universe {
			if !slices.Contains(q.Paths, p) {
				widen(func(c policy.Request) []policy.Request {
					c.Paths = append(slices.Clone(c.Paths), p)
					slices.Sort(c.Paths)
					return []policy.Request{c}
				})
			}
		}
	}
	if q.Unseen.Dependencies {
		widen(func(c policy.Request) (more []policy.Request) {
			for _, d := range []record.DependencyUpdate{{Name: "lodash", From: "1.0.0", To: "1.0.1"}, {Name: "react", From: "1.0.0", To: "2.0.0"}, {Name: "x", From: "?", To: "!"}} {
				c.Dependencies = append(slices.Clone(q.Dependencies), d)
				more = append(more, c)
			}
			return more
		})
	}
	if q.Unseen.Kind {
		widen(func(c policy.Request) []policy.Request { c.Kind = "test"; return []policy.Request{c} })
	}
	if q.Unseen.Environments {
		widen(func(c policy.Request) []policy.Request {
			c.Environments = []string{"production"}
			return []policy.Request{c}
		})
	}
	for i := range out {
		out[i].Unseen = policy.Unseen{}
	}
	return out
}

func parse(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

func gravity(verdict string) int { return slices.Index(policy.Verdicts, verdict) }

// Whatever the unknown rest of a change is, its verdict is between the mildest and the strictest
// that were reported as possible, and its demands are among those reported.
func TestVerdictsOfWhatIsNotKnownHoldForAllThatItMayBe(t *testing.T) {
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := generate(r, tangled, true)
		p, q := parse(t, text), known(r)
		v := p.Decide(q)
		for _, c := range completions(q) {
			w := p.Decide(c)
			if gravity(w.Verdict) > gravity(v.Verdict) || gravity(w.Verdict) < gravity(v.Least) {
				t.Fatalf("seed %d: %+v\nis %s by %s, and %s to %s is said of %+v\n%s", seed, c, w.Verdict, w.Rule, v.Least, v.Verdict, q, text)
			}
			for _, d := range w.Demands {
				if d = bare(d); v.Least != record.Forbidden && !slices.ContainsFunc(v.Demands, func(o policy.Demand) bool { return gocmp.Equal(d, bare(o)) }) {
					t.Fatalf("seed %d: %+v\ndemands %+v, which is none of %+v\n%s", seed, c, d, v.Demands, text)
				}
			}
			if w.Least != w.Verdict || !gocmp.Equal(w.LeastDemands, w.Demands) && gravity(w.Verdict) > 0 && len(p.Services) == 1 {
				t.Fatalf("seed %d: all is known of %+v, and it is %+v", seed, c, w)
			}
		}
	}
}

// bare returns a demand without its rule: of two equal demands only one is listed.
func bare(d policy.Demand) policy.Demand {
	d.Rule, d.Reason = "", ""
	return d
}

// The bounds are as narrow as possible.
func TestVerdictsOfWhatIsNotKnownAreThoseThatItMayHave(t *testing.T) {
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(seed, 2))
		text := generate(r, plain, false)
		p, q := parse(t, text), known(r)
		v := p.Decide(q)
		said := make(map[string]bool)
		for _, c := range completions(q) {
			said[p.Decide(c).Verdict] = true
		}
		if !said[v.Verdict] || !said[v.Least] {
			t.Fatalf("seed %d: %s to %s is said of %+v; it may be %v\n%s", seed, v.Least, v.Verdict, q, said, text)
		}
	}
}

// acts are what people may have done for a change: reviews and approvals, by a team or by somebody
// else.
type acts map[string]bool

func someActs(r *rand.Rand) acts {
	a := make(acts)
	for _, verdict := range []string{record.ReviewRequired, record.ApprovalRequired} {
		for _, who := range []string{"t0", "t1", "somebody"} {
			a[verdict+" "+who] = r.IntN(3) == 0
		}
	}
	return a
}

func (a acts) meet(verdict string, demands []policy.Demand) bool {
	return verdict != record.Forbidden && !slices.ContainsFunc(demands, func(d policy.Demand) bool {
		by := d.By
		if len(by) == 0 {
			by = []string{"t0", "t1", "somebody"}
		}
		return d.Nobody || !slices.ContainsFunc(by, func(who string) bool { return a[d.Verdict+" "+who] })
	})
}

// Acts that meet all demands meet those of every change that q may stand for; acts that meet no way
// of a service meet those of none.
func TestWhatIsMetWhateverIsNotKnown(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 5))
		conditions, exact := tangled, seed%2 == 0
		if exact {
			conditions = plain
		}
		text := generate(r, conditions, !exact)
		p, q, a := parse(t, text), known(r), someActs(r)
		v := p.Decide(q)
		met, unmet := 0, 0
		for _, c := range completions(q) {
			if w := p.Decide(c); a.meet(w.Verdict, w.Demands) {
				met++
			} else {
				unmet++
			}
		}
		all := a.meet(v.Verdict, v.Demands)
		none := slices.ContainsFunc(v.Ways, func(ways []policy.Way) bool {
			return !slices.ContainsFunc(ways, func(w policy.Way) bool { return a.meet(w.Verdict, w.Demands) })
		})
		if all && unmet > 0 || none && met > 0 {
			t.Fatalf("seed %d: all %v, none %v; of what it may be %d are met and %d are not: %+v, %v\n%s", seed, all, none, met, unmet, q, a, text)
		}
		if exact && len(p.Services) == 1 && (met > 0 && unmet == 0 && !all || unmet > 0 && met == 0 && !none) {
			t.Fatalf("seed %d: %d are met and %d are not, and it is not told: %+v, %v\n%s", seed, met, unmet, q, a, text)
		}
	}
}

// Knowing less, or knowing of one more possible path, never makes the verdict milder.
func TestToKnowLessIsNeverMilder(t *testing.T) {
	for seed := range uint64(250) {
		r := rand.New(rand.NewPCG(seed, 3))
		text := generate(r, tangled, true)
		p, q := parse(t, text), known(r)
		q.Unseen = policy.Unseen{}
		all := p.Decide(q)
		q.Unseen = policy.Unseen{Paths: true, Dependencies: r.IntN(2) == 0, Kind: r.IntN(2) == 0}
		if less := p.Decide(q); gravity(less.Verdict) < gravity(all.Verdict) || gravity(less.Least) > gravity(all.Verdict) {
			t.Fatalf("seed %d: %s; with less known %s to %s: %+v\n%s", seed, all.Verdict, less.Least, less.Verdict, q, text)
		}
	}
}

func TestTheOrderOfServicesDoesNotMatter(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		text := generate(r, tangled, true)
		p, q := parse(t, text), known(r)
		before, after, _ := strings.Cut(text, "teams:")
		services := strings.Split(strings.TrimSpace(strings.TrimPrefix(before, "services:\n")), "\n")
		slices.Reverse(services)
		services[0] = "  " + strings.TrimSpace(services[0])
		for i := range services {
			services[i] = "  " + strings.TrimSpace(services[i])
		}
		turned := parse(t, "services:\n"+strings.Join(services, "\n")+"\nteams:"+after)
		a, b := p.Decide(q), turned.Decide(q)
		if a.Verdict != b.Verdict || a.Least != b.Least || !gocmp.Equal(sorted(a.Demands), sorted(b.Demands)) {
			t.Fatalf("seed %d: %+v\n%+v\nof %+v\n%s", seed, a, b, q, text)
		}
	}
}

func sorted(demands []policy.Demand) []policy.Demand {
	out := make([]policy.Demand, len(demands))
	for i, d := range demands {
		out[i] = bare(d)
	}
	return slices.SortedFunc(slices.Values(out), func(a, b policy.Demand) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Verdict, b.Verdict), slices.Compare(a.By, b.By))
	})
}

func TestDecideUnderTheUnknown(t *testing.T) {
	const services = "services: [{name: s, repositories: [host/a/b], classification: high}]\n"
	const auth = `rules: [{name: auth, when: 'change.paths.exists(p, glob(p, "**/auth/**"))', verdict: approval-required, reason: x}]` + "\n"
	const docs = `rules: [{name: docs, when: 'change.paths.size() > 0 && change.paths.all(p, glob(p, "docs/**"))', verdict: autonomous, reason: x}]` + "\n"
	for _, c := range []struct {
		name           string
		text           string
		paths          string
		unseen         policy.Unseen
		gravest, least string
	}{
		{"no path is known", services + auth, "", policy.Unseen{Paths: true}, "approval-required", "review-required"},
		{"what is known of the paths is enough", services + auth, "src/auth/a.go", policy.Unseen{Paths: true}, "approval-required", "approval-required"},
		{"all paths are known", services + auth, "src/a.go", policy.Unseen{}, "review-required", "review-required"},
		{"all that is known is documentation", services + docs, "docs/a.md", policy.Unseen{Paths: true}, "review-required", "autonomous"},
		{"one path that is known is none", services + docs, "docs/a.md src/a.go", policy.Unseen{Paths: true}, "review-required", "review-required"},
		{"a rule about the jump", services + `rules: [{name: r, when: 'change.jump == "major"', verdict: forbidden, reason: x}]`, "a", policy.Unseen{Dependencies: true}, "forbidden", "review-required"},
		{"a rule about the kind", services + `rules: [{name: r, when: 'change.kind == "test"', verdict: autonomous, reason: x}]`, "a", policy.Unseen{Kind: true}, "review-required", "autonomous"},
		{"a rule about none of it", services + `rules: [{name: r, when: 'service.classification == "high"', verdict: autonomous, reason: x}]`, "", policy.Unseen{Paths: true, Dependencies: true, Kind: true, Environments: true}, "autonomous", "autonomous"},
		{"a rule that may fail on what is not known", services + `rules: [{name: r, when: 'change.paths.exists(p, p.split("/")[1] == "a")', verdict: autonomous, reason: x}]`, "", policy.Unseen{Paths: true}, "approval-required", "autonomous"},
		{"two rules with one condition", services + `rules: [{name: a, when: 'change.jump == "major"', verdict: autonomous, reason: x}, {name: b, when: 'change.jump == "major"', verdict: forbidden, reason: x}]`, "a", policy.Unseen{Dependencies: true}, "review-required", "autonomous"},
		{"a service that may be touched", "services: [{name: a, repositories: [host/a/b], paths: ['a/**'], classification: low}, {name: b, repositories: [host/a/b], paths: ['b/**'], classification: critical}]\nthreshold: high\n", "a/x", policy.Unseen{Paths: true}, "review-required", "autonomous"},
		{"no service is surely touched", "services: [{name: a, repositories: [host/a/b], paths: ['a/**'], classification: low}]\ndefault: autonomous\n", "", policy.Unseen{Paths: true}, "approval-required", "autonomous"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := parse(t, c.text).Decide(policy.Request{Repository: "host/a/b", Paths: strings.Fields(c.paths), Unseen: c.unseen})
			if v.Verdict != c.gravest || v.Least != c.least {
				t.Errorf("%s (%s), at least %s; want %s, at least %s", v.Verdict, v.Rule, v.Least, c.gravest, c.least)
			}
		})
	}
}
