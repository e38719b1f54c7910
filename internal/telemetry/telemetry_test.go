package telemetry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// plain is an environment without OTLP variables.
func plain(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER",
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
	} {
		t.Setenv(name, "")
	}
}

func TestAsked(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		ask  bool
		want string
	}{
		"nothing":              {},
		"an endpoint":          {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ask: true},
		"one of its own":       {env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, ask: true},
		"one of another":       {env: map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}},
		"the exporter":         {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, ask: true},
		"none":                 {env: map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}},
		"disabled":             {env: map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}},
		"another exporter":     {env: map[string]string{"OTEL_TRACES_EXPORTER": "console"}, want: `OTEL_TRACES_EXPORTER is "console"`},
		"HTTP":                 {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ask: true},
		"gRPC":                 {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, want: "http/protobuf"},
		"gRPC for the other":   {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, ask: true},
		"gRPC for all but it":  {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, ask: true},
		"gRPC where not asked": {env: map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}},
	} {
		t.Run(name, func(t *testing.T) {
			plain(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			ask, err := asked("TRACES")
			if ask != c.ask || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v %v, want %v %q", ask, err, c.ask, c.want)
			}
			if _, startErr := Start(t.Context(), "test", "1"); (startErr == nil) != (err == nil) {
				t.Errorf("Start: %v, but asked: %v", startErr, err)
			}
		})
	}
}

// TestExport: a collector gets a metric and a span.
func TestExport(t *testing.T) {
	plain(t)
	var mu sync.Mutex
	got := make(map[string]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var m proto.Message = new(colmetrics.ExportMetricsServiceRequest)
		if r.URL.Path == "/v1/traces" {
			m = new(coltrace.ExportTraceServiceRequest)
		}
		if err := proto.Unmarshal(body, m); err != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		text, err := proto.Marshal(m)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path] = string(text)
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	p, err := Start(t.Context(), "changetrail-test", "1")
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.Meter.Meter("test").Int64Counter("events.seen")
	if err != nil {
		t.Fatal(err)
	}
	n.Add(t.Context(), 1)
	_, span := p.Tracer.Tracer("test").Start(t.Context(), "a piece of work")
	span.End()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for path, want := range map[string]string{"/v1/metrics": "events.seen", "/v1/traces": "a piece of work"} {
		if !strings.Contains(got[path], want) || !strings.Contains(got[path], "changetrail-test") {
			t.Errorf("%s got %d bytes without %q", path, len(got[path]), want)
		}
	}
}
