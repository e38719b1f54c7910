package record

import (
	"slices"
	"strings"
)

// MaxFacts is how many facts of one kind a change or a ref keeps from one sender. It protects
// against senders that flood; facts beyond it are counted. The actions of a run stay counted even
// if the fact that named the run is left out later.
const MaxFacts = 10_000

// maxLinks is how many runs may be linked to one commit.
const maxLinks = 1_000

// FirstLinks sorts runs, removes repeats and returns as many as are used.
func FirstLinks(runs []Ref) []Ref {
	slices.Sort(runs)
	runs = slices.Compact(runs)
	return runs[:min(len(runs), maxLinks)]
}

// A List contains facts in order, each once. Its content depends only on the set of facts that
// were added, not on their order. Of facts that decide nothing, such as comments, it keeps the
// newest of each person. For each kind and sender it keeps as many facts as a limit allows.
type List struct {
	Events     []Event
	Superseded int64
	LeftOut    int64
	Lost       int64 // those of them from a witness who can know it
}

// Add adds e, a fact that was not added before. It returns the fact that e replaces, or e itself
// if a newer fact replaces it, and whether there is one.
func (l *List) Add(e Event, limit int) (superseded Event, ok bool) {
	at, _ := slices.BinarySearchFunc(l.Events, e, compareFull)
	if old := l.slotOf(e); old >= 0 {
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

// slotOf returns the index of the fact in the same slot as e, or -1.
func (l *List) slotOf(e Event) int {
	if !decidesNothing(e) {
		return -1
	}
	return slices.IndexFunc(l.Events, func(o Event) bool { return sameSlot(e, o) })
}

// cut leaves out one fact of the kind and the sender of e if that sender has more than limit of
// that kind, so that one sender cannot displace the facts of another. Of observed facts it drops
// the oldest. Of all others, whose dates their sender can choose, it drops the one that arrived
// last: nobody can withdraw a statement by sending more.
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

// decidesNothing reports whether no answer depends on e once a newer fact says the same.
func decidesNothing(e Event) bool {
	switch f := e.Fact.(type) {
	case *Review:
		return f.Verdict == "commented"
	case *Activity:
		return true
	}
	return false
}

// sameSlot reports whether the newer one of two facts that decide nothing replaces the other:
// comments of one account, or notes about one commit or artifact, from one sender. A comment that
// states the number of the account does not give way to one that does not: the number tells which
// names are one person.
func sameSlot(a, b Event) bool {
	if a.Sender != b.Sender || a.witness() != b.witness() {
		return false
	}
	switch f := a.Fact.(type) {
	case *Review:
		o, ok := b.Fact.(*Review)
		return ok && decidesNothing(b) && f.Reviewer == o.Reviewer && f.ReviewerID == o.ReviewerID
	case *Activity:
		o, ok := b.Fact.(*Activity)
		return ok && strings.EqualFold(f.CommitSHA, o.CommitSHA) && f.Artifact == o.Artifact
	}
	return false
}
