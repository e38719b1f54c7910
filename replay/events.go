package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// An Event is one event of a change, without its data.
type Event struct {
	Document string    `json:"document"` // id of its document in the index
	ID       string    `json:"id"`
	Source   string    `json:"source"`
	Type     string    `json:"type"`
	Action   string    `json:"action"` // the type in short
	Message  string    `json:"message,omitempty"`
	Who      string    `json:"who,omitempty"`    // the account that did it
	Stated   time.Time `json:"stated"`           // when it happened, by its own statement
	Arrived  time.Time `json:"arrived,omitzero"` // when it was first accepted
	Witness  string    `json:"witness,omitempty"`
	Sender   string    `json:"sender,omitempty"`
	Imported bool      `json:"imported,omitempty"`
	Names    string    `json:"names"`           // what links it to the change: "change", or a commit, a report, a run …
	Files    []string  `json:"files,omitempty"` // digests of the files that it names

	refs  []record.Ref
	leads []record.Lead
}

// Lag returns the difference between the stated time of e and its arrival: see [Lag].
func (e Event) Lag() string { return Lag(e.Stated, e.Arrived) }

// Lag describes in words how much later or earlier than its stated time an event arrived. It is
// empty if the two differ by no more than [record.ClockSkew], or if one is unknown.
func Lag(stated, arrived time.Time) string {
	if stated.IsZero() || arrived.IsZero() {
		return ""
	}
	switch d := arrived.Sub(stated); {
	case d > record.ClockSkew:
		return "received " + record.Elapsed(d) + " later"
	case d < -record.ClockSkew:
		return "dated " + record.Elapsed(-d) + " after it was received"
	}
	return ""
}

// A found event is an event with the data from which steps are made.
type found struct {
	Event
	action *record.Action
	tool   string
	files  []string
}

// maxActions is the number of actions that a story shows as steps. All of them are among its
// events.
const maxActions = 200

// gather finds the events of the change, in the order of their stated times.
func (s *Story) gather(ctx context.Context, x Index) error {
	all := make(map[string]*found)
	ask := func(q schemas.EventQuery) (out []record.Found, err error) {
		err = x.Events(ctx, q, func(id string, doc jsontext.Value) error {
			e, err := read(id, doc)
			if err != nil {
				return fmt.Errorf("an event of %s cannot be read: %w", s.ID(), err)
			}
			e.Names = ""
			if q.Change != "" {
				e.Names = nameOfChange
			}
			if all[id] == nil {
				all[id] = e
			}
			out = append(out, record.Found{ID: id, Own: all[id].Names == nameOfChange, Leads: e.leads})
			return nil
		})
		return out, err
	}
	var err error
	if s.parts, err = parts(ctx, x, s.Record.Trail.Change); err != nil {
		return err
	}
	var own []record.Found
	for _, id := range s.parts {
		found, err := ask(schemas.EventQuery{Change: id})
		if err != nil {
			return err
		}
		own = append(own, found...)
	}
	for _, run := range s.Record.Trail.Runs { // documents of earlier versions have no links
		own = append(own, record.Found{ID: "run:" + run.ID, Leads: []record.Lead{{To: record.RunRef(run.ID)}}})
	}
	s.refs, err = record.Follow(own, func(refs []record.Ref) ([]record.Found, error) {
		var found []record.Found
		for _, id := range s.parts {
			under, err := ask(schemas.EventQuery{Repository: id.Repository(), Refs: refs})
			if err != nil {
				return nil, err
			}
			found = append(found, under...)
		}
		return found, nil
	})
	if err != nil {
		return err
	}
	s.keep(all)
	return nil
}

// nameOfChange is the link of an event that names the change.
const nameOfChange = "change"

// keep keeps the events that belong to the change: an index may find more, which belong to others.
func (s *Story) keep(all map[string]*found) {
	var list []*found
	for _, e := range all {
		if e.Names == "" {
			e.Names = s.linkOf(e)
		}
		e.refs, e.leads = nil, nil
		if e.Names != "" {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *found) int {
		if c := a.Stated.Compare(b.Stated); c != 0 {
			return c
		}
		return strings.Compare(a.ID+"\x00"+a.Document, b.ID+"\x00"+b.Document)
	})
	for _, e := range list {
		s.Events = append(s.Events, e.Event)
		if e.action == nil {
			continue
		}
		if s.Actions++; len(s.actions) < maxActions {
			s.actions = append(s.actions, *e)
		}
	}
}

// linkKinds are the kinds of refs by which an event is linked to a change, the closest first, with
// the words for them.
var linkKinds = []struct{ kind, word string }{
	{"commit", "commit"}, {"merge", "merge commit"}, {"scan", "report"}, {"run", "run"}, {"artifact", "artifact"}, {"finding", "finding"},
}

// linkOf describes the closest link between the change and an event that does not name it. An event
// of an earlier version has no refs, and was found by its run.
func (s *Story) linkOf(e *found) string {
	for _, t := range linkKinds {
		for _, r := range e.refs {
			name, is := strings.CutPrefix(string(r), t.kind+":")
			if _, found := slices.BinarySearch(s.refs, r); is && found {
				return t.word + " " + name
			}
		}
	}
	if len(e.refs) == 0 && e.action != nil {
		return "run"
	}
	return ""
}

