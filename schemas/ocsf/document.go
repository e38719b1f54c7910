package ocsf

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// An Event is one event of OCSF.
type Event struct {
	Class int       // class_uid
	UID   string    // metadata.uid: the same for the same document, different for others
	Time  time.Time // when it happened
	JSON  []byte    // on one line
}

// From turns a document of the indexes into an event of OCSF: an event, a record or a finding, as
// the topics enriched and records contain them. It fails if it is none of these.
func From(text []byte) (Event, error) {
	d, rest := new(document), unmapped{}
	if err := read(text, d, &rest); err != nil {
		return Event{}, err
	}
	a := &attributes{
		Time: d.Timestamp.UnixMilli(), Message: d.Message, Unmapped: rest,
		Metadata: metadata{
			Version: Version, Product: product{Name: "changetrail", VendorName: "changetrail"},
			CorrelationUID: string(d.Trail.Change.ID), EventCode: d.Trail.Event.Type,
			LogName: d.Event.Dataset, LogProvider: cmp.Or(d.Event.Provider, d.Event.Module, "changetrail"),
			OriginalTime: d.Timestamp.Format(time.RFC3339Nano), TenantUID: d.DataStream.Namespace, Labels: d.Tags,
		},
	}
	switch d.Event.Dataset {
	case schemas.EventDataset:
		d.activity(a)
	case schemas.RecordDataset:
		d.compliance(a)
	case schemas.FindingDataset:
		d.posture(a)
	default:
		return Event{}, fmt.Errorf("event.dataset is %q, which is no document of changetrail: %s, %s and %s are", d.Event.Dataset, schemas.EventDataset, schemas.RecordDataset, schemas.FindingDataset)
	}
	d.observe(a)
	out, err := a.encode()
	if err != nil {
		return Event{}, err
	}
	return Event{Class: a.ClassUID, UID: a.Metadata.UID, Time: d.Timestamp, JSON: out}, nil
}

// encode returns a as JSON on one line that every reader accepts: data that repeat a name become
// text.
func (a *attributes) encode() ([]byte, error) {
	out, err := json.Marshal(a, jsontext.AllowInvalidUTF8(true))
	if err == nil {
		return out, nil
	}
	if a.Unmapped.Trail, err = dataAsText(a.Unmapped.Trail); err != nil {
		return nil, err
	}
	if out, err = json.Marshal(a, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("the event of OCSF cannot be written: %w", err)
	}
	return out, nil
}

// dataAsText returns the member changetrail of a document with the data of the event as text, as
// [schemas.EventTrail] has data that are nested too deeply.
func dataAsText(trail jsontext.Value) (jsontext.Value, error) {
	members := make(map[string]jsontext.Value)
	if err := json.Unmarshal(trail, &members, tolerant); err != nil {
		return nil, fmt.Errorf("the document cannot be read: %w", err)
	}
	if data := members["data"]; data != nil {
		text, err := json.Marshal(string(data), jsontext.AllowInvalidUTF8(true))
		if err != nil {
			return nil, fmt.Errorf("the data of the event cannot be written as text: %w", err)
		}
		members["data_text"] = text
		delete(members, "data")
	}
	out, err := json.Marshal(members, tolerant, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("the event of OCSF cannot be written: %w", err)
	}
	return out, nil
}

// tolerant reads what search engines accept: data of events may repeat a name.
var tolerant = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// A document is what is read of an event, a record or a finding.
type document struct {
	Timestamp     time.Time
	Message       string
	DataStream    schemas.DataStream
	Event         schemas.EventFields
	Rule          schemas.FindingRule
	Tags          []string
	Service       record.Service
	User          record.User
	Related       record.Related
	Vulnerability record.Vulnerability
	GenAI         record.GenAI
	Trace         schemas.Trace
	Trail         trail
}

// member returns where the member of a document with a name is read into, and where its text is
// kept; nil if it is not read, or not kept.
func (d *document) member(name string, rest *unmapped) (into any, text *jsontext.Value) {
	switch name {
	case "@timestamp":
		return &d.Timestamp, nil
	case "message":
		return &d.Message, nil
	case "data_stream":
		return &d.DataStream, nil
	case "event":
		return &d.Event, &rest.Event
	case "rule":
		return &d.Rule, nil
	case "tags":
		return &d.Tags, nil
	case "service":
		return &d.Service, &rest.Service
	case "user":
		return &d.User, &rest.User
	case "related":
		return &d.Related, &rest.Related
	case "vulnerability":
		return &d.Vulnerability, &rest.Vulnerability
	case "gen_ai":
		return &d.GenAI, &rest.GenAI
	case "trace":
		return &d.Trace, &rest.Trace
	case "changetrail":
		return &d.Trail, &rest.Trail
	case "package":
		return nil, &rest.Package
	}
	return nil, nil
}

