//go:build servers

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
	"github.com/changetrail/changetrail/sinks/setup"
	"github.com/changetrail/changetrail/stream"
)

// The servers that all tests of the package share.
var (
	broker  *servers.Server
	engines = map[string]*servers.Server{}
)

func TestMain(m *testing.M) {
	code, err := withServers(m)
	if errors.Is(err, servers.ErrMissing) && os.Getenv("CHANGETRAIL_SKIP_SERVERS") != "" {
		fmt.Printf("SKIP: CHANGETRAIL_SKIP_SERVERS is set and %v\n", err)
		os.Exit(0)
	}
	if err != nil {
		fmt.Println("FAIL: the servers do not start:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func withServers(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "changetrail-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	for name, start := range map[string]func() (*servers.Server, error){
		"kafka":               func() (*servers.Server, error) { return servers.Kafka(filepath.Join(dir, "kafka")) },
		schemas.OpenSearch:    func() (*servers.Server, error) { return servers.OpenSearch(filepath.Join(dir, "opensearch")) },
		schemas.Elasticsearch: func() (*servers.Server, error) { return servers.Elasticsearch(filepath.Join(dir, "elasticsearch")) },
	} {
		wg.Go(func() {
			s, err := start()
			if err == nil {
				err = s.Start(context.Background())
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				errs = append(errs, err)
			case name == "kafka":
				broker = s
			default:
				engines[name] = s
			}
		})
	}
	wg.Wait()
	defer func() {
		if broker != nil {
			broker.Kill()
		}
		for _, s := range engines {
			s.Kill()
		}
	}()
	if err := errors.Join(errs...); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// A pipeline is one set of topics and indexes.
type pipeline struct {
	topics    stream.Topics
	namespace string
	kafka     stream.Config
	engines   map[string]*bulk.Server
	policy    *policy.Policy // that of the example where nil
	matrix    *controls.Matrix
	keys      signing.Keys // of the gateways; none where zero
}

const partitions = 4

var example = filepath.Join("..", "..", "deploy", "example")

// newPipeline sets up topics and indexes under a name of their own.
func newPipeline(t *testing.T, name string) *pipeline {
	t.Helper()
	p := &pipeline{
		topics: stream.Topics{Prefix: name}, namespace: name,
		kafka: stream.Config{Brokers: []string{broker.Address}}, engines: map[string]*bulk.Server{},
	}
	adm, err := stream.NewAdmin(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := adm.Ensure(t.Context(), p.topics.Specs(partitions, 24*time.Hour), 1, false); err != nil {
		t.Fatal(err)
	}
	for engine, server := range engines {
		p.engines[engine] = connect(t, engine, server)
		if _, err := setup.Index(t.Context(), p.engines[engine], setup.Options{Namespace: name, Retention: 400 * 24 * time.Hour, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func connect(t *testing.T, engine string, server *servers.Server) *bulk.Server {
	t.Helper()
	c := bulk.Connection{Addresses: []string{"http://" + server.Address}}
	open := opensearch.New
	if engine == schemas.Elasticsearch {
		open = elasticsearch.New
	}
	s, err := open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs an enricher and a sink for each engine until the test ends.
func (p *pipeline) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	wg.Go(func() {
		if err := enricher.Run(ctx, p.enricherConfig(t, t.TempDir(), log)); err != nil {
			t.Errorf("enricher: %v", err)
		}
	})
	for _, engine := range p.engines {
		wg.Go(func() {
			err := sinks.Run(ctx, sinks.Config{Kafka: p.kafka, Topics: p.topics, Namespace: p.namespace, Engine: engine, Log: log})
			if err != nil {
				t.Errorf("sink %s: %v", engine.Name(), err)
			}
		})
	}
}

func (p *pipeline) enricherConfig(t *testing.T, dir string, log *slog.Logger) enricher.Config {
	pol, matrix := p.policy, p.matrix
	if pol == nil {
		pol, matrix = examplePolicy(t)
	}
	return enricher.Config{
		Kafka: p.kafka, Topics: p.topics, Namespace: p.namespace, StateDir: dir, Policy: pol, Controls: matrix, Log: log, Linger: 5 * time.Millisecond,
		Trust: trusted, Keys: p.keys,
	}
}

// trusted is what the operator of a Kafka cluster says to which nobody else can write:
// agents speak for themselves, and all other sources are platforms.
var trusted = []settings.Trust{{Source: "/agents/**", As: record.Signed, History: true}, {Source: "**", As: record.Observed, History: true}}

// trustedSetting is trusted for a program, in its environment.
const trustedSetting = `CHANGETRAIL_TRUST_UNSIGNED=[{source: /agents/**, as: signed, history: true}, {source: "**", as: observed, history: true}]`

// arrivedAtOnce states that each event arrived when it says, so that its record does not depend
// on when the test ran.
func arrivedAtOnce(events []event.Event) []event.Event {
	for i := range events {
		events[i].SetExtension("arrivedat", events[i].Time().UTC().Format(time.RFC3339))
	}
	return events
}

// testLog writes a service's log to the test's.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Helper()
	l.t.Log(string(bytes.TrimSpace(b)))
	return len(b), nil
}

func examplePolicy(t *testing.T) (*policy.Policy, *controls.Matrix) {
	t.Helper()
	p, err := policy.Parse(readFile(t, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := controls.Parse(readFile(t, "controls.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return p, m
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(example, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	seedChange = "github.com/acme/payments/pull/4829"
	seedHead   = "8c1f0f5ad3e64b8fbf2ab9a3d1c5ee6a4c0f7d21"
)

// storyFiles are the events of PR 4829, by who sends them.
var storyFiles = []string{"pr-4829/code-host.jsonl", "pr-4829/agent.jsonl", "pr-4829/ci.jsonl"}

// storyPaths are the paths of them.
func storyPaths() (out []string) {
	for _, path := range storyFiles {
		out = append(out, filepath.Join(example, path))
	}
	return out
}

// seedEvents are the events of PR 4829 of acme/payments: the decision names a
// real osv-scanner report, and CI uploads a real JUnit report.
func seedEvents(t *testing.T) []event.Event {
	t.Helper()
	scan := &record.Scan{Tool: record.Tool{Name: "osv-scanner", Version: "2.5.0"}, ScanID: "nightly-20261112"}
	tests := &record.Validation{Name: "unit", Provider: "github-actions", CommitSHA: seedHead}
	var err1, err2 error
	scan.Report, err1 = evidence.Pack(readFile(t, "pr-4829/osv-scanner.json"), "")
	tests.Report, err2 = evidence.Pack(readFile(t, "pr-4829/junit.xml"), "")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	s, v := producer.Event("", scan), producer.Event("", tests)
	for _, e := range []*event.Event{&s, &v} {
		e.SetExtension("partitionkey", "github.com/acme/payments")
		e.SetSource("/ci/acme")
	}
	s.SetID("scan-20261112")
	s.SetTime(time.Date(2026, 11, 12, 2, 0, 0, 0, time.UTC))
	v.SetID("tests-4829")
	v.SetTime(time.Date(2026, 11, 12, 3, 31, 0, 0, time.UTC))
	events := []event.Event{s, v}
	var told []byte
	for _, path := range storyFiles {
		told = append(told, readFile(t, path)...)
	}
	lines := bufio.NewScanner(bytes.NewReader(told))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event.Event
		if err := e.UnmarshalJSON(lines.Bytes()); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return arrivedAtOnce(events)
}

// search runs a plain HTTP search, as an analyst's tool does.
func search(t *testing.T, engine, target, query string) []jsontext.Value {
	t.Helper()
	address := "http://" + engines[engine].Address + "/" + target
	post(t, address+"/_refresh", "")
	res, err := http.Get(address + "/_search?size=100&q=" + url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var found struct {
		Hits struct {
			Hits []struct {
				Source jsontext.Value `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &found); err != nil {
		t.Fatalf("%s: %v: %s", engine, err, body)
	}
	var out []jsontext.Value
	for _, h := range found.Hits.Hits {
		out = append(out, h.Source)
	}
	return out
}

func post(t *testing.T, address, body string) []byte {
	t.Helper()
	res, err := http.Post(address, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eventually calls f until it returns nil.
func eventually(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func newProducer(t *testing.T, transport producer.Transport) *producer.Producer {
	t.Helper()
	p, err := producer.New(transport, producer.Options{Source: "/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// output runs a command and returns what it printed; it must succeed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, b)
	}
	return string(b)
}
