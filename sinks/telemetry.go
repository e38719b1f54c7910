package sinks

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const scope = "github.com/changetrail/changetrail/sinks"

type metrics struct {
	documents, retries, letters metric.Int64Counter
	duration, latency           metric.Float64Histogram
	stage                       attribute.KeyValue
	outcomes                    [2]metric.MeasurementOption // of Done and Stale
	stageOption                 metric.MeasurementOption

	mu  sync.Mutex
	lag map[[2]string]int64
}

func newMetrics(p metric.MeterProvider, engine string, waiting *waits) (*metrics, error) {
	if p == nil {
		p = metricnoop.NewMeterProvider()
	}
	meter := p.Meter(scope)
	m := &metrics{stage: attribute.String("stage", engine), lag: make(map[[2]string]int64)}
	m.stageOption = metric.WithAttributeSet(attribute.NewSet(m.stage))
	for _, k := range []Kind{Done, Stale} {
		m.outcomes[k] = metric.WithAttributeSet(attribute.NewSet(m.stage, attribute.String("outcome", k.String())))
	}
	var errs [7]error
	m.documents, errs[0] = meter.Int64Counter("changetrail.sink.documents", metric.WithDescription("Documents acknowledged by the engine, by outcome."))
	m.retries, errs[1] = meter.Int64Counter("changetrail.sink.retries", metric.WithDescription("Documents put again, by what failed."))
	m.letters, errs[2] = meter.Int64Counter("changetrail.dead_letters", metric.WithDescription("Messages sent to the dead letters, by stage and reason."))
	m.duration, errs[3] = meter.Float64Histogram("changetrail.sink.request.duration", metric.WithUnit("s"), metric.WithDescription("Time of a bulk request."))
	m.latency, errs[4] = meter.Float64Histogram("changetrail.latency", metric.WithUnit("s"),
		metric.WithDescription("From the time that an event states to its acknowledgement by the engine."),
		metric.WithExplicitBucketBoundaries(.01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 300, 3600))
	_, errs[5] = meter.Int64ObservableGauge("changetrail.lag", metric.WithDescription("Messages of a partition still to be read, by stage."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			for k, n := range m.lag {
				o.Observe(n, metric.WithAttributes(m.stage, attribute.String("topic", k[0]), attribute.String("partition", k[1])))
			}
			return nil
		}))
	_, errs[6] = meter.Int64ObservableGauge("changetrail.sink.blocked", metric.WithDescription("Documents that the engine does not accept until somebody acts, by cause."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for cause, n := range waiting.documents() {
				o.Observe(n, metric.WithAttributes(m.stage, attribute.String("cause", cause)))
			}
			return nil
		}))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) read(b stream.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, ps := range b.Lag {
		for p, n := range ps {
			m.lag[[2]string{topic, strconv.Itoa(int(p))}] = n
		}
	}
}

func (m *metrics) request(took time.Duration, err error) {
	outcome := "taken"
	if err != nil {
		outcome = "failed"
	}
	m.duration.Record(context.Background(), took.Seconds(), metric.WithAttributes(m.stage, attribute.String("outcome", outcome)))
}

func (m *metrics) retry(what string, n int) {
	m.retries.Add(context.Background(), int64(n), metric.WithAttributes(m.stage, attribute.String("failed", what)))
}

func (m *metrics) deadLettered() {
	m.letters.Add(context.Background(), 1, metric.WithAttributes(m.stage, attribute.String("reason", string(schemas.Rejected))))
}

func (m *metrics) stored(it item, k Kind, now time.Time) {
	ctx := context.Background()
	m.documents.Add(ctx, 1, m.outcomes[k])
	if k != Done {
		return
	}
	if at, err := strconv.ParseInt(string(stream.Header(it.record, stream.HeaderTime)), 10, 64); err == nil {
		m.latency.Record(ctx, now.Sub(time.Unix(0, at)).Seconds(), m.stageOption)
	}
}

// A tracer makes a span for each document that has a trace context.
type tracer struct {
	tracer trace.Tracer
	engine string
}

func newTracer(p trace.TracerProvider, engine string) *tracer {
	if p == nil {
		return &tracer{}
	}
	if _, off := p.(noop.TracerProvider); off {
		return &tracer{}
	}
	return &tracer{p.Tracer(scope), engine}
}

type spans map[int]trace.Span

// start opens the spans of one request.
func (t *tracer) start(items []item) spans {
	if t.tracer == nil {
		return nil
	}
	open := make(spans)
	for i, it := range items {
		parent := stream.Header(it.record, stream.HeaderTrace)
		if parent == nil {
			continue
		}
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": string(parent)})
		if !trace.SpanContextFromContext(ctx).IsSampled() {
			continue
		}
		_, open[i] = t.tracer.Start(ctx, "changetrail.index", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("db.system.name", t.engine),
			attribute.String("db.operation.name", "bulk"),
			attribute.String("db.collection.name", it.doc.Index),
			attribute.String("changetrail.document.id", it.doc.ID),
		))
	}
	return open
}

func (s spans) end(outcomes []Outcome, err error) {
	for i, span := range s {
		switch {
		case err != nil:
			span.SetStatus(codes.Error, err.Error())
		case outcomes[i].Kind != Done && outcomes[i].Kind != Stale:
			span.SetStatus(codes.Error, outcomes[i].Reason)
		}
		span.End()
	}
}
