package sinks

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Pauses between tries.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 30 * time.Second
)

// deliver returns once each item is stored or among the dead letters. It tries
// for ever, and puts again only what is not stored yet. It fails only when ctx
// is done.
func (w *worker) deliver(ctx context.Context, items []item) error {
	pending := make([]item, 0, len(items))
	for _, it := range items {
		if it.refuse == "" {
			pending = append(pending, it)
		} else if err := w.bury(ctx, it, it.refuse); err != nil {
			return err
		}
	}
	pause := firstPause
	for len(pending) > 0 {
		left, err := w.attempt(ctx, pending)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(left) < len(pending) {
			pause = firstPause
		}
		if pending = left; len(pending) == 0 {
			break
		}
		w.Log.Warn("documents are not stored yet; they are put again", "engine", w.Engine.Name(), "documents", len(pending), "pause", pause, "err", err)
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, longPause)
	}
	return nil
}

// attempt puts items once, in requests of bounded size, and returns those that
// are to be put again and why.
func (w *worker) attempt(ctx context.Context, items []item) ([]item, error) {
	var left []item
	var first error
	for len(items) > 0 {
		n := w.prefix(items)
		again, err := w.put(ctx, items[:n])
		left = append(left, again...)
		if first == nil {
			first = err
		}
		items = items[n:]
	}
	return left, first
}

// prefix returns how many of items fit in a request; at least one.
func (w *worker) prefix(items []item) int {
	size := 0
	for i, it := range items {
		size += len(it.doc.Body) + 200
		if i == w.MaxDocs || i > 0 && size > w.MaxBytes {
			return i
		}
	}
	return len(items)
}

// put sends one request, or two halves of one that is too large.
func (w *worker) put(ctx context.Context, items []item) ([]item, error) {
	docs := make([]Document, len(items))
	for i, it := range items {
		docs[i] = it.doc
	}
	began := w.now()
	spans := w.tracer.start(items)
	outcomes, err := w.Engine.Put(ctx, docs)
	w.metrics.request(w.now().Sub(began), err)
	spans.end(outcomes, err)
	switch {
	case errors.Is(err, ErrTooLarge) && len(items) > 1:
		left, err1 := w.put(ctx, items[:len(items)/2])
		right, err2 := w.put(ctx, items[len(items)/2:])
		return append(left, right...), errors.Join(err1, err2)
	case errors.Is(err, ErrTooLarge):
		if err := w.bury(ctx, items[0], "the document alone is larger than the engine takes"); err != nil {
			return items, err
		}
		return nil, nil
	case err != nil:
		w.metrics.retry("request", len(items))
		return items, err
	}
	return w.settle(ctx, items, outcomes)
}

// settle acts on the outcome of each item.
func (w *worker) settle(ctx context.Context, items []item, outcomes []Outcome) ([]item, error) {
	var left []item
	var first error
	now := w.now()
	for i, o := range outcomes {
		switch o.Kind {
		case Done, Stale:
			w.metrics.stored(items[i], o.Kind, now)
		case Retry:
			left = append(left, items[i])
			if first == nil {
				first = errors.New(o.Reason)
			}
		case Refused:
			if err := w.bury(ctx, items[i], o.Reason); err != nil {
				left = append(left, items[i])
				first = err
			}
		}
	}
	if len(left) > 0 {
		w.metrics.retry("document", len(left))
	}
	return left, first
}

// bury sends what the engine will never take to the dead letters.
func (w *worker) bury(ctx context.Context, it item, reason string) error {
	w.Log.Warn("document refused", "engine", w.Engine.Name(), "index", it.doc.Index, "id", it.doc.ID, "reason", reason,
		"topic", it.record.Topic, "partition", it.record.Partition, "offset", it.record.Offset)
	letter := stream.DeadLetter(w.Topics.DLQ(), w.Engine.Name(), it.record, schemas.Rejected, reason, w.now())
	if err := w.letters.Append(ctx, letter); err != nil {
		return err
	}
	w.metrics.buried()
	return nil
}