// A trail is what is read of the member changetrail of any document.
type trail struct {
	Change  record.Change       `json:"change"`
	Service record.ServiceFacts `json:"service"`

	// Of an event.
	Repository record.Repository     `json:"repository"`
	Event      schemas.EventIdentity `json:"event"`
	Tool       string                `json:"tool"`

	// Of a finding.
	Finding schemas.FindingFacts `json:"finding"`

	// Of a record.
	Revision       int64                    `json:"revision"`
	EvidenceDigest string                   `json:"evidence_digest"`
	Trigger        record.TriggerFacts      `json:"trigger"`
	Authorization  record.AuthorizationFact `json:"authorization"`
	Validation     record.ValidationFacts   `json:"validation"`
	Scans          []record.ScanFact        `json:"scans"`
	Answers        record.Answers           `json:"answers"`
	Reasons        record.Reasons           `json:"reasons"`
	Gaps           []string                 `json:"gaps"`
	Tier           record.Tiers             `json:"tier"`
	Control        record.ControlFacts      `json:"control"`
	Events         int64                    `json:"events"`
}

// read reads a document, and keeps the text of the members that OCSF has no attributes for.
func read(text []byte, d *document, rest *unmapped) error {
	if err := json.Unmarshal(text, &members{text, d, rest}, tolerant); err != nil {
		return fmt.Errorf("the document cannot be read: %w", err)
	}
	if d.Timestamp.IsZero() {
		return fmt.Errorf("the document has no @timestamp")
	}
	return nil
}

// members reads each member of a document once. The text that is kept of a member is what the
// decoder has passed.
type members struct {
	text []byte
	*document
	rest *unmapped
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom]. dec reads the text from its beginning.
func (m *members) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if kind := dec.PeekKind(); kind != '{' {
		return cmp.Or(dec.SkipValue(), errors.New("it is not a JSON object"))
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		into, kept := m.member(name.String(), m.rest)
		from := dec.InputOffset()
		if into == nil {
			err = dec.SkipValue()
		} else {
			err = json.UnmarshalDecode(dec, into)
		}
		if err != nil {
			return err
		}
		if kept != nil {
			*kept = bytes.TrimLeft(m.text[from:dec.InputOffset()], ": \t\r\n")
		}
	}
	_, err := dec.ReadToken()
	return err
}

// repository returns the repository that the document is about.
func (d *document) repository() string {
	return string(cmp.Or(d.Trail.Repository, d.Trail.Change.Repository))
}

// is sets the class, the activity and the severity of an event.
func (a *attributes) is(c class, activity, severity enum) {
	a.ClassUID, a.ClassName, a.CategoryUID, a.CategoryName = c.uid, c.name, c.category, c.categoryName
	a.ActivityID, a.ActivityName = activity.id, activity.caption
	a.TypeUID, a.TypeName = c.uid*100+activity.id, c.name+": "+activity.caption
	a.SeverityID, a.Severity = severity.id, severity.caption
}

// status sets the status of an event.
func (a *attributes) status(s enum) { a.StatusID, a.Status = &s.id, s.caption }

// The types of observables that are used.
var (
	userName  = enum{4, "User Name"}
	urlString = enum{6, "URL String"}
	hash      = enum{8, "Hash"}
	cve       = enum{18, "CVE Object: uid"}
)

// observe lists the values by which an analyst goes from one event to others.
func (d *document) observe(a *attributes) {
	see := func(attribute string, t enum, value string) {
		if value != "" {
			a.Observables = append(a.Observables, observable{attribute, t.id, t.caption, value})
		}
	}
	if a.Actor != nil && a.Actor.User != nil {
		see("actor.user.name", userName, a.Actor.User.Name)
	}
	if len(a.Unmapped.User) > 0 {
		see("unmapped.user.name", userName, d.User.Name)
	}
	for _, name := range d.Related.User {
		see("unmapped.related.user", userName, name)
	}
	see("unmapped.event.url", urlString, d.Event.URL)
	for _, id := range d.Vulnerability.ID {
		if len(id) > 4 && id[:4] == "CVE-" {
			see("unmapped.vulnerability.id", cve, id)
		}
	}
	for _, e := range a.Evidences {
		if e.File != nil {
			for _, h := range e.File.Hashes {
				see("evidences.file.hashes.value", hash, h.Value)
			}
		}
	}
}
