package enricher

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A projection keeps the facts of changes up to date, event by event. What it
// keeps of a change is what [record.Gather] would find among all events so
// far. It works on copies over the store, which become the store's content
// only when the transaction is committed.
type projection struct {
	store   *store
	changes *cache[*changeState]
	boards  *cache[*board]

	// Of the transaction at hand: what it has read and changed.
	work struct {
		changes map[record.ChangeID]*changeState
		boards  map[string]*board
		small   map[string][]byte          // entries that are written whole; nil: deleted
		actions map[string][]record.Event  // among them those posted, by prefix of their keys
		home    map[string]int32           // partition of each dirty key
		touched map[record.ChangeID]*touch // changes whose record may differ
		named   map[record.RunNamed]bool   // runs that a repository names, as far as known for the first time
	}
}

// A touch is why a record is folded again.
type touch struct {
	partition int32
	newest    time.Time // of the events that touched it
	trace     []byte    // trace context of the last of them
	again     bool      // the record is sent even if nothing in it changed
}

// An admission is what became of an event.
type admission int

const (
	fresh    admission = iota // never seen before
	repeat                    // seen before, the same
	conflict                  // its identity was seen before with other content
)

func newProjection(s *store) *projection {
	p := &projection{store: s, changes: newCache[*changeState](4_000), boards: newCache[*board](8_000)}
	p.reset()
	return p
}

func (p *projection) reset() {
	p.work.changes = make(map[record.ChangeID]*changeState)
	p.work.boards = make(map[string]*board)
	p.work.small = make(map[string][]byte)
	p.work.actions = make(map[string][]record.Event)
	p.work.home = make(map[string]int32)
	p.work.touched = make(map[record.ChangeID]*touch)
	p.work.named = make(map[record.RunNamed]bool)
}

// admit takes e in, unless it was taken in before.
func (p *projection) admit(partition int32, e record.Event, arrived time.Time, trace []byte) (admission, error) {
	if e.Change == "" {
		if a, err := p.admitOnce(partition, e, seenKey(e.Repository, e), arrived); a != fresh || err != nil {
			return a, err
		}
	}
	if e.Change != "" {
		if a, err := p.admitOwn(partition, e, arrived, trace); a != fresh || err != nil {
			return a, err
		}
	}
	for _, posting := range record.Postings(e) {
		if err := p.post(partition, posting, arrived, trace); err != nil {
			return fresh, err
		}
	}
	return fresh, p.postAction(partition, e, arrived, trace)
}

// markReread tells which events of a batch were read before, by the offset up to
// which the state has taken in its partition, and moves that on. One that is known and
// was not read before is a repeat of its sender's.
func (p *projection) markReread(batch []decodedEvent) error {
	for i := range batch {
		r := batch[i].record
		before, err := p.small(r.Partition, readKey)
		if err != nil {
			return err
		}
		last := int64(-1)
		if v, _ := splitSeen(before); len(v) == 8 {
			last = int64(binary.BigEndian.Uint64(v))
		}
		if batch[i].reread = r.Offset <= last; !batch[i].reread {
			p.note(r.Partition, readKey, joinSeen(binary.BigEndian.AppendUint64(nil, uint64(r.Offset)), r.Timestamp))
		}
	}
	return nil
}

// again touches what e touched when it was new.
func (p *projection) again(partition int32, e record.Event, arrived time.Time, trace []byte) error {
	if e.Change != "" {
		if _, err := p.change(partition, e.Change); err != nil {
			return err
		}
		p.touch(partition, e.Change, e.Time, trace)
	}
	for _, posting := range record.Postings(e) {
		if err := p.post(partition, posting, arrived, trace); err != nil {
			return err
		}
	}
	for _, ref := range record.ActionRefs(e) {
		b, err := p.board(partition, e.Repository, ref)
		if err != nil {
			return err
		}
		for _, id := range b.changes {
			if _, err := p.change(partition, id); err != nil {
				return err
			}
			p.touch(partition, id, e.Time, trace)
		}
	}
	for _, ref := range record.RunRefs(e) {
		p.name(e.Repository, ref, new(board))
	}
	for id, t := range p.work.touched {
		t.again = true
		for _, ref := range record.Runs(p.work.changes[id].facts) {
			p.name(id.Repository(), ref, new(board))
		}
	}
	return nil
}

// admitOnce notes the identity of an event that no list of facts will hold.
func (p *projection) admitOnce(partition int32, e record.Event, key string, arrived time.Time) (admission, error) {
	old, err := p.small(partition, key)
	if err != nil {
		return fresh, err
	}
	digest, _ := hex.DecodeString(e.Digest)
	if old != nil {
		if known, _ := splitSeen(old); bytes.Equal(known, digest) {
			return repeat, nil
		}
		return conflict, nil
	}
	p.note(partition, key, joinSeen(digest, arrived))
	return fresh, nil
}

