//go:build servers

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/segmentio/kafka-go"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/producer/kafkago"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/stream"
)

const kills = 40

// TestKillingItLosesNothingThatWasAccepted kills the embedded mode forty times
// while a client publishes, and compares what is in the index with a run that
// nobody disturbed.
func TestKillingItLosesNothingThatWasAccepted(t *testing.T) {
	seed, end := uint64(40), time.Now()
	company := demo.New(seed, end)
	company.Changes = 1200
	files, err := os.MkdirTemp("", "changetrail-kill-") //nolint:usetesting // it stays where the test fails
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("the folders of both runs are kept in %s", files)
			return
		}
		_ = os.RemoveAll(files)
	}()
	write := func(name string, content []byte) string {
		file := filepath.Join(files, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	args := []string{"up", "--policy", write("policy.yaml", demo.Policy(end)), "--controls", write("controls.yaml", demo.Controls()), "--data"}

	// Signed as by a gateway that takes in history: their arrival is the same in both runs.
	const key = "a signing key of the tests"
	t.Setenv("CHANGETRAIL_SIGNING_KEY", key)
	var all []event.Event
	distinct := make(map[string]bool) // one that says something else under an identity is refused
	if err := company.Each(func(_ int, e []event.Event) error {
		for i := range e {
			sender := demo.Sender(e[i])
			gateway.Sign(&e[i], signing.Of([]byte(key)), sender, end)
			distinct[sender.Name+" "+e[i].Source()+" "+e[i].ID()] = true
		}
		all = append(all, e...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	calm := filepath.Join(files, "calm")
	p, err := start(append(args, calm)...)
	if err != nil {
		t.Fatal(err)
	}
	address := p.broker
	publish(t, &address, all, nil)
	settle(t, calm)
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("a signal ends it with %v", err)
	}

	// The same events again, while it is killed: by the address of whichever
	// process runs.
	killed := filepath.Join(files, "killed")
	port, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	var slowest time.Duration
	done := make(chan struct{})
	again := func() *process {
		p, err := start(append(args, killed, "--broker", port)...)
		if err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, p.ready)
		return p
	}
	p = again()
	go func() {
		defer close(done)
		publish(t, &port, all, &sent)
	}()
	r := rand.New(rand.NewPCG(seed, 9))
	for i := range kills {
		// Not before something was accepted since the last time, so that each kill
		// meets work.
		before := sent.Load()
		for limit := time.Now().Add(20 * time.Second); sent.Load() < before+int64(len(all)/kills/2) && time.Now().Before(limit) && sent.Load() < int64(len(all)); {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
		if err := p.stop(syscall.SIGKILL); err == nil {
			t.Errorf("kill %d ended it well", i)
		}
		p = again()
	}
	<-done
	settle(t, killed)
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}

	want, wantEvents := contents(t, calm)
	got, gotEvents := contents(t, killed)
	missing, unlike := 0, 0
	for id, w := range want {
		switch g, ok := got[id]; {
		case !ok:
			missing++
		case g.digest != w.digest:
			unlike++
			t.Logf("undisturbed: %s\nkilled:      %s", w.doc, g.doc)
		}
	}
	t.Logf("%d kills; %d different events and %d records accepted, %d and %d found; %d records missing, %d unlike; at most %s from a start after a kill to the first page", kills, len(distinct), len(want), gotEvents, len(got), missing, unlike, slowest.Round(10*time.Millisecond))
	if missing+unlike > 0 || len(got) != len(want) || wantEvents != len(distinct) || gotEvents != len(distinct) {
		t.Errorf("want %d events and %d records in both", len(distinct), len(want))
	}
}

// publish sends events with kafka-go, as a client that knows nothing of the
// embedded mode: in small batches, each again until it is accepted.
func publish(t *testing.T, address *string, events []event.Event, sent *atomic.Int64) {
	w := &kafka.Writer{Addr: kafka.TCP(*address), Topic: producer.DefaultTopic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, MaxAttempts: 1, WriteTimeout: 2 * time.Second, ReadTimeout: 2 * time.Second, Balancer: kafka.Murmur2Balancer{}}
	defer w.Close()
	transport, err := kafkago.Transport(w, producer.Binary)
	if err != nil {
		t.Error(err)
		return
	}
	for len(events) > 0 {
		n := min(50, len(events))
		left := events[:n:n]
		for limit := time.Now().Add(time.Minute); len(left) > 0; {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			errs := transport.Send(ctx, left)
			cancel()
			var again []event.Event
			for i, err := range errs {
				if err != nil {
					again = append(again, left[i])
				}
			}
			if left = again; len(left) > 0 {
				if time.Now().After(limit) {
					t.Errorf("%d events are not accepted after a minute: %v", len(left), errs)
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		events = events[n:]
		if sent != nil {
			sent.Add(int64(n))
		}
	}
}

// settle waits until the index has all that the broker of a folder took.
func settle(t *testing.T, dir string) {
	t.Helper()
	topics := stream.Topics{Prefix: "changetrail"}
	admin, err := stream.NewAdmin(standalone.Broker(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var state string
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		behind, busy := int64(0), 0
		for _, group := range []string{enricher.Group(topics), sinks.Group(topics, local.Name)} {
			lag, members, err := admin.Group(t.Context(), group)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range lag {
				behind += n
			}
			busy += members
		}
		if state = fmt.Sprintf("%d messages behind, %d members", behind, busy); behind == 0 && busy >= 2 {
			return
		}
	}
	t.Fatalf("it does not settle: %s", state)
}

type found struct {
	digest string
	doc    []byte
}

// contents returns each record in a folder, and how many events are there.
func contents(t *testing.T, dir string) (records map[string]found, events int) {
	t.Helper()
	x, err := local.Open(t.Context(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	records = make(map[string]found)
	if err := x.All(t.Context(), query.All{}, func(h query.Hit) error {
		var r struct {
			Trail struct {
				Digest string `json:"evidence_digest"`
			} `json:"changetrail"`
		}
		err := json.Unmarshal(h.Doc, &r)
		records[h.ID] = found{r.Trail.Digest, bytes.Clone(h.Doc)}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := x.Each(t.Context(), func(d sinks.Document) error {
		if d.Version == 0 && !strings.HasPrefix(d.Index, schemas.HealthAlias) { // what the pipeline says about itself is no event
			events++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return records, events
}
