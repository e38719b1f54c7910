package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/ingest/otlp"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// An otlpRequest is one of the export requests of pdata.
type otlpRequest interface {
	UnmarshalProto(data []byte) error
	UnmarshalJSON(data []byte) error
}

// An otlpResponse is one of the export responses of pdata.
type otlpResponse interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

// telemetry answers an OTLP request (OTLP/HTTP 1.x): it reads the body into request, calls take, and
// answers in the encoding of the request.
func (g *Gateway) telemetry(w http.ResponseWriter, r *http.Request, request otlpRequest, accept func(context.Context) (otlpResponse, error)) error {
	body, err := read(w, r, g.Limits.Body)
	if err != nil {
		return err
	}
	media := schemas.Media(r.Header.Get("Content-Type")) // "" if it has another form
	switch media {
	case "application/x-protobuf":
		if err := growFor(r.Context(), body); err != nil {
			return err
		}
		err = unmarshalProto(request, body)
	case "application/json":
		err = unmarshalJSON(request, body)
	default:
		return problem.New(http.StatusUnsupportedMediaType, "Content-Type %q is not read; send OTLP as application/x-protobuf or application/json", r.Header.Get("Content-Type"))
	}
	if err != nil {
		return problem.New(http.StatusBadRequest, "the body is not OTLP as %s; see what the exporter sends, and whether Content-Type says so", media)
	}
	response, err := accept(r.Context())
	if err != nil {
		return err
	}
	out, err := response.MarshalProto()
	if media == "application/json" {
		out, err = response.MarshalJSON()
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, err = w.Write(out)
	return err
}

// The readers of pdata are made for the output of exporters, and may panic on other bytes.

func unmarshalProto(request otlpRequest, body []byte) (err error) {
	defer recovered(&err)
	return request.UnmarshalProto(body)
}

func unmarshalJSON(request otlpRequest, body []byte) (err error) {
	defer recovered(&err)
	return request.UnmarshalJSON(body)
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("it cannot be read: %v", p)
	}
}

// traces answers POST /v1/traces.
func (g *Gateway) traces(w http.ResponseWriter, r *http.Request, from Sender) error {
	request := ptraceotlp.NewExportRequest()
	return g.telemetry(w, r, request, func(ctx context.Context) (otlpResponse, error) {
		return g.acceptTraces(ctx, from, request.Traces())
	})
}

// logs answers POST /v1/logs.
func (g *Gateway) logs(w http.ResponseWriter, r *http.Request, from Sender) error {
	request := plogotlp.NewExportRequest()
	return g.telemetry(w, r, request, func(ctx context.Context) (otlpResponse, error) {
		return g.acceptLogs(ctx, from, request.Logs())
	})
}

// acceptTraces accepts the spans of a request that their sender may report.
func (g *Gateway) acceptTraces(ctx context.Context, from Sender, in ptrace.Traces) (ptraceotlp.ExportResponse, error) {
	parts, refused := otlp.Spans(in, g.Now())
	b := batch{g: g, from: from, refused: refused}
	for _, part := range parts {
		kept := part.Spans[:0]
		for _, s := range part.Spans {
			ingest.CompleteSpan(from.Principal, &s)
			about := record.Event{Change: record.ChangeID(s.Change), Repository: record.Repository(s.Repository)}
			if b.allows(item{record.TypeSpansReceived, part.Trace, about}, record.Event{Fact: &record.Spans{Spans: []record.Span{s}}}) {
				kept = append(kept, s)
			}
		}
		if part.Spans = kept; len(kept) > 0 {
			b.events = append(b.events, eventOfSpans(part))
		}
	}
	response := ptraceotlp.NewExportResponse()
	b.partial(response.PartialSuccess().SetRejectedSpans, response.PartialSuccess().SetErrorMessage)
	return response, b.publish(ctx)
}

func eventOfSpans(part *record.Spans) event.Event {
	e := producer.Event("", part)
	e.SetSource("/otlp")
	e.SetID(digests.Of(e.Data())) // an exporter that had no answer sends the same again
	e.SetExtension("partitionkey", record.RunKey(part.Trace))
	return e
}

// acceptLogs accepts the logs of a request that their sender may report.
func (g *Gateway) acceptLogs(ctx context.Context, from Sender, in plog.Logs) (plogotlp.ExportResponse, error) {
	logs, refused := otlp.Logs(in, g.Now())
	b := batch{g: g, from: from, refused: refused}
	for _, l := range logs {
		completeLog(from.Principal, &l)
		about := record.Event{Change: l.Change, Repository: l.Repository}
		if b.allows(item{record.TypeActionPerformed, l.Action.Agent.Run, about}, record.Event{Repository: l.Repository, Fact: l.Action}) {
			b.events = append(b.events, eventOfLog(l))
		}
	}
	response := plogotlp.NewExportResponse()
	b.partial(response.PartialSuccess().SetRejectedLogRecords, response.PartialSuccess().SetErrorMessage)
	return response, b.publish(ctx)
}

func eventOfLog(l otlp.Log) event.Event {
	e := producer.Event(string(l.Change), l.Action)
	e.SetSource(l.Source)
	e.SetID(l.ID)
	e.SetTime(l.At)
	if l.Trace != "" {
		e.SetExtension("traceparent", l.Trace)
	}
	if l.Repository != "" {
		e.SetExtension("partitionkey", string(l.Repository))
	}
	return e
}

// completeLog adds to a log what the credential of its sender determines.
func completeLog(who identity.Principal, l *otlp.Log) {
	if who.Agent != "" && l.Agent == "" {
		l.Action.Agent.ID = who.Agent
	}
	e := ingest.Event{Event: record.Event{Repository: l.Repository, Fact: l.Action}}
	ingest.Complete(who, &e)
	l.Repository = e.Repository
}

// A batch is the result of one OTLP request: events, and findings about items in the name of another
// agent.
type batch struct {
	g                *Gateway
	from             Sender
	events, findings []event.Event
	refused          otlp.Refused
}

// An item is a span or a log, in the form that a finding names it.
type item struct {
	typ, run string
	about    record.Event
}

// allows reports whether the sender may report an item, which states fact. If not, it counts the
// item, and adds a finding if the item is in the name of another.
func (b *batch) allows(i item, fact record.Event) bool {
	err := ingest.Allow(b.from.Principal, &ingest.Event{Event: fact}, nil)
	if err == nil {
		return true
	}
	b.refused.Add(err)
	if other := ingest.IsImpostor(err); other != nil {
		var e event.Event
		e.SetSpecVersion(event.CloudEventsVersionV1)
		e.SetType(i.typ)
		e.SetSource("/otlp")
		e.SetID(i.run)
		b.findings = b.g.find(b.findings, impersonation{&e, i.about, b.from.Principal, other})
	}
	return false
}

// partial states in a response how many items were refused, and why the first one was.
func (b *batch) partial(count func(int64), message func(string)) {
	if b.refused.Count > 0 {
		count(b.refused.Count)
		message(b.refused.First.Error())
	}
}

// publish publishes the findings and the events.
func (b *batch) publish(ctx context.Context) error {
	for range b.refused.Count {
		b.g.metrics.refuse("telemetry")
	}
	if len(b.findings) > 0 {
		if _, err := b.g.publish(ctx, b.findings); err != nil {
			return err
		}
	}
	if len(b.events) == 0 {
		return nil
	}
	_, err := b.g.Accept(ctx, b.from, b.events)
	return err
}