// small returns the value of an entry that is written whole; nil where it is not
// there.
func (p *projection) small(partition int32, key string) ([]byte, error) {
	if v, ok := p.work.small[key]; ok {
		return v, nil
	}
	return p.store.get(partition, key)
}

// note writes an entry whole; nil deletes it.
func (p *projection) note(partition int32, key string, value []byte) {
	p.work.small[key], p.work.home[key] = value, partition
}

// admitOwn takes in a fact about a change, and looks for the evidence that it
// names.
func (p *projection) admitOwn(partition int32, e record.Event, arrived time.Time, trace []byte) (admission, error) {
	c, err := p.change(partition, e.Change)
	if err != nil {
		return fresh, err
	}
	if c.firstSeen.IsZero() {
		c.firstSeen = arrived
	}
	if _, ok := e.Fact.(*record.Action); ok {
		made := len(c.facts.Actions.Made)
		a, err := p.take(partition, e.Change, c, e, arrived, trace)
		if err == nil && len(c.facts.Actions.Made) > made { // a run that is not known yet may have made one of its commits
			err = p.lookRuns(partition, e.Change, c, record.Runs(c.facts), arrived, trace)
		}
		return a, err
	}
	a := fresh
	for i, old := range c.facts.Own {
		if old.Source != e.Source || old.ID != e.ID {
			continue
		}
		if old.Digest == e.Digest {
			return repeat, nil
		}
		// Which of the two stands must not depend on which came first.
		a = conflict
		if old.Compare(e) < 0 {
			return conflict, nil
		}
		c.facts.Own = slices.Delete(c.facts.Own, i, i+1)
		break
	}
	before, runs := record.Looks(c.facts.Own), record.Runs(c.facts)
	own := e
	if f, ok := e.Fact.(*record.Scan); ok {
		own.Fact = f.Whole()
	}
	c.facts.Own = record.Keep(append(c.facts.Own, own))
	if err := p.look(partition, e.Change, c, before, arrived, trace); err != nil {
		return a, err
	}
	p.touch(partition, e.Change, e.Time, trace)
	return a, p.lookRuns(partition, e.Change, c, fresher(record.Runs(c.facts), runs), arrived, trace)
}

// fresher returns the refs of now that were not among those before. Both are
// sorted.
func fresher(now, before []record.Ref) []record.Ref {
	return slices.DeleteFunc(now, func(r record.Ref) bool {
		_, known := slices.BinarySearch(before, r)
		return known
	})
}

// look notes the change on each board that its facts name and did not name
// before, and takes what is posted there.
func (p *projection) look(partition int32, id record.ChangeID, c *changeState, before []record.Ref, arrived time.Time, trace []byte) error {
	refs := fresher(record.Looks(c.facts.Own), before)
	for _, ref := range refs {
		b, err := p.board(partition, id.Repository(), ref)
		if err != nil {
			return err
		}
		b.touch(arrived)
		if !slices.Contains(b.changes, id) && len(b.changes) < maxChanges {
			b.changes = append(b.changes, id)
		}
		c.facts.Evidence = append(c.facts.Evidence, b.postings...)
	}
	c.facts.Evidence = record.KeepEvidence(c.facts.Own, c.facts.Evidence)
	for _, ref := range refs {
		if err := p.takeFrom(partition, id, c, ref, arrived, trace); err != nil {
			return err
		}
	}
	return nil
}

// lookRuns notes the change on the boards of runs, and counts in what they did.
func (p *projection) lookRuns(partition int32, id record.ChangeID, c *changeState, runs []record.Ref, arrived time.Time, trace []byte) error {
	for _, ref := range runs {
		b, err := p.board(partition, id.Repository(), ref)
		if err != nil {
			return err
		}
		if slices.Contains(b.changes, id) || len(b.changes) == maxChanges {
			continue
		}
		p.name(id.Repository(), ref, b)
		b.touch(arrived)
		b.changes = append(b.changes, id)
		for _, decision := range slices.Clone(b.postings) {
			if _, err := p.admitOwn(partition, decision.About(id), arrived, trace); err != nil {
				return err
			}
		}
		if err := p.takeFrom(partition, id, c, ref, arrived, trace); err != nil {
			return err
		}
	}
	return nil
}

// name notes that a repository names a run, when the board of the run is used first.
func (p *projection) name(repo record.Repository, ref record.Ref, b *board) {
	if run := ref.Run(); run != "" && b.touched.IsZero() {
		p.work.named[record.RunNamed{Run: run, Repository: string(repo)}] = true
	}
}

