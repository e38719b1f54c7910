package enricher

import (
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/stream"
)

// BenchmarkApply measures the enricher without Kafka: one operation is one event, in batches of
// 4000 that are about 500 open changes.
func BenchmarkApply(b *testing.B) {
	read := func(name string) []byte {
		text, err := os.ReadFile("../deploy/example/" + name)
		if err != nil {
			b.Fatal(err)
		}
		return text
	}
	p, err := policy.Parse(read("policy.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	m, err := controls.Parse(read("controls.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	s, err := openStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	e, err := newEnricher(Config{Topics: stream.Topics{Prefix: "b"}, Namespace: "default", Policy: p, Controls: m, Log: slog.New(slog.DiscardHandler)}, s, 4)
	if err != nil {
		b.Fatal(err)
	}
	events := benchEvents(b, b.N)
	var produced, bytes int
	began := cpuTime(b)
	b.ResetTimer()
	for i := 0; i < len(events); i += 4000 {
		out, err := e.Apply(b.Context(), events[i:min(i+4000, len(events))])
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range out {
			produced++
			bytes += len(r.Value)
		}
		if err := e.Committed(map[int32]int64{0: int64(i)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(produced)/float64(b.N), "messages/op")
	b.ReportMetric(float64(bytes)/float64(b.N), "bytes/op")
}

// cpuTime returns the CPU time of the process so far: on a machine with other load it says more
// than elapsed time.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchEvents(b testing.TB, n int) []*stream.Record {
	g := workload.New(7, 200, time.Now().Add(-30*24*time.Hour))
	partitioner := stream.NewPartitioner(4)
	var out []*stream.Record
	for len(out) < n {
		var window [][]*stream.Record
		for range 500 {
			var life []*stream.Record
			for _, ev := range g.Change() {
				m, err := producer.Encode(b.Context(), ev, producer.Binary)
				if err != nil {
					b.Fatal(err)
				}
				r := &stream.Record{Topic: "b.events", Partition: partitioner.Of(string(m.Key)), Key: m.Key, Value: m.Value, Timestamp: time.Now()}
				for _, h := range m.Headers {
					r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
				}
				life = append(life, r)
			}
			window = append(window, life)
		}
		for i := range workload.PerChange {
			for _, life := range window {
				out = append(out, life[i])
			}
		}
	}
	return out[:n]
}
