package record

import (
	"fmt"
	"time"
)

// Severities of a gap: how much it matters to those who rely on the change.
const (
	SeverityCritical = "critical" // a control was bypassed, and what had to follow did not
	SeverityHigh     = "high"     // something contradicts the change, or a control was bypassed
	SeverityMedium   = "medium"   // something that an answer needs is missing
	SeverityLow      = "low"      // something is stated too vaguely
)

// GapWords explains a gap to people.
type GapWords struct {
	Gap      string
	Severity string
	Means    string
}

// gapWords explains every gap, in the order of [Gaps].
var gapWords = []GapWords{
	{GapNoTrigger, SeverityMedium, "Nothing says what made the agent start."},
	{GapTriggerNotHeld, SeverityMedium, "The agent names the report or ticket that made it start, but changetrail never received that report or ticket."},
	{GapTriggerFromAgent, SeverityMedium, "The report or ticket that made the agent start was received only from the agent itself."},
	{GapDigestNotStated, SeverityLow, "The agent did not record the fingerprint (digest) of the report that it read, so another report may be meant."},
	{GapFindingNotStated, SeverityLow, "The agent names a report, but not which finding in it made it start."},
	{GapFindingNotInReport, SeverityHigh, "The report that the agent names does not contain the finding that the agent names."},
	{GapNoDecision, SeverityMedium, "The agent's decision was never recorded."},
	{GapDecisionAfterMerge, SeverityMedium, "The agent recorded its decision only after the merge."},
	{GapNothingChosen, SeverityLow, "The decision does not say which option was chosen."},
	{GapNoAlternatives, SeverityLow, "The decision names no option besides the chosen one."},
	{GapRejectionNoReason, SeverityLow, "An option was rejected, and no reason was given."},
	{GapChosenNotDone, SeverityHigh, "The change brings the package to a version other than the chosen one."},
	{GapNoPolicy, SeverityMedium, "No policy says what agents may do."},
	{GapPolicyNotOfTheTime, SeverityMedium, "The policy that was in force at the merge was never received; a later one was used."},
	{GapServiceUnknown, SeverityMedium, "The policy does not say to which service the changed files belong."},
	{GapAgentUnknown, SeverityMedium, "The policy does not list the agent."},
	{GapOutOfScope, SeverityHigh, "The policy does not let this agent change this service."},
	{GapForbidden, SeverityHigh, "The policy forbids this change."},
	{GapReviewMissing, SeverityHigh, "The review that the policy requires was missing at the merge."},
	{GapApprovalMissing, SeverityHigh, "The approval that the policy requires was missing at the merge."},
	{GapApprovalExpired, SeverityMedium, "The approval had expired before the merge."},
	{GapApprovalAfterMerge, SeverityHigh, "The approval was given after the merge."},
	{GapNoReview, SeverityHigh, "Nobody independent approved the change before the merge."},
	{GapSelfApproval, SeverityHigh, "The person who approved the change also wrote it, pushed to it or asked for it."},
	{GapApprovedByBot, SeverityHigh, "Only a program approved the change; no person did."},
	{GapStaleApproval, SeverityMedium, "The approval is for an earlier commit than the one that was merged."},
	{GapApprovedUnknownHead, SeverityMedium, "The approval does not say which commit it is for."},
	{GapChangesRequested, SeverityHigh, "A reviewer asked for changes and never withdrew the request."},
	{GapOutsideGroup, SeverityMedium, "Nobody from the group that the policy names approved the change."},
	{GapApprovalOutOfScope, SeverityMedium, "The approval is for another service or for other work."},
	{GapTestsContradicted, SeverityHigh, "What the agent says about the tests differs from what the CI system saw."},
	{GapFilesContradicted, SeverityHigh, "The change touches files that the agent did not name."},
	{GapSeverityContradicted, SeverityMedium, "The severity that the agent states differs from the one in the report."},
	{GapVerdictContradicted, SeverityHigh, "What the agent says about the policy differs from the policy."},
	{GapIdentityContradicted, SeverityHigh, "Somebody sent events in the name of another agent."},
	{GapToldAfterMerge, SeverityMedium, "Evidence dated before the merge was received only after the merge, so it may have been written for the audit."},
	{GapEvidenceIncomplete, SeverityMedium, "Some files, commits or events of the change are not known: they were never received, or there were more than a record may contain."},
	{GapUnverifiedSource, SeverityMedium, "Some evidence came without the credential of a sender who can vouch for it, so it is only a claim."},
	{GapChosenNotComparable, SeverityLow, "The chosen option names a version, but no build system or code host reported the versions in the change."},
	{GapAuthorUnknown, SeverityMedium, "It is not known who wrote all of the change, so no reviewer can be shown to be independent."},
	{GapEventAltered, SeverityHigh, "An event was sent a second time with other content; the first version counts."},
	{GapEvidenceMasked, SeverityMedium, "Secrets in the evidence were masked after it had been stored."},
	{GapSourceShared, SeverityHigh, "Two senders used the same source and id for two different events."},
	{GapChangeContradicted, SeverityHigh, "What somebody says about the change differs from what the code host says."},
	{GapMergedAgainstGate, SeverityHigh, "The gate had refused the change, and it was merged nevertheless."},
	{GapGateNotAsked, SeverityHigh, "The policy requires that the gate is asked before the merge, and nobody asked it."},
	{GapGateOtherHead, SeverityHigh, "The gate decided about another commit than the one that was merged."},
	{GapBreakGlass, SeverityHigh, "A person ordered that the change may be merged although the gate denied it (break-glass)."},
	{GapBreakGlassOverdue, SeverityCritical, "The change was merged by break-glass, and no independent person reviewed it within the time that the policy sets."},
}

// WordsOf explains a gap. For an unknown gap it says that it is unknown.
func WordsOf(gap string) GapWords {
	for _, w := range gapWords {
		if w.Gap == gap {
			return w
		}
	}
	return GapWords{gap, SeverityMedium, "This version of changetrail does not know this gap."}
}

// AnswerWords explains an answer to people.
type AnswerWords struct {
	Answer string
	Symbol string // in a table
	Means  string
}

// answers explains every answer, from the best to the worst.
var answers = []AnswerWords{
	{Proven, "✓", "the evidence shows it"},
	{NotRequired, "–", "the policy does not require it"},
	{Pending, "…", "the change is open, and the evidence may still arrive"},
	{Partial, "◐", "some evidence is missing or is only a claim"},
	{Unproven, "✗", "no evidence"},
	{Contradicted, "!", "the evidence shows the opposite"},
}

// AllAnswers returns the possible answers to a question, with their explanations.
func AllAnswers() []AnswerWords { return answers }

// Elapsed formats a duration for people, in the largest unit that gives at least two: "90 s", "41
// min", "30 h", "18 days".
func Elapsed(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
