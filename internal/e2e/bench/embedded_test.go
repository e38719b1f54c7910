//go:build bench

package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/stream"
)

// TestEmbeddedIndex measures searches with facets as the page makes them, over
// 200,000 records: those of a demo of 2,000 changes, a hundred times, each time
// under other numbers and some minutes apart.
func TestEmbeddedIndex(t *testing.T) {
	const copies = 100
	docs := demoRecords(t)
	dir := t.TempDir()
	x, err := local.Open(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	began := time.Now()
	total := 0
	for c := range copies {
		for batch := range slices.Chunk(docs, 500) {
			out := make([]sinks.Document, len(batch))
			for i, d := range batch {
				number := fmt.Appendf(nil, "/pull/%d", c+1)
				d.Body = bytes.ReplaceAll(d.Body, []byte("/pull/"), number) // each copy has ids, commits and digests of its own
				d.Body = bytes.Replace(d.Body, []byte(`"evidence_digest":"sha256:`), fmt.Appendf(nil, `"evidence_digest":"sha256:%03d`, c), 1)
				d.Body = bytes.Replace(d.Body, []byte(`"head_sha":"`), fmt.Appendf(nil, `"head_sha":"%04x`, r.IntN(1<<16)), 1)
				d.ID = fmt.Sprintf("%s%d", d.ID, c+1)
				out[i] = d
			}
			if _, err := x.Put(t.Context(), out); err != nil {
				t.Fatal(err)
			}
			total += len(out)
		}
	}
	indexed := time.Since(began)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if x, err = local.Open(t.Context(), dir, false); err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	opened := time.Since(began)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	size := int64(0)
	if info, err := os.Stat(filepath.Join(dir, local.FileName)); err == nil {
		size = info.Size()
	}
	saved, err := query.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	facets := []string{"changetrail.change.initiated_by", "gen_ai.agent.id", "service.name", "changetrail.service.classification", "tags", "changetrail.answers.trigger", "changetrail.answers.alternatives", "changetrail.answers.authorized", "changetrail.answers.reviewed", "changetrail.gaps", "changetrail.authorization.verdict", "changetrail.change.state"}
	texts := []string{"", "lodash", "payments AND critical", `changetrail.change.title:"Command Injection"`, "changetrail.change.title:upd*", "changetrail.change.id:*payments*", "@timestamp:[now-30d TO now]"}
	for _, q := range saved {
		texts = append(texts, q.Query, "("+q.Query+") AND @timestamp:[now-30d TO now]")
	}
	var times []time.Duration
	worst := make(map[string]time.Duration)
	for range 5 {
		for _, text := range texts {
			n, err := query.Parse(text, x.Fields(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := x.Search(t.Context(), query.Request{Where: n, Size: 50, Facets: facets, FacetSize: 12, Interval: 24 * time.Hour}); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			times = append(times, took)
			worst[text] = max(worst[text], took)
		}
	}
	slices.Sort(times)
	slices.SortFunc(texts, func(a, b string) int { return int(worst[b] - worst[a]) })
	for _, text := range texts[:5] {
		t.Logf("slow: %s %q", worst[text].Round(time.Millisecond), text)
	}
	p95 := times[len(times)*95/100]
	t.Logf("embedded index: %d records indexed at %.0f/s, %.1f KB each on disk, opened in %s, %d MB of memory; %d searches with %d facets: median %s, p95 %s, most %s (goal: p95 under 300 ms)",
		total, float64(total)/indexed.Seconds(), float64(size)/float64(total)/1024, opened.Round(10*time.Millisecond), m.HeapAlloc>>20, len(times), len(facets), times[len(times)/2].Round(time.Millisecond), p95.Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
}

// demoRecords returns the records of the demo, as the sink puts them.
func demoRecords(t *testing.T) (docs []sinks.Document) {
	t.Helper()
	now := time.Now()
	p, m, err := demo.Rules(now)
	if err != nil {
		t.Fatal(err)
	}
	topics := stream.Topics{Prefix: "changetrail"}
	i, err := standalone.Start(context.WithoutCancel(t.Context()), standalone.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Topics: topics, Namespace: "default", Retention: 400 * 24 * time.Hour, Policy: p, Controls: m,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	publisher, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: []string{i.Broker()}}), producer.Options{SendTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.New(4829, now).Each(func(_ int, e []event.Event) error { return publisher.Publish(t.Context(), e...) }); err != nil {
		t.Fatal(err)
	}
	for behind := int64(1); behind > 0; time.Sleep(200 * time.Millisecond) {
		if behind, err = i.Behind(t.Context(), topics); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Index.Each(t.Context(), func(d sinks.Document) error {
		if d.Version > 0 && bytes.Contains(d.Body, []byte(`"answers"`)) {
			docs = append(docs, d)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return docs
}
