package enricher

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/changetrail/changetrail/record"
)

// News names changes whose records may differ from what a reader of a [Feed] has seen.
type News struct {
	// All says that any change may differ: a policy arrived, or the copy of the state was opened
	// anew. Changes is empty then.
	All     bool
	Changes []record.ChangeID // each once, under the keys of their repositories
}

// A Feed collects news until its reader wants them. What happened to one change meanwhile is one
// piece of news, so a slow reader delays nobody and needs memory for the names of changes only.
type Feed struct {
	mu      sync.Mutex
	all     bool
	changed map[record.ChangeID]bool
	wake    chan struct{} // has an element if there are news
}

// Feed returns a feed of what the view learns from now on. Its first news are that all changes may
// differ. A feed lives as long as the view.
func (v *View) Feed() *Feed {
	f := &Feed{changed: make(map[record.ChangeID]bool), wake: make(chan struct{}, 1)}
	f.tell(nil)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.feeds = append(v.feeds, f)
	return f
}

// Next waits for news. It fails only if ctx is done.
func (f *Feed) Next(ctx context.Context) (News, error) {
	select {
	case <-f.wake:
	case <-ctx.Done():
		return News{}, fmt.Errorf("no news: %w", context.Cause(ctx))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := News{All: f.all}
	if !n.All {
		n.Changes = make([]record.ChangeID, 0, len(f.changed))
		for id := range f.changed {
			n.Changes = append(n.Changes, id)
		}
		slices.Sort(n.Changes)
	}
	f.all = false
	clear(f.changed)
	return n, nil
}

// tell adds changes to the news; none means all.
func (f *Feed) tell(ids []record.ChangeID) {
	f.mu.Lock()
	if len(ids) == 0 {
		f.all = true
	}
	for _, id := range ids {
		f.changed[id] = true
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default: // its reader has not read the news before
	}
}

// tell adds changes to the news of all feeds; none means all. v.mu must be locked.
func (v *View) tell(ids []record.ChangeID) {
	for _, f := range v.feeds {
		f.tell(ids)
	}
}

// headsIn returns the changes whose heads are among entries: those with a new revision.
func headsIn(entries []entry) (ids []record.ChangeID) {
	for _, e := range entries {
		if e.key[4] != kindHead || e.value == nil {
			continue
		}
		if id := (&factReader{rest: e.value}).string(); id != "" {
			ids = append(ids, record.ChangeID(id))
		}
	}
	return ids
}

// CaughtUp returns once the view has everything that the broker had accepted before the call.
func (v *View) CaughtUp(ctx context.Context) error {
	_, err := v.caughtUp(ctx)
	return err
}

// errClosed says that the view has ended.
var errClosed = errors.New("the copy of the state is closed")

// walkStep is how many changes are read at a time: questions are answered between two steps.
const walkStep = 500

// Changes yields all changes of which the view knows anything, under the keys of their repositories.
// An error is yielded last.
func (v *View) Changes() iter.Seq2[record.ChangeID, error] {
	return func(yield func(record.ChangeID, error) bool) {
		for partition := range int32(v.partitions.Len()) {
			for after := prefixOf(partition, kindHead); after != ""; {
				ids, next, err := v.heads(partition, after)
				if err != nil {
					yield("", err)
					return
				}
				for _, id := range ids {
					if !yield(id, nil) {
						return
					}
				}
				after = next
			}
		}
	}
}

// heads returns some changes of a partition from a key on, and the key to continue from; "" if there
// are no more.
func (v *View) heads(partition int32, from key) (ids []record.ChangeID, next key, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, "", errClosed
	}
	for e, err := range v.store.each(from, prefixOf(partition, kindHead+1)) {
		switch {
		case err != nil:
			return nil, "", err
		case len(ids) == walkStep:
			return ids, e.key, nil
		}
		r := &factReader{rest: e.value}
		id := r.string()
		if r.err != nil {
			return nil, "", r.err
		}
		ids = append(ids, record.ChangeID(id))
	}
	return ids, "", nil
}

// Open returns what is known of a change that its code host reported as open; nil if it did not, or
// if the change was merged, closed, or is a part of another one. id is under the key of the
// repository, as [News] and [View.Changes] state it.
//
// Open does not ask the broker: it answers from what the view has read, and its answer has no
// position. Whoever allows a merge asks Preview.
func (v *View) Open(id record.ChangeID) (*Preview, error) {
	f, err := v.factsUnder(id)
	if err != nil {
		return nil, err
	}
	c := record.Fold(id, f).Trail.Change
	if c.State != "open" || c.PartOf != "" || slices.Contains(c.Claimed, "state") {
		return nil, nil
	}
	return PreviewOf(id, f, *v.rules.Load(), time.Now()), nil
}

// factsUnder finds the facts of a change under the key of its repository; none if nothing is known
// of it, or if it was merged.
func (v *View) factsUnder(id record.ChangeID) (f record.Facts, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return f, errClosed
	}
	p := v.projection
	p.begin(p.tx.arena)
	defer p.rollback()
	partition := v.partitions.Of(string(id.Repository()))
	if err := v.current(partition); err != nil {
		return f, err
	}
	if merged, err := v.store.merged(partition, id); merged || err != nil { // most are, and no more need be read
		return f, err
	}
	c, err := p.change(partition, id)
	if err != nil || c.firstSeen.IsZero() {
		return f, err
	}
	return p.find(c)
}

// merged reports whether a code host observed the merge of a change. It reads the heads of facts only.
func (s *store) merged(partition int32, id record.ChangeID) (bool, error) {
	if _, kind, _ := id.Split(); kind == "commit" { // it was pushed
		return true, nil
	}
	own, err := s.list(keyOf(partition, kindFact, nameOf(string(id))), "")
	if err != nil {
		return false, err
	}
	for _, x := range own {
		typ, witness, err := kindOf(x.value)
		if err != nil {
			return false, err
		}
		if typ == record.TypeChangeMerged && witness == record.Observed {
			return true, nil
		}
	}
	return false, nil
}
