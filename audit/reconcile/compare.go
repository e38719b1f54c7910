package reconcile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A Question says what is compared.
type Question struct {
	From, To time.Time // of merges and deployments; To is the first moment after the time
	History  *History
	Records  []*record.Record
	// RecordsOf names where the records were read.
	RecordsOf string
	// Pushes are the observed pushes that name commits that no record explains by itself (see
	// [Report.Unexplained]); nil if no events can be read.
	Pushes []Push
	// Agent returns the agent that marks of a commit show, and which marks; nil if none is known.
	Agent func(record.Marks) (agent string, by []string)
	// MoreRecords says that records may be missing, and why; empty if all were read.
	MoreRecords string
	// Environments are the names of production in deployments.
	Environments []string
}

// A comparison is a question while it is answered.
type comparison struct {
	Question
	g       *graph
	window  window
	records []*recorded          // of changes, without those that are part of another
	parts   []*recorded          // those that are
	byName  map[string]*recorded // by id, in each of its names
	listed  map[string]*Request  // what the code host lists, by id
	pushes  index
	bases   []string             // names of the branch
	maybe   []string             // names that the branch may have had
	covered map[string]*recorded // the record that explains a commit
	at      map[string]*recorded // records by their merge in the branch
	named   map[string]bool      // commits that records name as merges
	paired  map[string]bool      // commits about which a finding says everything
	report  *Report
}

// Compare answers a question.
func Compare(q Question) *Report {
	h := q.History
	c := &comparison{
		Question: q, g: newGraph(h), byName: make(map[string]*recorded), listed: make(map[string]*Request), bases: []string{h.Branch},
		covered: make(map[string]*recorded), at: make(map[string]*recorded), named: make(map[string]bool), paired: make(map[string]bool),
		report: &Report{Repository: h.Repository, Branch: h.Branch, Tip: h.Tip, From: q.From.UTC(), To: q.To.UTC(), Sources: h.Sources, RecordsOf: q.RecordsOf, Findings: []Finding{}, Unchecked: []Unchecked{}},
	}
	c.collect()
	if h.Tip != "" {
		c.place()
		c.renamed()
		c.indexPushes()
		c.cover()
		c.window = c.g.window(q, h.ReadAt, func(sha string) (time.Time, bool) {
			r := c.at[sha]
			if r == nil || !r.observed {
				return time.Time{}, false
			}
			return r.mergedAt, !r.mergedAt.IsZero()
		})
		c.pair()
		c.dark()
		c.heads()
	}
	c.requests()
	if h.Tip != "" || h.RequestsRead {
		c.ghosts()
	}
	if h.DeploymentsRead {
		c.deployments()
	}
	c.finish()
	return c.report
}

// collect sorts the records.
func (c *comparison) collect() {
	newest := make(map[record.ChangeID]*record.Record)
	for _, r := range c.Records {
		id := r.Trail.Change.ID
		if old := newest[id]; Concerns(r, c.History.Repository) && (old == nil || old.Trail.Revision < r.Trail.Revision) {
			newest[id] = r
		}
	}
	for _, r := range newest {
		w := recordedOf(r)
		for _, id := range w.ids {
			c.byName[string(id)] = w
		}
		if w.partOf == "" {
			c.records = append(c.records, w)
		} else {
			c.parts = append(c.parts, w)
		}
	}
	for i := range c.History.Requests {
		q := &c.History.Requests[i]
		c.listed[string(q.ID)] = q
		r := c.byName[string(q.ID)]
		if q.State == "merged" && (q.Base == "" || q.Base == c.History.Branch) && c.inTime(q.MergedAt) && (r == nil || r.state != "merged") {
			c.records = append(c.records, unrecorded(q))
		}
	}
	inOrder := func(a, b *recorded) int {
		return cmp.Or(a.mergedAt.Compare(b.mergedAt), strings.Compare(string(a.id), string(b.id)))
	}
	slices.SortFunc(c.records, inOrder)
	slices.SortFunc(c.parts, inOrder)
}

