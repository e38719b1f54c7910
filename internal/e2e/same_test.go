//go:build servers

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/archive"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/stream"
)

// TestTheSameQueryFindsTheSameEverywhere asks the embedded index, OpenSearch and
// Elasticsearch the same over the same 10,000 records; and the two engines once
// more in their own reading of the text.
func TestTheSameQueryFindsTheSameEverywhere(t *testing.T) {
	x := demoIndex(t, 10_000)
	p := newPipeline(t, "same")
	var docs []sinks.Document
	n := 0
	put := func() {
		for name, engine := range p.engines {
			out, err := engine.Put(t.Context(), docs)
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range out {
				if o.Kind != sinks.Done {
					t.Fatalf("%s: %s: %v", name, docs[i].ID, o)
				}
			}
		}
		docs = docs[:0]
	}
	if err := x.Each(t.Context(), func(d sinks.Document) error {
		if !strings.HasPrefix(d.Index, "changetrail-record-") {
			return nil
		}
		d.Index = schemas.RecordIndex(p.namespace, time.Now())
		if docs = append(docs, d); len(docs) == 500 {
			n += len(docs)
			put()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	n += len(docs)
	put()
	t.Logf("%d records", n)
	for _, engine := range p.engines {
		engine.RecordIndex = schemas.RecordIndexes(p.namespace)
		post(t, strings.TrimSuffix("http://"+engines[engine.Name()].Address, "/")+"/"+engine.RecordIndex+"/_refresh", "")
	}

	saved, err := query.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, q := range saved {
		texts = append(texts, q.Query)
	}
	texts = append(texts, "CVE-2021-23337", "acme/payments", "lodash AND GHSA-35jh-r3h4-6jhm")
	texts = append(texts, generated(t, x, 150)...)
	sorts := []query.Sort{{}, {Field: x.Fields()["changetrail.change.merged_at"]}, {Field: x.Fields()["changetrail.validation.failed"], Ascending: true}}
	now := time.Now()
	found := 0
	for i, text := range texts {
		where, lucene, err := query.Read(text, x.Fields(), now)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		request := query.Request{Where: where, Size: 200, Sort: sorts[i%len(sorts)], Facets: []string{"changetrail.gaps", "service.name", "tags"}, Interval: 24 * time.Hour}
		if i < len(saved) {
			request.Size = 2_000 // nearly all of them; of the others the first, and how many there are
		}
		want, err := x.Search(t.Context(), request)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want.Total > 0 && want.Total < n {
			found++
		}
		for name, engine := range p.engines {
			got, err := engine.Search(t.Context(), request)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if a, b := ids(want), ids(got); want.Total != got.Total || !slices.Equal(a, b) {
				t.Errorf("%q: the embedded index finds %d, %s %d: %s", text, want.Total, name, got.Total, firstDifference(a, b))
			}
			if fmt.Sprint(want.Facets) != fmt.Sprint(got.Facets) {
				t.Errorf("%q: facets differ:\n embedded %v\n %s %v", text, want.Facets, name, got.Facets)
			}
			if fmt.Sprint(want.Histogram) != fmt.Sprint(got.Histogram) {
				t.Errorf("%q: histograms differ on %s", text, name)
			}
			if inList(x.Fields(), lucene) {
				continue // query_string does not look into lists of objects
			}
			if native := queryString(t, engine, lucene); native >= 0 && native != want.Total {
				t.Errorf("%q: the embedded index finds %d, query_string of %s %d", text, want.Total, name, native)
			}
		}
	}
	t.Logf("%d queries found some and not all, of %d", found, len(texts))
	if found < 100 {
		t.Errorf("only %d queries told anything apart", found)
	}
}

// inList reports whether a search names a field within a list of objects.
func inList(fields query.Fields, text string) bool {
	for name, f := range fields {
		if f.Nested != "" && strings.Contains(text, name) {
			return true
		}
	}
	return false
}

func ids(r *query.Result) []string {
	out := make([]string, len(r.Hits))
	for i, h := range r.Hits {
		out[i] = h.ID
	}
	return out
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("at %d: %s and %s", i, a[i], b[i])
		}
	}
	return "one is longer"
}

// queryString asks an engine to read the text itself, as Kibana does.
func queryString(t *testing.T, engine *bulk.Server, text string) int {
	t.Helper()
	if text == "" {
		text = "*"
	}
	body, _ := json.Marshal(map[string]any{"size": 0, "track_total_hits": true, "query": map[string]any{"query_string": map[string]any{"query": text, "fields": query.Defaults, "analyze_wildcard": true, "lenient": true}}})
	status, answer, err := engine.Request(t.Context(), http.MethodPost, "/"+engine.RecordIndex+"/_search", body)
	if err != nil || status != http.StatusOK {
		t.Errorf("%q: %s reads it not: %d %v %.300s", text, engine.Name(), status, err, answer)
		return -1
	}
	var res struct {
		Hits struct {
			Total struct {
				Value int `json:"value"`
			} `json:"total"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(answer, &res); err != nil {
		t.Fatal(err)
	}
	return res.Hits.Total.Value
}

var (
	demoEnd    = time.Now()
	demoTopics = stream.Topics{Prefix: "changetrail"}
	demoKey    = signing.Of([]byte("a stamp key of the tests"))
)

// embeddedDemo runs the embedded mode over a demo of n changes.
func embeddedDemo(t *testing.T, n int) *standalone.Instance {
	t.Helper()
	p, m, err := demo.Rules(demoEnd)
	if err != nil {
		t.Fatal(err)
	}
	i, err := standalone.Start(context.WithoutCancel(t.Context()), standalone.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Topics: demoTopics, Namespace: "default", Retention: 400 * 24 * time.Hour, Policy: p, Controls: m, Keys: demoKey,
		Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	g := demo.New(1, demoEnd)
	g.Changes = n
	publisher := newProducer(t, producer.Kafka(producer.KafkaConfig{Brokers: []string{i.Broker()}, Topic: demoTopics.Events()}))
	if err := g.Each(func(_ int, e []event.Event) error {
		for i := range e {
			gateway.Sign(&e[i], demoKey, demo.Sender(e[i]), demoEnd)
		}
		return publisher.Publish(t.Context(), e...)
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Minute, func() error {
		behind, err := i.Behind(t.Context(), demoTopics)
		if err == nil && behind > 0 {
			err = fmt.Errorf("%d messages behind", behind)
		}
		return err
	})
	return i
}

// demoIndex returns the index that the command makes of a demo of n changes.
func demoIndex(t *testing.T, n int) *local.Index {
	t.Helper()
	return demoUntil(t, n, func(*local.Index) bool { return true })
}

// demoWithHealth is demoIndex with a pipeline that is measured every second, until it is known that a source
// of the demo fell silent.
func demoWithHealth(t *testing.T, n int) *local.Index {
	t.Helper()
	t.Setenv("CHANGETRAIL_HEALTH_INTERVAL", "1s")
	return demoUntil(t, n, func(x *local.Index) (silent bool) {
		if err := x.Each(t.Context(), func(d sinks.Document) error {
			silent = silent || strings.HasPrefix(d.Index, schemas.HealthAlias) && bytes.Contains(d.Body, []byte(`"kind":"silence"`))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return silent
	})
}

// demoUntil returns the index that the command makes of a demo of n changes, once it is filled and done. It
// runs as a process: the race detector makes SQLite several times slower.
func demoUntil(t *testing.T, n int, done func(*local.Index) bool) *local.Index {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(build(t), "demo", "--changes", fmt.Sprint(n), "--data", dir, "--listen", "127.0.0.1:0", "--broker", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	filled := false
	for lines := bufio.NewScanner(out); !filled && lines.Scan(); {
		filled = strings.HasPrefix(lines.Text(), "Ctrl-C stops it")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if filled {
		looked, err := local.Open(t.Context(), dir, false)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); !done(looked) && time.Now().Before(end); {
			time.Sleep(200 * time.Millisecond)
		}
		_ = looked.Close()
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil || !filled {
		t.Fatalf("the demo ends with %v, filled: %t", err, filled)
	}
	x, err := local.Open(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

// TestMovingToKafkaMakesTheSameRecords exports from the embedded mode and imports
// into a real Kafka with real engines behind it.
func TestMovingToKafkaMakesTheSameRecords(t *testing.T) {
	const changes = 200
	i := embeddedDemo(t, changes)
	p := newPipeline(t, "moved")
	var file bytes.Buffer
	out, err := archive.Export(t.Context(), &file, archive.Source{Kafka: i.Kafka, Topic: demoTopics.Events(), Partitions: standalone.Partitions, Blobs: i.Blobs}, func(archive.Counts) {})
	if err != nil || out.Events < 5*changes || out.Blobs == 0 {
		t.Fatal(out, err)
	}
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	in, err := archive.Import(t.Context(), &file, archive.Target{Kafka: p.kafka, Topic: p.topics.Events(), Partitions: partitions, Blobs: store, Keys: demoKey}, func(archive.Counts) {})
	if err != nil || in != out {
		t.Fatal(in, out, err)
	}
	if p.policy, p.matrix, err = demo.Rules(demoEnd); err != nil {
		t.Fatal(err)
	}
	p.keys = demoKey
	p.run(t)
	want := digests(t, i.Index)
	for name, engine := range p.engines {
		engine.RecordIndex = schemas.RecordIndexes(p.namespace)
		eventually(t, 2*time.Minute, func() error {
			got := digests(t, engine)
			for id, digest := range want {
				if got[id] != digest {
					return fmt.Errorf("%s: %s has the digest %q, want %s; %d of %d records are there", name, id, got[id], digest, len(got), len(want))
				}
			}
			return nil
		})
	}
}

// digests returns the evidence digest of every record of an index.
func digests(t *testing.T, x interface {
	All(context.Context, query.Node, func(query.Hit) error) error
},
) map[string]string {
	t.Helper()
	out := make(map[string]string)
	if err := x.All(t.Context(), query.All{}, func(h query.Hit) error {
		d, err := query.ReadDoc(h.Doc)
		out[h.ID] = d.Text("changetrail.evidence_digest")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// generated makes queries of values that stand in the records.
func generated(t *testing.T, x *local.Index, n int) []string {
	t.Helper()
	res, err := x.Search(t.Context(), query.Request{Where: query.All{}, Size: 2000})
	if err != nil {
		t.Fatal(err)
	}
	var docs []query.Doc
	for _, h := range res.Hits {
		d, err := query.ReadDoc(h.Doc)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	r := rand.New(rand.NewPCG(5, 8))
	all := x.Fields()
	names := all.Names()
	escape := func(s string) string {
		var b strings.Builder
		for _, c := range s {
			if strings.ContainsRune(`+-=&|><!(){}[]^"~*?:\/ `, c) {
				b.WriteByte('\\')
			}
			b.WriteRune(c)
		}
		return b.String()
	}
	var clause func(depth int, sign string) string
	clause = func(depth int, sign string) string {
		if depth < 3 && r.IntN(5) < 2 {
			op := []string{" AND ", " OR ", " ", " AND NOT ", " OR NOT "}[r.IntN(5)]
			first := []string{"", "", "", "+", "-"}[r.IntN(5)]
			second := []string{"", "", "", "+", "-"}[r.IntN(5)]
			if strings.HasSuffix(op, "NOT ") {
				second = ""
			}
			return sign + "(" + clause(depth+1, first) + op + clause(depth+1, second) + ")"
		}
		f := all[names[r.IntN(len(names))]]
		values := docs[r.IntN(len(docs))].Values(f.Name)
		for len(values) == 0 || f.Kind == query.Text && len(query.Words(values[0])) == 0 || len(values[0]) < 2 && f.Kind == query.Keyword {
			f = all[names[r.IntN(len(names))]]
			values = docs[r.IntN(len(docs))].Values(f.Name)
		}
		v := values[r.IntN(len(values))]
		switch f.Kind {
		case query.Text:
			words := query.Words(v)
			i := r.IntN(len(words))
			switch r.IntN(3) {
			case 0:
				return sign + f.Name + ":" + query.Quote(strings.Join(words[i:min(len(words), i+1+r.IntN(3))], " "))
			case 1:
				return sign + f.Name + ":" + escape(words[i][:1]) + "*"
			}
			return sign + f.Name + ":" + escape(strings.ToUpper(words[i]))
		case query.Date:
			d := strings.SplitN(v, "T", 2)[0]
			return sign + f.Name + ":" + []string{d, "[" + d[:7] + " TO *]", "{* TO " + d + "}", "[now-30d/d TO now]", ">=" + d, `"` + v + `"`}[r.IntN(6)]
		case query.Number:
			return sign + f.Name + ":" + []string{escape(v), ">" + v, "<=" + v, "[1 TO " + v + "}", "[* TO 5]"}[r.IntN(5)]
		case query.Boolean:
			return sign + f.Name + ":" + v
		}
		switch r.IntN(7) {
		case 0:
			return sign + f.Name + ":*"
		case 1:
			return sign + "_exists_:" + f.Name
		case 2:
			return sign + f.Name + ":" + escape(v[:len(v)/2]) + "*"
		case 3:
			return sign + f.Name + ":*" + escape(v[len(v)/2:])
		case 4:
			return sign + f.Name + ":[" + query.Quote(v) + " TO *]"
		case 5:
			return sign + f.Name + ":(" + query.Quote(v) + " OR nothing)"
		}
		return sign + f.Name + ":" + escape(v)
	}
	out := []string{"", "lodash", `"Command Injection"`, "payments AND critical", "-changetrail.change.state:open"}
	for len(out) < n {
		out = append(out, clause(0, ""))
	}
	return out
}
