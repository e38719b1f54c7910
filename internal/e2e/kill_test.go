//go:build servers

package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const (
	killChanges = 1000
	kills       = 50
)

// TestKilledAtRandomNothingIsLostOrStoredTwice publishes the life of a
// thousand changes, out of order and one event in ten twice, while enrichers
// and sinks are killed with SIGKILL at random moments, and the broker and both
// engines are restarted. Among them lie messages that can never be taken in. At the
// end each engine must hold each event once, each record must be the fold of its
// events, and each message that is poison must be a dead letter once.
func TestKilledAtRandomNothingIsLostOrStoredTwice(t *testing.T) {
	p := newPipeline(t, "kill")
	binary := build(t)
	state := t.TempDir()
	workers := []*worker{
		p.worker(t, binary, "enrich", "--state-dir", filepath.Join(state, "a"), "--policy", filepath.Join(example, "policy.yaml"), "--controls", filepath.Join(example, "controls.yaml")),
		p.worker(t, binary, "enrich", "--state-dir", filepath.Join(state, "b"), "--policy", filepath.Join(example, "policy.yaml"), "--controls", filepath.Join(example, "controls.yaml")),
	}
	for engine, server := range engines {
		workers = append(workers, p.worker(t, binary, "sink", "--instance", "only", "--engine", engine, "--url", "http://"+server.Address))
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	events := shuffled(rnd)
	bad := doses(t, p)
	var published sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	published.Go(func() { publishSlowly(ctx, t, p, events) })
	published.Go(func() { poison(ctx, t, p, bad) })

	for i := range kills {
		time.Sleep(time.Duration(300+rnd.IntN(1800)) * time.Millisecond)
		workers[i%len(workers)].kill()
		switch i {
		case 15:
			broker.Stop()
			restart(t, broker.Start)
		case 25:
			engines[schemas.OpenSearch].Kill()
			restart(t, engines[schemas.OpenSearch].Start)
		case 35:
			engines[schemas.Elasticsearch].Kill()
			restart(t, engines[schemas.Elasticsearch].Start)
		}
	}
	published.Wait()
	if t.Failed() {
		return
	}
	for _, d := range bad {
		events = append(events, d.read...)
	}
	want, ids, findings := expected(t, events)
	onceInKafka(t, p, ids)
	onceInTheDeadLetters(t, p)
	for engine := range engines {
		index := "changetrail-record-" + p.namespace + "-*"
		eventually(t, 3*time.Minute, func() error {
			return settled(t, engine, schemas.EventIndex(p.namespace), len(ids), index, want)
		})
		gotEvents := dump(t, engine, schemas.EventIndex(p.namespace))
		gotRecords := dump(t, engine, index)
		missing, twice, wrong := 0, 0, 0
		for id := range ids {
			switch n := len(gotEvents[id]); {
			case n == 0:
				missing++
			case n > 1:
				twice++
			}
		}
		for id, digest := range want {
			docs := gotRecords[string(id)]
			switch {
			case len(docs) == 0:
				missing++
			case len(docs) > 1:
				twice++
			case docs[0] != digest:
				wrong++
			}
		}
		open, closed := 0, 0
		for id, status := range dump(t, engine, schemas.FindingIndex(p.namespace)) {
			switch {
			case len(status) > 1:
				twice++
			case status[0] == "closed" && !findings[id]:
				closed++
			case status[0] == "open" && findings[id]:
				open++
			default:
				wrong++
			}
		}
		missing += len(findings) - open
		t.Logf("%s: %d findings are open, %d were closed by later events", engine, open, closed)
		extra := len(gotEvents) - len(ids) + len(gotRecords) - len(want)
		t.Logf("%s: %d kills; %d events and %d records published, %d and %d found; %d missing, %d twice, %d unlike the fold of their events, %d that nobody sent",
			engine, kills, len(ids), len(want), len(gotEvents), len(gotRecords), missing, twice, wrong, extra)
		if missing+twice+wrong+extra != 0 {
			t.Errorf("%s does not hold what was published", engine)
		}
	}
}

// onceInKafka reads what the enrichers committed: each event once, however
// often it was published and they were killed.
func onceInKafka(t *testing.T, p *pipeline, ids map[string]bool) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Brokers...), kgo.ConsumeTopics(p.topics.Enriched()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	seen := make(map[string]int)
	total := 0
	for idle := 0; idle < 5 || len(seen) < len(ids) && idle < 60; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		fetches := cl.PollFetches(ctx)
		cancel()
		if fetches.NumRecords() == 0 {
			idle++
			continue
		}
		idle = 0
		fetches.EachRecord(func(r *kgo.Record) {
			seen[string(stream.Header(r, stream.HeaderID))]++
			total++
		})
	}
	t.Logf("kafka: %d events published, %d messages committed in %s, %d distinct", len(ids), total, p.topics.Enriched(), len(seen))
	if total != len(ids) || len(seen) != len(ids) {
		t.Errorf("exactly once: %d messages for %d events", total, len(ids))
	}
}

