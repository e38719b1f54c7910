package enricher

import (
	"slices"
	"strings"
)

// A transaction is what a batch changes of the state, over the store. It becomes the
// store's content when the batch is committed.
type transaction struct {
	store   *store
	entries []entry     // in the order in which they were first written; no value: deleted
	at      map[key]int // their places
	under   map[key]int // the place of the last entry with a prefix, of kinds that are listed
	before  []int       // of each entry, the place of the one before with its prefix; -1: none
	bytes   int         // of the values, those written over among them
	room    *slab       // of the values
}

func (t *transaction) reset(room *slab) {
	clear(t.entries)
	t.at, t.under = emptied(t.at), emptied(t.under)
	t.entries, t.before, t.bytes, t.room = t.entries[:0], t.before[:0], 0, room
}

// emptied returns an empty map: m again unless it is large, since emptying it takes time that
// grows with the room that it has.
func emptied(m map[key]int) map[key]int {
	if m == nil || len(m) > 1<<16 {
		return make(map[key]int)
	}
	clear(m)
	return m
}

// get returns the value of a key, or nil.
func (t *transaction) get(k key) ([]byte, error) {
	if i, ok := t.at[k]; ok {
		return t.entries[i].value, nil
	}
	return t.store.get(k)
}

// has reports whether the transaction has written a key.
func (t *transaction) has(k key) bool {
	_, ok := t.at[k]
	return ok
}

// put writes an entry; nil deletes it.
func (t *transaction) put(k key, value []byte) {
	t.bytes += len(value)
	if i, ok := t.at[k]; ok {
		t.entries[i].value = value
		return
	}
	i, before := len(t.entries), -1
	if len(k) > prefixSize && listed(k[4]) {
		prefix := k[:prefixSize]
		if last, ok := t.under[prefix]; ok {
			before = last
		}
		t.under[prefix] = i
	}
	t.at[k] = i
	t.entries, t.before = append(t.entries, entry{k, value}), append(t.before, before)
}

// listed reports whether entries of a kind are ever listed by their prefix.
func listed(kind byte) bool {
	return kind == kindFact || kind == kindRef || kind == kindMember || kind == kindSettled
}

// set writes an entry that has no value.
func (t *transaction) set(k key) { t.put(k, []byte{}) }

// list returns the entries with a prefix of prefixSize bytes, of a kind that is listed, in
// order; where until is given, up to those that go on with it.
func (t *transaction) list(prefix key, until string) ([]entry, error) {
	out, err := t.store.list(prefix, until)
	last, ok := t.under[prefix]
	if err != nil || !ok {
		return out, err
	}
	out = slices.DeleteFunc(out, func(e entry) bool { return t.has(e.key) })
	for i := last; i >= 0; i = t.before[i] {
		if x := t.entries[i]; x.value != nil && (until == "" || x.key[prefixSize:] < until) {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return out, nil
}
