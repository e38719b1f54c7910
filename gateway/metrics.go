package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

type metrics struct {
	requests         metric.Float64Histogram
	events, refused  metric.Int64Counter
	noted            metric.Int64Counter
	spooled, secrets metric.Int64Counter

	sets sync.Map // of labels, each made once: [4]string → metric.MeasurementOption
}

// labels returns the labels of a measurement: name and value, name and value.
func (m *metrics) labels(pairs ...string) metric.MeasurementOption {
	var key [4]string
	copy(key[:], pairs)
	if known, ok := m.sets.Load(key); ok {
		return known.(metric.MeasurementOption)
	}
	var list []attribute.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, attribute.String(pairs[i], pairs[i+1])) // #nosec G602 -- they come in pairs
	}
	option := metric.WithAttributeSet(attribute.NewSet(list...))
	m.sets.Store(key, option)
	return option
}

func newMetrics(p metric.MeterProvider) (*metrics, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	meter := p.Meter("github.com/changetrail/changetrail/gateway")
	m := new(metrics)
	var errs [6]error
	m.requests, errs[0] = meter.Float64Histogram("changetrail.gateway.request.duration", metric.WithUnit("s"), metric.WithDescription("Time of a request, by route and status."))
	m.events, errs[1] = meter.Int64Counter("changetrail.gateway.events", metric.WithDescription("Events taken, by kind of sender."))
	m.refused, errs[2] = meter.Int64Counter("changetrail.gateway.refused", metric.WithDescription("Events refused, by reason."))
	m.spooled, errs[3] = meter.Int64Counter("changetrail.gateway.spooled", metric.WithDescription("Events put on disk, since the broker was away."))
	m.secrets, errs[4] = meter.Int64Counter("changetrail.gateway.secrets", metric.WithDescription("Events in which secrets were replaced, by rule."))
	m.noted, errs[5] = meter.Int64Counter("changetrail.gateway.noted", metric.WithDescription("Webhooks taken that tell a record nothing, by platform and reason."))
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) request(r *http.Request, status int, took time.Duration) {
	m.requests.Record(r.Context(), took.Seconds(), m.labels("route", r.Pattern, "status", strconv.Itoa(status/100)+"xx"))
}

func (m *metrics) accepted(events []event.Event, spooled int) {
	ctx := context.Background()
	for _, e := range events {
		extensions := e.Extensions() // a copy, each time
		kind, _ := extensions["authtype"].(string)
		m.events.Add(ctx, 1, m.labels("sender", kind))
		if rules, ok := extensions["redacted"].(string); ok {
			for rule := range strings.SplitSeq(rules, ",") {
				m.secrets.Add(ctx, 1, m.labels("rule", rule))
			}
		}
	}
	if spooled > 0 {
		m.spooled.Add(ctx, int64(spooled))
	}
}

// note counts a webhook that adds nothing to a record.
func (m *metrics) note(platform, reason string) {
	m.noted.Add(context.Background(), 1, m.labels("platform", platform, "reason", reason))
}

func (m *metrics) refuse(reason string) {
	m.refused.Add(context.Background(), 1, m.labels("reason", reason))
}
