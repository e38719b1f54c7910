package embedded_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/changetrail/changetrail/internal/embedded"
)

const events, records = "ct.events", "ct.records"

// start returns a broker with two topics, with events as the topic that clients may write to, and a
// client of the pipeline itself.
func start(t *testing.T, port embedded.Port) (*embedded.Broker, *kgo.Client) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "broker")
	port.Address, port.Topic = "127.0.0.1:0", events
	b, err := embedded.Start(dir, &port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	inside, err := kgo.NewClient(kgo.SeedBrokers(embedded.Seed), kgo.Dialer(embedded.Dial(dir)), kgo.ConsumeTopics(events, records))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Close)
	if _, err := kadm.NewClient(inside).CreateTopics(t.Context(), 2, 1, nil, events, records); err != nil {
		t.Fatal(err)
	}
	return b, inside
}

func outside(t *testing.T, b *embedded.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Address()), kgo.RequestRetries(1), kgo.RecordRetries(2), kgo.RetryTimeout(2*time.Second), kgo.RecordDeliveryTimeout(5*time.Second))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// has returns the content of a topic, read from inside.
func has(t *testing.T, inside *kgo.Client, topic string) (n int64) {
	t.Helper()
	ends, err := kadm.NewClient(inside).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// TestClientsPublish: clients of two libraries write events through the port, with and
// without acknowledgement, and large ones.
func TestClientsPublish(t *testing.T) {
	b, inside := start(t, embedded.Port{})
	for _, opts := range [][]kgo.Opt{
		{kgo.RequiredAcks(kgo.AllISRAcks())},
		{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()},
		{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()},
	} {
		cl := outside(t, b, opts...)
		for _, size := range []int{10, 900_000} {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: events, Value: make([]byte, size)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := &kafkago.Writer{Addr: kafkago.TCP(b.Address()), Topic: events, RequiredAcks: kafkago.RequireAll, BatchTimeout: time.Millisecond}
	defer func() { _ = w.Close() }()
	if err := w.WriteMessages(t.Context(), kafkago.Message{Value: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); has(t, inside, events) != 7; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d events arrived, want 7", has(t, inside, events))
		}
	}
}

// TestClientsDoNoMore: whoever reaches the port cannot write another topic, read, list,
// create, delete, or take part in transactions and groups.
func TestClientsDoNoMore(t *testing.T) {
	b, inside := start(t, embedded.Port{})
	if err := inside.ProduceSync(t.Context(), &kgo.Record{Topic: records, Value: []byte("a record")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	cl := outside(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: records, Value: []byte("forged")}).FirstErr(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("a record was written: %v", err)
	}
	adm := kadm.NewClient(cl)
	for what, try := range map[string]func() error{
		"delete": func() error { _, err := adm.DeleteTopics(ctx, events, records); return err },
		"create": func() error { _, err := adm.CreateTopic(ctx, 1, 1, nil, "mine"); return err },
		"offsets": func() error {
			o, err := adm.ListEndOffsets(ctx, events)
			return errors.Join(err, o.Error())
		},
		"groups":  func() error { _, err := adm.ListGroups(ctx); return err },
		"configs": func() error { _, err := adm.DescribeTopicConfigs(ctx, events); return err },
		"delete records": func() error {
			_, err := adm.DeleteRecords(ctx, kadm.Offsets{events: {0: {Topic: events, At: 1}}})
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	reader := outside(t, b, kgo.ConsumeTopics(events, records))
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if n := reader.PollFetches(short).NumRecords(); n != 0 {
		t.Errorf("%d messages were read", n)
	}
	txn := outside(t, b, kgo.TransactionalID("changetrail-enricher"))
	if err := txn.BeginTransaction(); err == nil {
		if err := txn.ProduceSync(ctx, &kgo.Record{Topic: events, Value: []byte("x")}).FirstErr(); err == nil {
			t.Error("a transaction was begun in the name of an enricher")
		}
	}
	if e, r := has(t, inside, events), has(t, inside, records); e != 0 || r != 1 {
		t.Errorf("%d events and %d records, want 0 and 1", e, r)
	}
}

// TestLogin: with a login, a client without credentials publishes nothing.
func TestLogin(t *testing.T) {
	login := func(_ context.Context, user, password string) error {
		if user != "ci" || password != "right" {
			return errors.New("unknown")
		}
		return nil
	}
	b, inside := start(t, embedded.Port{Login: login})
	for password, works := range map[string]bool{"right": true, "wrong": false, "": false} {
		opts := []kgo.Opt{}
		if password != "" {
			opts = append(opts, kgo.SASL(plain.Auth{User: "ci", Pass: password}.AsMechanism()))
		}
		err := outside(t, b, opts...).ProduceSync(t.Context(), &kgo.Record{Topic: events, Value: []byte("x")}).FirstErr()
		if (err == nil) != works {
			t.Errorf("password %q: %v", password, err)
		}
	}
	if n := has(t, inside, events); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// TestAnnouncedSizesTakeNoMemory: a client that announces 2 GiB and sends nothing, or sends something other than a
// request, is cut off or ignored, and blocks nobody.
func TestAnnouncedSizesTakeNoMemory(t *testing.T) {
	b, _ := start(t, embedded.Port{})
	for _, frame := range [][]byte{
		binary.BigEndian.AppendUint32(nil, 0x7fffffff),
		binary.BigEndian.AppendUint32(nil, 0xffffffff),
		append(binary.BigEndian.AppendUint32(nil, 4), "GET "...),
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		append(binary.BigEndian.AppendUint32(nil, 12), strings.Repeat("\x7f", 12)...),
		append(binary.BigEndian.AppendUint32(nil, 10), "\x00\x00\x00\x09\x00\x00\x00\x01\xff\xff"...), // Produce without a body
	} {
		conn, err := net.Dial("tcp", b.Address())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q was answered: %v", frame, err)
		}
		_ = conn.Close()
	}
	if err := outside(t, b).ProduceSync(t.Context(), &kgo.Record{Topic: events, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// TestPackedMessagesAreKeptUnpacked: a client may compress its messages, but their uncompressed
// size counts; gigabytes of zeros are refused.
func TestPackedMessagesAreKeptUnpacked(t *testing.T) {
	b, inside := start(t, embedded.Port{})
	for name, codec := range map[string]kgo.CompressionCodec{"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		before := has(t, inside, events)
		small := outside(t, b, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(100*time.Millisecond))
		var all []*kgo.Record
		for range 500 {
			all = append(all, &kgo.Record{Topic: events, Value: []byte(strings.Repeat(name+" ", 20))})
		}
		if err := small.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		large := outside(t, b, kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(90<<20), kgo.MaxBufferedBytes(1<<30))
		for _, n := range []int{2 << 20, 80 << 20} {
			if err := large.ProduceSync(t.Context(), &kgo.Record{Topic: events, Value: []byte(strings.Repeat("0", n))}).FirstErr(); !errors.Is(err, kerr.MessageTooLarge) {
				t.Errorf("%d bytes, packed with %s: %v", n, name, err)
			}
		}
		if n := has(t, inside, events) - before; n != 500 {
			t.Errorf("%s: %d messages, want 500", name, n)
		}
	}
	for read := 0; read < 2000; {
		fetches := inside.PollFetches(t.Context())
		fetches.EachRecord(func(r *kgo.Record) {
			if read++; r.Attrs.CompressionType() != 0 || !strings.Contains("gzip snappy lz4 zstd", strings.Fields(string(r.Value))[0]) {
				t.Errorf("codec %d, value %.20s", r.Attrs.CompressionType(), r.Value)
			}
		})
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
