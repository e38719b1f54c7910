package bulk_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// TestASinkBehindASlowEngine: requests are halved until the engine takes them,
// answers get lost on the way, and a document that alone is too large is a dead letter. All
// others are stored once.
func TestASinkBehindASlowEngine(t *testing.T) {
	const n, large = 60, 17
	topics := stream.Topics{Prefix: "t"}
	conf, w := kafkatest.Pipeline(t, 1, topics)
	e := newEngine(t, schemas.OpenSearch, nil)
	e.largest = 2_000
	var recs []*stream.Record
	for i := range n {
		body := fmt.Sprintf(`{"message":"%d%s"}`, i, strings.Repeat("x", 300))
		if i == large {
			body = fmt.Sprintf(`{"message":%q}`, strings.Repeat("x", e.largest))
		}
		recs = append(recs, &stream.Record{Topic: topics.Enriched(), Value: []byte(body), Headers: []kgo.RecordHeader{
			{Key: stream.HeaderIndex, Value: []byte("events")}, {Key: stream.HeaderID, Value: []byte(strconv.Itoa(i))},
		}})
	}
	if err := w.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	turn := 0
	e.spoil = func(w http.ResponseWriter, r *http.Request, do func()) { // of requests that are small enough, a third gets no answer
		turn++
		before := e.bulks
		do()
		switch {
		case r.URL.Path != "/_bulk" || before == e.bulks:
			_, _ = fmt.Fprint(w, `{"version":{"number":"3.1.0"}}`)
		case r.ContentLength > int64(e.largest):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case turn%3 == 0:
			panic(http.ErrAbortHandler)
		default:
			_, _ = fmt.Fprint(w, `{"errors":false}`)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- sinks.Run(ctx, sinks.Config{Kafka: conf, Topics: topics, Namespace: "x", Engine: e, Log: slog.New(slog.DiscardHandler)})
	}()
	stored := func() int { e.mu.Lock(); defer e.mu.Unlock(); return len(e.indexes["events"]) }
	for began := time.Now(); stored() < n-1 || buried(t, conf, topics) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d of %d documents are stored", stored(), n-1)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	letters := buried(t, conf, topics)
	if len(letters) != 1 || string(stream.Header(letters[0], stream.HeaderID)) != strconv.Itoa(large) || !strings.Contains(string(stream.Header(letters[0], stream.HeaderDetail)), "larger than the engine") {
		t.Errorf("dead letters: %v, want the document that is too large", letters)
	}
}

func buried(t *testing.T, conf stream.Config, topics stream.Topics) (out []*stream.Record) {
	t.Helper()
	if _, err := conf.Partition(topics.DLQ(), 0).Scan(t.Context(), -1, func(recs []*stream.Record) error {
		out = append(out, recs...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}
