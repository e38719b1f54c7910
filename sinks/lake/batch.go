package lake

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// A part is what was read of a partition and is not in files yet.
type part struct {
	place   stream.Place
	first   int64 // offset at which the batch begins; -1 before anything was read
	read    int64 // offset up to which messages were read
	planned int64 // end of a batch that was begun before; 0 if none was
	lost    bool  // the group has no offset for it, and the files were not looked at yet
	records []*stream.Record
	size    int       // of records, in bytes
	since   time.Time // when the first message of the batch was read

	ctx    context.Context // done when the partition is given up
	cancel context.CancelFunc
	work   sync.WaitGroup // a batch that is being written
}

// add adds a message to the batch. The end of a transaction only moves the offset.
func (p *part) add(r *stream.Record, now time.Time) {
	if r.Offset < p.first {
		return // it is in a file
	}
	if p.first < 0 {
		p.first = r.Offset
	}
	if p.read <= p.first {
		p.since = now
	}
	p.read = r.Offset + 1
	if !stream.IsMarker(r) {
		p.records = append(p.records, r)
		p.size += sizeOf(r)
	}
}

func sizeOf(r *stream.Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// from continues after the last batch of which there is a file. That batch may be incomplete.
func (p *part) from(last span) {
	p.first, p.planned = last.first, last.next
	p.records = slices.DeleteFunc(p.records, func(r *stream.Record) bool { return r.Offset < p.first })
	p.count()
}

// count adds up the size of what is left.
func (p *part) count() {
	p.size = 0
	for _, r := range p.records {
		p.size += sizeOf(r)
	}
}

// isDue reports whether the batch is to be written now. One that was begun before is due once all
// its messages were read; it must not be cut differently.
func (p *part) isDue(now time.Time, bytes int, age time.Duration) bool {
	switch {
	case p.lost:
		return false
	case p.planned > 0:
		return p.read >= p.planned
	}
	return p.read > p.first && (p.size >= bytes || now.Sub(p.since) >= age)
}

// cut returns the messages of the batch and its range.
func (s *sink) cut(p *part) (span, []*stream.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := cmp.Or(p.planned, p.read)
	n, _ := slices.BinarySearchFunc(p.records, next, func(r *stream.Record, next int64) int { return cmp.Compare(r.Offset, next) })
	return span{p.place, s.ids[p.place.Topic], p.first, next}, p.records[:n:n]
}

// batch writes the files of a batch and commits it. It tries for ever, and fails only when the
// partition is given up.
func (s *sink) batch(p *part) error {
	b, records := s.cut(p)
	if p.planned == 0 && len(records) > 0 {
		begun := stream.Mark{Offset: b.first, Note: plan{b.next, s.settings()}.String()}
		if err := s.insist(p.ctx, "committing a plan", func(ctx context.Context) error {
			return s.reader.Mark(ctx, map[stream.Place]stream.Mark{p.place: begun})
		}); err != nil {
			return err
		}
	}
	if err := s.store(p.ctx, b, records); err != nil {
		return err
	}
	if err := s.insist(p.ctx, "committing an offset", func(ctx context.Context) error {
		return s.reader.Mark(ctx, map[stream.Place]stream.Mark{p.place: {Offset: b.next}})
	}); err != nil {
		return err
	}
	now := s.now()
	for _, r := range records {
		s.meter.Stored(r, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.first, p.planned, p.since = b.next, 0, now
	p.records = slices.Clone(p.records[len(records):])
	p.count()
	return nil
}

// A file is the table and the day of the rows of a file.
type file struct {
	table string
	day   time.Time
}

// store writes the files of a batch, and its refused documents to the dead letters.
func (s *sink) store(ctx context.Context, b span, records []*stream.Record) error {
	rows, letters := s.rows(records)
	for _, l := range letters {
		if err := s.insist(ctx, "writing a dead letter", func(ctx context.Context) error { return s.letters.Append(ctx, l) }); err != nil {
			return err
		}
		s.meter.DeadLettered()
	}
	of := make(map[file][]Row)
	for _, r := range rows {
		f := file{r.Table, r.Time.UTC().Truncate(24 * time.Hour)}
		of[f] = append(of[f], r)
	}
	for _, f := range slices.SortedFunc(maps.Keys(of), func(a, b file) int { return cmp.Or(cmp.Compare(a.table, b.table), a.day.Compare(b.day)) }) {
		if err := s.create(ctx, s.Layout.folder(f.table, f.day)+b.name(s.Format.Extension()), of[f]); err != nil {
			return err
		}
	}
	return nil
}

// rows makes the rows of messages, in the order of their time, and the dead letters of the
// documents that have none.
func (s *sink) rows(records []*stream.Record) (rows []Row, letters []*stream.Record) {
	refused := sinks.Refuser{Log: s.Log, Sink: Name, Topic: s.Topics.DLQ()}
	for _, r := range records {
		for _, part := range sinks.Parts(r, schemas.FindingIndex(s.Namespace), s.Keys) {
			why := part.Refuse
			if why == "" {
				row, err := s.Format.Row(part.Document)
				if err == nil {
					rows = append(rows, row)
					continue
				}
				why = err.Error()
			}
			letters = append(letters, refused.Letter(r, part.Document, why, s.now()))
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return a.Time.Compare(b.Time) })
	return rows, letters
}

// create writes a file, unless there is one of its name: then it was written before the process
// was killed, or by a request whose answer was lost.
func (s *sink) create(ctx context.Context, key string, rows []Row) error {
	var content bytes.Buffer
	if err := s.Format.Encode(&content, rows); err != nil {
		return fmt.Errorf("lake: %s: %w", key, err)
	}
	return s.insist(ctx, "writing a file", func(ctx context.Context) error {
		began := s.now()
		made, err := s.Bucket.Create(ctx, key, bytes.NewReader(content.Bytes()), int64(content.Len()))
		s.meter.Request(s.now().Sub(began), err)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %s: %w", s.Where, key, err)
		case made:
			s.Log.Info("file written", "file", key, "documents", len(rows), "bytes", content.Len())
		default:
			s.Log.Info("the file was there already", "file", key)
		}
		return nil
	})
}

// insist does something until it succeeds or ctx is done.
func (s *sink) insist(ctx context.Context, step string, do func(context.Context) error) error {
	var pauses sinks.Pauses
	for {
		err := do(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		pause := pauses.Next()
		s.Log.Warn("a step failed; it is tried again, and nothing is lost", "step", step, "pause", pause, "err", err)
		if err := sinks.Pause(ctx, pause); err != nil {
			return err
		}
	}
}
