//go:build servers

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// A countingEngine counts what the engine below it answers.
type countingEngine struct {
	sinks.Engine
	again, large atomic.Int64
}

func (c *countingEngine) Put(ctx context.Context, docs []sinks.Document) ([]sinks.Outcome, error) {
	out, err := c.Engine.Put(ctx, docs)
	if errors.Is(err, sinks.ErrTooLarge) {
		c.large.Add(1)
	} else if err != nil {
		c.again.Add(int64(len(docs)))
	}
	for _, o := range out {
		if o.Kind == sinks.Retry {
			c.again.Add(1)
		}
	}
	return out, err
}

// produceDocuments writes n event documents, as an enricher would.
func produceDocuments(t *testing.T, p *pipeline, n int) {
	t.Helper()
	w, err := stream.NewWriter(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	body := fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":%q}`, strings.Repeat("x", 600))
	var recs []*stream.Record
	for i := range n {
		recs = append(recs, &stream.Record{
			Topic: p.topics.Enriched(), Partition: int32(i % partitions), Value: body,
			Headers: []kgo.RecordHeader{
				{Key: stream.HeaderIndex, Value: []byte(schemas.EventIndex(p.namespace))},
				{Key: stream.HeaderID, Value: []byte(strconv.Itoa(i))},
				{Key: stream.HeaderTime, Value: []byte(strconv.FormatInt(time.Now().UnixNano(), 10))},
			},
		})
	}
	if err := w.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
}
