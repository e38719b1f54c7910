package record

import (
	"fmt"
	"time"
)

// Severities of a gap: how much it weighs for whoever relies on the change.
const (
	SeverityHigh   = "high"   // something speaks against the change, or a control was passed by
	SeverityMedium = "medium" // something that an answer needs is not there
	SeverityLow    = "low"    // something is told too loosely
)

// GapWords is what a gap means to people.
type GapWords struct {
	Gap      string
	Severity string
	Means    string
}

// gapWords has every gap, in the order of [Gaps].
var gapWords = []GapWords{
	{GapNoTrigger, SeverityMedium, "Nothing says what made the agent start."},
	{GapTriggerNotHeld, SeverityMedium, "The agent names what made it start, and nobody has sent it here."},
	{GapTriggerFromAgent, SeverityMedium, "Only the agent itself has sent what made it start."},
	{GapDigestNotStated, SeverityLow, "The agent does not state the digest of the report that it read."},
	{GapFindingNotStated, SeverityLow, "The agent names a report, and no finding in it."},
	{GapFindingNotInReport, SeverityHigh, "The finding that the agent names does not stand in the report."},
	{GapNoDecision, SeverityMedium, "No decision of the agent was received."},
	{GapDecisionAfterMerge, SeverityMedium, "The decision is of a time after the merge."},
	{GapNothingChosen, SeverityLow, "The decision does not say which option was chosen."},
	{GapNoAlternatives, SeverityLow, "The decision names no other option."},
	{GapRejectionNoReason, SeverityLow, "An option was rejected without a reason."},
	{GapChosenNotDone, SeverityHigh, "The change takes the package to another version than the option that was chosen."},
	{GapNoPolicy, SeverityMedium, "No policy says what agents may do."},
	{GapPolicyNotOfTheTime, SeverityMedium, "The policy that was in force at the merge is not held."},
	{GapServiceUnknown, SeverityMedium, "The policy does not know the service that the change touches."},
	{GapAgentUnknown, SeverityMedium, "The policy does not know the agent."},
	{GapOutOfScope, SeverityHigh, "The service is none of those that the agent may change."},
	{GapForbidden, SeverityHigh, "The policy forbids the change."},
	{GapReviewMissing, SeverityHigh, "The policy asks for a review that was not there in time."},
	{GapApprovalMissing, SeverityHigh, "The policy asks for an approval that was not there in time."},
	{GapApprovalExpired, SeverityMedium, "The approval had expired."},
	{GapApprovalAfterMerge, SeverityHigh, "The approval is of a time after the merge."},
	{GapNoReview, SeverityHigh, "Nobody independent approved before the merge."},
	{GapSelfApproval, SeverityHigh, "Someone approved who wrote the change, pushed to it or asked for it."},
	{GapApprovedByBot, SeverityHigh, "A program approved, and no person."},
	{GapStaleApproval, SeverityMedium, "Another commit was approved than the one that counts."},
	{GapApprovedUnknownHead, SeverityMedium, "It is not known which commit was approved."},
	{GapChangesRequested, SeverityHigh, "A reviewer asked for changes, and has not taken that back."},
	{GapOutsideGroup, SeverityMedium, "Nobody of the group that the policy names reviewed it."},
	{GapApprovalOutOfScope, SeverityMedium, "The approval is for something else."},
	{GapTestsContradicted, SeverityHigh, "The agent says of the tests what CI does not say."},
	{GapFilesContradicted, SeverityHigh, "The change has files that the agent does not name."},
	{GapSeverityContradicted, SeverityMedium, "The agent rates the finding otherwise than the report."},
	{GapVerdictContradicted, SeverityHigh, "The agent says of the policy what the policy does not say."},
	{GapIdentityContradicted, SeverityHigh, "Who acted is not who the events say."},
	{GapToldAfterMerge, SeverityMedium, "It states a time before the merge, and arrived after it."},
	{GapEvidenceIncomplete, SeverityMedium, "Not all files, commits or facts of the change are known."},
	{GapUnverifiedSource, SeverityMedium, "Nobody says so who can prove it."},
	{GapChosenNotComparable, SeverityLow, "The option that was chosen names a version, and nobody who sees them lists the dependencies."},
	{GapAuthorUnknown, SeverityMedium, "It is not known who wrote the change, so no reviewer can be shown to be independent."},
	{GapEventAltered, SeverityHigh, "An event was sent again with other content. The first one stands."},
	{GapSourceShared, SeverityHigh, "Two senders use one source and id, so that two events have one name."},
	{GapChangeContradicted, SeverityHigh, "Someone says of the change what the code host does not say."},
}

// WordsOf returns what a gap means; that nothing is known of one that is none.
func WordsOf(gap string) GapWords {
	for _, w := range gapWords {
		if w.Gap == gap {
			return w
		}
	}
	return GapWords{gap, SeverityMedium, "This version of changetrail does not know it."}
}

// AnswerWords is what an answer means to people.
type AnswerWords struct {
	Answer string
	Symbol string // in a table
	Means  string
}

// answers has every answer, from the best to the worst.
var answers = []AnswerWords{
	{Proven, "✓", "whoever can prove it says so"},
	{NotRequired, "–", "nobody needs to"},
	{Pending, "…", "the change is open, and may still get it"},
	{Partial, "◐", "a part of it is not there, or is only claimed"},
	{Unproven, "✗", "nothing shows it, and it is too late"},
	{Contradicted, "!", "something shows the opposite"},
}

// AllAnswers returns the answers that a question may have, with what they mean.
func AllAnswers() []AnswerWords { return answers }

// Elapsed is a span of time for people, in its largest unit of which there are at least two:
// "90 s", "41 min", "30 h", "18 days".
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
