package kafkago

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// a decision, with the id of its event and a rationale.
func decision(id, rationale string) event.Event {
	e := producer.Decide("acme/payments#1", record.Agent{ID: "agent-bot-3000"}).Chose("a", "update", "fixes it").Because(rationale).Event()
	e.SetID(id)
	e.SetSource("/agents/agent-bot-3000")
	return e
}

// TestEachEventHasItsOwnError: of several events, those that the broker accepts are written, and a
// producer learns which of the others it must never send again and which it must.
func TestEachEventHasItsOwnError(t *testing.T) {
	cluster := kafkatest.Cluster(t, 1, producer.DefaultTopic)
	w := writer(cluster)
	defer w.Close()
	transport, err := Transport(w, producer.Structured)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	errs := transport.Send(t.Context(), []event.Event{decision("1", "good"), decision("2", strings.Repeat("x", 2<<20)), decision("3", "good")})
	if !errors.Is(errs[1], producer.ErrPermanent) {
		t.Errorf("an event that is too large: %v", errs[1])
	}
	if err := errors.Join(errs[0], errs[2]); err != nil {
		t.Errorf("good events are refused because another one is too large: %v", err)
	}
	if errs := transport.Send(t.Context(), []event.Event{decision("4", "good"), decision("5", "good")}); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	read := kafka.NewReader(kafka.ReaderConfig{Brokers: cluster.ListenAddrs(), Topic: producer.DefaultTopic})
	defer read.Close()
	written := ""
	for !strings.Contains(written, `"id":"5"`) {
		m, err := read.ReadMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Key) != "github.com/acme/payments" {
			t.Errorf("the key is %q", m.Key)
		}
		written += string(m.Value)
	}
	for _, id := range []string{`"id":"1"`, `"id":"3"`, `"id":"4"`} {
		if strings.Count(written, id) != 1 {
			t.Errorf("the event with %s is in the topic %d times", id, strings.Count(written, id))
		}
	}

	cluster.Close()
	for _, err := range transport.Send(t.Context(), []event.Event{decision("6", "good")}) {
		if err == nil || errors.Is(err, producer.ErrPermanent) {
			t.Errorf("without a broker: %v", err)
		}
	}
}

// TestABatchThatTheBrokerFindsTooLargeIsSentInParts: the broker says of all events of a batch that
// they are too large, though each fits by itself.
func TestABatchThatTheBrokerFindsTooLargeIsSentInParts(t *testing.T) {
	w := writer(kafkatest.Cluster(t, 1, producer.DefaultTopic))
	w.BatchBytes = 16 << 20
	defer w.Close()
	transport, err := Transport(w, producer.Binary)
	if err != nil {
		t.Fatal(err)
	}
	half := strings.Repeat("x", 600<<10)
	errs := transport.Send(t.Context(), []event.Event{decision("1", half), decision("2", half), decision("3", half+half+half), decision("4", half)})
	for i, err := range errs {
		if tooLarge := i == 2; errors.Is(err, producer.ErrPermanent) != tooLarge || !tooLarge && err != nil {
			t.Errorf("event %d: %v", i+1, err)
		}
	}
}

func writer(cluster *kfake.Cluster) *kafka.Writer {
	return &kafka.Writer{Addr: kafka.TCP(cluster.ListenAddrs()...), RequiredAcks: kafka.RequireAll, Balancer: kafka.Murmur2Balancer{Consistent: true}, BatchTimeout: time.Millisecond, MaxAttempts: 1}
}

// TestAWriterThatMayLoseEventsIsRefused by Transport.
func TestAWriterThatMayLoseEventsIsRefused(t *testing.T) {
	for name, w := range map[string]*kafka.Writer{"one replica": {RequiredAcks: kafka.RequireOne}, "no answer": {RequiredAcks: kafka.RequireNone}, "asynchronous": {RequiredAcks: kafka.RequireAll, Async: true}} {
		if _, err := Transport(w, producer.Binary); err == nil {
			t.Errorf("%s: it is accepted", name)
		}
	}
}