// read decodes the document of an event.
func read(id string, doc jsontext.Value) (*found, error) {
	var d schemas.EventDocument
	if err := json.Unmarshal(doc, &d, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, err
	}
	t := d.Trail
	e := &found{tool: t.Tool, files: t.Files, Event: Event{
		Document: id, ID: d.Event.ID, Source: d.Event.Provider, Type: t.Event.Type, Action: d.Event.Action, Message: d.Message,
		Stated: d.Timestamp, Arrived: d.Event.Created, Witness: t.Event.Witness, Sender: t.Event.Sender, Imported: t.Event.Imported,
		refs: t.Refs, leads: t.Leads,
	}}
	if d.User != nil {
		e.Who = d.User.Name
	}
	if t.Event.DataRef != "" {
		e.Files = append(e.Files, t.Event.DataRef)
	}
	var data struct {
		Report struct {
			Digest string `json:"digest"`
		} `json:"report"`
	}
	switch t.Event.Type {
	case record.TypeScanCompleted, record.TypeValidationCompleted:
		_ = json.Unmarshal(t.Data, &data, jsontext.AllowInvalidUTF8(true)) // data that cannot be decoded name no file
	case record.TypeActionPerformed:
		e.action = new(record.Action)
		_ = json.Unmarshal(t.Data, e.action, jsontext.AllowInvalidUTF8(true)) // data that cannot be decoded are not shown
	}
	if digests.Is(data.Report.Digest) && !slices.Contains(e.Files, data.Report.Digest) {
		e.Files = append(e.Files, data.Report.Digest)
	}
	return e, nil
}

// matchEvent returns step with the arrival and the witness of its event, if only one event matches
// its time and its account.
func (s *Story) matchEvent(step Step) Step {
	var said *Event
	for i, e := range s.Events {
		if !e.Stated.Equal(step.At) || step.Who != "" && e.Who != "" && e.Who != step.Who || step.Digest != "" && !slices.Contains(e.Files, step.Digest) {
			continue
		}
		if said != nil && (said.Witness != e.Witness || said.Lag() != e.Lag()) {
			return step
		}
		said = &s.Events[i]
	}
	return step.fromEvent(said)
}

// fromEvent returns step with the arrival and the witness of an event, unless e is nil.
func (step Step) fromEvent(e *Event) Step {
	if e != nil {
		step.Arrived, step.Imported = e.Arrived, e.Imported
		if e.Witness != "" {
			step.Tier = e.Witness
		}
	}
	return step
}

// event returns the event with a source and an id, or nil.
func (s *Story) event(source, id string) *Event {
	for i, e := range s.Events {
		if e.Source == source && e.ID == id {
			return &s.Events[i]
		}
	}
	return nil
}

// An Order is an order of events.
type Order string

// The orders.
const (
	ByStated  Order = "stated"  // by stated time
	ByArrival Order = "arrived" // by arrival
)

// In returns the events of the story in an order.
func (s *Story) In(o Order) []Event {
	out := slices.Clone(s.Events)
	if o == ByArrival {
		slices.SortStableFunc(out, func(a, b Event) int { return a.Arrived.Compare(b.Arrived) })
	}
	return out
}

// Each calls f with each document of an event of the story, in the order of their stated times.
func (s *Story) Each(ctx context.Context, f func(doc jsontext.Value) error) error {
	known := make(map[string]bool, len(s.Events))
	for _, e := range s.Events {
		known[e.Document] = true
	}
	if len(s.parts) > 1 {
		return s.eachInTime(ctx, known, f)
	}
	return s.index.Events(ctx, s.query(s.ID()), func(id string, doc jsontext.Value) error {
		if !known[id] {
			return nil // it arrived since, or belongs to another change
		}
		return f(doc)
	})
}

// query returns the query for the events of the change, or of a part of it.
func (s *Story) query(id record.ChangeID) schemas.EventQuery {
	return schemas.EventQuery{Change: id, Repository: id.Repository(), Refs: s.refs}
}

// eachInTime is Each for a change whose parts were reported under several names of its repository.
func (s *Story) eachInTime(ctx context.Context, known map[string]bool, f func(doc jsontext.Value) error) error {
	docs := make(map[string]jsontext.Value)
	for _, part := range s.parts {
		if err := s.index.Events(ctx, s.query(part), func(id string, doc jsontext.Value) error {
			if known[id] {
				docs[id] = slices.Clone(doc)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for _, e := range s.Events {
		if doc, ok := docs[e.Document]; ok {
			if err := f(doc); err != nil {
				return err
			}
		}
	}
	return nil
}

// Count says how many events the record is made from and how many of them are here, or only the
// number if both are equal.
func (s *Story) Count() string {
	return count(s.Record.Trail.Events+s.Record.Trail.LeftOut, int64(len(s.Events)))
}

func count(made, here int64) string {
	events := plural(made, "event")
	switch {
	case made == here:
		return events + ", all here"
	case made > here:
		return fmt.Sprintf("%s, %d of them here. The others were deleted from the index because of their age, or have not arrived there yet; events of earlier versions do not name their commit or run", events, here)
	}
	return fmt.Sprintf("%s; %d are here. Some of these arrived after the record was made, or do not count in it", events, here)
}
