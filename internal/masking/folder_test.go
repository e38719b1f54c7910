package masking

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/archive"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

var topics = stream.Topics{Prefix: "changetrail"}

// start runs the embedded mode in a folder, as up does, until everything is indexed.
func start(t *testing.T, dir string) *standalone.Instance {
	t.Helper()
	if err := Settle(dir); err != nil {
		t.Fatal(err)
	}
	i, err := standalone.Start(t.Context(), standalone.Config{
		Dir: dir, Listen: "127.0.0.1:0", Topics: topics, Namespace: "default", Retention: 400 * 24 * time.Hour, Keys: key,
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// settled waits until all that was published is indexed.
func settled(t *testing.T, i *standalone.Instance, want int) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		behind, err := i.Behind(t.Context(), topics)
		if err != nil {
			t.Fatal(err)
		}
		res, err := i.Index.Search(t.Context(), query.Request{Where: query.All{}})
		if err != nil {
			t.Fatal(err)
		}
		if behind == 0 && res.Total == want {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d records of %d, %d messages behind", res.Total, want, behind)
		}
	}
}

const kept = 6 // changes in the folder; two of them contain a secret

// spill fills a folder: there are secrets in an event, in a file, and in records.
func spill(t *testing.T, dir string) {
	t.Helper()
	i := start(t, dir)
	file, err := i.Blobs.Put(t.Context(), []byte("a report with "+spilled))
	if err != nil {
		t.Fatal(err)
	}
	w, err := stream.NewWriter(i.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	place := stream.NewPartitioner(standalone.Partitions)
	for n := range kept {
		digest, title := file, "clean"
		if n > 0 {
			digest = fmt.Sprintf("sha256:%064d", n)
		}
		if n == 1 {
			title = "with " + spilled
		}
		r := signed(t, schemas.Envelope{ID: fmt.Sprint(n), Type: record.TypeDecisionRecorded, Subject: fmt.Sprintf("https://github.com/acme/payments/pull/%d", n+1), Data: fmt.Appendf(nil, decided, digest, title)})
		r.Partition = place.Of(string(r.Key))
		if err := w.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	settled(t, i, kept)
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
}

// holds reports whether a file of the folder contains the secret.
func holds(t *testing.T, dir string) (where []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(spilled)) {
			where = append(where, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return where
}

// mask masks a folder, or dies at a step of it.
func mask(t *testing.T, dir, step string) (found []Finding) {
	t.Helper()
	f := &Folder{Dir: dir, Topics: topics, Retention: 400 * 24 * time.Hour}
	from, err := f.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if died := recover(); died != nil && died != step {
			panic(died)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	f.crash = func(at string) error {
		if at == step {
			panic(at)
		}
		return nil
	}
	m, told := masker(from.Blobs)
	if err := m.Look(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	found, m.Found, from.Copy = *told, nil, m
	if len(found) > 0 {
		if err := f.Replace(t.Context(), archive.Target{Keys: key}, from); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestAMaskedFolderHoldsNoSecret: no file contains the secret; the records are the same as before,
// and say which evidence was masked.
func TestAMaskedFolderHoldsNoSecret(t *testing.T) {
	dir := t.TempDir()
	spill(t, dir)
	if len(holds(t, dir)) == 0 {
		t.Fatal("the secret is not found before")
	}
	found := mask(t, dir, "")
	if len(found) != 2 {
		t.Errorf("found are %v", found)
	}
	if where := holds(t, dir); len(where) > 0 {
		t.Errorf("the secret is in %v", where)
	}
	i := start(t, dir)
	settled(t, i, kept)
	masked := 0
	if err := i.Index.All(t.Context(), query.All{}, func(h query.Hit) error {
		var r record.Record
		err := json.Unmarshal(h.Doc, &r)
		if err == nil && len(r.Trail.Masked) > 0 {
			masked++
			if m := r.Trail.Masked[0]; m.By != "ops@host" || !m.At.Equal(now) || m.Was == m.Is || !strings.Contains(strings.Join(r.Trail.Gaps, " "), record.GapEvidenceMasked) {
				t.Errorf("%s says %+v %v", h.ID, m, r.Trail.Gaps)
			}
		}
		return err
	}); err != nil || masked != 2 {
		t.Errorf("%d records say so: %v", masked, err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if where := holds(t, dir); len(where) > 0 {
		t.Errorf("the secret is in %v, once the records are made again", where)
	}
	if found := mask(t, dir, ""); len(found) > 0 {
		t.Errorf("looked for again: %v", found)
	}
}

// TestMaskingThatDies: wherever masking dies, all data is unmasked or all is masked, and nobody can
// open the folder in between.
func TestMaskingThatDies(t *testing.T) {
	spilt := t.TempDir()
	spill(t, spilt)
	for step, want := range map[string]int{"emptied": 2, "copied": 2, "before broker": 0, "without broker": 0, "before blobs": 0, "without blobs": 0, "in place": 0} {
		t.Run(step, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := copyFolder(spilt, dir); err != nil {
				t.Fatal(err)
			}
			mask(t, dir, step)
			for range 2 { // settling twice changes nothing
				if err := Settle(dir); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, next)); err == nil {
				t.Error("copies are left over")
			}
			if where := holds(t, dir); (len(where) > 0) != (want > 0) {
				t.Errorf("the secret is in %v", where)
			}
			if found := mask(t, dir, ""); len(found) != want {
				t.Errorf("then there are %v, want %d", found, want)
			}
			events := 0
			f := &Folder{Dir: dir, Topics: topics}
			from, err := f.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for p := range from.Partitions {
				if _, err := from.Kafka.Partition(from.Topic, p).Scan(context.Background(), -1, func(recs []*stream.Record) error { events += len(recs); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if err := Settle(dir); err == nil {
				t.Error("somebody else may open the folder meanwhile")
			}
			if err := f.Close(); err != nil || events != kept {
				t.Errorf("%d events are there: %v", events, err)
			}
			if where := holds(t, dir); len(where) > 0 {
				t.Errorf("the secret is in %v", where)
			}
		})
	}
}
