package record

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
	GapReviewFromAgent     = "review-from-agent"
	GapOutsideGroup        = "reviewer-outside-group"
	GapApprovalOutOfScope  = "approval-out-of-scope"
	GapApprovalFromAgent   = "approval-from-agent"

	GapToldAfterMerge      = "told-after-merge"
	GapEvidenceIncomplete  = "evidence-incomplete"
	GapUnverifiedSource    = "unverified-source"
	GapChosenNotComparable = "chosen-not-comparable"
	GapAuthorUnknown       = "author-unknown"
	GapEventAltered        = "event-altered"
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
		GapReviewFromAgent, GapOutsideGroup, GapApprovalOutOfScope, GapApprovalFromAgent,
		GapTestsContradicted, GapFilesContradicted, GapSeverityContradicted, GapVerdictContradicted,
		GapIdentityContradicted,
		GapToldAfterMerge, GapEvidenceIncomplete, GapUnverifiedSource, GapChosenNotComparable,
		GapAuthorUnknown, GapEventAltered, GapSourceShared, GapChangeContradicted,
	}
}

// An Authority is what whoever knows the policy says of a change. The zero
// value says nothing.
type Authority struct {
	Verdict      string
	Rule         string
	Reason       string
	PolicyDigest string
	Since        time.Time // when the policy came into force; zero: always was
	Unknown      string    // the gap, where service or agent is unknown to it
	OutOfScope   bool      // forbidden, since the service is none of the agent's
	// Person returns who is behind an account, IsPerson whether it is a human.
	Person   func(account string) string
	IsPerson func(account string) bool
	// InGroup reports whether an account is one of those by whom the rule asks
	// for a review or a leave; nil where anybody will do. Group names them.
	InGroup func(account string) bool
	Group   string
	// Covers reports whether a leave of some scope covers the change; nil: all do.
	Covers func(scope []string) bool

	// Demands are what the services that the change touches ask for. All must be met.
	Demands []Demand
	// Least is the mildest verdict that can hold whatever is not known of the change,
	// with its demands: the same as Verdict and Demands where all is known.
	Least        string
	LeastDemands []Demand
	// NotOfTheTime says that the policy in force at the merge is not held; this is the
	// first one that is.
	NotOfTheTime bool
}

// A Demand is what one rule asks for one service: the review or the leave of a person.
type Demand struct {
	Verdict string // ReviewRequired or ApprovalRequired
	Rule    string
	Service string
	Group   string                    // names of those who may meet it; empty: anybody who is independent
	InGroup func(account string) bool // nil: anybody
	Nobody  bool                      // the group has no member, so that nobody can meet it
}

// Judge answers the four questions from what r holds. Nothing is made up from
// absence: what is not there is a gap, and has a name.
func (r *Record) Judge(a Authority) {
	j := judge{record: r, authority: a}
	answers, reasons := new(Answers), new(Reasons)
	answers.Reviewed, reasons.Reviewed = j.reviewed()
	if r.Trail.Change.InitiatedBy == "agent" {
		answers.Trigger, reasons.Trigger = j.trigger()
		answers.Alternatives, reasons.Alternatives = j.alternatives()
		answers.Authorized, reasons.Authorized = j.authorized()
		j.contradict()
	}
	slices.Sort(j.gaps)
	r.Trail.Answers, r.Trail.Reasons, r.Trail.Gaps = answers, reasons, slices.Compact(j.gaps)
}

type judge struct {
	record    *Record
	authority Authority
	approved  bool // a person who is independent approved the commit that counts, in time
	gaps      []string
}

func (j *judge) say(answer, gap, format string, args ...any) (string, string) {
	if gap != "" {
		j.gaps = append(j.gaps, gap)
	}
	return answer, fmt.Sprintf(format, args...)
}

