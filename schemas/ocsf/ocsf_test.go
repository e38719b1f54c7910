package ocsf_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/schemas/ocsf"
)

// seeds are one document of each kind, with the least that it may have, and one whose data repeat a
// name.
var seeds = []string{
	`{"@timestamp":"2026-03-01T10:00:00.123456Z","event":{"dataset":"changetrail.event","id":"1","provider":"/a"},"changetrail":{"event":{"witness":"claimed"}}}`,
	`{"@timestamp":"2026-03-01T10:00:00Z","event":{"dataset":"changetrail.event"},"changetrail":{"data":{"a":1,"a":"\\ud800"}}}`,
	`{"@timestamp":"2026-03-01T10:00:00Z","event":{"dataset":"changetrail.record"},"changetrail":{"revision":3,"change":{"id":"github.com/a/b/pull/1"}}}`,
	`{"@timestamp":"2026-03-01T10:00:00Z","event":{"dataset":"changetrail.finding"},"changetrail":{"change":{"id":"github.com/a/b/pull/1"},"finding":{"kind":"no-review","status":"closed","revision":3}}}`,
}

// FuzzFrom checks what every event of OCSF must have, whatever the document contains.
func FuzzFrom(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ocsf.From(text)
		if err != nil {
			return
		}
		var got struct {
			Class    int   `json:"class_uid"`
			Category int   `json:"category_uid"`
			Activity int   `json:"activity_id"`
			Type     int   `json:"type_uid"`
			Severity *int  `json:"severity_id"`
			Time     int64 `json:"time"`
			Metadata struct {
				Version string `json:"version"`
				UID     string `json:"uid"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(e.JSON, &got); err != nil {
			t.Fatalf("%v: %s", err, e.JSON)
		}
		if got.Type != 100*got.Class+got.Activity || got.Category != got.Class/1000 || got.Class != e.Class || got.Severity == nil {
			t.Errorf("the class does not match: %s", e.JSON)
		}
		if got.Metadata.Version != ocsf.Version || got.Metadata.UID != e.UID || e.UID == "" || got.Time != e.Time.UnixMilli() {
			t.Errorf("the metadata do not match: %s", e.JSON)
		}
	})
}

func TestFromRefuses(t *testing.T) {
	for _, text := range []string{``, `{}`, `[]`, `{"@timestamp":"2026-03-01T10:00:00Z"}`, `{"@timestamp":"2026-03-01T10:00:00Z","event":{"dataset":"other"}}`, seeds[0] + "x"} {
		if e, err := ocsf.From([]byte(text)); err == nil {
			t.Errorf("%s became %s", text, e.JSON)
		}
	}
}

// BenchmarkFrom measures a document of each kind beside the encoding of the record, which the
// enricher does for each revision.
func BenchmarkFrom(b *testing.B) {
	docs := produced.Workload(b, 5, 20)
	for name, dataset := range map[string]string{"event": schemas.EventDataset, "record": schemas.RecordDataset, "finding": schemas.FindingDataset} {
		of := slices.Collect(func(yield func([]byte) bool) {
			for _, d := range docs {
				if bytes.Contains(d.Body, []byte(`"dataset":"`+dataset+`"`)) && !yield(d.Body) {
					return
				}
			}
		})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for i := range b.N {
				e, err := ocsf.From(of[i%len(of)])
				if err != nil {
					b.Fatal(err)
				}
				size += len(e.JSON)
			}
			b.ReportMetric(float64(size)/float64(b.N), "bytes/op")
		})
	}
	b.Run("seal a record", func(b *testing.B) {
		r := new(record.Record)
		for _, d := range docs {
			if bytes.Contains(d.Body, []byte(schemas.RecordDataset)) {
				if err := json.Unmarshal(d.Body, r); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			schemas.Seal(nil, r, 1, "")
		}
	})
}
