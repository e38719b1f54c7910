package enricher

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Decode reads the event in a Kafka record, with the report that it may carry.
// Its errors are refusals (package schemas).
func Decode(r *stream.Record) (record.Event, error) { return DecodeSigned(r, signing.Keys{}) }

// DecodeSigned is Decode for a record whose sender a gateway signed with one of these keys.
func DecodeSigned(r *stream.Record, keys signing.Keys) (record.Event, error) {
	return DecodeBy(r, ingest.Reader{Keys: keys})
}

// DecodeBy is Decode with a reader, which decides what is believed.
func DecodeBy(r *stream.Record, reader ingest.Reader) (record.Event, error) {
	d, err := decode(context.Background(), r, reader, nil)
	if err != nil {
		return record.Event{}, err
	}
	if d.refusal != nil {
		return record.Event{}, d.refusal
	}
	return d.event, nil
}

// Fold makes the record of a change from all events of its repository, in any order, by one
// policy and one matrix. It states in one line what an enricher computes step by step; tests and
// rebuilds compare the steps with it.
func Fold(id record.ChangeID, events []record.Event, p *policy.Policy, m *controls.Matrix) *record.Record {
	return FoldBy(id, events, Always(p, m))
}

// FoldBy is Fold with policies and matrices that were in force at different times.
func FoldBy(id record.ChangeID, events []record.Event, rules Rules) *record.Record {
	return FoldFacts(id, record.Gather(id, events), rules)
}

// FoldFacts is FoldBy for facts that were gathered before.
func FoldFacts(id record.ChangeID, f record.Facts, rules Rules) *record.Record {
	return fold(id, f, rules, time.Now())
}

// fold makes the record of a change from its facts, judged by the policy and the matrix that
// apply to it. The record also shows what was known at the merge.
func fold(id record.ChangeID, f record.Facts, rules Rules, now time.Time) *record.Record {
	r := record.Fold(id, f)
	r.Judged.Now = now
	if r.Trail.Change.PartOf != "" { // not a change of its own: nothing is required of it
		r.Trail.Change.InitiatedBy = ""
		return r
	}
	by := rules.of(r, now)
	by.recognize(r)
	by.place(r)
	if merged := r.Judged.MergedAt; !merged.IsZero() {
		then, known := f.Until(merged), r
		if !f.OnlyDeployed(then) || by.policy.AsksEnvironments() && len(r.Trail.Environment) > 0 {
			known = record.Fold(id, then)
			known.Judged.Now = merged
			by.recognize(known)
			known.Judge(by.authority(known, policy.RequestOf(known)))
		}
		r.Trail.AtMerge = known.MergeSnapshot()
		r.Trail.AtMerge.Events = then.Events()
	}
	return r
}

// foldIfMerged makes the record that a change will have if its newest commit is merged now, and the
// policy by which it is judged then. It is the record that an auditor will read: whoever allows the
// merge if that record has what the policy requires cannot differ from the record afterwards.
func foldIfMerged(id record.ChangeID, f record.Facts, rules Rules, now time.Time) (*record.Record, *policy.Policy) {
	r := record.Fold(id, f.IfMerged(id, now))
	r.Judged.Now = now
	by := rules.of(r, now)
	by.recognize(r)
	by.place(r)
	return r, by.policy
}

// Digest returns the evidence digest of r.
func Digest(r *record.Record) string {
	schemas.Seal(nil, r, 1, "")
	return r.Trail.EvidenceDigest
}

// recognize sets the agent that the marks of r identify.
func (by rule) recognize(r *record.Record) {
	agent, marks := by.policy.Recognize(r.Marks)
	r.Recognize(agent, marks, by.policy.Person)
}

