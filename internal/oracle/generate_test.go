package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

const repository record.Repository = "github.com/acme/pay"

// A history is all that was told of one change and of what lies around it.
type history struct {
	Seed      uint64
	ID        record.ChangeID
	World     world
	Events    []record.Event
	Adversary bool
	Attack    map[string]bool // keys of the events that the adversary sent
}

// Who sends, as their credentials say.
const (
	codeHost = "platform:github"
	ci       = "platform:actions"
	scanner  = "platform:trivy"
	desk     = "platform:desk"
	deployer = "platform:deployer"
	mirror   = "platform:mirror"      // a second credential of the code host
	gateway  = "platform:changetrail" // of changetrail itself
	pilot    = "agent:patch-pilot"
	scribe   = "agent:doc-scribe"
	anyone   = "" // no credential
)

var sources = map[string]string{
	codeHost: "https://github.com/acme/pay", ci: "/ci/actions", scanner: "/ci/trivy", desk: "/tickets", deployer: "/deployer", gateway: "/changetrail",
	pilot: "/agents/patch-pilot", scribe: "/agents/doc-scribe", anyone: "/somewhere",
}

// A teller makes up one history.
type teller struct {
	*rand.Rand
	h       *history
	now     time.Time
	n       int
	head    string
	heads   []string // that a revision of the code host stated
	commits int
	author  string
	files   []string
	kind    string
	deps    []record.DependencyUpdate
	digest  string
	late    bool // some events arrive late
	imports bool
	numbers map[string]string // of accounts at the code host, where it states them
	pushes  bool
	others  []string // commits of other changes that were deployed
	prefix  string
}

var start = time.Date(2026, 11, 18, 1, 0, 0, 0, time.UTC)

func (g *teller) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *teller, from ...T) T { return from[g.IntN(len(from))] }

func (g *teller) sha() string {
	g.commits++
	return fmt.Sprintf("%040x", g.h.Seed<<16|uint64(g.commits))
}

