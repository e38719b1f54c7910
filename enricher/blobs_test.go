package enricher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

func TestReportsAndLargeDataLieInTheBlobStore(t *testing.T) {
	dir := t.TempDir()
	store, err := blobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	file, err := os.ReadFile(filepath.Join("..", "evidence", "testdata", "semgrep.json"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := evidence.Pack(file, "")
	if err != nil {
		t.Fatal(err)
	}
	padding := strings.Repeat(" ", 2_000_000) // more than an event may have
	data := []byte(fmt.Sprintf(`{"tool":{"name":"semgrep"},%s"report":{"encoding":%q,"content":%s}}`, padding, report.Encoding, report.Content))
	ref, err := store.Put(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	event := func(ref string) *stream.Record {
		return &stream.Record{Timestamp: time.Now(), Value: []byte(`{"specversion":"1.0","id":"1","source":"/ci","type":"` + record.TypeScanCompleted + `","subject":"acme/payments#1","dataref":"` + ref + `"}`)}
	}
	d, err := decode(t.Context(), event(ref), ingest.Reader{}, store)
	if err != nil || d.refusal != nil {
		t.Fatalf("%v, %v", err, d.refusal)
	}
	scan := d.event.Fact.(*record.Scan)
	if scan.Summary.Findings != 6 || scan.Report.Digest != digests.Of(file) {
		t.Errorf("%+v of %s", scan.Summary, scan.Report.Digest)
	}
	if got, err := store.Get(t.Context(), scan.Report.Digest); err != nil || !bytes.Equal(got, file) {
		t.Errorf("the report is not in the store: %v", err)
	}
	if n := len(d.data()); n > 5000 {
		t.Errorf("%d bytes of it would go into the index", n)
	}

	damaged, err := store.Put(t.Context(), []byte(`{"tool":{"name":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.TrimPrefix(damaged, "sha256:")
	if err := os.WriteFile(filepath.Join(dir, "sha256", sum[:2], sum), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ref   string
		store Blobs
		want  schemas.Reason
	}{
		"missing":        {digests.Of([]byte("none")), store, schemas.BlobMissing},
		"it is a URL":    {"https://example.org/x", store, schemas.BlobMissing},
		"no store":       {ref, nil, schemas.BlobMissing},
		"it was changed": {damaged, store, schemas.DigestMismatch},
		"not JSON":       {must(store.Put(t.Context(), []byte("prose"))), store, schemas.NotJSON},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := decode(t.Context(), event(c.ref), ingest.Reader{}, c.store)
			if err != nil || d.refusal == nil || d.refusal.Reason != c.want {
				t.Errorf("%v, %v", err, d.refusal)
			}
		})
	}
	// An unreachable store is not blamed on an event.
	if d, err := decode(t.Context(), event(ref), ingest.Reader{}, away{}); err == nil || d.refusal != nil {
		t.Errorf("%v, %v", err, d.refusal)
	}
}

type away struct{}

func (away) Put(context.Context, []byte) (string, error) { return "", errors.New("connection refused") }

func (away) Get(context.Context, string) ([]byte, error) {
	return nil, errors.New("connection refused")
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}
