package enricher

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A memory bounds what events take: while they are read, and once a batch of them is
// read. Reports and data come packed, or under a digest, so that a message does not tell how
// much that is.
type memory struct {
	work *budget.Budget // of all that are read at a time
	size int64
	held atomic.Int64 // by what was read of the batch at hand
}

// patience is how long an event that is half read waits for more memory, before it gives back
// what it has and is read alone.
const patience = 100 * time.Millisecond

// newMemory returns a memory of size bytes; 256 MiB where 0.
func newMemory(size int64) *memory {
	size = cmp.Or(size, 256<<20)
	return &memory{work: budget.New(size, patience), size: size}
}

// begin forgets the former batch.
func (m *memory) begin() { m.held.Store(0) }

// decode reads an event of a batch of n. One for which no memory becomes free, since others
// that are half read wait for it too, is read alone. Its error is [stream.ErrTooMuch] where
// what is read of the batch takes too much.
func (m *memory) decode(ctx context.Context, d *decodedEvent, r ingest.Reader, store Blobs, n int) error {
	first := budget.Weight(d.record.Value)
	for {
		err := m.try(ctx, d, r, store, first)
		if err == nil || !errors.Is(err, budget.ErrFull) || ctx.Err() != nil {
			if err == nil && m.held.Add(int64(weightOf(d.event))) > m.size && n > 1 {
				return stream.ErrTooMuch
			}
			return err
		}
		first = m.size
		*d = decodedEvent{record: d.record, headers: d.headers[:0]}
	}
}

// try reads an event with memory of its own, of which it takes the first bytes at once.
func (m *memory) try(ctx context.Context, d *decodedEvent, r ingest.Reader, store Blobs, first int64) error {
	share := m.work.Share(ctx)
	defer share.Release()
	if err := share.Grow(min(first, m.size)); err != nil {
		return err
	}
	r.Room = share.Grow
	if store != nil {
		store = counted{ingest.Counted{Blobs: store, Share: share}, store}
	}
	err := d.decode(ctx, r, store)
	if d.env.DataRef != "" && len(d.env.Data) > schemas.ClaimCheckSize {
		d.env.Data = nil // it is read, and no document has it
	}
	return err
}

// counted is a store whose files take memory while they are read.
type counted struct {
	ingest.Counted
	kept Blobs
}

func (c counted) Put(ctx context.Context, content []byte) (string, error) {
	return c.kept.Put(ctx, content)
}