// settled reports whether an engine holds all there is to hold. What it holds
// is then looked at in full.
func settled(t *testing.T, engine, eventIndex string, events int, recordIndex string, want map[record.ChangeID]string) error {
	if n := count(t, engine, eventIndex); n < events {
		return fmt.Errorf("%s: %d of %d events", engine, n, events)
	}
	open := 0
	got := dump(t, engine, recordIndex)
	for id, digest := range want {
		if !slices.Contains(got[string(id)], digest) {
			open++
		}
	}
	if open > 0 {
		return fmt.Errorf("%s: %d of %d records are not there in their last revision", engine, open, len(want))
	}
	return nil
}

// shuffled is the workload, out of order within windows, with repeats.
func shuffled(rnd *rand.Rand) []event.Event {
	g := workload.New(1, 40, time.Now().Add(-24*time.Hour))
	var events []event.Event
	for range killChanges {
		events = append(events, g.Change()...)
	}
	for i := range events {
		j := min(i+rnd.IntN(200), len(events)-1)
		events[i], events[j] = events[j], events[i]
	}
	for range len(events) / 10 {
		i := rnd.IntN(len(events))
		events = slices.Insert(events, min(i+rnd.IntN(400), len(events)), events[i])
	}
	return arrivedAtOnce(events)
}

// publishSlowly spreads the events over the time of the kills.
func publishSlowly(ctx context.Context, t *testing.T, p *pipeline, events []event.Event) {
	prod, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: p.kafka.Brokers, Topic: p.topics.Events()}), producer.Options{Spool: t.TempDir()})
	if err != nil {
		t.Error(err)
		return
	}
	const chunk = 100
	for i := 0; i < len(events) && ctx.Err() == nil; i += chunk {
		if err := prod.Publish(ctx, events[i:min(i+chunk, len(events))]...); err != nil {
			t.Errorf("publish: %v", err)
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
	if err := prod.Close(ctx); err != nil {
		t.Errorf("publish: %v", err)
	}
}

// expected folds the events as their definition says, without any of the
// machinery that was killed.
func expected(t *testing.T, events []event.Event) (records map[record.ChangeID]string, ids, findings map[string]bool) {
	t.Helper()
	pol, _ := examplePolicy(t)
	return fold(t, events, pol)
}

// expectedUnder is the records that another policy gives.
func expectedUnder(t *testing.T, events []event.Event, pol *policy.Policy) map[record.ChangeID]string {
	t.Helper()
	records, _, _ := fold(t, events, pol)
	return records
}

func fold(t *testing.T, events []event.Event, pol *policy.Policy) (records map[record.ChangeID]string, ids, findings map[string]bool) {
	t.Helper()
	_, matrix := examplePolicy(t)
	byRepo := make(map[record.Repository][]record.Event)
	ids = make(map[string]bool)
	changes := make(map[record.ChangeID]bool)
	for _, e := range events {
		m, err := producer.Encode(t.Context(), e, producer.Binary)
		if err != nil {
			t.Fatal(err)
		}
		r := &stream.Record{Key: m.Key, Value: m.Value, Timestamp: time.Now()}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		ev, err := enricher.DecodeBy(r, ingest.Reader{Trust: trusted})
		if err != nil {
			t.Fatal(err)
		}
		byRepo[ev.Repository] = append(byRepo[ev.Repository], ev)
		ids[schemas.DocumentID(ev)] = true
		if ev.Change != "" {
			changes[ev.Change] = true
		}
	}
	records = make(map[record.ChangeID]string)
	findings = make(map[string]bool)
	for id := range changes {
		r := enricher.Fold(id, byRepo[id.Repository()], pol, matrix)
		records[id] = enricher.Digest(r)
		for _, gap := range r.Trail.Gaps {
			findings[schemas.FindingID(id, gap)] = true
		}
	}
	return records, ids, findings
}

// build builds the binary under test.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "changetrail")
	output(t, exec.Command("go", "-C", "../..", "build", "-o", binary, "./cmd/changetrail"))
	return binary
}

