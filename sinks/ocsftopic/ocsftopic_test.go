package ocsftopic

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

var topics = stream.Topics{Prefix: "t"}

const partitions = 3

// world starts a broker with all topics.
func world(t *testing.T) (stream.Config, *stream.Writer) {
	t.Helper()
	c := kafkatest.Cluster(t, partitions, append(topics.All(), topics.Policies(), topics.OCSF())...)
	conf := stream.Config{Brokers: c.ListenAddrs()}
	w, err := stream.NewWriter(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return conf, w
}

// messages makes n messages of each topic.
func messages(from, n int) (recs []*stream.Record) {
	body := func(dataset, more string) []byte {
		return fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","event":{"dataset":%q},"changetrail":{"revision":1,"repository":"github.com/acme/payments","change":{"id":"github.com/acme/payments/pull/1","repository":"github.com/acme/payments"}%s}}`, dataset, more)
	}
	for i := from; i < from+n; i++ {
		e := &stream.Record{Topic: topics.Enriched(), Partition: int32(i % partitions), Value: body(schemas.EventDataset, `,"event":{"type":"dev.changetrail.review.submitted.v1"}`)}
		stream.AddHeader(e, stream.HeaderIndex, []byte(schemas.EventIndex("default")))
		stream.AddHeader(e, stream.HeaderID, fmt.Append(nil, "event ", i))
		stream.AddHeader(e, stream.HeaderTrace, []byte("00-1-2-01"))
		r := &stream.Record{Topic: topics.Records(), Partition: int32(i % partitions), Value: body(schemas.RecordDataset, "")}
		stream.AddHeader(r, stream.HeaderIndex, []byte("changetrail-record-default-2026.11"))
		stream.AddHeader(r, stream.HeaderID, fmt.Append(nil, "record ", i))
		stream.AddHeader(r, stream.HeaderVersion, []byte("7"))
		finding := body(schemas.FindingDataset, `,"finding":{"kind":"review.missing","severity":"high","status":"open","revision":7}`)
		stream.AddHeader(r, stream.HeaderFinding, append(fmt.Append(nil, "finding ", i, "\n"), finding...))
		recs = append(recs, e, r)
	}
	return recs
}

// read returns the messages of a topic by id, and letters by the reason.
func read(t *testing.T, c stream.Config, topic string, by string) map[string][]*stream.Record {
	t.Helper()
	out := make(map[string][]*stream.Record)
	for p := range int32(partitions) {
		if _, err := c.Partition(topic, p).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				id := string(stream.LastHeader(r, by))
				out[id] = append(out[id], r)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func config(c stream.Config) Config {
	return Config{Kafka: c, Topics: topics, Namespace: "default", Instance: "only", Log: slog.New(slog.DiscardHandler)}
}

// start runs a sink until stop is called.
func start(t *testing.T, c Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := Run(ctx, c); err != nil && ctx.Err() == nil {
			t.Errorf("the sink ended: %v", err)
		}
	})
	return func() { cancel(); running.Wait() }
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it takes too long")
		}
	}
}

// TestEachDocumentIsOneEvent: it has the key, the headers and the class that consumers rely on, and
// is in the partition of its repository.
func TestEachDocumentIsOneEvent(t *testing.T) {
	c, w := world(t)
	if err := w.Append(t.Context(), messages(0, 5)...); err != nil {
		t.Fatal(err)
	}
	defer start(t, config(c))()
	var got map[string][]*stream.Record
	eventually(t, func() bool { got = read(t, c, topics.OCSF(), stream.HeaderID); return len(got) >= 15 })
	for kind, want := range map[string]struct{ class, version, trace string }{
		"event": {"6003", "", "00-1-2-01"}, "record": {"2003", "7", ""}, "finding": {"2007", "7", ""},
	} {
		for i := range 5 {
			id := fmt.Sprint(kind, " ", i)
			if len(got[id]) != 1 {
				t.Errorf("%s is there %d times", id, len(got[id]))
				continue
			}
			r := got[id][0]
			have := struct{ class, version, trace string }{string(stream.Header(r, HeaderClass)), string(stream.Header(r, stream.HeaderVersion)), string(stream.Header(r, stream.HeaderTrace))}
			var e struct {
				Class int `json:"class_uid"`
			}
			if err := json.Unmarshal(r.Value, &e); err != nil {
				t.Error(err)
			}
			if have != want || fmt.Sprint(e.Class) != want.class || string(r.Key) != id || r.Partition != int32(i%partitions) || string(stream.Header(r, HeaderContent)) != "application/json" {
				t.Errorf("%s: %+v, class %d, key %s, partition %d; want %+v", id, have, e.Class, r.Key, r.Partition, want)
			}
		}
	}
}

// TestEachDocumentOnceThoughSinksEnd while they write.
func TestEachDocumentOnceThoughSinksEnd(t *testing.T) {
	c, w := world(t)
	const rounds, each = 15, 40
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for round := range rounds {
		conf := config(c)
		conf.MaxBatch = 1 + rnd.IntN(30)
		stop := start(t, conf)
		if err := w.Append(t.Context(), messages(round*each, each)...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
		stop()
	}
	defer start(t, config(c))()
	var got map[string][]*stream.Record
	eventually(t, func() bool { got = read(t, c, topics.OCSF(), stream.HeaderID); return len(got) >= 3*rounds*each })
	for id, of := range got {
		if len(of) != 1 {
			t.Errorf("%s is there %d times", id, len(of))
		}
	}
}

// TestWhatIsNoDocumentGoesToTheDeadLetters once, with its reason.
func TestWhatIsNoDocumentGoesToTheDeadLetters(t *testing.T) {
	c, w := world(t)
	keys := signing.Of([]byte("a key"))
	recs := messages(0, 4)
	recs[0].Value = []byte(`{"@timestamp":`)
	recs[2].Value = []byte(`{"@timestamp":"2026-11-12T03:47:03Z","event":{"dataset":"nginx"}}`)
	for _, r := range recs[:7] {
		stream.SignDocument(keys, r)
	}
	if err := w.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	conf := config(c)
	conf.Keys = keys
	defer start(t, conf)()
	eventually(t, func() bool {
		return len(read(t, c, topics.OCSF(), stream.HeaderID)) == 8 && len(read(t, c, topics.DLQ(), stream.HeaderID)) == 3
	})
	for id, want := range map[string]string{"event 0": "cannot be read", "event 1": "nginx", "record 3": "signed"} {
		of := read(t, c, topics.DLQ(), stream.HeaderID)[id]
		if len(of) != 1 || !strings.Contains(string(stream.LastHeader(of[0], stream.HeaderDetail)), want) || string(stream.LastHeader(of[0], stream.HeaderStage)) != Name {
			t.Errorf("%s: %d letters, want one that says %q", id, len(of), want)
		}
	}
}

// TestReady says which topic is missing and how to make it.
func TestReady(t *testing.T) {
	c := stream.Config{Brokers: kafkatest.Cluster(t, 2, append(topics.All(), topics.Policies())...).ListenAddrs()}
	if err := Run(t.Context(), config(c)); err == nil || !strings.Contains(err.Error(), "changetrail setup --engine ocsf-topic") {
		t.Errorf("without the topic: %v", err)
	}
	conf := config(c)
	conf.Instance = ""
	if err := Run(t.Context(), conf); err == nil {
		t.Error("without a name for its transactions it runs")
	}
}
