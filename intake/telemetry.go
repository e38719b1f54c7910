package intake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // exporters pack what they send
	"google.golang.org/grpc/status"

	"github.com/changetrail/changetrail/identity"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/intake/otlp"
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

// An otlpResponse is one of its responses.
type otlpResponse interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

// telemetry answers an OTLP request (OTLP/HTTP 1.x): it is read into request, taken,
// and answered in the encoding that it has.
func (g *Gateway) telemetry(w http.ResponseWriter, r *http.Request, request otlpRequest, take func(context.Context) (otlpResponse, error)) error {
	body, err := read(w, r, g.Limits.Body)
	if err != nil {
		return err
	}
	media := schemas.Media(r.Header.Get("Content-Type")) // of another form, it is none of these
	switch media {
	case "application/x-protobuf":
		err = unmarshalProto(request, body)
	case "application/json":
		err = unmarshalJSON(request, body)
	default:
		return problem.New(http.StatusUnsupportedMediaType, "Content-Type %q is not read; send OTLP as application/x-protobuf or application/json", r.Header.Get("Content-Type"))
	}
	if err != nil {
		return problem.New(http.StatusBadRequest, "the body is no OTLP as %s: %v", media, err)
	}
	response, err := take(r.Context())
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

// The readers of pdata are made for what exporters write, and may panic on other bytes.

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
		return g.takeTraces(ctx, from, request.Traces())
	})
}

// logs answers POST /v1/logs.
func (g *Gateway) logs(w http.ResponseWriter, r *http.Request, from Sender) error {
	request := plogotlp.NewExportRequest()
	return g.telemetry(w, r, request, func(ctx context.Context) (otlpResponse, error) {
		return g.takeLogs(ctx, from, request.Logs())
	})
}

func (g *Gateway) takeTraces(ctx context.Context, from Sender, in ptrace.Traces) (ptraceotlp.ExportResponse, error) {
	parts, refused := otlp.Spans(in, g.Now())
	var events, findings []event.Event
	for _, part := range parts {
		kept := part.Spans[:0]
		for _, s := range part.Spans {
			ingest.CompleteSpan(from.Principal, &s)
			if err := allowOne(from.Principal, record.Event{Fact: &record.Spans{Spans: []record.Span{s}}}); err != nil {
				refused.Add(err)
				findings = g.findTelemetry(findings, err, record.TypeSpansReceived, part.Trace, record.Event{Change: record.ChangeID(s.Change), Repository: record.Repository(s.Repository)}, from.Principal)
				continue
			}
			kept = append(kept, s)
		}
		if part.Spans = kept; len(kept) == 0 {
			continue
		}
		e := producer.Event("", part)
		e.SetSource("/otlp")
		e.SetID(record.Digest(e.Data())) // an exporter that had no answer sends the same again
		e.SetExtension("partitionkey", record.RoomKey(part.Trace))
		events = append(events, e)
	}
	response := ptraceotlp.NewExportResponse()
	if refused.Count > 0 {
		response.PartialSuccess().SetRejectedSpans(refused.Count)
		response.PartialSuccess().SetErrorMessage(refused.First.Error())
	}
	return response, g.takeTelemetry(ctx, from, events, findings, refused)
}

func (g *Gateway) takeLogs(ctx context.Context, from Sender, in plog.Logs) (plogotlp.ExportResponse, error) {
	logs, refused := otlp.Logs(in, g.Now())
	var events, findings []event.Event
	for _, l := range logs {
		completeLog(from.Principal, &l)
		if err := allowOne(from.Principal, record.Event{Repository: l.Repository, Fact: l.Action}); err != nil {
			refused.Add(err)
			findings = g.findTelemetry(findings, err, record.TypeActionPerformed, l.Action.Agent.Run, record.Event{Change: l.Change, Repository: l.Repository}, from.Principal)
			continue
		}
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
		events = append(events, e)
	}
	response := plogotlp.NewExportResponse()
	if refused.Count > 0 {
		response.PartialSuccess().SetRejectedLogRecords(refused.Count)
		response.PartialSuccess().SetErrorMessage(refused.First.Error())
	}
	return response, g.takeTelemetry(ctx, from, events, findings, refused)
}

