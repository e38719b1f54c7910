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

// A memory bounds the memory that events use, both while they are read and once a batch is read.
// Reports and data are packed, or named by a digest, so the size of a message does not show how
// much they need.
type memory struct {
	work *budget.Budget // of all events that are being read
	size int64
	held atomic.Int64 // bytes that the events of the current batch use
}

// waitForOthers is how long a partly read event waits for more memory. After that it returns the
// memory that it has, and is read alone.
const waitForOthers = 100 * time.Millisecond

// newMemory returns a memory of size bytes; 256 MiB if size is 0.
func newMemory(size int64) *memory {
	size = cmp.Or(size, 256<<20)
	return &memory{work: budget.New(size, waitForOthers), size: size}
}

// A source is what events are read with.
type source struct {
	reader ingest.Reader
	store  Blobs // nil if none is set
}

// begin starts a batch with nothing in use.
func (m *memory) begin() { m.held.Store(0) }

// decode reads an event of a batch of n. If no memory becomes free, because other partly read
// events wait for it too, the event is read alone. The error is [stream.ErrTooMuch] if the events
// of the batch use too much.
func (m *memory) decode(ctx context.Context, d *decodedEvent, from source, n int) error {
	first := budget.Weight(d.record.Value)
	for {
		err := m.try(ctx, d, from, first)
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

// try reads an event with a share of the memory. It reserves the first bytes at once.
func (m *memory) try(ctx context.Context, d *decodedEvent, from source, first int64) error {
	share := m.work.Share(ctx)
	defer share.Release()
	if err := share.Grow(min(first, m.size)); err != nil {
		return err
	}
	from.reader.Reserve = share.Grow
	if from.store != nil {
		from.store = counted{ingest.Counted{Blobs: from.store, Share: share}, from.store}
	}
	err := d.decode(ctx, from.reader, from.store)
	if d.env.DataRef != "" && len(d.env.Data) > schemas.ClaimCheckSize {
		d.env.Data = nil // it has been read, and no document contains it
	}
	return err
}

// A counted store counts the memory of files while they are read.
type counted struct {
	ingest.Counted
	kept Blobs
}

func (c counted) Put(ctx context.Context, content []byte) (string, error) {
	return c.kept.Put(ctx, content)
}
