package demo

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// Days is the number of days that the demo covers.
const Days = 90

// Sources of events: each platform has its own.
const (
	gatewayOf = "/acme/gateway"
	codeHost  = "/acme/github"
	ci        = "/acme/github-actions"
	formerCI  = "/acme/jenkins" // of one team, until the move
	scanners  = "/acme/scanners"
	deployer  = "/acme/argo-cd"
	tickets   = "/acme/service-desk"
	gatehouse = "/acme/gate"
)

// One team moved to the CI system of the others some days before the end, and nobody said so: the source
// of its former one is silent since.
const (
	movedTeam = "team-shop"
	movedAgo  = 12 * 24 * time.Hour
)

// An item is a planned event.
type item struct {
	source string
	named  bool // it names the change; pushes, scan reports and deployments name a commit
	at     time.Time
	fact   record.Fact
	late   time.Duration // how long after its time it arrived
	as     *item         // an earlier item with the same id
}

// A plan is the life of one change, from which its events are made. A part that is nil does not
// happen.
type plan struct {
	rnd     *rand.Rand
	end     time.Time // of the demo
	service service
	repo    string
	number  int
	id      string
	agent   record.Agent // set for a change by an agent
	asker   string
	found   time.Time // when the scanner found something
	files   []string
	deps    []record.DependencyUpdate
	kind    string
	title   string

	base, old, head, merge string // commits: old is an earlier head

	scan, decision, approval, opened, updated, gate *item
	pushes                                          []*item
	tests                                           []*item
	actions                                         []*item
	reviews                                         []*item
	merged, deployed                                *item
	others                                          []*item // events that an honest change does not have
}

// A Generator makes the changes.
type Generator struct {
	Changes int // number of changes; New sets it to Changes

	rnd      *rand.Rand
	services []service
	policy   *policy.Policy
	end      time.Time
	numbers  map[string]int
	ids      int
	told     bool // the change of the story is made
}

// New returns a Generator for the days before end. The same seed and end give the same events.
func New(seed uint64, end time.Time) *Generator {
	return &Generator{Changes: Changes, rnd: rand.New(rand.NewPCG(seed, 0x6368616e6765)), services: services(), end: end.UTC().Truncate(time.Second), numbers: make(map[string]int)}
}

// Changes is the number of changes in the demo.
const Changes = 2000

// batch is the smallest number of events that are passed on at a time.
const batch = 500

// Each passes the events of all changes to f in batches, the oldest change first, each with the
// number of changes so far.
func (g *Generator) Each(f func(changes int, events []event.Event) error) error {
	var err error
	if g.policy, err = policy.Parse(Policy(g.end)); err != nil {
		return err
	}
	var events []event.Event
	byAgents := g.Changes / 3
	flaws := g.assign(byAgents)
	human := 0
	for i := range g.Changes {
		// The first opens 90 days ago, the last some hours ago.
		at := g.end.Add(-Days * 24 * time.Hour).Add(time.Duration(i) * ((Days*24 - 8) * time.Hour / time.Duration(g.Changes)).Truncate(time.Second))
		var p *plan
		if i%3 == 0 && i/3 < byAgents {
			p = g.byAgent(at, flaws[i/3])
		} else {
			p = g.byPerson(at, human)
			human++
		}
		if events = append(events, g.events(p)...); len(events) < batch && i < g.Changes-1 {
			continue
		}
		if err := f(i+1, events); err != nil {
			return err
		}
		events = events[:0]
	}
	return nil
}