// post puts evidence on a board and hands it to the changes that look there.
func (p *projection) post(partition int32, posting record.Posting, arrived time.Time, trace []byte) error {
	e := posting.Event
	b, err := p.board(partition, e.Repository, posting.Ref)
	if err != nil {
		return err
	}
	p.name(e.Repository, posting.Ref, b)
	b.touch(arrived)
	b.postings = record.Keep(append(b.postings, e))
	b.postings = b.postings[max(0, len(b.postings)-maxPostings):]
	for _, id := range slices.Clone(b.changes) {
		if posting.Ref.Run() != "" { // a decision
			if _, err := p.admitOwn(partition, e.About(id), arrived, trace); err != nil {
				return err
			}
			p.touch(partition, id, e.Time, trace)
			continue
		}
		c, err := p.change(partition, id)
		if err != nil {
			return err
		}
		c.facts.Evidence = record.KeepEvidence(c.facts.Own, append(c.facts.Evidence, e))
		p.touch(partition, id, e.Time, trace)
		if _, push := e.Fact.(*record.Pushed); push { // its trailers may name runs
			if err := p.lookRuns(partition, id, c, record.Runs(c.facts), arrived, trace); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *projection) touch(partition int32, id record.ChangeID, at time.Time, trace []byte) {
	t := p.work.touched[id]
	if t == nil {
		t = &touch{partition: partition}
		p.work.touched[id] = t
	}
	if at.After(t.newest) {
		t.newest = at
	}
	if trace != nil {
		t.trace = trace
	}
}

// change returns the state of a change, to be changed within the transaction.
func (p *projection) change(partition int32, id record.ChangeID) (*changeState, error) {
	if c, ok := p.work.changes[id]; ok {
		return c, nil
	}
	key := changeKey(id)
	c, ok := p.changes.get(key)
	if ok {
		c = c.clone()
	} else {
		b, err := p.store.get(partition, key)
		if err != nil {
			return nil, err
		}
		c = new(changeState)
		if b != nil {
			if c, err = decodeChange(b, id.Repository()); err != nil {
				return nil, err
			}
		}
	}
	p.work.changes[id] = c
	p.work.home[key] = partition
	return c, nil
}

func (p *projection) board(partition int32, repo record.Repository, ref record.Ref) (*board, error) {
	key := boardKey(repo, ref)
	if b, ok := p.work.boards[key]; ok {
		return b, nil
	}
	b, ok := p.boards.get(key)
	if ok {
		b = b.clone()
	} else {
		text, err := p.store.get(partition, key)
		if err != nil {
			return nil, err
		}
		b = new(board)
		if text != nil {
			if b, err = decodeBoard(text, repo); err != nil {
				return nil, err
			}
		}
	}
	p.work.boards[key] = b
	p.work.home[key] = partition
	return b, nil
}

// entries returns what the transaction at hand changes, as the changelog has
// it, in the order of the keys. Their values lie in room.
func (p *projection) entries(room *slab) ([]entry, error) {
	changes := slices.Sorted(maps.Keys(p.work.changes))
	boards := slices.Sorted(maps.Keys(p.work.boards))
	out := make([]entry, len(changes)+len(boards), len(p.work.home))
	err := parallel(len(out), func(i int) error {
		var err error
		if i < len(changes) {
			id := changes[i]
			out[i].key = changeKey(id)
			out[i].value = room.append(32<<10, func(b []byte) []byte {
				b, err = p.work.changes[id].append(b)
				return b
			})
		} else {
			out[i].key = boards[i-len(changes)]
			out[i].value = room.append(8<<10, func(b []byte) []byte {
				b, err = p.work.boards[out[i].key].append(b)
				return b
			})
		}
		out[i].partition = p.work.home[out[i].key]
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(p.work.small)) {
		out = append(out, entry{p.work.home[key], key, p.work.small[key]})
	}
	return out, nil
}

// commit makes what the transaction changed the content of the store.
func (p *projection) commit(entries []entry, next map[int32]int64) error {
	if err := p.store.write(entries, next); err != nil {
		return err
	}
	for _, e := range entries {
		if e.value == nil {
			p.boards.drop(e.key)
		}
	}
	for id, c := range p.work.changes {
		p.changes.put(changeKey(id), c)
	}
	for key, b := range p.work.boards {
		p.boards.put(key, b)
	}
	p.reset()
	return nil
}

// restore applies entries that another wrote. What was cached may be old.
func (p *projection) restore(entries []entry, partition int32, next int64) error {
	for _, e := range entries {
		p.changes.drop(e.key)
		p.boards.drop(e.key)
	}
	return p.store.write(entries, map[int32]int64{partition: next})
}
