package oracle

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// Skew is the allowance for clocks of docs/trust.md.
const skew = 2 * time.Minute

// A trial is one change before the judge.
type trial struct {
	id      record.ChangeID
	world   world
	rules   rules // in force at the merge
	ofTime  bool  // the policy of that time is held
	events  []record.Event
	own     []record.Event // about the change
	pushes  []record.Event // observed, anywhere in the repository
	altered map[string]bool
	shared  bool

	merged   bool
	mergedAt time.Time
	head     string
	author   string
	authorID string

	chain   []record.Event    // the pushes that lead to the head, the newest first
	cut     bool              // one of them is
	numbers map[string]string // account → stable number
}

// newTrial reads what docs/trust.md calls the attributes of a change.
func newTrial(events []record.Event, id record.ChangeID, w world) *trial {
	t := &trial{id: id, world: w, altered: make(map[string]bool), numbers: make(map[string]string)}
	t.admit(events)
	t.readMerge()
	t.rules, t.ofTime = w.at(t.mergedAt)
	t.head = best(t, func(r record.Revision) string { return r.HeadSHA })
	t.author = best(t, func(r record.Revision) string { return r.Author })
	t.authorID = best(t, func(r record.Revision) string { return r.AuthorID })
	if _, kind, sha := id.Split(); kind == "commit" {
		t.head = sha
		for _, e := range t.pushes {
			if p := e.Fact.(*record.Pushed); p.After == sha {
				t.author = p.Pusher
			}
		}
	}
	t.chain = t.leadingTo(t.head)
	t.cut = slices.ContainsFunc(t.chain, func(e record.Event) bool { return e.Fact.(*record.Pushed).Partial })
	return t
}

// admit takes the first event of each identity, and notes who said something else
// later, and who used the source and id of another.
func (t *trial) admit(events []record.Event) {
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, record.Event.CompareArrival)
	first := make(map[[3]string]record.Event)
	sender := make(map[[2]string]string)
	for _, e := range sorted {
		key := [3]string{e.Sender, e.Source, e.ID}
		if f, ok := first[key]; ok {
			if f.Digest != e.Digest && (e.Change == t.id || f.Change == t.id) {
				t.altered[f.Key()] = true
			}
			continue
		}
		first[key] = e
		if _, ok := e.Fact.(*record.Pushed); ok && e.Witness == record.Observed && e.Repository == t.id.Repository() {
			t.pushes = append(t.pushes, e)
		}
		if e.Change == t.id {
			if s, ok := sender[[2]string{e.Source, e.ID}]; ok && s != e.Sender {
				t.shared = true
			}
			sender[[2]string{e.Source, e.ID}] = e.Sender
			t.own = append(t.own, e)
		}
		t.events = append(t.events, e)
	}
	slices.SortFunc(t.own, record.Event.Compare)
	for _, e := range t.own {
		if e.Witness != record.Observed {
			continue
		}
		if r, ok := revision(e); ok && r.AuthorID != "" {
			t.numbers[strings.ToLower(r.Author)] = r.AuthorID
		}
		if r, ok := e.Fact.(*record.Review); ok && r.ReviewerID != "" {
			t.numbers[strings.ToLower(r.Reviewer)] = r.ReviewerID
		}
	}
}

// revision returns what an event says of the change as a whole.
func revision(e record.Event) (record.Revision, bool) {
	switch f := e.Fact.(type) {
	case *record.Opened:
		return f.Revision, true
	case *record.Updated:
		return f.Revision, true
	case *record.Merged:
		return f.Revision, true
	case *record.Closed:
		return f.Revision, true
	}
	return record.Revision{}, false
}

