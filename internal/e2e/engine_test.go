//go:build servers

package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/opensearch"
	"github.com/changetrail/changetrail/sinks/setup"
	"github.com/changetrail/changetrail/sinks/sinktest"
)

func TestEnginesKeepTheContract(t *testing.T) {
	p := newPipeline(t, "contract")
	for name, engine := range p.engines {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Subject{
				Engine: engine, Events: schemas.EventIndex(p.namespace), Record: schemas.RecordIndex(p.namespace, time.Now()),
				Get: func(t *testing.T, index, id string) (string, int64) { return get(t, name, index, id) },
				EventsOf: func(t *testing.T, q schemas.EventQuery) (out []jsontext.Value) {
					post(t, "http://"+engines[name].Address+"/"+schemas.EventIndex(p.namespace)+"/_refresh", "")
					err := engine.Events(t.Context(), q, func(_ string, doc jsontext.Value) error {
						out = append(out, doc)
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					return out
				},
			})
		})
	}
}

// get reads a document by its id, also from a data stream, which has no documents of its own.
func get(t *testing.T, engine, index, id string) (string, int64) {
	t.Helper()
	base := "http://" + engines[engine].Address + "/" + index
	post(t, base+"/_refresh", "")
	query, err := json.Marshal(map[string]any{"version": true, "query": map[string]any{"ids": map[string]any{"values": []string{id}}}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(base+"/_search", "application/json", strings.NewReader(string(query)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	var found struct {
		Hits struct {
			Hits []struct {
				Version int64 `json:"_version"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(body, &found); err != nil || len(found.Hits.Hits) == 0 {
		return "", 0
	}
	return string(body), found.Hits.Hits[0].Version
}

func TestSetupRunTwiceChangesNothing(t *testing.T) {
	p := newPipeline(t, "twice")
	options := setup.Options{Namespace: p.namespace, Retention: 400 * 24 * time.Hour, Now: time.Now()}
	for name, engine := range p.engines {
		again, err := setup.Index(t.Context(), engine, options)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range again {
			if s.Change != "" {
				t.Errorf("%s: the second run changed %s: %s", name, s.What, s.Change)
			}
		}
		said := fmt.Sprint(again)
		if !strings.Contains(said, "no lifecycle management") {
			t.Errorf("%s has neither ILM nor ISM here, and setup does not say so:\n%s", name, said)
		}
		other := options
		other.Namespace, other.DryRun = "dry", true
		if _, err := setup.Index(t.Context(), engine, other); err != nil {
			t.Fatal(err)
		}
		status, _, err := engine.Request(t.Context(), http.MethodHead, "/"+schemas.RecordIndex("dry", time.Now()), nil)
		if err != nil || status != http.StatusNotFound {
			t.Errorf("%s: a dry run made an index: HTTP %d %v", name, status, err)
		}
	}
}

func TestWrongEngineIsNamedBeforeAnythingIsWritten(t *testing.T) {
	for _, c := range []struct{ client, server, want string }{
		{schemas.Elasticsearch, schemas.OpenSearch, "not Elasticsearch"},
		{schemas.OpenSearch, schemas.Elasticsearch, "the server is Elasticsearch"},
	} {
		s := connect(t, c.client, engines[c.server])
		err := s.Ready(t.Context(), "default")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s client at %s: %v", c.client, c.server, err)
		}
	}
}

// TestBusyEngineLosesNothing floods an OpenSearch whose write queue holds one
// request, so that it answers 429, and whose requests may not be large, so
// that it answers 413.
func TestBusyEngineLosesNothing(t *testing.T) {
	server, err := servers.OpenSearch(filepath.Join(t.TempDir(), "busy"), "thread_pool.write.queue_size: 1", "thread_pool.write.size: 1", "http.max_content_length: 100kb")
	if err != nil {
		t.Fatal(err)
	}
	restart(t, server.Start)
	defer server.Kill()
	p := newPipeline(t, "busy")
	engine, err := opensearch.New(bulk.Connection{Addresses: []string{"http://" + server.Address}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setup.Index(t.Context(), engine, setup.Options{Namespace: p.namespace, Retention: 24 * time.Hour, Now: time.Now(), Shards: 4}); err != nil {
		t.Fatal(err)
	}
	const total = 5000
	produceDocuments(t, p, total)
	counted := &countingEngine{Engine: engine}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- sinks.Run(ctx, sinks.Config{Kafka: p.kafka, Topics: p.topics, Namespace: p.namespace, Engine: counted, InFlight: 16, MaxDocs: 250, Log: slog.New(slog.DiscardHandler)})
	}()
	index := "http://" + server.Address + "/" + schemas.EventIndex(p.namespace)
	eventually(t, 3*time.Minute, func() error {
		post(t, index+"/_refresh", "")
		var c struct {
			Count int `json:"count"`
		}
		if err := json.Unmarshal(post(t, index+"/_count", ""), &c); err != nil {
			return err
		}
		if c.Count != total {
			return fmt.Errorf("%d of %d", c.Count, total)
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("%d documents stored; %d were told to come again, %d requests were too large", total, counted.again.Load(), counted.large.Load())
	if counted.again.Load() == 0 || counted.large.Load() == 0 {
		t.Error("the engine was never busy, or never found a request too large: this test showed nothing")
	}
}