// assign distributes the flaws among changes by agents: each flaw to as many changes, and to each
// change at most one flaw of every part of the record. The flaws are concentrated in few changes,
// spread over the days, since in most companies most changes are in order.
func (g *Generator) assign(n int) [][]flaw {
	out := make([][]flaw, n)
	// Changes at both ends predate the policy, or are still open.
	first, last := n*earlyDays/Days, n-n*lateDays/Days
	places := g.rnd.Perm(max(last-first, 0))
	flawed := 0 // the number of flawed changes, counted from the first
	for _, f := range flaws {
		for range (perFlaw*n + Changes/3 - 1) / (Changes / 3) {
			g.rnd.Shuffle(flawed, func(i, j int) { places[i], places[j] = places[j], places[i] })
			i := slices.IndexFunc(places, func(at int) bool {
				return !slices.ContainsFunc(out[first+at], func(o flaw) bool { return o.part == f.part || o.excludes(f) || f.excludes(o) })
			})
			if i < 0 {
				break
			}
			out[first+places[i]] = append(out[first+places[i]], f)
			flawed = max(flawed, i+1)
		}
	}
	return out
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (g *Generator) start(s service) *plan {
	p := &plan{rnd: g.rnd, end: g.end, service: s, repo: s.repo}
	g.number(p)
	p.asker = pick(g.rnd, teams[s.team].members)
	p.base, p.old, p.head, p.merge = g.commit(), g.commit(), g.commit(), g.commit()
	return p
}

func (g *Generator) number(p *plan) {
	n := g.numbers[p.repo]
	switch {
	case n == 0 && p.repo == storyRepo:
		n = storyNumber - 50
	case n == 0:
		n = 100 + len(p.repo)*37%900
	case n == storyNumber && p.repo == storyRepo:
		n++
	}
	p.numbered(n)
	g.numbers[p.repo] = n + 1
}

func (p *plan) numbered(n int) {
	p.number = n
	p.id = fmt.Sprintf("%s/pull/%d", p.repo, n)
}

// The change of which the documentation tells: agent-bot-3000 updates a vulnerable dependency of
// payments at 03:47 in the morning.
const (
	storyRepo   = "github.com/acme/payments"
	storyNumber = 4829
)

// isStory reports whether a change by an agent becomes the one of the story: the first that fits.
func (g *Generator) isStory(p *plan, flaws []flaw, at time.Time) bool {
	fits := p.repo == storyRepo && len(flaws) == 0 && at.Before(g.end.AddDate(0, 0, -lateDays)) && at.After(g.end.AddDate(0, 0, earlyDays-Days))
	if g.told || !fits {
		return false
	}
	g.told = true
	p.numbered(storyNumber)
	g.numbers[p.repo] = max(g.numbers[p.repo], storyNumber+1)
	return true
}

func (g *Generator) commit() string {
	return fmt.Sprintf("%016x%016x%08x", g.rnd.Uint64(), g.rnd.Uint64(), g.rnd.Uint32())
}

// byAgent plans a change by an agent: a scanner finds something at night, and the agent acts on it.
func (g *Generator) byAgent(at time.Time, flaws []flaw) *plan {
	s := pick(g.rnd, g.services)
	for slices.ContainsFunc(flaws, func(f flaw) bool { return f.service != nil && !f.service(s) }) {
		s = pick(g.rnd, g.services)
	}
	p := g.start(s)
	who := agents[g.rnd.IntN(docScribe)]
	if s.team == len(teams)-1 && g.rnd.IntN(2) == 0 {
		who = agents[docScribe]
	}
	// Agents work when nobody else does.
	at = time.Date(at.Year(), at.Month(), at.Day(), []int{1, 2, 3, 3, 3, 4, 5, 12, 22}[g.rnd.IntN(9)], g.rnd.IntN(60), g.rnd.IntN(60), 0, time.UTC)
	if at.After(g.end.Add(-6 * time.Hour)) {
		at = at.AddDate(0, 0, -1)
	}
	story := g.isStory(p, flaws, at)
	if story { // the agent decides 4 minutes after the scan
		who, at = agents[0], time.Date(at.Year(), at.Month(), at.Day(), 3, 43, 0, 0, time.UTC)
	}
	run := fmt.Sprintf("run-%08x", g.rnd.Uint32())
	p.agent = record.Agent{ID: who.id, Provider: who.provider, Model: who.model, Run: run, LogsURL: "https://agents.acme.example/logs/" + run, DelegatedBy: p.asker}
	dependency := story || slices.ContainsFunc(flaws, func(f flaw) bool { return f.dependency })
	ownCode := slices.ContainsFunc(flaws, flaw.ownCode)
	if !dependency && (ownCode || g.rnd.IntN(4) == 0) {
		g.weakness(p, at)
	} else {
		g.vulnerability(p, at)
	}
	g.life(p, at, len(flaws) > 0)
	for _, f := range flaws {
		f.apply(p)
	}
	g.judge(p)
	if len(flaws) == 0 && at.After(g.end.AddDate(0, 0, -lateDays)) && p.number%3 == 0 { // whoever must review it has not found the time yet
		p.reviews, p.gate, p.merged, p.deployed = nil, nil, nil, nil
	}
	return p
}

// judge has the gate say what the policy says of the change as it is now. It refuses what the policy
// forbids; the company did not make it a required check, so that such a change is merged nevertheless.
func (g *Generator) judge(p *plan) {
	if p.gate == nil {
		return
	}
	o := p.opened.fact.(*record.Opened)
	v := g.policy.Decide(policy.Request{
		Agent: o.Agent, DelegatedBy: p.agent.DelegatedBy, Repository: record.Repository(p.repo), Kind: o.Kind, Paths: o.Files, Dependencies: o.Dependencies,
	})
	d := p.gate.fact.(*record.GateDecision)
	d.Verdict, d.Allowed, d.Reasons = v.Verdict, v.Verdict != record.Forbidden, []string{v.Reason}
}

// vulnerability plans the update of a vulnerable dependency.
func (g *Generator) vulnerability(p *plan, at time.Time) {
	var fit []advisory
	for _, a := range advisories {
		if a.language == p.service.language {
			fit = append(fit, a)
		}
	}
	g.rnd.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] })
	a, found := fit[0], fit[:1+g.rnd.IntN(3)]
	lock := p.service.prefix + lockfiles[p.service.language]
	var report []byte
	tool := record.Tool{Name: "osv-scanner", Version: "1.9.1"}
	name := a.ghsa
	if g.rnd.IntN(2) == 0 {
		report = osv(lock, found)
	} else {
		report, tool, name = trivy(lock, found, at), record.Tool{Name: "trivy", Version: "0.58.1"}, a.cve
	}
	p.kind = "vulnerability-fix"
	p.title = fmt.Sprintf("Update %s from %s to %s (%s)", a.pkg, a.bad, a.good, a.cve)
	p.files = []string{lock}
	p.deps = []record.DependencyUpdate{{Name: a.pkg, Ecosystem: a.ecosystem, From: a.bad, To: a.good}}
	p.scanned(tool, report, at)
	p.decided(at, &record.Trigger{Kind: "scan", Finding: name, Severity: a.severity, Package: a.pkg, Summary: a.title}, []record.Option{
		{ID: "update", Title: fmt.Sprintf("Update %s to %s", a.pkg, a.good), Outcome: "chosen", Reason: "the smallest release without the weakness; its notes name no change of behaviour", Package: a.purl(), From: a.bad, To: a.good},
		{ID: "replace", Title: "Replace the library", Outcome: "rejected", Reason: "touches every caller for a weakness that an update removes"},
		{ID: "accept", Title: "Accept the risk", Outcome: "rejected", Reason: "the weak function is called with data from outside"},
	}, fmt.Sprintf("%s %s is reachable from the request path of %s. %s removes it; the call sites compile unchanged and the tests of the package pass.", a.pkg, a.bad, p.service.name, a.good))
	p.acted("dependency_update", fmt.Sprintf(`{"package":%q,"version":%q}`, a.pkg, a.good), at.Add(9*time.Minute), p.deps)
}

