package oracle

import (
	"cmp"
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
	own     []record.Event // about the change
	pushes  []record.Event // observed, anywhere in the repository
	altered map[string]bool
	shared  map[string]int // by source and id, how many senders there are; those about the change count 100

	merged   bool
	mergedAt time.Time
	head     string
	author   string
	unknown  bool // who wrote the change is not known

	chain   []record.Event    // the pushes that lead to the head, the newest first
	cut     bool              // one of them is
	numbers map[string]string // account → stable number
}

// newTrial reads what docs/trust.md calls the attributes of a change.
func newTrial(events []record.Event, id record.ChangeID, w world) *trial {
	t := &trial{id: id, altered: make(map[string]bool), shared: make(map[string]int), numbers: make(map[string]string)}
	t.admit(events)
	if merges := t.ranked(func(e record.Event) bool { _, ok := e.Fact.(*record.Merged); return ok }); len(merges) > 0 {
		last := merges[len(merges)-1]
		t.merged, t.mergedAt = true, last.Time
		if at := merge(last).MergedAt; !at.IsZero() {
			t.mergedAt = at
		}
	}
	t.rules, t.ofTime = w.at(t.mergedAt)
	t.head = best(t, func(r record.Revision) string { return r.HeadSHA })
	t.author = best(t, func(r record.Revision) string { return r.Author })
	t.chain = t.leadingTo(t.head)
	t.unknown = t.author == ""
	for _, e := range t.chain {
		p := e.Fact.(*record.Pushed)
		t.cut = t.cut || p.Partial
		t.unknown = t.unknown || slices.ContainsFunc(p.Commits, func(c record.Commit) bool { return c.Author == "" && !c.Merge })
	}
	return t
}

// admit takes the first event of each identity, and notes who said something else
// later, and who used the source and id of another.
func (t *trial) admit(events []record.Event) {
	events = slices.Clone(events)
	slices.SortFunc(events, record.Event.CompareArrival)
	first := make(map[string]record.Event)
	for _, e := range events {
		if f, ok := first[e.Key()]; ok {
			if _, counted := f.Fact.(*record.Action); f.Digest != e.Digest && e.Change == t.id && f.Change == t.id && !counted {
				t.altered[e.Key()] = true
			}
			continue
		}
		first[e.Key()] = e
		t.events = append(t.events, e)
		if p, ok := e.Fact.(*record.Pushed); ok && e.Witness == record.Observed {
			t.pushes = append(t.pushes, e)
			if t.id == repository.Change("/commit/"+p.After) && p.Default { // it merged itself
				r := record.Revision{Author: p.Pusher, HeadSHA: p.After, Files: p.Files}
				e.Change, e.Fact = t.id, &record.Merged{Revision: r, MergeSHA: p.After, MergedBy: p.Pusher}
			}
		}
		_, action := e.Fact.(*record.Action)
		if !action && !decidesNothing(e) {
			t.shared[e.Source+" "+e.ID]++
		}
		if e.Change == t.id {
			t.own = append(t.own, e)
			if !action && !decidesNothing(e) {
				t.shared[e.Source+" "+e.ID] += 99
			}
		}
	}
	slices.SortFunc(t.own, record.Event.Compare)
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

// rank is 1 for the code host, which is whoever saw the change opened first, and 2
// for another platform.
func (t *trial) rank(e record.Event) int {
	for _, o := range t.own { // in the order of time
		if _, ok := o.Fact.(*record.Opened); ok && o.Witness == record.Observed && o.Sender == e.Sender {
			return 1
		} else if ok && o.Witness == record.Observed {
			return 2
		}
	}
	return 2
}

// ranked returns the observed statements about the change, the one that stands
// first at the end.
func (t *trial) ranked(wanted func(record.Event) bool) []record.Event {
	var out []record.Event
	for _, e := range t.own {
		if e.Witness == record.Observed && wanted(e) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b record.Event) int { return cmp.Compare(t.rank(b), t.rank(a)) })
	return out
}

// best returns an attribute as its best witness states it, "" where nobody who
// observed it does.
func best(t *trial, attribute func(record.Revision) string) string {
	all := t.ranked(func(e record.Event) bool { return attribute(revision(e)) != "" })
	if len(all) == 0 {
		return ""
	}
	return attribute(revision(all[len(all)-1]))
}

// open reports whether the change may still get what it lacks.
func (t *trial) open() bool { return !t.merged }

// told is when an event happened: for who observed, the time inside it, else its
// arrival.
func told(e record.Event) time.Time {
	if e.Witness == record.Observed {
		return stated(e)
	}
	return e.Arrived
}

func stated(e record.Event) time.Time {
	if r, ok := e.Fact.(*record.Review); ok && !r.SubmittedAt.IsZero() {
		return r.SubmittedAt
	}
	return e.Time
}

// inTime reports whether an event was there before the merge.
func (t *trial) inTime(e record.Event) bool {
	if !t.merged {
		return true
	}
	if e.Witness != record.Observed {
		return !e.Arrived.After(t.mergedAt.Add(skew))
	}
	if r, ok := e.Fact.(*record.Review); ok && r.SubmittedAt.IsZero() && r.ChangeState != "" {
		return r.ChangeState == "open"
	}
	return !stated(e).After(t.mergedAt)
}

// late names the gap of what was not there before the merge.
func (t *trial) late(e record.Event, after string) string {
	if e.Witness != record.Observed && !stated(e).After(t.mergedAt) {
		return gapTold
	}
	return after
}

