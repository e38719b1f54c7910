package record

import (
	"encoding/json"
	"time"
)

// A Record is everything known about one change. It is also the document in the search index:
// fields of the Elastic Common Schema 9 where that has one, everything else under "changetrail".
type Record struct {
	Timestamp     time.Time      `json:"@timestamp" schema:"required" index:"date" doc:"time of the newest fact"`
	Message       string         `json:"message,omitempty" index:"text" doc:"the change in one line"`
	ECS           Version        `json:"ecs"`
	Event         ECSEvent       `json:"event"`
	Tags          []string       `json:"tags,omitempty" index:"keyword" doc:"tags of the controls that apply to the change, as the control matrix writes them"`
	Service       *Service       `json:"service,omitempty"`
	User          *User          `json:"user,omitempty" doc:"author of the change"`
	Related       *Related       `json:"related,omitempty"`
	Vulnerability *Vulnerability `json:"vulnerability,omitempty" doc:"the finding that triggered the change"`
	Package       *Package       `json:"package,omitempty" doc:"the package in which the finding is, with the version that was scanned"`
	GenAI         *GenAI         `json:"gen_ai,omitempty" doc:"the agent that made the change (ECS agent.* is the log shipper)"`
	Trail         Trail          `json:"changetrail"`

	// Marks are what may identify an agent. They are in no document.
	Marks Marks `json:"-"`

	// Judged is what the answers are based on. It is in no document.
	Judged Judged `json:"-"`
}

// Judged contains complete lists of which a document shows only the newest part, and other facts
// for the answers.
type Judged struct {
	Refused []RefusedIdentity

	MergedAt time.Time // as a platform saw it; zero if none saw a merge

	Files             []string // observed files of the head that counts
	FilesIncomplete   bool     // there may be more
	Dependencies      []DependencyUpdate
	DependenciesKnown bool
	Kind              string
	KindKnown         bool
	Environments      []string // reached by observed deployments

	Authors       []string // accounts and addresses that have commits in the head
	AuthorsCut    bool     // there may be more
	AuthorMissing bool     // nobody says who wrote one of the commits
	Askers        []string // who asked for the work, by a signed decision or a request that it names
	ClaimedAskers []string // who asked for the work, as is only claimed

	Agents          []string // that must be allowed to make the change; see [Record.Recognize]
	AgentSeen       bool     // the code host saw the account of an agent make the change
	AgentClaimed    bool     // it is only claimed that an agent made it
	Trigger         string   // witness of the report or request that the decision names
	TriggerAgent    bool     // an agent sent it
	Decision        string   // witness of the decision that counts
	DecisionKnownAt time.Time
	DecisionAgent   string // agent that the decision names, if the code host saw the account of another
	Shared          bool   // two senders use one source and id
	Altered         bool   // the sender of an event later sent other content under its identity
	AlteredLog      bool   // and that event is the decision that counts

	decisionArrived bool // DecisionTold is the arrival of the decision
	mergeClaimed    bool // somebody claims that it was merged, and no platform says so
	digestStated    bool // the decision states the digest of the report that it names
	triggerOwn      bool // the sender of the decision also sent the report
	reportPartial   bool // the report may contain findings that were not kept

	// Now is when the record is judged. The zero time leaves out what time alone changes.
	Now time.Time
	// ChangesAt is when the record changes by time alone; zero: never.
	ChangesAt time.Time

	// Unmet are the demands of the policy that are not met, and those for which this is unknown.
	Unmet []Demand
	// Independent reports whether an account, as far as is known, took no part in the change.
	Independent func(account string) bool
	// Granted are the approvals that a witness who can know them reported, and that the same person
	// has not refused since, in time order. They need not meet a demand.
	Granted []GrantedApproval
	// RefusedAt returns when a person last refused an approval; zero if never.
	RefusedAt func(account string) time.Time

	verdicts   []verdict        // in time order
	gates      []GateFact       // observed, in time order
	orders     []BreakGlassFact // in time order
	breakGlass bool             // the policy lets people give orders
	approvals  []givenApproval
	facts      folded
	stated     *statement
	branch     *branch
	hostAgent  string            // the agent that the code host names
	deciders   []string          // agents that decisions name
	signers    []string          // those of them that signed their decision
	numbers    map[string]string // the code host's number of an account, by its lower case name
}

