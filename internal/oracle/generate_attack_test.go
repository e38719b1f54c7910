package oracle

import (
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// refused is what a gateway reports of events in the name of another, or a claim of such a
// report.
func (g *generator) refused() {
	if g.chance(5) {
		g.report(pick(g, gateway, gateway, anyone), &record.IdentityRefused{Agent: pick(g, "patch-pilot", "doc-scribe"), Credential: "ci-bot", BoundTo: pick(g, "", "doc-scribe")})
	}
}

// mirrored sends what a platform saw once more under its source and id, with another credential.
func (g *generator) mirrored() {
	if again := pick(g, g.h.Events...); again.Witness == record.Observed && g.chance(7) {
		again.Sender = mirror
		again.Arrived = again.Arrived.Add(time.Minute)
		g.h.Events = append(g.h.Events, sealed(again))
	}
}

// flood sends more facts of one kind than are kept. Those of agents and other claims, and those
// without a credential, come after those of honest people.
func (g *generator) flood() {
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
		e := g.report(sender, f)
		e.Arrived = e.Arrived.Add(11 * time.Hour)
		*e = sealed(*e)
		if g.h.Adversary && (sender == pilot || sender == anyone) {
			g.h.Attack[e.Key()+e.Digest] = true
		}
	}
}

// noise sends facts about other changes, other commits and other reports.
func (g *generator) noise() {
	other := repository.Change("/pull/8")
	for g.chance(40) {
		g.now = start.Add(time.Duration(g.IntN(60)) * time.Minute)
		switch g.IntN(5) {
		case 0:
			g.evidenceOf(codeHost, other, &record.Opened{Revision: record.Revision{Author: "tom-b", HeadSHA: g.sha(), Files: g.some()}})
		case 1:
			g.evidenceOf(codeHost, other, &record.Review{Reviewer: "jonas-k", Verdict: "changes-requested", CommitSHA: g.sha()})
			g.evidenceOf(desk, other, &record.Approval{Approver: "jonas-k"}) // it belongs to that change
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

// attack adds what an adversary with the agent's credential sends, and what anyone can send
// without one.
func (g *generator) attack() {
	for range 1 + g.IntN(4) {
		g.now = start.Add(time.Duration(g.IntN(240)-60) * time.Minute)
		sender := pick(g, pilot, pilot, pilot, anyone)
		e := g.event(sender, g.h.ID, g.lie())
		switch f := e.Fact.(type) {
		case *record.Pushed, *record.Scan, *record.Request:
			e.Change = ""
		case *record.Decision:
			if sender == anyone && g.chance(30) { // in the name of somebody else
				f.Agent.ID = pick(g, "jonas-k", "doc-scribe", "ana.p")
			}
		}
		e.Arrived = start.Add(time.Duration(g.IntN(240)-30) * time.Minute)
		if g.chance(5) {
			e.Time = pick(g, start.AddDate(5, 0, 0), start.AddDate(-20, 0, 0))
		}
		if e.Change != "" && g.chance(20) { // under the identity of an event of somebody else
			if of := g.h.Events[g.IntN(len(g.h.Events))]; of.Change == g.h.ID {
				e.Source, e.ID = of.Source, of.ID
				if e.Sender == of.Sender && e.Arrived.Before(of.Arrived) {
					e.Arrived = of.Arrived.Add(time.Minute) // the first statement of an agent counts
				}
			}
		}
		e = sealed(e)
		g.h.Events = append(g.h.Events, e)
		g.h.Attack[e.Key()+e.Digest] = true
	}
}

// lie returns a fact that would help the agent if it were believed.
func (g *generator) lie() record.Fact {
	head := pick(g, append(g.heads, append(g.others, g.head, g.sha())...)...)
	lie := record.Revision{
		HeadSHA: head, Author: pick(g, "tom-b", "lea-w", "patch-pilot[bot]"), Files: pick(g, []string{"docs/guide.md"}, []string{"pkg/testdata/a.json"}), Kind: "documentation",
		Dependencies: []record.DependencyUpdate{{Name: "lodash", Ecosystem: "npm", From: "4.17.15", To: "4.17.16"}}, Agent: pick(g, "", "patch-pilot"),
	}
	who := pick(g, reviewers...)
	switch g.IntN(17) {
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
		if g.chance(50) {
			return &record.BreakGlass{Person: who, Reason: "an emergency", CommitSHA: g.head, ReviewBy: g.now}
		}
		return &record.GateDecision{Verdict: "autonomous", Allowed: true}
	case 12:
		return &record.Action{Agent: record.Agent{ID: "patch-pilot"}, Tool: "edit", CommitSHA: g.head, Files: []string{"docs/guide.md"}}
	}
	switch g.IntN(10) {
	case 0, 1:
		return &record.IdentityRefused{Agent: "doc-scribe", Credential: "nobody"}
	case 2:
		return &record.Request{Kind: "ticket", ID: "PAY-12", Author: who}
	case 3: // another report under the digest of the one that made the agent start
		return &record.Scan{Tool: record.Tool{Name: "trivy"}, ScanID: "scan-1", Report: record.Report{Digest: g.digest}, Summary: record.ScanSummary{Findings: 1, Scanned: true}, Findings: []record.Finding{{ID: "CVE-1999-1", Fingerprint: "9"}}}
	}
	return g.decision("patch-pilot")
}
