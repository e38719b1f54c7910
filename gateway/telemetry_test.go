package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/changetrail/changetrail/ingest/otlp"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// spans returns an export of one tool call of an agent in a repository. If either is "", the
// export does not state it.
func spans(agent, repository string) ptraceotlp.ExportRequest {
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	describe(rs.Resource().Attributes(), agent, repository)
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetName("execute_tool read")
	s.SetTraceID(pcommon.TraceID{15: 7})
	s.SetSpanID(pcommon.SpanID{7: 8})
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	s.Attributes().PutStr("gen_ai.operation.name", "execute_tool")
	s.Attributes().PutStr("gen_ai.tool.call.arguments", `{"token":"`+leak+`"}`)
	return ptraceotlp.NewExportRequestFromTraces(traces)
}

// describe returns the attributes of a resource.
func describe(a pcommon.Map, agent, repository string) {
	for key, value := range map[string]string{"gen_ai.agent.id": agent, "vcs.repository.url.full": repository} {
		if value != "" {
			a.PutStr(key, value)
		}
	}
}

// leak is a token in the format of GitHub that belongs to no account.
const leak = "ghp_" + "x7Kd92LmQpRs4TvWyZ1aBcDeFgHiJkLmNoPq"

const trace7 = "00000000000000000000000000000007"

func logOf(agent, repository string) plogotlp.ExportRequest {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	describe(rl.Resource().Attributes(), agent, repository)
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.Body().SetStr("claude_code.tool_result")
	for key, value := range map[string]string{"session.id": "s", "tool_use_id": "t", "tool_name": "Bash", "success": "true"} {
		l.Attributes().PutStr(key, value)
	}
	return plogotlp.NewExportRequestFromLogs(logs)
}

