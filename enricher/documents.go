package enricher

import (
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// documents returns each event with what is known of its change.
func (e *Enricher) documents(admitted []*decodedEvent, folded map[record.ChangeID]*record.Record) ([]*stream.Record, error) {
	out := make([]*stream.Record, len(admitted))
	current := e.rules.Load().at(e.now())
	err := parallel(len(admitted), func(i int) error {
		d := admitted[i]
		doc := schemas.NewEventDocument(d.event, d.env, d.data(), d.record.Timestamp, e.conf.Namespace)
		r := folded[d.event.Change]
		if r == nil { // evidence that names no change: what its repository tells
			r = record.Fold(record.ChangeID(d.event.Repository)+"/commit/0", record.Facts{})
			r.Trail.Change.Repository = d.event.Repository
			current.place(r)
		} else {
			c := r.Trail.Change
			doc.Trail.Change = &schemas.EventChange{ID: c.ID, Number: c.Number, Kind: c.Kind, State: c.State, InitiatedBy: c.InitiatedBy}
		}
		doc.Tags, doc.Service = r.Tags, r.Service
		doc.Trail.Service, doc.Trail.Environment = r.Trail.Service, r.Trail.Environment
		if c := r.Trail.Control; c != nil { // what is missing is said of the change, once
			doc.Trail.Control = &record.ControlFacts{Tags: c.Tags, MatrixDigest: c.MatrixDigest}
		}
		value := e.room.append(4<<10+len(doc.Trail.Data)+len(doc.Trail.DataText), doc.Append)
		out[i] = &stream.Record{
			Topic: e.conf.Topics.Enriched(), Partition: d.record.Partition, Key: []byte(d.event.Repository), Value: value,
			Headers: headers(schemas.EventIndex(e.conf.Namespace), schemas.DocumentID(d.event), 0, d.event.Time, d.trace()),
		}
		return nil
	})
	for _, d := range admitted {
		e.metrics.count(enriched, d.event.Type)
	}
	return out, err
}
