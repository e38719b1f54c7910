//go:build servers

package setup_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
	"github.com/changetrail/changetrail/sinks/setup"
	"github.com/changetrail/changetrail/sinks/sinktest"
)

// A guarded is an engine that requires TLS and a login.
type guarded struct {
	name   string
	server *servers.Server
	admin  *bulk.Server
}

func guard(t *testing.T, name string) *guarded {
	t.Helper()
	start := map[string]func(string) (*servers.Server, error){schemas.Elasticsearch: servers.SecureElasticsearch, schemas.OpenSearch: servers.SecureOpenSearch}[name]
	server, err := start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &guarded{name: name, server: server}
	g.admin = g.connect(t, bulk.Connection{Username: servers.AdminUser, Password: servers.AdminPassword})
	return g
}

func (g *guarded) connect(t *testing.T, c bulk.Connection) *bulk.Server {
	t.Helper()
	c.Addresses, c.CAFile = []string{"https://" + g.server.Secure}, g.server.CAFile
	connect := elasticsearch.New
	if g.name == schemas.OpenSearch {
		connect = opensearch.New
	}
	s, err := connect(c)
	if err != nil {
		t.Fatal(err)
	}
	s.EventIndex, s.RecordIndex = schemas.EventIndex("test"), schemas.RecordIndexes("test")
	return s
}

// ask sends a request and returns the status and the answer.
func ask(t *testing.T, s *bulk.Server, method, path, body string) (int, string) {
	t.Helper()
	var text []byte
	if body != "" {
		text = []byte(body)
	}
	status, answer, err := s.Request(t.Context(), method, path, text)
	if err != nil {
		t.Fatal(err)
	}
	return status, string(answer)
}

// must sends a request that succeeds.
func must(t *testing.T, s *bulk.Server, method, path, body string) string {
	t.Helper()
	status, answer := ask(t, s, method, path, body)
	if status >= 300 {
		t.Fatalf("%s %s: HTTP %d: %s", method, path, status, answer)
	}
	return answer
}

// credentials returns what somebody with a role logs in with: an API key that has that role alone,
// in OpenSearch a user whom a backend role gives it.
func (g *guarded) credentials(t *testing.T, role string) bulk.Connection {
	t.Helper()
	if g.name == schemas.OpenSearch {
		const password = "Reads-0nly-what-it-may!" //nolint:gosec // of a server of this test
		must(t, g.admin, http.MethodPut, "/_plugins/_security/api/internalusers/user-of-"+role, fmt.Sprintf(`{"password":%q,"backend_roles":[%q]}`, password, role))
		return bulk.Connection{Username: "user-of-" + role, Password: password}
	}
	text, err := fs.ReadFile(siem.Roles(), "elasticsearch.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	var key struct{ Encoded string }
	answer := must(t, g.admin, http.MethodPost, "/_security/api_key", fmt.Sprintf(`{"name":%q,"role_descriptors":{%q:%s}}`, role, role, all[role]))
	if err := json.Unmarshal([]byte(answer), &key); err != nil || key.Encoded == "" {
		t.Fatalf("%v: %s", err, answer)
	}
	return bulk.Connection{APIKey: key.Encoded}
}

// TestRoles creates the roles in real engines with their security, and checks what each may do and
// what it may not.
func TestRoles(t *testing.T) {
	for _, name := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
		t.Run(name, func(t *testing.T) {
			g := guard(t, name)
			g.makesRoles(t)
			g.makeIndexes(t)
			auditor := g.credentials(t, "changetrail-auditor")
			writer := g.connect(t, g.credentials(t, "changetrail-writer"))
			g.writes(t, writer, g.connect(t, auditor))
			g.readsOneMoment(t, writer, g.connect(t, auditor))
			g.watches(t, g.connect(t, g.credentials(t, "changetrail-health")))
			for _, role := range []bulk.Connection{auditor, g.credentials(t, "changetrail-analyst")} {
				g.readsOnly(t, g.connect(t, role))
			}
			g.commands(t, auditor)
		})
	}
}

