package enricher

import (
	"bytes"

	"github.com/changetrail/changetrail/stream"
)

// A message of the changelog holds one entry, or a bundle: entries that are written
// together and whose keys differ little. The key of a bundle is that of its first entry,
// and its value
//
//	bundled   1 byte
//	value     of the first entry
//	members   each: its kind under the ref (1 byte; with cutMark if the mark of the owner is
//	          cut off its value), the name of the ref (16 bytes), the rest of its key, its value
//
// Each string follows its length. A bundle is one of
//
//	a fact, and the refs under which it is posted
//	refs under which one fact is posted
//	refs to which one change subscribes
//
// Kafka keeps the last message of each key, and forgets deletions after a while. So code that
// deletes the first entry of a bundle must delete all its entries, the first one first; and code
// that writes one entry of a bundle again must write all of them. That is simple for these
// entries: a fact is written once and is deleted with its postings, and a subscription is never
// deleted. Entries that are written again or deleted alone, such as heads, sums and counted
// actions, have a message of their own. The local store knows nothing of bundles.
const (
	bundled = 0xff // no other value of a fact or under a ref begins with it
	cutMark = 0x80
)

// maxBundled limits the bytes of the members of a bundle, so that no message is much larger than
// the event that caused it.
const maxBundled = 512

// A bundle collects members.
type bundle struct {
	at      int    // of the message
	first   entry  // nil value: no bundle is open
	shared  string // what the keys of its members share after their refs
	mark    []byte // of the owner of the fact
	members []byte
}

// messages returns entries as messages of a topic. It writes them into empty, which has space for
// one message per entry, and their bytes into arena.
func messages(topic string, entries []entry, empty []stream.Record, arena *arena) []*stream.Record {
	records := empty[:0]
	size := 0
	for _, x := range entries {
		size += len(x.key)
	}
	keys := arena.append(size, func(b []byte) []byte { return b[:len(b)+size] })
	var open bundle
	for _, x := range entries {
		if open.add(x) {
			continue
		}
		partition, k := partitionOf(x.key)
		n := copy(keys, k)
		records = append(records, stream.Record{Topic: topic, Partition: partition, Key: keys[:n:n], Value: x.value})
		keys = keys[n:]
		if shared := sharedOf(x); shared != "" {
			open.close(records, arena)
			open.open(len(records)-1, x, shared)
		}
	}
	open.close(records, arena)
	out := make([]*stream.Record, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	return out
}

// Offsets of the parts of a key under a ref.
const (
	refKindAt = prefixSize
	refRestAt = refKindAt + 1
)

// sharedOf returns what the keys of a bundle that begins with x share after their refs: the name
// of a fact or of a subscriber. It is empty if no bundle begins with x.
func sharedOf(x entry) string {
	size := len(name{})
	switch kind := x.key[4]; {
	case x.value == nil:
	case kind == kindFact && len(x.key) == prefixSize+size:
		return x.key[prefixSize:]
	case kind == kindRef && isPosting(x) && len(x.key) >= refRestAt+size:
		return x.key[refRestAt : refRestAt+size]
	case kind == kindRef && isSubscription(x):
		return x.key[refRestAt:]
	}
	return ""
}

func isPosting(x entry) bool {
	kind := x.key[refKindAt:refRestAt]
	return kind == refPosting || kind == refAction
}

// isSubscription reports whether an entry under a ref is the subscription of a change. Entries of
// repositories that name a run have a value, and they expire.
func isSubscription(x entry) bool {
	return x.key[refKindAt:refRestAt] == refSubscriber && len(x.value) == 0
}

func (b *bundle) open(at int, first entry, shared string) {
	*b = bundle{at: at, first: first, shared: shared, mark: appendMark(b.mark[:0], first), members: b.members[:0]}
}

// appendMark appends the mark of the owner that the postings of a fact have, if the first entry
// of the bundle shows it.
func appendMark(b []byte, first entry) []byte {
	switch v := first.value; {
	case len(v) == 0:
		return b
	case first.key[4] == kindRef:
		return append(b, v[:min(1+int(v[0]), len(v))]...)
	case v[0] == classOwn:
		return append(append(b, byte(len(name{}))), first.key[5:prefixSize]...)
	}
	return append(b, 0)
}

// add adds x to the open bundle if x is one of its members and there is space for it.
func (b *bundle) add(x entry) bool {
	if b.first.value == nil || x.value == nil || x.key[4] != kindRef || x.key[:4] != b.first.key[:4] || !b.fits(x) {
		return false
	}
	rest, value, kind := x.key[refRestAt+len(b.shared):], x.value, x.key[refKindAt]
	if len(b.members)+len(rest)+len(value)+len(name{})+8 > maxBundled {
		return false
	}
	if len(b.mark) > 0 && bytes.HasPrefix(value, b.mark) {
		kind, value = kind|cutMark, value[len(b.mark):]
	}
	b.members = append(append(b.members, kind), x.key[5:prefixSize]...)
	b.members = appendString(appendString(b.members, rest), value)
	return true
}

// fits reports whether x, an entry under a ref, has the kind of the members and the part of the
// key that they share.
func (b *bundle) fits(x entry) bool {
	if b.first.key[4] == kindRef && isSubscription(b.first) {
		return isSubscription(x) && x.key[refRestAt:] == b.shared
	}
	return isPosting(x) && len(x.key) >= refRestAt+len(b.shared) && x.key[refRestAt:refRestAt+len(b.shared)] == b.shared
}

// close writes the members into the message of the bundle.
func (b *bundle) close(records []stream.Record, arena *arena) {
	if len(b.members) > 0 {
		first := b.first.value
		records[b.at].Value = arena.append(len(first)+len(b.members)+8, func(v []byte) []byte {
			return append(appendString(append(v, bundled), first), b.members...)
		})
	}
	b.first.value, b.members = nil, b.members[:0]
}

// unbundle returns the entries of messages of a partition.
func unbundle(partition int32, messages []*stream.Record) ([]entry, error) {
	out := make([]entry, 0, len(messages))
	for _, m := range messages {
		var err error
		if out, err = appendEntries(out, ownKey(partition, string(m.Key)), m.Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendEntries appends the entries of a message.
func appendEntries(out []entry, k key, value []byte) ([]entry, error) {
	if len(value) == 0 || value[0] != bundled || len(k) <= prefixSize || k[4] != kindFact && k[4] != kindRef {
		return append(out, entry{k, value}), nil
	}
	r := &factReader{rest: value[1:]}
	first := entry{k, r.bytes()}
	if r.err != nil {
		return nil, r.err
	}
	shared, mark := sharedOf(first), appendMark(nil, first)
	out = append(out, first)
	for len(r.rest) > 0 {
		if len(r.rest) <= len(name{}) || shared == "" {
			return nil, errFact
		}
		kind, ref := r.rest[0], r.rest[1:1+len(name{})]
		r.rest = r.rest[1+len(name{}):]
		rest, member := r.bytes(), r.bytes()
		if r.err != nil {
			return nil, r.err
		}
		if kind&cutMark != 0 {
			member = append(bytes.Clone(mark), member...)
		}
		out = append(out, entry{k[:4] + string(rune(kindRef)) + string(ref) + string(rune(kind&^cutMark)) + shared + string(rest), member})
	}
	return out, nil
}
