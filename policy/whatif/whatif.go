package whatif

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// A Question asks about the changes that were merged in a time, decided by another policy.
type Question struct {
	From, To time.Time // To is the first moment after the time
	// InForce are the policies that were in force. If it is empty, nothing was required.
	InForce policy.History[*policy.Policy]
	// Other is the other policy. nil means the policy that was in force at each merge, with the
	// threshold and the mode below.
	Other *policy.Policy
	// Threshold and Mode replace those of Other, or of each policy in force. Empty keeps them.
	Threshold, Mode string
}

// A Change is one merged change of an agent, decided by both policies.
type Change struct {
	ID       record.ChangeID `json:"id"`
	Title    string          `json:"title,omitempty"`
	Agent    string          `json:"agent,omitempty"`
	Services []string        `json:"services,omitempty"`
	Class    string          `json:"class,omitempty"` // the highest of its services, at the merge; empty if none is known
	MergedAt time.Time       `json:"merged_at"`
	// AskedAt is when a person would have been asked: when it was opened; if that is unknown, when it
	// was merged.
	AskedAt time.Time `json:"asked_at"`
	InForce Outcome   `json:"in_force"`
	Instead Outcome   `json:"instead"`
	Effect  string    `json:"effect,omitempty"` // Same, Asked, Stopped or Freed; empty if it cannot be decided
	// Undecided says why it cannot be decided. InForce, Instead and Effect say nothing then.
	Undecided string `json:"undecided,omitempty"`
	// Reviewed says that an independent person had approved it at the merge, required or not.
	Reviewed bool   `json:"reviewed"`
	Signs    []Sign `json:"signs,omitempty"` // that it turned out bad
}

// Bad reports whether the change turned out bad.
func (c *Change) Bad() bool { return len(c.Signs) > 0 }

// A Study collects records and answers a question about them.
type Study struct {
	question  Question
	moved     map[*policy.Policy]*policy.Policy // by the policy in force
	used      map[string]bool                   // digests of the policies in force
	changes   []*Change
	at        map[int]*Change // by index in names
	names     names
	reports   []report
	people    int
	notMerged int
}

// New checks a question.
func New(q Question) (*Study, error) {
	if !q.From.Before(q.To) {
		return nil, fmt.Errorf("the time is empty: it ends at %s and starts at %s", q.To.UTC().Format(time.RFC3339), q.From.UTC().Format(time.RFC3339))
	}
	s := &Study{question: q, moved: make(map[*policy.Policy]*policy.Policy), used: make(map[string]bool), at: make(map[int]*Change), names: names{keys: make(map[string][]int)}}
	versions := q.InForce.Versions()
	if q.Other == nil && !slices.ContainsFunc(versions, func(v policy.Version[*policy.Policy]) bool { return v.Content != nil }) {
		return nil, errors.New("no policy that was in force can be read, so there is none to change")
	}
	if q.Other != nil {
		versions = append(slices.Clone(versions), policy.Version[*policy.Policy]{}) // in force may be none
	}
	for _, v := range versions {
		from := q.Other
		if from == nil {
			from = v.Content
		}
		if from == nil {
			continue
		}
		moved, err := from.Moved(q.Threshold, q.Mode)
		if err != nil {
			return nil, err
		}
		s.moved[v.Content] = moved
	}
	return s, nil
}

// Add adds a record, in any order. Records of changes that were merged after the question's time, or
// that people made, count too: they may show that an earlier change was bad.
func (s *Study) Add(r *record.Record) {
	c := r.Trail.Change
	if c.PartOf != "" { // not a change of its own
		return
	}
	s.reports = append(s.reports, reportsOf(r)...)
	if c.State != "merged" || c.MergedAt.IsZero() {
		if c.InitiatedBy == "agent" && s.within(c.OpenedAt) {
			s.notMerged++
		}
		return
	}
	i := s.names.add(c)
	switch {
	case !s.within(c.MergedAt):
	case c.InitiatedBy == "human":
		s.people++
	default:
		one := s.decide(r)
		s.changes = append(s.changes, one)
		s.at[i] = one
	}
}

