//go:build bench

package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestLatencyAt1000EventsASecond publishes at a steady rate and watches, for
// one event in two hundred, when it can be read by id and when a search finds it.
func TestLatencyAt1000EventsASecond(t *testing.T) {
	const rate, seconds = 1000, 30
	engine, err := servers.OpenSearch(filepath.Join(t.TempDir(), "opensearch"))
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer engine.Kill()
	url := "http://" + engine.Address
	common := []string{"--brokers", broker.Address, "--prefix", "latency", "--log-level", "error"}
	start := func(args ...string) {
		cmd := exec.Command(binary, append(args, common...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	}
	if out, err := exec.Command(binary, append([]string{"setup", "--url", url, "--partitions", fmt.Sprint(partitions)}, common...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	start(append([]string{"enrich", "--state-dir", filepath.Join(t.TempDir(), "state")}, policy...)...)
	start("sink", "--url", url)
	p, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: []string{broker.Address}, Topic: "latency.events"}), producer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := workload.New(3, 100, time.Now())
	var queue []event.Event
	next := func() event.Event {
		if len(queue) == 0 {
			queue = g.Change()
		}
		e := queue[0]
		queue = queue[1:]
		e.SetTime(time.Now())
		return e
	}
	publish := func(n int) []event.Event {
		batch := make([]event.Event, n)
		for i := range batch {
			batch[i] = next()
		}
		if err := p.Publish(context.Background(), batch...); err != nil {
			t.Error(err)
		}
		return batch
	}
	for range 100 { // until the virtual machines of the servers have compiled what they run
		publish(300)
		time.Sleep(250 * time.Millisecond)
	}
	last := publish(1)[0]
	await(time.Now(), url+"/"+schemas.EventIndex("default")+"/_search?filter_path=hits.hits._id",
		`{"query":{"ids":{"values":["`+schemas.DocumentID(record.Event{Source: last.Source(), ID: last.ID()})+`"]}}}`, `"_id"`, time.Second)
	time.Sleep(5 * time.Second)

	var mu sync.Mutex
	var byID, bySearch []time.Duration
	var wg sync.WaitGroup
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for i := range rate * seconds / 20 {
		<-tick.C
		at := time.Now()
		batch := publish(rate / 50)
		if time.Since(began) < 5*time.Second {
			continue
		}
		e := batch[len(batch)-1]
		id := schemas.DocumentID(record.Event{Source: e.Source(), ID: e.ID()})
		if i%10 != 0 { // asking is load too
			continue
		}
		wg.Go(func() {
			got := await(at, url+"/"+schemas.EventIndex("default")+"/_search?filter_path=hits.hits._id", `{"query":{"ids":{"values":["`+id+`"]}}}`, id, 100*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			bySearch = append(bySearch, got)
		})
		wg.Go(func() {
			got := await(at, url+"/"+schemas.EventIndex("default")+"/_mget?filter_path=docs.found", `{"docs":[{"_index":"`+backing(url)+`","_id":"`+id+`"}]}`, `"found":true`, 40*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			byID = append(byID, got)
		})
	}
	took := time.Since(began)
	wg.Wait()
	fmt.Printf("\nlatency at %.0f events/s for %d s, OpenSearch with a refresh of 1 s, all on this machine\n  publish → GET by id     %s  (goal: p99 under 500 ms)\n  publish → searchable    %s  (goal: p99 under 2 s)\n",
		rate*seconds/took.Seconds(), seconds, quantiles(byID), quantiles(bySearch))
	_ = p.Close(context.Background())
}

// backings are the names of the backing indexes that were asked for, by URL.
var backings sync.Map

// backing returns the backing index of the data stream.
func backing(url string) string {
	if v, ok := backings.Load(url); ok {
		return v.(string)
	}
	res, err := http.Get(url + "/_cat/indices/.ds-logs-changetrail*?h=index")
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	name := string(bytes.TrimSpace(b))
	backings.Store(url, name)
	return name
}

// await asks until the answer holds want.
func await(at time.Time, url, body, want string, every time.Duration) time.Duration {
	for {
		res, err := http.Post(url, "application/json", bytes.NewReader([]byte(body)))
		if err == nil {
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if bytes.Contains(b, []byte(want)) {
				return time.Since(at)
			}
		}
		if time.Since(at) > time.Minute {
			return time.Since(at)
		}
		time.Sleep(every)
	}
}

func quantiles(ds []time.Duration) string {
	if len(ds) == 0 {
		return "nothing was measured"
	}
	slices.Sort(ds)
	q := func(f float64) time.Duration { return ds[int(f*float64(len(ds)-1))].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %s  p95 %s  p99 %s  (%d samples)", q(.5), q(.95), q(.99), len(ds))
}
