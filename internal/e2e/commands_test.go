//go:build servers

package e2e

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/changetrail/changetrail/schemas"
)

// TestCommandsFromSetupToShow types what the README tells a new user to type,
// and follows one trace through the three processes.
func TestCommandsFromSetupToShow(t *testing.T) {
	spans := newSpanReceiver(t)
	binary := build(t)
	listen := freeAddress(t)
	url := "http://" + engines[schemas.OpenSearch].Address
	env := append(os.Environ(), "CHANGETRAIL_KAFKA_BROKERS="+broker.Address, "CHANGETRAIL_KAFKA_PREFIX=typed", "CHANGETRAIL_NAMESPACE=typed",
		"CHANGETRAIL_KAFKA_PARTITIONS=2", "CHANGETRAIL_SINK_ADDRESSES="+url, trustedSetting,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL, "OTEL_METRICS_EXPORTER=none", "OTEL_BSP_SCHEDULE_DELAY=200")
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(binary, args...)
		cmd.Env = env
		return cmd
	}
	run := func(args ...string) string {
		t.Helper()
		return output(t, command(args...))
	}
	must := func(out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%q is missing in:\n%s", w, out)
			}
		}
	}

	out, err := command("doctor").CombinedOutput()
	if err == nil {
		t.Error("doctor is content before setup")
	}
	must(string(out), "failed", "run changetrail setup")
	must(run("setup", "--dry-run"), "would", "changes would be made")
	must(run("setup"), "changes made", "lifecycle")
	must(run("setup"), "Nothing to change.")

	for _, args := range [][]string{
		{"enrich", "--state-dir", filepath.Join(t.TempDir(), "state"), "--policy", filepath.Join(example, "policy.yaml"), "--controls", filepath.Join(example, "controls.yaml")},
		{"sink", "--listen", listen},
	} {
		cmd := command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	must(run(append([]string{"publish"}, storyPaths()...)...), "published 6 events")
	eventually(t, time.Minute, func() error { // so that the scan closes a gap that was open, rather than come in one transaction with the rest
		out, err := command("show", "acme/payments#4829").CombinedOutput()
		if err != nil {
			return fmt.Errorf("show: %w: %s", err, out)
		}
		return nil
	})
	must(run("attach", "scan", "--repository", "github.com/acme/payments", "--commit", "5e0c9d0a8f1b", filepath.Join(example, "pr-4829", "osv-scanner.json")), "52 findings, highest critical")
	must(run("attach", "tests", "--change", "acme/payments#4829", "--commit", seedHead, "--name", "unit", filepath.Join(example, "pr-4829", "junit.xml")), "10 passed, 2 failed, 1 skipped")
	eventually(t, time.Minute, func() error {
		out, err := command("show", "acme/payments#4829", "-o", "json").Output()
		if err == nil && !strings.Contains(string(out), `"events": 8`) {
			err = errors.New("not all events are in it")
		}
		if err != nil {
			return fmt.Errorf("show: %w: %s", err, out)
		}
		return nil
	})
	must(run("show", "https://github.com/acme/payments/pull/4829"),
		"pci-dss-6.3.2", "received, and it contains the finding", "rejected", "jonas.k", "10 passed, 2 failed", "pci-dss-6.5.1 changes to production follow change control: missing a complete decision of the agent")
	eventually(t, 20*time.Second, func() error {
		if n := len(search(t, schemas.OpenSearch, schemas.FindingsAlias, `changetrail.change.number:4829 AND changetrail.finding.status:closed`)); n == 0 {
			return errors.New("no finding was closed by the evidence that came after the first revision")
		}
		return nil
	})
	must(run("replay", "acme/payments#4829"), "SAW", "DECIDED", "rejected", "10 passed, 2 failed", "jonas.k", "DEPLOYED")
	saved := filepath.Join(t.TempDir(), "saved")
	eventually(t, time.Minute, func() error { // an engine shows events only once it has refreshed
		out, err := command("replay", "acme/payments#4829", "--save", saved).CombinedOutput()
		if err == nil && !strings.Contains(string(out), "The record is made from 8 events; 8 are here.") {
			err = errors.New("not all events are saved")
		}
		if err != nil {
			return fmt.Errorf("replay --save: %w: %s", err, out)
		}
		return nil
	})
	must(run("query", `changetrail.change.number:4829 AND changetrail.trigger.found:true`, "-o", "csv", "--columns", "changetrail.change.id"), "github.com/acme/payments/pull/4829")
	page := freeAddress(t)
	pages := command("web", "--store", "opensearch", "--listen", page)
	if err := pages.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		for path, want := range map[string]string{"/?q=changetrail.change.number:4829&since=": "acme/payments/pull/4829", "/changes/github.com/acme/payments/pull/4829": "Which alternatives did it consider and reject?", "/queries": "pci-6.3.2-agents"} {
			res, err := http.Get("http://" + page + path)
			if err != nil {
				return err
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
				return fmt.Errorf("%s answers %d without %q: %.500s", path, res.StatusCode, want, body)
			}
		}
		return nil
	})
	_ = pages.Process.Signal(os.Interrupt)
	if err := pages.Wait(); err != nil {
		t.Errorf("web ends with %v", err)
	}
	must(run("policy", "explain", "--policy", filepath.Join(example, "policy.yaml"), "--change", "acme/payments#4829"),
		"authentication in payments", "does not apply", "review-required, by rule default")
	must(run("policy", "diff", "--policy", filepath.Join(example, "policy.yaml"), "--since", "87600h"), "0 of ", "changes of agents are decided differently")
	eventually(t, 20*time.Second, func() error {
		if out := run("doctor"); !strings.Contains(out, "1 member, 0 messages behind") || strings.Contains(out, "failed") {
			return fmt.Errorf("doctor:\n%s", out)
		}
		return nil
	})
	checkMetrics(t, listen)
	spans.check(t)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func checkMetrics(t *testing.T, address string) {
	t.Helper()
	for path, want := range map[string][]string{
		"/metrics": {`changetrail_sink_documents_total{outcome="stored",stage="opensearch"}`, "changetrail_latency_seconds_bucket", `changetrail_lag{`},
		"/readyz":  {"ok"},
		"/healthz": {"ok"},
	} {
		res, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		for _, w := range want {
			if !bytes.Contains(body, []byte(w)) {
				t.Errorf("%s: %q is missing in:\n%s", path, w, body)
			}
		}
	}
}

