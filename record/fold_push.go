package record

import (
	"slices"
	"strings"
)

// foldPushes takes from the pushes what their commits say: of a change that is a
// push itself, all of it; of any other, who wrote the commits and what their
// trailers claim.
func foldPushes(r *Record, f Facts) {
	c := &r.Trail.Change
	_, kind, number := c.ID.Split()
	if kind == "commit" {
		for _, e := range f.Own {
			if p, ok := e.Fact.(*Pushed); ok {
				foldDirectPush(c, e, p)
				r.Marks.Bot = r.Marks.Bot || p.PusherType == "bot"
			}
		}
		for _, e := range f.Evidence {
			if m, ok := e.Fact.(*Merged); ok && strings.EqualFold(m.MergeSHA, number) && e.Change != c.ID {
				c.PartOf = e.Change
			}
		}
	}
	var trailers []TrailerFact
	for _, commit := range pushed(f) {
		r.Marks.Accounts = append(r.Marks.Accounts, commit.Author)
		r.Marks.Mails = append(r.Marks.Mails, commit.Email)
		for _, t := range commit.Trailers {
			trailers = append(trailers, TrailerFact{strings.ToLower(commit.SHA), t.Key, t.Value})
		}
	}
	if trailers != nil {
		r.Trail.Trailers = smallest(nil, trailers, MaxTrailers, TrailerFact.compare)
	}
	for _, t := range r.Trail.Trailers {
		r.Marks.Trailers = append(r.Marks.Trailers, Trailer{t.Key, t.Value})
	}
	if c.FilesTotal == 0 {
		foldPushedFiles(c, f)
	}
	r.Marks.Accounts = compactStrings(append([]string{c.Author}, r.Marks.Accounts...))
	r.Marks.Branch = c.Branch
}

func (t TrailerFact) compare(o TrailerFact) int {
	return cmpStrings(t.CommitSHA, o.CommitSHA, t.Key, o.Key, t.Value, o.Value)
}

// foldDirectPush tells of a push what a merge tells of a change.
func foldDirectPush(c *Change, e Event, p *Pushed) {
	c.State, c.MergedAt, c.MergedBy, c.BaseRef = "merged", e.Time, p.Pusher, p.Branch
	set(&c.URL, p.URL)
	if n := len(p.Commits); n > 0 {
		set(&c.Author, p.Commits[n-1].Author)
		set(&c.Title, p.Commits[n-1].Subject)
	}
	set(&c.Author, orString(c.Author, p.Pusher))
}

// foldPushedFiles gathers the paths of the pushes to a branch, where the code host
// says of the change only how many there are.
func foldPushedFiles(c *Change, f Facts) {
	var files []string
	for _, e := range pushes(f) {
		if p := e.Fact.(*Pushed); !p.Default || e.Change == c.ID {
			files = append(files, p.Files...)
		}
	}
	if len(files) > 0 {
		slices.Sort(files)
		files = slices.Compact(files)
		c.Files, c.FilesTotal = smallestStrings(nil, files, MaxFiles), int64(len(files))
	}
}

// foldRuns lists the runs that are said to have made the change, and whether what
// they log names it back.
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