func (s *Study) within(t time.Time) bool {
	return !t.Before(s.question.From) && t.Before(s.question.To)
}

// decide decides a change by both policies.
func (s *Study) decide(r *record.Record) *Change {
	c := r.Trail.Change
	out := &Change{ID: c.ID, Title: c.Title, MergedAt: c.MergedAt.UTC(), AskedAt: c.MergedAt.UTC(), Signs: signsOf(r)}
	if !c.OpenedAt.IsZero() && c.OpenedAt.Before(c.MergedAt) {
		out.AskedAt = c.OpenedAt.UTC()
	}
	if r.GenAI != nil {
		out.Agent = r.GenAI.Agent.ID
	}
	if f := r.Trail.Service; f != nil {
		out.Services, out.Class = f.Names, f.Classification
	}
	if m := r.Trail.AtMerge; m != nil && m.Answers != nil {
		out.Reviewed = m.Answers.Reviewed == record.Proven
	}
	inForce, certain := s.inForce(c.MergedAt)
	if inForce != nil {
		s.used[inForce.Digest()] = true
	}
	q := policy.RequestOfDocument(r)
	if out.Undecided = incomplete(r, q); out.Undecided != "" {
		return out
	}
	if !certain {
		out.Undecided = "the policy that was in force at the merge is not recorded"
		return out
	}
	var ok, okInstead bool
	kinds := kindsOf(r, q)
	out.InForce, ok = outcomeOf(inForce, q, kinds)
	out.Instead, okInstead = outcomeOf(s.moved[inForce], q, kinds)
	if !ok || !okInstead || !sameAsRecorded(r, out.InForce) {
		out.InForce, out.Instead = Outcome{}, Outcome{}
		out.Undecided = "the answer depends on something that is only claimed or not known"
		return out
	}
	out.Effect = effect(out.InForce, out.Instead)
	return out
}

// inForce returns the policy that was in force at a time; nil if none was. certain is false if it is
// not recorded or cannot be read.
func (s *Study) inForce(t time.Time) (p *policy.Policy, certain bool) {
	if len(s.question.InForce.Versions()) == 0 {
		return nil, true
	}
	v, held := s.question.InForce.At(t)
	return v.Content, held
}

// incomplete says why a policy cannot decide about a record; "" if it can.
func incomplete(r *record.Record, q policy.Request) string {
	c := r.Trail.Change
	claimed := func(attribute string) bool { return slices.Contains(c.Claimed, attribute) }
	switch {
	case c.InitiatedBy != "agent":
		return "it is not known whether a person or an agent made it"
	case claimed("state") || claimed("merged_at"):
		return "only a claim says that it was merged"
	case q.Agent == "":
		return "it is not known which agent made it"
	case claimed("files"):
		return "only a claim says which files it changed"
	case q.Unseen.Paths || r.Trail.LeftOut > 0 || len(c.Files) == 0:
		return "the record is cut or incomplete"
	}
	return ""
}

// kindsOf returns the kinds that a change may have. A fix of a finding is shown as one even if only
// the agent says so; rules see the kind by its dependencies and files then.
func kindsOf(r *record.Record, q policy.Request) []string {
	if t := r.Trail.Trigger; q.Unseen.Kind || q.Kind != "vulnerability-fix" || t == nil || t.Finding == "" {
		return []string{q.Kind}
	}
	if len(q.Dependencies) > 0 {
		return []string{q.Kind, "dependency-update"}
	}
	return []string{q.Kind, record.KindOfFiles(q.Paths)}
}

// sameAsRecorded reports whether the policy in force requires the same as when the record was
// made. If not, the record does not contain everything that the verdict depends on.
func sameAsRecorded(r *record.Record, inForce Outcome) bool {
	a := r.Trail.Authorization
	return a == nil || a.Verdict == "" || a.Verdict == inForce.Verdict
}
