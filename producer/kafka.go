package producer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// DefaultTopic is where changetrail reads events.
const DefaultTopic = "changetrail.events"

// A KafkaConfig is how to reach Kafka.
type KafkaConfig struct {
	Brokers []string
	Topic   string         // DefaultTopic if empty
	Mode    Mode           // Binary or Structured
	TLS     *tls.Config    // plain text if nil
	SASL    sasl.Mechanism // none if nil; see franz-go's packages sasl/plain and sasl/scram
	// Dial connects to a broker that is not reached by TCP or TLS.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// kafka sends over franz-go: idempotent, acknowledged by all in-sync replicas.
type kafka struct {
	client *kgo.Client
	mode   Mode
	err    error // of the configuration
}

// Kafka returns a Transport to Kafka. It connects when the first event is sent. Every Send returns
// an error if the configuration has a mistake.
func Kafka(c KafkaConfig) Transport {
	if c.Topic == "" {
		c.Topic = DefaultTopic
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID("changetrail-producer"),
		kgo.DefaultProduceTopic(c.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2, like Kafka's own clients
		kgo.RecordDeliveryTimeout(60 * time.Second),
		kgo.ProducerLinger(0),
	}
	switch {
	case c.Dial != nil:
		opts = append(opts, kgo.Dialer(c.Dial))
	case c.TLS != nil:
		opts = append(opts, kgo.DialTLSConfig(c.TLS))
	}
	if c.SASL != nil {
		opts = append(opts, kgo.SASL(c.SASL))
	}
	if len(c.Brokers) == 0 {
		return &kafka{err: fmt.Errorf("producer: no brokers are given, for example localhost:9092")}
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		err = fmt.Errorf("producer: kafka: %w", err)
	}
	return &kafka{client: cl, mode: c.Mode, err: err}
}

// Send implements [Transport].
func (k *kafka) Send(ctx context.Context, events []event.Event) []error {
	errs := make([]error, len(events))
	if k.err != nil {
		for i := range errs {
			errs[i] = k.err
		}
		return errs
	}
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		m, err := Encode(ctx, e, k.mode)
		if err != nil {
			errs[i] = fmt.Errorf("%w: %w", ErrPermanent, err)
			continue
		}
		records[i] = &kgo.Record{Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	for i, err := range k.produce(ctx, records) {
		if tooLarge(err) && len(events) > 1 {
			err = k.produce(ctx, records[i:i+1])[0] // the broker says this of a batch, not of its records
		}
		if records[i] != nil {
			errs[i] = classify(err)
		}
	}
	return errs
}

// produce sends the records that are not nil, and returns the error of each.
func (k *kafka) produce(ctx context.Context, records []*kgo.Record) []error {
	errs := make([]error, len(records))
	var mu sync.Mutex // until produce returns: a callback may come later
	returned := false
	var wg sync.WaitGroup
	for i, r := range records {
		if r == nil {
			continue
		}
		mu.Lock()
		errs[i] = errUnanswered
		mu.Unlock()
		wg.Add(1)
		// TryProduce: a full buffer is an error at once, without waiting.
		k.client.TryProduce(ctx, r, func(_ *kgo.Record, err error) {
			mu.Lock()
			if !returned {
				errs[i] = err
			}
			mu.Unlock()
			wg.Done()
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	returned = true
	for i, err := range errs {
		if errors.Is(err, errUnanswered) {
			errs[i] = fmt.Errorf("no answer yet: %w", context.Cause(ctx))
		}
	}
	return errs
}

// tooLarge reports whether the broker refused a batch because of its size.
func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

var errUnanswered = errors.New("unanswered")

func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case tooLarge(err), errors.Is(err, kerr.InvalidRecord):
		return fmt.Errorf("kafka: %w: %w", ErrPermanent, err)
	}
	return fmt.Errorf("kafka: %w", err)
}

// Close implements [Transport].
func (k *kafka) Close() error {
	if k.client != nil {
		k.client.Close()
	}
	return nil
}