// A worker is a process that is started again whenever it ends.
type worker struct {
	mu      sync.Mutex
	cmd     *exec.Cmd
	stopped bool
	log     string
}

func (p *pipeline) worker(t *testing.T, binary string, args ...string) *worker {
	t.Helper()
	args = append(args, "--prefix", p.topics.Prefix, "--namespace", p.namespace, "--brokers", p.kafka.Brokers[0])
	w := &worker{log: filepath.Join(t.TempDir(), args[0]+".log")}
	log, err := os.Create(w.log)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			w.mu.Lock()
			if w.stopped {
				w.mu.Unlock()
				return
			}
			w.cmd = exec.Command(binary, args...)
			w.cmd.Env = append(os.Environ(), trustedSetting)
			w.cmd.Stdout, w.cmd.Stderr = log, log
			err := w.cmd.Start()
			w.mu.Unlock()
			if err != nil {
				t.Errorf("%v: %v", args, err)
				return
			}
			_ = w.cmd.Wait()
			time.Sleep(100 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		w.mu.Lock()
		w.stopped = true
		w.mu.Unlock()
		if t.Failed() { // what each goroutine waits for goes to the log
			w.signal(syscall.SIGQUIT)
			time.Sleep(time.Second)
		}
		w.kill()
		<-done
		log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(w.log)
			t.Logf("%v:\n%s", args, b[max(0, len(b)-40_000):])
		}
	})
	return w
}

func (w *worker) kill() { w.signal(syscall.SIGKILL) }

func (w *worker) signal(s syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cmd != nil && w.cmd.Process != nil {
		_ = w.cmd.Process.Signal(s)
	}
}

func restart(t *testing.T, start func(context.Context) error) {
	t.Helper()
	if err := start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, engine, index string) int {
	t.Helper()
	address := "http://" + engines[engine].Address + "/" + index
	post(t, address+"/_refresh", "")
	var c struct {
		Count int `json:"count"`
	}
	if err := json.Unmarshal(post(t, address+"/_count", ""), &c); err != nil {
		t.Fatal(err)
	}
	return c.Count
}

// dump reads every document of an index: id → evidence digest of each copy, or
// the status of a finding.
func dump(t *testing.T, engine, index string) map[string][]string {
	t.Helper()
	base := "http://" + engines[engine].Address
	post(t, base+"/"+index+"/_refresh", "")
	type page struct {
		Scroll string `json:"_scroll_id"`
		Hits   struct {
			Hits []struct {
				ID     string `json:"_id"`
				Source struct {
					Trail struct {
						Digest  string `json:"evidence_digest"`
						Finding struct {
							Status string `json:"status"`
						} `json:"finding"`
					} `json:"changetrail"`
				} `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	out := make(map[string][]string)
	body := post(t, base+"/"+index+"/_search?scroll=1m&size=5000&_source=changetrail.evidence_digest,changetrail.finding.status", "")
	for {
		var p page
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatalf("%s: %v: %s", engine, err, body)
		}
		if len(p.Hits.Hits) == 0 {
			clear, _ := http.NewRequest(http.MethodDelete, base+"/_search/scroll/"+p.Scroll, nil)
			if res, err := http.DefaultClient.Do(clear); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			return out
		}
		for _, h := range p.Hits.Hits {
			out[h.ID] = append(out[h.ID], h.Source.Trail.Digest+h.Source.Trail.Finding.Status)
		}
		body = post(t, base+"/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, p.Scroll))
	}
}
