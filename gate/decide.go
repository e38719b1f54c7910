package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// A Decision is the answer of the gate about one change at one moment.
type Decision struct {
	Change  record.ChangeID `json:"change"`
	Allowed bool            `json:"allowed"`
	// Head is the newest commit of the change, or the commit to deploy. The decision is about this
	// commit alone.
	Head string    `json:"head,omitempty"`
	At   time.Time `json:"at"`
	// Verdict is what the policy requires of the change, by Rule. Both are empty for a change that no
	// agent made.
	Verdict      string `json:"verdict,omitempty"`
	Rule         string `json:"rule,omitempty"`
	PolicyDigest string `json:"policy_digest,omitempty"`
	// Authorized and Reviewed are the answers that the record would have after a merge now.
	Authorized string `json:"authorized,omitempty"`
	Reviewed   string `json:"reviewed,omitempty"`
	// Reasons are sentences: why the change is denied, or why it is allowed.
	Reasons []string  `json:"reasons"`
	Missing []Missing `json:"missing,omitempty"`
	Checks  []Check   `json:"checks,omitempty"`
	// Position is how far the decision knows the stream of events: it rests on all events before
	// topic/partition@offset.
	Position string `json:"position"`
	// Warning says that a newer policy cannot be read, so that the one before it decided.
	Warning string `json:"warning,omitempty"`

	commit string // that the decision is about; another than Head if the asker named another
	over   bool   // no merge can follow: the change is merged, closed or a part of another
}

// Missing is something that a person must give before the change is allowed.
type Missing struct {
	What     string   `json:"what"`  // review or approval
	Count    int      `json:"count"` // how many different people must still give it
	Service  string   `json:"service,omitempty"`
	Rule     string   `json:"rule,omitempty"`
	By       []string `json:"by,omitempty"`       // teams and people that the policy names; empty means any independent person
	People   []string `json:"people,omitempty"`   // the people among them who took no part in the change and have not given it
	Approved []string `json:"approved,omitempty"` // who has given it, if several people must
}

// A Check is a CI job that the policy requires, on the head of the change.
type Check struct {
	Name  string `json:"name"`
	State string `json:"state"` // its conclusion, or missing
}

// Decide answers from what is known of a change. commit is the commit that the asker is about to
// merge; empty if the asker does not say.
func Decide(p *enricher.Preview, commit string, at time.Time) Decision {
	c := p.Now.Trail.Change
	d := Decision{Change: c.ID, Head: c.HeadSHA, At: at.UTC(), PolicyDigest: p.Policy.Digest(), Position: p.Position}
	if p.Unreadable != nil {
		d.Warning = fmt.Sprintf("A newer policy cannot be read, so the one before it decided: %v.", p.Unreadable)
	}
	d.commit = c.HeadSHA
	switch {
	case d.isOver(c):
		return d
	case d.headUnknown(c):
		return d
	case commit != "" && !record.SameCommit(commit, c.HeadSHA):
		d.commit = commit
		d.deny("You asked about commit %s, but the newest commit that the code host reported is %s. Ask again once it has reported your push.", short(commit), short(c.HeadSHA))
		return d
	}
	d.byMaker(c, func() { d.agent(p) })
	if b := p.Now.Ordered(d.Head, d.At); !d.Allowed && b != nil {
		d.follow(*b)
	}
	return d
}

// byMaker decides by who made the change: agent decides about a change of an agent.
func (d *Decision) byMaker(c record.Change, agent func()) {
	switch c.InitiatedBy {
	case "agent":
		agent()
	case "human":
		d.Allowed = true
		d.Reasons = []string{"A person made the change. The policy decides only about changes of agents."}
	default:
		d.deny("It is not known whether a person or an agent made the change. Connect the code host's webhook, which states the author.")
	}
}

func (d *Decision) deny(format string, args ...any) {
	d.Reasons = append(d.Reasons, fmt.Sprintf(format, args...))
}

