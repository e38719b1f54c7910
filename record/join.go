package record

import (
	"slices"
	"strings"
)

// A Ref is a name under which evidence can be found within one repository: "commit:<sha>",
// "scan:<digest or id>", "finding:<NAME>", "merge:<sha>", "run:<id, trace or address of its
// log>", "artifact:<package URL>", "request:<id, address or digest>". Evidence that names no
// change is posted under its refs; a change looks under the refs that its own facts name. The
// order does not matter.
type Ref string

func commitRef(sha string) Ref   { return Ref("commit:" + strings.ToLower(sha)) }
func scanRef(name string) Ref    { return Ref("scan:" + name) }
func findingRef(name string) Ref { return Ref("finding:" + strings.ToUpper(name)) }
func mergeRef(sha string) Ref    { return Ref("merge:" + strings.ToLower(sha)) }
func runRef(name string) Ref     { return Ref("run:" + name) }
func artifactRef(id string) Ref  { return Ref("artifact:" + id) }

// CommitRef returns the ref of a commit.
func CommitRef(sha string) Ref { return commitRef(sha) }

// MergeRef returns the ref of the commit that a merge made.
func MergeRef(sha string) Ref { return mergeRef(sha) }

// IsCommit reports whether r names a commit.
func (r Ref) IsCommit() bool { return strings.HasPrefix(string(r), "commit:") }

// Finding returns the finding that r names, or "".
func (r Ref) Finding() string {
	name, ok := strings.CutPrefix(string(r), "finding:")
	if !ok {
		return ""
	}
	return name
}

// Run returns the run that r names, or "".
func (r Ref) Run() string {
	run, ok := strings.CutPrefix(string(r), "run:")
	if !ok {
		return ""
	}
	return run
}

// A Posting is evidence under one ref. Its event contains what that ref needs: under a finding,
// the scan with only that finding.
type Posting struct {
	Ref   Ref
	Event Event
}

// Postings returns the refs under which e is evidence, with that evidence, except the findings of
// a report (see [FindingPostings]).
func Postings(e Event) []Posting {
	switch f := e.Fact.(type) {
	case *Validation:
		if e.Change == "" && f.CommitSHA != "" {
			return []Posting{{commitRef(f.CommitSHA), e}}
		}
	case *Deployment:
		return deploymentPostings(e, f)
	case *Pushed:
		return pushPostings(e, f)
	case *Merged:
		if _, kind, _ := e.Change.Split(); f.MergeSHA != "" && kind != "commit" {
			return []Posting{{mergeRef(f.MergeSHA), e}}
		}
	case *Scan:
		return scanPostings(e, f)
	case *Request:
		return requestPostings(e, f)
	case *Decision:
		return decisionPostings(e)
	}
	return nil
}

// decisionPostings posts a decision that names no change under its run, where each change of the
// run finds it.
func decisionPostings(e Event) (out []Posting) {
	if e.Change != "" {
		return nil
	}
	for _, ref := range RunRefs(e) {
		out = append(out, Posting{ref, e})
	}
	return out
}

// About returns e as a fact about change id: a decision that names no change is about each change
// that its run makes.
func (e Event) About(id ChangeID) Event {
	e.Change = id
	return e
}

func deploymentPostings(e Event, f *Deployment) (out []Posting) {
	if e.Change != "" {
		return nil
	}
	if f.CommitSHA != "" {
		out = append(out, Posting{commitRef(f.CommitSHA), e})
	}
	if f.Artifact != "" {
		out = append(out, Posting{artifactRef(f.Artifact), e})
	}
	return out
}

// pushPostings makes a push evidence for each change with one of its commits: the messages of the
// commits name agents.
func pushPostings(e Event, f *Pushed) []Posting {
	shas := []string{strings.ToLower(f.After)}
	for _, c := range f.Commits {
		shas = append(shas, strings.ToLower(c.SHA))
	}
	slices.Sort(shas)
	var out []Posting
	for _, sha := range slices.Compact(shas) {
		out = append(out, Posting{commitRef(sha), e})
	}
	return out
}

// Links returns the commit that an action names, and the refs of its run: a run that made one
// commit of a change made the change.
func Links(e Event) (commit Ref, runs []Ref) {
	f, ok := e.Fact.(*Action)
	if !ok || f.CommitSHA == "" {
		return "", nil
	}
	return commitRef(f.CommitSHA), RunRefs(e)
}

// ActionRefs returns the refs under which an action that names no change is found:
// its commit, and the names of its run.
func ActionRefs(e Event) []Ref {
	f, ok := e.Fact.(*Action)
	if !ok || e.Change != "" {
		return nil
	}
	refs := RunRefs(e)
	if f.CommitSHA != "" {
		refs = append(refs, commitRef(f.CommitSHA))
	}
	return refs
}

// RunRefs returns the refs of the run that a decision or an action belongs to.
func RunRefs(e Event) []Ref {
	names := RunNames(e)
	refs := make([]Ref, len(names))
	for i, n := range names {
		refs[i] = runRef(n)
	}
	return refs
}

// RunNames returns the names of the run of an event.
func RunNames(e Event) []string {
	switch f := e.Fact.(type) {
	case *Decision:
		return runNames(f.Agent, e.Trace)
	case *Action:
		return runNames(f.Agent, e.Trace)
	}
	return nil
}

// runNames returns the names of a run of an agent.
func runNames(a Agent, trace string) []string {
	return compactStrings([]string{a.Run, a.LogsURL, trace})
}

