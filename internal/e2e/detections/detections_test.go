//go:build servers

package detections_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	siemfiles "github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/internal/siem/detect"
	"github.com/changetrail/changetrail/internal/siem/detecttest"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
	"github.com/changetrail/changetrail/sinks/setup"
)

// TestDetectionsFindTheSameInBothEngines runs each detection as it is shipped, and as pySigma
// converts it, over the documents of all stories beside the rules. All must find the same.
func TestDetectionsFindTheSameInBothEngines(t *testing.T) {
	rules, err := detect.Load(siemfiles.Detections())
	if err != nil {
		t.Fatal(err)
	}
	found := detecttest.Run(t, folder)
	sigma := pySigma(t)
	for name, start := range map[string]func(string, ...string) (*servers.Server, error){schemas.OpenSearch: servers.OpenSearch, schemas.Elasticsearch: servers.Elasticsearch} {
		t.Run(name, func(t *testing.T) {
			x := siem{connect(t, name, start), found.Now}
			x.fill(t, found)
			x.compare(t, rules, found, sigma)
		})
	}
}

// compare runs all rules.
func (x siem) compare(t *testing.T, rules []detect.Rule, found *detecttest.Found, sigma map[string]string) {
	t.Helper()
	options := detect.Options{Namespace: detecttest.Namespace, Page: "https://changetrail.example.com"}
	elastic := elasticRules(t, rules, options)
	monitors, err := detect.Monitors(rules, options)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i := range rules {
		r := &rules[i]
		hits := found.Hits(r)
		total += len(hits)
		if got := x.rule(t, elastic[i]); !slices.Equal(got, hits) {
			t.Errorf("%s: the Elastic rule finds %v, want %v", r.File, got, hits)
		} else {
			found.Check(t, r, got)
		}
		if got, want := x.monitor(t, r, monitors[i].Body), found.Keys(r, hits); !slices.Equal(got, want) {
			t.Errorf("%s: the monitor finds %v, want %v", r.File, got, want)
		}
		if got, want := x.ids(t, elastic[i].Index[0], queryText(sigma[r.File])), found.Matches(r); !slices.Equal(got, want) {
			t.Errorf("%s: the query of pySigma finds %v, want %v: %s", r.File, got, want, sigma[r.File])
		}
	}
	t.Logf("%d rules found %d hits among %d documents", len(rules), total, len(found.Documents))
}

// folder has the rules.
var folder = detecttest.Folder("../../..")