// Marks are the properties of a change that may show that an agent made it.
type Marks struct {
	Accounts []string // author of the change, then authors of its commits, by all their names
	Bot      bool     // the code host says that the author is not human
	Mails    []string // of the authors of commits
	Trailers []Trailer
	Branch   string
	Claimed  bool // nobody observed them
}

// Version is the version of the common schema.
type Version struct {
	Version string `json:"version" index:"keyword"`
}

// ECSVersion is the version of the Elastic Common Schema that documents follow.
const ECSVersion = "9.0.0"

// ECSEvent is ECS event.* of a record.
type ECSEvent struct {
	Kind     string   `json:"kind" index:"keyword"`
	Category []string `json:"category" index:"keyword"`
	Type     []string `json:"type" index:"keyword"`
	Dataset  string   `json:"dataset" index:"keyword"`
	Module   string   `json:"module" index:"keyword"`
	Outcome  string   `json:"outcome,omitempty" index:"keyword" doc:"success: the change was merged; failure: it was closed without a merge"`
	URL      string   `json:"url,omitempty" index:"keyword"`
}

// Service is ECS service.*.
type Service struct {
	Name        string `json:"name" index:"keyword"`
	Environment string `json:"environment,omitempty" index:"keyword"`
}

// User is ECS user.*.
type User struct {
	Name string `json:"name" index:"keyword"`
}

// Related is ECS related.*: every account and agent that the record names.
type Related struct {
	User []string `json:"user,omitempty" index:"keyword"`
}

// Vulnerability is ECS vulnerability.*.
type Vulnerability struct {
	ID          Names                 `json:"id,omitempty" index:"keyword" doc:"every name of the finding: CVE, GHSA and others"`
	Enumeration string                `json:"enumeration,omitempty" index:"keyword" doc:"the naming scheme of the first id: CVE, GHSA, OSV"`
	Description string                `json:"description,omitempty" index:"text"`
	Reference   string                `json:"reference,omitempty" index:"keyword"`
	Severity    string                `json:"severity,omitempty" index:"keyword"`
	Score       *VulnerabilityScore   `json:"score,omitempty"`
	Scanner     *VulnerabilityScanner `json:"scanner,omitempty"`
}

// Names are the names of one thing.
type Names []string

// UnmarshalJSON reads a list, or the single name in documents of version 0.1.
func (n *Names) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*n = make(Names, 1)
		return json.Unmarshal(text, &(*n)[0])
	}
	return json.Unmarshal(text, (*[]string)(n))
}

// VulnerabilityScore is ECS vulnerability.score.*.
type VulnerabilityScore struct {
	Base    float64 `json:"base" index:"float"`
	Version string  `json:"version,omitempty" index:"keyword"`
}

// VulnerabilityScanner is ECS vulnerability.scanner.*.
type VulnerabilityScanner struct {
	Vendor string `json:"vendor" index:"keyword"`
}

// Package is ECS package.*.
type Package struct {
	Name         string `json:"name" index:"keyword"`
	Version      string `json:"version,omitempty" index:"keyword" doc:"the version that was scanned"`
	FixedVersion string `json:"fixed_version,omitempty" index:"keyword"`
	Type         string `json:"type,omitempty" index:"keyword" doc:"ecosystem, such as npm or PyPI"`
	Reference    string `json:"reference,omitempty" index:"keyword" doc:"package URL"`
}

// GenAI is gen_ai.*, which ECS and OpenTelemetry define for AI agents.
type GenAI struct {
	Agent    GenAIAgent     `json:"agent"`
	Provider *GenAIProvider `json:"provider,omitempty"`
	Request  *GenAIRequest  `json:"request,omitempty"`
}

// GenAIAgent is gen_ai.agent.*.
type GenAIAgent struct {
	ID      string `json:"id" index:"keyword"`
	Name    string `json:"name,omitempty" index:"keyword"`
	Version string `json:"version,omitempty" index:"keyword"`
}

