package receivers

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/changetrail/changetrail/sinks/endpoint"
	"github.com/changetrail/changetrail/sinks/otlp"
	"github.com/changetrail/changetrail/sinks/sinktest"
)

// A collector is the OTLP receiver of OpenTelemetry's collector, which keeps what it receives.
type collector struct {
	address string
	running receiver.Logs

	mu   sync.Mutex
	logs []plog.LogRecord
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{address: freeAddress(t)}
	c.start(t, 0)
	t.Cleanup(func() { c.stop(t) })
	return c
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the receiver. It accepts requests of at most so many bytes; 0 is its default.
func (c *collector) start(t *testing.T, largest int64) {
	t.Helper()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	http := *config.Protocols.HTTP.GetOrInsertDefault()
	http.ServerConfig.NetAddr.Endpoint = c.address
	http.ServerConfig.MaxRequestBodySize = largest
	config.Protocols.HTTP = configoptional.Some(http)
	keep, err := consumer.NewLogs(func(_ context.Context, l plog.Logs) error { c.keep(l); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if c.running, err = factory.CreateLogs(context.Background(), receivertest.NewNopSettings(factory.Type()), config, keep); err != nil {
		t.Fatal(err)
	}
	if err := c.running.Start(context.Background(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
}

func (c *collector) stop(t *testing.T) {
	t.Helper()
	if err := c.running.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func (c *collector) keep(l plog.Logs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range l.ResourceLogs().All() {
		for _, scope := range of.ScopeLogs().All() {
			for _, r := range scope.LogRecords().All() {
				kept := plog.NewLogRecord()
				r.CopyTo(kept)
				c.logs = append(c.logs, kept)
			}
		}
	}
}

// delivered returns what the collector has, by what a log record says of its document.
func (c *collector) delivered(t *testing.T) (out []delivery) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.logs {
		body, err := json.Marshal(r.Body().AsRaw(), json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		index, _ := r.Attributes().Get("changetrail.document.index")
		id, _ := r.Attributes().Get("changetrail.document.id")
		d := delivery{index: index.Str(), id: id.Str(), copy: sinktest.Copy{Body: string(body)}}
		if revision, is := r.Attributes().Get("changetrail.document.revision"); is {
			d.copy.Version = revision.Int()
		}
		out = append(out, d)
	}
	return out
}

// A delivery is one document as a receiver got it.
type delivery struct {
	index, id string
	copy      sinktest.Copy
}

// copies returns those of the document with an id.
func copies(all []delivery, index, id string) (out []sinktest.Copy) {
	for _, d := range all {
		if d.index == index && d.id == id {
			out = append(out, d.copy)
		}
	}
	return out
}

func TestTheCollector(t *testing.T) {
	c := startCollector(t)
	e, err := otlp.New(otlp.Config{Config: endpoint.Config{URL: "http://" + c.address, Gzip: 6}, Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Ready(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	r := sinktest.Receiver{Engine: e, Events: "events", Record: "records", Copies: func(t *testing.T, index, id string) []sinktest.Copy {
		return copies(c.delivered(t), index, id)
	}}
	sinktest.Append(t, r)
	sinktest.Fail(t, sinktest.Faults{
		Receiver: r,
		Down: func(t *testing.T) func() {
			c.stop(t)
			return func() { c.start(t, 0) }
		},
		Small: func(t *testing.T, bytes int) func() {
			c.stop(t)
			c.start(t, int64(bytes))
			return func() { c.stop(t); c.start(t, 0) }
		},
	})
	if !slices.ContainsFunc(c.logs, func(r plog.LogRecord) bool {
		return strings.HasPrefix(r.EventName(), "changetrail.") && r.Timestamp() > 0
	}) {
		t.Error("no log record has a time and the name of an event")
	}
}
