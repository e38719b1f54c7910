package record

import (
	"strings"
	"time"
)

// The event types of changetrail (CloudEvents attribute "type"). A type, once
// released, never changes its meaning.
const (
	TypeDecisionRecorded    = "dev.changetrail.decision.recorded.v1"
	TypeActionPerformed     = "dev.changetrail.action.performed.v1"
	TypeScanCompleted       = "dev.changetrail.scan.completed.v1"
	TypeValidationCompleted = "dev.changetrail.validation.completed.v1"
	TypeReviewSubmitted     = "dev.changetrail.review.submitted.v1"
	TypeApprovalGranted     = "dev.changetrail.approval.granted.v1"
	TypeChangeOpened        = "dev.changetrail.change.opened.v1"
	TypeChangeUpdated       = "dev.changetrail.change.updated.v1"
	TypeChangeMerged        = "dev.changetrail.change.merged.v1"
	TypeChangeClosed        = "dev.changetrail.change.closed.v1"
	TypeDeploymentFinished  = "dev.changetrail.deployment.finished.v1"
	TypeGateDecided         = "dev.changetrail.gate.decided.v1"
	TypeIdentityRefused     = "dev.changetrail.identity.refused.v1"
	TypeCommitsPushed       = "dev.changetrail.commits.pushed.v1"
	TypeEventNoted          = "dev.changetrail.event.noted.v1"
	TypeSpansReceived       = "dev.changetrail.spans.received.v1"
	TypeRunNamed            = "dev.changetrail.run.named.v1"
)

// An Event is one fact, said by one source, about one repository. Sender, Source and
// ID together are its identity: two events with the same three are one event.
type Event struct {
	// Sender is who sent it, as its credential says: [SenderAgent] and the agent's id,
	// [SenderPlatform] and the credential's name, or [SenderPerson] and the account. Empty
	// where no gateway looked at a credential.
	Sender     string
	Source     string
	ID         string
	Type       string
	Repository Repository
	Change     ChangeID // empty where the fact names a commit or a report, and no change
	Time       time.Time
	Arrived    time.Time // when the broker took it; zero where nobody says
	Imported   bool      // Arrived is what a credential stated that may bring in history
	Fact       Fact
	// Room is the name of the run of an event that says nothing of its repository: it
	// waits with that run until something in a repository names it.
	Room string
	// Witness is what the word of the sender is worth about this fact: Observed, Human,
	// Signed or Claimed. Empty is Claimed. It is decided where the event is read, by the
	// credential that it came with, and never by what it says of itself.
	Witness string
	// Altered says that its sender said something else under the same identity later. The
	// first stands.
	Altered bool
	// Trace is the trace that the event was sent in (W3C trace context), where that
	// tells what it belongs to.
	Trace string
	// Digest tells apart two events of one identity and different content.
	Digest string
	// Stored is Fact as whoever keeps events writes it. It is carried along and
	// never read here, so that what was written once need not be written again.
	Stored []byte
}

// Home is the key under which e is joined: its repository, or its run.
func (e Event) Home() string {
	if e.Repository == "" {
		return RoomKey(e.Room)
	}
	return string(e.Repository)
}

// roomPrefix tells the key of a run from a repository.
const roomPrefix = "run:"

// RoomKey is the key of the events of a run of which no repository is known.
func RoomKey(run string) string { return roomPrefix + run }

// RoomOf returns the run of a room's key, "" where it is none.
func RoomOf(key string) string {
	run, ok := strings.CutPrefix(key, roomPrefix)
	if !ok {
		return ""
	}
	return run
}

// What a sender begins with, by what its credential is bound to.
const (
	SenderAgent    = "agent:"
	SenderPlatform = "platform:"
	SenderPerson   = "person:"
)

// Key returns the identity of e.
func (e Event) Key() string {
	if e.Sender == "" {
		return e.Source + "\x00" + e.ID
	}
	return e.Sender + "\x00" + e.Source + "\x00" + e.ID
}

// Told returns when e counts as told, for the question what was there before a merge:
// of a platform's own word, the time inside it; of all else, its arrival, however it
// is dated.
func (e Event) Told() time.Time {
	if e.byArrival() {
		return e.Arrived
	}
	return e.Time
}