// rank is 1 for the code host, 2 for another platform, 3 for a claim.
func (t *trial) rank(e record.Event) int {
	if e.Witness != record.Observed {
		return 3
	}
	for _, o := range t.own { // in the order of time
		if _, ok := o.Fact.(*record.Opened); ok && o.Witness == record.Observed {
			if o.Sender == e.Sender {
				return 1
			}
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
	all := t.ranked(func(e record.Event) bool {
		r, ok := revision(e)
		return ok && attribute(r) != ""
	})
	if len(all) == 0 {
		return ""
	}
	r, _ := revision(all[len(all)-1])
	return attribute(r)
}

func (t *trial) readMerge() {
	if _, kind, sha := t.id.Split(); kind == "commit" {
		for _, e := range t.pushes {
			if p := e.Fact.(*record.Pushed); p.Default && p.After == sha && !t.merged {
				t.merged, t.mergedAt = true, e.Time
			}
		}
		return
	}
	merges := t.ranked(func(e record.Event) bool { _, ok := e.Fact.(*record.Merged); return ok })
	if len(merges) > 0 {
		last := merges[len(merges)-1]
		t.merged, t.mergedAt = true, last.Time
		if at := last.Fact.(*record.Merged).MergedAt; !at.IsZero() {
			t.mergedAt = at
		}
	}
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
	for commit != "" {
		i := slices.IndexFunc(t.pushes, func(e record.Event) bool {
			p := e.Fact.(*record.Pushed)
			_, kind, _ := t.id.Split()
			return p.After == commit && (!p.Default || kind == "commit")
		})
		if i < 0 {
			return out
		}
		p := t.pushes[i].Fact.(*record.Pushed)
		out = append(out, t.pushes[i])
		if p.Forced || len(out) > len(t.pushes) {
			return out
		}
		commit = p.Before
		if _, kind, _ := t.id.Split(); kind == "commit" {
			return out
		}
	}
	return out
}

// files returns the files of the head, and whether they are all of them.
func (t *trial) files() (files []string, all bool) {
	all = !t.cut
	statesFiles := t.ranked(func(e record.Event) bool {
		r, ok := revision(e)
		return ok && len(r.Files) > 0
	})
	total := int64(0)
	for _, e := range t.ranked(func(e record.Event) bool { r, ok := revision(e); return ok && r.HeadSHA == t.head && r.FilesTotal > 0 }) {
		r, _ := revision(e)
		total = r.FilesTotal
	}
	done := func(files []string) ([]string, bool) {
		slices.Sort(files)
		files = slices.Compact(files)
		return files, all && total <= int64(len(files))
	}
	for _, e := range slices.Backward(statesFiles) {
		if r, _ := revision(e); r.HeadSHA == t.head && t.head != "" {
			return done(slices.Clone(r.Files))
		}
	}
	for _, e := range slices.Backward(statesFiles) {
		r, _ := revision(e)
		var since []string
		for _, p := range t.chain {
			push := p.Fact.(*record.Pushed)
			if push.Forced {
				break
			}
			since = append(since, push.Files...)
			if push.Before != "" && push.Before == r.HeadSHA {
				return done(append(since, r.Files...))
			}
		}
	}
	var pushed []string
	for _, p := range t.chain {
		push := p.Fact.(*record.Pushed)
		pushed = append(pushed, push.Files...)
		if _, kind, _ := t.id.Split(); kind == "commit" || push.Before == "" && !push.Forced {
			if len(pushed) > 0 {
				return done(pushed)
			}
		}
	}
	all = false
	return done(pushed)
}

// known is what is known of the change where a rule asks.
func (t *trial) known() known {
	var k known
	k.Paths, k.PathsAll = t.files()
	k.Kind = best(t, func(r record.Revision) string { return r.Kind })
	k.KindStated = k.Kind != ""
	deps := t.dependencies()
	k.DepsStated, k.Jump = len(deps) > 0, jumpOf(deps)
	return k
}

func (t *trial) dependencies() []record.DependencyUpdate {
	all := t.ranked(func(e record.Event) bool { r, ok := revision(e); return ok && len(r.Dependencies) > 0 })
	if len(all) == 0 {
		return nil
	}
	r, _ := revision(all[len(all)-1])
	return r.Dependencies
}

// who returns who is behind an account, by its number where one is known.
func (t *trial) who(account string) string {
	if account == "" {
		return ""
	}
	who := t.rules.person(account)
	number := t.numbers[strings.ToLower(account)]
	if number == "" {
		return who
	}
	same := []string{who}
	for other, n := range t.numbers {
		if n == number {
			same = append(same, t.rules.person(other))
		}
	}
	slices.Sort(same)
	for _, w := range same { // a person of the policy goes first
		if slices.ContainsFunc(t.rules.People, func(p person) bool { return strings.EqualFold(p.ID, w) }) {
			return w
		}
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
	for _, e := range t.own {
		if d, ok := e.Fact.(*record.Decision); ok {
			add(d.Agent.DelegatedBy)
		}
	}
	return out
}

// contradicted reports whether a claim states something else than all who observed it.
func (t *trial) contradicted() bool {
	attributes := []func(record.Event) string{
		func(e record.Event) string { r, _ := revision(e); return r.HeadSHA },
		func(e record.Event) string { r, _ := revision(e); return t.who(r.Author) },
		func(e record.Event) string { return merge(e).MergeSHA },
		func(e record.Event) string { return t.who(merge(e).MergedBy) },
		func(e record.Event) string { // of its life: that it was merged, or is something else
			switch e.Fact.(type) {
			case *record.Merged:
				return "merged"
			case *record.Opened, *record.Closed:
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

// merge returns what an event says of the merge.
func merge(e record.Event) record.Merged {
	if m, ok := e.Fact.(*record.Merged); ok {
		return *m
	}
	return record.Merged{}
}
