package record

import (
	"slices"
	"strings"
)

// A branch is the chain of pushes that leads to the head of a change, newest first.
type branch struct {
	pushes  []*Pushed
	heads   []string // the commits along the chain, from the head back
	created bool     // the chain begins where the branch was created
	cut     bool     // a push of the chain does not list everything that it brought
}

// branchOf follows observed pushes back from a commit. A forced push ends the chain: what it
// discarded does not count, and what it kept is unknown.
func branchOf(all []Event, head string) *branch {
	b := &branch{heads: []string{head}}
	after := make(map[string]*Pushed)
	for _, e := range all { // in time order, so that the newest one remains
		if p := e.Fact.(*Pushed); e.Witness == Observed && !p.Default {
			after[strings.ToLower(p.After)] = p
		}
	}
	for at := head; ; {
		p := after[at]
		if p == nil {
			return b
		}
		delete(after, at) // a branch may be reset to an earlier commit
		b.pushes = append(b.pushes, p)
		b.cut = b.cut || p.Partial
		if p.Forced {
			return b
		}
		if p.Before == "" {
			b.created = true
			return b
		}
		at = strings.ToLower(p.Before)
		b.heads = append(b.heads, at)
	}
}

// befores returns the commits from which observed pushes lead to those of a change: an earlier
// push to a branch is part of the change, even if nothing else names its commit.
func befores(f Facts) []Ref {
	all := pushes(f)
	if len(all) == 0 {
		return nil
	}
	var refs []Ref
	for _, head := range commitsOf(f.Own) {
		for _, sha := range branchOf(all, head).heads[1:] {
			refs = append(refs, commitRef(sha))
		}
	}
	return refs
}

// foldPushes reads from the pushes who wrote the commits of the head, and what their trailers
// claim.
func foldPushes(r *Record, f Facts) {
	c := &r.Trail.Change
	_, kind, number := c.ID.Split()
	if kind == "commit" {
		foldPartOf(c, f, number)
	}
	all := pushes(f)
	j := &r.Judged
	head, _ := r.commits()
	j.branch = branchOf(all, head)
	if kind == "commit" {
		j.branch.pushes = directPushes(f.Own)
		j.branch.cut = slices.ContainsFunc(j.branch.pushes, func(p *Pushed) bool { return p.Partial })
	}
	authors := &authorship{heads: observedHeads(f.Own)}
	for _, p := range j.branch.pushes {
		authors.pushed(p)
	}
	authors.others(r, all)
	j.Authors, j.AuthorsCut, j.AuthorMissing = compactStrings(authors.accounts), authors.cut, authors.missing
	foldMarks(r, authors, all)
}

// observedHeads returns the commits that a platform saw as heads of the change.
func observedHeads(own []Event) (heads []string) {
	for _, e := range own {
		if f := revisionOf(e.Fact); f != nil && f.HeadSHA != "" && e.Witness == Observed {
			heads = append(heads, strings.ToLower(f.HeadSHA))
		}
	}
	return heads
}

// foldPartOf finds the change whose merge made a commit. Only the code host can know it.
func foldPartOf(c *Change, f Facts, sha string) {
	for _, e := range f.Evidence {
		if m, ok := e.Fact.(*Merged); ok && e.Witness == Observed && strings.EqualFold(m.MergeSHA, sha) && e.Change != c.ID {
			c.PartOf = e.Change
		}
	}
}

// directPushes returns the pushes that are a change of their own: observed ones if there are any.
func directPushes(own []Event) []*Pushed {
	var observed, claimed []*Pushed
	for _, e := range own {
		if p, ok := e.Fact.(*Pushed); ok && e.Witness == Observed {
			observed = append(observed, p)
		} else if ok {
			claimed = append(claimed, p)
		}
	}
	if observed != nil {
		return observed
	}
	return claimed
}

// An authorship is the authors of the commits in the head of a change.
type authorship struct {
	heads    []string // observed heads of the change
	accounts []string
	mails    []string
	commits  []Commit
	cut      bool // not all commits are known
	missing  bool // nobody says who wrote one of them
}

func (a *authorship) pushed(p *Pushed) {
	a.accounts = append(a.accounts, p.Pusher)
	a.cut = a.cut || p.Partial
	for _, c := range p.Commits {
		a.wrote(c)
	}
}

func (a *authorship) wrote(c Commit) {
	a.commits = append(a.commits, c)
	if c.Merge {
		return
	}
	a.accounts = append(a.accounts, c.Author, c.Email)
	a.mails = append(a.mails, c.Email)
	a.missing = a.missing || c.Author == "" && c.Email == ""
}

