package enricher

import (
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// documents returns the document of each event, with what is known of its change.
func (e *Enricher) documents(admitted []*decodedEvent, folded map[record.ChangeID]*record.Record) ([]*stream.Record, error) {
	out := make([]*stream.Record, len(admitted))
	repositories, err := e.repositories(admitted, folded)
	if err != nil {
		return nil, err
	}
	messages, headers := e.messages.get(len(admitted)), e.headers.get(documentHeaders*len(admitted))
	topic, index := e.conf.Topics.Enriched(), []byte(schemas.EventIndex(e.conf.Namespace))
	err = parallel(len(admitted), func(i int) error {
		d := admitted[i]
		m := &messages[i]
		m.Topic, m.Partition, m.Key = topic, d.record.Partition, d.record.Key
		if string(m.Key) != string(d.event.Repository) {
			m.Key = []byte(d.event.Repository)
		}
		value, id := e.document(d, folded[d.event.Change], repositories)
		m.Value = value
		m.Headers = documentHead{index, id, d.event.Time, d.trace()}.appendTo(headers[i*documentHeaders : i*documentHeaders : (i+1)*documentHeaders])
		stream.SignDocument(e.conf.DocumentKeys, m)
		out[i] = m
		return nil
	})
	for _, d := range admitted {
		e.metrics.count(enriched, d.event.Type)
	}
	return out, err
}

// document returns the document of an event and its id. The document shows the facts of the
// change, or those of the repository for evidence that names no change.
func (e *Enricher) document(d *decodedEvent, r *record.Record, repositories map[record.Repository]*record.Record) (value, id []byte) {
	doc := e.docs.Get().(*schemas.EventDocument)
	defer e.docs.Put(doc)
	doc.Describe(&d.event, &d.env, d.data(), d.record.Timestamp, e.conf.Namespace)
	if r == nil {
		r = repositories[d.event.Repository]
	} else {
		c := r.Trail.Change
		doc.Trail.Change = &schemas.EventChange{ID: c.ID, Number: c.Number, Kind: c.Kind, State: c.State, InitiatedBy: c.InitiatedBy}
	}
	doc.Tags, doc.Service = r.Tags, r.Service
	doc.Trail.Service, doc.Trail.Environment = r.Trail.Service, r.Trail.Environment
	if c := r.Trail.Control; c != nil { // only the record shows what is missing, once
		doc.Trail.Control = &record.ControlFacts{Tags: c.Tags, MatrixDigest: c.MatrixDigest}
	}
	size := 0
	both := e.arena.append(4<<10+len(doc.Trail.Data)+len(doc.Trail.DataText), func(b []byte) []byte {
		start := len(b)
		b = doc.Append(b)
		size = len(b) - start
		return schemas.AppendDocumentID(b, &d.event)
	})
	return both[:size:size], both[size:]
}

// repositories returns what is known of the repositories of events whose change is not in folded.
func (e *Enricher) repositories(admitted []*decodedEvent, folded map[record.ChangeID]*record.Record) (map[record.Repository]*record.Record, error) {
	out := make(map[record.Repository]*record.Record)
	var list []*record.Record
	for _, d := range admitted {
		repo := d.event.Repository
		if folded[d.event.Change] != nil || out[repo] != nil {
			continue
		}
		r := record.Fold(record.ChangeID(repo)+"/commit/0", record.Facts{})
		r.Trail.Change.Repository = repo
		out[repo], list = r, append(list, r)
	}
	current := e.rules.Load().at(e.now())
	return out, parallel(len(list), func(i int) error {
		current.place(list[i])
		return nil
	})
}
