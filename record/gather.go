package record

import (
	"slices"
	"time"
)

// Facts is everything from which the record of one change is made.
type Facts struct {
	Own      []Event // facts about the change, except actions
	Actions  Actions
	Evidence []Event // facts that name one of its commits, reports or findings

	Superseded int64 // own facts that a newer one replaced: see [List]
	LeftOut    int64 // facts beyond the limit of a list
	Lost       int64 // those of them from a witness who can know it

	Names  []Repository // the names of the repository if it has several: see [NamesOf]
	PartOf ChangeID     // the same change under the other name of its repository
}

// An Index finds the facts of one repository by what they name. Callers must not change a list
// that it returns.
type Index interface {
	// Own returns the facts about a change, except actions.
	Own(ChangeID) (*List, error)
	// Under returns the facts that are posted under a ref, except actions.
	Under(Ref) (*List, error)
	// Linked returns the runs that are linked to a commit (see [Links]), sorted.
	Linked(Ref) ([]Ref, error)
}

// Gather finds the facts of change id among the events of its repository, in any order and with
// any repeats. It defines what the enricher keeps up to date event by event.
func Gather(id ChangeID, events []Event) Facts { return GatherWithin(id, events, MaxFacts) }

// GatherWithin is [Gather] with another limit for the facts of one kind.
func GatherWithin(id ChangeID, events []Event, limit int) Facts {
	s := newMemory(events, limit)
	f, refs, _ := Find(id, s) // an index in memory does not fail
	f.Names = NamesOf(id.Repository(), events)
	outcomes := make(map[string]Outcomes)
	for _, e := range s.actions {
		if e.Change == id || e.Change == "" && containsAny(refs, ActionRefs(e)...) {
			outcomes[e.Key()] = f.Actions.Add(e, e.Fact.(*Action), outcomes[e.Key()])
		}
	}
	return f
}

// Find returns the facts of a change, except actions, and the sorted refs under which it looked
// for them. A fact that is posted under none of these refs changes nothing. The actions of the
// change are those that name it, and those that name no change and are found under one of refs.
func Find(id ChangeID, ix Index) (f Facts, refs []Ref, err error) {
	own, err := ix.Own(id)
	if err != nil {
		return f, nil, err
	}
	f = Facts{Own: own.Events, Superseded: own.Superseded, LeftOut: own.LeftOut, Lost: own.Lost}
	for {
		fresh := missing(slices.Concat(looks(f.Own), runs(f), befores(f)), refs, nil)
		for i := 0; i < len(fresh); i++ { // linked runs are appended
			if fresh[i].IsCommit() {
				linked, err := ix.Linked(fresh[i])
				if err != nil {
					return f, nil, err
				}
				fresh = append(fresh, missing(linked, refs, fresh)...)
			}
			under, err := ix.Under(fresh[i])
			if err != nil {
				return f, nil, err
			}
			f.addUnder(id, fresh[i], under)
		}
		if len(fresh) == 0 {
			return f.sorted(own), refs, nil
		}
		refs = append(refs, fresh...)
		slices.Sort(refs)
	}
}

// missing returns the members of refs, each once, that are neither in known, which is sorted, nor
// in fresh, which is short.
func missing(refs, known, fresh []Ref) []Ref {
	slices.Sort(refs)
	refs = slices.Compact(refs)
	return slices.DeleteFunc(refs, func(r Ref) bool {
		_, ok := slices.BinarySearch(known, r)
		return ok || slices.Contains(fresh, r)
	})
}

// addUnder adds what is posted under a ref: decisions of a run are facts about the change,
// everything else is evidence.
func (f *Facts) addUnder(id ChangeID, ref Ref, under *List) {
	f.LeftOut, f.Lost = f.LeftOut+under.LeftOut, f.Lost+under.Lost
	if ref.Run() == "" {
		f.Evidence = append(f.Evidence, under.Events...)
		return
	}
	if len(under.Events) > 0 {
		f.Own = slices.Clip(f.Own) // the index owns the array
	}
	for _, e := range under.Events {
		f.Own = append(f.Own, e.About(id))
	}
}