// GenAIProvider is gen_ai.provider.*.
type GenAIProvider struct {
	Name string `json:"name" index:"keyword"`
}

// GenAIRequest is gen_ai.request.*.
type GenAIRequest struct {
	Model string `json:"model" index:"keyword"`
}

// Trail is changetrail.* of a record.
type Trail struct {
	Revision       int64              `json:"revision" schema:"required,min=1" index:"long" doc:"number of this revision of the record, from 1"`
	EvidenceDigest string             `json:"evidence_digest" schema:"required,format=digest" index:"keyword" doc:"sha256 over the RFC 8785 form of the record without revision and evidence_digest"`
	Change         Change             `json:"change" schema:"required"`
	Environment    []string           `json:"environment,omitempty" index:"keyword" doc:"environments to which the change was deployed"`
	Service        *ServiceFacts      `json:"service,omitempty"`
	Trigger        *TriggerFacts      `json:"trigger,omitempty"`
	Decision       *DecisionFacts     `json:"decision,omitempty"`
	Authorization  *AuthorizationFact `json:"authorization,omitempty"`
	Approvals      []ApprovalFact     `json:"approvals,omitempty" doc:"the newest, at most 50"`
	Actions        *Actions           `json:"actions,omitempty"`
	Runs           []RunFact          `json:"runs,omitempty" doc:"runs of agents that are said to have made the change"`
	Trailers       []TrailerFact      `json:"trailers,omitempty" index:"nested" doc:"trailers of its commits that name agents, at most 50"`
	Review         *ReviewFacts       `json:"review,omitempty"`
	Validation     *ValidationFacts   `json:"validation,omitempty"`
	Deployments    []DeploymentFact   `json:"deployments,omitempty" doc:"the newest, at most 50"`
	Scans          []ScanFact         `json:"scans,omitempty" doc:"reports about a commit of the change, or attached to it"`
	Gate           *GateFact          `json:"gate,omitempty" doc:"the newest decision of the gate"`
	BreakGlass     *BreakGlassFact    `json:"break_glass,omitempty" doc:"the order of a person that a commit may be merged although the gate denies it: the first about the merged commit, or else the newest"`
	Answers        *Answers           `json:"answers,omitempty" doc:"the answers to the four questions of an auditor"`
	Worst          string             `json:"worst_answer,omitempty" schema:"enum=proven|partial|unproven|contradicted|pending" index:"keyword" doc:"the worst of the four answers: contradicted, unproven, partial, pending or proven; not-required counts as proven"`
	Reasons        *Reasons           `json:"reasons,omitempty" doc:"the reason for each answer"`
	Gaps           []string           `json:"gaps,omitempty" index:"keyword" doc:"names of the gaps: what is missing or contradictory"`
	Contradictions []Contradiction    `json:"contradictions,omitempty" doc:"differences between what the agent says and what was observed"`
	Refused        []RefusedIdentity  `json:"refused,omitempty" doc:"events that were refused because their sender is not the agent that they name"`
	Tier           *Tiers             `json:"tier,omitempty" doc:"for each part of the record, the best witness that reports it"`
	AtMerge        *MergeSnapshot     `json:"at_merge,omitempty" doc:"answers and gaps by what was known at the merge"`
	Control        *ControlFacts      `json:"control,omitempty"`
	Durations      *Durations         `json:"duration,omitempty" doc:"how long the steps of the change took"`
	Events         int64              `json:"events" index:"long" doc:"number of events that the record is made from"`
	Imported       bool               `json:"imported,omitempty" index:"boolean" doc:"some events were imported as history: their sender states when they arrived"`
	Masked         []Masking          `json:"masked,omitempty" index:"nested" doc:"evidence that was changed after it was stored because it contained a secret (changetrail redact again), at most 50"`
	LeftOut        int64              `json:"left_out,omitempty" index:"long" doc:"facts that were left out because there were more than a record may contain; the record is incomplete"`
}

