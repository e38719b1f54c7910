package schemas

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// An EventDocument is one enriched event as it is stored in the search index.
type EventDocument struct {
	Timestamp  time.Time       `json:"@timestamp" schema:"required" index:"date" doc:"when it happened, as the event states"`
	Message    string          `json:"message,omitempty" index:"text"`
	ECS        record.Version  `json:"ecs"`
	DataStream DataStream      `json:"data_stream"`
	Event      EventFields     `json:"event"`
	Tags       []string        `json:"tags,omitempty" index:"keyword" doc:"tags of the controls that apply to the change"`
	Service    *record.Service `json:"service,omitempty"`
	User       *record.User    `json:"user,omitempty" doc:"the account that did it"`
	GenAI      *record.GenAI   `json:"gen_ai,omitempty"`
	Package    *record.Package `json:"package,omitempty"`
	Trace      *Trace          `json:"trace,omitempty"`
	Trail      EventTrail      `json:"changetrail"`
}

// DataStream is data_stream.*: where the document belongs.
type DataStream struct {
	Type      string `json:"type" index:"keyword"`
	Dataset   string `json:"dataset" index:"keyword"`
	Namespace string `json:"namespace" index:"keyword"`
}

// EventFields is ECS event.* of an event.
type EventFields struct {
	ID       string    `json:"id" index:"keyword" doc:"id of the CloudEvent"`
	Kind     string    `json:"kind" index:"keyword"`
	Category []string  `json:"category" index:"keyword"`
	Type     []string  `json:"type" index:"keyword"`
	Action   string    `json:"action" index:"keyword" doc:"what happened, such as decision-recorded"`
	Dataset  string    `json:"dataset" index:"keyword"`
	Module   string    `json:"module" index:"keyword"`
	Provider string    `json:"provider" index:"keyword" doc:"source of the CloudEvent"`
	Outcome  string    `json:"outcome,omitempty" index:"keyword"`
	Created  time.Time `json:"created" index:"date" doc:"when the event arrived: at the gateway, or else at the broker"`
	Sequence string    `json:"sequence,omitempty" index:"keyword"`
	URL      string    `json:"url,omitempty" index:"keyword"`
}

// Trace is ECS trace.*.
type Trace struct {
	ID string `json:"id" index:"keyword"`
}

// EventTrail is changetrail.* of an event.
type EventTrail struct {
	Event       EventIdentity        `json:"event"`
	Change      *EventChange         `json:"change,omitempty"`
	Repository  record.Repository    `json:"repository" index:"keyword"`
	Fact        string               `json:"fact,omitempty" index:"keyword" doc:"what the event states, the same for every format and sender: review-submitted, approval-granted, change-merged and others"`
	Verdict     string               `json:"verdict,omitempty" index:"keyword" doc:"verdict of a review, an approval or a gate: approved, changes-requested, granted, refused and others"`
	Service     *record.ServiceFacts `json:"service,omitempty"`
	Control     *record.ControlFacts `json:"control,omitempty"`
	Environment []string             `json:"environment,omitempty" index:"keyword"`
	Run         []string             `json:"run,omitempty" index:"keyword" doc:"names of the agent run to which a decision or an action belongs: its id, the URL of its log, its trace id"`
	Refs        []record.Ref         `json:"refs,omitempty" index:"keyword" doc:"commits, reports, findings, runs and artifacts that the event names; a change that names one of them too finds the event by it"`
	Leads       []record.Lead        `json:"leads,omitempty" doc:"further commits, reports, findings, runs and artifacts by which the change of this event finds other events"`
	Tool        string               `json:"tool,omitempty" index:"keyword" doc:"the tool that an action used or that made a report"`
	Files       []string             `json:"files,omitempty" index:"keyword" doc:"paths that an action, or a new head of the change, changed; at most 50"`
	Data        jsontext.Value       `json:"data,omitempty" index:"kept" doc:"data of the event without reports; stored, but not searchable"`
	DataText    string               `json:"data_text,omitempty" index:"none" doc:"data of the event as text, if it is nested too deeply for the search engine"`
}

