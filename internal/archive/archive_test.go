package archive_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/archive"
	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

var topics = stream.Topics{Prefix: "changetrail"}

func pipeline(t *testing.T, partitions int32) (stream.Config, *blobs.Store) {
	t.Helper()
	dir := t.TempDir()
	b, err := embedded.Start(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	c := stream.Config{Brokers: []string{embedded.Seed}, Dial: embedded.Dial(dir)}
	admin, err := stream.NewAdmin(c)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Ensure(t.Context(), topics.Specs(partitions, time.Hour), 1, false); err != nil {
		t.Fatal(err)
	}
	s, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return c, s
}

func quiet(archive.Counts) {}

// messages returns the content of the events, each as text, sorted by key.
func messages(t *testing.T, c stream.Config, partitions int32) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for p := range partitions {
		if _, err := c.Partition(topics.Events(), p).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				out[string(r.Key)] = append(out[string(r.Key)], fmt.Sprintf("%q %q", r.Value, r.Headers))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestNamesOfRepositoriesAreFoundAnew exports what enrichers derived from the names of
// repositories: another pipeline may see another name first.
func TestNamesOfRepositoriesAreFoundAnew(t *testing.T) {
	from, _ := pipeline(t, 1)
	to, _ := pipeline(t, 1)
	w, err := stream.NewWriter(from)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for id, headers := range map[string][]string{
		"word":   {"ce_type", record.TypeRepositoryNamed},
		"routed": {"ce_type", "com.github.push", "ce_partitionkey", "host/a/new", stream.HeaderRoute, "at x host/a/old"},
		"room":   {"ce_type", record.TypeActionPerformed, "ce_partitionkey", "host/a/old~7", stream.HeaderRoute, "at x host/a/old~7"},
		"action": {"ce_type", record.TypeActionPerformed, "ce_partitionkey", "host/a/new", stream.HeaderRoute, "at x host/a/old"},
		"plain":  {"ce_type", record.TypeActionPerformed, "ce_partitionkey", "host/a/new"},
	} {
		r := &stream.Record{Topic: topics.Events(), Key: []byte("host/a/new"), Value: []byte("{}")}
		for i, h := range append([]string{"ce_id", id}, headers...) {
			if i%2 == 1 {
				stream.AddHeader(r, append([]string{"ce_id", id}, headers...)[i-1], []byte(h))
			}
		}
		if err := w.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := archive.Export(t.Context(), &file, archive.Source{Kafka: from, Topic: topics.Events(), Partitions: 1}, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Import(t.Context(), &file, archive.Target{Kafka: to, Topic: topics.Events(), Partitions: 1}, quiet); err != nil {
		t.Fatal(err)
	}
	var ids []string
	if _, err := to.Partition(topics.Events(), 0).Scan(t.Context(), -1, func(recs []*stream.Record) error {
		for _, r := range recs {
			ids = append(ids, string(stream.Header(r, "ce_id")))
			if stream.Header(r, stream.HeaderRoute) != nil {
				t.Errorf("%s has a route", ids)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{"action", "plain", "routed"}) {
		t.Errorf("there are %v", ids)
	}
}

func TestWhatIsExportedIsImported(t *testing.T) {
	from, fromBlobs := pipeline(t, 3)
	to, toBlobs := pipeline(t, 5)
	w, err := stream.NewWriter(from)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	place := stream.NewPartitioner(3)
	for i := range 200 {
		key := fmt.Sprintf("github.com/acme/service-%d", i%7)
		r := &stream.Record{Topic: topics.Events(), Partition: place.Of(key), Key: []byte(key), Value: []byte{byte(i), 0, 0xff}}
		stream.AddHeader(r, "ce_id", []byte(fmt.Sprint(i)))
		if err := w.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := fromBlobs.Put(t.Context(), []byte("a report"))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	n, err := archive.Export(t.Context(), &file, archive.Source{Kafka: from, Topic: topics.Events(), Partitions: 3, Blobs: fromBlobs}, quiet)
	if err != nil || n != (archive.Counts{Events: 200, Blobs: 1}) {
		t.Fatal(n, err)
	}
	if n, err := archive.Check(bytes.NewReader(file.Bytes())); err != nil || n.Events != 200 {
		t.Error(n, err)
	}
	if n, err := archive.Import(t.Context(), bytes.NewReader(file.Bytes()), archive.Target{Kafka: to, Topic: topics.Events(), Partitions: 5, Blobs: toBlobs}, quiet); err != nil || n.Events != 200 {
		t.Fatal(n, err)
	}
	if content, err := toBlobs.Get(t.Context(), digest); err != nil || string(content) != "a report" {
		t.Errorf("the file arrives as %q, %v", content, err)
	}
	want, got := messages(t, from, 3), messages(t, to, 5)
	for key := range want {
		if !slices.Equal(want[key], got[key]) {
			t.Errorf("%s: %d messages, %d arrived or in another order", key, len(want[key]), len(got[key]))
		}
	}
	for name, damaged := range map[string][]byte{
		"cut off": file.Bytes()[:file.Len()/2], "empty": nil, "changed": flip(file.Bytes()), "something else": []byte("hello"),
	} {
		if _, err := archive.Check(bytes.NewReader(damaged)); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 0x10
	return b
}

// TestArrivalsAreCarriedOver: an imported event keeps the time at which it arrived at its first
// pipeline, or an earlier time that it proves, and nobody can forge one without the key.
func TestArrivalsAreCarriedOver(t *testing.T) {
	from, fromBlobs := pipeline(t, 1)
	w, err := stream.NewWriter(from)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	key := signing.Of([]byte("a stamp key of the tests"))
	earlier := time.Now().Add(-48 * time.Hour).UTC().Truncate(time.Second)
	headers := map[string]func(schemas.Envelope) []byte{
		"none": nil, "signed": func(e schemas.Envelope) []byte { return schemas.Arrival(key, e, earlier) },
		"forged": func(e schemas.Envelope) []byte { return schemas.Arrival(signing.Of([]byte("another key")), e, earlier) },
		"plain":  func(e schemas.Envelope) []byte { return schemas.Arrival(signing.Keys{}, e, earlier) },
	}
	for id, header := range headers {
		r := &stream.Record{Topic: topics.Events(), Value: []byte(`{"specversion":"1.0","id":"` + id + `","source":"/x","type":"t","data":{}}`)}
		if header != nil {
			env, err := schemas.Open(stream.Message(r))
			if err != nil {
				t.Fatal(err)
			}
			stream.AddHeader(r, stream.HeaderArrived, header(env))
		}
		if err := w.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now().Add(-time.Minute)
	var file bytes.Buffer
	if _, err := archive.Export(t.Context(), &file, archive.Source{Kafka: from, Topic: topics.Events(), Partitions: 1, Blobs: fromBlobs}, quiet); err != nil {
		t.Fatal(err)
	}
	to, toBlobs := pipeline(t, 1)
	for range 2 { // a time that was carried over once is carried over again
		if _, err := archive.Import(t.Context(), bytes.NewReader(file.Bytes()), archive.Target{Kafka: to, Topic: topics.Events(), Partitions: 1, Blobs: toBlobs, Keys: key}, quiet); err != nil {
			t.Fatal(err)
		}
		file.Reset()
		if _, err := archive.Export(t.Context(), &file, archive.Source{Kafka: to, Topic: topics.Events(), Partitions: 1, Blobs: toBlobs}, quiet); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	if _, err := to.Partition(topics.Events(), 0).Scan(t.Context(), -1, func(recs []*stream.Record) error {
		for _, r := range recs {
			env, err := schemas.Open(stream.Message(r))
			if err != nil {
				return err
			}
			at, ok := schemas.ReadArrival(key, env, stream.Header(r, stream.HeaderArrived))
			if _, other := schemas.ReadArrival(signing.Of([]byte("another key")), env, stream.Header(r, stream.HeaderArrived)); !ok || other || at.Equal(earlier) != (env.ID == "signed") || !at.Equal(earlier) && at.Before(began) {
				t.Errorf("%s: it arrived %s, %t, %t", env.ID, at, ok, other)
			}
			seen++
		}
		return nil
	}); err != nil || seen < 2*len(headers) {
		t.Errorf("%d events: %v", seen, err)
	}
}

// An archive may be small and decompress to a lot: it is refused without holding it in memory.
func TestAnArchiveThatUnpacksToTheMemoryIsRefused(t *testing.T) {
	for name, line := range map[string]struct {
		begin, each, end string
		n                int
	}{
		"one line of spaces":              {`{"kind":"event"`, strings.Repeat(" ", 1<<20), "}\n", 100},
		"a line that does not end":        {`{"kind":"blob","content":"`, strings.Repeat("A", 1<<20), "", 100},
		"headers without anything":        {`{"kind":"event","headers":[{}`, strings.Repeat(",{}", 1<<18), "]}\n", 40},
		"members that nobody knows":       {`{"kind":"event","x":[{}`, strings.Repeat(",{}", 1<<18), "]}\n", 40},
		"a head of spaces, and no events": {"", strings.Repeat(" ", 1<<20), "", 100},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
			if line.begin != "" {
				fmt.Fprintln(z, `{"kind":"head","version":1,"topic":"changetrail.events","at":"2026-03-01T00:00:00Z"}`)
			}
			fmt.Fprint(z, line.begin)
			for range line.n {
				fmt.Fprint(z, line.each)
			}
			fmt.Fprint(z, line.end)
			z.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := archive.Check(&b); !errors.Is(err, archive.ErrDamaged) {
				t.Errorf("%v", err)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 700<<20 {
				t.Errorf("%d MiB were allocated", n>>20)
			}
		})
	}
}
