package producer

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/binding/spec"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// A Mode is how a CloudEvent is encoded.
type Mode int

// Modes of the CloudEvents protocol bindings.
const (
	Binary     Mode = iota // attributes as headers, data unchanged
	Structured             // one JSON document
)

// A Header is a header of a Kafka message.
type Header struct {
	Key   string
	Value []byte
}

// A Message is a Kafka message without a client library's type.
type Message struct {
	Key     []byte
	Value   []byte
	Headers []Header
}

// Encode returns e as a Kafka message (CloudEvents Kafka protocol binding 1.0.2). Its key is the
// extension partitionkey. The trace context is also put into the headers where Kafka
// instrumentation looks for it.
func Encode(ctx context.Context, e event.Event, mode Mode) (Message, error) {
	w := &writer{data: e.Data()}
	w.m.Headers = make([]Header, 0, 16)
	extensions := e.Extensions() // a copy, each time
	if key, ok := extensions["partitionkey"].(string); ok {
		w.m.Key = []byte(key)
	}
	if mode == Structured {
		ctx = binding.WithForceStructured(ctx)
	} else {
		ctx = binding.WithForceBinary(ctx)
	}
	if _, err := binding.Write(ctx, (*binding.EventMessage)(&e), w, w); err != nil {
		return Message{}, fmt.Errorf("encode %s: %w", e.ID(), err)
	}
	if parent, ok := extensions["traceparent"].(string); ok {
		w.add("traceparent", parent)
	}
	return w.m, nil
}

// writer receives a CloudEvent from the SDK's binding.
type writer struct {
	m    Message
	data []byte // of the event; not copied
}

func (w *writer) add(key, value string) {
	w.m.Headers = append(w.m.Headers, Header{key, []byte(value)})
}

// SetStructuredEvent implements [binding.StructuredWriter].
func (w *writer) SetStructuredEvent(_ context.Context, f format.Format, event io.Reader) error {
	w.add("content-type", f.MediaType())
	var b bytes.Buffer
	_, err := b.ReadFrom(event)
	w.m.Value = b.Bytes()
	return err
}

// Start implements [binding.BinaryWriter].
func (w *writer) Start(context.Context) error { return nil }

// End implements [binding.BinaryWriter].
func (w *writer) End(context.Context) error { return nil }

// SetAttribute implements [binding.BinaryWriter].
func (w *writer) SetAttribute(attribute spec.Attribute, value any) error {
	if value == nil {
		return nil
	}
	s, err := types.Format(value)
	if err != nil {
		return err
	}
	if attribute.Kind() == spec.DataContentType {
		w.add("content-type", s)
	} else {
		w.add("ce_"+attribute.Name(), s)
	}
	return nil
}

// SetExtension implements [binding.BinaryWriter].
func (w *writer) SetExtension(name string, value any) error {
	if value == nil {
		return nil
	}
	s, err := types.Format(value)
	if err == nil {
		w.add("ce_"+name, s)
	}
	return err
}

// SetData implements [binding.BinaryWriter].
func (w *writer) SetData(io.Reader) error {
	w.m.Value = w.data
	return nil
}