// EventIdentity is the identity of the CloudEvent.
type EventIdentity struct {
	Type     string `json:"type" index:"keyword"`
	Digest   string `json:"digest" index:"keyword" doc:"digest of type, change, time and data; it distinguishes a repeated event from a different one with the same id"`
	AuthType string `json:"authtype,omitempty" index:"keyword"`
	AuthID   string `json:"authid,omitempty" index:"keyword"`
	DataRef  string `json:"dataref,omitempty" index:"keyword"`
	// How much is to be thought of what it says.
	Witness  string `json:"witness" schema:"enum=claimed|signed|observed|human" index:"keyword" doc:"how far the event can be believed, by the credential that it came with (docs/trust.md)"`
	Sender   string `json:"sender,omitempty" index:"keyword" doc:"who sent it, by the credential: agent:ID, platform:NAME or person:ACCOUNT"`
	Imported bool   `json:"imported,omitempty" index:"boolean" doc:"the sender states when the event arrived (event.created), because it imports history"`
	// What was done to the content.
	ContentMode string   `json:"content_mode,omitempty" index:"keyword" doc:"how much of prompts, and of arguments and results of tools, is stored: metadata-only, redacted or full"`
	Masked      string   `json:"masked,omitempty" index:"none" doc:"if secrets were masked after the event was stored: when, by whom, by which rules, and the digests before and after"`
	Redacted    []string `json:"redacted,omitempty" index:"keyword" doc:"rules that found secrets in the event; the secrets were replaced before it was stored"`
}

// EventChange is the change that an event is about.
type EventChange struct {
	ID          record.ChangeID `json:"id" index:"keyword"`
	Number      string          `json:"number,omitempty" index:"keyword"`
	Kind        string          `json:"kind,omitempty" index:"keyword"`
	State       string          `json:"state,omitempty" index:"keyword"`
	InitiatedBy string          `json:"initiated_by,omitempty" index:"keyword"`
}

// Datasets and index names of the contract, section 4.
const (
	EventDataset   = "changetrail.event"
	RecordDataset  = "changetrail.record"
	FindingDataset = "changetrail.finding"
	RecordsAlias   = "changetrail-records"
	FindingsAlias  = "changetrail-findings"
)

// EventIndex returns the data stream of the enriched events of a namespace.
func EventIndex(namespace string) string { return "logs-" + EventDataset + "-" + namespace }

// RecordIndexes returns the pattern of the indexes of all records in a namespace.
func RecordIndexes(namespace string) string { return "changetrail-record-" + namespace + "-*" }

// RecordIndex returns the index of the records of changes first seen at t.
func RecordIndex(namespace string, t time.Time) string {
	return "changetrail-record-" + namespace + "-" + t.UTC().Format("2006.01")
}

// An EventQuery asks an index for the events that name a change, and for those of a repository that
// are found under one of refs (see [record.Refs]).
type EventQuery struct {
	Change     record.ChangeID // may be empty
	Repository record.Repository
	Refs       []record.Ref
}

// DocumentID returns the id of an event's document: the same for the same source and id, and safe
// in a URL.
func DocumentID(e record.Event) string { return string(AppendDocumentID(nil, &e)) }

// AppendDocumentID appends the [DocumentID] of e to b.
func AppendDocumentID(b []byte, e *record.Event) []byte {
	var key [256]byte
	k := key[:0]
	if e.Sender != "" {
		k = append(append(k, e.Sender...), 0)
	}
	h := sha256.Sum256(append(append(append(k, e.Source...), 0), e.ID...)) // e.Key()
	return hex.AppendEncode(b, h[:20])
}

// Data that is nested deeper than this is kept as text: the engines refuse to parse a document that
// is nested too deeply.
const maxDepth = 100

// maxListed bounds the lists of an event's document.
const maxListed = 50

