package parquet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/lake"
)

// rowsOf makes the rows of documents.
func rowsOf(t *testing.T, docs []sinks.Document) (rows []lake.Row) {
	t.Helper()
	for _, d := range docs {
		r, err := Format{}.Row(d)
		if err != nil {
			t.Fatalf("%s: %v", d.ID, err)
		}
		rows = append(rows, r)
	}
	return rows
}

func encode(t *testing.T, rows []lake.Row) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (Format{}).Encode(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestEveryAttributeHasAColumn: what package ocsf writes of generated changes and of odd events
// is in the columns. The columns are read back and compared with the JSON, attribute by
// attribute.
func TestEveryAttributeHasAColumn(t *testing.T) {
	docs := append(produced.Workload(t, 1, 40), produced.Odd(t, 2, 200)...)
	rows := rowsOf(t, docs)
	content := encode(t, rows)
	got, err := parquet.Read[row](bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(rows) {
		t.Fatalf("%d rows of %d are read back", len(got), len(rows))
	}
	for i := range rows {
		if got[i].RawData != string(rows[i].Body) {
			t.Fatalf("row %d has the event %s, want %s", i, got[i].RawData, rows[i].Body)
		}
		var want, have map[string]any
		if err := json.Unmarshal(rows[i].Body, &want); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(got[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &have); err != nil {
			t.Fatal(err)
		}
		inside(t, "", want, have)
		if t.Failed() {
			t.Fatalf("of the event %s", rows[i].Body)
		}
	}
	t.Logf("%d events in %d bytes; as JSON they are %d", len(rows), len(content), size(rows))
}

func size(rows []lake.Row) (n int) {
	for _, r := range rows {
		n += len(r.Body)
	}
	return n
}

// inside checks that have contains all of want.
func inside(t *testing.T, path string, want, have any) {
	t.Helper()
	if text, is := have.(string); is { // a column of JSON
		if _, both := want.(string); !both {
			have = nil
			if err := json.Unmarshal([]byte(text), &have); err != nil {
				t.Errorf("%s: %q is no JSON: %v", path, text, err)
			}
		}
	}
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			t.Errorf("%s: there is no object: %v", path, have)
			return
		}
		for k := range w {
			inside(t, path+"."+k, w[k], h[k])
		}
	case []any:
		h, _ := have.([]any)
		if len(h) != len(w) {
			t.Errorf("%s: %d elements of %d", path, len(h), len(w))
			return
		}
		for i := range w {
			inside(t, fmt.Sprintf("%s[%d]", path, i), w[i], h[i])
		}
	default:
		if text, is := have.(string); is && text != want { // a column of JSON
			var plain any
			if json.Unmarshal([]byte(text), &plain) == nil {
				have = plain
			}
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// TestADocumentThatIsNoneIsRefused before a file is written.
func TestADocumentThatIsNoneIsRefused(t *testing.T) {
	for _, body := range []string{``, `{`, `{"@timestamp":"2026-11-12T03:47:03Z"}`, `{"event":{"dataset":"changetrail.event"}}`} {
		if _, err := (Format{}).Row(sinks.Document{Body: []byte(body)}); err == nil {
			t.Errorf("%s has a row", body)
		}
	}
}
