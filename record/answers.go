package record

import "slices"

// What a policy says of a change, from the mildest to the gravest.
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
	NotRequired  = "not-required" // of the review only
	Pending      = "pending"      // of an open change, which may still get what is asked for
)

// Answers to the four questions. The first three are about agents, and are
// not asked of a change that no agent made.
type Answers struct {
	Trigger      string `json:"trigger,omitempty" schema:"enum=proven|partial|unproven|contradicted|pending" index:"keyword" doc:"which scan output triggered the agent"`
	Alternatives string `json:"alternatives,omitempty" schema:"enum=proven|partial|unproven|contradicted|pending" index:"keyword" doc:"what was considered and rejected"`
	Authorized   string `json:"authorized,omitempty" schema:"enum=proven|partial|unproven|contradicted|pending" index:"keyword" doc:"whether the agent was allowed to change the service"`
	Reviewed     string `json:"reviewed,omitempty" schema:"enum=proven|partial|unproven|contradicted|not-required|pending" index:"keyword" doc:"who reviewed before merge"`
}

// Reasons are the answers in words.
type Reasons struct {
	Trigger      string `json:"trigger,omitempty" index:"none"`
	Alternatives string `json:"alternatives,omitempty" index:"none"`
	Authorized   string `json:"authorized,omitempty" index:"none"`
	Reviewed     string `json:"reviewed,omitempty" index:"none"`
}

// Gaps: what an answer lacks, or what speaks against it.
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
	}
}

// An Authority is what whoever knows the policy says of a change. The zero
// value says nothing.
type Authority struct {
	Verdict      string
	Rule         string
	Reason       string
	PolicyDigest string
	Unknown      string // the gap, where service or agent is unknown to it
	OutOfScope   bool   // forbidden, since the service is none of the agent's
	// Person returns who is behind an account and whether the policy lists it, IsPerson
	// whether it is a human.
	Person   func(account string) (who string, listed bool)
	IsPerson func(account string) bool
	// Demands are what the services that the change touches ask for. All must be met.
	Demands []Demand
	// Least is the mildest verdict that can hold whatever is not known of the change,
	// with its demands: the same as Verdict and Demands where all is known.
	Least        string
	LeastDemands []Demand
	// Ways are those in which the policy may decide about each service that is surely
	// touched: one of each where all that it asks about is known. Where no way of one of
	// them is met, the change is unauthorized whatever is not known of it. Without any it
	// cannot be told.
	Ways [][]Way
	// NotOfTheTime says that the policy in force at the merge is not held; this is the
	// first one that is.
	NotOfTheTime bool
}

// And returns what holds where a and o must both hold: the graver verdict, with the demands
// of both.
func (a Authority) And(o Authority) Authority {
	if o.worse(a) {
		a, o = o, a
	}
	a.Demands = bothOf(a.Demands, o.Demands)
	a.LeastDemands = bothOf(a.LeastDemands, o.LeastDemands)
	a.Ways = slices.Concat(a.Ways, o.Ways)
	if slices.Index(verdicts, o.Least) > slices.Index(verdicts, a.Least) {
		a.Least = o.Least
	}
	return a
}

// worse reports whether a speaks more against a change than o does. What is surely forbidden
// is worse than what cannot be told.
func (a Authority) worse(o Authority) bool {
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

// verdicts from the mildest to the gravest.
var verdicts = []string{Autonomous, ReviewRequired, ApprovalRequired, Forbidden}

// A Way is one in which a policy may decide about a service: all its demands must be met.
type Way struct {
	Verdict string
	Demands []Demand
}

// A Demand is what one rule asks for one service: the review or the leave of a person.
type Demand struct {
	Verdict string // ReviewRequired or ApprovalRequired
	Rule    string
	Service string
	Group   string                    // names of those who may meet it; empty: anybody who is independent
	InGroup func(account string) bool // nil: anybody
	Nobody  bool                      // the group has no member, so that nobody can meet it
	Claimed bool                      // it is asked for only if a claim is true
	// Covers reports whether a leave of some scope covers what the change does to the
	// service: surely, among the Demands of an authority; maybe, among its LeastDemands.
	// nil: all do.
	Covers func(scope []string) bool
}
