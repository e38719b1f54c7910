// Package outline reads from a document the fields that receivers other than search engines want
// beside it, such as its time and its severity.
package outline

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/sinks"
)

// An Outline is what is known about a document without its format.
type Outline struct {
	Body     jsontext.Value // the document, on one line
	Time     time.Time
	Created  time.Time // when the pipeline received an event; zero for a record
	Message  string
	Class    string // event, record or finding
	Type     string // of an event, such as dev.changetrail.decision.recorded.v1; otherwise as Class
	Action   string
	Outcome  string
	User     string
	URL      string
	Change   string // id
	TraceID  string
	Severity Severity
}

// A Severity is how urgent a document is for a SIEM.
type Severity int

// Severities. Events and records report; only findings that are open ask for attention.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

// fields are the parts of a document that are read.
type fields struct {
	Timestamp time.Time `json:"@timestamp"`
	Message   string    `json:"message"`
	Event     struct {
		Action  string    `json:"action"`
		Outcome string    `json:"outcome"`
		Created time.Time `json:"created"`
		URL     string    `json:"url"`
	} `json:"event"`
	User struct {
		Name string `json:"name"`
	} `json:"user"`
	Trace struct {
		ID string `json:"id"`
	} `json:"trace"`
	Trail struct {
		Event struct {
			Type string `json:"type"`
		} `json:"event"`
		Change struct {
			ID  string `json:"id"`
			URL string `json:"url"`
		} `json:"change"`
		Finding struct {
			Kind     string `json:"kind"`
			Severity string `json:"severity"`
			Status   string `json:"status"`
		} `json:"finding"`
	} `json:"changetrail"`
}

// Of returns the outline of a document. The error says what is wrong with the document.
func Of(d sinks.Document) (Outline, error) {
	if len(bytes.TrimSpace(d.Body)) == 0 {
		return Outline{}, errors.New("the document is not JSON: it is empty")
	}
	body := jsontext.Value(bytes.Clone(d.Body))
	if err := body.Compact(); err != nil {
		return Outline{}, fmt.Errorf("the document is not JSON: %w", err)
	}
	var f fields
	if err := json.Unmarshal(body, &f); err != nil {
		return Outline{}, fmt.Errorf("the document cannot be read: %w", err)
	}
	if f.Timestamp.IsZero() {
		return Outline{}, errors.New("the document has no @timestamp")
	}
	out := Outline{
		Body: body, Time: f.Timestamp, Created: f.Event.Created, Message: f.Message, Class: "event", Type: f.Trail.Event.Type, Action: f.Event.Action,
		Outcome: f.Event.Outcome, User: f.User.Name, URL: f.Event.URL, Change: f.Trail.Change.ID, TraceID: f.Trace.ID,
	}
	switch {
	case f.Trail.Finding.Kind != "":
		out.Class = "finding"
		if f.Trail.Finding.Status == "open" {
			out.Severity = map[string]Severity{"low": Low, "medium": Medium, "high": High, "critical": Critical}[f.Trail.Finding.Severity]
		}
	case d.Version > 0:
		out.Class = "record"
	}
	if out.Type == "" {
		out.Type = "changetrail." + out.Class
	}
	if out.URL == "" && strings.HasPrefix(f.Trail.Change.URL, "http") {
		out.URL = f.Trail.Change.URL
	}
	return out, nil
}
