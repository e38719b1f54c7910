//go:build servers

package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
)

// TestNoDocumentAddsAField puts the documents of generated changes, and of events with mistakes and
// odd content, into both engines as setup leaves them. The engines store each document, and have the
// same mappings as before: a document neither adds a field nor is refused for one.
func TestNoDocumentAddsAField(t *testing.T) {
	p := newPipeline(t, "test") // the namespace of the documents
	docs := slices.Concat(produced.Workload(t, 11, 40), produced.Odd(t, 13, 4000))
	for name, engine := range p.engines {
		// The first event makes the data stream, if setup could not.
		first := sinks.Document{Index: schemas.EventIndex(p.namespace), ID: "first", Body: []byte(`{"@timestamp":"2026-11-12T03:47:03Z"}`)}
		if out, err := engine.Put(t.Context(), []sinks.Document{first}); err != nil || out[0].Kind != sinks.Done {
			t.Fatal(out, err)
		}
		before := mappings(t, engine)
		for chunk := range slices.Chunk(docs, 500) {
			out, err := engine.Put(t.Context(), chunk)
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range out {
				if o.Kind != sinks.Done && o.Kind != sinks.Stale {
					t.Errorf("%s: %s in %s: %+v\n%.3000s", name, chunk[i].ID, chunk[i].Index, o, chunk[i].Body)
				}
			}
		}
		if diff := cmp.Diff(before, mappings(t, engine)); diff != "" {
			t.Errorf("%s: documents changed the mappings, -before +after:\n%s", name, diff)
		}
		t.Logf("%s stored %d documents", name, len(docs))
	}
}

// mappings returns the different mappings of the indexes of each kind.
func mappings(t *testing.T, engine *bulk.Server) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for kind, index := range map[string]string{"event": schemas.EventIndex("test"), "record": schemas.RecordIndexes("test"), "finding": schemas.FindingIndex("test")} {
		status, answer, err := engine.Request(t.Context(), http.MethodGet, "/"+index+"/_mapping", nil)
		if err != nil || status != http.StatusOK {
			t.Fatalf("HTTP %d %v: %s", status, err, answer)
		}
		var indexes map[string]jsontext.Value
		if err := json.Unmarshal(answer, &indexes); err != nil {
			t.Fatal(err)
		}
		for _, m := range indexes {
			if err := m.Canonicalize(); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(out[kind], string(m)) {
				out[kind] = append(out[kind], string(m))
			}
		}
		if len(out[kind]) != 1 {
			t.Errorf("%s has %d different mappings of a %s, want 1", engine.Name(), len(out[kind]), kind)
		}
	}
	return out
}
