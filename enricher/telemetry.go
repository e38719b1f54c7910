package enricher

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const scope = "github.com/changetrail/changetrail/enricher"

// The outcomes of events in the metric.
const (
	enriched = "enriched"
	repeated = "repeated"
	rerouted = "rerouted"
	waiting  = "waiting" // for a repository that names its run
)

// metrics counts what a transaction did when it is committed, so that work that is repeated after
// an abort is counted once.
type metrics struct {
	events, refused, transactions metric.Int64Counter
	duration                      metric.Float64Histogram

	mu      sync.Mutex
	lag     map[int32]int64
	pending map[[2]string]int64
	letters map[schemas.Reason]int64
}

func newMetrics(p metric.MeterProvider) (*metrics, error) {
	if p == nil {
		p = metricnoop.NewMeterProvider()
	}
	meter := p.Meter(scope)
	m := &metrics{lag: make(map[int32]int64), pending: make(map[[2]string]int64), letters: make(map[schemas.Reason]int64)}
	var errs [5]error
	m.events, errs[0] = meter.Int64Counter("changetrail.enricher.events", metric.WithDescription("Events read, by type and outcome."))
	m.refused, errs[1] = meter.Int64Counter("changetrail.dead_letters", metric.WithDescription("Messages sent to the dead letters, by stage and reason."))
	m.transactions, errs[2] = meter.Int64Counter("changetrail.enricher.transactions", metric.WithDescription("Transactions, by outcome."))
	m.duration, errs[3] = meter.Float64Histogram("changetrail.enricher.transaction.duration", metric.WithUnit("s"), metric.WithDescription("Time of a transaction, from the batch read to its end."))
	_, errs[4] = meter.Int64ObservableGauge("changetrail.lag", metric.WithDescription("Messages of a partition still to be read, by stage."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			for p, n := range m.lag {
				o.Observe(n, metric.WithAttributes(attribute.String("stage", "enricher"), attribute.String("partition", strconv.Itoa(int(p)))))
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

func (m *metrics) count(outcome, eventType string) { m.pending[[2]string{outcome, eventType}]++ }

func (m *metrics) refuse(reason schemas.Reason) { m.letters[reason]++ }

func (m *metrics) aborted() {
	clear(m.pending)
	clear(m.letters)
}

func (m *metrics) committed() {
	ctx := context.Background()
	for k, n := range m.pending {
		m.events.Add(ctx, n, metric.WithAttributes(attribute.String("outcome", k[0]), attribute.String("type", k[1])))
	}
	for reason, n := range m.letters {
		m.refused.Add(ctx, n, metric.WithAttributes(attribute.String("stage", "enricher"), attribute.String("reason", string(reason))))
	}
	m.aborted()
}

func (m *metrics) transaction(t stream.Transaction) {
	ctx := context.Background()
	outcome := "aborted"
	switch {
	case t.Committed:
		outcome = "committed"
	case t.Failed:
		outcome = "failed"
	}
	m.transactions.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
	m.duration.Record(ctx, t.Took.Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, n := range t.Lag {
		m.lag[p] = n
	}
}

// A tracer makes a span for each event whose sender is traced. Other events cost nothing, and
// their trace context is passed on.
type tracer struct {
	tracer trace.Tracer
	on     bool
	open   []trace.Span
}

func newTracer(p trace.TracerProvider) *tracer {
	if p == nil {
		return &tracer{}
	}
	_, off := p.(noop.TracerProvider)
	return &tracer{tracer: p.Tracer(scope), on: !off}
}

func (t *tracer) start(d *decodedEvent) trace.Span {
	if !t.on {
		return nil
	}
	parent := remoteParent(d.trace(), d.env.TraceState)
	if !parent.IsSampled() {
		return nil
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	_, span := t.tracer.Start(ctx, "changetrail.enrich", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", d.record.Topic),
		attribute.Int64("messaging.kafka.offset", d.record.Offset),
		attribute.String("cloudevents.event_id", d.event.ID),
		attribute.String("cloudevents.event_source", d.event.Source),
		attribute.String("cloudevents.event_type", d.event.Type),
		attribute.String("changetrail.change.id", string(d.event.Change)),
	))
	t.open = append(t.open, span)
	return span
}

func (t *tracer) end(committed bool) {
	for _, span := range t.open {
		if !committed {
			span.SetStatus(codes.Error, "transaction aborted; the event is read again")
		}
		span.End()
	}
	t.open = t.open[:0]
}

// remoteParent reads a W3C traceparent. An invalid one gives no parent.
func remoteParent(traceparent []byte, tracestate string) trace.SpanContext {
	if len(traceparent) != 55 {
		return trace.SpanContext{}
	}
	s := string(traceparent)
	traceID, err1 := trace.TraceIDFromHex(s[3:35])
	spanID, err2 := trace.SpanIDFromHex(s[36:52])
	flags, err3 := strconv.ParseUint(s[53:], 16, 8)
	if err1 != nil || err2 != nil || err3 != nil {
		return trace.SpanContext{}
	}
	state, _ := trace.ParseTraceState(tracestate)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.TraceFlags(flags), TraceState: state, Remote: true,
	})
}

func traceparent(sc trace.SpanContext) []byte {
	return fmt.Appendf(nil, "00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags())
}