// weakness plans a fix of the company's own code.
func (g *Generator) weakness(p *plan, at time.Time) {
	w := pick(g.rnd, weaknesses[p.service.language])
	file := p.service.prefix + w.file
	test := strings.TrimSuffix(file, file[strings.LastIndexByte(file, '.'):]) + "_test" + file[strings.LastIndexByte(file, '.'):]
	p.kind, p.title, p.files = "code", w.title+": "+w.file, []string{file, test}
	p.scanned(record.Tool{Name: "semgrep", Version: "1.97.0"}, semgrep(weaknesses[p.service.language], p.service.prefix, 20+g.rnd.IntN(300)), at)
	p.decided(at, &record.Trigger{Kind: "scan", Finding: w.rule, Severity: w.severity, Summary: w.title}, []record.Option{
		{ID: "rewrite-call", Title: "Rewrite the call", Outcome: "chosen", Reason: "removes the weakness where it is, and a test covers it"},
		{ID: "suppress", Title: "Suppress the rule", Outcome: "rejected", Reason: "the value comes from a caller, so the finding is true"},
		{ID: "remove-feature", Title: "Remove the feature", Outcome: "deferred", Reason: "customers use it; its owner knows of the problem"},
	}, "The value that the rule names comes from a caller. The call is rewritten, and a test sends what the scanner warned of.")
	p.acted("edit", fmt.Sprintf(`{"file_path":%q,"old_string":%q,"new_string":%q}`, file, "return handle(input)", "if !allowed(input) {\n\treturn refuse(input)\n}\nreturn handle(input)"), at.Add(9*time.Minute), nil)
}

