package oracle

import (
	"cmp"
	"fmt"
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
	shared  map[string]int // by source and id, how many senders there are; those about the change count 100, those about none 10

	leftOut  bool // something about the change is beyond the limit
	lost     bool // that somebody saw
	merged   bool
	mergedAt time.Time
	host     string // who saw the change opened first
	unknown  bool   // who wrote the change is not known

	head, author string

	chain   []*record.Pushed  // the pushes that lead to the head, the newest first
	cut     bool              // one of them is
	numbers map[string]string // account → stable number
}

// newTrial reads what docs/trust.md calls the attributes of a change.
func newTrial(events []record.Event, id record.ChangeID, w world) *trial {
	t := &trial{id: id, altered: make(set), shared: make(map[string]int), numbers: make(map[string]string)}
	t.admit(t.gather(t.first(events), w.Limit))
	if last := t.last(is[*record.Merged]); last.Fact != nil {
		t.merged, t.mergedAt = true, stated(last)
	}
	t.rules, t.ofTime = w.at(t.mergedAt)
	t.head = best(t, func(r record.Revision) string { return r.HeadSHA })
	t.author = best(t, func(r record.Revision) string { return r.Author })
	t.chain = t.leadingTo(t.head)
	t.cut = slices.ContainsFunc(t.chain, func(p *record.Pushed) bool { return p.Partial })
	t.unknown = t.author == "" || slices.Contains(t.committers(), "")
	return t
}

// first takes the first event of each identity, and notes who said something else later.
func (t *trial) first(events []record.Event) (out []record.Event) {
	first := make(map[string]record.Event)
	for _, e := range slices.SortedFunc(slices.Values(events), record.Event.CompareArrival) {
		f, ok := first[e.Key()]
		if !ok {
			first[e.Key()] = e
			out = append(out, e)
		} else if f.Digest != e.Digest && e.Change == t.id && f.Change == t.id && !is[*record.Action](f) {
			t.altered.add(e.Key())
		}
	}
	return out
}

// within leaves out what is beyond the limit of facts of one sender and kind that are found by
// one name: the oldest of what was observed, of all else the last that arrived.
func (t *trial) within(events []record.Event, limit int, name string) (kept []record.Event) {
	held := make(map[string]int)
	slices.SortFunc(events, record.Event.CompareArrival)
	slices.SortStableFunc(events, func(a, b record.Event) int {
		if a.Witness == record.Observed && b.Witness == record.Observed {
			return b.Compare(a)
		}
		return cmp.Compare(a.Witness, b.Witness)
	})
	for _, e := range events {
		if !slices.Contains(found(e), name) {
			continue
		}
		kind := fmt.Sprint(e.Type, e.Sender, e.Witness)
		switch counted := !is[*record.Action](e) && !decidesNothing(e); {
		case counted && limit > 0 && held[kind] == limit:
			t.leftOut, t.lost = true, t.lost || counts(e)
			continue
		case counted:
			held[kind]++
		}
		kept = append(kept, e)
	}
	return kept
}

// gather returns what is found of the change: what is about it, the reports that its decisions
// name, and all that is about no change. Of the latter the histories have no flood.
func (t *trial) gather(events []record.Event, limit int) []record.Event {
	kept := t.within(events, limit, string(t.id))
	looked := make(set)
	for _, d := range facts[*record.Decision](kept) {
		if d.Trigger != nil {
			looked.add(d.Trigger.Digest, d.Trigger.ID, d.Trigger.Finding)
		}
	}
	for name := range looked {
		if name != "" {
			kept = append(kept, t.within(events, limit, name)...)
		}
	}
	for _, e := range events {
		if e.Change != t.id && !is[*record.Scan](e) {
			kept = append(kept, e)
		}
	}
	slices.SortFunc(kept, record.Event.Compare)
	return slices.CompactFunc(kept, func(a, b record.Event) bool { return a.Key() == b.Key() })
}

// found returns the names by which an event is found.
func found(e record.Event) []string {
	s, ok := e.Fact.(*record.Scan)
	if e.Change != "" || !ok {
		return []string{string(e.Change)}
	}
	out := []string{s.Report.Digest, s.ScanID}
	for _, f := range s.Findings {
		out = append(out, f.Names()...)
	}
	return out
}

// admit takes what is held, and notes who used the source and id of another.
func (t *trial) admit(events []record.Event) {
	t.events = events
	held := make(set)
	for _, e := range events {
		if p, ok := e.Fact.(*record.Pushed); ok && e.Witness == record.Observed {
			t.pushes = append(t.pushes, p)
			if t.id == repository.Change("/commit/"+p.After) && p.Default { // it merged itself
				r := record.Revision{Author: p.Pusher, HeadSHA: p.After, Files: p.Files}
				e.Change, e.Fact = t.id, &record.Merged{Revision: r, MergeSHA: p.After, MergedBy: p.Pusher}
			}
		}
		weight := 1
		if e.Change == "" || strings.Contains(string(e.Change), "/commit/") {
			weight = 10
		}
		if e.Change == t.id {
			t.own, weight = append(t.own, e), 100
		}
		if !is[*record.Action](e) && !decidesNothing(e) {
			t.shared[e.Source+" "+e.ID] += weight
		}
		held.add(e.Key())
	}
	maps.DeleteFunc(t.altered, func(key string, _ bool) bool { return !held[key] })
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
	return revision(t.last(func(e record.Event) bool { return len(revision(e).Dependencies) > 0 && revision(e).HeadSHA == t.head })).Dependencies
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
	return files, known && total <= int64(len(files)) && !t.lost
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
	sets, environments := [][]string{seen}, t.environments()
	for i := 0; i < len(universe) && !all; i++ {
		for _, set := range sets {
			sets = append(sets, append(slices.Clip(set), universe[i]))
		}
	}
	for _, paths := range sets {
		for _, j := range js {
			for _, k := range ks {
				out = append(out, scene{paths, environments, j, k})
			}
		}
	}
	return slices.DeleteFunc(out, func(c scene) bool { return len(c.Paths) == 0 }) // it changes something
}