// byArrival reports whether e counts as told when it arrived.
func (e Event) byArrival() bool { return e.Witness != Observed && !e.Arrived.IsZero() }

// Compare orders events by the time inside them, then by identity and content.
// The order is total, so that any set of events has one sequence.
func (e Event) Compare(o Event) int {
	if c := e.Time.Compare(o.Time); c != 0 {
		return c
	}
	return cmpStrings(e.Source, o.Source, e.ID, o.ID, e.Sender, o.Sender, e.Digest, o.Digest)
}

// CompareArrival orders events by their arrival, then as [Event.Compare] does.
func (e Event) CompareArrival(o Event) int {
	if c := e.Arrived.Compare(o.Arrived); c != 0 {
		return c
	}
	return e.Compare(o)
}

// A Fact is the data of an event. The set is closed.
type Fact interface{ isFact() }

// An Agent is the identity under which an AI agent acted.
type Agent struct {
	ID          string `json:"id" schema:"required,min=1,max=256" doc:"stable name of the agent identity, as agent-bot-3000"`
	Name        string `json:"name,omitempty" schema:"max=256" doc:"name for people"`
	Version     string `json:"version,omitempty" schema:"max=128"`
	Provider    string `json:"provider,omitempty" schema:"max=128" doc:"provider of the model (OpenTelemetry gen_ai.provider.name)"`
	Model       string `json:"model,omitempty" schema:"max=256" doc:"model asked for (OpenTelemetry gen_ai.request.model)"`
	Run         string `json:"run,omitempty" schema:"max=256" doc:"the run or session in which the agent acted"`
	LogsURL     string `json:"logs_url,omitempty" schema:"max=2048" doc:"where the log of the run can be read"`
	DelegatedBy string `json:"delegated_by,omitempty" schema:"max=256" doc:"account of the person who asked the agent to do it"`
}

// A Trigger is what made the agent start.
type Trigger struct {
	Kind     string `json:"kind" schema:"required,enum=scan|alert|ticket|issue|incident|prompt|test-failure|schedule|request|other" doc:"what kind of thing it was"`
	ID       string `json:"id,omitempty" schema:"max=512" doc:"its name where it lives: scan id, ticket, alert"`
	Digest   string `json:"digest,omitempty" schema:"format=digest" doc:"digest of the report that was read"`
	Finding  string `json:"finding,omitempty" schema:"max=256" doc:"the finding in that report, by any of its names (CVE, GHSA, OSV id, rule)"`
	Severity string `json:"severity,omitempty" schema:"enum=critical|high|medium|low|none|unknown"`
	Package  string `json:"package,omitempty" schema:"max=256" doc:"the package that the finding is in"`
	URL      string `json:"url,omitempty" schema:"max=2048"`
	Summary  string `json:"summary,omitempty" schema:"max=2048"`
}

// An Option is one way that the agent saw.
type Option struct {
	ID      string `json:"id" schema:"required,min=1,max=128"`
	Title   string `json:"title,omitempty" schema:"max=512"`
	Outcome string `json:"outcome" schema:"required,enum=chosen|rejected|deferred"`
	Reason  string `json:"reason,omitempty" schema:"max=2048" doc:"why it was chosen or rejected"`
	Package string `json:"package,omitempty" schema:"max=512" doc:"package URL (purl) of the dependency that the option would change, as pkg:npm/lodash"`
	From    string `json:"from,omitempty" schema:"max=128" doc:"its version before"`
	To      string `json:"to,omitempty" schema:"max=128" doc:"its version after; what was chosen is held against what was done only where package and to are given"`
}

// A Claim is the authorization that the agent says it has.
type Claim struct {
	Scope     []string `json:"scope,omitempty" schema:"maxitems=100,max=512" doc:"what it says it may touch"`
	Verdict   string   `json:"verdict,omitempty" schema:"enum=autonomous|review-required|approval-required|forbidden"`
	GrantedBy string   `json:"granted_by,omitempty" schema:"max=256"`
	Policy    string   `json:"policy,omitempty" schema:"max=256" doc:"name or digest of the policy it relies on"`
}

