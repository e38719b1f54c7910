// Package kafkago sends changetrail's events over a kafka-go writer that a program already has.
// Only this package imports kafka-go.
package kafkago

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/segmentio/kafka-go"

	"github.com/changetrail/changetrail/producer"
)

type transport struct {
	writer *kafka.Writer
	mode   producer.Mode
}

// Transport returns a transport over w, which still belongs to the caller: closing the producer
// does not close it. The writer must wait for all in-sync replicas (RequiredAcks: kafka.RequireAll)
// and must not be asynchronous; otherwise an event could be lost after Publish has accepted it.
// Transport checks both.
//
// Give the writer kafka.Murmur2Balancer{Consistent: true}: it puts the events of one repository
// into the partition that Kafka's own clients would choose. With another balancer the enricher
// sends each event on to that partition, which costs a second write. kafka-go has no idempotent
// producer: an event may be twice in the topic, but counts once because of its source and id.
func Transport(w *kafka.Writer, mode producer.Mode) (producer.Transport, error) {
	var errs []error
	if w.RequiredAcks != kafka.RequireAll {
		errs = append(errs, errors.New("kafkago: the writer must have RequiredAcks: kafka.RequireAll"))
	}
	if w.Async {
		errs = append(errs, errors.New("kafkago: the writer must not be Async"))
	}
	return &transport{w, mode}, errors.Join(errs...)
}

// Send implements [producer.Transport].
func (t *transport) Send(ctx context.Context, events []event.Event) []error {
	errs := make([]error, len(events))
	var messages []kafka.Message
	for i, e := range events {
		m, err := producer.Encode(ctx, e, t.mode)
		if err != nil {
			errs[i] = fmt.Errorf("%w: %w", producer.ErrPermanent, err)
			continue
		}
		out := kafka.Message{Key: m.Key, Value: m.Value, WriterData: &errs[i]}
		if t.writer.Topic == "" {
			out.Topic = producer.DefaultTopic
		}
		for _, h := range m.Headers {
			out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		messages = append(messages, out)
	}
	for len(messages) > 0 {
		messages = t.write(ctx, messages)
	}
	return errs
}

// write writes messages, and puts the error of each where its WriterData points. It returns the
// messages that must be written again because one of them was too large.
func (t *transport) write(ctx context.Context, messages []kafka.Message) (again []kafka.Message) {
	err := t.writer.WriteMessages(ctx, messages...)
	var large kafka.MessageTooLargeError
	if errors.As(err, &large) { // nothing was written
		setError(large.Message, err)
		return large.Remaining
	}
	var each kafka.WriteErrors
	separate := errors.As(err, &each) && len(each) == len(messages)
	for i, m := range messages {
		if separate {
			err = each[i]
		}
		if errors.Is(err, kafka.MessageSizeTooLarge) && len(messages) > 1 {
			t.write(ctx, messages[i:i+1]) // the broker says this of a batch, not of its messages
			continue
		}
		setError(m, err)
	}
	return nil
}

func setError(m kafka.Message, err error) {
	*m.WriterData.(*error) = classify(err) // Send set it
}

func classify(err error) error {
	var tooLarge kafka.MessageTooLargeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge), errors.Is(err, kafka.MessageSizeTooLarge):
		return fmt.Errorf("kafka-go: %w: %w", producer.ErrPermanent, err)
	}
	return fmt.Errorf("kafka-go: %w", err)
}

// Close implements [producer.Transport].
func (*transport) Close() error { return nil }
