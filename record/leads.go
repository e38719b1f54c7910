package record

import (
	"maps"
	"slices"
	"strings"
)

// A Lead says that whoever finds an event looks under a ref, too: an index that keeps
// documents and no facts follows leads where [Find] reads facts. Both find the same
// events.
type Lead struct {
	// From says for whom: [FromOwn] for the change that the event is about, a ref for
	// those who look under it, and empty for whoever finds the event.
	From Ref `json:"from,omitempty" index:"none"`
	To   Ref `json:"to" index:"none"`
}

// FromOwn is where the leads begin that only the change itself follows.
const FromOwn Ref = "change"

// linkRef is where an action of one change is found whose commit is another's, too: that
// leads the other change to the run, and makes the action no event of it.
func linkRef(commit Ref) Ref { return "link:" + commit }

// RunRef returns the ref of a run, by one of its names.
func RunRef(name string) Ref { return runRef(name) }

// Refs returns the refs under which e is found by changes that it does not name, sorted.
func Refs(e Event) []Ref {
	var out []Ref
	for _, p := range Postings(e) {
		out = append(out, p.Ref)
	}
	if f, ok := e.Fact.(*Scan); ok { // as [FindingPostings], without the postings
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

// Leads returns where e leads, in order.
func Leads(e Event) []Lead {
	var out []Lead
	add := func(from Ref, to ...Ref) {
		for _, r := range to {
			out = append(out, Lead{from, r})
		}
	}
	from := FromOwn
	if e.Change == "" {
		from = "" // a decision that names no change is one of each change that finds it
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
				from = "" // the whole push is the change's
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

// A Found is an event as an index of documents shows it: what it is called there, whether it
// names the change, and its leads.
type Found struct {
	ID    string
	Own   bool
	Leads []Lead
}

// Follow returns the refs under which the events of a change are found, sorted. It begins
// with the events that name the change; under returns what is found under refs.
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

// freshLeads returns the refs to which known events lead and under which nobody looked yet.
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
