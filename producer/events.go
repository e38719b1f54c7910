package producer

import (
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Event returns the event that states fact about a change, in any form that [record.ParseChange]
// reads. The type of the event follows from the fact: a [record.Decision], [record.Action],
// [record.Scan], [record.Validation], [record.Review], [record.Approval], [record.Opened],
// [record.Updated], [record.Merged], [record.Closed], [record.Deployment] or [record.GateDecision].
// For a scan, validation or deployment of a commit whose change is unknown, change may be empty;
// then the Repository must be set.
//
// The event gets a new id; set another one with SetID if the fact has a name of its own, so that
// publishing it twice is harmless. [Producer.Publish] reports mistakes in the event.
func Event(change string, fact record.Fact) event.Event {
	e := event.New()
	e.SetID(uuid.Must(uuid.NewV7()).String())
	e.SetType(record.TypeOf(fact))
	if change != "" {
		e.SetSubject(change)
		if id, err := record.ParseChange(change); err == nil {
			e.SetSubject(string(id))
			e.SetExtension("partitionkey", string(id.Repository()))
		}
	}
	data, err := schemas.Encode(fact)
	if err != nil {
		e.FieldErrors = map[string]error{"data": err}
		return e
	}
	e.DataEncoded = data
	e.SetDataContentType(event.ApplicationJSON)
	return e
}

// A DecisionBuilder builds a decision log in terms that its readers use.
type DecisionBuilder struct {
	change string
	d      record.Decision
}

// Decide begins an agent's decision log about a change.
func Decide(change string, agent record.Agent) *DecisionBuilder {
	return &DecisionBuilder{change, record.Decision{Agent: agent}}
}

// OnScan says that a finding in a scan report triggered the agent. The digest is that of the
// report, sha256:<hex>; see [schemas.Digest].
func (b *DecisionBuilder) OnScan(digest, finding string) *DecisionBuilder {
	return b.On(record.Trigger{Kind: "scan", Digest: digest, Finding: finding})
}

// On says what triggered the agent.
func (b *DecisionBuilder) On(t record.Trigger) *DecisionBuilder {
	b.d.Trigger = &t
	return b
}

// Chose says which option the agent chose, and why.
func (b *DecisionBuilder) Chose(id, title, reason string) *DecisionBuilder {
	b.d.Chosen = id
	return b.option(record.Option{ID: id, Title: title, Outcome: "chosen", Reason: reason})
}

// Rejected says which option the agent rejected, and why.
func (b *DecisionBuilder) Rejected(id, title, reason string) *DecisionBuilder {
	return b.option(record.Option{ID: id, Title: title, Outcome: "rejected", Reason: reason})
}

func (b *DecisionBuilder) option(o record.Option) *DecisionBuilder {
	b.d.Options = append(b.d.Options, o)
	return b
}

// Because gives the rationale in a few sentences.
func (b *DecisionBuilder) Because(rationale string) *DecisionBuilder {
	b.d.Rationale = rationale
	return b
}

// Claiming says what authorization the agent believes it has.
func (b *DecisionBuilder) Claiming(c record.Claim) *DecisionBuilder {
	b.d.Authorization = &c
	return b
}

// Event returns the decision as an event.
func (b *DecisionBuilder) Event() event.Event { return Event(b.change, &b.d) }
