package record

import (
	"slices"
	"strings"
)

// MaxFacts is how many facts of one kind a change, or one ref, holds of one sender. It is
// for senders that flood; what is beyond it is counted. The actions of a run
// stay counted where the fact that named the run is left out later.
const MaxFacts = 10_000

// maxLinks is how many runs may be linked to one commit.
const maxLinks = 1_000

// FirstLinks sorts runs, takes out repeats and keeps as many as are looked at.
func FirstLinks(runs []Ref) []Ref {
	slices.Sort(runs)
	runs = slices.Compact(runs)
	return runs[:min(len(runs), maxLinks)]
}

// A List holds facts in order, each once. What it holds is a function of the set of
// facts that were added, whatever their order. Of facts that decide nothing, as
// comments, it keeps the newest of each person; of each kind and sender it keeps as many as
// a limit allows.
type List struct {
	Events     []Event
	Superseded int64
	LeftOut    int64
	Lost       int64 // those left out that somebody saw who can know it
}

// Add adds e, a fact that was not added before. It returns the fact for which e stands
// from now on, or e itself where a newer one stands for it, and whether there is one.
func (l *List) Add(e Event, limit int) (superseded Event, ok bool) {
	at, _ := slices.BinarySearchFunc(l.Events, e, compareFull)
	if old := l.standing(e); old >= 0 {
		l.Superseded++
		if old >= at {
			return e, true
		}
		superseded, ok = l.Events[old], true
		l.Events = slices.Delete(l.Events, old, old+1)
		at--
	}
	l.Events = slices.Insert(l.Events, at, e)
	if len(l.Events) > limit {
		l.cut(e, limit)
	}
	return superseded, ok
}

// standing returns where the fact is that has the slot of e, -1 where there is none.
func (l *List) standing(e Event) int {
	if !decidesNothing(e) {
		return -1
	}
	return slices.IndexFunc(l.Events, func(o Event) bool { return sameSlot(e, o) })
}

// cut leaves out one fact of the kind and the sender of e, where that sender has more than
// limit of that kind: what one sender tells takes no place from what another does. Of what
// was observed the oldest goes. Of all else, which may be dated as its sender likes, the one
// that arrived last goes: nobody takes back what they said by saying more.
func (l *List) cut(e Event, limit int) {
	n, out, decides := 0, -1, !decidesNothing(e)
	for i, o := range l.Events {
		if o.Type != e.Type || o.Sender != e.Sender || o.witness() != e.witness() || decides == decidesNothing(o) {
			continue
		}
		if n++; out < 0 || e.Witness != Observed && l.Events[out].CompareArrival(o) < 0 {
			out = i
		}
	}
	if n <= limit {
		return
	}
	l.Events = slices.Delete(l.Events, out, out+1)
	switch {
	case !decides:
		l.Superseded++
	case canKnow(e.Witness):
		l.Lost++
		fallthrough
	default:
		l.LeftOut++
	}
}

// decidesNothing reports whether no judgement depends on e where a newer fact says the same.
func decidesNothing(e Event) bool {
	switch f := e.Fact.(type) {
	case *Review:
		return f.Verdict == "commented"
	case *Noted:
		return true
	}
	return false
}

// sameSlot reports whether the newer one of two facts that decide nothing stands for both:
// comments of one person, notes about one commit or artifact, as one sender tells them.
func sameSlot(a, b Event) bool {
	if a.Sender != b.Sender || a.witness() != b.witness() {
		return false
	}
	switch f := a.Fact.(type) {
	case *Review:
		o, ok := b.Fact.(*Review)
		return ok && decidesNothing(b) && f.Reviewer == o.Reviewer
	case *Noted:
		o, ok := b.Fact.(*Noted)
		return ok && strings.EqualFold(f.CommitSHA, o.CommitSHA) && f.Artifact == o.Artifact
	}
	return false
}