func (p *plan) scanned(tool record.Tool, report []byte, at time.Time) {
	f := &record.Scan{Tool: tool, CommitSHA: p.base, Repository: p.repo, ScanID: fmt.Sprintf("scan-%06d", p.rnd.IntN(1e6)), URL: "https://ci.acme.example/scans/" + p.base[:10]}
	f.Report, _ = evidence.Pack(report, "") // cannot fail: it writes to memory
	p.found, p.scan = at, &item{source: scanners, at: at, fact: f}
}

func (p *plan) decided(at time.Time, t *record.Trigger, options []record.Option, rationale string) {
	t.Digest = p.scan.fact.(*record.Scan).Report.Digest
	t.ID = p.scan.fact.(*record.Scan).ScanID
	p.decision = &item{source: agentSource + p.agent.ID, named: true, at: at.Add(4 * time.Minute), fact: &record.Decision{
		Agent: p.agent, Trigger: t, Options: options, Chosen: options[0].ID, Rationale: rationale, Service: p.service.name,
		Authorization: &record.Claim{Scope: []string{p.service.name}, GrantedBy: p.asker, Policy: "policy.yaml"},
		Claims:        &record.Claims{Tests: "passed", Files: p.files},
	}}
}

func (p *plan) acted(tool, arguments string, at time.Time, deps []record.DependencyUpdate) {
	source := agentSource + p.agent.ID
	add := func(tool, arguments, result, commit string, files []string, deps []record.DependencyUpdate) {
		p.actions = append(p.actions, &item{source: source, named: true, at: at, fact: &record.Action{
			Agent: p.agent, Tool: tool, CallID: fmt.Sprintf("call_%07x", p.rnd.IntN(1<<28)), Outcome: "success", DurationMS: int64(200 + p.rnd.IntN(40000)),
			Arguments: record.RawJSON(arguments), Result: record.RawJSON(fmt.Sprintf("%q", result)), CommitSHA: commit, Files: files, Dependencies: deps,
		}})
		at = at.Add(time.Duration(20+p.rnd.IntN(90)) * time.Second)
	}
	add("read", fmt.Sprintf(`{"path":%q}`, p.files[0]), "read", "", nil, nil)
	add(tool, arguments, "done", "", p.files, deps)
	add("run_tests", `{"command":"make test"}`, "all passed", "", nil, nil)
	add("commit", fmt.Sprintf(`{"message":%q}`, p.title), "committed", p.head, nil, nil)
}

// life plans what all changes by agents have in common: opened, tested, reviewed, merged, deployed.
func (g *Generator) life(p *plan, at time.Time, flawed bool) {
	bot := p.agent.ID + "[bot]"
	opened := at.Add(16 * time.Minute)
	p.open(bot, "agent", p.agent.ID, opened)
	p.tested(opened.Add(7*time.Minute), 0)
	group := teams[p.service.team].members
	reviewer := p.asker
	for reviewer == p.asker {
		reviewer = pick(g.rnd, group)
	}
	reviewed := nextWorkday(opened.Add(time.Duration(20+g.rnd.IntN(300))*time.Minute), g.rnd)
	autonomous := slices.Contains([]string{"low", "medium"}, p.service.class) && patch(p.deps)
	if autonomous && g.rnd.IntN(3) > 0 {
		reviewed = opened.Add(10 * time.Minute)
	} else {
		p.reviewed(reviewer, reviewed)
	}
	if p.service.class == "critical" && slices.ContainsFunc(p.files, func(f string) bool { return strings.Contains(f, "/auth/") }) {
		p.approval = &item{source: tickets, named: true, at: at.Add(-2 * time.Hour), fact: &record.Approval{Approver: reviewer, Scope: []string{p.service.name}, ExpiresAt: reviewed.AddDate(0, 0, 7), Reference: fmt.Sprintf("https://desk.acme.example/CHG-%05d", g.rnd.IntN(1e5))}}
	}
	p.gate = &item{source: gatehouse, named: true, at: reviewed.Add(3 * time.Minute), fact: &record.GateDecision{CommitSHA: p.head}}
	g.finish(p, bot, reviewed.Add(time.Duration(5+g.rnd.IntN(40))*time.Minute), flawed)
}

