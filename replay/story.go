package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// An Index holds records and events.
type Index interface {
	// Record returns the newest revision of a record by its document id, or nil.
	Record(ctx context.Context, id string) (jsontext.Value, error)
	// Named returns the newest revisions of records of changes that have id under another name of
	// their repository. It may return only some.
	Named(ctx context.Context, id record.ChangeID) ([]jsontext.Value, error)
	// Events calls f with each event that matches the query and the id of its document, in the
	// order of their stated times.
	Events(ctx context.Context, q schemas.EventQuery, f func(id string, doc jsontext.Value) error) error
}

// A Stage is one part of a story. Stages are in this order.
type Stage string

// The stages.
const (
	Saw       Stage = "saw"
	Decided   Stage = "decided"
	Did       Stage = "did"
	Validated Stage = "validated"
	Approved  Stage = "approved"
	Merged    Stage = "merged"
	Deployed  Stage = "deployed"
)

// Stages lists the stages in order.
var Stages = []Stage{Saw, Decided, Did, Validated, Approved, Merged, Deployed}

// A Story is everything that is known about one change.
type Story struct {
	Record  *record.Record
	Raw     jsontext.Value // the record as it is indexed
	Events  []Event        // in the order of their stated times
	Actions int            // how many of them are actions
	Steps   []Step

	index   Index
	parts   []record.ChangeID // its id, and its ids under other names of its repository
	refs    []record.Ref      // the refs under which its events are found
	actions []found           // the first of its actions
}

// ID returns the change that the story is about.
func (s *Story) ID() record.ChangeID { return s.Record.Trail.Change.ID }

// A Step is one thing that happened.
type Step struct {
	Stage   Stage
	At      time.Time // the stated time; zero if unknown
	Arrived time.Time // of its event, if known
	Who     string
	Title   string
	Facts   []Fact
	Diff    []DiffLine      // for an action that changed a file
	Options []record.Option // for a decision
	Digest  string          // of the file that proves it; empty if there is none
	Finding string          // what to look for in that file
	URL     string          // where it can be read at its source
	Tier    string          // witness of its event: claimed, signed, observed, human
	Missing bool            // the step says that something is missing
	Bad     bool            // it speaks against the change: a test failed, a reviewer asked for changes

	Imported bool // its event was imported as history
}

// Lag returns the difference between the time of the step and the arrival of its event: see [Lag].
func (step Step) Lag() string { return Lag(step.At, step.Arrived) }

// A Fact is one line of a step.
type Fact struct{ Label, Text string }

// ErrNoRecord reports a change that is not in the index.
var ErrNoRecord = errors.New("no record")

// Load loads the story of a change.
func Load(ctx context.Context, x Index, id record.ChangeID) (*Story, error) {
	raw, r, err := Find(ctx, x, id)
	if err != nil {
		return nil, err
	}
	return LoadFound(ctx, x, raw, r)
}

// LoadFound loads the story of a record that [Find] returned.
func LoadFound(ctx context.Context, x Index, raw jsontext.Value, r *record.Record) (*Story, error) {
	s := &Story{Raw: raw, Record: r, index: x}
	if err := s.gather(ctx, x); err != nil {
		return nil, err
	}
	s.addSteps()
	return s, nil
}

// Of returns the steps of a stage.
func (s *Story) Of(stage Stage) []Step {
	var out []Step
	for _, step := range s.Steps {
		if step.Stage == stage {
			out = append(out, step)
		}
	}
	return out
}