func must(t testing.TB) func(b []byte, err error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestTelemetryComesAsProtobufAndAsJSON(t *testing.T) {
	s := newSite(t, nil)
	pb, js := must(t)(spans("a", "https://github.com/acme/payments").MarshalProto()), must(t)(spans("a", "https://github.com/acme/payments").MarshalJSON())
	var first string
	for _, c := range []struct {
		name, media string
		body        []byte
		packed      bool
	}{
		{"protobuf", "application/x-protobuf", pb, false},
		{"JSON", "application/json", js, false},
		{"packed protobuf", "application/x-protobuf", pb, true},
	} {
		h := map[string]string{"Content-Type": c.media}
		if c.packed {
			h["Content-Encoding"], c.body = "gzip", gzipped(c.body)
		}
		r := s.send(t, "POST", "/v1/traces", h, c.body)
		if r.status != http.StatusOK || r.header.Get("Content-Type") != c.media {
			t.Fatalf("%s: %+v", c.name, r)
		}
		if c.media == "application/json" {
			if strings.Contains(r.body, "rejected") {
				t.Errorf("%s", r.body)
			}
		}
		e := s.next(t, 1)[0]
		var got record.Spans
		if err := json.Unmarshal(e.Data, &got); err != nil {
			t.Fatal(err)
		}
		if e.Type != record.TypeSpansReceived || e.PartitionKey != "run:"+trace7 || got.Trace != trace7 || got.Spans[0].Repository != "github.com/acme/payments" || got.Spans[0].AgentID != "a" {
			t.Errorf("%s: %s under %s: %s", c.name, e.Type, e.PartitionKey, e.Data)
		}
		if strings.Contains(string(e.Data), leak) || !strings.Contains(e.Redacted, "github-pat") {
			t.Errorf("%s: redacted %q, %s", c.name, e.Redacted, e.Data)
		}
		if first == "" {
			first = e.ID
		}
		if c.name == "packed protobuf" && e.ID != first { // sent again, it is the same event
			t.Errorf("sent again, it has the id %s, and had %s", e.ID, first)
		}
	}
	r := s.send(t, "POST", "/v1/logs", map[string]string{"Content-Type": "application/json"}, must(t)(logOf("", "").MarshalJSON()))
	if r.status != http.StatusOK {
		t.Fatalf("%+v", r)
	}
	if e := s.next(t, 1)[0]; e.Type != record.TypeActionPerformed || e.Source != "/claude-code/s" || e.ID != "t" || e.PartitionKey != "run:s" {
		t.Errorf("%+v", e)
	}
	s.none(t)
}

func TestWhatIsNoTelemetryIsRefused(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct {
		name, media, body string
		status            int
		detail            string
	}{
		{"another form", "text/plain", "x", 415, "send OTLP as application/x-protobuf"},
		{"protobuf that is none", "application/x-protobuf", "hello", 400, "is not OTLP as application/x-protobuf"},
		{"JSON that is none", "application/json", "{", 400, "is not OTLP as application/json"},
		{"JSON that the reader does not bear", "application/json", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7}]}]}]}`, 400, "is not OTLP as application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p := s.send(t, "POST", "/v1/traces", map[string]string{"Content-Type": c.media}, []byte(c.body)).problem(t, c.status); !strings.Contains(p.Detail, c.detail) {
				t.Errorf("it says %q", p.Detail)
			}
		})
	}
	s.none(t)
}

// dial connects a gRPC client to a site.
func (s *site) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestTelemetryComesOverGRPC(t *testing.T) {
	known, tokens := credentials(t, "name: a-prod, agent: a")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	conn := s.dial(t)
	traces, logs := ptraceotlp.NewGRPCClient(conn), plogotlp.NewGRPCClient(conn)
	as := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", token)
	}
	if _, err := traces.Export(t.Context(), spans("", "")); status.Code(err) != codes.Unauthenticated {
		t.Errorf("nobody: %v", err)
	}
	if _, err := traces.Export(as("Bearer x"), spans("", "")); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "the token is unknown") {
		t.Errorf("a wrong token: %v", err)
	}
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		r, err := traces.Export(as(tokens[0]), spans("", "https://github.com/acme/payments"), options...)
		if err != nil || r.PartialSuccess().RejectedSpans() != 0 {
			t.Fatal(r, err)
		}
		if e := s.next(t, 1)[0]; e.Type != record.TypeSpansReceived || schemas.SenderOf(signingKeys, e) != "agent:a" || !strings.Contains(string(e.Data), `"agent_id":"a"`) {
			t.Errorf("%s: %s", e.Type, e.Data)
		}
	}
	if _, err := logs.Export(as(tokens[0]), logOf("", "")); err != nil {
		t.Fatal(err)
	}
	if e := s.next(t, 1)[0]; e.Type != record.TypeActionPerformed || !strings.Contains(string(e.Data), `"id":"a"`) {
		t.Errorf("%s: %s", e.Type, e.Data)
	}
	s.none(t)
}

func TestAWrongClockOverGRPCIsRefusedAndSaid(t *testing.T) {
	s := newSite(t, nil)
	request := spans("", "")
	ok := request.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	wrong := ok.AppendEmpty()
	ok.At(0).CopyTo(wrong)
	wrong.SetSpanID(pcommon.SpanID{1})
	wrong.SetEndTimestamp(pcommon.NewTimestampFromTime(time.Now().AddDate(1, 0, 0)))
	r, err := ptraceotlp.NewGRPCClient(s.dial(t)).Export(t.Context(), request)
	if p := r.PartialSuccess(); err != nil || p.RejectedSpans() != 1 || !strings.Contains(p.ErrorMessage(), "set the sender's clock") {
		t.Errorf("%d rejected: %s, %v", p.RejectedSpans(), p.ErrorMessage(), err)
	}
	if e := s.next(t, 1)[0]; strings.Count(string(e.Data), `"kind"`) != 1 {
		t.Errorf("%s", e.Data)
	}
}

func TestTelemetryInTheNameOfAnotherIsRefusedAndAFinding(t *testing.T) {
	known, tokens := credentials(t, "name: a-prod, agent: a", "name: docs, platform: docs, repositories: [github.com/acme/docs]", "name: both, platform: both, repositories: [github.com/acme/docs, github.com/acme/web]")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	const elsewhere = "https://github.com/acme/payments"
	send := func(i int, path string, body []byte) string {
		t.Helper()
		r := s.send(t, "POST", path, map[string]string{"Content-Type": "application/json", "Authorization": tokens[i]}, body)
		if r.status != http.StatusOK {
			t.Fatalf("%+v", r)
		}
		return r.body
	}
	said := send(0, "/v1/traces", must(t)(spans("b", elsewhere).MarshalJSON()))
	if !strings.Contains(said, `"rejectedSpans":"1"`) || !strings.Contains(said, "in the name of b, but the credential a-prod belongs to a") {
		t.Errorf("it says %s", said)
	}
	said = send(0, "/v1/logs", must(t)(logOf("b", elsewhere).MarshalJSON()))
	if !strings.Contains(said, `"rejectedLogRecords":"1"`) {
		t.Errorf("it says %s", said)
	}
	for i, e := range s.next(t, 2) {
		if e.Type != record.TypeIdentityRefused || e.PartitionKey != "github.com/acme/payments" || !strings.Contains(string(e.Data), `"agent":"b"`) {
			t.Errorf("finding %d is %s under %s: %s", i, e.Type, e.PartitionKey, e.Data)
		}
	}
	if said = send(0, "/v1/traces", must(t)(spans("b", "").MarshalJSON())); !strings.Contains(said, `"rejectedSpans":"1"`) {
		t.Errorf("of no repository: %s", said)
	}

	if said = send(1, "/v1/traces", must(t)(spans("", elsewhere).MarshalJSON())); !strings.Contains(said, "may not publish about github.com/acme/payments") {
		t.Errorf("of another's repository: %s", said)
	}
	if said = send(2, "/v1/traces", must(t)(spans("", "").MarshalJSON())); !strings.Contains(said, "set vcs.repository.url.full") {
		t.Errorf("of one who may speak of two: %s", said)
	}
	s.none(t)
	send(1, "/v1/traces", must(t)(spans("", "").MarshalJSON()))
	if e := s.next(t, 1)[0]; !strings.Contains(string(e.Data), `"repository":"github.com/acme/docs"`) {
		t.Errorf("of one who may speak of one: %s", e.Data)
	}
	s.none(t)
}

// FuzzTelemetry: whatever is read as OTLP, the events made of it match the schemas.
func FuzzTelemetry(f *testing.F) {
	for _, r := range []ptraceotlp.ExportRequest{spans("a", "https://github.com/acme/payments"), spans("", "")} {
		f.Add(must(f)(r.MarshalProto()))
		f.Add(must(f)(r.MarshalJSON()))
	}
	f.Add(must(f)(logOf("a", "https://github.com/acme/payments").MarshalProto()))
	f.Add(must(f)(logOf("", "").MarshalJSON()))
	now := time.Now()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func(otlpRequest) error{
			func(r otlpRequest) error { return unmarshalProto(r, body) },
			func(r otlpRequest) error { return unmarshalJSON(r, body) },
		} {
			if r := ptraceotlp.NewExportRequest(); read(r) == nil {
				parts, _ := otlp.Spans(r.Traces(), now)
				for _, p := range parts {
					if err := schemas.Check(p); err != nil {
						t.Errorf("%+v: %v", p, err)
					}
				}
			}
			if r := plogotlp.NewExportRequest(); read(r) == nil {
				logs, _ := otlp.Logs(r.Logs(), now)
				for _, l := range logs {
					if err := schemas.Check(l.Action); err != nil {
						t.Errorf("%+v: %v", l.Action, err)
					}
				}
			}
		}
	})
}