// A DependencyUpdate is one dependency taken from one version to another.
type DependencyUpdate struct {
	Name      string `json:"name" schema:"required,min=1,max=256"`
	Ecosystem string `json:"ecosystem,omitempty" schema:"max=64" doc:"as in OSV: npm, PyPI, Go, Maven, crates.io"`
	From      string `json:"from,omitempty" schema:"max=128"`
	To        string `json:"to,omitempty" schema:"max=128"`
}

// A Decision is the structured decision log of an agent.
type Decision struct {
	Agent         Agent    `json:"agent" schema:"required"`
	Trigger       *Trigger `json:"trigger,omitempty" doc:"what made the agent start"`
	Options       []Option `json:"options,omitempty" schema:"maxitems=50" doc:"the options evaluated, the chosen one among them"`
	Chosen        string   `json:"chosen,omitempty" schema:"max=128" doc:"id of the option chosen; may be left out where one option says so itself"`
	Rationale     string   `json:"rationale,omitempty" schema:"max=8192"`
	Authorization *Claim   `json:"authorization,omitempty" doc:"the authorization that the agent claims"`
	Service       string   `json:"service,omitempty" schema:"max=256"`
	Claims        *Claims  `json:"claims,omitempty" doc:"what the agent says came of it; held against what CI and the code host say"`
}

// Claims are what an agent says of its own work.
type Claims struct {
	Tests string   `json:"tests,omitempty" schema:"enum=passed|failed|not-run" index:"keyword" doc:"how the tests ended, as the agent says"`
	Files []string `json:"files,omitempty" schema:"maxitems=3000,max=1024" index:"keyword" doc:"paths that it says it changed, all of them"`
}

// An Action is one thing that the agent did.
type Action struct {
	Agent        Agent              `json:"agent" schema:"required"`
	Tool         string             `json:"tool" schema:"required,min=1,max=256"`
	CallID       string             `json:"call_id,omitempty" schema:"max=256"`
	Arguments    Free               `json:"arguments,omitzero" doc:"what the tool was given; kept with the event"`
	Result       Free               `json:"result,omitzero" doc:"what it gave back; kept with the event"`
	Outcome      string             `json:"outcome,omitempty" schema:"enum=success|failure|refused|unknown"`
	CommitSHA    string             `json:"commit_sha,omitempty" schema:"format=commit"`
	Files        []string           `json:"files,omitempty" schema:"maxitems=3000,max=1024" doc:"paths changed"`
	Dependencies []DependencyUpdate `json:"dependencies,omitempty" schema:"maxitems=500"`
	DurationMS   int64              `json:"duration_ms,omitempty" schema:"min=0"`
	// Repository is for actions that know their run and not yet their change: they
	// are joined by agent.run, agent.logs_url, the trace, or commit_sha.
	Repository string `json:"repository,omitempty" schema:"max=512"`
}

// Free is JSON that the system carries and never reads.
type Free []byte

// IsZero reports whether nothing was given.
func (f Free) IsZero() bool { return len(f) == 0 }

// MarshalJSON returns f itself.
func (f Free) MarshalJSON() ([]byte, error) {
	if len(f) == 0 {
		return []byte("null"), nil
	}
	return f, nil
}

// UnmarshalJSON keeps a copy of b.
func (f *Free) UnmarshalJSON(b []byte) error {
	*f = append((*f)[:0], b...)
	return nil
}

// A Tool is a scanner or a test runner.
type Tool struct {
	Name    string `json:"name" schema:"required,min=1,max=256"`
	Version string `json:"version,omitempty" schema:"max=128"`
}

// A Report is a file that a tool wrote, carried in the event or named by its
// digest. A report of more than a few KB travels best as gzip+base64.
type Report struct {
	Format   string `json:"format,omitempty" schema:"max=64" doc:"told by content (docs/evidence.md); what is stated here is not relied on"`
	Encoding string `json:"encoding,omitempty" schema:"enum=text|base64|gzip+base64|json" doc:"how content holds the file; text where left out"`
	Content  Free   `json:"content,omitzero" doc:"the file: a string in the encoding named, or (json) the JSON value itself"`
	Digest   string `json:"digest,omitempty" schema:"format=digest" doc:"sha256 of the file, byte for byte as the tool wrote it"`
	Size     int64  `json:"size,omitempty" schema:"min=0" doc:"bytes of the file"`
}

