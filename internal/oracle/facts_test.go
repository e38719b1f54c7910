package oracle

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// Skew is the allowance for clocks of docs/trust.md.
const skew = 2 * time.Minute

// A trial is one change before the judge.
type trial struct {
	id      record.ChangeID
	rules   rules // in force at the merge
	ofTime  bool  // the policy of that time is held
	events  []record.Event
	own     []record.Event   // about the change
	pushes  []*record.Pushed // observed, anywhere in the repository
	altered set
	shared  map[string]int // by source and id, how many senders there are; those about the change count 100

	merged   bool
	mergedAt time.Time
	host     string // who saw the change opened first
	unknown  bool   // who wrote the change is not known

	head, author string

	chain   []*record.Pushed  // the pushes that lead to the head, the newest first
	cut     bool              // one of them is
	numbers map[string]string // account → stable number
}

// A set holds the names that are true.
type set map[string]bool

func (s set) add(names ...string) {
	for _, n := range names {
		s[n] = true
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

// newTrial reads what docs/trust.md calls the attributes of a change.
func newTrial(events []record.Event, id record.ChangeID, w world) *trial {
	t := &trial{id: id, altered: make(set), shared: make(map[string]int), numbers: make(map[string]string)}
	t.admit(events)
	if last := t.last(is[*record.Merged]); last.Fact != nil {
		t.merged, t.mergedAt = true, stated(last)
	}
	t.rules, t.ofTime = w.at(t.mergedAt)
	t.head = best(t, func(r record.Revision) string { return r.HeadSHA })
	t.author = best(t, func(r record.Revision) string { return r.Author })
	t.chain = t.leadingTo(t.head)
	t.unknown = t.author == ""
	for _, p := range t.chain {
		t.cut = t.cut || p.Partial
		t.unknown = t.unknown || slices.ContainsFunc(p.Commits, func(c record.Commit) bool { return c.Author == "" && !c.Merge })
	}
	return t
}

// admit takes the first event of each identity, and notes who said something else
// later, and who used the source and id of another.
func (t *trial) admit(events []record.Event) {
	first := make(map[string]record.Event)
	for _, e := range slices.SortedFunc(slices.Values(events), record.Event.CompareArrival) {
		if f, ok := first[e.Key()]; ok {
			if f.Digest != e.Digest && e.Change == t.id && f.Change == t.id && !is[*record.Action](f) {
				t.altered.add(e.Key())
			}
			continue
		}
		first[e.Key()] = e
		t.events = append(t.events, e)
		if p, ok := e.Fact.(*record.Pushed); ok && e.Witness == record.Observed {
			t.pushes = append(t.pushes, p)
			if t.id == repository.Change("/commit/"+p.After) && p.Default { // it merged itself
				r := record.Revision{Author: p.Pusher, HeadSHA: p.After, Files: p.Files}
				e.Change, e.Fact = t.id, &record.Merged{Revision: r, MergeSHA: p.After, MergedBy: p.Pusher}
			}
		}
		weight := 1
		if e.Change == t.id {
			t.own, weight = append(t.own, e), 100
		}
		if !is[*record.Action](e) && !decidesNothing(e) {
			t.shared[e.Source+" "+e.ID] += weight
		}
	}
	slices.SortFunc(t.own, record.Event.Compare)
	if i := slices.IndexFunc(t.own, func(e record.Event) bool { return e.Witness == record.Observed && is[*record.Opened](e) }); i >= 0 {
		t.host = t.own[i].Sender
	}
	for _, e := range t.ranked(func(record.Event) bool { return true }) {
		if r, ok := e.Fact.(*record.Review); ok && r.ReviewerID != "" {
			t.numbers[strings.ToLower(r.Reviewer)] = r.ReviewerID
		} else if r := revision(e); r.AuthorID != "" {
			t.numbers[strings.ToLower(r.Author)] = r.AuthorID
		}
	}
}

// revision returns what an event says of the change as a whole.
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

// merge returns what an event says of the merge.
func merge(e record.Event) record.Merged {
	if m, ok := e.Fact.(*record.Merged); ok {
		return *m
	}
	return record.Merged{}
}

// ranked returns the observed statements about the change, the one that stands first
// at the end: those of the code host go after those of other platforms.
func (t *trial) ranked(wanted func(record.Event) bool) (out []record.Event) {
	for _, host := range []bool{false, true} {
		for _, e := range t.own {
			if e.Witness == record.Observed && (e.Sender == t.host) == host && wanted(e) {
				out = append(out, e)
			}
		}
	}
	return out
}

// last returns the statement that stands, the zero event where there is none.
func (t *trial) last(wanted func(record.Event) bool) (last record.Event) {
	if all := t.ranked(wanted); len(all) > 0 {
		last = all[len(all)-1]
	}
	return last
}

// best returns an attribute as its best witness states it, "" where nobody who
// observed it does.
func best(t *trial, attribute func(record.Revision) string) string {
	return attribute(revision(t.last(func(e record.Event) bool { return attribute(revision(e)) != "" })))
}

func (t *trial) dependencies() []record.DependencyUpdate {
	return revision(t.last(func(e record.Event) bool { return len(revision(e).Dependencies) > 0 })).Dependencies
}

// told is when an event happened: for who observed, the time inside it, else its
// arrival.
func told(e record.Event) time.Time {
	if e.Witness == record.Observed {
		return stated(e)
	}
	return e.Arrived
}

// stated is the time inside an event.
func stated(e record.Event) time.Time {
	at := merge(e).MergedAt
	if r, ok := e.Fact.(*record.Review); ok {
		at = r.SubmittedAt
	}
	if at.IsZero() {
		return e.Time
	}
	return at
}

// inTime reports whether an event was there before the merge.
func (t *trial) inTime(e record.Event) bool {
	r, review := e.Fact.(*record.Review)
	switch {
	case !t.merged:
		return true
	case e.Witness != record.Observed:
		return !e.Arrived.After(t.mergedAt.Add(skew))
	case review && r.SubmittedAt.IsZero() && r.ChangeState != "":
		return r.ChangeState == "open"
	}
	return !stated(e).After(t.mergedAt)
}

// late names the gap of what was not there before the merge.
func (t *trial) late(e record.Event, after string) string {
	if e.Witness != record.Observed && !stated(e).After(t.mergedAt) {
		return record.GapToldAfterMerge
	}
	return after
}

// leadingTo returns the pushes that lead to a commit, the newest first. A forced
// push is the last.
func (t *trial) leadingTo(commit string) (out []*record.Pushed) {
	direct := t.id == repository.Change("/commit/"+commit)
	for commit != "" && len(out) <= len(t.pushes) {
		i := slices.IndexFunc(t.pushes, func(p *record.Pushed) bool { return p.After == commit && p.Default == direct })
		if i < 0 {
			break
		}
		out = append(out, t.pushes[i])
		if commit = t.pushes[i].Before; t.pushes[i].Forced || direct {
			break
		}
	}
	return out
}

// decidesNothing: a newer comment or note stands for those before, and none is compared.
func decidesNothing(e record.Event) bool {
	r, review := e.Fact.(*record.Review)
	return is[*record.Noted](e) || review && r.Verdict == "commented"
}

// files returns the files of the head, and whether they are all of them.
func (t *trial) files() ([]string, bool) {
	total := revision(t.last(func(e record.Event) bool { return revision(e).HeadSHA == t.head && revision(e).FilesTotal > 0 })).FilesTotal
	files, known := t.filesByRevision()
	files = slices.Compact(slices.Sorted(slices.Values(files)))
	return files, known && total <= int64(len(files))
}

// filesByRevision takes the ways to the files of the head in the order of
// docs/trust.md. Where there is none, it returns those of the pushes.
func (t *trial) filesByRevision() (files []string, known bool) {
	stating := t.ranked(func(e record.Event) bool { return len(revision(e).Files) > 0 && revision(e).HeadSHA != "" })
	for _, e := range slices.Backward(stating) {
		if r := revision(e); r.HeadSHA == t.head {
			return r.Files, r.FilesTotal <= int64(len(r.Files)) && (!strings.Contains(string(t.id), "/commit/") || !t.cut)
		}
	}
	nothing := record.Event{} // before the branch was created
	for _, e := range slices.Backward(append([]record.Event{nothing}, stating...)) {
		r, whole := revision(e), true
		files = slices.Clone(r.Files)
		for _, p := range t.chain {
			files = append(files, p.Files...)
			if whole = whole && !p.Partial && !p.Forced; whole && p.Before == r.HeadSHA {
				return files, len(files) > 0 && r.FilesTotal <= int64(len(r.Files))
			}
		}
	}
	return files, false
}

// scenes returns every change that this one may be: an unseen path may be any, and
// so may a jump or a kind that nobody states and some rule asks for.
func (t *trial) scenes() (out []scene) {
	asks := func(kind string) bool {
		return slices.ContainsFunc(t.rules.Rules, func(r rule) bool { return r.Kind == kind })
	}
	deps, kind := t.dependencies(), best(t, func(r record.Revision) string { return r.Kind })
	seen, all := t.files()
	js, ks := []string{policy.Jump(deps)}, []string{kind}
	if len(deps) == 0 && asks("jump") && (!all || slices.Contains(seen, "package.json")) {
		js = jumps
	}
	switch {
	case kind != "" || !asks("kind"):
	case len(deps) > 0:
		ks[0] = "dependency-update"
	case !all:
		ks = kinds
	case !slices.ContainsFunc(seen, func(p string) bool { return !strings.HasPrefix(p, "docs/") }):
		ks[0] = "documentation"
	}
	sets := [][]string{seen}
	for i := 0; i < len(universe) && !all; i++ {
		for _, set := range sets {
			sets = append(sets, append(slices.Clip(set), universe[i]))
		}
	}
	for _, paths := range sets {
		for _, j := range js {
			for _, k := range ks {
				out = append(out, scene{paths, j, k})
			}
		}
	}
	return slices.DeleteFunc(out, func(c scene) bool { return len(c.Paths) == 0 }) // it changes something
}

// who returns who is behind an account, under all accounts of one number.
func (t *trial) who(account string) string {
	if account == "" {
		return ""
	}
	same := []string{t.rules.person(account)}
	for other, number := range t.numbers {
		if number == t.numbers[strings.ToLower(account)] {
			same = append(same, t.rules.person(other))
		}
	}
	slices.Sort(same)
	return same[max(0, slices.IndexFunc(same, func(w string) bool { // a person of the policy goes first
		return slices.ContainsFunc(t.rules.People, func(p person) bool { return strings.EqualFold(p.ID, w) })
	}))]
}

// involved returns everyone who is not independent.
func (t *trial) involved() set {
	accounts := append(t.askers(), cmp.Or(t.author, t.claimedAuthor()))
	for _, p := range t.chain {
		accounts = append(accounts, p.Pusher)
		for _, c := range p.Commits {
			if !c.Merge {
				accounts = append(accounts, c.Author)
			}
		}
	}
	out := make(set)
	for _, account := range accounts {
		out.add(t.who(account))
	}
	delete(out, "")
	return out
}

// claimedAuthor is the author as the newest claim has it.
func (t *trial) claimedAuthor() (author string) {
	for _, e := range t.own {
		author = cmp.Or(revision(e).Author, author)
	}
	return author
}

// askers are who asked for the work, in any decision or in a request that one names.
func (t *trial) askers() (out []string) {
	for _, d := range facts[*record.Decision](t.own) {
		out = append(out, d.Agent.DelegatedBy)
		for _, r := range facts[*record.Request](t.events) {
			if d.Trigger != nil && d.Trigger.Kind == r.Kind && d.Trigger.ID == r.ID {
				out = append(out, r.Author)
			}
		}
	}
	return slices.DeleteFunc(out, func(account string) bool { return account == "" })
}

// contradicted reports whether a claim states something else than all who observed it.
func (t *trial) contradicted() bool {
	attributes := []func(record.Event) string{
		func(e record.Event) string { return revision(e).HeadSHA },
		func(e record.Event) string { return t.who(revision(e).Author) },
		func(e record.Event) string { return merge(e).MergeSHA },
		func(e record.Event) string { return t.who(merge(e).MergedBy) },
		func(e record.Event) string { // of its life: that it was merged, or is something else
			if t := record.TypeOf(e.Fact); t == record.TypeChangeMerged || e.Witness == record.Observed && strings.Contains(t, ".change.") {
				return t
			}
			return ""
		},
	}
	return slices.ContainsFunc(attributes, func(of func(record.Event) string) bool {
		observed := make(set)
		for _, e := range t.ranked(func(e record.Event) bool { return of(e) != "" }) {
			observed.add(of(e))
		}
		return len(observed) > 0 && slices.ContainsFunc(t.own, func(e record.Event) bool {
			return e.Witness != record.Observed && of(e) != "" && !observed[of(e)]
		})
	})
}