func (j *judge) trigger() (answer, reason string) {
	t, d := j.record.Trail.Trigger, j.record.Trail.Decision
	switch {
	case t == nil || t.ID == "" && t.Digest == "" && t.Finding == "" && t.URL == "":
		return j.say(Unproven, GapNoTrigger, "No decision names what made the agent start.")
	case !t.Held:
		return j.say(Partial, GapTriggerNotHeld, "The agent names %s; no report of it is held.", t.name())
	case t.Finding == "":
		return j.say(Partial, GapFindingNotStated, "The report of %s is held; which finding in it made the agent start is not said.", t.Scanner)
	case !t.Found:
		return j.say(Contradicted, GapFindingNotInReport, "The report that the decision names is held (%s), and %s does not stand in it.", t.Digest, t.Finding)
	case d != nil && (t.Source == d.Source || j.record.triggerFromAgent()):
		return j.say(Partial, GapTriggerFromAgent, "%s stands in the report of %s, which the agent itself handed in.", t.Finding, t.Scanner)
	case !t.Matched:
		return j.say(Partial, GapDigestNotStated, "%s stands in a report of %s; the decision does not state the digest of the report it read.", t.Finding, t.Scanner)
	}
	return j.say(Proven, "", "%s stands in the report of %s that the decision names by digest (%s), handed in by %s.", t.Finding, t.Scanner, t.Digest, t.Source)
}

// triggerFromAgent reports whether the held report came from a source that speaks
// as the agent.
func (r *Record) triggerFromAgent() bool {
	return r.Trail.Tier != nil && (r.Trail.Tier.Trigger == Claimed || r.Trail.Tier.Trigger == Signed)
}

func (t *TriggerFacts) name() string {
	for _, s := range []string{t.Finding, t.ID, t.Digest, t.URL} {
		if s != "" {
			return s
		}
	}
	return t.Kind
}

func (j *judge) alternatives() (answer, reason string) {
	d, c := j.record.Trail.Decision, j.record.Trail.Change
	if d == nil {
		return j.say(Unproven, GapNoDecision, "No decision was recorded.")
	}
	var chosen *Option
	others, bare := 0, ""
	for i, o := range d.Options {
		switch {
		case o.ID == d.Chosen:
			chosen = &d.Options[i]
		case o.Reason == "":
			bare = o.ID
			fallthrough
		default:
			others++
		}
	}
	if chosen != nil {
		if want, got, name := otherVersion(*chosen, c.Dependencies); name != "" {
			return j.say(Contradicted, GapChosenNotDone, "Chosen was %s %s; the change takes it to %s.", name, want, got)
		}
	}
	switch {
	case !c.MergedAt.IsZero() && d.RecordedAt.After(c.MergedAt):
		return j.say(Partial, GapDecisionAfterMerge, "The decision was recorded %s after the merge.", d.RecordedAt.Sub(c.MergedAt).Round(time.Second))
	case chosen == nil:
		return j.say(Partial, GapNothingChosen, "The decision does not say which of its options was chosen.")
	case others == 0:
		return j.say(Partial, GapNoAlternatives, "The decision names no other option than %s.", chosen.ID)
	case bare != "":
		return j.say(Partial, GapRejectionNoReason, "Option %s was not taken, and no reason is given.", bare)
	}
	return j.say(Proven, "", "%s was chosen, and each other option (%d) has a reason why not.", chosen.ID, others)
}

// otherVersion finds a dependency that an option names with one version and
// the change takes to another: "lodash 4.17.21" or "lodash@4.17.21".
func otherVersion(o Option, done []DependencyUpdate) (want, got, name string) {
	words := strings.FieldsFunc(strings.ToLower(o.ID+" "+o.Title), func(r rune) bool { return r == ' ' || r == '@' || r == ',' || r == '(' || r == ')' })
	for _, d := range done {
		for i, w := range words {
			if w != strings.ToLower(d.Name) || i+1 == len(words) || d.To == "" {
				continue
			}
			next := i + 1
			if words[next] == "to" && next+1 < len(words) {
				next++
			}
			stated := strings.TrimPrefix(words[next], "v")
			if stated != "" && stated[0] >= '0' && stated[0] <= '9' && stated != strings.TrimPrefix(strings.ToLower(d.To), "v") {
				return stated, d.To, d.Name
			}
		}
	}
	return "", "", ""
}

