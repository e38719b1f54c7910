package local_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/sinks/sinktest"
)

func open(t *testing.T, dir string) *local.Index {
	t.Helper()
	x, err := local.Open(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func TestTheIndexKeepsTheContractOfSinks(t *testing.T) {
	x := open(t, t.TempDir())
	sinktest.Run(t, sinktest.Subject{
		Engine: x, Events: schemas.EventIndex("default"), Record: schemas.RecordIndex("default", time.Now()),
		Get: func(t *testing.T, index, id string) (string, int64) {
			doc, version, err := x.Get(t.Context(), index, id)
			if err != nil {
				t.Fatal(err)
			}
			return string(doc), version
		},
		EventsOf: func(t *testing.T, q schemas.EventQuery) []jsontext.Value { return eventsOf(t, x, q) },
	})
}

func eventsOf(t *testing.T, x *local.Index, q schemas.EventQuery) (out []jsontext.Value) {
	t.Helper()
	err := x.Events(t.Context(), q, func(_ string, doc jsontext.Value) error {
		out = append(out, doc)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func doc(id string, version int64, body string) sinks.Document {
	return sinks.Document{Index: "changetrail-record-default-2026.11", ID: id, Version: version, Body: []byte(body)}
}

func find(t *testing.T, x *local.Index, text string) []string {
	t.Helper()
	n, err := query.Parse(text, x.Fields(), time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	res, err := x.Search(t.Context(), query.Request{Where: n, Size: 100})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, h := range res.Hits {
		ids = append(ids, h.ID)
	}
	return ids
}

func TestAnotherProcessSeesWhatTheWriterWrote(t *testing.T) {
	dir := t.TempDir()
	writer := open(t, dir)
	reader, err := local.Open(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	put := func(d ...sinks.Document) {
		t.Helper()
		if _, err := writer.Put(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	put(doc("a", 1, `{"@timestamp":"2026-11-12T03:47:03Z","tags":["pci-dss-6.3.2"],"message":"one two"}`), doc("b", 1, `{"@timestamp":"2026-11-13T03:47:03Z","tags":["soc2-cc8.1"]}`))
	if got := fmt.Sprint(find(t, reader, "")); got != "[b a]" {
		t.Errorf("all, newest first, are %s", got)
	}
	put(doc("a", 2, `{"@timestamp":"2026-11-14T03:47:03Z","tags":["soc2-cc8.1"],"message":"one three two"}`))
	for text, want := range map[string]string{"": "[a b]", "tags:pci*": "[]", "tags:soc2-cc8.1": "[a b]", `message:"one two"`: "[]", `message:"three two"`: "[a]", "_exists_:message": "[a]", "@timestamp:[2026-11-14 TO *]": "[a]", "-message:one": "[b]"} {
		for name, x := range map[string]*local.Index{"writer": writer, "reader": reader, "reopened": open(t, dir)} {
			if got := fmt.Sprint(find(t, x, text)); got != want {
				t.Errorf("%s finds %s for %q, want %s", name, got, text, want)
			}
		}
	}
}

func TestAFolderWithoutAnIndexIsRefusedWithWhatToDo(t *testing.T) {
	if _, err := local.Open(t.Context(), t.TempDir(), false); err == nil {
		t.Error("an empty folder was opened")
	} else {
		t.Log(err)
	}
}

func TestAnIndexOfAFormerVersionIsBroughtUpToDate(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	run := sinks.Document{Index: schemas.EventIndex("default"), ID: "of a run", Body: []byte(`{"@timestamp":"2026-11-12T03:47:03Z","changetrail":{"repository":"github.com/a/b","run":["r"]}}`)}
	if _, err := x.Put(t.Context(), []sinks.Document{doc("a", 1, `{"@timestamp":"2026-11-12T03:47:03Z"}`), run}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	former(t, filepath.Join(dir, local.FileName))
	if _, err := local.Open(t.Context(), dir, false); err == nil || !strings.Contains(err.Error(), "brings it up to date") {
		t.Errorf("a reader: %v", err)
	}
	x = open(t, dir)
	if diff := cmp.Diff([]string{"a"}, find(t, x, "")); diff != "" {
		t.Error(diff)
	}
	event := sinks.Document{Index: schemas.EventIndex("default"), ID: "e", Body: []byte(`{"@timestamp":"2026-11-12T03:47:03Z","changetrail":{"repository":"github.com/a/b","refs":["run:r"]}}`)}
	if out, err := x.Put(t.Context(), []sinks.Document{event, run}); err != nil || out[1].Kind != sinks.Stale {
		t.Fatal(out, err)
	}
	if events := eventsOf(t, x, schemas.EventQuery{Repository: "github.com/a/b", Refs: []record.Ref{record.RunRef("r")}}); len(events) != 2 {
		t.Errorf("%d events of the run", len(events))
	}
}

// former makes a file with layout 2: documents without numbers, and a table of runs.
func former(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `
		CREATE TABLE others (name TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, change TEXT, at INTEGER NOT NULL, doc BLOB NOT NULL, UNIQUE (name, id));
		INSERT INTO others SELECT name, id, version, change, at, doc FROM documents;
		DROP TABLE documents; DROP TABLE refs;
		ALTER TABLE others RENAME TO documents;
		CREATE INDEX documents_of_change ON documents (change, at);
		CREATE TABLE runs (run TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (run, name, id)) WITHOUT ROWID;
		INSERT INTO runs SELECT 'github.com/a/b' || char(10) || 'r', name, id FROM documents WHERE id = 'of a run';
		PRAGMA user_version=2`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameRevisionWithOtherContentReplaces(t *testing.T) {
	x := open(t, t.TempDir())
	var got []string
	for _, message := range []string{"one", "one", "two"} {
		out, err := x.Put(t.Context(), []sinks.Document{doc("r", 1, fmt.Sprintf(`{"@timestamp":"2026-11-12T03:47:03Z","message":%q}`, message))})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, out[0].Kind.String())
	}
	if diff := cmp.Diff([]string{"stored", "stale", "stored"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"r"}, find(t, x, "message:two")); diff != "" {
		t.Error(diff)
	}
}

// TestEveryGapIsFoundByASavedQuery: whoever runs all saved queries misses no gap.
func TestEveryGapIsFoundByASavedQuery(t *testing.T) {
	x := open(t, t.TempDir())
	var docs []sinks.Document
	for _, gap := range record.Gaps() {
		docs = append(docs, doc(gap, 1, fmt.Sprintf(`{"@timestamp":"2026-11-12T03:47:03Z","changetrail":{"gaps":[%q]}}`, gap)))
	}
	if _, err := x.Put(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	saved, err := query.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	by := make(map[string]string)
	for _, q := range saved {
		if strings.Contains(q.Query, "changetrail.gaps:") {
			for _, gap := range find(t, x, q.Query) {
				by[gap] = q.Name
			}
		}
	}
	for _, gap := range record.Gaps() {
		if by[gap] == "" {
			t.Errorf("no saved query finds %s", gap)
		}
	}
}

func TestWhatIsFoundIsSortedByADateOrANumber(t *testing.T) {
	x := open(t, t.TempDir())
	for i, body := range []string{
		`{"@timestamp":"2026-11-03T00:00:00Z","changetrail":{"change":{"id":"a","repository":"r","merged_at":"2026-11-09T00:00:00Z"},"revision":7}}`,
		`{"@timestamp":"2026-11-02T00:00:00Z","changetrail":{"change":{"id":"b","repository":"r"},"revision":9}}`,
		`{"@timestamp":"2026-11-01T00:00:00Z","changetrail":{"change":{"id":"c","repository":"r","merged_at":"2026-11-08T00:00:00Z"},"revision":8}}`,
	} {
		if out, err := x.Put(t.Context(), []sinks.Document{doc(string(rune('a'+i)), 1, body)}); err != nil || out[0].Kind != sinks.Done {
			t.Fatal(out, err)
		}
	}
	for _, c := range []struct {
		field      string
		ascending  bool
		skip, size int
		want       string
	}{
		{"", false, 0, 9, "abc"},
		{"@timestamp", true, 0, 9, "cba"},
		{"changetrail.change.merged_at", false, 0, 9, "acb"}, // records without a value come last
		{"changetrail.change.merged_at", true, 0, 9, "cab"},
		{"changetrail.revision", false, 0, 9, "bca"},
		{"changetrail.revision", false, 1, 1, "c"},
		{"changetrail.revision", false, 7, 1, ""},
		{"changetrail.revision", false, 0, 0, ""},
	} {
		res, err := x.Search(t.Context(), query.Request{Where: query.All{}, Skip: c.skip, Size: c.size, Sort: query.Sort{Field: x.Fields()[c.field], Ascending: c.ascending}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, h := range res.Hits {
			got += h.ID
		}
		if got != c.want || res.Total != 3 {
			t.Errorf("%+v: %q of %d", c, got, res.Total)
		}
	}
}

func TestAFindingIsFoundByEachOfItsNames(t *testing.T) {
	x := open(t, t.TempDir())
	if out, err := x.Put(t.Context(), []sinks.Document{
		doc("a", 1, `{"@timestamp":"2026-11-03T00:00:00Z","vulnerability":{"id":["GHSA-35jh-r3h4-6jhm","CVE-2021-23337"]},"changetrail":{"change":{"id":"github.com/acme/payments/pull/1058","repository":"github.com/acme/payments","head_sha":"8c1f0f5ad3e64b8fbf2ab9a3d1c5ee6a4c0f7d21"}}}`),
		doc("b", 1, `{"@timestamp":"2026-11-03T00:00:00Z","vulnerability":{"id":"CVE-2022-32149"},"changetrail":{"change":{"id":"github.com/acme/pay/pull/1","repository":"github.com/acme/pay"}}}`),
	}); err != nil || out[0].Kind != sinks.Done || out[1].Kind != sinks.Done {
		t.Fatal(out, err)
	}
	for text, want := range map[string]string{
		"CVE-2021-23337": "a", "ghsa-35jh-r3h4-6jhm": "a", "CVE-2022-32149": "b", "CVE-2022-1": "", "acme/payments#1058": "a", "https://github.com/acme/payments/pull/1058/files": "a",
		"8c1f0f5": "a", "8c1f0f6": "", "acme/pay": "b", "github.com/acme/payments": "a", "-CVE-2021-23337": "b",
	} {
		if got := strings.Join(find(t, x, text), ""); got != want {
			t.Errorf("%s finds %q, want %q", text, got, want)
		}
	}
}

func TestRecordsAreFoundByTheOtherNamesOfTheirRepository(t *testing.T) {
	x := open(t, t.TempDir())
	var docs []sinks.Document
	for id, others := range map[string]string{"a": `"github.com/acme/payments/pull/7"`, "b": `"github.com/acme/payments/pull/7","github.com/acme/x/pull/7"`, "c": `"github.com/acme/payments/pull/70"`} {
		docs = append(docs, doc(id, 1, `{"@timestamp":"2026-11-12T03:47:03Z","message":"`+id+`","changetrail":{"change":{"id":"`+id+`","other_ids":[`+others+`]}}}`))
	}
	if _, err := x.Put(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[record.ChangeID]int{"github.com/acme/payments/pull/7": 2, "github.com/acme/x/pull/7": 1, "github.com/acme/pay/pull/7": 0, `a" OR "b`: 0} {
		if docs, err := x.Named(t.Context(), id); err != nil || len(docs) != want {
			t.Errorf("%s: %d records, want %d: %v", id, len(docs), want, err)
		}
	}
}

// TestNumbersOf32BitsAreComparedAsEnginesDo: 5.44 has no exact form in 32 bits.
func TestNumbersOf32BitsAreComparedAsEnginesDo(t *testing.T) {
	x := open(t, t.TempDir())
	body := `{"@timestamp":"2026-11-03T00:00:00Z","changetrail":{"change":{"id":"a","repository":"r"},"duration":{"hours_to_approval":5.44}}}`
	if out, err := x.Put(t.Context(), []sinks.Document{doc("a", 1, body)}); err != nil || out[0].Kind != sinks.Done {
		t.Fatal(out, err)
	}
	field := x.Fields()["changetrail.duration.hours_to_approval"]
	for _, c := range []struct {
		where query.Range
		want  int
	}{
		{query.Range{Field: field, Low: &query.Bound{Number: 5.44}}, 0},
		{query.Range{Field: field, Low: &query.Bound{Number: 5.44, Inclusive: true}}, 1},
		{query.Range{Field: field, Top: &query.Bound{Number: 5.44}}, 0},
		{query.Range{Field: field, Top: &query.Bound{Number: 5.44, Inclusive: true}}, 1},
		{query.Range{Field: field, Low: &query.Bound{Number: 5.43}, Top: &query.Bound{Number: 5.45}}, 1},
	} {
		res, err := x.Search(t.Context(), query.Request{Where: c.where})
		if err != nil || res.Total != c.want {
			t.Errorf("%+v %+v: %d found, %v", c.where.Low, c.where.Top, res.Total, err)
		}
	}
}