// Describe fills d from e, except for what its change adds. data is the event's data as JSON text,
// without reports; arrived is when the broker accepted it, used if e has no arrival time.
func (d *EventDocument) Describe(e *record.Event, env *Envelope, data jsontext.Value, arrived time.Time, namespace string) {
	*d = EventDocument{
		Timestamp:  e.Time,
		ECS:        record.Version{Version: record.ECSVersion},
		DataStream: DataStream{"logs", EventDataset, namespace},
		Event: EventFields{
			ID: e.ID, Kind: "event",
			Action: action(env.Type), Dataset: EventDataset, Module: "changetrail", Provider: e.Source,
			Created: orTime(e.Arrived, arrived).UTC(), Sequence: env.Sequence,
		},
		Trail: EventTrail{
			Event: EventIdentity{
				Type: env.Type, Digest: e.Digest, AuthType: env.AuthType, AuthID: env.AuthID, DataRef: env.DataRef,
				Witness: cmp.Or(e.Witness, record.Claimed), Sender: e.Sender, Imported: e.Imported,
			},
			Repository: e.Repository,
			Fact:       action(record.TypeOf(e.Fact)),
			Refs:       record.Refs(*e),
			Leads:      record.Leads(*e),
		},
	}
	d.Trail.Event.ContentMode, d.Trail.Event.Masked = env.ContentMode, env.MaskedAfter
	if env.Redacted != "" {
		d.Trail.Event.Redacted = strings.Split(env.Redacted, ",")
	}
	if len(env.TraceParent) == 55 {
		d.Trace = &Trace{env.TraceParent[3:35]}
	}
	if depth(data) > maxDepth {
		d.Trail.DataText = string(data)
	} else {
		d.Trail.Data = oneLine(data)
	}
	d.Trail.Run = record.RunNames(*e)
	describe(d, e)
	if d.Event.Category == nil {
		d.Event.Category, d.Event.Type = []string{"configuration"}, []string{"info"}
	}
}

// orTime returns t, or other if t is zero.
func orTime(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}

// oneLine returns data without line breaks, which only occur in white space.
func oneLine(data jsontext.Value) jsontext.Value {
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 {
		return data
	}
	v := data.Clone()
	if err := v.Compact(); err != nil {
		return data // valid JSON: cannot fail
	}
	return v
}

// action turns dev.changetrail.decision.recorded.v1 into decision-recorded, and
// com.github.pull_request.opened into github-pull_request-opened.
func action(eventType string) string {
	s := strings.TrimPrefix(eventType, "dev.changetrail.")
	s = strings.TrimPrefix(s, "com.")
	s = strings.TrimSuffix(s, ".v1")
	return strings.ReplaceAll(s, ".", "-")
}

