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

	"github.com/changetrail/changetrail/internal/e2e/killtest"
	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/stream"
)

// TestKilledAtRandomEachDocumentIsThereOnce kills sinks with SIGKILL at random moments while
// messages arrive. At the end each document is once in the JSON lines in a bucket of an S3 server, once
// in the Parquet files of a folder as DuckDB reads them, and once in the topic of OCSF for a reader of
// committed messages.
func TestKilledAtRandomEachDocumentIsThereOnce(t *testing.T) {
	p := killtest.New(t, killtest.Kafka(t), "lake")
	program := killtest.Build(t, "-tags", "parquet")
	address, buckets := foreign.S3(t)
	dirs := map[string]string{"json": filepath.Join(buckets, "trail"), "parquet": t.TempDir()}
	if err := os.Mkdir(dirs["json"], 0o700); err != nil {
		t.Fatal(err)
	}
	where := map[string]string{"json": "s3://trail?region=us-east-1&endpoint=http://" + address, "parquet": dirs["parquet"]}
	var sinks []*killtest.Sink
	for format, bucket := range where {
		sinks = append(sinks, p.Start(t, program, []string{"--engine", "lake", "--bucket", bucket},
			"CHANGETRAIL_SINK_LAKE_FORMAT="+format, "CHANGETRAIL_SINK_LAKE_FILE_AGE=200ms", "CHANGETRAIL_SINK_LAKE_FILE_BYTES=40000",
			"AWS_ACCESS_KEY_ID="+foreign.S3ID, "AWS_SECRET_ACCESS_KEY="+foreign.S3Secret))
	}
	sinks = append(sinks, p.Start(t, program, []string{"--engine", "ocsf-topic"}))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var published sync.WaitGroup
	published.Go(func() { p.Publish(ctx, t, 500*time.Millisecond) })
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for i := range killtest.Kills * len(sinks) {
		time.Sleep(time.Duration(200+rnd.IntN(800)) * time.Millisecond)
		sinks[i%len(sinks)].Kill()
	}
	stop()
	published.Wait()
	want := len(p.Documents())
	python := filepath.Join(foreign.Python(t, "duckdb==1.4.1"), "python")
	for where, count := range map[string]func() (total, different int){
		"JSON lines in S3":  func() (int, int) { return lines(t, dirs["json"]) },
		"Parquet":           func() (int, int) { return rows(t, python, dirs["parquet"]) },
		"the topic of OCSF": func() (int, int) { return events(t, p) },
	} {
		total, different := 0, 0
		for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
			if total, different = count(); different >= want {
				break
			}
		}
		t.Logf("%s: %d documents were written, %d are there, %d of them different, after %d kills", where, want, total, different, killtest.Kills)
		if total != want || different != want {
			t.Errorf("%s: each document must be there once", where)
		}
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

// events counts the committed events of the topic of OCSF.
func events(t *testing.T, p *killtest.Pipeline) (total, different int) {
	t.Helper()
	seen := make(map[string]bool)
	for i := range int32(killtest.Partitions) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := p.Kafka.Partition(p.Topics.OCSF(), i).Scan(ctx, -1, func(recs []*stream.Record) error {
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
