package enricher

import (
	"maps"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A projection stores the facts of a partition's repositories so that they are found again: each
// under its change or its repository, and by reference under what it names. The facts of a change
// are what [record.Find] finds there. [record.Gather] would find the same among all events so
// far.
type projection struct {
	*codec
	store *store
	limit int // the greatest number of facts of one kind in a list

	upgraded map[int32]formerMark  // by partition, once it was asked for
	names    map[nameAt]*nameState // with the changes of the transaction

	// What was read from the store, with the changes of the transaction.
	lists   *cache[*factList]    // facts of changes, by prefix
	refs    *cache[*refState]    // by prefix
	changes *cache[*changeState] // by the key of the head

	tx               *transaction
	dirty, dirtyRefs []key                            // lists and refs that the transaction changed
	dirtyNames       []nameAt                         // names that the transaction changed
	open             map[record.ChangeID]*changeState // changes that the transaction read
	touched          map[record.ChangeID]*touch       // changes whose record may differ
	named            map[record.RunNamed]bool         // runs that a repository names for the first time
}

// A factList is a list of facts without their stored forms, and the memory that it uses.
type factList struct {
	record.List
	known map[string][]byte // the identities of the facts of a change, by their suffix in keys
	bytes int
}

func (l *factList) weight() int { return l.bytes }

// An arrival is where and when an event arrived, and its trace context.
type arrival struct {
	partition int32
	at        time.Time
	trace     []byte
}

// A touch says why a record is folded again.
type touch struct {
	partition int32
	newest    time.Time // of the events that touched it
	trace     []byte    // trace context of the last of them
	again     bool      // send the record even if nothing in it changed
}

// An admission says what happened to an event.
type admission int

const (
	fresh    admission = iota // never seen before
	repeat                    // seen before, the same
	conflict                  // its identity was seen before, with other content
)

// How much a generation of the caches holds, in estimated bytes. The actual memory is several
// times as large.
const (
	listBytes   = 6 << 20
	refBytes    = 6 << 20
	changeBytes = 3 << 20
)

func newProjection(s *store) (*projection, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	p := &projection{
		codec: c, store: s, limit: record.MaxFacts, lists: newCache[*factList](listBytes), refs: newCache[*refState](refBytes), changes: newCache[*changeState](changeBytes),
		tx: &transaction{store: s}, upgraded: make(map[int32]formerMark), names: make(map[nameAt]*nameState),
	}
	p.begin(new(arena))
	return p, nil
}

// begin begins a transaction. Its values are written into arena.
func (p *projection) begin(arena *arena) {
	p.tx.reset(arena)
	p.dirty, p.dirtyRefs, p.dirtyNames = p.dirty[:0], p.dirtyRefs[:0], p.dirtyNames[:0]
	p.open = make(map[record.ChangeID]*changeState)
	p.touched = make(map[record.ChangeID]*touch)
	p.named = make(map[record.RunNamed]bool)
}

// rollback drops what the transaction changed.
func (p *projection) rollback() {
	for _, k := range p.dirty {
		p.lists.drop(k)
	}
	for _, k := range p.dirtyRefs {
		p.refs.drop(k)
	}
	for _, at := range p.dirtyNames {
		delete(p.names, at)
	}
	for _, c := range p.open {
		p.changes.drop(c.key)
	}
	p.begin(p.tx.arena)
}

// admit adds e, unless it was added before.
func (p *projection) admit(from arrival, e record.Event) (admission, error) {
	if e.Arrived.IsZero() {
		e.Arrived = from.at.Truncate(time.Second)
	}
	if _, action := e.Fact.(*record.Action); action {
		return p.admitAction(from, e)
	}
	k := keyOf(from.partition, kindFact, ownerOf(e), suffix(e))
	if a, err := p.identify(from, k, e); a != fresh || err != nil {
		return a, err
	}
	return fresh, p.add(from, k, e)
}

// add adds a fact under its key and posts it under what it names.
func (p *projection) add(from arrival, k key, e record.Event) error {
	postings := record.Postings(e)
	switch {
	case e.Change != "":
		if err := p.addOwn(from, k, e); err != nil {
			return err
		}
	case len(postings) > 0:
		if err := p.putFact(k, classEvidence, e); err != nil {
			return err
		}
	default:
		p.tx.put(identityKey(k), appendIdentity(nil, e.Arrived, e.Digest))
	}
	for _, posting := range postings {
		if err := p.post(from, posting, "", nil); err != nil {
			return err
		}
	}
	if f, ok := e.Fact.(*record.Scan); ok {
		return p.postFindings(from, e, f)
	}
	return nil
}

// suffix returns the name of a fact in keys. It contains the change, since facts of two changes
// may be posted under one ref.
func suffix(e record.Event) string {
	n := nameOf(e.ReportKey())
	if e.Change != "" {
		n = nameOf(e.ReportKey(), string(e.Change))
	}
	return string(n[:])
}

// identityKey returns the key of the identity of a fact that is not kept.
func identityKey(fact key) key { return fact[:4] + string(rune(kindIdentity)) + fact[5:] }

// identityOf returns the identity of a fact that was added before, or nil.
func (p *projection) identityOf(partition int32, fact key, e record.Event) ([]byte, error) {
	if e.Change != "" {
		c, err := p.change(partition, e.Change)
		if err != nil {
			return nil, err
		}
		counted, err := p.countedAs(c, e)
		if err != nil {
			return nil, err
		}
		if counted != nil {
			return append(counted, make([]byte, identitySize-len(counted))...), nil // no digest equals it
		}
		return p.ownIdentity(c, fact)
	}
	known, err := p.tx.get(fact)
	if err != nil || known != nil {
		return known[min(arrivalAt, len(known)):], err
	}
	return p.tx.get(identityKey(fact))
}

// ownIdentity returns the identity of a fact about a change, except actions, or nil.
func (p *projection) ownIdentity(c *changeState, fact key) ([]byte, error) {
	own, err := p.own(c)
	if err != nil {
		return nil, err
	}
	if known, ok := own.known[fact[prefixSize:]]; ok || c.sums.Superseded == 0 {
		return known, nil
	}
	return p.tx.get(identityKey(fact))
}

// identify reports whether the fact with a key was added before, and with which content.
func (p *projection) identify(from arrival, fact key, e record.Event) (admission, error) {
	known, err := p.identityOf(from.partition, fact, e)
	if err != nil {
		return fresh, err
	}
	if known == nil && e.Sender != "" { // a former version did not distinguish senders
		e.Sender = ""
		fact = keyOf(from.partition, kindFact, ownerOf(e), suffix(e))
		if known, err = p.formerIdentity(from.partition, fact, e); err != nil {
			return fresh, err
		}
	}
	a := compared(known, e)
	return a, p.settleIdentity(from, entry{fact, known}, a, e)
}

// compared compares an event with the identity that was stored for it; known is nil if there is
// none.
func compared(known []byte, e record.Event) admission {
	switch {
	case known == nil:
		return fresh
	case sameDigest(known, e.Digest):
		return repeat
	}
	return conflict
}

func (p *projection) putFact(k key, class byte, e record.Event) error {
	var err error
	value := p.tx.arena.append(256+len(e.Stored), func(b []byte) []byte {
		b, err = p.appendFact(b, class, e)
		return b
	})
	p.tx.put(k, value)
	return err
}

// addOwn adds a fact about a change. If a newer fact replaces an older one, only the identity of
// the older one is kept.
func (p *projection) addOwn(from arrival, k key, e record.Event) error {
	c, err := p.change(from.partition, e.Change)
	if err != nil {
		return err
	}
	own, err := p.own(c)
	if err != nil {
		return err
	}
	if err := p.putFact(k, classOwn, e); err != nil {
		return err
	}
	own.known[k[prefixSize:]] = appendIdentity(nil, e.Arrived, e.Digest)
	if gone, ok := p.addTo(own, c.ownPrefix, e.AsOwn()); ok {
		old := keyOf(from.partition, kindFact, c.name, suffix(gone))
		p.tx.put(old, nil)
		p.tx.put(identityKey(old), appendIdentity(nil, gone.Arrived, gone.Digest))
		delete(own.known, old[prefixSize:])
		c.sums.Superseded++
		c.sumsChanged = true
	}
	if c.firstSeen.IsZero() {
		c.firstSeen = from.at
	}
	p.touch(from, e.Change, e.Time)
	return nil
}

// addTo adds a fact to a list in the cache.
func (p *projection) addTo(l *factList, prefix key, e record.Event) (superseded record.Event, ok bool) {
	p.dirty = append(p.dirty, prefix)
	p.lists.grow(weightOf(e))
	return p.insert(l, e)
}

func (p *projection) insert(l *factList, e record.Event) (superseded record.Event, ok bool) {
	l.bytes += weightOf(e)
	e.Stored = nil // the stored form is not needed in memory
	return l.Add(e, p.limit)
}

// weightOf estimates the memory that an event uses.
func weightOf(e record.Event) int { return 512 + 2*len(e.Stored) }

func (p *projection) touch(from arrival, id record.ChangeID, at time.Time) {
	t := p.touched[id]
	if t == nil {
		t = &touch{partition: from.partition}
		p.touched[id] = t
	}
	if at.After(t.newest) {
		t.newest = at
	}
	if from.trace != nil {
		t.trace = from.trace
	}
}

// own returns the facts about a change, except actions.
func (p *projection) own(c *changeState) (*factList, error) {
	if l, ok := p.lists.get(c.ownPrefix, (*factList).weight); ok {
		return l, nil
	}
	var entries []entry
	if !c.began { // otherwise there are no entries
		var err error
		if entries, err = p.tx.list(c.ownPrefix, ""); err != nil {
			return nil, err
		}
	}
	c.began = false
	l := &factList{List: record.List{Superseded: c.sums.Superseded}, known: make(map[string][]byte, len(entries))}
	events := make([]record.Event, len(entries))
	for i, x := range entries {
		var err error
		if events[i], err = p.decodeFact(x.value); err != nil {
			return nil, err
		}
		l.known[x.key[prefixSize:]] = slices.Clone(x.value[arrivalAt:factHead])
	}
	slices.SortFunc(events, record.Event.Compare) // so that each is added at the end
	for _, e := range events {
		p.insert(l, e.AsOwn())
	}
	p.lists.put(c.ownPrefix, l, l.bytes)
	p.dirty = append(p.dirty, c.ownPrefix) // it may contain what the transaction writes
	return l, nil
}

// entries returns the changes of the current transaction as entries of the changelog.
func (p *projection) entries() ([]entry, error) {
	for _, id := range slices.Sorted(maps.Keys(p.open)) {
		if err := p.save(p.open[id]); err != nil {
			return nil, err
		}
	}
	return p.tx.entries, nil
}

// commit writes the changes of the transaction to the store.
func (p *projection) commit(entries []entry, next map[int32]int64) error {
	if err := p.store.write(entries, next); err != nil {
		return err
	}
	p.begin(p.tx.arena)
	return nil
}

// restore applies entries that another enricher wrote. It drops the caches, which may be out of
// date.
func (p *projection) restore(entries []entry, partition int32, next int64) error {
	p.lists.clear()
	p.refs.clear()
	p.changes.clear()
	clear(p.upgraded)
	clear(p.names)
	p.begin(p.tx.arena)
	return p.store.write(entries, map[int32]int64{partition: next})
}
