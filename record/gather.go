package record

import "slices"

// Facts is all that the record of one change is made from.
type Facts struct {
	Own      []Event // facts about the change, actions aside
	Actions  Actions
	Evidence []Event // facts that name one of its commits, reports or findings
}

// Gather finds the facts of change id among the events of its repository, in
// whatever order and however often they stand there. It is the definition of
// what the enricher keeps up to date event by event.
func Gather(id ChangeID, events []Event) Facts {
	var f Facts
	seen := make(map[string]bool, len(events))
	distinct := make([]Event, 0, len(events))
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, compareFull)
	for _, e := range sorted {
		if account := e.Account(); !seen[account] {
			seen[account] = true
			distinct = append(distinct, e)
		}
	}
	told := make(map[string]Told)
	for _, e := range distinct {
		if e.Change != id {
			continue
		}
		switch fact := e.Fact.(type) {
		case *Action:
			told[e.Key()] = f.Actions.Add(e, fact, told[e.Key()])
		case *Scan:
			own := e
			own.Fact = fact.only(nil)
			f.Own = append(f.Own, own)
		default:
			f.Own = append(f.Own, e)
		}
	}
	f.Own = Keep(f.Own)
	adopted := make(map[string]bool)
	for {
		looks := Looks(f.Own)
		f.Evidence = nil
		for _, e := range distinct {
			for _, p := range Postings(e) {
				if holds(looks, p.Ref) {
					f.Evidence = append(f.Evidence, p.Event)
				}
			}
		}
		f.Evidence = KeepEvidence(f.Own, f.Evidence)
		runs := runsAround(f, distinct, looks)
		more := false
		for _, e := range distinct { // a decision may lead to more of its run, by another name of that
			if _, ok := e.Fact.(*Decision); ok && e.Change == "" && !adopted[e.Key()] && holds(runs, RunRefs(e)...) {
				adopted[e.Key()], more = true, true
				f.Own = append(f.Own, e.About(id))
			}
		}
		if !more {
			gatherActions(&f, distinct, looks, runs, told)
			return f
		}
		f.Own = Keep(f.Own)
	}
}

// runsAround are the runs of a change, and those of the actions that name one of its
// commits.
func runsAround(f Facts, distinct []Event, looks []Ref) []Ref {
	runs := Runs(f)
	for _, e := range distinct {
		if holds(looks, ActionRefs(e)...) {
			runs = append(runs, RunRefs(e)...)
		}
	}
	slices.Sort(runs)
	return runs
}

// holds reports whether sorted refs hold any of others.
func holds(sorted []Ref, others ...Ref) bool {
	return slices.ContainsFunc(others, func(r Ref) bool {
		_, ok := slices.BinarySearch(sorted, r)
		return ok
	})
}

// gatherActions counts in the actions that name no change: those that name one of
// its commits, and those of its runs.
func gatherActions(f *Facts, distinct []Event, looks, runs []Ref, told map[string]Told) {
	for _, e := range distinct {
		refs := ActionRefs(e)
		if a, ok := e.Fact.(*Action); ok && e.Change == "" && (holds(looks, refs...) || holds(runs, refs...)) {
			told[e.Key()] = f.Actions.Add(e, a, told[e.Key()])
		}
	}
}
