package record

import "slices"

// The verdicts of a policy on a change, from the mildest to the strictest.
const (
	Autonomous       = "autonomous"
	ReviewRequired   = "review-required"
	ApprovalRequired = "approval-required"
	Forbidden        = "forbidden"
)

// The answers to a question of an auditor.
const (
	Proven       = "proven"
	Partial      = "partial"
	Unproven     = "unproven"
	Contradicted = "contradicted"
	NotRequired  = "not-required" // for the review only
	Pending      = "pending"      // for an open change, which may still get what is required
)

// Answers are the answers to the four questions. The first three are about agents, and are empty
// for a change that no agent made.
type Answers struct {
	Trigger      string `json:"trigger,omitempty" schema:"enum=proven|partial|unproven|contradicted|pending" index:"keyword" doc:"which scan output triggered the agent"`
	Alternatives string `json:"alternatives,omitempty" schema:"enum=proven|partial|unproven|contradicted|pending" index:"keyword" doc:"what was considered and rejected"`
	Authorized   string `json:"authorized,omitempty" schema:"enum=proven|partial|unproven|contradicted|pending" index:"keyword" doc:"whether the agent was allowed to change the service"`
	Reviewed     string `json:"reviewed,omitempty" schema:"enum=proven|partial|unproven|contradicted|not-required|pending" index:"keyword" doc:"who reviewed before the merge"`
}

// worst returns the worst of the answers that are given. What is not required counts as proven.
func (a *Answers) worst() string {
	for _, answer := range []string{Contradicted, Unproven, Partial, Pending} {
		if slices.Contains([]string{a.Trigger, a.Alternatives, a.Authorized, a.Reviewed}, answer) {
			return answer
		}
	}
	return Proven
}

// Reasons explain the answers.
type Reasons struct {
	Trigger      string `json:"trigger,omitempty" index:"none"`
	Alternatives string `json:"alternatives,omitempty" index:"none"`
	Authorized   string `json:"authorized,omitempty" index:"none"`
	Reviewed     string `json:"reviewed,omitempty" index:"none"`
}

// Gaps: what an answer lacks, or what contradicts it.
const (
	GapNoTrigger           = "no-trigger"
	GapTriggerNotHeld      = "trigger-not-held"
	GapTriggerFromAgent    = "trigger-from-agent"
	GapDigestNotStated     = "digest-not-stated"
	GapFindingNotStated    = "finding-not-stated"
	GapFindingNotInReport  = "finding-not-in-report"
	GapNoDecision          = "no-decision"
	GapDecisionAfterMerge  = "decision-after-merge"
	GapNothingChosen       = "nothing-chosen"
	GapNoAlternatives      = "no-alternatives"
	GapRejectionNoReason   = "rejection-without-reason"
	GapChosenNotDone       = "chosen-not-done"
	GapNoPolicy            = "no-policy"
	GapPolicyNotOfTheTime  = "policy-not-of-the-time"
	GapServiceUnknown      = "service-unknown"
	GapAgentUnknown        = "agent-unknown"
	GapOutOfScope          = "out-of-scope"
	GapForbidden           = "forbidden"
	GapReviewMissing       = "review-missing"
	GapApprovalMissing     = "approval-missing"
	GapApprovalExpired     = "approval-expired"
	GapApprovalAfterMerge  = "approval-after-merge"
	GapNoReview            = "no-review"
	GapSelfApproval        = "self-approval"
	GapApprovedByBot       = "approved-by-bot"
	GapStaleApproval       = "stale-approval"
	GapApprovedUnknownHead = "approved-commit-unknown"
	GapChangesRequested    = "changes-requested"
	GapOutsideGroup        = "reviewer-outside-group"
	GapApprovalOutOfScope  = "approval-out-of-scope"

	GapToldAfterMerge      = "told-after-merge"
	GapEvidenceIncomplete  = "evidence-incomplete"
	GapUnverifiedSource    = "unverified-source"
	GapChosenNotComparable = "chosen-not-comparable"
	GapAuthorUnknown       = "author-unknown"
	GapEventAltered        = "event-altered"
	GapEvidenceMasked      = "evidence-masked"
	GapSourceShared        = "source-shared"
	GapChangeContradicted  = "change-contradicted"

	GapMergedAgainstGate = "merged-against-gate"
	GapGateNotAsked      = "gate-not-asked"
	GapGateOtherHead     = "gate-other-head"

	GapBreakGlass        = "break-glass"
	GapBreakGlassOverdue = "break-glass-overdue"
)