// sorted sorts f and removes facts that were found by several refs.
func (f Facts) sorted(own *List) Facts {
	if len(f.Own) > len(own.Events) {
		slices.SortFunc(f.Own, compareFull)
		f.Own = slices.CompactFunc(f.Own, sameFact)
	}
	slices.SortFunc(f.Evidence, compareFull)
	f.Evidence = slices.CompactFunc(f.Evidence, sameFact)
	return f
}

// A memoryIndex is an [Index] over events in memory.
type memoryIndex struct {
	limit   int
	own     map[ChangeID]*List
	posted  map[Ref]*List
	linked  map[Ref][]Ref
	actions []Event
}

func newMemory(events []Event, limit int) *memoryIndex {
	s := &memoryIndex{limit: limit, own: make(map[ChangeID]*List), posted: make(map[Ref]*List), linked: make(map[Ref][]Ref)}
	for _, e := range firstOfEach(events) {
		s.add(e)
	}
	return s
}

// firstOfEach returns the first event of each identity, in the order of arrival. An event is marked
// as altered if its sender later sent other content under its identity.
func firstOfEach(events []Event) []Event {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, Event.CompareArrival)
	seen, acted := make(map[string]int, len(events)), make(map[string]bool)
	out := sorted[:0]
	for _, e := range sorted {
		about := "\x00" + string(e.Change)
		if at, known := seen[e.ReportKey()+about]; known {
			out[at].Altered = out[at].Altered || out[at].Digest != e.Digest
			continue
		}
		if e.Change != "" && !MultiReport(e) && acted[e.Key()+about] {
			continue
		}
		seen[e.ReportKey()+about] = len(out)
		if _, action := e.Fact.(*Action); action {
			acted[e.Key()+about] = true
		}
		out = append(out, e)
	}
	return out
}

func (s *memoryIndex) add(e Event) {
	if commit, runs := Links(e); commit != "" {
		s.linked[commit] = append(s.linked[commit], runs...)
	}
	if _, ok := e.Fact.(*Action); ok {
		s.actions = append(s.actions, e)
		return
	}
	if e.Change != "" {
		addTo(s.own, e.Change, e.AsOwn(), s.limit)
	}
	for _, p := range append(Postings(e), FindingPostings(e, func(Ref) bool { return true })...) {
		addTo(s.posted, p.Ref, p.Event, s.limit)
	}
}

func addTo[K comparable](lists map[K]*List, k K, e Event, limit int) {
	if lists[k] == nil {
		lists[k] = new(List)
	}
	lists[k].Add(e, limit)
}

func (s *memoryIndex) Own(id ChangeID) (*List, error) {
	return orNone(s.own[id]), nil
}

func (s *memoryIndex) Under(r Ref) (*List, error) {
	return orNone(s.posted[r]), nil
}

func (s *memoryIndex) Linked(r Ref) ([]Ref, error) {
	return FirstLinks(s.linked[r]), nil
}

func orNone(l *List) *List {
	if l == nil {
		return new(List)
	}
	return l
}

// containsAny reports whether the sorted refs contain any of others.
func containsAny(sorted []Ref, others ...Ref) bool {
	return slices.ContainsFunc(others, func(r Ref) bool {
		_, ok := slices.BinarySearch(sorted, r)
		return ok
	})
}

// HeadSince returns when a commit was first observed to be the newest one of the change, by the
// clock of who observed it; zero if nobody did.
func (f Facts) HeadSince(head string) (since time.Time) {
	if head == "" {
		return since
	}
	for _, e := range f.Own {
		of := revisionOf(e.Fact)
		if of != nil && e.Witness == Observed && SameCommit(of.HeadSHA, head) && (since.IsZero() || e.Time.Before(since)) {
			since = e.Time
		}
	}
	return since
}
