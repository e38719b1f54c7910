package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

const repository record.Repository = "github.com/acme/pay"

// A history is all events about one change and about what surrounds it.
type history struct {
	Seed      uint64
	ID        record.ChangeID
	World     world
	Events    []record.Event
	Adversary bool
	Attack    map[string]bool   // keys of the events that the adversary sent
	Renamed   record.Repository // the last name of the repository, if the code host uses another one
}

// The senders, by their credentials.
const (
	codeHost = "platform:github"
	ci       = "platform:actions"
	scanner  = "platform:trivy"
	desk     = "platform:desk"
	deployer = "platform:deployer"
	mirror   = "platform:mirror"      // a second credential of the code host
	gateway  = "platform:changetrail" // changetrail itself
	pilot    = "agent:patch-pilot"
	scribe   = "agent:doc-scribe"
	anyone   = "" // no credential
)

var sources = map[string]string{
	codeHost: "https://github.com/acme/pay", ci: "/ci/actions", scanner: "/ci/trivy", desk: "/tickets", deployer: "/deployer", gateway: "/changetrail",
	pilot: "/agents/patch-pilot", scribe: "/agents/doc-scribe", anyone: "/somewhere",
}

// A generator generates one history.
type generator struct {
	*rand.Rand
	h       *history
	now     time.Time
	n       int
	head    string
	heads   []string // stated by a revision of the code host
	commits int
	author  string
	files   []string
	kind    string
	deps    []record.DependencyUpdate
	digest  string
	late    bool // some events arrive late
	imports bool
	numbers map[string]string // numbers of accounts at the code host, if it states them
	pushes  bool
	others  []string // commits of other changes that were deployed
	prefix  string
}

var start = time.Date(2026, 11, 18, 1, 0, 0, 0, time.UTC)

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) sha() string {
	g.commits++
	return fmt.Sprintf("%040x", g.h.Seed<<16|uint64(g.commits))
}

// witness returns how far a sender can be believed, by docs/trust.md.
func witness(sender string, f record.Fact) string {
	kind, name, _ := strings.Cut(sender, ":")
	_, isDecision := f.(*record.Decision)
	_, isAction := f.(*record.Action)
	_, isOrder := f.(*record.BreakGlass)
	switch {
	case isOrder && sender != gateway:
		return record.Claimed
	case kind == "agent" && (isDecision || isAction):
		return record.Signed
	case kind == "platform" && !isDecision && !isAction:
		return record.Observed
	case kind == "person":
		if r, ok := f.(*record.Review); ok && strings.EqualFold(r.Reviewer, name) {
			return record.Human
		}
		if a, ok := f.(*record.Approval); ok && strings.EqualFold(a.Approver, name) {
			return record.Human
		}
	}
	return record.Claimed
}

// event makes an event that arrives some seconds after it happened.
func (g *generator) event(sender string, about record.ChangeID, f record.Fact) record.Event {
	g.n++
	e := record.Event{
		Sender: sender, Source: sources[sender], ID: fmt.Sprintf("%s%d", g.prefix, g.n), Type: record.TypeOf(f), Repository: repository,
		Change: about, Time: g.now, Arrived: g.now.Add(time.Duration(g.IntN(30)) * time.Second), Fact: f,
	}
	if name, ok := strings.CutPrefix(sender, "person:"); ok {
		e.Source = "/people/" + name
	} else if sender == anyone {
		e.Source += "/" + e.Type
	}
	if g.imports {
		e.Arrived, e.Imported = e.Time, true
	} else if g.late && g.chance(15) {
		e.Arrived = g.now.Add(time.Duration(g.IntN(600)) * time.Minute)
	}
	return sealed(e)
}

// sealed gives an event the witness and the digest that it would get when it is read.
func sealed(e record.Event) record.Event {
	e.Witness = witness(e.Sender, e.Fact)
	if p, ok := e.Fact.(*record.Pushed); ok && p.Default { // a change of its own
		e.Change = repository.Change("/commit/" + p.After)
	}
	text, err := json.Marshal(e.Fact)
	if err != nil {
		text = []byte(err.Error())
	}
	e.Digest = digests.Of(fmt.Appendf(text, "%s %s %s", e.Type, e.Change, e.Time))
	return e
}

func (g *generator) report(sender string, f record.Fact) *record.Event {
	g.h.Events = append(g.h.Events, g.event(sender, g.h.ID, f))
	return &g.h.Events[len(g.h.Events)-1]
}

// evidence adds a fact that does not name the change.
func (g *generator) evidence(sender string, f record.Fact) {
	g.h.Events = append(g.h.Events, g.event(sender, "", f))
}

// pass lets some minutes pass, or none.
func (g *generator) pass(most int) {
	if g.chance(8) {
		return
	}
	g.now = g.now.Add(time.Duration(1+g.IntN(most)) * time.Minute)
	if g.chance(20) {
		g.now = g.now.Add(time.Duration(g.IntN(60)) * time.Second)
	}
}