func (j *judge) reviewed() (answer, reason string) {
	c, v := j.record.Trail.Change, j.record.Trail.Review
	if v != nil {
		defer func() { v.Independent = j.approved }()
	}
	standing := j.standing(v)
	var stale, unknown, self, bot, late, outside, forged string
	for _, s := range standing {
		if s.Verdict == "changes-requested" {
			return j.say(Contradicted, GapChangesRequested, "%s asked for changes, and that stood%s.", s.Reviewer, j.when())
		}
	}
	head := orString(c.HeadSHA, c.MergeSHA)
	for _, s := range standing {
		if s.Verdict != "approved" {
			continue
		}
		switch {
		case !j.authority.isPerson(s):
			bot = s.Reviewer
		case j.involved(s.Reviewer):
			self = s.Reviewer
		case s.Tier == Claimed:
			forged = s.Reviewer
		case s.CommitSHA == "" || head == "":
			unknown = s.Reviewer
		case !sameCommit(s.CommitSHA, head) && !sameCommit(s.CommitSHA, c.MergeSHA):
			stale = s.Reviewer
		case j.authority.InGroup != nil && !j.authority.InGroup(s.Reviewer):
			outside = s.Reviewer
		default:
			j.approved = true
			return j.say(Proven, "", "%s approved %s on %s%s.", s.Reviewer, s.CommitSHA, s.SubmittedAt.UTC().Format(time.RFC3339), before(c))
		}
	}
	if v != nil {
		for _, s := range j.record.Judged.Verdicts {
			if s.Verdict == "approved" && !c.MergedAt.IsZero() && s.SubmittedAt.After(c.MergedAt) {
				late = s.Reviewer
			}
		}
	}
	switch {
	case stale != "":
		return j.say(Partial, GapStaleApproval, "%s approved an earlier commit than the one%s.", stale, j.which())
	case outside != "":
		return j.say(Partial, GapOutsideGroup, "%s approved, who is none of %s.", outside, j.authority.Group)
	case forged != "":
		return j.say(Partial, GapReviewFromAgent, "That %s approved is said by the agent alone.", forged)
	case unknown != "":
		return j.say(Partial, GapApprovedUnknownHead, "%s approved; which commit is not known.", unknown)
	}
	for gap, who := range map[string]string{GapSelfApproval: self, GapApprovedByBot: bot, GapApprovalAfterMerge: late} {
		if who != "" {
			j.gaps = append(j.gaps, gap)
		}
	}
	if j.authority.Verdict == Autonomous {
		return j.say(NotRequired, "", "The policy lets the agent do this alone (%s).", j.authority.Rule)
	}
	switch {
	case self != "":
		return j.say(Unproven, GapNoReview, "Only %s approved, who made or asked for the change.", self)
	case late != "":
		return j.say(Unproven, GapNoReview, "%s approved after the merge; nobody did before.", late)
	case bot != "":
		return j.say(Unproven, GapNoReview, "Only %s approved, which is no person.", bot)
	}
	return j.say(Unproven, GapNoReview, "Nobody approved%s.", j.until())
}

// standing returns the newest verdict of each reviewer that counts: given
// before the merge, comments aside.
func (j *judge) standing(v *ReviewFacts) []ReviewVerdict {
	if v == nil {
		return nil
	}
	merged := j.record.Trail.Change.MergedAt
	newest := make(map[string]ReviewVerdict)
	var who []string
	for _, s := range j.record.Judged.Verdicts { // in the order of time
		if s.Verdict == "commented" || !merged.IsZero() && s.SubmittedAt.After(merged) {
			continue
		}
		person := j.authority.person(s.Reviewer)
		if _, known := newest[person]; !known {
			who = append(who, person)
		}
		newest[person] = s
	}
	out := make([]ReviewVerdict, len(who))
	for i, p := range who {
		out[i] = newest[p]
	}
	return out
}

// involved reports whether an account made the change or asked for it.
func (j *judge) involved(account string) bool {
	r := j.record
	who := []string{r.Trail.Change.Author}
	if r.GenAI != nil {
		who = append(who, r.GenAI.Agent.ID)
	}
	if d := r.Trail.Decision; d != nil {
		who = append(who, d.Agent, d.DelegatedBy)
	}
	person := j.authority.person(account)
	return slices.ContainsFunc(who, func(w string) bool { return w != "" && j.authority.person(w) == person })
}