// byPerson plans a change by a person.
func (g *Generator) byPerson(at time.Time, n int) *plan {
	s := pick(g.rnd, g.services)
	p := g.start(s)
	for day := at; ; day = day.AddDate(0, 0, -1) {
		if at = nextWorkday(day, g.rnd); at.Before(g.end.Add(-time.Hour)) {
			break
		}
	}
	type kind struct{ kind, title, file string }
	k := pick(g.rnd, []kind{
		{"code", "Show the total before the last step", "src/view"},
		{"code", "Retry when the partner answers 503", "src/client"},
		{"code", "Split the nightly job in two", "src/job"},
		{"test", "Test the edge of the month", "test/month"},
		{"configuration", "Raise the timeout to the directory", "config/service.yaml"},
		{"documentation", "Say how to rotate the key", "docs/keys.md"},
		{"dependency-update", "Update the framework", lockfiles[s.language]},
	})
	p.kind, p.title, p.files = k.kind, k.title, []string{p.service.prefix + k.file}
	p.open(p.asker, "human", "", at)
	p.tested(at.Add(9*time.Minute), 0)
	reviewer := p.asker
	for reviewer == p.asker {
		reviewer = pick(g.rnd, teams[s.team].members)
	}
	reviewed := nextWorkday(at.Add(time.Duration(40+g.rnd.IntN(1600))*time.Minute), g.rnd)
	switch {
	case n%40 == 7: // merged in haste
	case n%50 == 11:
		p.reviewed(p.asker, reviewed)
	default:
		p.reviewed(reviewer, reviewed)
	}
	g.finish(p, p.asker, reviewed.Add(time.Duration(5+g.rnd.IntN(90))*time.Minute), false)
	return p
}

func (p *plan) open(author, kind, agent string, at time.Time) {
	branch := fmt.Sprintf("%s/%d", cmp.Or(agent, author), p.number)
	p.pushes = []*item{{source: codeHost, at: at.Add(-time.Minute), fact: &record.Pushed{
		Branch: branch, After: p.head, Pusher: author, PusherType: kind, Files: p.files, Repository: p.repo, URL: "https://" + p.repo + "/commit/" + p.head,
		Commits: []record.Commit{{SHA: p.head, Author: author, Subject: p.title}},
	}}}
	p.opened = &item{source: codeHost, named: true, at: at, fact: &record.Opened{Revision: record.Revision{
		Title: p.title, URL: "https://" + p.id, Author: author, AuthorType: kind, Agent: agent, HeadSHA: p.head, BaseRef: "main", Branch: branch,
		Kind: p.kind, Files: p.files, Additions: int64(2 + p.rnd.IntN(80)), Deletions: int64(p.rnd.IntN(30)), Dependencies: p.deps,
	}}}
}

// ciAt returns the CI system that tests the change at a time: its source, its name and the URL of its runs.
func (p *plan) ciAt(at time.Time) (source, provider, runs string) {
	if teams[p.service.team].id == movedTeam && at.Before(p.end.Add(-movedAgo)) {
		return formerCI, "jenkins", "https://jenkins.acme.example/job/" + p.service.name + "/"
	}
	return ci, "github-actions", "https://github.com/acme/" + p.service.name + "/actions/runs/"
}

