package pending

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/record"
)

// A View tells what is known of changes. An [enricher.View] is one.
type View interface {
	// CaughtUp returns once everything is known that the broker had accepted before the call.
	CaughtUp(ctx context.Context) error
	// Changes yields all changes; Open tells what is known of one, nil if it is not open.
	Changes() iter.Seq2[record.ChangeID, error]
	Open(id record.ChangeID) (*enricher.Preview, error)
	Feed() *enricher.Feed
}

// A Listener hears of open changes, of agents and of people. Its methods must return at once.
type Listener interface {
	// Opened says that a change is open, and differs from what was said of it before.
	Opened(Item)
	// Ended says that a change is not open any more.
	Ended(record.ChangeID)
}

// A Follower keeps the open changes.
type Follower struct {
	view View
	log  *slog.Logger

	telling   sync.Mutex // while an open change is kept or forgotten, and until the listeners heard of it
	listeners []Listener

	mu      sync.Mutex
	changed chan struct{}
	begun   bool                      // all changes were read once
	open    map[record.ChangeID]Item  // by their ids in the view
	unread  map[record.ChangeID]error // changes that could not be read; they may be open
	failed  error                     // why not all changes could be read
}

// New returns a follower of a view. Run brings it up to date.
func New(view View, log *slog.Logger) *Follower {
	return &Follower{
		view: view, log: log,
		changed: make(chan struct{}), open: make(map[record.ChangeID]Item), unread: make(map[record.ChangeID]error),
	}
}

// Listen lets a listener hear of all open changes, and then of each that differs.
func (f *Follower) Listen(l Listener) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.mu.Lock()
	open := slices.Collect(maps.Values(f.open))
	f.mu.Unlock()
	for _, i := range open {
		l.Opened(i)
	}
	f.listeners = append(f.listeners, l)
}

// Times of a follower.
const (
	again = time.Second // after a failure
	// sweep is how often the open changes are decided again because of the time alone: an approval
	// expires, a policy comes into force.
	sweep = time.Minute
)

// Run follows the view until ctx is done.
func (f *Follower) Run(ctx context.Context) error {
	feed := f.view.Feed()
	for ctx.Err() == nil {
		err := f.view.CaughtUp(ctx)
		if err == nil {
			break
		}
		f.log.Warn("the open changes are not known yet; trying again", "err", err)
		pause(ctx, again)
	}
	for ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, sweep)
		news, err := feed.Next(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil: // nothing happened for so long
			f.read(ctx, f.kept())
		case news.All:
			f.readAll(ctx)
		default:
			f.read(ctx, news.Changes)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// readAll reads all changes. It tries again until that is possible.
func (f *Follower) readAll(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		seen := make(map[record.ChangeID]bool)
		var failed error
		for id, err := range f.view.Changes() {
			if failed = err; err != nil || ctx.Err() != nil {
				break
			}
			seen[id] = true
			f.readOne(id)
		}
		if failed == nil && ctx.Err() == nil {
			for _, id := range f.kept() {
				if !seen[id] {
					f.end(id)
				}
			}
			f.finish(nil)
			f.log.Info("all changes are read", "changes", len(seen), "open", len(f.kept()), "took", time.Since(began).Round(time.Millisecond))
			return
		}
		if ctx.Err() == nil {
			f.finish(failed)
			f.log.Warn("the changes cannot be read; trying again", "err", failed)
			pause(ctx, again)
		}
	}
}

// finish notes whether all changes could be read.
func (f *Follower) finish(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun, f.failed = f.begun || err == nil, err
	f.signal()
}

// kept returns the changes that are open, or may be.
func (f *Follower) kept() []record.ChangeID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Keys(f.open)), maps.Keys(f.unread))
}

func (f *Follower) read(ctx context.Context, ids []record.ChangeID) {
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		f.readOne(id)
	}
}

func (f *Follower) readOne(id record.ChangeID) {
	p, err := f.view.Open(id)
	switch {
	case err != nil:
		f.mu.Lock()
		defer f.mu.Unlock()
		f.unread[id] = err
		f.signal()
		f.log.Warn("a change cannot be read; trying again", "change", id, "err", err)
	case p == nil:
		f.end(id)
	default:
		f.keep(id, itemOf(p, time.Now()))
	}
}

// keep keeps an open change, and tells who listens if it differs.
func (f *Follower) keep(id record.ChangeID, item Item) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.mu.Lock()
	delete(f.unread, id)
	before, known := f.open[id]
	f.open[id] = item
	differs := !known || !same(before, item)
	if differs {
		f.signal()
	}
	f.mu.Unlock()
	if known && before.Change != item.Change { // its repository has another name
		f.tell(func(l Listener) { l.Ended(before.Change) })
	}
	if differs {
		f.tell(func(l Listener) { l.Opened(item) })
	}
}

// same reports whether two items say the same about one change.
func same(a, b Item) bool {
	return a.Change == b.Change && a.Title == b.Title && a.Author == b.Author && a.Agent == b.Agent && a.Class == b.Class && a.Since.Equal(b.Since) &&
		a.Answers == b.Answers && a.Decision.Digest() == b.Decision.Digest() && slices.Equal(a.Services, b.Services)
}

// end forgets a change that is not open.
func (f *Follower) end(id record.ChangeID) {
	f.telling.Lock()
	defer f.telling.Unlock()
	f.mu.Lock()
	delete(f.unread, id)
	before, known := f.open[id]
	if known {
		delete(f.open, id)
		f.signal()
	}
	f.mu.Unlock()
	if known {
		f.tell(func(l Listener) { l.Ended(before.Change) })
	}
}

// tell tells all listeners. The caller holds telling.
func (f *Follower) tell(what func(Listener)) {
	for _, l := range f.listeners {
		what(l)
	}
}

// signal wakes all who wait. The caller holds mu.
func (f *Follower) signal() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Changed returns a channel that is closed when the list differs from what it is now.
func (f *Follower) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// List returns the changes that wait for a person: by class, the most critical first, then the oldest
// first. With an error the list may lack some.
func (f *Follower) List() ([]Item, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Item
	for _, i := range f.open {
		if i.Waits() {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, compare)
	return out, f.incomplete()
}

// incomplete returns why the list may lack changes. The caller holds mu.
func (f *Follower) incomplete() error {
	switch {
	case f.failed != nil:
		return fmt.Errorf("the open changes cannot be read: %w", f.failed)
	case !f.begun:
		return errors.New("the open changes are still being read; ask again in a few seconds")
	}
	for id, err := range f.unread {
		return fmt.Errorf("%d changes cannot be read, among them %s: %w", len(f.unread), id, err)
	}
	return nil
}