// cased returns an account in the case in which some system may write it.
func (g *generator) cased(account string) string {
	if g.chance(10) {
		return strings.ToUpper(account[:1]) + account[1:]
	}
	return account
}

// generate generates the history of a seed: one of three has an adversary.
func generate(seed uint64) *history {
	h := &history{Seed: seed, ID: repository.Change("/pull/7"), Attack: make(map[string]bool)}
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 14)), h: h, now: start.Add(-time.Hour), prefix: "e"}
	g.late, g.imports = g.chance(40), g.chance(10)
	g.author = pick(g, "patch-pilot[bot]", "patch-pilot[bot]", "patch-pilot[bot]", "patch-pilot[bot]", "Patch-Pilot[bot]", "doc-scribe[bot]", "tom-b", "mira-s", "other[bot]", "")
	g.kind = pick(g, "", "", "dependency-update", "documentation")
	if g.chance(60) {
		g.deps = []record.DependencyUpdate{{Name: "lodash", Ecosystem: "npm", From: "4.17.15", To: pick(g, "4.17.21", "4.18.0", "5.0.0")}}
	}
	if g.chance(50) {
		g.numbers = map[string]string{"patch-pilot[bot]": "1", "tom-b": "2", "mira-s": "3", "jonas-k": "4", "tom-renamed": "2", "autofix": "1"}
	}
	g.scans()
	g.now = start
	g.decisions(60)
	g.approvals(30)
	if g.chance(4) {
		h.ID = repository.Change("/commit/" + g.direct())
		for i, e := range h.Events {
			if e.Change == repository.Change("/pull/7") {
				e.Change = h.ID
				h.Events[i] = sealed(e)
			}
		}
	} else {
		g.life()
	}
	g.noise()
	g.refused()
	g.mirrored()
	h.Adversary = seed%3 == 0
	g.flood()
	if h.Adversary {
		g.attack()
	}
	if g.chance(30) { // some events are delivered twice
		again := h.Events[g.IntN(len(h.Events))]
		again.Arrived = again.Arrived.Add(time.Hour)
		h.Events = append(h.Events, again)
	}
	g.rename()
	made := newWorld(g)
	h.World.Versions, h.World.parsed = made.Versions, made.parsed
	g.Shuffle(len(h.Events), func(i, k int) { h.Events[i], h.Events[k] = h.Events[k], h.Events[i] })
	return h
}

// rename gives the repository another name, or another owner, at some time: in each of its events
// the code host states the name and the number of the repository.
func (g *generator) rename() {
	if !g.chance(12) {
		return
	}
	name, at := pick[record.Repository](g, "github.com/acme/payments", "github.com/other/pay"), start.Add(time.Duration(g.IntN(60))*time.Minute)
	for i := range g.h.Events {
		e := &g.h.Events[i]
		if e.Sender != codeHost {
			continue
		}
		if e.RepositoryID, e.Named = "github.com#4711", repository; !e.Time.Before(at) {
			e.Named, g.h.Renamed = name, name
		}
	}
}

// scans adds the reports that may have started an agent.
func (g *generator) scans() {
	g.digest = digests.Of(fmt.Appendf(nil, "report %d", g.h.Seed))
	scan := &record.Scan{
		Tool: record.Tool{Name: "trivy"}, ScanID: "scan-1", Report: record.Report{Digest: g.digest}, Summary: record.ScanSummary{Findings: 2, Scanned: true},
		Findings: []record.Finding{{ID: "CVE-2026-1", Package: "lodash", Ecosystem: "npm", Severity: "high", Fingerprint: "1"}, {ID: "CVE-2026-2", Aliases: []string{"GHSA-2"}, Package: "left-pad", Fingerprint: "2"}},
	}
	for _, by := range []struct {
		sender  string
		percent int
	}{{scanner, 60}, {pilot, 15}, {anyone, 10}} {
		if g.chance(by.percent) {
			g.evidence(by.sender, scan)
		}
	}
	for g.chance(40) {
		who := pick(g, reviewers...)
		r := request(g)
		r.Author = pick(g, "", who, who)
		g.evidence(pick(g, desk, desk, codeHost, "person:"+who, pilot, anyone), r)
	}
	if g.chance(30) { // another report
		other := *scan
		other.ScanID, other.Report.Digest = "scan-2", digests.Of([]byte("another"))
		g.evidence(scanner, &other)
	}
}

// request adds what an agent may be asked.
func request(g *generator) *record.Request {
	return pick(g, &record.Request{Kind: "ticket", ID: "PAY-12"}, &record.Request{Kind: "ticket", ID: "PAY-13"}, &record.Request{Kind: "incident", ID: "INC-1"})
}

