package demo

import (
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// perFlaw is the number of changes out of 2,000 that get each flaw.
const perFlaw = 4

// No change at either end of the days has a flaw: the policy is younger than the first, and the
// last are still open, for a weekend at most.
const (
	earlyDays = Days - policyDays + 3
	lateDays  = 4
)

// A part is the part of the record that a flaw is in. A change has at most one flaw of each.
type part int

const (
	inService part = iota
	inTrigger
	inDecision
	inApproval
	inReview
	inClaims
	inGate
)

// A flaw removes or alters something in the life of a change by an agent, so that its record has a
// gap.
type flaw struct {
	gap        string
	part       part
	dependency bool // only for the update of a dependency
	service    func(service) bool
	apply      func(*plan)
}

// excludes reports whether o would hide the effect of f, or be hidden by it.
func (f flaw) excludes(o flaw) bool {
	hides := map[string][]part{
		record.GapNoDecision:     {inTrigger, inClaims},
		record.GapServiceUnknown: {inApproval, inReview, inClaims},
		record.GapAgentUnknown:   {inApproval, inClaims},
		record.GapOutOfScope:     {inApproval, inClaims},
		record.GapForbidden:      {inApproval, inClaims},
		record.GapChosenNotDone:  {inApproval},
	}
	return slices.Contains(hides[f.gap], o.part) ||
		f.ownCode() && o.dependency ||
		f.part == inApproval && o.part == inReview ||
		f.part == inService && o.gap == record.GapOutsideGroup ||
		f.gap == record.GapSeverityContradicted && o.part == inTrigger ||
		f.gap == record.GapVerdictContradicted && o.part == inReview
}

// ownCode reports whether f occurs only in changes of the company's own code: authentication code
// is always its own, and no two of its reports are equal, so that no other scan contains what one
// lacks.
func (f flaw) ownCode() bool {
	return f.part == inApproval || f.gap == record.GapTriggerNotHeld || f.gap == record.GapTriggerFromAgent
}

func inClass(classes ...string) func(service) bool {
	return func(s service) bool { return slices.Contains(classes, s.class) }
}

// reviewed are the services whose changes are always reviewed.
var reviewed = inClass("critical", "high")

func (p *plan) trigger() *record.Trigger {
	return p.decision.fact.(*record.Decision).Trigger
}

// push returns the push of the head.
func (p *plan) push() *record.Pushed { return p.pushes[0].fact.(*record.Pushed) }

// log returns the decision log, or an unused one if none is sent.
func (p *plan) log() *record.Decision {
	if p.decision == nil {
		return new(record.Decision)
	}
	return p.decision.fact.(*record.Decision)
}

// by makes another agent the author of everything.
func (p *plan) by(n int) {
	a := agents[n]
	p.agent.ID, p.agent.Provider, p.agent.Model = a.id, a.provider, a.model
	source := agentSource + a.id
	if p.decision != nil {
		p.log().Agent, p.decision.source = p.agent, source
	}
	for _, i := range p.actions {
		i.fact.(*record.Action).Agent, i.source = p.agent, source
	}
	o := p.opened.fact.(*record.Opened)
	o.Author, o.Agent = a.id+"[bot]", a.id
	p.push().Pusher, p.push().Commits[0].Author = o.Author, o.Author
	switch f := p.merged.fact.(type) {
	case *record.Merged:
		f.MergedBy = a.id + "[bot]"
	case *record.Closed:
		f.ClosedBy = a.id + "[bot]"
	}
}

// touches adds a file for which the policy has stricter rules.
func (p *plan) touches(file string) {
	p.files = append(slices.Clone(p.files), p.service.prefix+file)
	p.opened.fact.(*record.Opened).Files, p.push().Files = p.files, p.files
	if c := p.log().Claims; c != nil {
		c.Files = p.files
	}
}

// outsider returns a person of another team.
func (p *plan) outsider() string { return teams[(p.service.team+3)%(len(teams)-1)].members[1] }

// owner returns an owner of the service who did not ask for the work.
func (p *plan) owner() string {
	owner := ""
	for _, m := range teams[p.service.team].members {
		if m != p.asker {
			owner = m
		}
	}
	return owner
}

// breaksGlass lets nobody review the change, and a person of another team order its merge. A review
// is due a day later.
func (p *plan) breaksGlass() {
	p.reviews = nil
	at := p.merged.at.Add(-20 * time.Minute)
	p.others = append(p.others, &item{source: gatewayOf, named: true, at: at, fact: &record.BreakGlass{
		Person: p.outsider(), Reason: "customers cannot pay, and whoever could review it is asleep", CommitSHA: p.head, ReviewBy: at.Add(24 * time.Hour),
	}})
	if p.gate != nil && p.gate.at.Before(at) {
		p.gate.at = at.Add(time.Minute)
	}
}

// asksApproval makes a change one that needs an owner's approval.
func asksApproval(bend func(*plan, *record.Approval)) func(*plan) {
	return func(p *plan) {
		p.touches("internal/auth/token.go")
		a := &record.Approval{Approver: p.owner(), Scope: []string{p.service.name}, Reference: "https://desk.acme.example/CHG-" + p.head[:5]}
		p.approval = &item{source: tickets, named: true, at: p.found.Add(-2 * time.Hour), fact: a}
		bend(p, a)
	}
}

// review alters the only remaining review.
func review(bend func(*plan, *item, *record.Review)) func(*plan) {
	return func(p *plan) {
		if len(p.reviews) == 0 {
			p.reviewed(teams[p.service.team].members[0], p.merged.at.Add(-10*time.Minute))
		}
		p.reviews = p.reviews[:1]
		bend(p, p.reviews[0], p.reviews[0].fact.(*record.Review))
	}
}

var flaws = []flaw{
	{gap: record.GapServiceUnknown, part: inService, apply: func(p *plan) {
		// A repository that the policy does not contain.
		repo := "github.com/acme/skunkworks-" + p.service.name
		p.id = strings.Replace(p.id, p.repo+"/", repo+"/", 1)
		p.repo = repo
		p.scan.fact.(*record.Scan).Repository = repo
		for _, t := range p.tests {
			t.fact.(*record.Validation).Repository = repo
		}
		if p.deployed != nil {
			p.deployed.fact.(*record.Deployment).Repository = repo
		}
		p.push().Repository, p.push().URL = repo, "https://"+repo+"/commit/"+p.head
		p.opened.fact.(*record.Opened).URL = "https://" + p.id
	}},
	{gap: record.GapAgentUnknown, part: inService, apply: func(p *plan) { p.by(stranger) }},
	{gap: record.GapOutOfScope, part: inService, service: reviewed, apply: func(p *plan) { p.by(docScribe) }},
	{gap: record.GapForbidden, part: inService, apply: func(p *plan) { p.touches("deploy/iam/roles.tf") }},

	{gap: record.GapNoTrigger, part: inTrigger, apply: func(p *plan) { p.log().Trigger = nil }},
	{gap: record.GapTriggerNotHeld, part: inTrigger, apply: func(p *plan) { p.scan = nil }},
	{gap: record.GapTriggerFromAgent, part: inTrigger, apply: func(p *plan) { p.scan.source = p.decision.source }},
	{gap: record.GapDigestNotStated, part: inTrigger, apply: func(p *plan) { p.trigger().Digest, p.trigger().ID = "", "" }},
	{gap: record.GapFindingNotStated, part: inTrigger, apply: func(p *plan) { p.trigger().Finding, p.trigger().Package = "", "" }},
	{gap: record.GapFindingNotInReport, part: inTrigger, apply: func(p *plan) { p.trigger().Finding = "CVE-2019-10744" }},

	{gap: record.GapNoDecision, part: inDecision, apply: func(p *plan) { p.decision = nil }},
	{gap: record.GapDecisionAfterMerge, part: inDecision, apply: func(p *plan) { p.decision.at = p.merged.at.Add(2 * time.Hour) }},
	{gap: record.GapToldAfterMerge, part: inDecision, apply: func(p *plan) { p.decision.late = p.merged.at.Sub(p.decision.at) + 3*time.Hour }},
	{gap: record.GapEventAltered, part: inDecision, apply: func(p *plan) {
		again := *p.log()
		again.Rationale = "The owner of the service asked for this option."
		p.others = append(p.others, &item{source: p.decision.source, named: true, at: p.merged.at.Add(-20 * time.Minute), fact: &again, as: p.decision})
	}},
	{gap: record.GapNothingChosen, part: inDecision, apply: func(p *plan) {
		p.log().Chosen = ""
		for i := range p.log().Options {
			p.log().Options[i].Outcome = "deferred"
		}
	}},
	{gap: record.GapNoAlternatives, part: inDecision, apply: func(p *plan) { p.log().Options = p.log().Options[:1] }},
	{gap: record.GapRejectionNoReason, part: inDecision, apply: func(p *plan) { p.log().Options[2].Reason = "" }},
	{gap: record.GapChosenNotComparable, part: inDecision, dependency: true, service: reviewed, apply: func(p *plan) { p.opened.fact.(*record.Opened).Dependencies = nil }},
	{gap: record.GapChosenNotDone, part: inDecision, dependency: true, apply: func(p *plan) {
		p.deps = slices.Clone(p.deps)
		p.deps[0].To += "-rc.1"
		p.opened.fact.(*record.Opened).Dependencies = p.deps
		for _, a := range p.actions {
			if f := a.fact.(*record.Action); len(f.Dependencies) > 0 {
				f.Dependencies = p.deps
			}
		}
	}},

	{gap: record.GapApprovalMissing, part: inApproval, service: inClass("critical"), apply: asksApproval(func(p *plan, _ *record.Approval) { p.approval = nil })},
	{gap: record.GapApprovalExpired, part: inApproval, service: inClass("critical"), apply: asksApproval(func(p *plan, a *record.Approval) {
		p.approval.at = p.approval.at.AddDate(0, 0, -20)
		a.ExpiresAt = p.approval.at.AddDate(0, 0, 14)
	})},
	{gap: record.GapApprovalAfterMerge, part: inApproval, service: inClass("critical"), apply: asksApproval(func(p *plan, _ *record.Approval) { p.approval.at = p.merged.at.Add(5 * time.Hour) })},
	{gap: record.GapApprovalOutOfScope, part: inApproval, service: inClass("critical"), apply: asksApproval(func(_ *plan, a *record.Approval) { a.Scope = []string{"handbook"} })},
	{gap: record.GapUnverifiedSource, part: inApproval, service: inClass("critical"), apply: asksApproval(func(p *plan, _ *record.Approval) { p.approval.source = agentSource + p.agent.ID })},

	{gap: record.GapNoReview, part: inReview, service: reviewed, apply: func(p *plan) { p.reviews = nil }},
	{gap: record.GapAuthorUnknown, part: inReview, service: reviewed, apply: func(p *plan) { p.push().Commits[0].Author = "" }},
	{gap: record.GapEvidenceIncomplete, part: inReview, service: reviewed, apply: func(p *plan) { p.push().Partial = true }},
	{gap: record.GapSelfApproval, part: inReview, service: reviewed, apply: review(func(p *plan, _ *item, r *record.Review) { r.Reviewer = p.asker })},
	{gap: record.GapApprovedByBot, part: inReview, service: reviewed, apply: review(func(_ *plan, _ *item, r *record.Review) { r.Reviewer, r.ReviewerType = "merge-bot", "bot" })},
	{gap: record.GapStaleApproval, part: inReview, service: reviewed, apply: review(func(p *plan, i *item, r *record.Review) {
		r.CommitSHA = p.old
		p.opened.fact.(*record.Opened).HeadSHA = p.old
		revision := p.opened.fact.(*record.Opened).Revision
		revision.HeadSHA = p.head
		p.updated = &item{source: codeHost, named: true, at: i.at.Add(2 * time.Minute), fact: &record.Updated{Revision: revision}}
		first := *p.push()
		first.After, first.Commits = p.old, []record.Commit{{SHA: p.old, Author: first.Pusher, Subject: p.title}}
		p.push().Before = p.old
		p.pushes = append(p.pushes, &item{source: codeHost, at: p.pushes[0].at, fact: &first})
		p.pushes[0].at = p.updated.at
	})},
	{gap: record.GapApprovedUnknownHead, part: inReview, service: reviewed, apply: review(func(_ *plan, _ *item, r *record.Review) { r.CommitSHA = "" })},
	{gap: record.GapChangesRequested, part: inReview, service: reviewed, apply: review(func(_ *plan, _ *item, r *record.Review) { r.Verdict = "changes-requested" })},
	{gap: record.GapUnverifiedSource, part: inReview, service: reviewed, apply: review(func(p *plan, i *item, _ *record.Review) {
		i.source = agentSource + p.agent.ID
	})},
	{gap: record.GapOutsideGroup, part: inReview, dependency: true, service: inClass("critical"), apply: review(func(p *plan, _ *item, r *record.Review) { r.Reviewer = p.outsider() })},

	{gap: record.GapTestsContradicted, part: inClaims, service: inClass("critical"), apply: func(p *plan) { p.tested(p.tests[0].at, 2) }},
	{gap: record.GapFilesContradicted, part: inClaims, service: inClass("critical"), apply: func(p *plan) {
		claimed := p.log().Claims.Files
		p.touches("internal/retry/backoff.go")
		p.log().Claims.Files = claimed
	}},
	{gap: record.GapSeverityContradicted, part: inClaims, apply: func(p *plan) {
		if p.log().Trigger != nil {
			p.log().Trigger.Severity = "low"
		}
	}},
	{gap: record.GapIdentityContradicted, part: inClaims, apply: func(p *plan) {
		p.others = append(p.others, &item{source: gatewayOf, named: true, at: p.merged.at.Add(-30 * time.Minute), fact: &record.IdentityRefused{Agent: p.agent.ID, Credential: "laptop-of-" + p.asker, EventType: record.TypeDecisionRecorded}})
	}},
	{gap: record.GapSourceShared, part: inClaims, apply: func(p *plan) {
		// A pipeline copies the source and the id of the event that started it.
		again := *p.tests[1].fact.(*record.Validation)
		again.Name = "integration"
		p.others = append(p.others, &item{source: codeHost, named: true, at: p.tests[1].at.Add(4 * time.Minute), fact: &again, as: p.opened})
	}},
	{gap: record.GapChangeContradicted, part: inClaims, service: inClass("critical"), apply: func(p *plan) {
		p.others = append(p.others, &item{source: agentSource + p.agent.ID, named: true, at: p.merged.at.Add(-5 * time.Minute), fact: &record.Updated{Revision: record.Revision{HeadSHA: p.base}}})
	}},
	{gap: record.GapBreakGlass, part: inReview, service: reviewed, apply: func(p *plan) {
		p.breaksGlass()
		p.reviewed(p.owner(), p.merged.at.Add(3*time.Hour))
	}},
	{gap: record.GapBreakGlassOverdue, part: inReview, service: reviewed, apply: func(p *plan) { p.breaksGlass() }},
	{gap: record.GapGateNotAsked, part: inGate, apply: func(p *plan) { p.gate = nil }},
	{gap: record.GapGateOtherHead, part: inGate, apply: func(p *plan) { p.gate.fact.(*record.GateDecision).CommitSHA = p.base }},
	{gap: record.GapVerdictContradicted, part: inClaims, service: reviewed, apply: func(p *plan) { p.log().Authorization.Verdict = "autonomous" }},
}