// environments are those that deployments of the change reached, as somebody observed.
func (t *trial) environments() (out []string) {
	commits := make(set)
	for _, e := range t.ranked(func(record.Event) bool { return true }) {
		commits.add(revision(e).HeadSHA, merge(e).MergeSHA)
	}
	for _, p := range t.chain {
		commits.add(p.After)
	}
	delete(commits, "")
	for e, d := range facts[*record.Deployment](t.events) {
		if e.Witness == record.Observed && d.Outcome == "success" && (e.Change == t.id || e.Change == "" && commits[d.CommitSHA]) {
			out = append(out, d.Environment)
		}
	}
	return out
}

// names returns all names of an account: its own, its number, others of that number.
func (t *trial) names(account string) []string {
	out := []string{account}
	if number := t.numbers[strings.ToLower(account)]; number != "" {
		out = append(out, "id:"+number)
		for other, n := range t.numbers {
			if n == number {
				out = append(out, other)
			}
		}
	}
	slices.Sort(out)
	return out
}

// who returns who is behind an account: one whom the policy lists, else the first name.
func (t *trial) who(account string) string {
	var same []string
	for _, name := range t.names(account) {
		same = append(same, t.rules.person(name))
	}
	slices.Sort(same)
	return same[max(0, slices.IndexFunc(same, t.rules.lists))]
}

// in reports whether a person belongs to a group.
func (t *trial) in(who, group string) bool {
	return group == "" || slices.ContainsFunc(strings.Fields(group), func(name string) bool {
		return slices.ContainsFunc(t.rules.named(name), func(account string) bool { return t.who(account) == who })
	})
}

// bot reports whether an account is none of a human, under any of its names.
func (t *trial) bot(account string) bool { return slices.ContainsFunc(t.names(account), t.rules.bot) }

// claimedMarks are the accounts by which an agent may be known where nobody saw who made the
// change: the author, and the agent, as they are claimed.
func (t *trial) claimedMarks() (out []string) {
	if t.author == "" && !slices.ContainsFunc(t.committers(), func(account string) bool { return account != "" }) {
		out = append(out, t.claimedAuthor())
	}
	if !slices.ContainsFunc(t.own, func(e record.Event) bool { return e.Witness == record.Observed && revision(e).HeadSHA != "" }) {
		for _, e := range t.own {
			out = append(out, revision(e).Agent)
		}
	}
	return out
}

// committers are the authors of the commits in the head, those of merges of the base aside.
func (t *trial) committers() (out []string) {
	for _, p := range t.chain {
		for _, c := range p.Commits {
			if !c.Merge {
				out = append(out, c.Author)
			}
		}
	}
	return out
}

// involved returns everyone who is not independent, and who is only claimed to be not.
func (t *trial) involved() (known, claimed set) {
	known, claimed = make(set), make(set)
	add := func(to set, accounts ...string) {
		for _, account := range accounts {
			to.add(t.who(account))
		}
		delete(to, "")
	}
	asked, said := t.askers()
	add(known, append(append(asked, t.author), t.committers()...)...)
	for _, p := range t.chain {
		add(known, p.Pusher)
	}
	add(claimed, append(said, t.claimedMarks()...)...)
	if t.author == "" {
		add(claimed, t.claimedAuthor())
	}
	for _, d := range facts[*record.Decision](t.own) {
		add(claimed, d.Agent.ID)
	}
	return known, claimed
}

// claimedAuthor is the author as the newest claim has it.
func (t *trial) claimedAuthor() (author string) {
	for _, e := range t.own {
		author = cmp.Or(revision(e).Author, author)
	}
	return author
}

// askers are who asked for the work, in a signed decision or in a request that one names and
// somebody holds who can know it; and who is only claimed to have.
func (t *trial) askers() (known, claimed []string) {
	add := func(account string, sure bool) {
		if account != "" && sure {
			known = append(known, account)
		} else if account != "" {
			claimed = append(claimed, account)
		}
	}
	for e, d := range facts[*record.Decision](t.own) {
		add(d.Agent.DelegatedBy, e.Witness == record.Signed)
		for held, r := range facts[*record.Request](t.events) {
			if d.Trigger != nil && d.Trigger.Kind == r.Kind && d.Trigger.ID == r.ID {
				add(r.Author, e.Witness == record.Signed && counts(held))
			}
		}
	}
	return known, claimed
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