// Change is what is known of the change itself.
type Change struct {
	ID           ChangeID           `json:"id" schema:"required" index:"keyword"`
	Repository   Repository         `json:"repository" schema:"required" index:"keyword" doc:"the name of the repository in the newest event of the change from its code host"`
	OtherNames   []Repository       `json:"other_names,omitempty" index:"keyword" doc:"other names that the repository has or had at its code host"`
	OtherIDs     []ChangeID         `json:"other_ids,omitempty" index:"keyword" doc:"ids of the change with the other names of its repository"`
	Number       string             `json:"number,omitempty" index:"keyword"`
	Title        string             `json:"title,omitempty" index:"text"`
	URL          string             `json:"url,omitempty" index:"keyword"`
	State        string             `json:"state,omitempty" schema:"enum=open|merged|closed" index:"keyword"`
	Kind         string             `json:"kind,omitempty" schema:"enum=dependency-update|vulnerability-fix|code|configuration|test|documentation" index:"keyword"`
	InitiatedBy  string             `json:"initiated_by,omitempty" schema:"enum=agent|human" index:"keyword"`
	RecognizedBy []string           `json:"recognized_by,omitempty" index:"keyword" doc:"what shows that an agent made the change: decision, actions, stated, or account, mail, trailer or branch with its value"`
	PartOf       ChangeID           `json:"part_of,omitempty" index:"keyword" doc:"the change to which this record belongs, if it is not a change of its own: its commit was made by the merge of that change, or it is the same change under another name of the repository"`
	Author       string             `json:"author,omitempty" index:"keyword"`
	HeadSHA      string             `json:"head_sha,omitempty" index:"keyword"`
	MergeSHA     string             `json:"merge_sha,omitempty" index:"keyword"`
	MergedBy     string             `json:"merged_by,omitempty" index:"keyword"`
	ClosedBy     string             `json:"closed_by,omitempty" index:"keyword"`
	BaseRef      string             `json:"base_ref,omitempty" index:"keyword"`
	Branch       string             `json:"branch,omitempty" index:"keyword"`
	OpenedAt     time.Time          `json:"opened_at,omitzero" index:"date"`
	MergedAt     time.Time          `json:"merged_at,omitzero" index:"date"`
	ClosedAt     time.Time          `json:"closed_at,omitzero" index:"date"`
	DeployedAt   time.Time          `json:"deployed_at,omitzero" index:"date" doc:"first successful deployment"`
	Files        []string           `json:"files,omitempty" index:"keyword" doc:"paths changed, at most 200"`
	FilesTotal   int64              `json:"files_total,omitempty" index:"long"`
	FilesUnknown bool               `json:"files_unknown,omitzero" index:"boolean" doc:"the change may have more files than those whose paths are known"`
	Additions    int64              `json:"additions,omitempty" index:"long"`
	Deletions    int64              `json:"deletions,omitempty" index:"long"`
	Dependencies []DependencyUpdate `json:"dependencies,omitempty"`
	SBOMDigest   string             `json:"sbom_digest,omitempty" index:"keyword" doc:"the bill of materials that dependencies were read from"`
	Claimed      []string           `json:"claimed,omitempty" index:"keyword" doc:"names of the attributes of the change that only a claim states"`
}

// ServiceFacts is what the policy says about the services that the change touches.
type ServiceFacts struct {
	Names          []string `json:"names,omitempty" index:"keyword"`
	Classification string   `json:"classification,omitempty" schema:"enum=critical|high|medium|low" index:"keyword" doc:"the highest classification of the services"`
	DataClasses    []string `json:"data_classes,omitempty" index:"keyword"`
	Owners         []string `json:"owners,omitempty" index:"keyword"`
	PolicyDigest   string   `json:"policy_digest,omitempty" index:"keyword" doc:"digest of the policy"`
}

