package reconcile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// The kinds of findings.
const (
	Dark      = "dark"              // merged or deployed, and never recorded
	Ghost     = "ghost"             // recorded as merged or deployed, and in no history
	WrongHead = "wrong-head"        // recorded with another merge commit or head than the history has
	Rewritten = "rewritten-history" // recorded, and the history no longer contains the merge commit
)

// Kinds lists them in the order of reports.
var Kinds = []string{Dark, Ghost, WrongHead, Rewritten}

// What a finding is about.
const (
	ofChange     = "change"
	ofDeployment = "deployment"
)

// A Finding is one difference between the history and the records.
type Finding struct {
	ID          string          `json:"id"`   // the same in each run that finds it
	Kind        string          `json:"kind"` // one of Kinds
	What        string          `json:"what"` // change or deployment
	Change      record.ChangeID `json:"change,omitempty"`
	Commit      string          `json:"commit,omitempty"`  // in the branch, or deployed
	Commits     []string        `json:"commits,omitempty"` // that it brought and no record explains, with Commit
	How         string          `json:"how,omitempty"`     // how it reached the branch, as far as its commit shows
	Environment string          `json:"environment,omitempty"`
	At          time.Time       `json:"at,omitzero"` // as the commit, the record or the code host states
	Title       string          `json:"title,omitempty"`
	Author      string          `json:"author,omitempty"`
	Committer   string          `json:"committer,omitempty"`
	// Agent is the agent that made the change, and AgentBy what shows that. Without a sign of an
	// agent both are empty: a person made it, or an agent that left no sign.
	Agent    string   `json:"agent,omitempty"`
	AgentBy  []string `json:"agent_by,omitempty"`
	Recorded string   `json:"recorded,omitempty"` // the commit that the record names
	Found    string   `json:"found,omitempty"`    // the commit that the history has in its place
	// MayBelongTo is a recorded push whose list of commits is not known. The commit lies directly
	// below it and may have come with it.
	MayBelongTo record.ChangeID `json:"may_belong_to,omitempty"`
	Reason      string          `json:"reason"` // in a sentence
}

// An Unchecked is something that could not be compared.
type Unchecked struct {
	Reason string   `json:"reason"`
	Names  []string `json:"names,omitempty"` // of changes or commits
}

// A Report says how the history and the records differ.
type Report struct {
	Repository record.Repository `json:"repository"`
	Branch     string            `json:"branch"`
	Former     []string          `json:"former_branches,omitempty"` // former names of the branch
	Tip        string            `json:"tip,omitempty"`
	From       time.Time         `json:"from"`
	To         time.Time         `json:"to"`
	Sources    []string          `json:"sources"` // of the history
	RecordsOf  string            `json:"records_of"`

	Commits     int `json:"commits"`     // of the branch, from all times
	Landings    int `json:"landings"`    // times that the branch moved, in the window
	Requests    int `json:"requests"`    // merged in the window, by the list of the code host
	Deployments int `json:"deployments"` // in the window, by the list
	Records     int `json:"records"`     // of changes merged into the branch, in the window
	Matched     int `json:"matched"`     // of them, found in the history
	Claimed     int `json:"claimed"`     // of these, merged only by the word of whoever sent the event
	Elsewhere   int `json:"elsewhere"`   // records of changes merged into other branches, which are not compared

	Counts    map[string]int `json:"counts"` // findings by kind
	Findings  []Finding      `json:"findings"`
	Unchecked []Unchecked    `json:"unchecked"`

	unexplained []string
}

// Complete reports whether everything could be compared.
func (r *Report) Complete() bool { return len(r.Unchecked) == 0 }

// Unexplained returns the commits that no record explains. Events of pushes may name them.
func (r *Report) Unexplained() []string { return r.unexplained }

func (c *comparison) find(f Finding) {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(c.History.Repository), f.Kind, f.What, string(f.Change), f.Commit, f.Environment, f.deployedAt()}, "\x00")))
	f.ID = f.Kind + "-" + hex.EncodeToString(sum[:6])
	f.At = f.At.UTC()
	c.report.Findings = append(c.report.Findings, f)
}

// deployedAt is a part of the name of a deployment: a commit may be deployed several times.
func (f *Finding) deployedAt() string {
	if f.What != ofDeployment {
		return ""
	}
	return f.At.UTC().Format(time.RFC3339)
}

func (c *comparison) leave(reason string, names ...string) {
	for i := range c.report.Unchecked {
		if c.report.Unchecked[i].Reason == reason {
			c.report.Unchecked[i].Names = append(c.report.Unchecked[i].Names, names...)
			return
		}
	}
	c.report.Unchecked = append(c.report.Unchecked, Unchecked{reason, names})
}

// finish counts.
func (c *comparison) finish() {
	r := c.report
	for _, gap := range c.History.Gaps {
		c.leave(gap)
	}
	if c.MoreRecords != "" {
		c.leave(c.MoreRecords)
	}
	if len(c.g.cut) > 0 {
		c.leave(fmt.Sprintf("the history is cut: parents of %d commits are not there, so that older commits are unknown; use a full clone (git fetch --unshallow) or a full list of commits", len(c.g.cut)), c.g.cut...)
	}
	for sha, landing := range c.g.landing {
		if c.covered[sha] == nil && c.window.has(landing) {
			r.unexplained = append(r.unexplained, sha)
		}
	}
	slices.Sort(r.unexplained)
	r.Commits, r.Landings = len(c.g.landing), max(0, c.window.end-c.window.start)
	for _, w := range c.records {
		c.count(w)
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds, a.Kind), slices.Index(Kinds, b.Kind)), strings.Compare(a.What, b.What), a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
	})
	r.Counts = make(map[string]int)
	for _, kind := range Kinds {
		r.Counts[kind] = 0
	}
	for _, f := range r.Findings {
		r.Counts[f.Kind]++
	}
}

func (c *comparison) count(w *recorded) {
	r := c.report
	landed := w.at != "" && c.window.has(c.g.landing[w.at])
	switch {
	case w.request != nil || w.state != "merged":
	case landed || c.expected(w):
		r.Records++
		if w.at != "" || w.listed {
			r.Matched++
			if !w.observed {
				r.Claimed++
			}
		}
	case w.at == "" && c.inTime(w.mergedAt):
		r.Elsewhere++
	}
}
