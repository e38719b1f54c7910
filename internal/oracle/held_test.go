package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/changetrail/changetrail/record"
)

// A held is what is kept of a history that may be a flood: the first event of each identity, and
// as many of each kind as the limit allows. The reading itself has no limits.
type held struct {
	id      record.ChangeID
	limit   int
	events  []record.Event
	altered set  // identities under which their sender sent other content later
	leftOut bool // something about the change exceeds the limit
	lost    bool // and a witness who can know it had seen it
}

func hold(events []record.Event, id record.ChangeID, limit int) held {
	h := held{id: id, limit: limit, altered: make(set)}
	h.events = h.gather(h.first(events))
	maps.DeleteFunc(h.altered, func(key string, _ bool) bool {
		return !slices.ContainsFunc(h.events, func(e record.Event) bool { return e.Key() == key })
	})
	return h
}

// first returns the first event of each identity, and records who sent other content later.
func (h *held) first(events []record.Event) (out []record.Event) {
	first := make(map[string]record.Event)
	for _, e := range slices.SortedFunc(slices.Values(events), record.Event.CompareArrival) {
		f, ok := first[e.Key()]
		if !ok {
			first[e.Key()] = e
			out = append(out, e)
		} else if f.Digest != e.Digest && e.Change == h.id && f.Change == h.id && !is[*record.Action](f) {
			h.altered.add(e.Key())
		}
	}
	return out
}

// within leaves out what exceeds the limit of facts of one sender and kind that are found by one
// name: of observed facts the oldest, of all others the last to arrive.
func (h *held) within(events []record.Event, name string) (kept []record.Event) {
	held := make(map[string]int)
	slices.SortFunc(events, record.Event.CompareArrival)
	slices.SortStableFunc(events, func(a, b record.Event) int {
		if a.Witness == record.Observed && b.Witness == record.Observed {
			return b.Compare(a)
		}
		return cmp.Compare(a.Witness, b.Witness)
	})
	for _, e := range events {
		if !slices.Contains(found(e), name) {
			continue
		}
		kind := fmt.Sprint(e.Type, e.Sender, e.Witness)
		switch counted := !is[*record.Action](e) && !decidesNothing(e); {
		case counted && h.limit > 0 && held[kind] == h.limit:
			h.leftOut, h.lost = true, h.lost || counts(e)
			continue
		case counted:
			held[kind]++
		}
		kept = append(kept, e)
	}
	return kept
}

// gather returns what is found for the change: facts about it, the reports that its decisions
// name, and everything that is about no change. The histories have no flood of the latter.
func (h *held) gather(events []record.Event) []record.Event {
	kept := h.within(events, string(h.id))
	looked := make(set)
	for _, d := range facts[*record.Decision](kept) {
		if d.Trigger != nil {
			looked.add(d.Trigger.Digest, d.Trigger.ID, d.Trigger.Finding)
		}
	}
	for name := range looked {
		if name != "" {
			kept = append(kept, h.within(events, name)...)
		}
	}
	for _, e := range events {
		if e.Change != h.id && !is[*record.Scan](e) {
			kept = append(kept, e)
		}
	}
	slices.SortFunc(kept, record.Event.Compare)
	return slices.CompactFunc(kept, func(a, b record.Event) bool { return a.Key() == b.Key() })
}

// found returns the names by which an event is found.
func found(e record.Event) []string {
	s, ok := e.Fact.(*record.Scan)
	if e.Change != "" || !ok {
		return []string{string(e.Change)}
	}
	out := []string{s.Report.Digest, s.ScanID}
	for _, f := range s.Findings {
		out = append(out, f.Names()...)
	}
	return out
}