// TriggerFacts is what made the agent start, and the evidence for it.
type TriggerFacts struct {
	Kind      string        `json:"kind,omitempty" index:"keyword"`
	ID        string        `json:"id,omitempty" index:"keyword"`
	Finding   string        `json:"finding,omitempty" index:"keyword" doc:"the finding, as the decision names it"`
	Aliases   []string      `json:"aliases,omitempty" index:"keyword" doc:"every name of the finding"`
	Severity  string        `json:"severity,omitempty" index:"keyword" doc:"severity in the report; if no report was received, as the agent states it"`
	Digest    string        `json:"digest,omitempty" index:"keyword" doc:"digest of the report"`
	URL       string        `json:"url,omitempty" index:"keyword"`
	Summary   string        `json:"summary,omitempty" index:"text"`
	Source    string        `json:"source,omitempty" index:"keyword" doc:"who sent the report; empty if none was received"`
	Matched   bool          `json:"matched" index:"boolean" doc:"the decision states the digest of the received report"`
	Held      bool          `json:"held" index:"boolean" doc:"a report that the decision names was received"`
	Found     bool          `json:"found" index:"boolean" doc:"the received report contains the finding"`
	Scanner   string        `json:"scanner,omitempty" index:"keyword"`
	Format    string        `json:"format,omitempty" index:"keyword"`
	Package   string        `json:"package,omitempty" index:"keyword"`
	Installed string        `json:"installed,omitempty" index:"keyword"`
	Fixed     string        `json:"fixed,omitempty" index:"keyword"`
	Path      string        `json:"path,omitempty" index:"keyword"`
	Claimed   string        `json:"claimed_severity,omitempty" index:"keyword" doc:"the severity that the agent stated"`
	Request   *RequestFacts `json:"request,omitempty" doc:"the ticket, issue, prompt, alert or incident that the decision names, if it was received"`
}

// RequestFacts is the request that the agent was given: as the best witness reports it, and the
// newest report of that witness.
type RequestFacts struct {
	Kind       string    `json:"kind" index:"keyword"`
	ID         string    `json:"id,omitempty" index:"keyword"`
	URL        string    `json:"url,omitempty" index:"keyword"`
	Title      string    `json:"title,omitempty" index:"text"`
	Source     string    `json:"source" index:"keyword" doc:"source of the event that reported it"`
	Sender     string    `json:"sender,omitempty" index:"keyword" doc:"who sent that event, by its credential"`
	Witness    string    `json:"witness" schema:"enum=claimed|signed|observed|human" index:"keyword" doc:"how far that sender can be believed"`
	OpenedAt   time.Time `json:"opened_at" index:"date" doc:"when it was written, if that is known; otherwise when it was reported"`
	KnownAt    time.Time `json:"told" index:"date" doc:"from when it counts as reported by that witness"`
	Author     string    `json:"author,omitempty" index:"keyword" doc:"account of the person who asked"`
	AuthorID   string    `json:"author_id,omitempty" index:"keyword" doc:"stable number of that account"`
	AuthorType string    `json:"author_type,omitempty" index:"keyword"`
	AskedBy    []string  `json:"asked_by,omitempty" index:"keyword" doc:"accounts of everyone who asked for it, observed or claimed: its author, who assigned it, who asked in a comment; at most 50"`
}

// DecisionFacts is the decision on which the change is based: the newest one recorded before the
// merge, or else the first one after it.
type DecisionFacts struct {
	EventID     string    `json:"event_id" index:"keyword"`
	Source      string    `json:"source" index:"keyword"`
	RecordedAt  time.Time `json:"recorded_at" index:"date"`
	KnownAt     time.Time `json:"told_at,omitzero" index:"date" doc:"when it arrived, if that differs from recorded_at"`
	Agent       string    `json:"agent,omitempty" index:"keyword"`
	Run         string    `json:"run,omitempty" index:"keyword"`
	LogsURL     string    `json:"logs_url,omitempty" index:"keyword"`
	DelegatedBy string    `json:"delegated_by,omitempty" index:"keyword"`
	Chosen      string    `json:"chosen,omitempty" index:"keyword"`
	Rationale   string    `json:"rationale,omitempty" index:"text"`
	Options     []Option  `json:"options,omitempty" index:"nested"`
	Claims      *Claims   `json:"claims,omitempty" doc:"what the agent states about the result"`
	Total       int64     `json:"total,omitempty" index:"long" doc:"number of decisions recorded for the change"`
}