// isOver denies a change that nobody can merge any more.
func (d *Decision) isOver(c record.Change) bool {
	switch {
	case c.PartOf != "":
		d.deny("It is a part of %s. Ask about that change.", c.PartOf)
	case c.State == "merged":
		d.deny("The change is already merged.")
	case c.State == "closed":
		d.deny("The change is closed.")
	default:
		return false
	}
	d.over = true
	return true
}

// headUnknown denies a change whose newest commit is not known, whoever made it.
func (d *Decision) headUnknown(c record.Change) bool {
	claimed := func(attribute string) bool { return slices.Contains(c.Claimed, attribute) }
	switch {
	case c.State == "", claimed("state"):
		d.deny("No code host has reported that the change is open. Connect its webhook (docs/gateway.md).")
	case c.HeadSHA == "":
		d.deny("No newest commit of the change was reported.")
	case claimed("head_sha"):
		d.deny("Only a claim says that %s is the newest commit; the code host has reported none.", short(c.HeadSHA))
	default:
		return false
	}
	return true
}

// agent decides about a change of an agent: the policy must allow it, what the policy requires must
// have been given, and the required checks must have passed.
func (d *Decision) agent(p *enricher.Preview) {
	m := p.IfMerged.Trail
	if a := m.Authorization; a != nil {
		d.Verdict, d.Rule = a.Verdict, a.Rule
	}
	d.Authorized, d.Reviewed = m.Answers.Authorized, m.Answers.Reviewed
	authorized := d.Authorized == record.Proven
	reviewed := d.Reviewed == record.Proven || d.Reviewed == record.NotRequired
	checks, failures := checksOf(p)
	d.Checks = checks
	if d.Allowed = authorized && reviewed && len(failures) == 0; d.Allowed {
		d.Reasons = distinct(why(p, authorization), why(p, theReview))
		return
	}
	if !authorized {
		d.Reasons = append(d.Reasons, why(p, authorization))
		d.Missing = missing(p)
	}
	if !reviewed {
		d.Reasons = append(d.Reasons, why(p, theReview))
		if len(d.Missing) == 0 && d.Verdict != record.Forbidden {
			d.Missing = []Missing{{What: "review", Count: 1}}
		}
	}
	d.Reasons = append(distinct(d.Reasons...), failures...)
}

// A part of a record selects one of the four answers, and its reason.
type part func(t *record.Trail) (answer, reason string)

func authorization(t *record.Trail) (answer, reason string) {
	return t.Answers.Authorized, t.Reasons.Authorized
}

func theReview(t *record.Trail) (answer, reason string) {
	return t.Answers.Reviewed, t.Reasons.Reviewed
}

// why returns the reason of an answer in the words for an open change. If the answer is proven now
// and would not be after a merge, only the reason after the merge says why.
func why(p *enricher.Preview, of part) string {
	now, reason := of(&p.Now.Trail)
	merged, after := of(&p.IfMerged.Trail)
	if now == merged || now == record.Pending && reason != "" {
		return reason
	}
	return after
}

// missing lists what people must give, and who can.
func missing(p *enricher.Preview) []Missing {
	var out []Missing
	for _, d := range p.IfMerged.Judged.Unmet {
		m := Missing{What: "review", Count: 1, Service: d.Service, Rule: d.Rule, By: d.By}
		if d.Verdict == record.ApprovalRequired {
			m.What, m.Count = "approval", max(d.People, 1)-len(d.Approved)
			m.Approved = d.Approved
		}
		m.People = slices.DeleteFunc(p.Policy.Members(d.By), func(name string) bool {
			return !p.IfMerged.Judged.Independent(name) || slices.ContainsFunc(d.Approved, func(by string) bool { return p.Policy.InGroup(by, []string{name}) })
		})
		out = append(out, m)
	}
	return out
}

// OwnJob is the name of the CI job that asks the gate. A job of this name that failed does not stop
// the merge unless the policy requires it: it fails if the gate denies, and would be the reason of
// the next denial.
const OwnJob = "changetrail gate"

// failedConclusions are the conclusions of a job that stops a merge although no check is required.
var failedConclusions = []string{"failure", "error", "timed-out"}