// A Scan is a scanner's report. On the wire it carries the report; once read
// it carries what the report holds (Findings and Summary), and no content.
type Scan struct {
	Tool      Tool   `json:"tool" schema:"required"`
	ScanID    string `json:"scan_id,omitempty" schema:"max=256" doc:"the scan's name at the scanner"`
	CommitSHA string `json:"commit_sha,omitempty" schema:"format=commit" doc:"the commit that was scanned"`
	URL       string `json:"url,omitempty" schema:"max=2048"`
	Report    Report `json:"report,omitzero"`
	Alert     bool   `json:"alert,omitzero" doc:"the report is one alert of a code host; scan_id is its kind and number, as dependabot/7"`
	// Repository is for senders that set neither subject nor partitionkey.
	Repository string `json:"repository,omitempty" schema:"max=512"`

	Summary  ScanSummary `json:"-"`
	Findings []Finding   `json:"-"`
}

// A ScanSummary is what a report says as a whole.
type ScanSummary struct {
	Findings int    // distinct findings in the report
	Highest  string // the gravest severity among them
	Scanned  bool   // the report shows that something was scanned
	Partial  bool   // there may be findings beside those that are kept: not all of the report was understood, or it says so itself
}

// A Finding is one weakness in one place, in the one model into which the
// reports of all scanners are read.
type Finding struct {
	ID             string   `json:"id"`
	Aliases        []string `json:"aliases,omitempty"`
	Severity       string   `json:"severity,omitempty"` // critical, high, medium, low, none or unknown
	Score          float64  `json:"score,omitempty"`    // CVSS base score, 0 where not stated
	ScoreVersion   string   `json:"score_version,omitempty"`
	Title          string   `json:"title,omitempty"`
	Package        string   `json:"package,omitempty"`
	Ecosystem      string   `json:"ecosystem,omitempty"`
	PURL           string   `json:"purl,omitempty"` // https://github.com/package-url/purl-spec
	Installed      string   `json:"installed,omitempty"`
	Fixed          string   `json:"fixed,omitempty"` // lowest version above Installed without the weakness
	Path           string   `json:"path,omitempty"`
	Line           int      `json:"line,omitempty"`
	Scanner        string   `json:"scanner,omitempty"`
	ScannerVersion string   `json:"scanner_version,omitempty"`
	Fingerprint    string   `json:"fingerprint,omitempty"`
	URL            string   `json:"url,omitempty"`
}

// Names returns the names under which f is known, the id first.
func (f Finding) Names() []string {
	names := append([]string{f.ID}, f.Aliases...)
	return compactStrings(names)
}

// A Validation is the result of a CI job. Counts come from the report where
// there is one, and from the fields where there is none.
type Validation struct {
	Name       string `json:"name" schema:"required,min=1,max=256" doc:"the job or check"`
	Provider   string `json:"provider,omitempty" schema:"max=256" doc:"the CI system"`
	CommitSHA  string `json:"commit_sha,omitempty" schema:"format=commit"`
	URL        string `json:"url,omitempty" schema:"max=2048"`
	Conclusion string `json:"conclusion,omitempty" schema:"enum=success|failure|error|cancelled|skipped|neutral|timed-out|waiting" doc:"what the CI system says; read from the report where left out. waiting: for a person, before it goes on"`
	Passed     int64  `json:"passed,omitempty" schema:"min=0"`
	Failed     int64  `json:"failed,omitempty" schema:"min=0"`
	Skipped    int64  `json:"skipped,omitempty" schema:"min=0"`
	Report     Report `json:"report,omitzero"`
	Repository string `json:"repository,omitempty" schema:"max=512"`
	Workflow   string `json:"workflow,omitempty" schema:"max=256" doc:"the workflow or pipeline that the job belongs to; jobs of one name in two of them are two checks"`
	RunID      string `json:"run_id,omitempty" schema:"max=256" doc:"the run at the CI system"`
	Attempt    int64  `json:"attempt,omitzero" schema:"min=0" doc:"number of the attempt of that run"`
	JobID      string `json:"job_id,omitzero" schema:"max=256" doc:"id of this job at the CI system: several jobs of a run may have one name"`

	StartedAt time.Time `json:"started_at,omitzero" doc:"when the job began: where no attempts are counted, one that began after another ended is another attempt"`

	Failing []string `json:"-"` // names of the failing tests, sorted, at most MaxFailing
}

