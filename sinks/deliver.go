package sinks

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// triesBeforeBlame is how often a document is put before the answers for other documents decide
	// whether it is at fault.
	triesBeforeBlame = 3
	// triesBeforeWarning is how often a document is put before a warning is logged, even if the
	// engine may just be busy: about three minutes.
	triesBeforeWarning = 12
)

// deliver returns once each item of a batch is stored or in the dead letters. It tries for ever,
// and puts again only items that are not stored yet. It fails only when ctx is done.
func (w *worker) deliver(ctx context.Context, b *batch) error {
	defer func() { w.waits.set(b, nil, nil, w.now()) }()
	pending := make([]item, 0, len(b.items))
	for _, it := range b.items {
		if it.refuse == "" {
			pending = append(pending, it)
		} else if err := w.deadLetter(ctx, it, it.refuse); err != nil {
			return err
		}
	}
	var pauses Pauses
	for len(pending) > 0 {
		left, err := w.attempt(ctx, pending)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.waits.note(b, left, w.now())
		if len(left) < len(pending) {
			pauses = Pauses{}
		}
		if pending = left; len(pending) == 0 {
			break
		}
		pause := pauses.Next()
		w.Log.Warn("documents are not stored yet; they are put again", "engine", w.Engine.Name(), "documents", len(pending), "pause", pause, "err", err)
		if err := Pause(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// attempt puts items once, in requests of bounded size. It returns the items that must be put
// again, and the reason.
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

// prefix returns how many of items fit in one request; at least one.
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

// put sends one request, or two halves if the request is too large.
func (w *worker) put(ctx context.Context, items []item) ([]item, error) {
	docs := make([]Document, len(items))
	for i, it := range items {
		docs[i] = it.doc
	}
	w.rest.wait(ctx, w.now())
	began := w.now()
	spans := w.tracer.start(items)
	outcomes, err := w.Engine.Put(ctx, docs)
	w.metrics.request(w.now().Sub(began), err)
	spans.end(outcomes, err)
	switch {
	case (errors.Is(err, ErrTooLarge) || errors.Is(err, ErrWhole)) && len(items) > 1:
		left, err1 := w.put(ctx, items[:len(items)/2])
		right, err2 := w.put(ctx, items[len(items)/2:])
		return append(left, right...), errors.Join(err1, err2)
	case errors.Is(err, ErrTooLarge):
		if err := w.deadLetter(ctx, items[0], "the document alone is larger than the engine accepts"); err != nil {
			return items, err
		}
		return nil, nil
	case err != nil:
		if busy, is := errors.AsType[*BusyError](err); is {
			w.rest.extend(busy.After, w.now())
		}
		w.metrics.retry("request", len(items))
		return failed(items, err), err
	}
	return w.settle(ctx, items, outcomes, began)
}

// failed returns the items of a request that failed as a whole.
func failed(items []item, err error) []item {
	out := slices.Clone(items)
	blocked, is := errors.AsType[*BlockedError](err)
	for i := range out {
		switch it := &out[i]; {
		case is:
			it.wait(fault{cause: blocked.Cause}, blocked.Reason, true)
		default:
			it.wait(fault{cause: "no answer"}, err.Error(), false)
		}
	}
	return out
}

// wait records that a try failed, and why: act says that somebody must act; otherwise the problem
// may go away, and is reported only after loudTries.
func (it *item) wait(f fault, reason string, act bool) {
	if it.tries++; !act && it.tries < triesBeforeWarning {
		f, reason = fault{}, ""
	}
	it.fault, it.reason = f, reason
}

// settle acts on the outcome of each item of a request that was sent at the given time.
func (w *worker) settle(ctx context.Context, items []item, outcomes []Outcome, sent time.Time) ([]item, error) {
	var left []item
	var first error
	now := w.now()
	for i, o := range outcomes {
		if o.Kind == Done || o.Kind == Stale {
			w.metrics.stored(items[i], o.Kind, now)
			w.waits.took(items[i].doc.Index, now)
		}
	}
	for i, o := range outcomes {
		it := items[i]
		switch {
		case o.Kind == Done, o.Kind == Stale:
		case o.Kind == Refused, o.Kind == Unclear && w.isAtFault(&it, sent):
			if err := w.deadLetter(ctx, it, o.Reason); err != nil {
				left, first = append(left, it), err
			}
		default:
			it.wait(fault{o.Cause, it.doc.Index}, o.Reason, o.Kind != Retry)
			left = append(left, it)
			if first == nil {
				first = errors.New(o.Reason)
			}
		}
	}
	if len(left) > 0 {
		w.metrics.retry("document", len(left))
	}
	return left, first
}

// isAtFault reports whether a document that was not accepted, for an unclear reason, is itself at
// fault: it was tried several times, and its index has accepted other documents since its first
// try. If the index accepts nothing, the index is at fault; otherwise many good documents would
// become dead letters.
func (w *worker) isAtFault(it *item, sent time.Time) bool {
	if it.doubted.IsZero() {
		it.doubted = sent
	}
	it.doubts++
	return it.doubts >= triesBeforeBlame && w.waits.tookSince(it.doc.Index, it.doubted)
}

// deadLetter sends a document that the engine will never accept to the dead letters.
func (w *worker) deadLetter(ctx context.Context, it item, reason string) error {
	letter := Refuser{w.Log, w.Engine.Name(), w.Topics.DLQ()}.Letter(it.record, it.doc, reason, w.now())
	if err := w.letters.Append(ctx, letter); err != nil {
		return err
	}
	w.metrics.deadLettered()
	return nil
}