func (j *judge) authorized() (answer, reason string) {
	a, c := j.authority, j.record.Trail.Change
	if a.Verdict == "" {
		return j.say(Unproven, GapNoPolicy, "No policy says who may change what.")
	}
	fact := j.record.Trail.Authorization
	if fact == nil {
		fact = new(AuthorizationFact)
		j.record.Trail.Authorization = fact
	}
	fact.Verdict, fact.Rule, fact.PolicyDigest = a.Verdict, a.Rule, a.PolicyDigest
	if a.Reason != "" {
		fact.Reasons = []string{a.Reason}
	}
	switch {
	case j.record.GenAI == nil:
		return j.say(Unproven, GapAgentUnknown, "Which agent made the change is not known.")
	case a.Unknown != "":
		return j.say(Unproven, a.Unknown, "It cannot be told: %s.", a.Reason)
	case a.OutOfScope:
		return j.say(Contradicted, GapOutOfScope, "The policy forbids it: %s.", a.Reason)
	case a.Verdict == Forbidden:
		return j.say(Contradicted, GapForbidden, "The policy forbids it (%s): %s.", a.Rule, a.Reason)
	}
	missing := ""
	switch a.Verdict {
	case ReviewRequired:
		if !j.approved {
			missing = GapReviewMissing
		}
	case ApprovalRequired:
		missing = j.leave()
	}
	asked := map[string]string{Autonomous: "lets the agent do it alone", ReviewRequired: "asks for a review", ApprovalRequired: "asks for the leave of a person, given before"}[a.Verdict]
	switch {
	case missing != "" && c.MergedAt.IsZero():
		return j.say(Unproven, missing, "The policy %s (%s), which is not there yet.", asked, a.Rule)
	case missing != "":
		return j.say(Contradicted, missing, "The policy %s (%s), which was not there at the merge.", asked, a.Rule)
	}
	fact.Satisfied = true
	if !a.Since.IsZero() && !c.MergedAt.IsZero() && c.MergedAt.Before(a.Since) {
		return j.say(Partial, GapPolicyNotOfTheTime, "The policy of now %s (%s), and that is there; the one in force at the merge is not held.", asked, a.Rule)
	}
	if a.Verdict == Autonomous {
		return j.say(Proven, "", "The policy %s (%s).", asked, a.Rule)
	}
	return j.say(Proven, "", "The policy %s (%s), and that was there.", asked, a.Rule)
}

// leave returns what is missing where a person must have given leave before.
func (j *judge) leave() (gap string) {
	merged := j.record.Trail.Change.MergedAt
	gap = GapApprovalMissing
	for _, p := range j.record.Judged.Approvals {
		switch {
		case !j.authority.isPerson(ReviewVerdict{Reviewer: p.Approver}):
		case p.Tier == Claimed:
			gap = GapApprovalFromAgent
		case j.authority.InGroup != nil && !j.authority.InGroup(p.Approver):
			gap = GapOutsideGroup
		case j.authority.Covers != nil && !j.authority.Covers(p.Scope):
			gap = GapApprovalOutOfScope
		case !merged.IsZero() && p.GrantedAt.After(merged):
			gap = GapApprovalAfterMerge
		case !p.ExpiresAt.IsZero() && !merged.IsZero() && p.ExpiresAt.Before(merged):
			gap = GapApprovalExpired
		default:
			return ""
		}
	}
	return gap
}

func (j *judge) when() string {
	if j.record.Trail.Change.MergedAt.IsZero() {
		return " so far"
	}
	return " at the merge"
}

func (j *judge) until() string {
	if j.record.Trail.Change.MergedAt.IsZero() {
		return " so far"
	}
	return " before the merge"
}

func (j *judge) which() string {
	if j.record.Trail.Change.MergedAt.IsZero() {
		return " that is the head now"
	}
	return " that was merged"
}

func before(c Change) string {
	if c.MergedAt.IsZero() {
		return ""
	}
	return ", before the merge"
}

func (a Authority) person(account string) string {
	if a.Person == nil {
		return account
	}
	return a.Person(account)
}

func (a Authority) isPerson(v ReviewVerdict) bool {
	if v.ReviewerType == "bot" || v.ReviewerType == "agent" || strings.HasSuffix(v.Reviewer, "[bot]") {
		return false
	}
	return a.IsPerson == nil || a.IsPerson(v.Reviewer)
}

// sameCommit compares two commit ids, of which one may be shortened.
func sameCommit(a, b string) bool {
	const shortest = 7
	n := min(len(a), len(b))
	return n >= shortest && a[:n] == b[:n]
}

func orString(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
