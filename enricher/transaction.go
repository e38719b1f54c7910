package enricher

import (
	"slices"
	"strings"
)

// A transaction is what a batch changes of the state, over the store. It becomes the
// store's content when the batch is committed.
type transaction struct {
	store  *store
	values map[key][]byte // nil: deleted
	keys   []key          // of values, in the order in which they were first written
	under  map[key][]key  // the same, by their prefix
	bytes  int            // of the values, those written over among them
	room   *slab          // of the values
}

func (t *transaction) reset(room *slab) {
	t.values, t.under = make(map[key][]byte, len(t.keys)), make(map[key][]key, len(t.keys))
	t.keys, t.bytes, t.room = t.keys[:0], 0, room
}

// get returns the value of a key, or nil.
func (t *transaction) get(k key) ([]byte, error) {
	if v, ok := t.values[k]; ok {
		return v, nil
	}
	return t.store.get(k)
}

// put writes an entry; nil deletes it.
func (t *transaction) put(k key, value []byte) {
	if _, ok := t.values[k]; !ok {
		t.keys = append(t.keys, k)
		if len(k) > prefixSize {
			t.under[k[:prefixSize]] = append(t.under[k[:prefixSize]], k)
		}
	}
	t.values[k] = value
	t.bytes += len(value)
}

// set writes an entry that has no value.
func (t *transaction) set(k key) { t.put(k, []byte{}) }

// list returns the entries with a prefix of prefixSize bytes, in order; where until is
// given, up to those that go on with it.
func (t *transaction) list(prefix key, until string) ([]entry, error) {
	out, err := t.store.list(prefix, until)
	fresh := t.under[prefix]
	if err != nil || len(fresh) == 0 {
		return out, err
	}
	out = slices.DeleteFunc(out, func(e entry) bool { _, here := t.values[e.key]; return here })
	for _, k := range fresh {
		if v := t.values[k]; v != nil && (until == "" || k[prefixSize:] < until) {
			out = append(out, entry{k, v})
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return out, nil
}

// entries returns what was written, in the order in which it was written first.
func (t *transaction) entries() []entry {
	out := make([]entry, len(t.keys))
	for i, k := range t.keys {
		out[i] = entry{k, t.values[k]}
	}
	return out
}