// others adds observed pushes that contain a head of the change and are in no known chain to the
// head that counts, except those that a forced push discarded. Of pushes to branches into which
// changes are merged, it adds the commits that are heads of the change.
func (a *authorship) others(r *Record, all []Event) {
	b := r.Judged.branch
	_, merge := r.commits()
	forced := len(b.pushes) > 0 && b.pushes[len(b.pushes)-1].Forced
	for _, e := range all {
		p := e.Fact.(*Pushed)
		switch {
		case e.Witness != Observed || slices.Contains(b.pushes, p):
		case !p.Default && !forced && slices.Contains(a.heads, strings.ToLower(p.After)):
			a.pushed(p)
		case p.Default:
			for _, c := range p.Commits {
				switch sha := strings.ToLower(c.SHA); {
				case slices.Contains(a.heads, sha):
					a.wrote(c)
				case merge != "" && sha == merge: // whoever merges wrote nothing of the change; a squash keeps the trailers of its commits
					a.commits = append(a.commits, Commit{SHA: c.SHA, Trailers: c.Trailers})
				}
			}
		}
	}
}

// foldMarks sets the marks by which an agent may be recognized. Claims count only if nobody
// observed who wrote anything of the change.
func foldMarks(r *Record, a *authorship, all []Event) {
	c, s, commits := r.Trail.Change, r.Judged.stated, a.commits
	r.Marks.Claimed = !s.known(attrAuthor) && !slices.ContainsFunc(commits, func(c Commit) bool { return !c.Merge && c.Author != "" })
	if r.Marks.Claimed && commits == nil {
		claims := &authorship{}
		for _, e := range all {
			if p := e.Fact.(*Pushed); e.Witness != Observed && (!p.Default || e.Change == r.Trail.Change.ID) {
				claims.pushed(p)
			}
		}
		a, commits = claims, claims.commits
	}
	var trailers []TrailerFact
	for _, commit := range commits {
		if !commit.Merge {
			r.Marks.Accounts = append(r.Marks.Accounts, commit.Author)
		}
		for _, t := range commit.Trailers {
			trailers = append(trailers, TrailerFact{strings.ToLower(commit.SHA), t.Key, t.Value})
		}
	}
	r.Marks.Mails = a.mails
	if trailers != nil {
		r.Trail.Trailers = smallest(nil, trailers, MaxTrailers, TrailerFact.compare)
	}
	for _, t := range r.Trail.Trailers {
		r.Marks.Trailers = append(r.Marks.Trailers, Trailer{t.Key, t.Value})
	}
	if s.known(attrAuthor) || r.Marks.Claimed {
		r.Marks.Accounts = append([]string{c.Author}, r.Marks.Accounts...)
	}
	r.Marks.Accounts = compactStrings(r.Marks.Accounts)
	if s.known(attrBranch) || r.Marks.Claimed {
		r.Marks.Branch = c.Branch
	}
	for _, e := range all {
		if p := e.Fact.(*Pushed); e.Change == c.ID && (e.Witness == Observed || r.Marks.Claimed) {
			r.Marks.Bot = r.Marks.Bot || p.PusherType == "bot"
		}
	}
}

func (t TrailerFact) compare(o TrailerFact) int {
	return cmpStrings(t.CommitSHA, o.CommitSHA, t.Key, o.Key, t.Value, o.Value)
}

// foldDirectPush reads from a direct push what a merge states about a change.
func foldDirectPush(c *Change, s *statement, p *Pushed, rank int) {
	s.text(&c.MergedBy, attrMergedBy, p.Pusher, rank)
	s.text(&c.BaseRef, attrBase, p.Branch, rank)
	s.text(&c.URL, attrURL, p.URL, rank)
	author := p.Pusher
	if n := len(p.Commits); n > 0 {
		author = orString(p.Commits[n-1].Author, author)
		s.text(&c.Title, attrTitle, p.Commits[n-1].Subject, rank)
	}
	s.text(&c.Author, attrAuthor, author, rank)
}

// foldRuns lists the runs that are said to have made the change, and whether their own logs name
// it.
func foldRuns(r *Record, f Facts) {
	named := make(map[string][]string)
	name := func(run, by string) {
		if !slices.Contains(named[run], by) {
			named[run] = append(named[run], by)
		}
	}
	for _, e := range f.Own {
		if d, ok := e.Fact.(*Decision); ok {
			for _, run := range runNames(d.Agent, e.Trace) {
				name(run, "decision")
			}
		}
	}
	for _, t := range r.Trail.Trailers {
		for _, run := range runsOf([]Trailer{{t.Key, t.Value}}) {
			name(run, "trailer")
		}
	}
	commits := commitsOf(f.Own)
	confirmed := make(map[string]bool)
	for _, m := range f.Actions.Made {
		if slices.Contains(commits, m.CommitSHA) {
			name(m.Run, "action")
			confirmed[m.Run] = true
		}
	}
	for run, by := range named {
		r.Trail.Runs = append(r.Trail.Runs, RunFact{run, by, confirmed[run]})
	}
	r.Trail.Runs = smallest(nil, r.Trail.Runs, maxListed, func(a, b RunFact) int { return strings.Compare(a.ID, b.ID) })
}
