//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

const partitions = 4

var (
	broker *servers.Server
	binary string
	policy = []string{"--policy", "../../../deploy/example/policy.yaml", "--controls", "../../../deploy/example/controls.yaml"}
)

func TestMain(m *testing.M) {
	if floor := os.Getenv("CHANGETRAIL_BENCH_FLOOR"); floor != "" {
		if err := runFloor(floor); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	for _, name := range []string{benchChanges, benchMany, benchGate, benchFormer} {
		settings[name] = os.Getenv(name)
		_ = os.Unsetenv(name) // the program refuses settings that it does not know
	}
	os.Exit(run(m))
}

// What an environment variable may say.
const (
	benchChanges = "CHANGETRAIL_BENCH_CHANGES" // how many changes a comparison takes
	benchMany    = "CHANGETRAIL_BENCH_MANY"    // how many changes make a large state
	benchGate    = "CHANGETRAIL_BENCH_GATE"    // how many changes the gate knows
	benchFormer  = "CHANGETRAIL_BENCH_FORMER"  // program of a former version
)

var settings = make(map[string]string)

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "changetrail-bench-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "changetrail")
	if out, err := exec.Command("go", "-C", "../../..", "build", "-o", binary, "./cmd/changetrail").CombinedOutput(); err != nil {
		fmt.Printf("%v\n%s", err, out)
		return 1
	}
	if broker, err = servers.Kafka(filepath.Join(dir, "kafka")); err == nil {
		err = broker.Start(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer broker.Kill()
	return m.Run()
}

// A result is one measured run.
type result struct {
	rate   float64 // items a second
	cpu    float64 // seconds of CPU for a million items
	memory int64   // peak resident size, bytes
}

func (r result) String() string {
	return fmt.Sprintf("%9.0f/s  %6.1f CPU-s per million  %4d MB peak", r.rate, r.cpu, r.memory>>20)
}

// row is r as a row of a table of docs/performance.md.
func (r result) row(name string) string {
	return fmt.Sprintf("| %s | %.0f | %.1f | %d MB |\n", name, r.rate, r.cpu, r.memory>>20)
}

const resultHeader = "| | events/s | CPU-s per million | peak memory |\n|---|---|---|---|\n"

// sizeFrom is the size that a setting says.
func sizeFrom(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := settings[name]
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%s: want a number above 0", name, text)
	}
	return n
}

// measure runs a process until progress says that n items are done.
func measure(t *testing.T, cmd *exec.Cmd, n int64, progress func() int64) result {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var began time.Time
	var first int64
	deadline := time.Now().Add(2 * time.Minute)
	for {
		done := progress()
		if began.IsZero() && done > 0 {
			began, first = time.Now(), done
		}
		if done >= n {
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("%v: only %d of %d are done\n%s", cmd.Args, done, n, log.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(began)
	memory := peakMemory(t, cmd.Process.Pid)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return result{float64(n-first) / took.Seconds(), cpu.Seconds() / float64(n) * 1e6, memory}
}

// peakMemory returns the largest resident set of a running process, in bytes.
// What wait(2) says of it counts what the parent held when it forked.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kb int64
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(peak, &kb); err != nil {
		t.Fatalf("VmHWM in %s: %v", status, err)
	}
	return kb << 10
}

func floorCommand(kind string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "CHANGETRAIL_BENCH_FLOOR="+kind, "BROKER="+broker.Address), env...)
	return cmd
}

func admin(t *testing.T) *kadm.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	adm := kadm.NewClient(cl)
	clients[adm] = cl
	return adm
}