// byNumber returns the record of a pull request or merge request of the repository.
func (c *comparison) byNumber(number string) *recorded {
	for _, kind := range []string{"/pull/", "/merge_requests/"} {
		if r := c.byName[string(c.History.Repository.Change(kind+number))]; r != nil && number != "" {
			return r
		}
	}
	return nil
}

// place finds the merge of each record in the branch.
func (c *comparison) place() {
	merges := c.g.mergesOf()
	for _, r := range c.records {
		if r.state == "merged" {
			c.named[c.g.find(r.merge)] = true
		}
	}
	for _, r := range c.records {
		if r.state != "merged" {
			continue
		}
		sha, head := c.g.find(r.merge), c.g.find(r.head)
		of := merges[head]
		switch {
		case r.direct() || head == "" || sha == head || c.g.in(sha) && slices.Contains(c.g.commits[sha].Parents, head):
		case of != "" && of != sha && !c.named[of]: // its head was merged elsewhere
			sha, r.moved = of, r.merge != ""
		case r.merge == "":
			sha = cmp.Or(of, head)
		}
		if c.g.in(sha) && !c.inner(r, sha) {
			c.placeAt(r, sha)
		}
	}
}

// placeAt makes a commit the merge of a record, unless it belongs to another one.
func (c *comparison) placeAt(r *recorded, sha string) {
	if other := c.at[sha]; other != nil {
		if !c.owns(r, other, sha) {
			r.moved = false
			return
		}
		other.at, other.moved = "", false
	}
	r.at, c.at[sha] = sha, r
}

// inner reports whether a commit that a record names as its merge is a commit within another change:
// one that the record of a pull request says to have merged.
func (c *comparison) inner(r *recorded, sha string) bool {
	if _, landed := c.g.onChain[sha]; landed || r.direct() || r.base != c.History.Branch {
		return false
	}
	by := c.g.commits[c.g.chain[c.g.landing[sha]]]
	return c.named[by.ID] && slices.ContainsFunc(c.records, func(o *recorded) bool {
		return o != r && o.state == "merged" && !o.direct() && c.g.find(o.merge) == by.ID && slices.Contains(by.Parents[1:], c.g.find(o.head))
	})
}

// owns reports whether a merge belongs to r rather than to another record that names it.
func (c *comparison) owns(r, other *recorded, sha string) bool {
	m := c.g.commits[sha]
	score := func(r *recorded) (n int) {
		if !r.direct() {
			n++ // the push that a merge made is a part of it
		}
		if slices.Contains(m.Parents[min(1, len(m.Parents)):], c.g.find(r.head)) {
			n += 2
		}
		if m.Number != "" && m.Number == r.number {
			n += 2
		}
		return n
	}
	return score(r) > score(other)
}

// renamed adds the former names of the branch: names that exist no more, to which changes were merged
// that are landings of the branch. If it is not known which branches exist, these are only names
// that may be former ones.
func (c *comparison) renamed() {
	h := c.History
	c.bases = append(c.bases, h.Former...)
	for _, r := range c.records {
		_, landed := c.g.onChain[r.at]
		switch {
		case !landed || !r.observed || r.base == "" || slices.Contains(c.bases, r.base) || slices.Contains(c.maybe, r.base) || slices.Contains(h.Branches, r.base):
		case h.Branches == nil:
			c.maybe = append(c.maybe, r.base)
		default:
			c.bases = append(c.bases, r.base)
		}
	}
	c.report.Former = c.bases[1:]
}

// expected reports whether a record says that its change was merged into the branch, in the window.
func (c *comparison) expected(r *recorded) bool {
	return r.state == "merged" && c.toBranch(r) && c.inTime(r.mergedAt)
}

// toBranch reports whether a record says that its change goes into the branch, or does not say where.
func (c *comparison) toBranch(r *recorded) bool {
	return r.base == "" || slices.Contains(c.bases, r.base)
}

// mayBeToBranch also accepts names that the branch may have had.
func (c *comparison) mayBeToBranch(r *recorded) bool {
	return c.toBranch(r) || slices.Contains(c.maybe, r.base)
}

// inTime reports whether a time is in the window, or unknown.
func (c *comparison) inTime(t time.Time) bool {
	return t.IsZero() || !t.Before(c.From) && t.Before(c.To)
}