// Gaps returns the names of all gaps and contradictions.
func Gaps() []string {
	return []string{
		GapNoTrigger, GapTriggerNotHeld, GapTriggerFromAgent, GapDigestNotStated,
		GapFindingNotStated, GapFindingNotInReport, GapNoDecision, GapDecisionAfterMerge,
		GapNothingChosen, GapNoAlternatives, GapRejectionNoReason, GapChosenNotDone,
		GapNoPolicy, GapPolicyNotOfTheTime, GapServiceUnknown, GapAgentUnknown,
		GapOutOfScope, GapForbidden, GapReviewMissing, GapApprovalMissing,
		GapApprovalExpired, GapApprovalAfterMerge, GapNoReview, GapSelfApproval,
		GapApprovedByBot, GapStaleApproval, GapApprovedUnknownHead, GapChangesRequested,
		GapOutsideGroup, GapApprovalOutOfScope,
		GapTestsContradicted, GapFilesContradicted, GapSeverityContradicted, GapVerdictContradicted,
		GapIdentityContradicted,
		GapToldAfterMerge, GapEvidenceIncomplete, GapUnverifiedSource, GapChosenNotComparable,
		GapAuthorUnknown, GapEventAltered, GapEvidenceMasked, GapSourceShared, GapChangeContradicted,
		GapMergedAgainstGate, GapGateNotAsked, GapGateOtherHead, GapBreakGlass, GapBreakGlassOverdue,
	}
}

// An Authority is what a policy says about a change. The zero value says nothing.
type Authority struct {
	Verdict      string
	Rule         string
	Reason       string
	Paths        []string // for each of which alone the rule applies
	PolicyDigest string
	Unknown      string // the gap, if the policy does not know the service or the agent
	OutOfScope   bool   // forbidden because the service is outside the agent's scope
	// Person returns who is behind an account and whether the policy lists it. IsPerson reports
	// whether an account belongs to a human.
	Person   func(account string) (who string, listed bool)
	IsPerson func(account string) bool
	// Demands are what the services that the change touches require. All must be met.
	Demands []Demand
	// Least is the mildest verdict that is possible whatever the unknown parts of the change are,
	// with its demands. It equals Verdict and Demands if everything is known.
	Least        string
	LeastDemands []Demand
	// Ways are the possible decisions of the policy about each service that is certainly touched:
	// one for each service if everything that the policy asks about is known. If no way of one
	// service is met, the change is unauthorized, whatever its unknown parts are. Without any way
	// this cannot be decided.
	Ways [][]Way
	// GateRequired says that the gate must have been asked before the merge.
	GateRequired bool
	// BreakGlass says that people may order a merge that the gate denies.
	BreakGlass bool
	// NotOfTheTime says that the policy in force at the merge was never recorded; this is the
	// first one that was.
	NotOfTheTime bool
}

// And returns the authority that requires both a and o: the stricter verdict, with the demands of
// both.
func (a Authority) And(o Authority) Authority {
	if o.stricter(a) {
		a, o = o, a
	}
	a.Demands = bothOf(a.Demands, o.Demands)
	a.LeastDemands = bothOf(a.LeastDemands, o.LeastDemands)
	a.Ways = slices.Concat(a.Ways, o.Ways)
	a.GateRequired = a.GateRequired || o.GateRequired
	if slices.Index(verdicts, o.Least) > slices.Index(verdicts, a.Least) {
		a.Least = o.Least
	}
	return a
}

// stricter reports whether a is stricter on a change than o. A certain prohibition is stricter than
// an undecidable case.
func (a Authority) stricter(o Authority) bool {
	if a.Verdict != o.Verdict {
		return slices.Index(verdicts, a.Verdict) > slices.Index(verdicts, o.Verdict)
	}
	return a.Unknown == "" && o.Unknown != ""
}

func bothOf(a, b []Demand) []Demand {
	out := slices.Clone(a)
	for _, d := range b {
		if !slices.ContainsFunc(out, d.same) {
			out = append(out, d)
		}
	}
	return out
}

// verdicts, from the mildest to the strictest.
var verdicts = []string{Autonomous, ReviewRequired, ApprovalRequired, Forbidden}

// A Way is one possible decision of a policy about a service: all its demands must be met.
type Way struct {
	Verdict string
	Demands []Demand
}

// A Demand is what one rule requires for one service: the review or the approval of a person.
type Demand struct {
	Verdict string // ReviewRequired or ApprovalRequired
	Rule    string
	Service string
	Group   string                    // names of those who may meet it; empty: anybody independent
	By      []string                  // the names in Group
	InGroup func(account string) bool // nil: anybody
	People  int                       // how many different people must meet it; 0 means one
	Nobody  bool                      // the group has too few members, so that nobody can meet it
	Claimed bool                      // it is required only if a claim is true
	// Covers reports whether an approval of this scope and for these kinds of changes covers what
	// the change does to the service: certainly, for the Demands of an authority; possibly, for its
	// LeastDemands. nil means that every approval does.
	Covers func(scope, kinds []string) bool
	// Approved are the people whose approvals count, if a demand for several people is unmet.
	Approved []string
}

// number returns how many different people must meet d.
func (d Demand) number() int { return max(d.People, 1) }