func (g *guarded) makesRoles(t *testing.T) {
	t.Helper()
	changes := func(dryRun bool) (n int) {
		steps, err := setup.Roles(t.Context(), g.admin, dryRun)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if s.Change != "" {
				n++
			}
		}
		return n
	}
	want := map[string]int{schemas.Elasticsearch: 4, schemas.OpenSearch: 8}[g.name]
	if first, second, third := changes(true), changes(false), changes(false); first != want || second != want || third != 0 {
		t.Errorf("changes: %d in a dry run, %d in the first run, %d in the second", first, second, third)
	}
}

// makeIndexes sets OpenSearch up as its users do. In Elasticsearch it makes plain indexes: this one
// has no data streams.
func (g *guarded) makeIndexes(t *testing.T) {
	t.Helper()
	must(t, g.admin, http.MethodPut, "/somebody-elses", "")
	if g.name == schemas.OpenSearch {
		if _, err := setup.Index(t.Context(), g.admin, setup.Options{Namespace: "test", Retention: 400 * 24 * time.Hour, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		return
	}
	for kind, index := range map[string]string{"event": schemas.EventIndex("test"), "record": schemas.RecordIndexes("test"), "finding": schemas.FindingIndex("test"), "health": schemas.HealthIndexes("test")} {
		mapping, err := schemas.Mapping(g.name, kind)
		if err != nil {
			t.Fatal(err)
		}
		must(t, g.admin, http.MethodPut, "/_index_template/changetrail-"+kind, fmt.Sprintf(`{"index_patterns":[%q],"priority":1000,"template":{"settings":{"number_of_replicas":0},"mappings":%s}}`, index, mapping))
	}
	for _, index := range []string{schemas.EventIndex("test"), schemas.RecordIndex("test", time.Now()), schemas.FindingIndex("test")} {
		must(t, g.admin, http.MethodPut, "/"+index, "")
	}
}

// writes checks the writer: it passes the contract of engines, stores real documents, and may do
// nothing else.
func (g *guarded) writes(t *testing.T, writer, auditor *bulk.Server) {
	t.Helper()
	events, records := schemas.EventIndex("test"), schemas.RecordIndex("test", time.Now())
	sinktest.Run(t, sinktest.Subject{
		Engine: writer, Events: events, Record: records,
		Get: func(t *testing.T, index, id string) (string, int64) {
			return g.get(t, auditor, index, id)
		},
		EventsOf: func(t *testing.T, q schemas.EventQuery) (out []jsontext.Value) {
			must(t, g.admin, http.MethodPost, "/"+events+"/_refresh", "")
			if err := auditor.Events(t.Context(), q, func(_ string, doc jsontext.Value) error {
				out = append(out, doc)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return out
		},
	})
	if err := writer.Ready(t.Context(), "test"); err != nil {
		t.Errorf("a sink does not start with the role of the writer: %v", err)
	}
	g.stores(t, writer)
	must(t, g.admin, http.MethodPost, "/_refresh", "")
	for _, try := range [][3]string{
		{http.MethodGet, "/" + events + "/_search", ""},
		{http.MethodGet, "/" + records + "/_count", ""},
		{http.MethodGet, "/" + records + "/_doc/r", ""},
		{http.MethodGet, "/_search", ""},
		{http.MethodDelete, "/" + records + "/_doc/r", ""},
		{http.MethodPost, "/" + records + "/_delete_by_query", `{"query":{"match_all":{}}}`},
		{http.MethodDelete, "/" + events, ""},
		{http.MethodPut, "/" + records + "/_settings", `{"index":{"number_of_replicas":1}}`},
		{http.MethodPut, "/somebody-elses/_doc/1", `{}`},
	} {
		denied(t, writer, "the writer", try)
	}
	out, err := writer.Put(t.Context(), []sinks.Document{{Index: "somebody-elses", ID: "1", Body: []byte("{}")}})
	if err == nil && out[0].Kind != sinks.Blocked {
		t.Errorf("a document for another index: %v", out)
	}
	status, answer := ask(t, writer, http.MethodPost, "/_bulk", `{"delete":{"_index":"`+records+`","_id":"r"}}`+"\n")
	if status < 300 && !strings.Contains(answer, `"status":403`) {
		t.Errorf("the writer deletes in bulk: HTTP %d: %s", status, answer)
	}
}

// readsOneMoment checks that a reader gets each of many records once although all of them are written
// again meanwhile, and that it leaves no point in time open.
func (g *guarded) readsOneMoment(t *testing.T, writer, reader *bulk.Server) {
	t.Helper()
	const n, month = 2500, "changetrail-record-test-2020.01"
	version := int64(0)
	put := func() {
		version++
		var docs []sinks.Document
		for i := range n {
			id := fmt.Sprintf("moment-%d", i)
			at := time.Date(2020, 1, 1, 0, 0, i, 0, time.UTC)
			if version > 1 { // all others move
				at = at.AddDate(0, 0, (i*7919)%n)
			}
			docs = append(docs, sinks.Document{Index: month, ID: id, Version: version, Body: fmt.Appendf(nil, `{"@timestamp":%q,"message":"x","changetrail":{"change":{"id":%q}}}`, at.Format(time.RFC3339), id)})
		}
		if _, err := writer.Put(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		must(t, g.admin, http.MethodPost, "/"+month+"/_refresh", "")
	}
	put()
	reader.RecordIndex = month
	seen := make(map[string]int)
	if err := reader.All(t.Context(), query.All{}, func(h query.Hit) error {
		if seen[h.ID]++; len(seen) == 100 || len(seen) == 1100 {
			put()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s is passed %d times", id, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d records are passed", len(seen), n)
	}
	if answer := must(t, g.admin, http.MethodGet, "/_nodes/stats/indices/search?filter_path=nodes.*.indices.search.open_contexts,nodes.*.indices.search.point_in_time_current", ""); strings.Contains(answer, `:1`) {
		t.Errorf("a point in time is left open: %s", answer)
	}
	must(t, g.admin, http.MethodDelete, "/"+month, "")
}

// stores puts documents of every kind, and one into an index of a month that does not exist yet.
func (g *guarded) stores(t *testing.T, writer *bulk.Server) {
	t.Helper()
	docs := produced.Workload(t, 3, 5)
	for i, d := range docs {
		if d.Version > 0 && strings.HasPrefix(d.Index, "changetrail-record") {
			docs[i].Index = schemas.RecordIndex("test", time.Now())
		}
	}
	later := schemas.RecordIndex("test", time.Now().AddDate(1, 0, 0))
	docs = append(docs, sinks.Document{Index: later, ID: "later", Version: 1, Body: []byte(`{"@timestamp":"2026-11-12T03:47:03Z","message":"x"}`)})
	out, err := writer.Put(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Kind != sinks.Done && o.Kind != sinks.Stale {
			t.Errorf("%s in %s: %v", docs[i].ID, docs[i].Index, o)
		}
	}
}

// watches checks the role of changetrail health: it sees when sources were heard, adds documents about the
// pipeline, each once, and may do nothing else.
func (g *guarded) watches(t *testing.T, health *bulk.Server) {
	t.Helper()
	if heard, err := health.Heard(t.Context(), "test", time.Time{}); err != nil || len(heard) == 0 {
		t.Errorf("it hears %v, %v", heard, err)
	}
	index := schemas.HealthIndex("test", time.Now())
	h := schemas.Health{Timestamp: time.Now(), Trail: schemas.HealthTrail{Health: schemas.HealthFacts{Kind: schemas.HealthLag, Status: schemas.HealthOK}}}
	h.Describe(time.Now())
	for _, want := range []sinks.Kind{sinks.Done, sinks.Stale} {
		out, err := health.Put(t.Context(), []sinks.Document{{Index: index, ID: "h", Body: h.Append(nil)}})
		if err != nil || out[0].Kind != want {
			t.Errorf("%v, %v, want %s", out, err, want)
		}
	}
	must(t, g.admin, http.MethodPost, "/"+index+"/_refresh", "")
	for _, try := range [][3]string{
		{http.MethodGet, "/" + schemas.RecordIndex("test", time.Now()) + "/_search", ""},
		{http.MethodGet, "/" + index + "/_search", ""},
		{http.MethodDelete, "/" + index + "/_doc/h", ""},
		{http.MethodDelete, "/" + index, ""},
		{http.MethodPost, "/" + schemas.EventIndex("test") + "/_doc", `{"@timestamp":"2026-01-01T00:00:00Z"}`},
	} {
		denied(t, health, "health", try)
	}
}

// get returns a document and its version, as a reader finds it, also in a data stream.
func (g *guarded) get(t *testing.T, reader *bulk.Server, index, id string) (string, int64) {
	t.Helper()
	must(t, g.admin, http.MethodPost, "/"+index+"/_refresh", "")
	answer := must(t, reader, http.MethodPost, "/"+index+"/_search", fmt.Sprintf(`{"version":true,"query":{"ids":{"values":[%q]}}}`, id))
	var found struct {
		Hits struct {
			Hits []struct {
				Version int64 `json:"_version"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal([]byte(answer), &found); err != nil || len(found.Hits.Hits) == 0 {
		return "", 0
	}
	return answer, found.Hits.Hits[0].Version
}

// readsOnly checks a reader: it finds the documents, and may change nothing.
func (g *guarded) readsOnly(t *testing.T, reader *bulk.Server) {
	t.Helper()
	events, records, findings := schemas.EventIndex("test"), schemas.RecordIndex("test", time.Now()), schemas.FindingIndex("test")
	for _, index := range []string{events, records, findings, schemas.HealthIndexes("test")} {
		if answer := must(t, reader, http.MethodGet, "/"+index+"/_search", ""); !strings.Contains(answer, `"_source"`) {
			t.Errorf("nothing is found in %s: %s", index, answer)
		}
		must(t, reader, http.MethodGet, "/"+index+"/_mapping", "")
		must(t, reader, http.MethodGet, "/"+index+"/_field_caps?fields=*", "")
	}
	for _, try := range [][3]string{
		{http.MethodPut, "/" + records + "/_doc/forged", `{"@timestamp":"2026-01-01T00:00:00Z"}`},
		{http.MethodPost, "/" + events + "/_doc", `{"@timestamp":"2026-01-01T00:00:00Z"}`},
		{http.MethodPost, "/" + records + "/_update/r", `{"doc":{"message":"x"}}`},
		{http.MethodPost, "/" + records + "/_update_by_query", ""},
		{http.MethodPost, "/" + findings + "/_delete_by_query", `{"query":{"match_all":{}}}`},
		{http.MethodDelete, "/" + records + "/_doc/r", ""},
		{http.MethodDelete, "/" + findings, ""},
		{http.MethodPut, "/changetrail-record-forged-2026.01", ""},
		{http.MethodPut, "/" + records + "/_mapping", `{"properties":{"x":{"type":"keyword"}}}`},
		{http.MethodPost, "/_reindex", `{"source":{"index":"` + records + `"},"dest":{"index":"` + findings + `"}}`},
		{http.MethodGet, "/somebody-elses/_search", ""},
	} {
		denied(t, reader, "a reader", try)
	}
	out, err := reader.Put(t.Context(), []sinks.Document{{Index: events, ID: "forged", Body: []byte("{}")}})
	if err == nil && out[0].Kind != sinks.Blocked {
		t.Errorf("a reader writes: %v", out)
	}
}

func denied(t *testing.T, s *bulk.Server, who string, try [3]string) {
	t.Helper()
	status, answer := ask(t, s, try[0], try[1], try[2])
	if status != http.StatusForbidden && !strings.Contains(answer, `"status":403`) {
		t.Errorf("%s may %s %s: HTTP %d: %.300s", who, try[0], try[1], status, answer)
	}
}

// commands runs the commands that an auditor uses, with the auditor's credentials.
func (g *guarded) commands(t *testing.T, c bulk.Connection) {
	t.Helper()
	program := t.TempDir() + "/changetrail"
	if out, err := exec.Command("go", "build", "-o", program, "github.com/changetrail/changetrail/cmd/changetrail").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{
		{"query", "*"},
		{"show", "github.com/acme/service-001/pull/1"},
		{"replay", "github.com/acme/service-001/pull/1"},
	} {
		cmd := exec.Command(program, args...) //nolint:gosec // built above
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "CHANGETRAIL_SINK_ENGINE="+g.name, "CHANGETRAIL_SINK_ADDRESSES=https://"+g.server.Secure, "CHANGETRAIL_SINK_CA_FILE="+g.server.CAFile,
			"CHANGETRAIL_SINK_API_KEY="+c.APIKey, "CHANGETRAIL_SINK_USERNAME="+c.Username, "CHANGETRAIL_SINK_PASSWORD="+c.Password, "CHANGETRAIL_NAMESPACE=test", "CHANGETRAIL_STORE="+g.name)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "service-001") {
			t.Errorf("changetrail %v: %v: %s", args, err, out)
		}
	}
}
