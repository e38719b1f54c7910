package record

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// A Ref is a name under which evidence can be found within one repository:
// "commit:<sha>", "scan:<digest or id>", "finding:<NAME>". Evidence that names
// no change is posted under its refs; a change looks under the refs that its
// own facts name. Which of the two comes first does not matter.
type Ref string

func commitRef(sha string) Ref   { return Ref("commit:" + strings.ToLower(sha)) }
func scanRef(name string) Ref    { return Ref("scan:" + name) }
func findingRef(name string) Ref { return Ref("finding:" + strings.ToUpper(name)) }

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
		if e.Change == "" && f.CommitSHA != "" {
			return []Posting{{commitRef(f.CommitSHA), e}}
		}
	case *Scan:
		return scanPostings(e, f)
	}
	return nil
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
	commit := func(sha string) {
		if sha != "" {
			refs = append(refs, commitRef(sha))
		}
	}
	for _, e := range own {
		switch f := e.Fact.(type) {
		case *Decision:
			if t := f.Trigger; t != nil {
				for _, name := range compactStrings([]string{t.Digest, t.ID}) {
					refs = append(refs, scanRef(name))
				}
				if t.Finding != "" {
					refs = append(refs, findingRef(t.Finding))
				}
			}
		case *Opened:
			commit(f.HeadSHA)
		case *Updated:
			commit(f.HeadSHA)
		case *Merged:
			commit(f.HeadSHA)
			commit(f.MergeSHA)
		case *Closed:
			commit(f.HeadSHA)
		}
	}
	if _, kind, sha := firstChange(own).Split(); kind == "commit" {
		commit(sha)
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

// Facts is all that the record of one change is made from.
type Facts struct {
	Own      []Event // facts about the change, actions aside
	Actions  Actions
	Evidence []Event // facts that name one of its commits, reports or findings
}

// Gather finds the facts of change id among the events of its repository, in
// whatever order and however often they stand there. It is the definition of
// what the enricher keeps up to date event by event.
func Gather(id ChangeID, events []Event) Facts {
	var f Facts
	seen := make(map[string]bool, len(events))
	distinct := make([]Event, 0, len(events))
	sorted := slices.Clone(events)
	slices.SortFunc(sorted, compareFull)
	for _, e := range sorted {
		if !seen[e.Key()] {
			seen[e.Key()] = true
			distinct = append(distinct, e)
		}
	}
	for _, e := range distinct {
		if e.Change != id {
			continue
		}
		switch fact := e.Fact.(type) {
		case *Action:
			f.Actions.Add(e, fact)
		case *Scan:
			own := e
			own.Fact = fact.only(nil)
			f.Own = append(f.Own, own)
		default:
			f.Own = append(f.Own, e)
		}
	}
	f.Own = Keep(f.Own)
	looks := Looks(f.Own)
	for _, e := range distinct {
		for _, p := range Postings(e) {
			if _, ok := slices.BinarySearch(looks, p.Ref); ok {
				f.Evidence = append(f.Evidence, p.Event)
			}
		}
	}
	f.Evidence = KeepEvidence(f.Own, f.Evidence)
	return f
}