func (p *plan) tested(at time.Time, failing int) {
	passed := 12 + p.rnd.IntN(30)
	names := []string{"TestAnswersWithinALimit", "TestRefusesAnEmptyName"}[:failing]
	report := junit(p.service.name, passed, names, at)
	if p.service.language == "go" {
		report = gotest("acme.example/"+p.service.name, passed, names, at)
	}
	source, provider, runs := p.ciAt(at)
	unit := &record.Validation{Name: "unit", Provider: provider, CommitSHA: p.head, Repository: p.repo, URL: fmt.Sprintf("%s%d", runs, 4e9+p.rnd.IntN(1e9))}
	unit.Report, _ = evidence.Pack(report, "") // cannot fail: it writes to memory
	p.tests = []*item{{source: source, named: true, at: at, fact: unit}, {source: source, named: true, at: at.Add(time.Minute), fact: &record.Validation{Name: "lint", Provider: provider, CommitSHA: p.head, Repository: p.repo, Conclusion: "success"}}}
}

func (p *plan) reviewed(who string, at time.Time) {
	p.reviews = append(p.reviews, &item{source: codeHost, named: true, at: at, fact: &record.Review{Reviewer: who, ReviewerType: "human", Verdict: "approved", CommitSHA: p.head, URL: fmt.Sprintf("https://%s#pullrequestreview-%d", p.id, 2e9+p.rnd.IntN(1e8))}})
}

// finish plans the end: merged and deployed, or, for a few that must not be merged, closed.
func (g *Generator) finish(p *plan, who string, at time.Time, merge bool) {
	if g.rnd.IntN(60) == 0 && !merge {
		p.merged = &item{source: codeHost, named: true, at: at, fact: &record.Closed{ClosedBy: who}}
		return
	}
	p.merged = &item{source: codeHost, named: true, at: at, fact: &record.Merged{MergeSHA: p.merge, MergedBy: who, Revision: record.Revision{HeadSHA: p.head}}}
	if p.kind != "documentation" && p.kind != "test" {
		p.deployed = &item{source: deployer, at: at.Add(time.Duration(8+g.rnd.IntN(50)) * time.Minute), fact: &record.Deployment{Environment: "production", CommitSHA: p.merge, Outcome: "success", Deployer: "argo-cd", Repository: p.repo, URL: "https://deploy.acme.example/" + p.service.name}}
	}
}

// patch reports whether all updates are patch releases.
func patch(deps []record.DependencyUpdate) bool {
	minor := func(v string) string { return v[:strings.LastIndexByte(v, '.')] }
	return len(deps) > 0 && !slices.ContainsFunc(deps, func(d record.DependencyUpdate) bool {
		return strings.Count(d.From, ".") != 2 || strings.Count(d.To, ".") != 2 || minor(d.From) != minor(d.To)
	})
}

// nextWorkday moves a time into working hours.
func nextWorkday(t time.Time, r *rand.Rand) time.Time {
	if t.Hour() < 8 || t.Hour() > 17 {
		if t.Hour() > 17 {
			t = t.AddDate(0, 0, 1)
		}
		t = time.Date(t.Year(), t.Month(), t.Day(), 8+r.IntN(9), r.IntN(60), r.IntN(60), 0, time.UTC)
	}
	for t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// events turns a plan into events, except those that would be in the future.
func (g *Generator) events(p *plan) []event.Event {
	items := slices.Concat([]*item{p.scan, p.approval, p.decision}, p.actions, p.pushes, []*item{p.opened, p.updated}, p.tests, p.reviews, []*item{p.gate, p.merged, p.deployed}, p.others)
	items = slices.DeleteFunc(items, func(i *item) bool { return i == nil || i.arrived().After(g.end) })
	slices.SortStableFunc(items, func(a, b *item) int { return a.at.Compare(b.at) })
	ids := make(map[*item]string, len(items))
	out := make([]event.Event, 0, len(items))
	for _, i := range items {
		change := ""
		if i.named {
			change = p.id
		}
		e := producer.Event(change, i.fact)
		if ids[i] = ids[i.as]; i.as == nil {
			g.ids++
			ids[i] = fmt.Sprintf("demo-%06d", g.ids)
		}
		e.SetID(ids[i])
		e.SetSource(i.source)
		e.SetTime(i.at)
		e.SetExtension("arrivedat", i.arrived().UTC().Format(time.RFC3339Nano))
		e.SetExtension("partitionkey", p.repo)
		out = append(out, e)
	}
	return out
}

func (i *item) arrived() time.Time { return i.at.Add(i.late) }
