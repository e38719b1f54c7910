package producer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/changetrail/changetrail/record"
)

// TestABatchThatTheBrokerFindsTooLargeIsSentInParts: a broker whose limit is below the usual one
// says of all events of a batch that they are too large, though each fits by itself.
func TestABatchThatTheBrokerFindsTooLargeIsSentInParts(t *testing.T) {
	limit := "100000"
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, DefaultTopic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": limit}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	transport := Kafka(KafkaConfig{Brokers: cluster.ListenAddrs()})
	defer transport.Close()
	events := make([]event.Event, 20)
	for i := range events {
		size := 20_000
		if i == 7 {
			size = 200_000
		}
		events[i] = Event("acme/payments#1", &record.Action{Agent: agent, Tool: "edit", Result: record.RawJSON(`"` + random(size) + `"`)})
		events[i].SetID(fmt.Sprint(i))
		events[i].SetSource("/agents/a")
	}
	for i, err := range transport.Send(t.Context(), events) {
		if tooLarge := i == 7; errors.Is(err, ErrPermanent) != tooLarge || !tooLarge && err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
}

// random returns a text that does not compress well.
func random(n int) string {
	rnd := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n*3/4)
	_, _ = rnd.Read(b) // it never fails
	return base64.StdEncoding.EncodeToString(b)
}