// topics makes the topics under prefix.
func topics(t *testing.T, prefix string) stream.Topics {
	t.Helper()
	out, err := exec.Command(binary, "setup", "--kafka-only", "--brokers", broker.Address, "--prefix", prefix, "--partitions", fmt.Sprint(partitions)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return stream.Topics{Prefix: prefix}
}

// consumed returns how far a group has come in a topic.
func consumed(t *testing.T, adm *kadm.Client, group, topic string) func() int64 {
	return func() int64 {
		offsets, err := adm.FetchOffsets(context.Background(), group)
		if err != nil {
			return 0
		}
		var n int64
		offsets.Each(func(o kadm.OffsetResponse) {
			if o.Topic == topic {
				n += max(o.At, 0)
			}
		})
		return n
	}
}

// evenly is a load in which all of 200 repositories have as many changes.
func evenly() *workload.Generator { return workload.New(7, 200, time.Now().Add(-60*24*time.Hour)) } // 13 s a change: time for 390,000

// publish writes the events of many changes, of which 500 are under way at the
// same time, and returns how many they are and their bytes.
func publish(t *testing.T, adm *kadm.Client, top stream.Topics, g *workload.Generator, changes int) (n, bytes int64) {
	t.Helper()
	partitioner := stream.NewPartitioner(4)
	window := make([][]*kgo.Record, 0, 500) // changes that are under way at the same time
	flush := func() {
		for left := true; left; {
			left = false
			for i := range window {
				if len(window[i]) > 0 {
					r := window[i][0]
					window[i] = window[i][1:]
					bytes, n, left = bytes+int64(len(r.Value)), n+1, true
					clientOf(adm).Produce(t.Context(), r, nil)
				}
			}
		}
		window = window[:0]
	}
	for range changes {
		var life []*kgo.Record
		for _, e := range g.Change() {
			m, err := producer.Encode(t.Context(), e, producer.Binary)
			if err != nil {
				t.Fatal(err)
			}
			r := &kgo.Record{Topic: top.Events(), Partition: partitioner.Of(string(m.Key)), Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			life = append(life, r)
		}
		if window = append(window, life); len(window) == cap(window) {
			flush()
		}
	}
	flush()
	if err := clientOf(adm).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n, bytes
}

func clientOf(adm *kadm.Client) *kgo.Client { return clients[adm] }

// clients finds the Kafka client below an admin.
var clients = map[*kadm.Client]*kgo.Client{}

func reset(t *testing.T, adm *kadm.Client, group string) {
	t.Helper()
	for range 100 {
		r, err := adm.DeleteGroup(context.Background(), group)
		if err = errors.Join(err, r.Err); err == nil || errors.Is(err, kerr.GroupIDNotFound) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatalf("group %s stays", group)
}

func recreate(t *testing.T, adm *kadm.Client, topic string) {
	t.Helper()
	_, _ = adm.DeleteTopics(context.Background(), topic)
	for range 100 {
		_, _ = adm.CreateTopic(context.Background(), partitions, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("4194304")}, topic)
		time.Sleep(200 * time.Millisecond) // a topic that is being deleted is there and gone again
		if d, err := adm.ListTopics(context.Background(), topic); err == nil && d.Has(topic) {
			if end, err := adm.ListEndOffsets(context.Background(), topic); err == nil && total(end) == 0 {
				return
			}
		}
	}
	t.Fatalf("topic %s cannot be made again", topic)
}

func total(offsets kadm.ListedOffsets) (n int64) {
	offsets.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// median is the result with the middle rate.
func median(rs []result) result {
	best := rs[0]
	for _, r := range rs {
		below := 0
		for _, s := range rs {
			if s.rate < r.rate {
				below++
			}
		}
		if below == len(rs)/2 {
			best = r
		}
	}
	return best
}

// nullBulk takes bulk requests and stores nothing.
func nullBulk(documents *atomic.Int64) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/_bulk" {
			fmt.Fprint(w, `{"version":{"number":"8.19.0"}}`)
			return
		}
		var n int64
		buf := make([]byte, 256<<10)
		for {
			k, err := r.Body.Read(buf)
			n += int64(strings.Count(string(buf[:k]), "\n"))
			if err != nil {
				break
			}
		}
		documents.Add(n / 2)
		fmt.Fprint(w, `{"errors":false,"took":1}`)
	}))
}

// TestSinkBesideItsFloor compares the sink with a program that consumes the
// same messages and posts them to the same server, which stores nothing.
func TestSinkBesideItsFloor(t *testing.T) {
	const n = 300_000
	adm := admin(t)
	top := topics(t, "sinkbench")
	rnd := rand.New(rand.NewPCG(1, 1))
	var body []byte
	for i := range int64(n) {
		// About a third of a document is of its own, as digests and ids are.
		own := make([]byte, 340)
		for j := range own {
			own[j] = byte(rnd.Uint32())
		}
		body = fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":"%x%s"}`, own, strings.Repeat("agents decide, people review; ", 44)[:1319])
		clientOf(adm).Produce(t.Context(), &kgo.Record{Topic: top.Enriched(), Partition: int32(i % partitions), Value: body, Headers: []kgo.RecordHeader{
			{Key: stream.HeaderIndex, Value: []byte(schemas.EventIndex("bench"))},
			{Key: stream.HeaderID, Value: fmt.Appendf(nil, "%040x", i)},
			{Key: stream.HeaderTime, Value: fmt.Appendf(nil, "%d", time.Now().UnixNano())},
		}}, nil)
	}
	if err := clientOf(adm).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var documents atomic.Int64
	server := nullBulk(&documents)
	defer server.Close()
	var floors, ours []result
	for i := range 3 {
		documents.Store(0)
		floors = append(floors, measure(t, floorCommand("sink", fmt.Sprintf("GROUP=sinkfloor-%d", i), "FROM="+top.Enriched(), "URL="+server.URL), n, documents.Load))
		documents.Store(0)
		reset(t, adm, sinks.Group(top, "elasticsearch"))
		cmd := exec.Command(binary, "sink", "--engine", "elasticsearch", "--url", server.URL, "--brokers", broker.Address, "--prefix", top.Prefix, "--log-level", "error")
		ours = append(ours, measure(t, cmd, n, documents.Load))
	}
	f, o := median(floors), median(ours)
	fmt.Printf("\nsink: %d documents of %d bytes, 1,000 a request, 2 in flight, null server; medians of 3\n  floor     %s\n  sink      %s\n  ratio     %.0f %% of the floor (goal: 80 %%), memory goal: 200 MB\n", n, len(body), f, o, 100*o.rate/f.rate)
}
