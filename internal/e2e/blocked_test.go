//go:build servers

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/stream"
)

// A configurationFault is something that is set in an engine, and how it is mended. {index}
// stands for the index of the records.
type configurationFault struct {
	name         string
	broken, mend [3]string // method, path, body
	cause        string    // part of what the log says
}

var configurationFaults = []configurationFault{
	{"closed", [3]string{"POST", "/{index}/_close", ""}, [3]string{"POST", "/{index}/_open", ""}, "index_closed_exception"},
	{
		"readonly",
		[3]string{"PUT", "/{index}/_settings", `{"index.blocks.read_only_allow_delete":true}`},
		[3]string{"PUT", "/{index}/_settings", `{"index.blocks.read_only_allow_delete":null}`},
		"cluster_block_exception",
	},
	{
		"nopipeline",
		[3]string{"PUT", "/{index}/_settings", `{"index.default_pipeline":"nobody-made-it"}`},
		[3]string{"PUT", "/{index}/_settings", `{"index.default_pipeline":null}`},
		"nobody-made-it",
	},
	{
		"shards",
		[3]string{"PUT", "/_cluster/settings", `{"persistent":{"cluster.max_shards_per_node":1}}`},
		[3]string{"PUT", "/_cluster/settings", `{"persistent":{"cluster.max_shards_per_node":null}}`},
		"validation_exception",
	},
}

// TestAWrongConfigurationMakesNoDeadLetters breaks how an engine is set, sends documents, and
// mends it: all of them arrive, but for one that does not fit, which alone is a dead
// letter. Somebody is called, once.
func TestAWrongConfigurationMakesNoDeadLetters(t *testing.T) {
	for _, fault := range configurationFaults {
		for name := range engines {
			t.Run(fault.name+" "+name, func(t *testing.T) {
				p := newPipeline(t, fault.name+"-"+name)
				p.namespace = strings.ReplaceAll(p.namespace, "-", "_")
				engine := p.engines[name]
				index := schemas.RecordIndex(p.namespace, time.Now())
				set := func(call [3]string) {
					t.Helper()
					var body []byte
					if call[2] != "" {
						body = []byte(call[2])
					}
					status, answer, err := engine.Request(context.WithoutCancel(t.Context()), call[0], strings.ReplaceAll(call[1], "{index}", index), body)
					if err != nil || status != http.StatusOK {
						t.Fatalf("%v: HTTP %d %s %v", call, status, answer, err)
					}
				}
				if fault.name != "shards" { // else the index is to be made by the first document
					set([3]string{"PUT", "/{index}", ""})
				}
				set(fault.broken)
				t.Cleanup(func() { set(fault.mend) })
				const total = 30
				produceRecords(t, p, index, total)
				log := &errorLog{}
				stop := p.sink(t, engine, slog.New(log))
				eventually(t, time.Minute, func() error { return log.says(fault.cause) })
				time.Sleep(2 * time.Second) // it is put again and again
				if n := len(lettersNow(t, p)); n > 1 {
					t.Errorf("%d documents were buried", n)
				}
				set(fault.mend)
				eventually(t, 2*time.Minute, func() error {
					if n := countIn(t, engine, index); n != total {
						return fmt.Errorf("%d of %d documents", n, total)
					}
					return nil
				})
				eventually(t, 30*time.Second, func() error {
					letters := lettersNow(t, p)
					if len(letters) != 1 || !strings.Contains(string(stream.Header(letters[0], stream.HeaderDetail)), "yesterday") {
						return fmt.Errorf("%d dead letters, want the one document that does not fit", len(letters))
					}
					return nil
				})
				stop()
				if n := log.count(); n != 1 {
					t.Errorf("the log has %d errors, want 1: %v", n, log.lines)
				}
			})
		}
	}
}

// produceRecords writes n documents of records and one that does not fit.
func produceRecords(t *testing.T, p *pipeline, index string, n int) {
	t.Helper()
	w, err := stream.NewWriter(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var recs []*stream.Record
	for i := range n + 1 {
		at := "2026-11-12T03:47:03Z"
		if i == n/2 {
			at = "yesterday"
		}
		recs = append(recs, &stream.Record{Topic: p.topics.Records(), Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, `{"@timestamp":%q}`, at), Headers: []kgo.RecordHeader{
			{Key: stream.HeaderIndex, Value: []byte(index)}, {Key: stream.HeaderID, Value: fmt.Append(nil, i)}, {Key: stream.HeaderVersion, Value: []byte("1")},
		}})
	}
	if err := w.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
}

// sink runs a sink of one engine until the function is called that it returns.
func (p *pipeline) sink(t *testing.T, engine *bulk.Server, log *slog.Logger) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- sinks.Run(ctx, sinks.Config{Kafka: p.kafka, Topics: p.topics, Namespace: p.namespace, Engine: engine, MaxDocs: 7, Log: log})
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func countIn(t *testing.T, engine *bulk.Server, index string) (n int) {
	t.Helper()
	if _, _, err := engine.Request(t.Context(), "POST", "/"+index+"/_refresh", nil); err != nil {
		t.Fatal(err)
	}
	_, body, err := engine.Request(t.Context(), "GET", "/"+index+"/_count", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Sscanf(string(body), `{"count":%d`, &n) // else there is no index yet
	return n
}

// lettersNow returns all dead letters that there are.
func lettersNow(t *testing.T, p *pipeline) (out []*stream.Record) {
	t.Helper()
	for partition := range int32(partitions) {
		_, err := p.kafka.Partition(p.topics.DLQ(), partition).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				if !stream.IsMarker(r) {
					out = append(out, r)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// An errorLog keeps the errors of a log.
type errorLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *errorLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (l *errorLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *errorLog) WithGroup(string) slog.Handler                    { return l }

func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *errorLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

func (l *errorLog) says(words string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !strings.Contains(strings.Join(l.lines, "\n"), words) {
		return fmt.Errorf("no error in the log says %q: %v", words, l.lines)
	}
	return nil
}
