//go:build bench

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/stream"
)

// runFloor does the least that a program of a kind can do, until it is told to
// stop.
func runFloor(kind string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch kind {
	case "sink":
		return floorSink(ctx)
	case "work":
		return floorWork(ctx)
	case "gateway":
		return floorGateway(ctx)
	}
	return floorEnricher(ctx)
}

// floorEnricher consumes and produces again, in transactions.
func floorEnricher(ctx context.Context) error {
	s, err := floorSession()
	if err != nil {
		return err
	}
	defer s.Close()
	return transactions(ctx, s, func(fetches kgo.Fetches, produce func(*kgo.Record)) error {
		fetches.EachRecord(func(r *kgo.Record) {
			produce(&kgo.Record{Topic: "floor", Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers})
		})
		return nil
	})
}

// floorSession is a client as the enricher has one.
func floorSession() (*kgo.GroupTransactSession, error) {
	return kgo.NewGroupTransactSession(
		kgo.SeedBrokers(os.Getenv("BROKER")),
		kgo.TransactionalID(os.Getenv("GROUP")),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup(os.Getenv("GROUP")),
		kgo.ConsumeTopics(os.Getenv("FROM")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(16<<20),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(4<<20-1024),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(0),
	)
}

// transactions calls work for what is read, 4,000 events at a time, until ctx is done.
func transactions(ctx context.Context, s *kgo.GroupTransactSession, work func(fetches kgo.Fetches, produce func(*kgo.Record)) error) error {
	for {
		fetches := s.PollRecords(ctx, 4000)
		if ctx.Err() != nil {
			return nil
		}
		if err := s.Begin(); err != nil {
			return err
		}
		promise := kgo.AbortingFirstErrPromise(s.Client())
		if err := work(fetches, func(r *kgo.Record) { s.Produce(ctx, r, promise.Promise()) }); err != nil {
			return err
		}
		if _, err := s.End(ctx, kgo.TransactionEndTry(promise.Err() == nil)); err != nil {
			return err
		}
	}
}

// floorSink consumes and posts, two requests at a time, and commits what was
// answered.
func floorSink(ctx context.Context) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("BROKER")),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup(os.Getenv("GROUP")),
		kgo.ConsumeTopics(os.Getenv("FROM")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.FetchMaxBytes(8<<20),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	type posted struct {
		recs []*kgo.Record
		done chan error
	}
	queue := make(chan posted, 4)
	slots := make(chan struct{}, 2)
	go func() {
		for p := range queue {
			if err := <-p.done; err == nil {
				_ = cl.CommitRecords(ctx, p.recs...)
			}
		}
	}()
	defer close(queue)
	for {
		slots <- struct{}{}
		recs := cl.PollRecords(ctx, 1000).Records()
		if ctx.Err() != nil {
			return nil
		}
		p := posted{recs, make(chan error, 1)}
		go func() {
			defer func() { <-slots }()
			p.done <- postBulk(recs)
		}()
		queue <- p
	}
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, WriteBufferSize: 64 << 10}, Timeout: time.Minute}

func postBulk(recs []*kgo.Record) error {
	var b bytes.Buffer
	b.Grow(len(recs) * 2300)
	for _, r := range recs {
		b.WriteString(`{"create":{"_index":"`)
		b.Write(stream.Header(r, stream.HeaderIndex))
		b.WriteString(`","_id":"`)
		b.Write(stream.Header(r, stream.HeaderID))
		b.WriteString("\"}}\n")
		b.Write(r.Value)
		b.WriteByte('\n')
	}
	res, err := client.Post(os.Getenv("URL")+"/_bulk", "application/x-ndjson", &b)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && !bytes.Contains(answer, []byte(`"errors":false`)) {
		err = errors.New("bulk failed")
	}
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	return nil
}
