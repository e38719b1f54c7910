package record

// The witnesses of a fact: how far its sender can be believed about it.
const (
	Claimed  = "claimed"  // the sender cannot vouch for it
	Signed   = "signed"   // an agent about its own work, with its own credential
	Observed = "observed" // a platform about what it sees: code host, CI, scanner, deployer
	Human    = "human"    // a person about their own statement, with their own credential
)

// witness returns the witness of e by its name.
func (e Event) witness() string { return orString(e.Witness, Claimed) }

// Tiers is the witness of each part of a record: the best one, if several state it.
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

// canKnow reports whether a witness can know what it states and is not an agent.
func canKnow(witness string) bool { return witness == Observed || witness == Human }

// witnessRank orders witnesses by how far they can be believed about the facts that they may state.
func witnessRank(witness string) int {
	switch witness {
	case Claimed:
		return 1
	case Signed:
		return 2
	case Observed:
		return 3
	case Human:
		return 4
	}
	return 0
}

// better returns the better one of two witnesses.
func better(a, b string) string {
	if witnessRank(b) > witnessRank(a) {
		return b
	}
	return a
}

func foldTiers(r *Record, f Facts, all []*Event) {
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
		*part = better(*part, e.witness())
	}
	if f.Actions.Count > 0 {
		t.Actions = Claimed
		if f.Actions.Signed == f.Actions.Count {
			t.Actions = Signed
		}
	}
	if r.Trail.Trigger != nil {
		t.Trigger = orString(r.Judged.Trigger, t.Decision)
	}
	if *t != (Tiers{}) {
		r.Trail.Tier = t
	}
}
