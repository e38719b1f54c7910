package intake

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

type metrics struct {
	requests         metric.Float64Histogram
	events, refused  metric.Int64Counter
	spooled, secrets metric.Int64Counter
}

func newMetrics(p metric.MeterProvider) (*metrics, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	meter := p.Meter("github.com/changetrail/changetrail/intake")
	m := new(metrics)
	var errs [5]error
	m.requests, errs[0] = meter.Float64Histogram("changetrail.gateway.request.duration", metric.WithUnit("s"), metric.WithDescription("Time of a request, by route and status."))
	m.events, errs[1] = meter.Int64Counter("changetrail.gateway.events", metric.WithDescription("Events taken, by kind of sender."))
	m.refused, errs[2] = meter.Int64Counter("changetrail.gateway.refused", metric.WithDescription("Events refused, by reason."))
	m.spooled, errs[3] = meter.Int64Counter("changetrail.gateway.spooled", metric.WithDescription("Events put on disk, since the broker was away."))
	m.secrets, errs[4] = meter.Int64Counter("changetrail.gateway.secrets", metric.WithDescription("Events in which secrets were replaced, by rule."))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) request(r *http.Request, status int, took time.Duration) {
	m.requests.Record(r.Context(), took.Seconds(), metric.WithAttributes(attribute.String("route", r.Pattern), attribute.String("status", strconv.Itoa(status/100)+"xx")))
}

func (m *metrics) taken(events []event.Event, spooled int) {
	ctx := context.Background()
	kinds := make(map[string]int64)
	for _, e := range events {
		kind, _ := e.Extensions()["authtype"].(string)
		kinds[kind]++
		if rules, ok := e.Extensions()["redacted"].(string); ok {
			for rule := range strings.SplitSeq(rules, ",") {
				m.secrets.Add(ctx, 1, metric.WithAttributes(attribute.String("rule", rule)))
			}
		}
	}
	for kind, n := range kinds {
		m.events.Add(ctx, n, metric.WithAttributes(attribute.String("sender", kind)))
	}
	m.spooled.Add(ctx, int64(spooled))
}

func (m *metrics) refuse(reason string) {
	m.refused.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", reason)))
}