// A spanReceiver takes spans over OTLP/HTTP, as a collector does.
type spanReceiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*otlp.Span
}

func newSpanReceiver(t *testing.T) *spanReceiver {
	r := &spanReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body io.Reader = q.Body
		if q.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(q.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = z
		}
		b, _ := io.ReadAll(body)
		var export collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(b, &export); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, rs := range export.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				r.spans = append(r.spans, ss.GetSpans()...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// check finds, for each event, the chain publish → enrich → index in one trace.
func (r *spanReceiver) check(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		byID := make(map[string]*otlp.Span)
		for _, s := range r.spans {
			byID[hex.EncodeToString(s.GetSpanId())] = s
		}
		chains := 0
		for _, s := range r.spans {
			enrich := byID[hex.EncodeToString(s.GetParentSpanId())]
			if s.GetName() != "changetrail.index" || enrich.GetName() != "changetrail.enrich" {
				continue
			}
			publish := byID[hex.EncodeToString(enrich.GetParentSpanId())]
			if publish.GetName() == "changetrail.publish" && bytes.Equal(publish.GetTraceId(), s.GetTraceId()) {
				chains++
			}
		}
		if chains < 8 {
			return fmt.Errorf("%d spans, %d chains publish → enrich → index, want at least 8", len(r.spans), chains)
		}
		return nil
	})
}
