package record

import "slices"

// Tiers of a fact: who said it.
const (
	Claimed  = "claimed"  // the agent
	Signed   = "signed"   // a producer whose credential is bound to the agent
	Observed = "observed" // a platform: code host, CI, scanner
	Human    = "human"    // an authenticated person
)

// Tiers is the tier of each part of a record, the best where several said it.
type Tiers struct {
	Change     string `json:"change,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
	Trigger    string `json:"trigger,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
	Decision   string `json:"decision,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
	Actions    string `json:"actions,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
	Validation string `json:"validation,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
	Review     string `json:"review,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
	Approval   string `json:"approval,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
	Deployment string `json:"deployment,omitempty" schema:"enum=claimed|signed|observed|human" index:"keyword"`
}

// tiers in the order of their worth.
var tiers = []string{"", Claimed, Signed, Observed, Human}

// better returns the better one of two tiers.
func better(a, b string) string {
	if slices.Index(tiers, b) > slices.Index(tiers, a) {
		return b
	}
	return a
}

// voicesOf are the sources that spoke as the agent of a change. Whatever else
// comes from them is what the agent says, be it in the name of a person.
type voicesOf map[string]bool

func voices(all []*Event) voicesOf {
	var out voicesOf
	for _, e := range all {
		_, decision := e.Fact.(*Decision)
		if (decision || e.Witness == Signed) && !out[e.Source] {
			if out == nil {
				out = make(voicesOf, 1)
			}
			out[e.Source] = true
		}
	}
	return out
}

// tier is who says e. Where a gateway looked at the credential, that tells; an
// agent's word on what others did stays a claim, however well it is signed.
func (v voicesOf) tier(e *Event) string {
	switch e.Fact.(type) {
	case *Decision, *Action:
		if e.Witness == Signed {
			return Signed
		}
		return Claimed
	case *Opened, *Updated, *Merged, *Closed:
		if e.Witness == Signed {
			return Signed
		}
	}
	switch {
	case e.Witness == Observed || e.Witness == Human:
		return e.Witness
	case v[e.Source]:
		return Claimed
	}
	return Observed
}

func foldTiers(r *Record, f Facts, all []*Event, from voicesOf) {
	t := new(Tiers)
	for _, e := range all {
		var part *string
		switch e.Fact.(type) {
		case *Opened, *Updated, *Merged, *Closed, *Pushed:
			part = &t.Change
		case *Decision:
			part = &t.Decision
		case *Validation:
			part = &t.Validation
		case *Review:
			part = &t.Review
		case *Approval:
			part = &t.Approval
		case *Deployment:
			part = &t.Deployment
		default:
			continue
		}
		*part = better(*part, from.tier(e))
	}
	if f.Actions.Count > 0 {
		t.Actions = Claimed
		if f.Actions.Signed == f.Actions.Count {
			t.Actions = Signed
		}
	}
	if g := r.Trail.Trigger; g != nil {
		t.Trigger = t.Decision
		if g.Held && !from[g.Source] {
			t.Trigger = Observed
		}
	}
	if *t != (Tiers{}) {
		r.Trail.Tier = t
	}
}