// decision returns what the agent may say of its work.
func (g *generator) decision(agent string) *record.Decision {
	d := &record.Decision{Agent: record.Agent{ID: agent}, Rationale: fmt.Sprint("version ", g.n)}
	if g.chance(80) {
		d.Agent.DelegatedBy = g.cased(pick(g, "mira-s", "mira-s", "mira.s", "jonas-k", "tom-b"))
	}
	if g.chance(80) {
		d.Trigger = &record.Trigger{Kind: "scan", Digest: g.digest, Finding: pick(g, "CVE-2026-1", "CVE-2026-1", "CVE-2026-2", "GHSA-2", "CVE-2026-9")}
		switch g.IntN(10) {
		case 0:
			d.Trigger.Digest, d.Trigger.ID = "", "scan-1"
		case 1:
			d.Trigger.Finding = ""
		case 2:
			d.Trigger.Digest = digests.Of([]byte("nobody has it"))
		case 3, 4:
			r := request(g)
			d.Trigger = &record.Trigger{Kind: r.Kind, ID: r.ID}
		}
	}
	d.Options = []record.Option{{ID: "patch", Title: "Update lodash to 4.17.20", Outcome: "chosen", Reason: "smallest"}, {ID: "wait", Outcome: "rejected", Reason: "it can be reached"}}
	if g.chance(40) {
		d.Options[0].Package, d.Options[0].To = "pkg:npm/lodash", pick(g, "4.17.21", "4.18.0")
	}
	switch g.IntN(12) {
	case 0:
		d.Options[1].Reason = ""
	case 1:
		d.Options = d.Options[:1]
	case 2:
		d.Options[0].Outcome = "deferred"
	}
	return d
}

func (g *generator) decisions(percent int) {
	sender, agent := pilot, "patch-pilot"
	if g.author == "doc-scribe[bot]" && g.chance(60) {
		sender, agent = scribe, "doc-scribe"
	}
	if g.chance(percent) {
		g.report(sender, g.decision(agent))
		g.pass(3)
	}
	if g.chance(15) {
		g.report(sender, g.decision(agent))
		g.pass(3)
	}
	if g.chance(8) {
		g.report(anyone, g.decision(agent))
		g.pass(3)
	}
	if g.chance(6) && len(g.h.Events) > 0 { // sent again, with other content, under the same identity
		for _, e := range g.h.Events {
			if _, ok := e.Fact.(*record.Decision); ok && e.Sender != "" {
				changed := e
				changed.Fact, changed.Arrived = g.decision(agent), e.Arrived.Add(time.Duration(1+g.IntN(90))*time.Minute)
				g.h.Events = append(g.h.Events, sealed(changed))
				break
			}
		}
	}
}

// approvals adds approvals: given, refused, and reported by a ticket system or by the person.
func (g *generator) approvals(percent int) {
	for g.chance(percent) {
		who := pick(g, reviewers...)
		a := &record.Approval{Approver: g.cased(who), Verdict: pick(g, "", "granted", "granted", "refused")}
		switch g.IntN(8) {
		case 0, 1:
			a.ExpiresAt = g.now.Add(time.Duration(g.IntN(45))*time.Minute + time.Second)
		case 2:
			a.Scope = []string{pick(g, "payments", "docs", "ledger", "all")}
		case 3:
			a.Scope = []string{pick(g, "docs/**", "src/**")}
		}
		sender := pick(g, desk, desk, "person:"+who, "person:"+who, anyone, pilot)
		g.report(sender, a)
		g.pass(3)
		if g.chance(15) { // withdrawn, and perhaps given again
			g.report(sender, &record.Approval{Approver: g.cased(who), Verdict: "refused"})
			g.pass(3)
			if g.chance(30) {
				g.report(sender, &record.Approval{Approver: who})
			}
		}
	}
}

// direct adds a push to the branch into which changes are merged. It returns the commit.
func (g *generator) direct() string {
	sha := g.sha()
	pusher := pick(g, "patch-pilot[bot]", "patch-pilot[bot]", "tom-b")
	g.author = pusher
	g.evidence(codeHost, &record.Pushed{
		Branch: "main", Default: true, Before: g.sha(), After: sha, Pusher: pusher, Files: g.some(), Partial: g.chance(10),
		Commits: []record.Commit{{SHA: sha, Author: pusher}},
	})
	if g.chance(30) {
		g.pass(3)
		g.evidenceOf(pick(g, pilot, anyone), repository.Change("/pull/9"), &record.Merged{MergeSHA: sha, MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: sha}})
	}
	g.pass(10)
	return sha
}

func (g *generator) evidenceOf(sender string, about record.ChangeID, f record.Fact) {
	g.h.Events = append(g.h.Events, g.event(sender, about, f))
}

// some returns a few paths.
func (g *generator) some() []string {
	var out []string
	for range 1 + g.IntN(3) {
		out = append(out, pick(g, universe...))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
