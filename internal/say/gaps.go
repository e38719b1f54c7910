package say

import (
	"fmt"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// A Gap describes in words what is missing or contradictory.
type Gap struct {
	Name     string // the name to search for
	Severity string // record.SeverityHigh and others
	Title    string // the name without dashes
	Means    string
	Advice   string // what to do now
}

// Gaps returns the gaps of a record, the most severe first.
func Gaps(r *record.Record) []Gap {
	var out []Gap
	for _, name := range r.Trail.Gaps {
		out = append(out, GapOf(r, name))
	}
	slices.SortStableFunc(out, func(a, b Gap) int { return rank(a.Severity) - rank(b.Severity) })
	return out
}

func rank(severity string) int {
	return slices.Index([]string{record.SeverityCritical, record.SeverityHigh, record.SeverityMedium, record.SeverityLow}, severity)
}

// GapOf describes a gap of a record with the names and values in the record, or in general if r is
// nil.
func GapOf(r *record.Record, name string) Gap {
	w := record.WordsOf(name)
	g := Gap{Name: name, Severity: w.Severity, Title: strings.ReplaceAll(name, "-", " "), Means: w.Means, Advice: advice[name]}
	if g.Advice == "" {
		g.Advice = "Read the documentation of a newer version of changetrail."
	}
	if r != nil {
		if special := specials[name]; special != nil {
			if text := special(explainerOf(r)); text != "" {
				g.Means = text
			}
		}
	}
	return g
}

// specials describe a gap with values of the record. They return "" if the record lacks them.
var specials = map[string]func(explainer) string{
	record.GapFindingNotInReport: func(s explainer) string {
		if g := s.r.Trail.Trigger; g != nil && g.Finding != "" {
			return "The agent names a report of " + scanner(g) + " that does not contain " + g.Finding + "."
		}
		return ""
	},
	record.GapTriggerNotHeld: func(s explainer) string {
		g := s.r.Trail.Trigger
		if g == nil {
			return ""
		}
		for _, name := range []string{g.Finding, g.ID, g.URL} {
			if name != "" {
				return "The agent says that it started because of " + name + ", but changetrail never received the report or ticket."
			}
		}
		return ""
	},
	record.GapRejectionNoReason: func(s explainer) string {
		var bare []string
		if d := s.r.Trail.Decision; d != nil {
			for _, o := range d.Options {
				if o.ID != d.Chosen && o.Reason == "" {
					bare = append(bare, quoted(Title(o)))
				}
			}
		}
		if len(bare) == 0 {
			return ""
		}
		return "The agent gave no reason why it did not choose " + some(bare, 3) + "."
	},
	record.GapStaleApproval: func(s explainer) string {
		v, c := s.r.Trail.Review, s.r.Trail.Change
		if v == nil || v.ApprovedSHA == "" || c.HeadSHA == "" || s.counts(v.ApprovedSHA) {
			return ""
		}
		return "The newest approval is for commit " + Short(v.ApprovedSHA) + "; the change is now at " + Short(c.HeadSHA) + "."
	},
	record.GapChangesRequested: func(s explainer) string {
		if v := s.r.Trail.Review; v != nil && len(v.ChangesRequested) > 0 {
			return list(v.ChangesRequested) + " asked for changes and never withdrew the request."
		}
		return ""
	},
	record.GapMergedAgainstGate: func(s explainer) string {
		g := s.r.Trail.Gate
		if g == nil || g.Allowed || len(g.Reasons) == 0 {
			return ""
		}
		return "The gate refused the change" + on(g.At) + ": " + strings.TrimSuffix(g.Reasons[0], ".") + "."
	},
	record.GapBreakGlass: func(s explainer) string {
		b := s.r.Trail.BreakGlass
		if b == nil {
			return ""
		}
		return b.Person + " ordered that commit " + Short(b.CommitSHA) + " may be merged although the gate denied it" + on(b.At) + ": " + strings.TrimSuffix(b.Reason, ".") + "."
	},
	record.GapBreakGlassOverdue: func(s explainer) string {
		b := s.r.Trail.BreakGlass
		if b == nil {
			return ""
		}
		return "The change was merged by break-glass, and no independent person reviewed commit " + Short(b.CommitSHA) + " by" + strings.TrimPrefix(on(b.ReviewBy), " on") + "."
	},
	record.GapGateOtherHead: func(s explainer) string {
		g, c := s.r.Trail.Gate, s.r.Trail.Change
		if g == nil || g.CommitSHA == "" || c.HeadSHA == "" {
			return ""
		}
		return "The gate decided about commit " + Short(g.CommitSHA) + "; commit " + Short(c.HeadSHA) + " was merged."
	},
	record.GapEvidenceIncomplete: func(s explainer) string {
		if c := s.r.Trail.Change; c.FilesUnknown {
			return "Not all of the change is known: " + FilesKnown(c) + "."
		}
		return ""
	},
	record.GapForbidden:            func(s explainer) string { return s.ruled() },
	record.GapOutOfScope:           func(s explainer) string { return s.ruled() },
	record.GapTestsContradicted:    contradiction(record.GapTestsContradicted, "The agent said that "),
	record.GapFilesContradicted:    contradiction(record.GapFilesContradicted, "The agent said: "),
	record.GapSeverityContradicted: contradiction(record.GapSeverityContradicted, "The agent said: "),
	record.GapVerdictContradicted:  contradiction(record.GapVerdictContradicted, "The agent said that "),
	record.GapIdentityContradicted: contradiction(record.GapIdentityContradicted, "A sender said that "),
	record.GapChangeContradicted:   contradiction(record.GapChangeContradicted, "Somebody said: "),
}

// FilesKnown says how many files of a change are known by their paths, if not all are.
func FilesKnown(c record.Change) string {
	known := int64(len(c.Files))
	if slices.Contains(c.Claimed, "files") {
		return "the paths of its files are only claimed"
	}
	switch {
	case known == 0:
		return "no event that counts says which files it changes"
	case known == record.MaxFiles: // a record has no more
		return "the events name some of its files, and not all of them"
	case c.FilesTotal > known:
		return fmt.Sprintf("%d of its %d files are known by their paths", known, c.FilesTotal)
	}
	return number(len(c.Files), "file") + map[bool]string{true: " is", false: " are"}[known == 1] + " known, and there may be more"
}

// ruled says why the policy forbids the change.
func (s explainer) ruled() string {
	a := s.r.Trail.Authorization
	if a == nil || a.Rule == "" || a.Verdict != record.Forbidden {
		return ""
	}
	return s.policy(a)
}

// contradiction says what was claimed and what was seen.
func contradiction(kind, claimed string) func(explainer) string {
	return func(s explainer) string {
		for _, c := range s.r.Trail.Contradictions {
			if c.Kind == kind {
				return claimed + c.Claimed + ". Observed: " + c.Observed + "."
			}
		}
		return ""
	}
}

// advice says for each gap what to do now. It is for whoever is responsible for the change.
var advice = map[string]string{
	record.GapNoTrigger:            "Ask whoever runs the agent why it started. Have the agent record its trigger with each decision.",
	record.GapTriggerNotHeld:       "Have the scanner or the ticket system send its reports: changetrail attach scan, or a webhook. If the report still exists, attach it now.",
	record.GapTriggerFromAgent:     "Have the scanner's own job send the report, with its own credential.",
	record.GapDigestNotStated:      "Have the agent state the sha256 of the report that it read.",
	record.GapFindingNotStated:     "Have the agent name the finding, such as a CVE, with its decision.",
	record.GapFindingNotInReport:   "Compare the agent's decision with the report. Until somebody explains the difference, treat the change as one without a known reason.",
	record.GapNoDecision:           "Connect the agent (changetrail hook install, or MCP) so that it records decisions. For this change, ask its owner why it was made and keep the answer.",
	record.GapDecisionAfterMerge:   "Check the decision against the agent's own log. Have the agent record decisions before it works.",
	record.GapNothingChosen:        "Have the agent mark one of its options as chosen.",
	record.GapNoAlternatives:       "Have the agent record every option that it considered, including doing nothing.",
	record.GapRejectionNoReason:    "Have the agent give a reason for each option that it rejects.",
	record.GapChosenNotDone:        "Compare the change with the decision. Revert it, or have a person review the version that was merged.",
	record.GapNoPolicy:             "Write a policy and configure it in the enricher (docs/policy.md).",
	record.GapPolicyNotOfTheTime:   "Import the policy that was in force at the merge (changetrail policy), if you still have it.",
	record.GapServiceUnknown:       "Add the service with its repository and paths to the policy.",
	record.GapAgentUnknown:         "Add the agent with its accounts to the policy, or find out who runs it.",
	record.GapOutOfScope:           "Have the service's owner review the change now, or revert it. Then narrow what the agent's token may write to.",
	record.GapForbidden:            "Have the service's owner decide now: revert the change, or accept it in writing. Make the merge gate a required check.",
	record.GapReviewMissing:        "Have a person whom the policy names review the change now. Make that review a condition for merging.",
	record.GapApprovalMissing:      "Ask a person whom the policy names to approve or revert the change now. Make the merge gate a required check.",
	record.GapApprovalExpired:      "Ask for a new approval, and find out why the change waited so long.",
	record.GapApprovalAfterMerge:   "Keep the late approval as an exception, and find out who merged without it.",
	record.GapNoReview:             "Have an independent person review the change now. Require a review in the branch protection rules.",
	record.GapSelfApproval:         "Have somebody else review the change. Forbid authors and requesters to approve in the branch protection rules.",
	record.GapApprovedByBot:        "Have a person review the change. Do not count the approvals of bots.",
	record.GapStaleApproval:        "Have the reviewer look at what was added after the approval. Dismiss stale approvals in the branch protection rules.",
	record.GapApprovedUnknownHead:  "Look up the review at the code host. Connect its webhook, which states the commit.",
	record.GapChangesRequested:     "Ask the reviewer whether the objection still holds, and fix or revert the change.",
	record.GapOutsideGroup:         "Have a member of the group review the change. Use CODEOWNERS so that the right people are asked.",
	record.GapApprovalOutOfScope:   "Ask for an approval that covers this service and this change.",
	record.GapTestsContradicted:    "Read the CI job, and have a person decide whether the change stays. Do not rely on what this agent says about tests.",
	record.GapFilesContradicted:    "Review the files that the agent did not name.",
	record.GapSeverityContradicted: "Use the severity of the report. Check whether other decisions of this agent rate findings correctly.",
	record.GapVerdictContradicted:  "Use what the policy says. Check which policy the agent had.",
	record.GapIdentityContradicted: "Treat it as an incident: find out who has the credential, and replace it.",
	record.GapToldAfterMerge:       "Check the evidence against its source. Have it sent at the time it is made.",
	record.GapEvidenceIncomplete:   "Connect the code host's webhook, or send the missing events. What is not known never counts as allowed.",
	record.GapUnverifiedSource:     "Give the sender a credential (docs/gateway.md), so that its evidence counts.",
	record.GapChosenNotComparable:  "Have the build send a bill of materials (changetrail attach sbom), so that versions can be compared.",
	record.GapAuthorUnknown:        "Connect the code host's webhook, which states the authors of all commits.",
	record.GapEventAltered:         "Ask the sender why the event changed. Compare both versions.",
	record.GapSourceShared:         "Give each sender a source of its own (docs/gateway.md).",
	record.GapEvidenceMasked:       "If the original is still at its source, compare it with the digest that the record names, or have the scanner or CI job send it again without the secret.",
	record.GapChangeContradicted:   "Look at the change at the code host, and find out who sent the other version.",
	record.GapMergedAgainstGate:    "Treat it as an incident: have the service's owner review or revert the change, and find out who merged it. Make the gate a required check that nobody can skip.",
	record.GapGateNotAsked:         "Have the service's owner review the change now. Make the gate a required check (docs/gate.md).",
	record.GapBreakGlass:           "Have an independent person review the merged commit before the time in the record, and ask the person who ordered it what the emergency was.",
	record.GapBreakGlassOverdue:    "Have the service's owner review or revert the change now. It is in use, and nobody but the person who ordered it has looked at it.",
	record.GapGateOtherHead:        "Have a person review what was added after the gate decided. Ask the gate with --commit, so that it decides about the commit that is merged.",
}
