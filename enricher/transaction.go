package enricher

import (
	"slices"
	"strings"
)

// A transaction is the changes of a batch to the state, on top of the store. They are written to
// the store when the batch is committed.
type transaction struct {
	store   *store
	entries []entry     // in the order in which they were first written; nil value: deleted
	at      map[key]int // the indexes of the entries
	under   map[key]int // the index of the last entry with a prefix, for kinds that are listed
	before  []int       // for each entry the index of the previous entry with its prefix; -1: none
	bytes   int         // of the values, including overwritten ones
	arena   *arena      // of the values
}

func (t *transaction) reset(arena *arena) {
	clear(t.entries)
	t.at, t.under = emptied(t.at), emptied(t.under)
	t.entries, t.before, t.bytes, t.arena = t.entries[:0], t.before[:0], 0, arena
}

// emptied returns an empty map. It uses m again unless m is large, since clearing a map takes
// time that grows with its capacity.
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

// put writes an entry; a nil value deletes it.
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

// listed reports whether entries of a kind are listed by their prefix.
func listed(kind byte) bool {
	return kind == kindFact || kind == kindRef || kind == kindMember || kind == kindSettled
}

// set writes an entry with an empty value.
func (t *transaction) set(k key) { t.put(k, []byte{}) }

// list returns the entries with a prefix of prefixSize bytes in order, for kinds that are listed.
// If until is given, it stops at the first key whose rest is not below until.
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