// leadingTo returns the pushes that lead to a commit, the newest first. A forced
// push is the last.
func (t *trial) leadingTo(commit string) (out []record.Event) {
	direct := t.id == repository.Change("/commit/"+commit)
	for commit != "" && len(out) <= len(t.pushes) {
		i := slices.IndexFunc(t.pushes, func(e record.Event) bool {
			p := e.Fact.(*record.Pushed)
			return p.After == commit && p.Default == direct
		})
		if i < 0 {
			break
		}
		out = append(out, t.pushes[i])
		p := t.pushes[i].Fact.(*record.Pushed)
		if p.Forced || direct {
			break
		}
		commit = p.Before
	}
	return out
}

// files returns the files of the head, and whether they are all of them.
// decidesNothing: a newer comment or note stands for those before, and none is compared.
func decidesNothing(e record.Event) bool {
	r, review := e.Fact.(*record.Review)
	_, noted := e.Fact.(*record.Noted)
	return noted || review && r.Verdict == "commented"
}

func (t *trial) files() (files []string, all bool) {
	total := 0
	for _, e := range t.ranked(func(e record.Event) bool { r := revision(e); return r.HeadSHA == t.head && r.FilesTotal > 0 }) {
		total = int(revision(e).FilesTotal)
	}
	files, known := t.filesByRevision()
	slices.Sort(files)
	files = slices.Compact(files)
	return files, known && total <= len(files)
}

// filesByRevision takes the ways to the files of the head in the order of
// docs/trust.md. Where there is none, it returns those of the pushes.
func (t *trial) filesByRevision() (files []string, known bool) {
	stating := t.ranked(func(e record.Event) bool { return len(revision(e).Files) > 0 })
	for _, e := range slices.Backward(stating) {
		if r := revision(e); r.HeadSHA == t.head && t.head != "" {
			return slices.Clone(r.Files), r.FilesTotal <= int64(len(r.Files)) && (!strings.Contains(string(t.id), "/commit/") || !t.cut)
		}
	}
	for _, e := range slices.Backward(stating) {
		files = slices.Clone(revision(e).Files)
		for _, p := range t.chain {
			push := p.Fact.(*record.Pushed)
			files = append(files, push.Files...)
			if push.Partial || push.Forced {
				break
			}
			if r := revision(e); push.Before != "" && push.Before == r.HeadSHA {
				return files, r.FilesTotal <= int64(len(r.Files))
			}
		}
	}
	files = nil
	for _, p := range t.chain {
		files = append(files, p.Fact.(*record.Pushed).Files...)
	}
	if len(files) == 0 {
		return nil, false
	}
	last := t.chain[len(t.chain)-1].Fact.(*record.Pushed)
	return files, last.Before == "" && !last.Forced && !t.cut
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
	sets := 1
	if !all {
		sets = 1 << len(universe)
	}
	for set := range sets {
		paths := slices.Clone(seen)
		for i, path := range universe {
			if set>>i&1 == 1 {
				paths = append(paths, path)
			}
		}
		for _, j := range js {
			for _, kind := range ks {
				if len(paths) > 0 { // it changes something
					out = append(out, scene{paths, j, kind})
				}
			}
		}
	}
	return out
}

func (t *trial) dependencies() []record.DependencyUpdate {
	all := t.ranked(func(e record.Event) bool { return len(revision(e).Dependencies) > 0 })
	if len(all) == 0 {
		return nil
	}
	return revision(all[len(all)-1]).Dependencies
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
	if i := slices.IndexFunc(same, func(w string) bool {
		return slices.ContainsFunc(t.rules.People, func(p person) bool { return strings.EqualFold(p.ID, w) })
	}); i >= 0 {
		return same[i] // a person of the policy goes first
	}
	return same[0]
}

// involved returns everyone who is not independent.
func (t *trial) involved() map[string]bool {
	out := make(map[string]bool)
	add := func(account string) {
		if account != "" {
			out[t.who(account)] = true
		}
	}
	add(t.author)
	for _, e := range t.chain {
		p := e.Fact.(*record.Pushed)
		add(p.Pusher)
		for _, c := range p.Commits {
			if !c.Merge {
				add(c.Author)
			}
		}
	}
	if claimed := t.claimedAuthor(); t.author == "" {
		add(claimed)
	}
	for _, account := range t.askers() {
		add(account)
	}
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
	for _, e := range t.own {
		d, ok := e.Fact.(*record.Decision)
		if !ok {
			continue
		}
		out = append(out, d.Agent.DelegatedBy)
		for _, o := range t.events {
			if r, ok := o.Fact.(*record.Request); ok && d.Trigger != nil && d.Trigger.Kind == r.Kind && d.Trigger.ID == r.ID {
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
			switch e.Fact.(type) {
			case *record.Merged:
				return "merged"
			case *record.Opened, *record.Updated, *record.Closed:
				if e.Witness == record.Observed {
					return "not merged"
				}
			}
			return ""
		},
	}
	for _, of := range attributes {
		observed := make(map[string]bool)
		for _, e := range t.ranked(func(e record.Event) bool { return of(e) != "" }) {
			observed[of(e)] = true
		}
		if len(observed) > 0 && slices.ContainsFunc(t.own, func(e record.Event) bool {
			return e.Witness != record.Observed && of(e) != "" && !observed[of(e)]
		}) {
			return true
		}
	}
	return false
}
