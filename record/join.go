package record

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// A Ref is a name under which evidence can be found within one repository:
// "commit:<sha>", "scan:<digest or id>", "finding:<NAME>", "merge:<sha>",
// "run:<id, trace or address of its log>", "artifact:<package URL>". Evidence that names no change is posted
// under its refs; a change looks under the refs that its own facts name. Which of
// the two comes first does not matter.
type Ref string

func commitRef(sha string) Ref   { return Ref("commit:" + strings.ToLower(sha)) }
func scanRef(name string) Ref    { return Ref("scan:" + name) }
func findingRef(name string) Ref { return Ref("finding:" + strings.ToUpper(name)) }
func mergeRef(sha string) Ref    { return Ref("merge:" + strings.ToLower(sha)) }
func runRef(name string) Ref     { return Ref("run:" + name) }
func artifactRef(id string) Ref  { return Ref("artifact:" + id) }

// IsCommit reports whether r names a commit.
func (r Ref) IsCommit() bool { return strings.HasPrefix(string(r), "commit:") }

// Run returns the run that r names, "" where it names none.
func (r Ref) Run() string {
	run, ok := strings.CutPrefix(string(r), "run:")
	if !ok {
		return ""
	}
	return run
}

// A Posting is evidence under one ref. Its event holds what that ref needs:
// under a finding, the scan with that one finding.
type Posting struct {
	Ref   Ref
	Event Event
}

// MaxPosted bounds the findings of one report that can be found by name.
const MaxPosted = 2000

// Postings returns the refs under which e is evidence, and as what.
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
	case *Decision:
		return decisionPostings(e)
	}
	return nil
}

// decisionPostings puts a decision that names no change where each change is found
// that its run makes.
func decisionPostings(e Event) (out []Posting) {
	if e.Change != "" {
		return nil
	}
	for _, ref := range RunRefs(e) {
		out = append(out, Posting{ref, e})
	}
	return out
}

// About returns e as a fact about change id: a decision that names no change is one
// about each change that its run makes.
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

// pushPostings makes a push evidence for the changes of which it holds a commit:
// what is said of an agent stands in the messages.
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

// RunNames are the names of the run that an event tells of.
func RunNames(e Event) []string {
	switch f := e.Fact.(type) {
	case *Decision:
		return runNames(f.Agent, e.Trace)
	case *Action:
		return runNames(f.Agent, e.Trace)
	}
	return nil
}

// runNames are the names of a run of an agent.
func runNames(a Agent, trace string) []string {
	return compactStrings([]string{a.Run, a.LogsURL, trace})
}