// AuthorizationFact is what the policy says about the change, and what the agent claims.
type AuthorizationFact struct {
	Verdict      string   `json:"verdict,omitempty" schema:"enum=autonomous|review-required|approval-required|forbidden" index:"keyword"`
	Satisfied    bool     `json:"satisfied" index:"boolean" doc:"whether what the verdict requires was given: at the merge, or now if the change is not merged"`
	Rule         string   `json:"rule,omitempty" index:"keyword" doc:"rule of the policy that decided"`
	Reasons      []string `json:"reasons,omitempty" index:"keyword"`
	Approvers    int64    `json:"approvers,omitempty" index:"long" doc:"how many different people must approve beforehand, if more than one must"`
	Paths        []string `json:"paths,omitempty" index:"keyword" doc:"files of the change for each of which alone that rule applies, at most 10"`
	PolicyDigest string   `json:"policy_digest,omitempty" index:"keyword"`
	Claimed      *Claim   `json:"claimed,omitempty"`
}

// A RefusedIdentity is an event in the name of one agent that came with the credential of
// another.
type RefusedIdentity struct {
	Agent      string    `json:"agent" index:"keyword"`
	Credential string    `json:"credential" index:"keyword"`
	BoundTo    string    `json:"bound_to,omitempty" index:"keyword"`
	EventType  string    `json:"event_type,omitempty" index:"keyword"`
	At         time.Time `json:"at" index:"date"`
}

// ApprovalFact is the approval of one person.
type ApprovalFact struct {
	Approver  string    `json:"approver" index:"keyword"`
	Verdict   string    `json:"verdict,omitempty" index:"keyword" doc:"refused if the approval was refused or withdrawn"`
	GrantedAt time.Time `json:"granted_at" index:"date"`
	ExpiresAt time.Time `json:"expires_at,omitzero" index:"date"`
	Scope     []string  `json:"scope,omitempty" index:"keyword"`
	Reference string    `json:"reference,omitempty" index:"keyword"`
	Tier      string    `json:"tier,omitempty" index:"keyword" doc:"the best witness of this: claimed, signed, observed or human"`
	Agent     string    `json:"agent,omitempty" index:"keyword" doc:"the only agent whose changes it covers"`
	Kinds     []string  `json:"kinds,omitempty" index:"keyword" doc:"the only kinds of changes that it covers"`
}

// A RunFact is a run of an agent by one of its names: id, trace, or address of
// the log.
type RunFact struct {
	ID        string   `json:"id" index:"keyword"`
	NamedBy   []string `json:"named_by" index:"keyword" doc:"what names the run: decision, trailer or action"`
	Confirmed bool     `json:"confirmed" index:"boolean" doc:"the run's own log names a commit of the change; a trailer alone is a claim"`
}

// A TrailerFact is a trailer and the commit that contains it.
type TrailerFact struct {
	CommitSHA string `json:"commit_sha" index:"keyword"`
	Key       string `json:"key" index:"keyword"`
	Value     string `json:"value" index:"keyword"`
}

// ReviewFacts is who reviewed, and the newest verdicts.
type ReviewFacts struct {
	Reviewers        []string        `json:"reviewers,omitempty" index:"keyword" doc:"everyone who reviewed"`
	Approvers        []string        `json:"approvers,omitempty" index:"keyword" doc:"accounts whose newest verdict is an approval"`
	ChangesRequested []string        `json:"changes_requested_by,omitempty" index:"keyword" doc:"accounts whose newest verdict asks for changes"`
	ApprovedSHA      string          `json:"approved_sha,omitempty" index:"keyword" doc:"commit of the newest approval that was not withdrawn"`
	ApprovedAt       time.Time       `json:"approved_at,omitzero" index:"date"`
	Independent      bool            `json:"independent" index:"boolean" doc:"an independent person approved, in time, the commit that was merged or is the newest"`
	Verdicts         []ReviewVerdict `json:"verdicts,omitempty" index:"nested"`
}

