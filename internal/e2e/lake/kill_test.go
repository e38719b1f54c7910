//go:build servers

package lake

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const (
	partitions = 4
	kills      = 20 // of each sink
	batches    = 60
	batch      = 50
)

// TestKilledAtRandomEachDocumentIsThereOnce kills sinks with SIGKILL at random moments while
// messages arrive. At the end each document is once in the JSON lines, once in the Parquet files as
// DuckDB reads them, and once in the topic of OCSF for a reader of committed messages.
func TestKilledAtRandomEachDocumentIsThereOnce(t *testing.T) {
	kafka, topics := pipeline(t)
	binary := filepath.Join(t.TempDir(), "changetrail")
	run(t, exec.Command("go", "-C", "../../..", "build", "-tags", "parquet", "-o", binary, "./cmd/changetrail"))
	dirs := map[string]string{"json": t.TempDir(), "parquet": t.TempDir()}
	var sinks []*sink
	for format, dir := range dirs {
		sinks = append(sinks, start(t, []string{binary, "sink", "--engine", "lake", "--bucket", dir, "--instance", "only"}, kafka, topics,
			"CHANGETRAIL_SINK_LAKE_FORMAT="+format, "CHANGETRAIL_SINK_LAKE_FILE_AGE=200ms", "CHANGETRAIL_SINK_LAKE_FILE_BYTES=40000"))
	}
	sinks = append(sinks, start(t, []string{binary, "sink", "--engine", "ocsf-topic", "--instance", "only"}, kafka, topics))
	var published sync.WaitGroup
	published.Go(func() { publish(t, kafka) })
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for i := range kills * len(sinks) {
		time.Sleep(time.Duration(200+rnd.IntN(800)) * time.Millisecond)
		sinks[i%len(sinks)].kill()
	}
	published.Wait()
	want := 3 * batches * batch
	python := filepath.Join(foreign.Python(t, "duckdb==1.4.1"), "python")
	for where, count := range map[string]func() (total, different int){
		"JSON lines":        func() (int, int) { return lines(t, dirs["json"]) },
		"Parquet":           func() (int, int) { return rows(t, python, dirs["parquet"]) },
		"the topic of OCSF": func() (int, int) { return events(t, kafka, topics.OCSF()) },
	} {
		total, different := 0, 0
		for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
			if total, different = count(); different >= want {
				break
			}
		}
		t.Logf("%s: %d documents were written, %d are there, %d of them different, after %d kills", where, want, total, different, kills)
		if total != want || different != want {
			t.Errorf("%s: each document must be there once", where)
		}
	}
}