// A Review is a person's (or a bot's) review of one commit of a change.
type Review struct {
	Reviewer     string    `json:"reviewer" schema:"required,min=1,max=256" doc:"account of the reviewer"`
	ReviewerType string    `json:"reviewer_type,omitempty" schema:"enum=human|bot|agent"`
	Verdict      string    `json:"verdict" schema:"required,enum=approved|changes-requested|commented|dismissed"`
	CommitSHA    string    `json:"commit_sha,omitempty" schema:"format=commit" doc:"the commit that was reviewed"`
	SubmittedAt  time.Time `json:"submitted_at,omitzero" doc:"when; the time of the event where left out"`
	URL          string    `json:"url,omitempty" schema:"max=2048"`
	ReviewID     string    `json:"review_id,omitempty" schema:"max=256" doc:"the review's id at the code host; a dismissal names the review that it takes back"`
	ChangeState  string    `json:"change_state,omitempty" schema:"enum=open|merged|closed" doc:"state of the change when the review was given, where the code host states that and no time"`
	ReviewerID   string    `json:"reviewer_id,omitempty" schema:"max=128" doc:"stable number of the account at the code host"`
}

// An Approval is a human's leave, given before the work, or the refusal of it.
type Approval struct {
	Approver  string    `json:"approver" schema:"required,min=1,max=256"`
	Verdict   string    `json:"verdict,omitempty" schema:"enum=granted|refused" doc:"granted where left out; refused takes back what this person granted before"`
	Scope     []string  `json:"scope,omitempty" schema:"maxitems=100,max=512" doc:"what it covers: services, paths"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Reference string    `json:"reference,omitempty" schema:"max=2048" doc:"ticket or URL where it was given"`
	Reason    string    `json:"reason,omitempty" schema:"max=2048"`
}

// A Revision is what opens, updates, merges or closes a change say of it.
type Revision struct {
	Title        string             `json:"title,omitempty" schema:"max=512"`
	URL          string             `json:"url,omitempty" schema:"max=2048"`
	Author       string             `json:"author,omitempty" schema:"max=256" doc:"account that opened the change"`
	AuthorType   string             `json:"author_type,omitempty" schema:"enum=human|bot|agent"`
	Agent        string             `json:"agent,omitempty" schema:"max=256" doc:"agent id, where an agent made the change"`
	HeadSHA      string             `json:"head_sha,omitempty" schema:"format=commit"`
	BaseRef      string             `json:"base_ref,omitempty" schema:"max=256"`
	Branch       string             `json:"branch,omitempty" schema:"max=256"`
	Kind         string             `json:"kind,omitempty" schema:"enum=dependency-update|vulnerability-fix|code|configuration|test|documentation"`
	Files        []string           `json:"files,omitempty" schema:"maxitems=3000,max=1024" doc:"paths changed, relative to the repository"`
	Additions    int64              `json:"additions,omitempty" schema:"min=0"`
	Deletions    int64              `json:"deletions,omitempty" schema:"min=0"`
	Dependencies []DependencyUpdate `json:"dependencies,omitempty" schema:"maxitems=500"`
	SBOMDigest   string             `json:"sbom_digest,omitempty" schema:"format=digest" doc:"the bill of materials that dependencies were read from"`
	FilesTotal   int64              `json:"files_total,omitzero" schema:"min=0" doc:"how many paths changed, where that is known and files has fewer"`
	AuthorID     string             `json:"author_id,omitempty" schema:"max=128" doc:"stable number of the account at the code host"`
	State        string             `json:"state,omitzero" schema:"enum=open" doc:"open: the code host says that the change was open then, as after it was reopened"`
}

// An Opened says that a change was opened, or opened again.
type Opened struct {
	Revision
}

// An Updated says that the head or the description of a change moved.
type Updated struct {
	Revision
}

// A Merged says that a change was merged.
type Merged struct {
	Revision
	MergeSHA string    `json:"merge_sha,omitempty" schema:"format=commit"`
	MergedBy string    `json:"merged_by,omitempty" schema:"max=256"`
	MergedAt time.Time `json:"merged_at,omitzero" doc:"when; the time of the event where left out"`
	Earlier  bool      `json:"earlier,omitzero" doc:"it was merged some time before the event, which does not say when"`
}

// A Closed says that a change was closed without being merged.
type Closed struct {
	Revision
	ClosedBy string    `json:"closed_by,omitempty" schema:"max=256"`
	ClosedAt time.Time `json:"closed_at,omitzero" doc:"when; the time of the event where left out"`
}

// A Deployment says that a commit reached an environment.
type Deployment struct {
	Environment string `json:"environment" schema:"required,min=1,max=256"`
	CommitSHA   string `json:"commit_sha,omitempty" schema:"format=commit"`
	Outcome     string `json:"outcome" schema:"required,enum=success|failure|rolled-back|cancelled"`
	Artifact    string `json:"artifact,omitempty" schema:"max=1024" doc:"what was deployed (package URL), where the commit is not known"`
	Deployer    string `json:"deployer,omitempty" schema:"max=256"`
	URL         string `json:"url,omitempty" schema:"max=2048"`
	Repository  string `json:"repository,omitempty" schema:"max=512"`
}

// A GateDecision is what the gate answered when it was asked.
type GateDecision struct {
	Verdict      string   `json:"verdict" schema:"required,enum=autonomous|review-required|approval-required|forbidden"`
	Allowed      bool     `json:"allowed"`
	Reasons      []string `json:"reasons,omitempty" schema:"maxitems=50,max=1024"`
	PolicyDigest string   `json:"policy_digest,omitempty" schema:"format=digest"`
	CommitSHA    string   `json:"commit_sha,omitempty" schema:"format=commit"`
}

// An IdentityRefused says that a gateway refused an event, since the credential
// it came with is not that of the agent in whose name it speaks.
type IdentityRefused struct {
	Agent      string `json:"agent" schema:"required,min=1,max=256" doc:"the agent that the event claimed to come from"`
	Credential string `json:"credential" schema:"required,min=1,max=256" doc:"name of the credential it came with"`
	BoundTo    string `json:"bound_to,omitempty" schema:"max=256" doc:"the agent that the credential is bound to"`
	EventType  string `json:"event_type,omitempty" schema:"max=256"`
	EventID    string `json:"event_id,omitempty" schema:"max=1024"`
}

// A Pushed says that commits reached a branch.
type Pushed struct {
	Branch     string   `json:"branch" schema:"required,min=1,max=512"`
	Default    bool     `json:"default,omitempty" doc:"the branch is the one into which changes are merged: what is pushed there is a change of its own, unless a merge made it"`
	Before     string   `json:"before,omitempty" schema:"format=commit"`
	After      string   `json:"after" schema:"required,format=commit" doc:"the newest commit"`
	Forced     bool     `json:"forced,omitempty"`
	Pusher     string   `json:"pusher,omitempty" schema:"max=256" doc:"account"`
	PusherType string   `json:"pusher_type,omitempty" schema:"enum=human|bot|agent"`
	Commits    []Commit `json:"commits,omitempty" schema:"maxitems=250" doc:"the oldest first; of more, the newest"`
	Files      []string `json:"files,omitempty" schema:"maxitems=3000,max=1024" doc:"paths changed by the commits"`
	NoFiles    bool     `json:"no_files,omitzero" doc:"the code host lists the paths of each commit, and there are none"`
	Partial    bool     `json:"partial,omitzero" doc:"commits or files are not all of the push, as at a limit of the code host"`
	URL        string   `json:"url,omitempty" schema:"max=2048" doc:"where the difference can be read"`
	Repository string   `json:"repository,omitempty" schema:"max=512"`
}

// A Commit is one commit of a push.
type Commit struct {
	SHA      string    `json:"sha" schema:"required,format=commit"`
	Author   string    `json:"author,omitempty" schema:"max=256" doc:"account; the name where none is known"`
	Email    string    `json:"email,omitempty" schema:"max=256"`
	Subject  string    `json:"subject,omitempty" schema:"max=512" doc:"first line of the message"`
	Trailers []Trailer `json:"trailers,omitempty" schema:"maxitems=50" doc:"those that tell of agents, from the whole message"`
	Merge    bool      `json:"merge,omitzero" doc:"it brings commits of the base branch into the change and has nothing of its own"`
}

// A Noted is an event of another system that is kept and says nothing that a
// record tells, as a check that was only asked for.
type Noted struct {
	Summary    string `json:"summary,omitempty" schema:"max=1024"`
	CommitSHA  string `json:"commit_sha,omitempty" schema:"format=commit" doc:"a commit that stands for the change, as that of a merge queue"`
	Artifact   string `json:"artifact,omitempty" schema:"max=1024" doc:"what was built from the change (package URL)"`
	Repository string `json:"repository,omitempty" schema:"max=512"`
}

func (*IdentityRefused) isFact() {}
func (*Pushed) isFact()          {}
func (*Noted) isFact()           {}
func (*Spans) isFact()           {}
func (*RunNamed) isFact()        {}
func (*Decision) isFact()        {}
func (*Action) isFact()          {}
func (*Scan) isFact()            {}
func (*Validation) isFact()      {}
func (*Review) isFact()          {}
func (*Approval) isFact()        {}
func (*Opened) isFact()          {}
func (*Updated) isFact()         {}
func (*Merged) isFact()          {}
func (*Closed) isFact()          {}
func (*Deployment) isFact()      {}
func (*GateDecision) isFact()    {}

// NewFact returns an empty fact of an event type, or nil for a type that is
// none of changetrail's.
func NewFact(eventType string) Fact {
	switch eventType {
	case TypeDecisionRecorded:
		return new(Decision)
	case TypeActionPerformed:
		return new(Action)
	case TypeScanCompleted:
		return new(Scan)
	case TypeValidationCompleted:
		return new(Validation)
	case TypeReviewSubmitted:
		return new(Review)
	case TypeApprovalGranted:
		return new(Approval)
	case TypeChangeOpened:
		return new(Opened)
	case TypeChangeUpdated:
		return new(Updated)
	case TypeChangeMerged:
		return new(Merged)
	case TypeChangeClosed:
		return new(Closed)
	case TypeDeploymentFinished:
		return new(Deployment)
	case TypeGateDecided:
		return new(GateDecision)
	case TypeIdentityRefused:
		return new(IdentityRefused)
	case TypeCommitsPushed:
		return new(Pushed)
	case TypeEventNoted:
		return new(Noted)
	case TypeSpansReceived:
		return new(Spans)
	case TypeRunNamed:
		return new(RunNamed)
	case TypeRequestReceived:
		return new(Request)
	}
	return nil
}

// Types returns the event types of changetrail, in the order of the contract.
func Types() []string {
	return []string{
		TypeDecisionRecorded, TypeActionPerformed, TypeScanCompleted, TypeValidationCompleted,
		TypeReviewSubmitted, TypeApprovalGranted, TypeChangeOpened, TypeChangeUpdated,
		TypeChangeMerged, TypeChangeClosed, TypeDeploymentFinished, TypeGateDecided, TypeIdentityRefused,
		TypeCommitsPushed, TypeEventNoted, TypeSpansReceived, TypeRunNamed, TypeRequestReceived,
	}
}

// TypeOf returns the event type whose data f is.
func TypeOf(f Fact) string {
	switch f.(type) {
	case *Decision:
		return TypeDecisionRecorded
	case *Action:
		return TypeActionPerformed
	case *Scan:
		return TypeScanCompleted
	case *Validation:
		return TypeValidationCompleted
	case *Review:
		return TypeReviewSubmitted
	case *Approval:
		return TypeApprovalGranted
	case *Opened:
		return TypeChangeOpened
	case *Updated:
		return TypeChangeUpdated
	case *Merged:
		return TypeChangeMerged
	case *Closed:
		return TypeChangeClosed
	case *Deployment:
		return TypeDeploymentFinished
	case *GateDecision:
		return TypeGateDecided
	case *IdentityRefused:
		return TypeIdentityRefused
	case *Pushed:
		return TypeCommitsPushed
	case *Noted:
		return TypeEventNoted
	case *Spans:
		return TypeSpansReceived
	case *RunNamed:
		return TypeRunNamed
	case *Request:
		return TypeRequestReceived
	}
	return ""
}
