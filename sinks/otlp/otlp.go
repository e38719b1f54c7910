// Package otlp sends documents as log records of OpenTelemetry, over OTLP/HTTP with protobuf.
//
// A receiver of OTLP appends: it does not compare ids. Each log record has the id, the index and the
// revision of its document as attributes, so that a repeat can be recognized. Each revision of
// a record is a log record of its own.
//
// A document counts as delivered when the receiver answers with success. What the receiver's own
// exporters do afterwards, only the receiver knows.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	status "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/endpoint"

	common "go.opentelemetry.io/proto/otlp/common/v1"
)

// Config is how to reach a receiver.
type Config struct {
	endpoint.Config
	Authorization string // value of the header; none if empty
	Version       string // of changetrail, for the scope
}

// An Engine sends documents to one receiver. It implements [sinks.Engine].
type Engine struct {
	at       *endpoint.Endpoint
	resource *resource.Resource
	scope    *common.InstrumentationScope
	now      func() time.Time
}

// New returns an engine. It does not connect.
func New(c Config) (*Engine, error) {
	c.Name = settings.OTLP
	c.Headers = http.Header{}
	if c.Authorization != "" {
		c.Headers.Set("Authorization", c.Authorization)
	}
	at, err := endpoint.New(c.Config)
	if err != nil {
		return nil, err
	}
	return &Engine{
		at: at, now: time.Now,
		resource: &resource.Resource{Attributes: []*common.KeyValue{text("service.name", "changetrail")}},
		scope:    &common.InstrumentationScope{Name: "github.com/changetrail/changetrail/sinks/otlp", Version: c.Version},
	}, nil
}

// Name implements [sinks.Engine].
func (*Engine) Name() string { return settings.OTLP }

// Ready implements [sinks.Engine]: it sends a request without log records, which every receiver
// accepts.
func (e *Engine) Ready(ctx context.Context, _ string) error {
	_, err := e.send(ctx, nil)
	return err
}

// Put implements [sinks.Engine].
//
// If a receiver rejects some log records of a request, it says how many, not which. Then each is
// sent alone: those that were accepted arrive a second time, with the same id.
func (e *Engine) Put(ctx context.Context, docs []sinks.Document) ([]sinks.Outcome, error) {
	outcomes := make([]sinks.Outcome, len(docs))
	records, sent := make([]*logs.LogRecord, 0, len(docs)), make([]int, 0, len(docs))
	for i, d := range docs {
		r, err := encode(d, e.now())
		if err != nil {
			outcomes[i] = sinks.Outcome{Kind: sinks.Refused, Reason: err.Error()}
			continue
		}
		records, sent = append(records, r), append(sent, i)
	}
	if len(sent) == 0 {
		return outcomes, nil
	}
	rejected, err := e.send(ctx, records)
	switch {
	case errors.Is(err, sinks.ErrWhole) && len(records) == 1:
		outcomes[sent[0]] = sinks.Outcome{Kind: sinks.Unclear, Cause: "HTTP 400", Reason: err.Error()}
		return outcomes, nil
	case err != nil:
		return nil, err
	case rejected == nil:
		return outcomes, nil
	case len(records) == 1:
		outcomes[sent[0]] = rejected.outcome()
		return outcomes, nil
	}
	for j, i := range sent {
		out, err := e.Put(ctx, docs[i:i+1])
		if err != nil {
			return nil, fmt.Errorf("log record %d of %d, sent alone: %w", j+1, len(sent), err)
		}
		outcomes[i] = out[0]
	}
	return outcomes, nil
}

// A rejection is a partial success: the receiver rejected some log records for good.
type rejection struct {
	count   int64
	message string
}

// outcome is that of a log record that was rejected when it was sent alone. The reason may be the log
// record or the state of the receiver; the worker finds out which.
func (r *rejection) outcome() sinks.Outcome {
	return sinks.Outcome{Kind: sinks.Unclear, Cause: "rejected", Reason: "the receiver rejects the log record: " + r.message}
}

// send sends log records in one request. A rejection says that some of them were not accepted.
func (e *Engine) send(ctx context.Context, records []*logs.LogRecord) (*rejection, error) {
	req := &collector.ExportLogsServiceRequest{}
	if len(records) > 0 {
		req.ResourceLogs = []*logs.ResourceLogs{{Resource: e.resource, ScopeLogs: []*logs.ScopeLogs{{Scope: e.scope, LogRecords: records}}}}
	}
	body, err := proto.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("otlp: %w", err)
	}
	if body == nil {
		body = []byte{} // a request without log records
	}
	answer, err := e.at.Send(ctx, endpoint.Request{Path: "/v1/logs", ContentType: "application/x-protobuf", Body: body})
	if err != nil {
		return nil, err
	}
	if said := message(answer); answer.Status == http.StatusBadRequest && strings.Contains(said, bodyTooLarge) {
		return nil, fmt.Errorf("otlp: %w: %s", sinks.ErrTooLarge, said)
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("otlp: %w", answer.Err(message(answer)))
	}
	var said collector.ExportLogsServiceResponse
	if err := proto.Unmarshal(answer.Body, &said); err != nil {
		return nil, fmt.Errorf("otlp: the answer is not an ExportLogsServiceResponse; is this the receiver's address? %w", err)
	}
	if n := said.GetPartialSuccess().GetRejectedLogRecords(); n > 0 {
		return &rejection{n, said.GetPartialSuccess().GetErrorMessage()}, nil
	}
	return nil, nil
}

// bodyTooLarge is the answer of OpenTelemetry's collector, with status 400, to a request that is larger
// than it accepts.
const bodyTooLarge = "http: request body too large"

// message is the error in an answer: of a google.rpc.Status, or the text itself.
func message(a *endpoint.Answer) string {
	var said status.Status
	if err := proto.Unmarshal(a.Body, &said); err == nil && said.GetMessage() != "" {
		return endpoint.Clip([]byte(said.GetMessage()))
	}
	if len(a.Body) == 0 {
		return http.StatusText(a.Status)
	}
	return endpoint.Clip(a.Body)
}