// place sets the service and the controls of r, and judges r.
func (by rule) place(r *record.Record) {
	p, q := by.policy, policy.RequestOf(r)
	if facts := p.Describe(p.Match(q)); facts != nil {
		facts.Owners = append(facts.Owners, p.OwnersOf(q)...)
		r.Trail.Service = facts
		r.Service = &record.Service{Name: facts.Names[0]}
		if len(r.Trail.Environment) > 0 {
			r.Service.Environment = r.Trail.Environment[0]
		}
	}
	r.Judge(by.authority(r, q))
	if tags := by.matrix.Tag(r); tags != nil {
		r.Trail.Control, r.Tags = tags, tags.Tags
	}
}

// authority asks the policy about a change of an agent. If the code host did not identify an
// agent and several agents signed a decision, each of them must be allowed.
func (by rule) authority(r *record.Record, q policy.Request) record.Authority {
	p := by.policy
	out := record.Authority{Person: p.Listed, IsPerson: p.IsPerson, BreakGlass: p.Gate.BreakGlass != nil}
	if !p.HasRules() || q.Agent == "" {
		return out
	}
	for i, agent := range r.Judged.Agents {
		q.Agent = agent
		a := by.authorityOf(q)
		if i > 0 {
			a = a.And(out)
		}
		out = a
	}
	return out
}

// authorityOf asks the policy about a change of one agent.
func (by rule) authorityOf(q policy.Request) record.Authority {
	p := by.policy
	a := record.Authority{Person: p.Listed, IsPerson: p.IsPerson, BreakGlass: p.Gate.BreakGlass != nil}
	v := p.Decide(q)
	a.Verdict, a.Rule, a.Reason, a.Paths, a.PolicyDigest, a.NotOfTheTime = v.Verdict, v.Rule, v.Reason, v.Paths, p.Digest(), by.notOfTheTime
	a.Least, a.GateRequired = v.Least, p.RequiresGate(q)
	a.Demands = demands(v.Demands, p, func(service string, scope, kinds []string) bool {
		surely, _ := p.Covers(scope, service, q)
		return surely && (len(kinds) == 0 || !q.Unseen.Kind && slices.Contains(kinds, q.Kind))
	})
	a.LeastDemands = mayDemand(v.LeastDemands, q, p)
	for _, ways := range v.Ways {
		a.Ways = append(a.Ways, waysOf(ways, q, p))
	}
	switch {
	case v.Unknown:
		a.Unknown = record.GapServiceUnknown
	case v.Rule == policy.RuleUnknownAgent:
		a.Unknown = record.GapAgentUnknown
	case v.Rule == policy.RuleScope:
		a.OutOfScope = v.Least == record.Forbidden
	}
	return a
}

// waysOf returns the ways in which the policy may decide about one service.
func waysOf(of []policy.Way, q policy.Request, p *policy.Policy) []record.Way {
	out := make([]record.Way, len(of))
	for i, w := range of {
		out[i] = record.Way{Verdict: w.Verdict, Demands: mayDemand(w.Demands, q, p)}
	}
	return out
}

// mayDemand returns demands that an approval meets if it may cover what is unknown.
func mayDemand(of []policy.Demand, q policy.Request, p *policy.Policy) []record.Demand {
	return demands(of, p, func(service string, scope, kinds []string) bool {
		_, may := p.Covers(scope, service, q)
		return may && (len(kinds) == 0 || q.Unseen.Kind || slices.Contains(kinds, q.Kind))
	})
}

// demands converts the demands of a policy into the form by which a record is judged.
func demands(of []policy.Demand, p *policy.Policy, covers func(service string, scope, kinds []string) bool) []record.Demand {
	var out []record.Demand
	for _, d := range of {
		demand := record.Demand{
			Verdict: d.Verdict, Rule: d.Rule, Service: d.Service, Group: strings.Join(d.By, ", "), By: d.By, People: d.People, Nobody: d.Nobody, Claimed: d.Claimed,
			Covers: func(scope, kinds []string) bool { return covers(d.Service, scope, kinds) },
		}
		if len(d.By) > 0 || d.Nobody {
			demand.InGroup = func(account string) bool { return p.InGroup(account, d.By) }
		}
		out = append(out, demand)
	}
	return out
}