// connect starts a server and sets up its indexes.
func connect(t *testing.T, name string, start func(string, ...string) (*servers.Server, error)) *bulk.Server {
	t.Helper()
	server, err := start(t.TempDir())
	if err == nil {
		err = server.Start(t.Context())
	}
	if errors.Is(err, servers.ErrMissing) && os.Getenv("CHANGETRAIL_SKIP_SERVERS") != "" {
		t.Skipf("CHANGETRAIL_SKIP_SERVERS is set and %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	open := elasticsearch.New
	if name == schemas.OpenSearch {
		open = opensearch.New
	}
	engine, err := open(bulk.Connection{Addresses: []string{"http://" + server.Address}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setup.Index(t.Context(), engine, setup.Options{Namespace: detecttest.Namespace, Retention: 400 * 24 * time.Hour, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return engine
}

type object = map[string]any

// An elasticRule is what Elastic Security reads of a rule to run it.
type elasticRule struct {
	Query     string   `json:"query"`
	Language  string   `json:"language"`
	Index     []string `json:"index"`
	From      string   `json:"from"`
	Timestamp string   `json:"timestamp_override"`
	Threshold *struct {
		Field []string `json:"field"`
		Value int      `json:"value"`
	} `json:"threshold"`
}

func elasticRules(t *testing.T, rules []detect.Rule, o detect.Options) []elasticRule {
	t.Helper()
	text, err := detect.Elastic(rules, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []elasticRule
	for line := range bytes.Lines(text) {
		var r elasticRule
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Language != "lucene" {
			t.Fatalf("the language is %q, which this test does not run", r.Language)
		}
		out = append(out, r)
	}
	return out
}

// A siem is an engine, and the time at which its detections run last.
type siem struct {
	engine *bulk.Server
	now    time.Time
}

// fill stores all documents.
func (x siem) fill(t *testing.T, found *detecttest.Found) {
	t.Helper()
	for chunk := range slices.Chunk(found.Documents, 500) {
		docs := make([]sinks.Document, len(chunk))
		for i, d := range chunk {
			docs[i] = d.Document
		}
		out, err := x.engine.Put(t.Context(), docs)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range out {
			if o.Kind != sinks.Done {
				t.Fatalf("%s: %s: %v", x.engine.Name(), docs[i].ID, o)
			}
		}
	}
	x.ask(t, "/*"+detecttest.Namespace+"*/_refresh", nil)
}

// ask sends a request and returns the answer.
func (x siem) ask(t *testing.T, path string, body any) []byte {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	status, answer, err := x.engine.Request(t.Context(), http.MethodPost, path, text)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s %s: HTTP %d, %v: %s\n%s", x.engine.Name(), path, status, err, answer, text)
	}
	return answer
}

// queryText is the query that Kibana makes of a text in Lucene's syntax.
func queryText(text string) object {
	return object{"query_string": object{"query": text, "analyze_wildcard": true}}
}

// ids returns the ids of the documents that a query finds, sorted.
func (x siem) ids(t *testing.T, index string, query object) []string {
	t.Helper()
	var res struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(x.ask(t, "/"+index+"/_search", object{"size": 10_000, "query": query}), &res); err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, h := range res.Hits.Hits {
		out = append(out, h.ID)
	}
	return sorted(out)
}

func sorted(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	slices.Sort(s)
	return slices.Compact(s)
}

// ticks are times at which a detection runs. Between two it would see nothing new: every rule looks
// back at least as far.
func (x siem) ticks() (out []time.Time) {
	for back := 6 * time.Hour; back >= 0; back -= time.Hour {
		out = append(out, x.now.Add(-back))
	}
	return out
}

// rule runs a rule of Elastic Security and returns its hits: ids, or the values that are too
// frequent. A rule with a threshold runs once, since what it counts may be in two windows.
func (x siem) rule(t *testing.T, r elasticRule) (out []string) {
	t.Helper()
	field := r.Timestamp
	if field == "" {
		field = "@timestamp"
	}
	window := func(at time.Time) object {
		to := at.UTC().Format("2006-01-02T15:04:05.000Z")
		back, _ := strings.CutPrefix(r.From, "now")
		return object{"bool": object{"filter": []any{queryText(r.Query), object{"range": object{field: object{"gt": to + "||" + back, "lte": to, "format": "strict_date_optional_time"}}}}}}
	}
	if r.Threshold == nil {
		for _, at := range x.ticks() {
			out = append(out, x.ids(t, r.Index[0], window(at))...)
		}
		return sorted(out)
	}
	body := object{"size": 0, "query": window(x.now), "aggs": object{"by": object{"terms": object{"field": r.Threshold.Field[0], "size": 1000, "min_doc_count": r.Threshold.Value}}}}
	var res struct {
		Aggregations struct {
			By struct {
				Buckets []struct {
					Key string `json:"key"`
				} `json:"buckets"`
			} `json:"by"`
		} `json:"aggregations"`
	}
	if err := json.Unmarshal(x.ask(t, "/"+r.Index[0]+"/_search", body), &res); err != nil {
		t.Fatal(err)
	}
	for _, b := range res.Aggregations.By.Buckets {
		out = append(out, b.Key)
	}
	return sorted(out)
}

// A monitor is what OpenSearch Alerting reads of a monitor to run it.
type monitor struct {
	Enabled bool `json:"enabled"`
	Inputs  []struct {
		Search struct {
			Indices []string `json:"indices"`
			Query   object   `json:"query"`
		} `json:"search"`
	} `json:"inputs"`
	Triggers []struct {
		Bucket struct {
			Condition struct {
				Parent  string `json:"parent_bucket_path"`
				Buckets object `json:"buckets_path"`
				Script  struct {
					Source string `json:"source"`
				} `json:"script"`
			} `json:"condition"`
		} `json:"bucket_level_trigger"`
	} `json:"triggers"`
}

// monitor runs the search of a monitor and returns the keys that raise an alert. It fills in the time
// and evaluates the condition of the trigger for each bucket, as Alerting does: the distributions of the
// tests have neither Alerting nor Painless.
func (x siem) monitor(t *testing.T, r *detect.Rule, body []byte) (out []string) {
	t.Helper()
	ticks := x.ticks()
	if r.Threshold != nil {
		ticks = ticks[len(ticks)-1:]
	}
	for _, at := range ticks {
		var m monitor
		if err := json.Unmarshal(bytes.ReplaceAll(body, []byte("{{period_end}}"), strconv.AppendInt(nil, at.UnixMilli(), 10)), &m); err != nil || m.Enabled {
			t.Fatalf("%s: enabled %t, %v", r.File, m.Enabled, err)
		}
		c, search := m.Triggers[0].Bucket.Condition, m.Inputs[0].Search
		var least int
		if _, err := fmt.Sscanf(c.Script.Source, "params._count >= %d", &least); err != nil || c.Buckets["_count"] != "_count" {
			t.Fatalf("%s: this test does not evaluate the condition %q over %v", r.File, c.Script.Source, c.Buckets)
		}
		var res struct {
			Aggregations map[string]struct {
				Buckets []struct {
					Key   map[string]string `json:"key"`
					Count int               `json:"doc_count"`
				} `json:"buckets"`
			} `json:"aggregations"`
		}
		if err := json.Unmarshal(x.ask(t, "/"+search.Indices[0]+"/_search", search.Query), &res); err != nil {
			t.Fatal(err)
		}
		for _, b := range res.Aggregations[c.Parent].Buckets {
			if b.Count >= least {
				out = append(out, slices.Collect(maps.Values(b.Key))...)
			}
		}
	}
	return sorted(out)
}

// pySigma parses all rules, and returns the query that its Lucene backend makes of each.
func pySigma(t *testing.T) (out map[string]string) {
	t.Helper()
	python(t, &out, []string{"pysigma==1.5.1", "pysigma-backend-elasticsearch==2.1.1"}, filepath.Join("testdata", "convert.py"), folder)
	return out
}

// fromPython runs a program and reads what it prints.
func python(t *testing.T, v any, packages []string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(foreign.Python(t, packages...), "python"), args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, complaint.Bytes())
	}
}

// TestTheTechniquesAreThoseOfATTACK compares the names and tactics in the rules with ATT&CK, in the
// last version of pySigma that contains it.
func TestTheTechniquesAreThoseOfATTACK(t *testing.T) {
	var attack map[string][2]any
	python(t, &attack, []string{"pysigma==0.11.23"}, filepath.Join("testdata", "attack.py"))
	rules, err := detect.Load(siemfiles.Detections())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	check := func(tactic string, n detect.Named) {
		seen[n.ID] = true
		want := attack[n.ID]
		if n.Name != want[0] || !strings.Contains(fmt.Sprint(want[1]), tactic) {
			t.Errorf("%s %s of tactic %s: ATT&CK has %v", n.ID, n.Name, tactic, want)
		}
	}
	for i := range rules {
		threats, err := rules[i].Threats()
		if err != nil {
			t.Fatal(err)
		}
		if len(threats) == 0 {
			t.Errorf("%s names no tactic", rules[i].File)
		}
		for _, threat := range threats {
			for _, technique := range threat.Technique {
				check(threat.Tactic.ID, technique.Named)
				for _, sub := range technique.Subtechnique {
					check(threat.Tactic.ID, sub)
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d techniques were compared", len(seen))
	}
}