// ReviewVerdict is one review.
type ReviewVerdict struct {
	Reviewer     string    `json:"reviewer" index:"keyword"`
	ReviewerType string    `json:"reviewer_type,omitempty" index:"keyword"`
	Verdict      string    `json:"verdict" index:"keyword"`
	CommitSHA    string    `json:"commit_sha,omitempty" index:"keyword"`
	SubmittedAt  time.Time `json:"submitted_at" index:"date"`
	Tier         string    `json:"tier,omitempty" index:"keyword" doc:"the best witness of this: claimed, signed, observed or human"`
}

// ValidationFacts sums up the newest run of each CI job on the commit that counts: the merge
// commit or the head, or else the newest tested commit.
type ValidationFacts struct {
	Conclusion string    `json:"conclusion" index:"keyword" doc:"the worst conclusion of the jobs"`
	CommitSHA  string    `json:"commit_sha,omitempty" index:"keyword"`
	Current    bool      `json:"current" index:"boolean" doc:"the tested commit is the head or the merge commit"`
	Claimed    string    `json:"claimed,omitempty" index:"keyword" doc:"conclusion that the agent stated, if a CI system reported another one"`
	Passed     int64     `json:"passed" index:"long"`
	Failed     int64     `json:"failed" index:"long"`
	Skipped    int64     `json:"skipped" index:"long"`
	Failing    []string  `json:"failing,omitempty" index:"keyword" doc:"failing tests, at most 50"`
	Jobs       []JobFact `json:"jobs,omitempty" index:"nested"`
}

// JobFact is the newest run of one CI job.
type JobFact struct {
	Name       string    `json:"name" index:"keyword"`
	Provider   string    `json:"provider,omitempty" index:"keyword"`
	Workflow   string    `json:"workflow,omitempty" index:"keyword" doc:"the workflow of the job; jobs with the same name in two workflows are two jobs"`
	Conclusion string    `json:"conclusion" index:"keyword"`
	At         time.Time `json:"at" index:"date"`
	URL        string    `json:"url,omitempty" index:"keyword"`
	Format     string    `json:"format,omitempty" index:"keyword"`
	Digest     string    `json:"digest,omitempty" index:"keyword"`
}

// DeploymentFact is one deployment.
type DeploymentFact struct {
	Environment string    `json:"environment" index:"keyword"`
	Outcome     string    `json:"outcome" index:"keyword"`
	At          time.Time `json:"at" index:"date"`
	CommitSHA   string    `json:"commit_sha,omitempty" index:"keyword"`
	Deployer    string    `json:"deployer,omitempty" index:"keyword"`
	Tier        string    `json:"tier,omitempty" index:"keyword" doc:"the best witness of this: claimed, signed, observed or human"`
}

// ScanFact is one report.
type ScanFact struct {
	Scanner   string    `json:"scanner" index:"keyword"`
	Format    string    `json:"format,omitempty" index:"keyword"`
	Digest    string    `json:"digest,omitempty" index:"keyword"`
	CommitSHA string    `json:"commit_sha,omitempty" index:"keyword"`
	At        time.Time `json:"at" index:"date"`
	Findings  int64     `json:"findings" index:"long"`
	Highest   string    `json:"highest,omitempty" index:"keyword"`
	Scanned   bool      `json:"scanned" index:"boolean" doc:"the report shows that something was scanned; otherwise a report without findings proves nothing"`
	Tier      string    `json:"tier,omitempty" index:"keyword" doc:"the best witness of this: claimed, signed, observed or human"`
}

// GateFact is a decision of the gate.
type GateFact struct {
	Verdict      string    `json:"verdict,omitempty" index:"keyword"`
	Allowed      bool      `json:"allowed" index:"boolean"`
	At           time.Time `json:"at" index:"date"`
	PolicyDigest string    `json:"policy_digest,omitempty" index:"keyword"`
	Rule         string    `json:"rule,omitempty" index:"keyword" doc:"rule of the policy that decided"`
	CommitSHA    string    `json:"commit_sha,omitempty" index:"keyword" doc:"head of the change when the gate decided"`
	Reasons      []string  `json:"reasons,omitempty" index:"none" doc:"what the gate answered, in words"`
	Position     string    `json:"position,omitempty" index:"keyword" doc:"the gate knew all events up to here: topic, partition and offset of the next event"`
	Tier         string    `json:"tier,omitempty" schema:"enum=claimed|observed" index:"keyword" doc:"observed: the gate itself reported it"`
}

