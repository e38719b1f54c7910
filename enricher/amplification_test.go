package enricher

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

const (
	// maxAmplification is how many bytes of state an event may write per byte that it has in
	// Kafka.
	maxAmplification = 3.0
	// maxBeside is how many bytes an entry may have in addition to those of an event.
	maxBeside = 1 << 10
)

// TestWriteAmplification measures how much state the shapes of load write, with one event and
// with 500 events per transaction. With the build tag bench each shape has its full size.
func TestWriteAmplification(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "| %-52s | %6s | %6s | %6s | %6s | %7s | %7s | %7s | %7s |\n|---|---|---|---|---|---|---|---|---|\n", "shape of load", "events", "KB", "one", "500", "fact: 1", "500", "entries", "largest")
	for _, s := range shapes {
		n := s.quick
		if wholeShapes {
			n = s.whole
		}
		events := newLoad(t).make(s, n)
		one, many := amplify(t, events, 1), amplify(t, events, 500)
		fmt.Fprintf(&table, "| %-52s | %6d | %6d | %6.2f | %6.2f | %7.2f | %7.2f | %7.2f | %7d |\n", fmt.Sprintf(s.name, n), one.events, one.in>>10,
			one.perByte(), many.perByte(), one.perFact(), many.perFact(), float64(one.entries)/float64(one.events), max(one.largest, many.largest))
		if worst := max(one.perByte(), many.perByte()); worst > maxAmplification {
			t.Errorf(s.name+": %.2f bytes of state per byte of event, want at most %.1f", n, worst, maxAmplification)
		}
		if largest := max(one.largest, many.largest); largest > one.biggest+maxBeside {
			t.Errorf(s.name+": an entry has %d bytes, the largest event %d", n, largest, one.biggest)
		}
	}
	t.Logf("bytes of state for a byte of event (key, value and headers), with one event and 500 in a transaction; the same for a byte of its fact, with what was read of its report; entries for an event, where each has a transaction; the largest entry in bytes\n\n%s", &table)
}

// An amplification measures what events wrote.
type amplification struct {
	events, in, facts       int // as clients sent them
	biggest                 int // of the events
	entries, state, largest int
}

func (a amplification) perByte() float64 { return float64(a.state) / float64(a.in) }
func (a amplification) perFact() float64 { return float64(a.state) / float64(a.facts) }

// amplify runs an enricher over events, batch of them per transaction, and over what it sends to
// itself.
func amplify(t *testing.T, events []*stream.Record, batch int) (a amplification) {
	t.Helper()
	last := events[len(events)-1].Timestamp
	e := loadedEnricher(t, last)
	for _, r := range events {
		fact, err := Decode(r)
		if err != nil {
			t.Fatalf("an event of %d bytes: %v", sizeOf(r), err)
		}
		a.events, a.in, a.facts = a.events+1, a.in+sizeOf(r), a.facts+factSize(t, fact)
		a.biggest = max(a.biggest, sizeOf(r))
	}
	for queue := events; len(queue) > 0; {
		n := min(batch, len(queue))
		out, err := e.Apply(t.Context(), queue[:n])
		if err != nil {
			t.Fatal(err)
		}
		queue = queue[n:]
		for _, r := range out {
			switch r.Topic {
			case e.conf.Topics.State():
				size := len(r.Key) + len(r.Value)
				a.entries, a.state, a.largest = a.entries+1, a.state+size, max(a.largest, size)
			case e.conf.Topics.Events():
				r.Timestamp = last
				queue = append(queue[:len(queue):len(queue)], r)
			case e.conf.Topics.DLQ():
				t.Fatalf("dead letter: %s", stream.Header(r, stream.HeaderDetail))
			}
		}
		if err := e.Committed(nil); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// factSize returns the size of a fact with what was read from its report.
func factSize(t *testing.T, e record.Event) int {
	t.Helper()
	var read any
	switch f := e.Fact.(type) {
	case *record.Scan:
		read = f.Findings
	case *record.Validation:
		read = f.Failing
	}
	text, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	return len(e.Stored) + len(text)
}

// sizeOf returns the size of a message in Kafka, without what Kafka adds.
func sizeOf(r *stream.Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

func loadedEnricher(t *testing.T, now time.Time) *Enricher {
	t.Helper()
	e, err := newEnricher(Config{
		Topics: stream.Topics{Prefix: "b"}, Namespace: "default", Policy: new(policy.Policy), Controls: new(controls.Matrix), Log: slog.New(slog.DiscardHandler),
	}, openTestStore(t), loadPartitions)
	if err != nil {
		t.Fatal(err)
	}
	e.now = func() time.Time { return now }
	return e
}

// A shape is a kind of load.
type shape struct {
	name         string // with the number of its main part
	quick, whole int
	fill         func(l *load, n int)
}

// Every shape is about one repository, unless its name says otherwise.
const (
	loadPartitions = 4
	loadRepo       = "github.com/acme/payments"
	loadChange     = record.ChangeID(loadRepo + "/pull/4829")
)