// runs returns the refs of the runs that are said to have made a change, by its decisions and by
// the trailers of its commits. The runs of actions that name one of its commits are found by
// [Links].
func runs(f Facts) []Ref {
	var refs []Ref
	for _, e := range f.Own {
		if _, ok := e.Fact.(*Decision); ok {
			refs = append(refs, RunRefs(e)...)
		}
	}
	for _, c := range pushed(f) {
		for _, run := range runsOf(c.Trailers) {
			refs = append(refs, runRef(run))
		}
	}
	return refs
}

// pushed returns the commits of a change: those of pushes to its branch and, from pushes to
// branches into which changes are merged, only the commits that the change itself names. The
// other commits may belong to other changes.
func pushed(f Facts) []Commit {
	all := pushes(f)
	if len(all) == 0 {
		return nil
	}
	commits := commitsOf(f.Own)
	var out []Commit
	for _, e := range all {
		p := e.Fact.(*Pushed)
		for _, c := range p.Commits {
			if !p.Default || e.Change != "" && e.Change == firstChange(f.Own) || slices.Contains(commits, strings.ToLower(c.SHA)) {
				out = append(out, c)
			}
		}
	}
	return out
}

// pushes returns the pushes among f, each once, in time order.
func pushes(f Facts) []Event {
	var out []Event
	for _, e := range f.Own {
		if _, ok := e.Fact.(*Pushed); ok {
			out = append(out, e)
		}
	}
	for _, e := range f.Evidence {
		if _, ok := e.Fact.(*Pushed); ok {
			out = append(out, e)
		}
	}
	if len(out) > 1 {
		slices.SortFunc(out, compareFull)
		out = slices.CompactFunc(out, sameFact)
	}
	return out
}

// commitsOf returns the commits that facts of a change name as its own.
func commitsOf(own []Event) []string {
	var out []string
	add := func(sha string) {
		if sha != "" {
			out = append(out, strings.ToLower(sha))
		}
	}
	for _, e := range own {
		switch f := e.Fact.(type) {
		case *Opened:
			add(f.HeadSHA)
		case *Updated:
			add(f.HeadSHA)
		case *Merged:
			add(f.HeadSHA)
			add(f.MergeSHA)
		case *Closed:
			add(f.HeadSHA)
		case *Pushed:
			add(f.After)
		case *Activity:
			add(f.CommitSHA)
		}
	}
	if _, kind, sha := firstChange(own).Split(); kind == "commit" {
		add(sha)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func scanPostings(e Event, f *Scan) []Posting {
	whole := e.AsOwn()
	var out []Posting
	for _, name := range compactStrings([]string{f.Report.Digest, f.ScanID}) {
		out = append(out, Posting{scanRef(name), whole})
	}
	if f.CommitSHA != "" {
		out = append(out, Posting{commitRef(f.CommitSHA), whole})
	}
	if f.Alert {
		out = append(out, requestPostings(whole, &Request{ID: f.ScanID, URL: f.URL})...)
	}
	return out
}

// FindingPostings returns the refs of the findings of a scan, and under each the scan with only
// that finding. It skips refs for which wanted is false.
func FindingPostings(e Event, wanted func(Ref) bool) []Posting {
	f, ok := e.Fact.(*Scan)
	if !ok {
		return nil
	}
	var out []Posting
	for _, finding := range f.Findings {
		for _, name := range finding.Names() {
			if ref := findingRef(name); wanted(ref) {
				out = append(out, Posting{ref, e.WithFinding(finding)})
			}
		}
	}
	return out
}

// WithFinding returns a scan with only one of its findings.
func (e Event) WithFinding(f Finding) Event {
	e.Fact = e.Fact.(*Scan).only([]Finding{f})
	return e
}

// AsOwn returns e in the form in which its change stores it: a report without its findings, which
// are found by their names.
func (e Event) AsOwn() Event {
	if f, ok := e.Fact.(*Scan); ok {
		e.Fact = f.only(nil)
	}
	return e
}

// only returns f with these findings instead of its own, and without the content.
func (f *Scan) only(findings []Finding) *Scan {
	g := *f
	g.Report.Content = nil
	g.Findings = findings
	return &g
}

// looks returns the refs that the facts of a change name: its commits, and the report, the
// finding and the request that its decisions name.
func looks(own []Event) []Ref {
	var refs []Ref
	for _, e := range own {
		if d, ok := e.Fact.(*Decision); ok && d.Trigger != nil {
			for _, name := range compactStrings([]string{d.Trigger.Digest, d.Trigger.ID}) {
				refs = append(refs, scanRef(name))
			}
			if d.Trigger.Finding != "" {
				refs = append(refs, findingRef(d.Trigger.Finding))
			}
			refs = append(refs, d.Trigger.requestRefs()...)
		}
	}
	for _, e := range own {
		if n, ok := e.Fact.(*Activity); ok && n.Artifact != "" {
			refs = append(refs, artifactRef(n.Artifact))
		}
	}
	for _, sha := range commitsOf(own) {
		refs = append(refs, commitRef(sha))
	}
	if _, kind, sha := firstChange(own).Split(); kind == "commit" {
		refs = append(refs, mergeRef(sha))
	}
	return refs
}

func firstChange(own []Event) ChangeID {
	if len(own) == 0 {
		return ""
	}
	return own[0].Change
}

func compareFull(a, b Event) int {
	if c := a.Compare(b); c != 0 {
		return c
	}
	return strings.Compare(findingKey(a), findingKey(b))
}

func sameFact(a, b Event) bool { return compareFull(a, b) == 0 }

func findingKey(e Event) string {
	if s, ok := e.Fact.(*Scan); ok && len(s.Findings) == 1 {
		return s.Findings[0].Fingerprint
	}
	return ""
}
