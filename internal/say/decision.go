package say

import (
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// alternatives says what the agent chose and what it rejected.
func (s explainer) alternatives() string {
	d, reason := s.r.Trail.Decision, s.why.Alternatives
	if d == nil {
		return reason
	}
	var chosen string
	var rejected, deferred, bare []string
	for _, o := range d.Options {
		title := quoted(Title(o))
		switch {
		case o.ID == d.Chosen:
			chosen = title
			continue
		case o.Outcome == "deferred":
			deferred = append(deferred, title)
		default:
			rejected = append(rejected, title)
		}
		if o.Reason == "" {
			bare = append(bare, title)
		}
	}
	if chosen == "" {
		return reason
	}
	did := []string{"chose " + chosen}
	if len(rejected) > 0 {
		did = append(did, "rejected "+some(rejected, 3))
	}
	if len(deferred) > 0 {
		did = append(did, "put off "+some(deferred, 3))
	}
	what := s.decider(d) + " " + list(did)
	if len(rejected)+len(deferred) > 0 && len(bare) == 0 {
		what += ", with a reason for each"
	}
	what += "."
	if s.r.Trail.Answers.Alternatives == record.Proven {
		return sentences(what, "It recorded the decision"+on(d.RecordedAt)+s.fromMerge(d.RecordedAt)+".")
	}
	if len(bare) > 0 && strings.HasPrefix(reason, "Option ") {
		reason = "No reason is given for " + some(bare, 3) + "." // the reason names one, by its id
	}
	return sentences(what, s.but(reason))
}

// decider returns who made the decision, by its own statement.
func (s explainer) decider(d *record.DecisionFacts) string {
	if d.Agent != "" {
		return d.Agent
	}
	return s.agent()
}

// Title returns the title of an option.
func Title(o record.Option) string {
	if o.Title != "" {
		return o.Title
	}
	return o.ID
}

// authorized says what the policy requires, and whether that was given.
func (s explainer) authorized() string {
	a, reason := s.r.Trail.Authorization, s.why.Authorized
	if a == nil || a.Verdict == "" {
		return reason
	}
	asked := s.policy(a)
	switch s.r.Trail.Answers.Authorized {
	case record.Proven:
		return sentences(asked, s.given(a))
	case record.Contradicted:
		if a.Verdict == record.Forbidden {
			return sentences(asked, s.gate())
		}
		return sentences(asked, s.lacked(a), s.lateApproval(), s.gate())
	case record.Pending:
		return sentences(asked, "That has not been given yet.")
	}
	return sentences(reason, s.because(a, reason))
}

// lacked says what was missing at the merge, and who had asked for changes.
func (s explainer) lacked(a *record.AuthorizationFact) string {
	said := "When it was merged, a required approval was missing: nobody who may give it had given a valid one."
	if a.Verdict == record.ReviewRequired {
		said = "When it was merged, a required review was missing: nobody whose review counts had approved the change."
	}
	if v := s.r.Trail.Review; v != nil && len(v.ChangesRequested) > 0 && slices.Contains(s.r.Trail.Gaps, record.GapChangesRequested) {
		said += " " + list(v.ChangesRequested) + " had asked for changes."
	}
	return said
}

// policy says what the policy requires, and by which rule.
func (s explainer) policy(a *record.AuthorizationFact) string {
	services := "this service"
	if f := s.r.Trail.Service; f != nil && len(f.Names) > 0 {
		services = some(f.Names, 3)
	}
	rule := ""
	if a.Rule != "" {
		rule = " (rule " + quoted(a.Rule)
		if len(a.Paths) > 0 {
			rule += ", which applies because of " + some(a.Paths, 3)
		}
		rule += ")"
	}
	because := s.because(a, "")
	switch a.Verdict {
	case record.Autonomous:
		return sentences("The policy lets "+s.agent()+" change "+services+" without asking anybody"+rule+".", because)
	case record.ReviewRequired:
		return sentences("The policy requires a person's review of this change of "+services+rule+".", because)
	case record.ApprovalRequired:
		return sentences("The policy requires a person's approval, given before the merge, for this change of "+services+rule+".", because)
	}
	return sentences("The policy forbids this change of "+services+rule+".", because)
}

// because returns the policy's reason, unless there is none or said contains it.
func (s explainer) because(a *record.AuthorizationFact, said string) string {
	var out []string
	for _, r := range a.Because() {
		if r = strings.TrimSuffix(strings.TrimSpace(r), "."); r != "" && !strings.Contains(said, r) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "Its reason: " + strings.Join(out, "; ") + "."
}

// given says who gave the required approval or review, or only that it was given if that was not
// one person.
func (s explainer) given(a *record.AuthorizationFact) string {
	switch a.Verdict {
	case record.Autonomous:
		return ""
	case record.ApprovalRequired:
		var in []record.ApprovalFact
		for _, p := range s.r.Trail.Approvals {
			if p.Verdict != "refused" && (p.Tier == record.Observed || p.Tier == record.Human) && !s.afterMerge(p.GrantedAt) {
				in = append(in, p)
			}
		}
		if len(in) == 1 {
			return in[0].Approver + " gave it" + on(in[0].GrantedAt) + s.fromMerge(in[0].GrantedAt) + "."
		}
	case record.ReviewRequired:
		if v := s.r.Trail.Review; v != nil && len(v.Approvers) == 1 && s.r.Trail.Answers.Reviewed == record.Proven {
			return s.reviewed() // the record does not say which of several approvals met the rule
		}
	}
	if s.r.Trail.Change.MergedAt.IsZero() {
		return "It was given."
	}
	return "It was given before the merge."
}

// lateApproval names who approved too late.
func (s explainer) lateApproval() string {
	for _, p := range s.r.Trail.Approvals {
		if p.Verdict != "refused" && s.afterMerge(p.GrantedAt) {
			return p.Approver + " approved" + on(p.GrantedAt) + s.fromMerge(p.GrantedAt) + "."
		}
	}
	return ""
}

// gate says what the gate did with a change that was not authorized.
func (s explainer) gate() string {
	g := s.r.Trail.Gate
	switch {
	case g == nil:
		return ""
	case g.Rule == record.RuleBreakGlass && s.r.Trail.BreakGlass != nil:
		b := s.r.Trail.BreakGlass
		return b.Person + " ordered that it be merged nevertheless" + on(b.At) + ": " + strings.TrimSuffix(b.Reason, ".") + "."
	case g.Allowed:
		return "The merge gate let the change pass nevertheless" + on(g.At) + "."
	case s.r.Trail.Change.State == "merged":
		return "The merge gate refused the change" + on(g.At) + ", but it was merged nevertheless."
	}
	return "The merge gate refused the change" + on(g.At) + "."
}
