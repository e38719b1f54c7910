package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/ingest/otlp"
	"github.com/changetrail/changetrail/internal/budget"
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
		e.SetID(digests.Of(e.Data())) // an exporter that had no answer sends the same again
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
		return holding(g.budgetOf(from), r, func(r *http.Request) error {
			if err := g.openFrame(w, r); err != nil {
				return err
			}
			server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), inContext{}, from)))
			return nil
		})
	}, g.refuseGRPC)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			problem.Write(w, r, problem.New(http.StatusHTTPVersionNotSupported, "gRPC needs HTTP/2"))
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// frameHead is a byte that says whether a message is packed, and its length.
const frameHead = 5

// openFrame reads the one message of a call, and unpacks it: the library would do both
// outside of the memory of the request.
func (g *Gateway) openFrame(w http.ResponseWriter, r *http.Request) error {
	in := http.MaxBytesReader(w, r.Body, g.Limits.Body+frameHead)
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(in, head); err != nil {
		return broken(err, "the call ends before its message")
	}
	encoding := ""
	if head[0] == 1 {
		encoding = r.Header.Get("Grpc-Encoding")
	}
	stated := int64(binary.BigEndian.Uint32(head[1:]))
	if stated > g.Limits.Body {
		return &budget.TooLargeError{Limit: g.Limits.Body}
	}
	packed := &counter{in: io.LimitReader(in, stated)}
	message, err := unpack(r.Context(), packed, encoding, g.Limits.Body)
	if err != nil {
		return err
	}
	if packed.n != stated {
		return problem.New(http.StatusBadRequest, "the message has %d bytes, and its length says %d", packed.n, stated)
	}
	if err := growFor(r.Context(), message); err != nil {
		return err
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(frame), bytes.NewReader(message)))
	r.ContentLength = int64(len(frame) + len(message))
	r.Header.Del("Grpc-Encoding")
	return nil
}

// perField is what an empty span, log or attribute takes once it is read.
const perField = 400

// growFor takes memory for what a message of Protocol Buffers is read into.
func growFor(ctx context.Context, message []byte) error {
	return shareOf(ctx).Grow(2*int64(len(message)) + perField*int64(fieldsIn(message, 0)))
}

// fieldsIn counts the messages and strings in a message. A string that reads as a message is
// taken for one: the count is never too low.
func fieldsIn(message []byte, depth int) (n int) {
	for len(message) > 0 {
		_, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return n
		}
		message = message[size:]
		if kind != protowire.BytesType {
			if size = protowire.ConsumeFieldValue(1, kind, message); size < 0 {
				return n
			}
			message = message[size:]
			continue
		}
		inner, size := protowire.ConsumeBytes(message)
		if size < 0 {
			return n
		}
		n++
		if depth < maxDepth {
			n += fieldsIn(inner, depth+1)
		}
		message = message[size:]
	}
	return n
}

// maxDepth is how deep attributes stand in a request, with lists in lists as agents have them.
const maxDepth = 12

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