// Digests returns the digests of all files that the story names, without duplicates.
func (s *Story) Digests() []string {
	var out []string
	for _, step := range s.Steps {
		if step.Digest != "" && !slices.Contains(out, step.Digest) {
			out = append(out, step.Digest)
		}
	}
	for _, e := range s.Events {
		for _, d := range e.Files {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}

func (s *Story) add(step Step) {
	step.Facts = slices.DeleteFunc(step.Facts, func(f Fact) bool { return f.Text == "" })
	s.Steps = append(s.Steps, step)
}

func (s *Story) addSteps() {
	s.saw()
	s.decided()
	s.did()
	s.validated()
	s.approved()
	s.merged()
	s.deployed()
	// Within a stage by time. A step without a time is a summary, and comes last.
	slices.SortStableFunc(s.Steps, func(a, b Step) int {
		switch {
		case a.Stage != b.Stage:
			return slices.Index(Stages, a.Stage) - slices.Index(Stages, b.Stage)
		case a.At.IsZero() != b.At.IsZero():
			return map[bool]int{true: 1, false: -1}[a.At.IsZero()]
		}
		return a.At.Compare(b.At)
	})
}

func (s *Story) saw() {
	g := s.Record.Trail.Trigger
	if g == nil {
		if s.Record.Trail.Change.InitiatedBy == "agent" {
			s.add(Step{Stage: Saw, Title: "Nothing says what made the agent start", Missing: s.late(func(a *record.Answers) string { return a.Trigger })})
		}
		return
	}
	step := Step{
		Stage: Saw, Title: g.Kind, Finding: g.Finding, URL: g.URL, Tier: tier(s.Record, func(t *record.Tiers) string { return t.Trigger }),
		Facts: []Fact{
			{"finding", g.Finding},
			{"also known as", strings.Join(slices.DeleteFunc(slices.Clone(g.Aliases), func(a string) bool { return a == g.Finding }), ", ")},
			{"severity", g.Severity},
			{"the agent claims", other(g.Claimed, g.Severity)},
			{"package", join(" ", g.Package, g.Installed)},
			{"fixed in", g.Fixed},
			{"in", g.Path},
			{"scanner", join(", ", g.Scanner, other(g.Format, g.Scanner))},
			{"sent by", g.Source},
			{"summary", g.Summary},
		},
	}
	if scan := s.Record.Trail.ScanOf(g.Digest); scan != nil {
		step.At, step.Digest = scan.At, scan.Digest
		step = s.matchEvent(step)
		step.Facts = append(step.Facts, Fact{"report", fmt.Sprintf("%s, the most severe is %s; commit %s was scanned", plural(scan.Findings, "finding"), orNone(scan.Highest), orNone(scan.CommitSHA))})
	}
	switch {
	case g.Finding != "":
		step.Title = g.Finding
	case g.ID != "":
		step.Title = g.Kind + " " + g.ID
	}
	step.Digest = ""
	switch {
	case g.Held:
		step.Digest = g.Digest
	case g.Request == nil:
		step.Facts = append(step.Facts, Fact{"report", "never received: only the agent says so"}, Fact{"fingerprint (digest) that the agent names", g.Digest})
	}
	if g.Request != nil {
		step.Facts = append(step.Facts, requestFacts(g.Request)...)
	}
	if g.Held && !g.Found {
		step.Facts = append(step.Facts, Fact{"but", "the report does not contain the finding"})
	}
	s.add(step)
}

// requestFacts describe a ticket, an issue, a prompt, an alert or an incident that was received.
func requestFacts(r *record.RequestFacts) []Fact {
	return []Fact{
		{"received", fmt.Sprintf("%s, %s, from %s", r.Kind, r.Witness, r.Source)},
		{"title", r.Title},
		{"asked by", join(", ", r.AskedBy...)},
	}
}

func (s *Story) decided() {
	d := s.Record.Trail.Decision
	if d == nil {
		if s.Record.Trail.Change.InitiatedBy == "agent" {
			s.add(Step{Stage: Decided, Title: "The agent recorded no decision", Missing: s.late(func(a *record.Answers) string { return a.Alternatives })})
		}
		return
	}
	step := Step{
		Stage: Decided, At: d.RecordedAt, Who: d.Agent, Title: "chose " + orNone(d.Chosen), Options: d.Options, URL: d.LogsURL,
		Tier:  tier(s.Record, func(t *record.Tiers) string { return t.Decision }),
		Facts: []Fact{{"asked by", d.DelegatedBy}, {"run", d.Run}, {"rationale", d.Rationale}},
	}
	if d.Total > 1 {
		step.Facts = append(step.Facts, Fact{"decisions", fmt.Sprintf("%d were recorded; this is the one that counts", d.Total)})
	}
	s.add(step.fromEvent(s.event(d.Source, d.EventID)))
	if a := s.Record.Trail.Authorization; a != nil {
		step := Step{Stage: Decided, Title: say.Ruled(s.Record), Digest: a.PolicyDigest, Facts: []Fact{{"rule", a.Rule}, {"it applies to", strings.Join(a.Paths, "\n")}}}
		for _, r := range a.Because() {
			step.Facts = append(step.Facts, Fact{"because", r})
		}
		if c := a.Claimed; c != nil {
			step.Facts = append(step.Facts, Fact{"the agent claims", join(", ", c.Verdict, with("allowed by ", c.GrantedBy), with("for ", strings.Join(c.Scope, " ")))})
		}
		s.add(step)
	}
}

// did adds the actions as steps. Their events say more about them than the record.
func (s *Story) did() {
	for _, e := range s.actions {
		a := e.action
		diff, arguments := diffIn(a.Arguments)
		if diff == nil {
			arguments = free(a.Arguments)
		}
		step := Step{
			Stage: Did, At: e.Stated, Arrived: e.Arrived, Who: a.Agent.ID, Title: e.tool, Tier: e.Witness, Diff: diff,
			Facts: []Fact{
				{"outcome", a.Outcome},
				{"arguments", arguments},
				{"result", free(a.Result)},
				{"files", strings.Join(e.files, "\n")},
				{"commit", a.CommitSHA},
			},
		}
		for _, d := range a.Dependencies {
			step.Facts = append(step.Facts, Fact{"dependency", dependency(d)})
		}
		s.add(step)
	}
	if more := s.Actions - len(s.actions); more > 0 {
		s.add(Step{Stage: Did, Title: "and " + plural(int64(more), "more action") + ", which are among the events"})
	}
	for _, run := range s.Record.Trail.Runs {
		facts := []Fact{{"named by", strings.Join(run.NamedBy, " and ")}, {"confirmed", "the log of the run names a commit of this change"}}
		if !run.Confirmed {
			facts[1] = Fact{"not confirmed", "changetrail received no log of this run that names a commit of this change"}
		}
		s.add(Step{Stage: Did, Title: "run " + run.ID, URL: link(run.ID), Digest: s.logOf(run.ID), Facts: facts})
	}
	c := s.Record.Trail.Change
	step := Step{
		Stage: Did, At: c.OpenedAt, Who: c.Author, Title: "the change: " + c.Title, URL: c.URL, Tier: s.tierOf("opened_at"),
		Facts: []Fact{{"commit", c.HeadSHA}, {"branch", join(" into ", c.Branch, c.BaseRef)}, {"files", strings.Join(c.Files, "\n")}},
	}
	if c.FilesTotal > 0 || c.Additions > 0 || c.Deletions > 0 {
		diff := plural(c.FilesTotal, "file")
		if c.Additions > 0 || c.Deletions > 0 {
			diff += fmt.Sprintf(", +%d −%d lines", c.Additions, c.Deletions)
		}
		step.Facts = append(step.Facts, Fact{"diff", diff})
	}
	if c.FilesUnknown {
		step.Facts = append(step.Facts, Fact{"not all known", say.FilesKnown(c)})
	}
	for _, d := range c.Dependencies {
		step.Facts = append(step.Facts, Fact{"dependency", dependency(d)})
	}
	step.Facts = append(step.Facts, Fact{"made by an agent", recognized(c.RecognizedBy)}, Fact{"only claimed", claimed(c)})
	for _, t := range s.Record.Trail.Trailers {
		step.Facts = append(step.Facts, Fact{"trailer", t.Key + ": " + t.Value})
	}
	s.add(step)
}

// tierOf returns the witness of an attribute of the change.
func (s *Story) tierOf(attribute string) string {
	if slices.Contains(s.Record.Trail.Change.Claimed, attribute) {
		return record.Claimed
	}
	return tier(s.Record, func(t *record.Tiers) string { return t.Change })
}

// logOf returns the digest of the log of a run, as stated by the last commit that names the run.
func (s *Story) logOf(run string) (digest string) {
	trailers := s.Record.Trail.Trailers
	for _, t := range trailers {
		if t.Value != run {
			continue
		}
		for _, log := range trailers {
			if log.Key == record.TrailerLog && log.CommitSHA == t.CommitSHA {
				digest = log.Value
			}
		}
	}
	return digest
}

func (s *Story) validated() {
	v := s.Record.Trail.Validation
	if v == nil {
		s.add(Step{Stage: Validated, Title: "No test result was received", Missing: s.Record.Trail.Change.State != "open"})
		return
	}
	for _, j := range v.Jobs {
		s.add(s.matchEvent(Step{
			Stage: Validated, At: j.At, Who: j.Provider, Title: j.Name + ": " + orNone(j.Conclusion), Bad: failed(j.Conclusion), Digest: j.Digest, URL: j.URL,
			Tier: tier(s.Record, func(t *record.Tiers) string { return t.Validation }), Facts: []Fact{{"format", j.Format}},
		}))
	}
	sum := Step{
		Stage: Validated, Title: join(", ", "all checks: "+orNone(v.Conclusion), tests(v)),
		Facts: []Fact{{"of commit", v.CommitSHA}, {"the agent claims", v.Claimed}, {"failing", strings.Join(v.Failing, "\n")}},
	}
	if !v.Current {
		sum.Facts = append(sum.Facts, Fact{"but", "that is not the commit that was merged"})
	}
	s.add(sum)
}

func (s *Story) approved() {
	t := s.Record.Trail
	for _, a := range t.Approvals {
		s.add(s.matchEvent(Step{Stage: Approved, At: a.GrantedAt, Who: a.Approver, Title: "gave an approval", URL: link(a.Reference), Tier: a.Tier, Facts: []Fact{
			{"scope", strings.Join(a.Scope, ", ")}, {"until", date(a.ExpiresAt)}, {"reference", a.Reference},
		}}))
	}
	if g := t.Gate; g != nil {
		s.add(Step{Stage: Approved, At: g.At, Who: "merge gate", Bad: !g.Allowed, Title: map[bool]string{true: "let the change pass", false: "refused the change"}[g.Allowed] + "; the verdict that it applied: " + strings.ReplaceAll(g.Verdict, "-", " "), Digest: g.PolicyDigest})
	}
	if t.Review != nil {
		for _, v := range t.Review.Verdicts {
			s.add(s.matchEvent(Step{Stage: Approved, At: v.SubmittedAt, Who: v.Reviewer, Title: strings.ReplaceAll(v.Verdict, "-", " "), Bad: v.Verdict == "changes-requested", Tier: v.Tier, Facts: []Fact{
				{"commit", v.CommitSHA}, {"account", v.ReviewerType}, {"but", stale(v, t.Change)},
			}}))
		}
	}
	if t.Review == nil || len(t.Review.Verdicts) == 0 {
		s.add(Step{Stage: Approved, Title: "Nobody reviewed it", Missing: s.late(func(a *record.Answers) string { return a.Reviewed })})
	}
}

// late reports whether something that an answer needs is missing: it is not if the policy does not
// ask for it, or if it may still arrive.
func (s *Story) late(of func(*record.Answers) string) bool {
	a := s.Record.Trail.Answers
	return a == nil || of(a) != record.NotRequired && of(a) != record.Pending
}

func (s *Story) merged() {
	c := s.Record.Trail.Change
	switch {
	case !c.MergedAt.IsZero():
		s.add(s.matchEvent(Step{Stage: Merged, At: c.MergedAt, Who: c.MergedBy, Title: "merged", URL: c.URL, Tier: s.tierOf("merged_at"), Facts: []Fact{{"as", c.MergeSHA}, {"from", c.HeadSHA}}}))
	case !c.ClosedAt.IsZero():
		s.add(s.matchEvent(Step{Stage: Merged, At: c.ClosedAt, Who: c.ClosedBy, Title: "closed without a merge"}))
	default:
		s.add(Step{Stage: Merged, Title: "not merged", Missing: false})
	}
}

func (s *Story) deployed() {
	for _, d := range s.Record.Trail.Deployments {
		s.add(s.matchEvent(Step{Stage: Deployed, At: d.At, Who: d.Deployer, Title: d.Environment + ": " + d.Outcome, Bad: failed(d.Outcome), Tier: tier(s.Record, func(t *record.Tiers) string { return t.Deployment }), Facts: []Fact{{"commit", d.CommitSHA}}}))
	}
	if len(s.Record.Trail.Deployments) == 0 {
		s.add(Step{Stage: Deployed, Title: "no deployment is known"})
	}
}
