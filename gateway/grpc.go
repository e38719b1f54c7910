package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/problem"
)

// inContext is the key of the sender of a gRPC call in its context.
type inContext struct{}

// otlpServer answers OTLP/gRPC at the same address as everything else: the path distinguishes them.
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
	out, err := s.g.acceptTraces(ctx, from, in.Traces())
	return out, s.g.statusOf(err)
}

type logServer struct {
	plogotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *logServer) Export(ctx context.Context, in plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	from, _ := ctx.Value(inContext{}).(Sender) // set by grpcHandler
	out, err := s.g.acceptLogs(ctx, from, in.Logs())
	return out, s.g.statusOf(err)
}

// grpcHandler lets server answer calls of an identified sender.
func (g *Gateway) grpcHandler(server *grpc.Server) http.Handler {
	guarded := g.guarded(g.identified(func(w http.ResponseWriter, r *http.Request, from Sender) error {
		if err := g.openFrame(w, r); err != nil {
			return err
		}
		server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), inContext{}, from)))
		return nil
	}), g.refuseGRPC)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			problem.Write(w, r, problem.New(http.StatusHTTPVersionNotSupported, "gRPC needs HTTP/2"))
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// frameHead is the size of what precedes a message: a byte that says whether it is compressed, and
// its length.
const frameHead = 5

// openFrame reads and decompresses the only message of a call. The library would do both without
// counting the memory.
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

// refuseGRPC answers with an error only: a response that consists of trailers (gRPC over HTTP2).
func (g *Gateway) refuseGRPC(w http.ResponseWriter, _ *http.Request, p *problem.Problem) {
	s := status.Convert(g.statusOf(p))
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(int(s.Code())))
	h.Set("Grpc-Message", s.Message())
	w.WriteHeader(http.StatusOK)
}

// statusOf returns the answer to an error in gRPC (OTLP says which codes are retried).
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
