package enricher

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Apply implements [stream.Processor]. It reads the batch, adds each event to the state, and
// folds the changes that the events touch. It returns each event enriched, the newest revision of
// each record, the entries of the state that changed, and the dead letters.
func (e *Enricher) Apply(ctx context.Context, batch []*stream.Record) ([]*stream.Record, error) {
	e.arena.reset()
	e.messages.reset()
	e.headers.reset()
	e.state.begin(e.arena)
	e.pendingRuns.reset()
	if err := e.checkForm(batch); err != nil {
		return nil, err
	}
	admitted, sent, err := e.admit(ctx, batch)
	if err != nil {
		return nil, err
	}
	if len(batch) == 0 { // so that a failure is not blamed on an event
		if err := e.touchDue(e.now()); err != nil {
			return nil, err
		}
	}
	records, folded, err := e.fold()
	if err != nil {
		return nil, err
	}
	documents, err := e.documents(admitted, folded)
	if err != nil {
		return nil, err
	}
	runs, err := e.pendingRuns.settle()
	if err != nil {
		return nil, err
	}
	late, err := e.sweepWhenDue(batch)
	if err != nil {
		return nil, err
	}
	state, err := e.save()
	if err != nil {
		return nil, err
	}
	return slices.Concat(sent, runs, late, documents, records, state), nil
}

// admit reads the events of a batch and adds them to the state. It returns the events to enrich,
// and the messages to send: events that belong to another partition, and dead letters. Reading
// needs no order, so other cores read while this one adds.
func (e *Enricher) admit(ctx context.Context, batch []*stream.Record) (admitted []*decodedEvent, sent []*stream.Record, err error) {
	e.decoded = decodedOf(batch, e.decoded)
	admitted = make([]*decodedEvent, 0, len(batch))
	from := source{e.conf.reader(), e.conf.Blobs}
	e.memory.begin()
	err = ahead(len(batch), func(i int) error {
		return e.memory.decode(ctx, &e.decoded[i], from, len(batch))
	}, func(i int) error {
		d := &e.decoded[i]
		if e.conf.Resend {
			if err := e.state.markReread(d); err != nil {
				return err
			}
		}
		out, enrich, err := e.handle(ctx, d)
		if enrich {
			admitted = append(admitted, d)
		}
		sent = append(sent, out...)
		return err
	})
	return admitted, sent, err
}

// handle accepts an event. It returns the messages to send at once, and whether the event is to be
// enriched.
func (e *Enricher) handle(ctx context.Context, d *decodedEvent) (out []*stream.Record, enrich bool, err error) {
	switch {
	case d.refusal != nil:
	case d.event.Repository == "":
		out, known, err := e.pendingRuns.handle(d)
		e.metrics.count(map[bool]string{true: repeated, false: waiting}[known], d.event.Type)
		return out, false, err
	case e.homeOf(d) != d.record.Partition:
		return []*stream.Record{e.reroute(d, e.homeOf(d))}, false, nil
	default:
		out, enrich, err = e.handleLocated(ctx, d)
	}
	if err != nil {
		return nil, false, err
	}
	if d.refusal != nil {
		out = append(out, e.refuse(d))
	}
	return out, enrich, nil
}

// handleLocated accepts an event that lies in the home partition of its repository, by the name
// that it states or by its key, or that is on its way from one to the other.
func (e *Enricher) handleLocated(ctx context.Context, d *decodedEvent) (out []*stream.Record, enrich bool, err error) {
	if f, ok := d.event.Fact.(*record.RepositoryNamed); ok {
		out, err = e.handleAnnouncement(ctx, d, f)
		return out, false, err
	}
	out, goes, err := e.direct(d)
	if err != nil || goes {
		return out, false, err
	}
	if enrich, err = e.admitOne(d); err != nil || d.refusal != nil {
		return out, enrich, err
	}
	renewals, err := e.recordNames(d)
	return append(out, renewals...), enrich, err
}

// homeOf returns the partition in which an event is joined.
func (e *Enricher) homeOf(d *decodedEvent) int32 {
	if at := d.way(); at != "" {
		return e.partitions.Of(at)
	}
	home := e.partitions.Of(string(d.event.Repository))
	if home != d.record.Partition && stream.Header(d.record, stream.HeaderRerouted) != nil {
		return d.record.Partition
	}
	return home
}

// admitOne adds an event to the state, and reports whether it is to be enriched.
func (e *Enricher) admitOne(d *decodedEvent) (enrich bool, err error) {
	from := arrival{d.record.Partition, d.record.Timestamp, d.trace()}
	a, err := e.state.admit(from, d.event)
	if err != nil {
		return false, blamed(err)
	}
	switch a {
	case repeat:
		e.metrics.count(repeated, d.event.Type)
		if !d.reread {
			return false, nil
		}
		return true, e.state.touchAll(from, d.event)
	case conflict:
		d.refusal = &schemas.Refusal{Reason: schemas.DuplicateID, Detail: "another event with the same source and id came first and has other content; that one is kept. Give each event an id of its own"}
		return false, nil
	}
	d.span = e.tracer.start(d)
	return true, nil
}

// blamed returns err as an error of the event if the event cannot be stored, so that only this
// event is refused. An error of the store is never blamed on an event.
func blamed(err error) error {
	var unfit *unfitError
	if errors.As(err, &unfit) {
		return &stream.BadRecord{Reason: err.Error()}
	}
	return err
}

// save returns the entries of the state that the transaction changed, as messages of the
// changelog.
func (e *Enricher) save() ([]*stream.Record, error) {
	var err error
	if e.pending, err = e.state.entries(); err != nil {
		return nil, err
	}
	return messages(e.conf.Topics.State(), e.pending, e.messages.get(len(e.pending)), e.arena), nil
}

// reroute sends an event that came under another key to the partition of its repository. Other
// clients choose partitions in other ways, and events that are joined must lie in one partition.
func (e *Enricher) reroute(d *decodedEvent, home int32) *stream.Record {
	e.metrics.count(rerouted, d.event.Type)
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, d.record.Partition, d.record.Offset)
	out := &stream.Record{
		Topic: d.record.Topic, Partition: home, Key: []byte(d.event.Repository), Value: d.record.Value,
		Headers: slices.DeleteFunc(slices.Clone(d.record.Headers), func(h kgo.RecordHeader) bool { return h.Key == stream.HeaderArrived || h.Key == stream.HeaderRerouted }),
	}
	stream.AddHeader(out, stream.HeaderRerouted, []byte(from))
	stream.AddHeader(out, stream.HeaderArrived, schemas.Arrival(e.conf.Keys, d.env, d.arrived))
	return out
}

// refuse sends an event that cannot be accepted to the dead letters.
func (e *Enricher) refuse(d *decodedEvent) *stream.Record {
	e.metrics.refuse(d.refusal.Reason)
	e.conf.Log.Warn("event refused", "reason", string(d.refusal.Reason), "detail", d.refusal.Detail,
		"topic", d.record.Topic, "partition", d.record.Partition, "offset", d.record.Offset)
	return stream.DeadLetter(e.conf.Topics.DLQ(), d.record, stream.Refusal{Stage: "enricher", Reason: d.refusal.Reason, Detail: d.refusal.Detail, At: e.now()})
}