// witness is what the word of a sender is worth, as docs/trust.md says.
func witness(sender string, f record.Fact) string {
	kind, name, _ := strings.Cut(sender, ":")
	_, isDecision := f.(*record.Decision)
	_, isAction := f.(*record.Action)
	switch {
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
func (g *teller) event(sender string, about record.ChangeID, f record.Fact) record.Event {
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

// sealed gives an event the witness and the digest that reading it would.
func sealed(e record.Event) record.Event {
	e.Witness = witness(e.Sender, e.Fact)
	if p, ok := e.Fact.(*record.Pushed); ok && p.Default { // it is a change of its own
		e.Change = repository.Change("/commit/" + p.After)
	}
	text, err := json.Marshal(e.Fact)
	if err != nil {
		text = []byte(err.Error())
	}
	e.Digest = record.Digest(fmt.Appendf(text, "%s %s %s", e.Type, e.Change, e.Time))
	return e
}

func (g *teller) tell(sender string, f record.Fact) *record.Event {
	g.h.Events = append(g.h.Events, g.event(sender, g.h.ID, f))
	return &g.h.Events[len(g.h.Events)-1]
}

// evidence is told without naming the change.
func (g *teller) evidence(sender string, f record.Fact) {
	g.h.Events = append(g.h.Events, g.event(sender, "", f))
}

// pass lets some minutes go by, or none.
func (g *teller) pass(most int) {
	if g.chance(8) {
		return
	}
	g.now = g.now.Add(time.Duration(1+g.IntN(most)) * time.Minute)
	if g.chance(20) {
		g.now = g.now.Add(time.Duration(g.IntN(60)) * time.Second)
	}
}

// cased returns an account as some system may spell it.
func (g *teller) cased(account string) string {
	if g.chance(10) {
		return strings.ToUpper(account[:1]) + account[1:]
	}
	return account
}

// generate makes up the history of a seed: of three, one has an adversary in it.
func generate(seed uint64) *history {
	h := &history{Seed: seed, ID: repository.Change("/pull/7"), Attack: make(map[string]bool)}
	g := &teller{Rand: rand.New(rand.NewPCG(seed, 14)), h: h, now: start.Add(-time.Hour), prefix: "e"}
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
	g.leave(30)
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
	if g.chance(30) { // what is delivered twice
		again := h.Events[g.IntN(len(h.Events))]
		again.Arrived = again.Arrived.Add(time.Hour)
		h.Events = append(h.Events, again)
	}
	h.World.Versions = newWorld(g).Versions
	g.Shuffle(len(h.Events), func(i, k int) { h.Events[i], h.Events[k] = h.Events[k], h.Events[i] })
	return h
}

// scans are the reports that an agent may have been started by.
func (g *teller) scans() {
	g.digest = record.Digest(fmt.Appendf(nil, "report %d", g.h.Seed))
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
		other.ScanID, other.Report.Digest = "scan-2", record.Digest([]byte("another"))
		g.evidence(scanner, &other)
	}
}

// request is what an agent may be asked.
func request(g *teller) *record.Request {
	return pick(g, &record.Request{Kind: "ticket", ID: "PAY-12"}, &record.Request{Kind: "ticket", ID: "PAY-13"}, &record.Request{Kind: "incident", ID: "INC-1"})
}

// decision returns what the agent may say of its work.
func (g *teller) decision(agent string) *record.Decision {
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
			d.Trigger.Digest = record.Digest([]byte("nobody has it"))
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

func (g *teller) decisions(percent int) {
	sender, agent := pilot, "patch-pilot"
	if g.author == "doc-scribe[bot]" && g.chance(60) {
		sender, agent = scribe, "doc-scribe"
	}
	if g.chance(percent) {
		g.tell(sender, g.decision(agent))
		g.pass(3)
	}
	if g.chance(15) {
		g.tell(sender, g.decision(agent))
		g.pass(3)
	}
	if g.chance(8) {
		g.tell(anyone, g.decision(agent))
		g.pass(3)
	}
	if g.chance(6) && len(g.h.Events) > 0 { // said again, in other words, under the same identity
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

// leave is given, refused, and told by a ticket system or by the person.
func (g *teller) leave(percent int) {
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
		g.tell(sender, a)
		g.pass(3)
		if g.chance(15) { // taken back, and perhaps given again
			g.tell(sender, &record.Approval{Approver: g.cased(who), Verdict: "refused"})
			g.pass(3)
			if g.chance(30) {
				g.tell(sender, &record.Approval{Approver: who})
			}
		}
	}
}

// direct is a push to where changes are merged. It returns the commit.
func (g *teller) direct() string {
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

func (g *teller) evidenceOf(sender string, about record.ChangeID, f record.Fact) {
	g.h.Events = append(g.h.Events, g.event(sender, about, f))
}

// some returns a few paths.
func (g *teller) some() []string {
	var out []string
	for range 1 + g.IntN(3) {
		out = append(out, pick(g, universe...))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// life is a pull request from its branch to its deployment.
func (g *teller) life() {
	g.pushes = g.chance(60)
	statesFiles := pick(g, 0, 50, 100, 100) // percent of revisions that state them
	g.push(false)
	if g.pushes && g.chance(30) {
		g.pass(3)
		g.push(false)
	}
	g.pass(3)
	if !g.chance(3) {
		g.tell(codeHost, &record.Opened{Revision: g.revision(statesFiles)})
	}
	for range g.IntN(4) {
		g.pass(10)
		g.reviews()
		g.push(true)
		g.pass(1)
		g.tell(codeHost, &record.Updated{Revision: g.revision(statesFiles)})
	}
	g.reviews()
	g.checks()
	if g.chance(15) {
		g.deployed(g.head)
	}
	g.leave(15)
	g.pass(10)
	switch n := g.IntN(100); {
	case n < 84:
		g.merge(statesFiles)
	case n < 88:
		g.tell(codeHost, &record.Closed{Revision: record.Revision{HeadSHA: g.head}, ClosedBy: "jonas-k"})
	}
}

// push moves the head, with a push event where the history has them.
func (g *teller) push(again bool) {
	before := g.head
	g.head = g.sha()
	fresh := g.some()
	p := &record.Pushed{Branch: "fix/lodash", Before: before, After: g.head, Pusher: g.author, Files: fresh, Partial: g.chance(4)}
	p.Commits = []record.Commit{{SHA: g.head, Author: g.author}}
	if g.author == "" {
		p.Pusher = pick(g, "tom-b", "jonas-k")
		p.Commits[0].Author = p.Pusher
	}
	if g.chance(3) {
		p.Commits[0].Author = ""
	}
	switch {
	case again && g.chance(15): // somebody else's commit
		p.Pusher = g.cased(pick(g, reviewers...))
		p.Commits[0].Author = p.Pusher
	case again && g.chance(15): // "update branch"
		p.Files, fresh = nil, nil
		p.Commits = []record.Commit{{SHA: g.head, Author: pick(g, "ana-p", "jonas-k"), Merge: true}}
	case again && g.chance(15):
		p.Forced = true
		g.files = nil
	}
	g.files = append(g.files, fresh...)
	slices.Sort(g.files)
	g.files = slices.Compact(g.files)
	if g.pushes {
		g.evidence(codeHost, p)
	}
}

// revision is the change as the code host sees it.
func (g *teller) revision(statesFiles int) record.Revision {
	g.heads = append(g.heads, g.head)
	r := record.Revision{
		Title: "Bump lodash from 4.17.20 to 4.17.21", Author: g.author, AuthorID: g.numbers[strings.ToLower(g.author)], HeadSHA: g.head, BaseRef: "main", Branch: "fix/lodash", Kind: g.kind, Dependencies: g.deps,
	}
	if g.chance(statesFiles) {
		r.Files = slices.Clone(g.files)
		if g.chance(5) { // cut at the limit of the list
			r.Files = r.Files[:(len(r.Files)+1)/2]
			r.FilesTotal = int64(len(g.files))
		}
	}
	if g.chance(20) {
		r.FilesTotal = int64(len(g.files))
	}
	return r
}

// reviews are of people, bots and the agent, by the code host or their own credential.
func (g *teller) reviews() {
	id := ""
	for g.chance(60) {
		g.pass(5)
		who := pick(g, append(slices.Clone(reviewers), reviewers...)...)
		r := &record.Review{Reviewer: g.cased(who), Verdict: pick(g, "approved", "approved", "approved", "approved", "approved", "changes-requested", "commented", "dismissed"), CommitSHA: g.head}
		sender := pick(g, codeHost, codeHost, codeHost, codeHost, codeHost, codeHost, "person:"+who, anyone, pilot)
		switch g.IntN(16) {
		case 0:
			r.CommitSHA = ""
		case 1:
			r.CommitSHA = pick(g, append(g.heads, g.head)...)
		case 2:
			r.Reviewer, r.ReviewerType = pick(g, "checker[bot]", "doc-scribe[bot]"), "bot"
			sender = codeHost
		case 3:
			if g.author != "" {
				r.Reviewer = g.cased(g.author)
			}
		}
		if who == "tom-b" && r.ReviewerType == "" && g.numbers != nil && g.chance(30) {
			r.Reviewer, sender = "tom-renamed", codeHost
		}
		if sender == codeHost {
			r.ReviewerID = g.numbers[strings.ToLower(r.Reviewer)]
		}
		if sender == codeHost && g.chance(70) {
			g.n++
			r.ReviewID = fmt.Sprint("review-", g.n)
			if r.Verdict == "dismissed" {
				if id == "" {
					continue
				}
				who, r.ReviewID, _ = strings.Cut(id, "|")
				r.Reviewer, r.ReviewerType, r.ReviewerID = who, "", g.numbers[strings.ToLower(who)]
			} else {
				id = r.Reviewer + "|" + r.ReviewID
			}
		}
		e := g.tell(sender, r)
		if sender == codeHost && g.chance(8) { // the time is that of the delivery
			r.ChangeState = "open"
			e.Time = e.Time.Add(2 * time.Hour)
			*e = sealed(*e)
		} else if g.chance(5) {
			r.SubmittedAt = e.Time
			*e = sealed(*e)
		}
		if g.chance(5) { // two at one time
			g.now = e.Time
			second := &record.Review{Reviewer: r.Reviewer, ReviewerType: r.ReviewerType, ReviewerID: r.ReviewerID, Verdict: pick(g, "approved", "changes-requested"), CommitSHA: r.CommitSHA}
			if g.chance(50) {
				second = &record.Review{Reviewer: pick(g, "pat-n", "kim-o"), Verdict: second.Verdict, CommitSHA: g.head}
			}
			g.tell(codeHost, second)
		}
	}
}

// checks are the runs of CI.
func (g *teller) checks() {
	for g.chance(50) {
		g.evidence(ci, &record.Validation{
			Name: pick(g, "unit", "lint"), Provider: "github-actions", Workflow: pick(g, "build", "release"), CommitSHA: pick(g, append(g.heads, g.head)...),
			RunID: fmt.Sprint(g.IntN(3)), Attempt: int64(1 + g.IntN(3)), Conclusion: pick(g, "success", "failure"), Passed: 12,
		})
	}
}

// merge ends the life, and tells what comes after.
func (g *teller) merge(statesFiles int) {
	if g.numbers != nil && g.chance(15) { // the account has another name by now
		g.author = map[string]string{"tom-b": "tom-renamed", "patch-pilot[bot]": "autofix"}[g.author]
	}
	m := &record.Merged{MergeSHA: g.sha(), MergedBy: "jonas-k", Revision: g.revision(statesFiles)}
	if g.chance(50) {
		m.Revision = record.Revision{HeadSHA: g.head, Author: g.author, AuthorID: m.AuthorID}
	}
	if g.chance(50) {
		m.MergedAt = g.now
	}
	g.tell(codeHost, m)
	if g.chance(8) { // the clock of another system
		at := g.now
		g.now = g.now.Add(time.Duration(g.IntN(10)-5) * time.Minute)
		g.tell(ci, &record.Merged{MergeSHA: m.MergeSHA, MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: g.head}})
		g.now = at
	}
	if g.chance(40) {
		g.evidence(codeHost, &record.Pushed{Branch: "main", Default: true, After: m.MergeSHA, Pusher: "jonas-k", Files: g.files, Commits: []record.Commit{{SHA: m.MergeSHA, Author: g.author}}})
	}
	g.pass(3)
	if g.chance(25) {
		g.reviews()
	}
	g.leave(10)
	g.decisions(10)
	if g.chance(20) { // told after the merge, and dated before it
		who := pick(g, reviewers...)
		var e *record.Event
		switch g.IntN(3) {
		case 0:
			e = g.tell("person:"+who, &record.Review{Reviewer: who, Verdict: "approved", CommitSHA: g.head})
		case 1:
			e = g.tell("person:"+who, &record.Approval{Approver: who})
		case 2:
			e = g.tell(pilot, g.decision("patch-pilot"))
		}
		e.Arrived = e.Arrived.Add(5 * time.Minute)
		e.Time = start.Add(time.Minute)
		*e = sealed(*e)
	}
	g.deployed(append(g.heads, m.MergeSHA, m.MergeSHA, m.MergeSHA, g.sha())...)
}

// deployed tells where commits went, as a deployer saw it or somebody says.
func (g *teller) deployed(commits ...string) {
	for g.chance(40) {
		d := &record.Deployment{Environment: pick(g, "production", "staging", "staging"), Outcome: pick(g, "success", "success", "success", "failure"), CommitSHA: pick(g, commits...)}
		switch sender := pick(g, deployer, deployer, ci, pilot, anyone); {
		case g.chance(20):
			g.tell(sender, d)
		default:
			g.evidence(sender, d)
		}
		g.pass(5)
	}
}

// refused is what a gateway tells of events in the name of another, or what somebody says
// that it did.
func (g *teller) refused() {
	if g.chance(5) {
		g.tell(pick(g, gateway, gateway, anyone), &record.IdentityRefused{Agent: pick(g, "patch-pilot", "doc-scribe"), Credential: "ci-bot", BoundTo: pick(g, "", "doc-scribe")})
	}
}

// mirrored has what a platform saw sent once more under its source and id, with another
// credential.
func (g *teller) mirrored() {
	if again := pick(g, g.h.Events...); again.Witness == record.Observed && g.chance(7) {
		again.Sender = mirror
		again.Arrived = again.Arrived.Add(time.Minute)
		g.h.Events = append(g.h.Events, sealed(again))
	}
}

// flood is more of one kind than is held. What agents and others claim, and what comes
// without a credential, comes after what honest people tell.
func (g *teller) flood() {
	if !g.chance(4) {
		return
	}
	g.h.World.Limit = 12
	sender := pick(g, pilot, pilot, pilot, anyone, codeHost, desk, scribe)
	fact := pick(g, "review", "approval", "decision", "scan", "updated", "deployment")
	if sender == desk {
		fact = "approval"
	}
	for i := range 30 {
		g.now = start.Add(time.Duration(i+g.IntN(90)) * time.Minute)
		var f record.Fact
		switch who := pick(g, reviewers...); fact {
		case "review":
			f = &record.Review{Reviewer: who, Verdict: pick(g, "approved", "changes-requested"), CommitSHA: g.head}
		case "approval":
			f = &record.Approval{Approver: who}
		case "decision":
			agent, ok := strings.CutPrefix(sender, "agent:")
			if !ok {
				agent = "patch-pilot"
			}
			f = g.decision(agent)
		case "scan":
			g.evidence(sender, &record.Scan{Tool: record.Tool{Name: "trivy"}, ScanID: "scan-1", Report: record.Report{Digest: g.digest}, Summary: record.ScanSummary{Findings: 1, Scanned: true}, Findings: []record.Finding{{ID: "CVE-2026-1", Fingerprint: "1"}}})
			continue
		case "updated":
			f = &record.Updated{Revision: record.Revision{HeadSHA: g.head, Author: who}}
		case "deployment":
			f = &record.Deployment{Environment: pick(g, "staging", "production"), Outcome: "success", CommitSHA: g.head}
		}
		e := g.tell(sender, f)
		e.Arrived = e.Arrived.Add(11 * time.Hour)
		*e = sealed(*e)
		if g.h.Adversary && (sender == pilot || sender == anyone) {
			g.h.Attack[e.Key()+e.Digest] = true
		}
	}
}

// noise is about other changes, other commits and other reports.
func (g *teller) noise() {
	other := repository.Change("/pull/8")
	for g.chance(40) {
		g.now = start.Add(time.Duration(g.IntN(60)) * time.Minute)
		switch g.IntN(5) {
		case 0:
			g.evidenceOf(codeHost, other, &record.Opened{Revision: record.Revision{Author: "tom-b", HeadSHA: g.sha(), Files: g.some()}})
		case 1:
			g.evidenceOf(codeHost, other, &record.Review{Reviewer: "jonas-k", Verdict: "changes-requested", CommitSHA: g.sha()})
		case 2:
			g.evidence(ci, &record.Validation{Name: "unit", Provider: "github-actions", CommitSHA: g.sha(), Conclusion: "failure", Failed: 3})
		case 3:
			g.evidence(codeHost, &record.Pushed{Branch: "other", After: g.sha(), Pusher: "tom-b", Files: g.some()})
		case 4:
			d := &record.Deployment{Environment: pick(g, "staging", "production"), Outcome: "success", CommitSHA: g.sha()}
			g.others = append(g.others, d.CommitSHA)
			g.evidence(deployer, d)
		}
	}
}

// attack adds what an adversary sends who holds the agent's credential, and what
// anyone can send without one.
func (g *teller) attack() {
	for range 1 + g.IntN(4) {
		g.now = start.Add(time.Duration(g.IntN(240)-60) * time.Minute)
		sender := pick(g, pilot, pilot, pilot, anyone)
		e := g.event(sender, g.h.ID, g.lie())
		if _, ok := e.Fact.(*record.Pushed); ok {
			e.Change = ""
		}
		e.Arrived = start.Add(time.Duration(g.IntN(240)-30) * time.Minute)
		if g.chance(5) {
			e.Time = pick(g, start.AddDate(5, 0, 0), start.AddDate(-20, 0, 0))
		}
		if _, ok := e.Fact.(*record.Pushed); !ok && g.chance(20) { // under the identity that somebody else used
			if of := g.h.Events[g.IntN(len(g.h.Events))]; of.Change == g.h.ID {
				e.Source, e.ID = of.Source, of.ID
				if e.Sender == of.Sender && e.Arrived.Before(of.Arrived) {
					e.Arrived = of.Arrived.Add(time.Minute) // what an agent says first is what it says
				}
			}
		}
		e = sealed(e)
		g.h.Events = append(g.h.Events, e)
		g.h.Attack[e.Key()+e.Digest] = true
	}
}

// lie is a fact that would help the agent if it were believed.
func (g *teller) lie() record.Fact {
	head := pick(g, append(g.heads, append(g.others, g.head, g.sha())...)...)
	lie := record.Revision{
		HeadSHA: head, Author: pick(g, "tom-b", "lea-w", "patch-pilot[bot]"), Files: pick(g, []string{"docs/guide.md"}, []string{"pkg/testdata/a.json"}), Kind: "documentation",
		Dependencies: []record.DependencyUpdate{{Name: "lodash", Ecosystem: "npm", From: "4.17.15", To: "4.17.16"}}, Agent: pick(g, "", "patch-pilot"),
	}
	who := pick(g, reviewers...)
	switch g.IntN(15) {
	case 0:
		return &record.Opened{Revision: lie}
	case 1, 2:
		return &record.Updated{Revision: lie}
	case 3:
		return &record.Merged{Revision: lie, MergedBy: who, MergeSHA: g.sha()}
	case 4:
		return &record.Closed{Revision: lie}
	case 5, 6:
		return &record.Review{Reviewer: who, Verdict: pick(g, "approved", "dismissed", "commented"), CommitSHA: g.head}
	case 7:
		return &record.Approval{Approver: who}
	case 8:
		return &record.Pushed{Branch: "fix/lodash", After: g.head, Before: pick(g, "", g.sha()), Pusher: "tom-b", Files: []string{"docs/guide.md"}, Forced: g.chance(30), Commits: []record.Commit{{SHA: g.head, Author: who}}}
	case 9:
		return &record.Validation{Name: "unit", Provider: "github-actions", CommitSHA: g.head, Conclusion: "success", Passed: 12}
	case 10:
		return &record.Deployment{Environment: pick(g, "production", "staging"), Outcome: pick(g, "success", "failure"), CommitSHA: g.head}
	case 11:
		return &record.GateDecision{Verdict: "autonomous", Allowed: true}
	case 12:
		return &record.Action{Agent: record.Agent{ID: "patch-pilot"}, Tool: "edit", CommitSHA: g.head, Files: []string{"docs/guide.md"}}
	}
	if g.chance(20) {
		return &record.IdentityRefused{Agent: "doc-scribe", Credential: "nobody"}
	}
	return g.decision("patch-pilot")
}