// checksOf returns the state of each check that the policy requires, and sentences about those that
// stop the merge. If the policy names none, no job may have failed. Only jobs that a CI system
// reported for the newest commit count.
func checksOf(p *enricher.Preview) (checks []Check, failures []string) {
	v, t := p.Now.Trail.Validation, p.Now.Trail.Tier
	var jobs []record.JobFact
	if v != nil && v.Current && t != nil && t.Validation == record.Observed {
		jobs = v.Jobs
	}
	if len(p.Policy.Gate.Checks) == 0 {
		for _, j := range jobs {
			if j.Name != OwnJob && slices.Contains(failedConclusions, j.Conclusion) {
				failures = append(failures, fmt.Sprintf("The CI job %s failed on the newest commit.", j.Name))
			}
		}
		return nil, failures
	}
	for _, name := range p.Policy.Gate.Checks {
		c := Check{name, stateOf(jobs, name)}
		checks = append(checks, c)
		switch c.State {
		case "success":
		case policy.CheckMissing:
			failures = append(failures, fmt.Sprintf("The required check %s did not run on the newest commit.", name))
		default:
			failures = append(failures, fmt.Sprintf("The required check %s did not pass on the newest commit: %s.", name, c.State))
		}
	}
	return checks, failures
}

// stateOf returns the conclusion of a check. Jobs with one name in several workflows must all
// succeed.
func stateOf(jobs []record.JobFact, name string) string {
	state := policy.CheckMissing
	for _, j := range jobs {
		if j.Name == name && (state == policy.CheckMissing || state == "success") {
			state = j.Conclusion
		}
	}
	return state
}

func distinct(sentences ...string) []string {
	var out []string
	for _, s := range sentences {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// short returns the beginning of a commit id, as people write it.
func short(commit string) string { return commit[:min(len(commit), 9)] }

// sameAs reports whether the gate has recorded the same answer as its last one.
func (d Decision) sameAs(g *record.GateFact) bool {
	return g != nil && g.Tier == record.Observed && d.Digest() == digestOf(&record.GateDecision{
		Verdict: g.Verdict, Allowed: g.Allowed, PolicyDigest: g.PolicyDigest, CommitSHA: g.CommitSHA, Rule: g.Rule, Reasons: g.Reasons,
	})
}

// Over reports whether the decision is about a change that nobody can merge any more.
func (d Decision) Over() bool { return d.over }

// Summary is the first line that people read.
func (d Decision) Summary() string {
	word := "Denied"
	if d.Allowed {
		word = "Allowed"
	}
	out := fmt.Sprintf("%s: %s", word, d.Change)
	if d.Head != "" {
		out += " at " + short(d.Head)
	}
	return out
}

// Give returns in words what is missing and who can give it.
func (m Missing) Give() string {
	var b strings.Builder
	switch {
	case m.Count > 1:
		fmt.Fprintf(&b, "%d %ss", m.Count, m.What)
	case m.What == "approval":
		b.WriteString("an approval")
	default:
		b.WriteString("a review")
	}
	if m.Service != "" {
		b.WriteString(" for " + m.Service)
	}
	if m.Count > 1 {
		b.WriteString(", each")
	}
	besides := ""
	if len(m.Approved) > 0 {
		besides = " besides " + strings.Join(m.Approved, " and ")
	}
	switch n := len(m.People); {
	case len(m.By) == 0:
		b.WriteString(" by any person" + besides + " who took no part in the change")
	case n == 0:
		b.WriteString(" by " + strings.Join(m.By, ", ") + ", where nobody" + besides + " is known who took no part in the change")
	case n < m.Count:
		fmt.Fprintf(&b, " by another of %s, where only %d%s took no part in the change", strings.Join(m.By, ", "), n, besides)
	case m.Count > 1:
		fmt.Fprintf(&b, " by another of %s%s", strings.Join(m.People, ", "), m.group())
	default:
		b.WriteString(" by " + strings.Join(m.People, " or ") + m.group())
	}
	return b.String()
}

// group returns the names in the policy, unless they are those of the people.
func (m Missing) group() string {
	if slices.Equal(m.By, m.People) {
		return ""
	}
	return " (" + strings.Join(m.By, ", ") + ")"
}