// Runs returns the refs of the runs that are said to have made a change: by its
// decisions, by the trailers of its commits, and by its actions that name one of
// its commits. Sorted, without repeats. Beside them stand the runs of the actions
// that name no change, and one of its commits.
func Runs(f Facts) []Ref {
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
	if len(f.Actions.Made) > 0 {
		commits := commitsOf(f.Own)
		for _, m := range f.Actions.Made {
			if _, own := slices.BinarySearch(commits, m.CommitSHA); own {
				refs = append(refs, runRef(m.Run))
			}
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}

// pushed returns the commits of a change: those of pushes to its branch; of pushes
// to where changes are merged, which may bring those of others, too, the ones that
// the change itself names.
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

// pushes returns the pushes among f, each once, in the order of time.
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

// commitsOf are the commits that facts of a change name as its own.
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
		case *Noted:
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
	whole := e
	whole.Fact = f.only(nil)
	var out []Posting
	for _, name := range compactStrings([]string{f.Report.Digest, f.ScanID}) {
		out = append(out, Posting{scanRef(name), whole})
	}
	if f.CommitSHA != "" {
		out = append(out, Posting{commitRef(f.CommitSHA), whole})
	}
	for i, finding := range f.Findings {
		if i == MaxPosted {
			break
		}
		one := e
		one.Fact = f.only([]Finding{finding})
		for _, name := range finding.Names() {
			out = append(out, Posting{findingRef(name), one})
		}
	}
	return out
}

// Whole returns f as a report, without the findings and without the content.
func (f *Scan) Whole() *Scan { return f.only(nil) }

// only returns f with findings in place of its own, and without the content.
func (f *Scan) only(findings []Finding) *Scan {
	g := *f
	g.Report.Content = nil
	g.Findings = findings
	return &g
}

// Looks returns the refs that the facts of a change name: its commits, and
// the report and finding that its decisions name. Sorted, without repeats.
func Looks(own []Event) []Ref {
	var refs []Ref
	for _, e := range own {
		if d, ok := e.Fact.(*Decision); ok && d.Trigger != nil {
			for _, name := range compactStrings([]string{d.Trigger.Digest, d.Trigger.ID}) {
				refs = append(refs, scanRef(name))
			}
			if d.Trigger.Finding != "" {
				refs = append(refs, findingRef(d.Trigger.Finding))
			}
		}
	}
	for _, e := range own {
		if n, ok := e.Fact.(*Noted); ok && n.Artifact != "" {
			refs = append(refs, artifactRef(n.Artifact))
		}
	}
	for _, sha := range commitsOf(own) {
		refs = append(refs, commitRef(sha))
	}
	if _, kind, sha := firstChange(own).Split(); kind == "commit" {
		refs = append(refs, mergeRef(sha))
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}

func firstChange(own []Event) ChangeID {
	if len(own) == 0 {
		return ""
	}
	return own[0].Change
}

// Keep sorts events, drops repeats, and keeps the newest of each kind, so that
// a record stays bounded whatever is sent. What it keeps is a function of the
// set, and keeping in steps gives what keeping at once gives. It works in place.
func Keep(events []Event) []Event {
	slices.SortFunc(events, compareFull)
	events = slices.CompactFunc(events, sameFact)
	return keepLast(events)
}

// KeepEvidence is [Keep] for the evidence of a change with the facts own: of
// scans it keeps those nearest in time to a decision, so that the report which
// a decision was based on is not pushed out by the scans of later days.
func KeepEvidence(own, evidence []Event) []Event {
	slices.SortFunc(evidence, compareFull)
	evidence = slices.CompactFunc(evidence, sameFact)
	if len(evidence) <= keepOf(TypeScanCompleted) {
		return evidence
	}
	decided := times(own)
	slices.SortStableFunc(evidence, func(a, b Event) int {
		return cmp.Compare(distance(b.Time, decided), distance(a.Time, decided))
	})
	evidence = keepLast(evidence)
	slices.SortFunc(evidence, compareFull)
	return evidence
}

// keepLast keeps the last of each kind, in place and in order.
func keepLast(events []Event) []Event {
	over := make(map[string]int, 8)
	for _, e := range events {
		over[e.Type]++
	}
	return slices.DeleteFunc(events, func(e Event) bool {
		over[e.Type]--
		return over[e.Type] >= keepOf(e.Type)
	})
}

func times(own []Event) []time.Time {
	var decided, other []time.Time
	for _, e := range own {
		if e.Type == TypeDecisionRecorded {
			decided = append(decided, e.Time)
		}
		other = append(other, e.Time)
	}
	if len(decided) > 0 {
		return decided
	}
	return other
}

// distance is how far t is from the nearest of marks.
func distance(t time.Time, marks []time.Time) time.Duration {
	nearest := time.Duration(math.MaxInt64)
	for _, m := range marks {
		nearest = min(nearest, t.Sub(m).Abs())
	}
	return nearest
}

// keepOf is how many facts of one kind a record is made from.
func keepOf(eventType string) int {
	switch eventType {
	case TypeDecisionRecorded:
		return 10
	case TypeApprovalGranted, TypeDeploymentFinished, TypeGateDecided, TypeIdentityRefused, TypeChangeOpened, TypeChangeMerged, TypeChangeClosed:
		return 20
	}
	return 50
}

func compareFull(a, b Event) int {
	if c := a.Compare(b); c != 0 {
		return c
	}
	return strings.Compare(findingKey(a), findingKey(b))
}

func sameFact(a, b Event) bool { return a.Key() == b.Key() && findingKey(a) == findingKey(b) }

func findingKey(e Event) string {
	if s, ok := e.Fact.(*Scan); ok && len(s.Findings) == 1 {
		return s.Findings[0].Fingerprint
	}
	return ""
}