// depth returns an upper bound for how deep data is nested: the exact depth, or a higher number
// that is still allowed.
func depth(data []byte) int {
	if n := bytes.Count(data, []byte("{")) + bytes.Count(data, []byte("[")); n <= maxDepth {
		return n // an upper bound
	}
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

func describe(d *EventDocument, e *record.Event) {
	user := func(name string) {
		if name != "" {
			d.User = &record.User{Name: name}
		}
	}
	agent := func(a record.Agent) { d.GenAI = record.NewGenAI(a) }
	kind := func(typ string, categories ...string) { d.Event.Category, d.Event.Type = categories, []string{typ} }
	switch f := e.Fact.(type) {
	case *record.Decision:
		agent(f.Agent)
		user(f.Agent.DelegatedBy)
		d.Message = decided(f)
	case *record.Action:
		agent(f.Agent)
		kind("change", "process")
		d.Trail.Tool, d.Trail.Files = f.Tool, f.Files[:min(len(f.Files), maxListed)]
		d.Message = f.Agent.ID + " used " + f.Tool
		d.Event.Outcome = outcome(f.Outcome)
	case *record.Scan:
		kind("info", "vulnerability")
		d.Trail.Tool = f.Tool.Name
		d.Message = f.Tool.Name + ": " + strconv.Itoa(f.Summary.Findings) + " findings"
		d.Event.URL = f.URL
	case *record.Validation:
		d.Message = f.Name + ": " + f.Conclusion + ", " + strconv.FormatInt(f.Passed, 10) + " passed, " + strconv.FormatInt(f.Failed, 10) + " failed"
		d.Event.Outcome, d.Event.URL = outcome(f.Conclusion), f.URL
	case *record.Review:
		user(f.Reviewer)
		d.Message, d.Event.URL, d.Trail.Verdict = f.Reviewer+": "+f.Verdict, f.URL, f.Verdict
	case *record.Approval:
		user(f.Approver)
		d.Trail.Verdict = cmp.Or(f.Verdict, "granted")
		if f.Verdict == "refused" {
			kind("denied", "iam", "api")
			d.Message = f.Approver + " refused an approval"
		} else {
			kind("allowed", "iam", "api")
			d.Message = f.Approver + " gave an approval"
		}
	case *record.Opened:
		kind("creation", "configuration")
		user(f.Author)
		d.Trail.Files = f.Files[:min(len(f.Files), maxListed)]
		d.Message, d.Event.URL = "opened: "+f.Title, f.URL
	case *record.Updated:
		kind("change", "configuration")
		user(f.Author)
		d.Trail.Files = f.Files[:min(len(f.Files), maxListed)]
		d.Message = "updated to " + f.HeadSHA
	case *record.Merged:
		kind("change", "configuration")
		user(f.MergedBy)
		d.Message, d.Event.Outcome = "merged as "+f.MergeSHA, "success"
	case *record.Closed:
		kind("change", "configuration")
		user(f.ClosedBy)
		d.Message = "closed"
	case *record.Deployment:
		kind("installation", "configuration", "package")
		user(f.Deployer)
		d.Message = f.Environment + ": " + f.Outcome
		d.Event.Outcome, d.Event.URL = outcome(f.Outcome), f.URL
	case *record.IdentityRefused:
		kind("denied", "iam", "api")
		d.Message, d.Event.Outcome = "refused: credential "+f.Credential+" spoke as "+f.Agent, "failure"
	case *record.Pushed:
		kind("change", "configuration")
		user(f.Pusher)
		d.Trail.Files = f.Files[:min(len(f.Files), maxListed)]
		d.Message, d.Event.URL = fmt.Sprintf("pushed to %s, commits: %d", f.Branch, len(f.Commits)), f.URL
	case *record.Activity:
		d.Message = f.Summary
	case *record.Request:
		user(f.Author)
		d.Message, d.Event.URL = strings.Join(strings.Fields(f.Kind+" "+f.ID+" "+f.Title), " "), f.URL
	case *record.GateDecision:
		kind(map[bool]string{true: "allowed", false: "denied"}[f.Allowed], "iam", "api")
		d.Message, d.Trail.Verdict = "gate: "+f.Verdict, f.Verdict
	case *record.BreakGlass:
		kind("allowed", "iam", "api")
		user(f.Person)
		d.Message = f.Person + " broke the glass for " + f.CommitSHA + ": " + f.Reason
	}
}

// decided summarizes an agent's decision in one line.
func decided(f *record.Decision) string {
	text := f.Agent.ID + " decided"
	if t := f.Trigger; t != nil && t.Finding != "" {
		text += " on " + t.Finding
	}
	if f.Chosen != "" {
		text += ": " + f.Chosen
	}
	return text
}

// outcome maps a conclusion to the three values of ECS event.outcome.
func outcome(s string) string {
	switch s {
	case "success":
		return "success"
	case "failure", "error", "timed-out", "rolled-back", "refused":
		return "failure"
	case "":
		return ""
	}
	return "unknown"
}

// encoding writes equal values as equal bytes, on one line.
var encoding = json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true), jsontext.EscapeForJS(false))

// Encode returns a document on one line.
func Encode(doc any) ([]byte, error) { return json.Marshal(doc, encoding) }

// Seal sets the revision and the evidence digest of r and appends r to b in the canonical form of
// RFC 8785. The digest is computed over that form with revision 0 and no digest. If it equals last,
// the digest sent before, nothing has changed and Seal appends nothing.
func Seal(b []byte, r *record.Record, revision int64, last string) []byte {
	r.Trail.Revision, r.Trail.EvidenceDigest = 0, ""
	start := len(b)
	b = recordEncoder.append(b, r)
	digest := digests.Of(b[start:])
	if digest == last {
		return b[:start]
	}
	r.Trail.Revision, r.Trail.EvidenceDigest = revision, digest
	return setRevision(b, start, revision, digest)
}

// The members that setRevision fills in, as they look in a record without them. No other member has these
// names, and quotes within strings are escaped.
var (
	noRevision = []byte(`"revision":0`)
	noDigest   = []byte(`"evidence_digest":""`)
)

// setRevision sets the revision and the digest in the record that begins at start of b and has neither.
func setRevision(b []byte, start int, revision int64, digest string) []byte {
	at := start + bytes.Index(b[start:], noDigest) + len(noDigest) - 1
	b = slices.Insert(b, at, []byte(digest)...)
	at += bytes.Index(b[at:], noRevision) + len(noRevision) - 1
	return slices.Replace(b, at, at+1, strconv.AppendInt(nil, revision, 10)...)
}

// maxID is the longest document id that the engines accept, in bytes.
const maxID = 512

// RecordID returns the id of a change's document: the change's own id, or a digest if that is too
// long.
func RecordID(id record.ChangeID) string {
	if len(id) <= maxID {
		return string(id)
	}
	return digests.Of([]byte(id))
}
