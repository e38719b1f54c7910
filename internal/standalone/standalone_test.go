package standalone_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/demo"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

func TestTheDemoHasEachGapInManyChanges(t *testing.T) {
	now := time.Now()
	p, err := policy.Parse(demo.Policy(now.AddDate(0, 0, -76)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := controls.Parse(demo.Controls())
	if err != nil {
		t.Fatal(err)
	}
	i, err := standalone.Start(t.Context(), standalone.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Topics: stream.Topics{Prefix: "changetrail"}, Namespace: "default", Retention: 400 * 24 * time.Hour,
		Policy: p, Controls: m, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Meter: noop.NewMeterProvider(), Tracer: tracenoop.NewTracerProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	pr, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: i.Kafka.Brokers}), producer.Options{SendTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	began := time.Now()
	var batch []event.Event
	send := func() error {
		events += len(batch)
		err := pr.Publish(t.Context(), batch...)
		batch = batch[:0]
		return err
	}
	if err := demo.New(4829, now).Each(func(e []event.Event) error {
		if batch = append(batch, e...); len(batch) < 1000 {
			return nil
		}
		return send()
	}); err != nil {
		t.Fatal(err)
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if err := pr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var missing []string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		res, err := i.Index.Search(t.Context(), query.Request{Where: query.All{}, Facets: []string{"changetrail.gaps"}, FacetSize: 60})
		if err != nil {
			t.Fatal(err)
		}
		if missing = fewer(res, 25); res.Total == demo.Changes && len(missing) == 0 {
			break
		}
	}
	for _, gap := range missing {
		t.Errorf("gap %s stands in fewer than 25 changes", gap)
	}
	t.Logf("%d events were published, and all records are there after %s", events, time.Since(began))
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

// fewer returns the gaps that stand in less than n of the records.
func fewer(res *query.Result, n int) (out []string) {
	have := map[string]int{record.GapNoPolicy: n} // a company without a policy would have that one alone
	for _, c := range res.Facets["changetrail.gaps"] {
		have[c.Value] = c.N
	}
	for _, gap := range record.Gaps() {
		if have[gap] < n {
			out = append(out, gap)
		}
	}
	return out
}
