package enricher

import (
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// fold makes the record of each touched change. It returns the revisions to send and all folded
// records. It finds the facts of one change after another, while other cores fold.
func (e *Enricher) fold() ([]*stream.Record, map[record.ChangeID]*record.Record, error) {
	ids := e.state.toSettle()
	changes, facts := make([]*changeState, len(ids)), make([]record.Facts, len(ids))
	records, out := make([]*record.Record, len(ids)), make([]*stream.Record, len(ids))
	rules, now := *e.rules.Load(), e.now()
	err := behind(len(ids), func(i int) (err error) {
		changes[i], facts[i], err = e.state.settleOne(ids[i])
		return err
	}, func(i int) error {
		records[i] = fold(ids[i], facts[i], rules, now)
		out[i] = e.revision(changes[i], records[i], e.state.touched[ids[i]])
		return nil
	})
	folded := make(map[record.ChangeID]*record.Record, len(ids))
	for i, id := range ids {
		folded[id] = records[i]
		if r := records[i]; err == nil && r != nil {
			e.state.remember(changes[i], r)
		}
	}
	return slices.DeleteFunc(out, func(r *stream.Record) bool { return r == nil }), folded, err
}

// revision seals r as the next revision of a change and returns its message, or nil if nothing
// changed.
func (e *Enricher) revision(c *changeState, r *record.Record, t *touch) *stream.Record {
	id := r.Trail.Change.ID
	if r.Trail.Change.PartOf != "" && c.revision == 0 {
		return nil // a commit that a merge made and that was never reported as a change
	}
	value := e.arena.append(16<<10, func(b []byte) []byte { return schemas.Seal(b, r, c.revision+1, c.digest) })
	if len(value) == 0 && t.again {
		value = e.arena.append(16<<10, func(b []byte) []byte { return schemas.Seal(b, r, c.revision, "") })
	}
	if len(value) == 0 {
		return nil
	}
	c.revision, c.digest = r.Trail.Revision, r.Trail.EvidenceDigest
	out := &stream.Record{
		Topic: e.conf.Topics.Records(), Partition: t.partition, Key: []byte(id), Value: value,
		Headers: make([]kgo.RecordHeader, 0, 6+len(c.gaps)+len(r.Trail.Gaps)),
	}
	out.Headers = documentHead{[]byte(schemas.RecordIndex(e.conf.Namespace, c.firstSeen)), []byte(schemas.RecordID(id)), t.newest, t.trace}.appendTo(out.Headers)
	out.Headers = append(out.Headers, kgo.RecordHeader{Key: stream.HeaderVersion, Value: strconv.AppendInt(nil, c.revision, 10)})
	var gaps []string
	for f := range schemas.Findings(r, c.gaps) {
		gaps = append(gaps, f.Trail.Finding.Kind)
		out.Headers = append(out.Headers, e.finding(f))
	}
	if len(gaps) > len(c.gaps) {
		c.gaps = gaps
	}
	stream.SignDocument(e.conf.DocumentKeys, out)
	return out
}

// finding returns the header that carries a finding next to its record. They travel together, so
// that compaction of the topic never keeps one without the other, and a sink that reads only the
// newest revision has all findings.
func (e *Enricher) finding(f *schemas.Finding) kgo.RecordHeader {
	value := e.arena.append(2<<10, func(b []byte) []byte {
		b = append(b, schemas.FindingID(f.Trail.Change.ID, f.Trail.Finding.Kind)...)
		return f.Append(append(b, '\n'))
	})
	return kgo.RecordHeader{Key: stream.HeaderFinding, Value: value}
}

// documentHeaders is the greatest number of headers of the message of an event.
const documentHeaders = 5

// A documentHead is what the headers of a document say.
type documentHead struct {
	index, id   []byte
	at          time.Time
	traceparent []byte // nil if it is not traced
}

// appendTo appends the headers that every document has.
func (d documentHead) appendTo(h []kgo.RecordHeader) []kgo.RecordHeader {
	h = append(h,
		kgo.RecordHeader{Key: stream.HeaderIndex, Value: d.index},
		kgo.RecordHeader{Key: stream.HeaderID, Value: d.id},
		kgo.RecordHeader{Key: stream.HeaderTime, Value: strconv.AppendInt(nil, d.at.UnixNano(), 10)},
	)
	if d.traceparent != nil {
		h = append(h, kgo.RecordHeader{Key: stream.HeaderTrace, Value: d.traceparent})
	}
	return h
}