// BreakGlassFact is the order of a person that a commit may be merged although the gate denies it,
// and the review that it needs afterwards.
type BreakGlassFact struct {
	Person     string    `json:"person" index:"keyword" doc:"who ordered it"`
	Reason     string    `json:"reason" index:"text" doc:"why it could not wait"`
	CommitSHA  string    `json:"commit_sha" index:"keyword" doc:"the only commit that it is about"`
	At         time.Time `json:"at" index:"date"`
	ReviewBy   time.Time `json:"review_by" index:"date" doc:"when an independent person must have reviewed that commit"`
	ReviewedBy string    `json:"reviewed_by,omitempty" index:"keyword" doc:"the first independent person who reviewed that commit"`
	ReviewedAt time.Time `json:"reviewed_at,omitzero" index:"date"`
	Overdue    bool      `json:"overdue" index:"boolean" doc:"the commit was merged, and nobody independent reviewed it in time"`
}

// ControlFacts is the controls that apply to the change.
type ControlFacts struct {
	Tags       []string `json:"tags,omitempty" index:"keyword" doc:"tags of the controls that apply to the change, as the control matrix writes them"`
	Frameworks []string `json:"frameworks,omitempty" index:"keyword" doc:"names of the frameworks of these controls"`
	// The tags by the status of their control. In Resolved, which search engines flatten, status and tag of
	// different controls cannot be told apart.
	Shown        []string `json:"shown,omitempty" index:"keyword" doc:"tags of the controls for which all required evidence is there"`
	Missing      []string `json:"missing,omitempty" index:"keyword" doc:"tags of the controls for which some evidence is missing"`
	Pending      []string `json:"pending,omitempty" index:"keyword" doc:"tags of the controls for which some evidence is missing that an open change may still get"`
	NotEvaluated []string `json:"not_evaluated,omitempty" index:"keyword" doc:"tags of the controls for which nothing says what evidence is required"`
	NotAsked     []string `json:"not_asked,omitempty" index:"keyword" doc:"tags of the controls that require evidence only for changes by agents, if a person made this change"`
	// Resolved is what each tag means.
	Resolved     []ResolvedControl `json:"resolved,omitempty" doc:"meaning and status of each tag"`
	MatrixDigest string            `json:"matrix_digest,omitempty" index:"keyword" doc:"digest of the control matrix"`
}

// A ResolvedControl is what a tag means in the catalogue, and what the record lacks to show that
// the control was met. The tag itself is never rewritten.
type ResolvedControl struct {
	Tag       string   `json:"tag" index:"keyword"`
	Match     string   `json:"match" schema:"enum=exact|renumbered|related|custom|unknown" index:"keyword"`
	Framework string   `json:"framework,omitempty" index:"keyword"`
	Version   string   `json:"version,omitempty" index:"keyword" doc:"version of the framework in which the control has this number"`
	ID        string   `json:"id,omitempty" index:"keyword"`
	Title     string   `json:"title,omitempty" index:"none" doc:"title in the control matrix, or a short description by changetrail"`
	Related   []string `json:"related,omitempty" index:"keyword" doc:"current numbers of the control, or of the controls that contain it"`
	Note      string   `json:"note,omitempty" index:"none"`
	Verified  bool     `json:"verified" index:"boolean" doc:"whether the number of the control was checked against the standard"`
	Status    string   `json:"status,omitempty" schema:"enum=shown|missing|pending|not-evaluated|not-asked" index:"keyword" doc:"whether the record shows the control: shown, missing, pending; not-evaluated: no required evidence is listed; not-asked: evidence is required only for changes by agents, and a person made this one"`
	Evidence  []string `json:"evidence,omitempty" index:"keyword" doc:"kinds of evidence that the control requires of this change"`
	Missing   []string `json:"missing,omitempty" index:"keyword" doc:"kinds of required evidence that the record lacks"`
}
