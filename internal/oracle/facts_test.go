package oracle

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// Skew is the allowance of docs/trust.md for clocks that differ.
const skew = 2 * time.Minute

// A trial is one change before the judge.
type trial struct {
	held
	rules  rules            // in force at the merge
	ofTime bool             // the policy of that time was recorded
	own    []record.Event   // about the change
	pushes []*record.Pushed // observed, anywhere in the repository
	shared map[string]int   // number of senders by source and id; those about the change count 100, those about none 10

	merged   bool
	mergedAt time.Time
	host     string // who first saw the change opened
	unknown  bool   // the author of the change is unknown

	head, author string

	chain   []*record.Pushed  // the pushes that lead to the head, newest first
	cut     bool              // one of them is
	numbers map[string]string // account → stable number

	agreed      map[string][]set // what approvals lack, by the required group
	permissions map[string]view  // what permissions lack, by what is required
}

// newTrial reads what docs/trust.md calls the attributes of a change.
func newTrial(events []record.Event, id record.ChangeID, w world) *trial {
	t := &trial{held: hold(events, id, w.Limit), shared: make(map[string]int), numbers: make(map[string]string), agreed: make(map[string][]set), permissions: make(map[string]view)}
	t.admit()
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

// admit takes the events that are kept, and records who used the source and id of another.
func (t *trial) admit() {
	for _, e := range t.events {
		if p, ok := e.Fact.(*record.Pushed); ok && e.Witness == record.Observed {
			t.pushes = append(t.pushes, p)
			if t.id == repository.Change("/commit/"+p.After) && p.Default { // the push is its own merge
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

// ranked returns the observed statements about the change, the one that counts last: those of the
// code host come after those of other platforms.
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

// last returns the statement that counts, or the zero event.
func (t *trial) last(wanted func(record.Event) bool) record.Event {
	all := append([]record.Event{{}}, t.ranked(wanted)...)
	return all[len(all)-1]
}

// best returns an attribute as its best witness states it, or "" if no observer states it.
func best(t *trial, attribute func(record.Revision) string) string {
	return attribute(revision(t.last(func(e record.Event) bool { return attribute(revision(e)) != "" })))
}

func (t *trial) dependencies() []record.DependencyUpdate {
	return revision(t.last(func(e record.Event) bool { return len(revision(e).Dependencies) > 0 && revision(e).HeadSHA == t.head })).Dependencies
}

// knownAt returns when an event counts as reported: for an observer, the time inside it; otherwise
// its arrival.
func knownAt(e record.Event) time.Time {
	if e.Witness == record.Observed {
		return stated(e)
	}
	return e.Arrived
}

// stated returns the time inside an event.
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

// late returns the gap of something that was not there before the merge.
func (t *trial) late(e record.Event, after string) string {
	if e.Witness != record.Observed && !stated(e).After(t.mergedAt) {
		return record.GapToldAfterMerge
	}
	return after
}

// leadingTo returns the pushes that lead to a commit, newest first. A forced push is the last
// one.
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

// decidesNothing reports whether e is a comment or a note: a newer one replaces those before, and
// none is compared.
func decidesNothing(e record.Event) bool {
	r, review := e.Fact.(*record.Review)
	return is[*record.Activity](e) || review && r.Verdict == "commented"
}

// files returns the files of the head, and whether they are complete.
func (t *trial) files() ([]string, bool) {
	total := revision(t.last(func(e record.Event) bool { return revision(e).HeadSHA == t.head && revision(e).FilesTotal > 0 })).FilesTotal
	files, known := t.filesByRevision()
	files = slices.Compact(slices.Sorted(slices.Values(files)))
	return files, known && total <= int64(len(files)) && !t.lost
}

// filesByRevision tries the ways to the files of the head in the order of docs/trust.md. If there
// is none, it returns the files of the pushes.
func (t *trial) filesByRevision() (files []string, known bool) {
	stating := t.ranked(func(e record.Event) bool { return len(revision(e).Files) > 0 && revision(e).HeadSHA != "" })
	for _, e := range slices.Backward(stating) {
		if r := revision(e); r.HeadSHA == t.head {
			return r.Files, r.FilesTotal <= int64(len(r.Files)) && (!strings.Contains(string(t.id), "/commit/") || !t.cut)
		}
	}
	for _, e := range slices.Backward(append([]record.Event{{}}, stating...)) { // at first nothing, before the branch was created
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

// scenes returns every change that this one may be: an unseen path may be any, and so may a jump
// or a kind that nobody states and that some rule tests.
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

// environments returns the environments that observed deployments of the change reached.
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

// names returns all names of an account: its own, its number, and others with that number.
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

// who returns who is behind an account: a person whom the policy lists, or else the first name.
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

// bot reports whether an account does not belong to a human, under any of its names.
func (t *trial) bot(account string) bool { return slices.ContainsFunc(t.names(account), t.rules.bot) }

// claimedMarks returns the accounts by which an agent may be recognized if nobody saw who made
// the change: the claimed author and the claimed agent.
func (t *trial) claimedMarks() (out []string) {
	if !slices.ContainsFunc(t.committers(), func(account string) bool { return account != "" }) {
		out = append(out, t.claimedAuthor())
	}
	if !slices.ContainsFunc(t.own, func(e record.Event) bool { return e.Witness == record.Observed && revision(e).HeadSHA != "" }) {
		for _, e := range t.own {
			out = append(out, revision(e).Agent)
		}
	}
	return out
}

// committers returns the authors of the commits in the head, except of merges of the base branch.
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

// involved returns, for everyone who is not independent, whether that is known or only claimed.
func (t *trial) involved() map[string]bool {
	accounts, out := t.askers(), make(map[string]bool)
	for _, d := range facts[*record.Decision](t.own) {
		accounts.claim(d.Agent.ID)
	}
	accounts.claim(append(t.claimedMarks(), t.claimedAuthor())...)
	accounts.add(append(t.committers(), t.author)...)
	for _, p := range t.chain {
		accounts.add(p.Pusher)
	}
	delete(accounts, "")
	for account, known := range accounts {
		out[t.who(account)] = known || out[t.who(account)]
	}
	return out
}

// claimedAuthor returns the author by the newest claim, if nobody observed one.
func (t *trial) claimedAuthor() (author string) {
	for _, e := range t.own {
		author = cmp.Or(revision(e).Author, author)
	}
	return map[bool]string{true: author}[t.author == ""]
}

// askers returns, for all who asked for the work, whether that is known or only claimed. It is
// known by a signed decision, or by a request that a decision names and that a witness reported
// who can know it.
func (t *trial) askers() set {
	out := make(set)
	for e, d := range facts[*record.Decision](t.own) {
		out[d.Agent.DelegatedBy] = out[d.Agent.DelegatedBy] || e.Witness == record.Signed
		for held, r := range facts[*record.Request](t.events) {
			if d.Trigger != nil && d.Trigger.Kind == r.Kind && d.Trigger.ID == r.ID {
				out[r.Author] = out[r.Author] || e.Witness == record.Signed && counts(held)
			}
		}
	}
	delete(out, "")
	return out
}

// contradicted reports whether a claim states something else than all observers.
func (t *trial) contradicted() bool {
	attributes := []func(record.Event) string{
		func(e record.Event) string { return revision(e).HeadSHA },
		func(e record.Event) string { return t.who(revision(e).Author) },
		func(e record.Event) string { return merge(e).MergeSHA },
		func(e record.Event) string { return t.who(merge(e).MergedBy) },
		func(e record.Event) string { // its state: merged, or something else
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
