package record

import (
	"maps"
	"slices"
	"strings"
)

// A Lead says that whoever finds an event also looks under a ref. An index that stores documents
// instead of facts follows leads where [Find] reads facts. Both find the same events.
type Lead struct {
	// From says who follows the lead: [FromOwn] the change that the event is about, a ref those
	// who look under it, and empty whoever finds the event.
	From Ref `json:"from,omitempty" index:"none"`
	To   Ref `json:"to" index:"none"`
}

// FromOwn marks leads that only the change itself follows.
const FromOwn Ref = "change"

// linkRef returns the ref under which an action of one change is found if its commit is also a
// commit of another. It leads the other change to the run, but does not make the action an event
// of that change.
func linkRef(commit Ref) Ref { return "link:" + commit }

// RunRef returns the ref of a run, by one of its names.
func RunRef(name string) Ref { return runRef(name) }

// Refs returns the sorted refs under which changes that e does not name find it.
func Refs(e Event) []Ref {
	var out []Ref
	for _, p := range Postings(e) {
		out = append(out, p.Ref)
	}
	if f, ok := e.Fact.(*Scan); ok { // like [FindingPostings], without the postings
		for _, finding := range f.Findings {
			for _, name := range finding.Names() {
				out = append(out, findingRef(name))
			}
		}
	}
	out = append(out, ActionRefs(e)...)
	if commit, _ := Links(e); commit != "" && e.Change != "" {
		out = append(out, linkRef(commit))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Leads returns the leads of e, in order.
func Leads(e Event) []Lead {
	var out []Lead
	add := func(from Ref, to ...Ref) {
		for _, r := range to {
			out = append(out, Lead{from, r})
		}
	}
	from := FromOwn
	if e.Change == "" {
		from = "" // a decision that names no change belongs to each change that finds it
	}
	switch f := e.Fact.(type) {
	case *Decision:
		add(from, looks([]Event{e})...)
		add(from, RunRefs(e)...)
	case *Pushed:
		if e.Change != "" {
			add(FromOwn, looks([]Event{e})...)
		}
		for _, c := range f.Commits {
			from := commitRef(c.SHA)
			if !f.Default {
				from = "" // the whole push belongs to the change
			}
			for _, run := range runsOf(c.Trailers) {
				add(from, runRef(run))
				if f.Default && e.Change != "" {
					add(FromOwn, runRef(run))
				}
			}
		}
	case *Action:
		if commit, runs := Links(e); commit != "" {
			add(commit, runs...)
		}
	default:
		if e.Change != "" {
			add(FromOwn, looks([]Event{e})...)
		}
	}
	slices.SortFunc(out, func(a, b Lead) int {
		if c := strings.Compare(string(a.From), string(b.From)); c != 0 {
			return c
		}
		return strings.Compare(string(a.To), string(b.To))
	})
	return slices.Compact(out)
}

// A Found is an event as an index of documents shows it: its id there, whether it names the
// change, and its leads.
type Found struct {
	ID    string
	Own   bool
	Leads []Lead
}

// Follow returns the sorted refs under which the events of a change are found. It begins with the
// events that name the change; under returns the events under refs.
func Follow(own []Found, under func([]Ref) ([]Found, error)) ([]Ref, error) {
	looked, seen := make(map[Ref]bool), make(map[string]bool)
	var known []Found
	take := func(more []Found) {
		for _, f := range more {
			if !seen[f.ID] {
				seen[f.ID] = true
				known = append(known, f)
			}
		}
	}
	take(own)
	for {
		fresh := freshLeads(known, looked)
		if len(fresh) == 0 {
			break
		}
		ask := fresh
		for _, r := range fresh {
			looked[r] = true
			if r.IsCommit() {
				ask = append(ask, linkRef(r))
			}
		}
		more, err := under(ask)
		if err != nil {
			return nil, err
		}
		take(more)
	}
	return slices.Sorted(maps.Keys(looked)), nil
}

// freshLeads returns the refs to which known events lead and under which nothing was looked up
// yet.
func freshLeads(known []Found, looked map[Ref]bool) (fresh []Ref) {
	for _, f := range known {
		for _, l := range f.Leads {
			open := l.From == "" || l.From == FromOwn && f.Own || looked[l.From]
			if open && !looked[l.To] {
				fresh = append(fresh, l.To)
			}
		}
	}
	slices.Sort(fresh)
	return slices.Compact(fresh)
}
