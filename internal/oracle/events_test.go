package oracle

import (
	"iter"
	"maps"
	"slices"

	"github.com/changetrail/changetrail/record"
)

// A set is the names that are true.
type set map[string]bool

func (s set) add(names ...string) {
	for _, n := range names {
		s[n] = true
	}
}

// claim adds names that are only claimed to be true.
func (s set) claim(names ...string) {
	for _, n := range names {
		if !s[n] {
			s[n] = false
		}
	}
}

// those returns the names that are true.
func those(names set) []string {
	maps.DeleteFunc(names, func(_ string, is bool) bool { return !is })
	return slices.Collect(maps.Keys(names))
}

// is reports whether an event states an F.
func is[F record.Fact](e record.Event) bool {
	_, ok := e.Fact.(F)
	return ok
}

// facts yields the events that state an F, with what they state.
func facts[F record.Fact](events []record.Event) iter.Seq2[record.Event, F] {
	return func(yield func(record.Event, F) bool) {
		for _, e := range events {
			if f, ok := e.Fact.(F); ok && !yield(e, f) {
				return
			}
		}
	}
}

// revision returns what an event says about the change as a whole.
func revision(e record.Event) record.Revision {
	switch f := e.Fact.(type) {
	case *record.Opened:
		return f.Revision
	case *record.Updated:
		return f.Revision
	case *record.Merged:
		return f.Revision
	case *record.Closed:
		return f.Revision
	}
	return record.Revision{}
}

// merge returns what an event says about the merge.
func merge(e record.Event) record.Merged {
	if m, ok := e.Fact.(*record.Merged); ok {
		return *m
	}
	return record.Merged{}
}