// findTelemetry adds to findings that a span or a log of a run was told in the name of
// another agent.
func (g *Gateway) findTelemetry(findings []event.Event, err error, typ, run string, about record.Event, who identity.Principal) []event.Event {
	other := ingest.IsImpostor(err)
	if other == nil {
		return findings
	}
	var e event.Event
	e.SetSpecVersion(event.CloudEventsVersionV1)
	e.SetType(typ)
	e.SetSource("/otlp")
	e.SetID(run)
	return g.find(findings, &e, about, who, other)
}

func (g *Gateway) takeTelemetry(ctx context.Context, from Sender, events, findings []event.Event, refused otlp.Refused) error {
	for range refused.Count {
		g.metrics.refuse("telemetry")
	}
	if len(findings) > 0 {
		if _, err := g.publish(ctx, findings); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	_, err := g.Take(ctx, from, events)
	return err
}

// allowOne says why a span or a log is not its sender's to tell.
func allowOne(who identity.Principal, about record.Event) error {
	return ingest.Allow(who, &ingest.Event{Event: about}, nil)
}

// completeLog states of a log what its sender's credential says.
func completeLog(who identity.Principal, l *otlp.Log) {
	if who.Agent != "" && l.Agent == "" {
		l.Action.Agent.ID = who.Agent
	}
	e := ingest.Event{Event: record.Event{Repository: l.Repository, Fact: l.Action}}
	ingest.Complete(who, &e)
	l.Repository = e.Repository
}

// inContext is under what the sender of a call of gRPC is found in its context.
type inContext struct{}

// otlpServer answers OTLP/gRPC, on the address of everything else: HTTP/2 tells them
// apart by the path.
func (g *Gateway) otlpServer() *grpc.Server {
	s := grpc.NewServer(grpc.MaxRecvMsgSize(int(min(g.Limits.Body, math.MaxInt32))))
	ptraceotlp.RegisterGRPCServer(s, &traceServer{g: g})
	plogotlp.RegisterGRPCServer(s, &logServer{g: g})
	return s
}

type traceServer struct {
	ptraceotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *traceServer) Export(ctx context.Context, in ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	from, _ := ctx.Value(inContext{}).(Sender) // set by grpcHandler
	out, err := s.g.takeTraces(ctx, from, in.Traces())
	return out, s.g.statusOf(err)
}

type logServer struct {
	plogotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *logServer) Export(ctx context.Context, in plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	from, _ := ctx.Value(inContext{}).(Sender) // set by grpcHandler
	out, err := s.g.takeLogs(ctx, from, in.Logs())
	return out, s.g.statusOf(err)
}

// grpcHandler lets server answer, once it is known who calls.
func (g *Gateway) grpcHandler(server *grpc.Server) http.Handler {
	guarded := g.guarded(func(w http.ResponseWriter, r *http.Request) error {
		from, leave, err := g.enter(r)
		if err != nil {
			return err
		}
		defer leave()
		server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), inContext{}, from)))
		return nil
	}, g.refuseGRPC)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			problem.Write(w, r, problem.New(http.StatusHTTPVersionNotSupported, "gRPC needs HTTP/2"))
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// refuseGRPC answers with an error and nothing else: a response that has trailers alone
// (gRPC over HTTP2).
func (g *Gateway) refuseGRPC(w http.ResponseWriter, _ *http.Request, p *problem.Problem) {
	s := status.Convert(g.statusOf(p))
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(int(s.Code())))
	h.Set("Grpc-Message", s.Message())
	w.WriteHeader(http.StatusOK)
}

// statusOf is how an error is answered in gRPC (OTLP says which codes are tried again).
func (g *Gateway) statusOf(err error) error {
	if err == nil {
		return nil
	}
	p := g.problemOf(err)
	code := map[int]codes.Code{
		http.StatusUnauthorized: codes.Unauthenticated, http.StatusForbidden: codes.PermissionDenied,
		http.StatusTooManyRequests: codes.Unavailable, http.StatusServiceUnavailable: codes.Unavailable,
		http.StatusInternalServerError: codes.Internal,
	}[p.Status]
	if code == codes.OK {
		code = codes.InvalidArgument
	}
	if errors.Is(err, context.Canceled) {
		code = codes.Canceled
	}
	return status.Error(code, p.Detail)
}