// pipeline starts Kafka with the topics of a pipeline.
func pipeline(t *testing.T) (stream.Config, stream.Topics) {
	t.Helper()
	server, err := servers.Kafka(t.TempDir())
	if err == nil {
		err = server.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	kafka, topics := stream.Config{Brokers: []string{server.Address}}, stream.Topics{Prefix: "lake"}
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	specs := append(topics.Specs(partitions, 24*time.Hour), topics.OCSFSpec(partitions, 24*time.Hour))
	if _, err := admin.Ensure(t.Context(), specs, 1, false); err != nil {
		t.Fatal(err)
	}
	return kafka, topics
}

// publish writes what an enricher writes, over the time of the kills.
func publish(t *testing.T, kafka stream.Config) {
	w, err := stream.NewTransactionWriter(t.Context(), kafka, "the enricher of the test")
	if err != nil {
		t.Error(err)
		return
	}
	defer w.Close()
	topics := stream.Topics{Prefix: "lake"}
	for b := range batches {
		var recs []*stream.Record
		for i := b * batch; i < (b+1)*batch; i++ {
			at := time.Date(2026, 11, 10+i%3, 3, 0, 0, 0, time.UTC)
			body := func(dataset, more string) []byte {
				change := fmt.Sprintf("github.com/acme/payments/pull/%d", i)
				return fmt.Appendf(nil, `{"@timestamp":%q,"event":{"dataset":%q},"changetrail":{"repository":"github.com/acme/payments","change":{"id":%q},"revision":1%s}}`, at.Format(time.RFC3339), dataset, change, more)
			}
			message := func(topic, index, kind string, value []byte) *stream.Record {
				r := &stream.Record{Topic: topic, Partition: int32(i % partitions), Key: []byte("github.com/acme/payments"), Value: value}
				stream.AddHeader(r, stream.HeaderIndex, []byte(index))
				stream.AddHeader(r, stream.HeaderID, fmt.Append(nil, kind, i))
				return r
			}
			event := message(topics.Enriched(), schemas.EventIndex("default"), "event", body(schemas.EventDataset, `,"event":{"type":"dev.changetrail.review.submitted.v1"}`))
			record := message(topics.Records(), schemas.RecordIndex("default", at), "record", body(schemas.RecordDataset, ""))
			record.Key = fmt.Append(nil, "record", i)
			stream.AddHeader(record, stream.HeaderVersion, []byte("1"))
			finding := body(schemas.FindingDataset, `,"finding":{"kind":"review.missing","severity":"high","status":"open","revision":1}`)
			stream.AddHeader(record, stream.HeaderFinding, append(fmt.Append(nil, "finding", i, "\n"), finding...))
			recs = append(recs, event, record)
		}
		if err := w.Append(t.Context(), recs); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// A sink is a process that is started again whenever it ends.
type sink struct {
	mu      sync.Mutex
	cmd     *exec.Cmd
	stopped bool
}

func start(t *testing.T, args []string, kafka stream.Config, topics stream.Topics, environment ...string) *sink {
	t.Helper()
	args = append(args, "--prefix", topics.Prefix, "--brokers", kafka.Brokers[0])
	file := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	s, done := new(sink), make(chan struct{})
	go func() {
		defer close(done)
		for {
			s.mu.Lock()
			if s.stopped {
				s.mu.Unlock()
				return
			}
			s.cmd = exec.Command(args[0], args[1:]...)
			s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = append(os.Environ(), environment...), log, log
			err := s.cmd.Start()
			s.mu.Unlock()
			if err != nil {
				t.Errorf("%v: %v", args, err)
				return
			}
			_ = s.cmd.Wait() // it was killed
			time.Sleep(50 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		s.mu.Lock()
		s.stopped = true
		s.mu.Unlock()
		s.kill()
		<-done
		_ = log.Close()
		if text, _ := os.ReadFile(file); t.Failed() {
			t.Logf("%v:\n%s", args, text[max(0, len(text)-5000):])
		}
	})
	return s
}

func (s *sink) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
	}
}

// lines counts the documents of JSON lines.
func lines(t *testing.T, dir string) (total, different int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "day=*", "*.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for text := bufio.NewScanner(z); text.Scan(); total++ {
			seen[text.Text()] = true
		}
		_ = f.Close() // it was only read
	}
	return total, len(seen)
}

// rows counts the rows of Parquet files, as DuckDB reads them.
func rows(t *testing.T, python, dir string) (total, different int) {
	t.Helper()
	if files, _ := filepath.Glob(filepath.Join(dir, "*", "day=*", "*.parquet")); len(files) == 0 {
		return 0, 0
	}
	query := `import duckdb, sys
duckdb.sql("SET enable_progress_bar = false")
print(*duckdb.sql(f"SELECT count(*), count(DISTINCT class_uid || changetrail.change) FROM read_parquet('{sys.argv[1]}/*/*/*.parquet', hive_partitioning=true) WHERE strftime(time_dt, '%Y-%m-%d') = strftime(day, '%Y-%m-%d')").fetchone())`
	if _, err := fmt.Sscan(run(t, exec.Command(python, "-c", query, dir)), &total, &different); err != nil {
		t.Fatal(err)
	}
	return total, different
}

// events counts the committed events of a topic.
func events(t *testing.T, kafka stream.Config, topic string) (total, different int) {
	t.Helper()
	seen := make(map[string]bool)
	for p := range int32(partitions) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := kafka.Partition(topic, p).Scan(ctx, -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				var e struct {
					Class int `json:"class_uid"`
				}
				if err := json.Unmarshal(r.Value, &e); err != nil || e.Class == 0 {
					t.Errorf("no event of OCSF: %s", r.Value)
				}
				total++
				seen[string(r.Key)] = true
			}
			return nil
		})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
	return total, len(seen)
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return strings.TrimSpace(string(out))
}
