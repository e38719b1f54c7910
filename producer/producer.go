package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// A Transport sends events.
type Transport interface {
	// Send returns one error for each event, in order: nil once the event is safe with the
	// receiver. It returns when ctx is done; an event whose error is that of ctx may still arrive.
	// An error that the same event would always cause wraps [ErrPermanent]. An error that lasts
	// until somebody allows the sender to send the event wraps [ErrRefused].
	Send(ctx context.Context, events []event.Event) []error
	// Close closes connections.
	Close() error
}

// ErrPermanent is wrapped by errors that do not go away when the event is sent again: the event
// breaks its schema, or is too large.
var ErrPermanent = errors.New("the event cannot be sent")

// ErrRefused is wrapped by errors of an event that the receiver does not accept from this sender.
// It lasts until somebody changes the sender's permissions, and says nothing about other events.
var ErrRefused = errors.New("the event is not accepted from this sender")

// Options of a Producer.
type Options struct {
	// Source is the CloudEvents source of events that have none: a URI reference that names the
	// sender, for example /agents/agent-bot-3000.
	Source string
	// Spool is a folder for events that cannot be sent now. Several processes may share one. If it
	// is empty, Publish fails instead.
	Spool string
	// MaxSpool bounds the spool, in bytes; 1 GiB if 0.
	MaxSpool int64
	// SpoolFirst accepts events into the spool and sends them in the
	// background, so that Publish never waits for the network.
	SpoolFirst bool
	// SendTimeout bounds a try before the event goes to the spool; 2 s if 0.
	SendTimeout time.Duration
	// Blobs keeps data of more than 64 KiB; the event then carries only its digest in dataref. If
	// nil, an event may have at most 1 MB.
	Blobs Blobs
	// Redactor removes secrets from events (package secrets). May be nil.
	Redactor Redactor
	// Checked says that the caller of Publish has completed the events and checked them against
	// their schemas, so that Publish does neither, and that the caller does not use them any more.
	Checked bool
	// Log receives what happens in the background. May be nil.
	Log *slog.Logger
	// Tracer makes a span for each event. If it is nil, the trace context of the caller is still
	// passed on.
	Tracer trace.TracerProvider
}

// Blobs keeps content under its digest, and returns the digest (package blobs).
type Blobs interface {
	Put(ctx context.Context, content []byte) (digest string, err error)
}

// A Redactor replaces secrets. It returns the names of the rules that found something.
type Redactor interface {
	// JSON replaces them in data. verbatim reports which values stay unchanged, by the names of the
	// members that lead there.
	JSON(ctx context.Context, data []byte, verbatim func(path []string) bool) (redacted []byte, rules []string, err error)
	Text(ctx context.Context, text string) (redacted string, rules []string, err error)
	// Attribute replaces them in the value of an attribute, using only characters that a URI may
	// contain.
	Attribute(ctx context.Context, name, value string) (redacted string, rules []string, err error)
	String() string // how much content it keeps: metadata-only, redacted or full
}

// A Producer publishes events. It is safe for concurrent use.
type Producer struct {
	transport Transport
	options   Options
	spool     *spool       // nil if there is none
	tracer    trace.Tracer // nil if there is no tracing

	mu     sync.RWMutex
	closed bool
}

// New returns a Producer over t. It also sends the events that a former process left in the spool.
func New(t Transport, o Options) (*Producer, error) {
	if o.SendTimeout == 0 {
		o.SendTimeout = 2 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SpoolFirst && o.Spool == "" {
		return nil, errors.New("producer: SpoolFirst needs a Spool folder")
	}
	p := &Producer{transport: t, options: o}
	if _, off := o.Tracer.(noop.TracerProvider); o.Tracer != nil && !off {
		p.tracer = o.Tracer.Tracer("github.com/changetrail/changetrail/producer")
	}
	if o.Spool != "" {
		var err error
		if p.spool, err = openSpool(o.Spool, o.MaxSpool, t, o.Log); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Publish checks all events against their schemas, and then accepts all of them or none. It fills
// in missing attributes: id, time, source, partitionkey and traceparent. An error names each event
// that was not accepted; publishing the same event again is harmless.
func (p *Producer) Publish(ctx context.Context, events ...event.Event) error {
	_, err := p.Deliver(ctx, events...)
	return err
}

// Deliver is [Producer.Publish], and also returns how many of the events are in the spool and not
// sent yet.
func (p *Producer) Deliver(ctx context.Context, events ...event.Event) (spooled int, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return 0, errors.New("producer: the producer is closed")
	}
	events = append([]event.Event(nil), events...)
	var spans []trace.Span
	var errs []error
	for i := range events {
		e := events[i]
		if !p.options.Checked { // otherwise the caller does not use it any more
			e = e.Clone()
		}
		p.complete(&e)
		spanCtx := ctx
		if p.tracer != nil {
			var span trace.Span
			spanCtx, span = p.tracer.Start(ctx, "changetrail.publish", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
				attribute.String("cloudevents.event_id", e.ID()),
				attribute.String("cloudevents.event_source", e.Source()),
				attribute.String("cloudevents.event_type", e.Type()),
			))
			spans = append(spans, span)
		}
		if _, signed := e.Extensions()["authmac"]; !signed { // its signature covers the trace
			Inject(spanCtx, &e)
		}
		if err := p.prepare(ctx, &e); err != nil {
			errs = append(errs, fmt.Errorf("publish %s %s: %w", e.Type(), e.ID(), err))
		}
		events[i] = e
	}
	if err = errors.Join(errs...); err == nil {
		spooled, err = p.accept(ctx, events)
	}
	for _, span := range spans {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
	return spooled, err
}

// prepare makes an event ready to be sent.
func (p *Producer) prepare(ctx context.Context, e *event.Event) error {
	if !p.options.Checked {
		if err := check(e, p.limit()); err != nil {
			return fmt.Errorf("%w: %w", ErrPermanent, err)
		}
	}
	if p.options.Redactor != nil {
		err := Redact(ctx, e, p.options.Redactor)
		if _, found := e.Extensions()[extensionRedacted]; found && err == nil {
			err = check(e, p.limit()) // a marker may be longer than the secret that it replaces
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPermanent, err)
		}
	}
	if p.options.Blobs == nil {
		return nil
	}
	return claim(ctx, p.options.Blobs, e)
}

// complete fills in missing attributes.
func (p *Producer) complete(e *event.Event) {
	if e.ID() == "" {
		e.SetID(uuid.Must(uuid.NewV7()).String())
	}
	if e.Source() == "" {
		e.SetSource(p.options.Source)
	}
	if e.Time().IsZero() {
		e.SetTime(time.Now().UTC())
	}
}

// Inject sets the extension traceparent from the span in ctx, unless the event has one.
func Inject(ctx context.Context, e *event.Event) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	if _, ok := e.Extensions()["traceparent"]; ok {
		return
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	for _, k := range []string{"traceparent", "tracestate"} {
		if v := carrier[k]; v != "" {
			e.SetExtension(k, v)
		}
	}
}

// Envelope returns the attributes of e and its data, as they are read from Kafka.
func Envelope(e *event.Event) schemas.Envelope {
	extensions := e.Extensions() // a copy, each time
	text := func(name string) string {
		if s, ok := extensions[name].(string); ok {
			return s
		}
		s, _ := types.Format(extensions[name]) // "" if there is none
		return s
	}
	return schemas.Envelope{
		SpecVersion: e.SpecVersion(), ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Time: e.Time(), DataContentType: e.DataContentType(),
		PartitionKey: text("partitionkey"), DataRef: text("dataref"), TraceParent: text("traceparent"), TraceState: text("tracestate"), Sequence: text("sequence"),
		AuthType: text("authtype"), AuthID: text("authid"), AuthMAC: text("authmac"), ArrivedAt: text("arrivedat"), Imported: text("imported"), ContentMode: text("contentmode"), Redacted: text("redacted"), MaskedAfter: text("maskedafter"), Data: e.Data(),
	}
}

// check checks an event of one of changetrail's types against its schema, and gives every event its
// partition key. It refuses nothing that package ingest, which reads events in full, accepts.
func check(e *event.Event, limit int) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if n := len(e.Data()); n > limit {
		return fmt.Errorf("%d bytes of data; at most %d are accepted, or %d with a blob store (Options.Blobs)", n, limit, schemas.MaxDataSize)
	}
	env := Envelope(e)
	if err := env.Check(); err != nil {
		return err
	}
	if env.DataRef != "" && len(env.Data) == 0 {
		return checkReference(e) // the file that it names is read where it is used
	}
	now := time.Now()
	decoded, err := schemas.Decode(env, nil, now)
	if refusal := schemas.AsRefusal(err); refusal != nil && refusal.Reason == schemas.UnknownType && env.PartitionKey != "" {
		return nil // a foreign type, which changetrail may learn to read
	}
	if err != nil {
		return err
	}
	if err := schemas.CheckClockAhead(decoded.Time, now); err != nil {
		return err
	}
	if env.PartitionKey == "" {
		e.SetExtension("partitionkey", decoded.Home())
	}
	return nil
}

// checkReference gives an event whose data is in a blob its partition key.
func checkReference(e *event.Event) error {
	if key, _ := e.Extensions()["partitionkey"].(string); key != "" {
		return nil
	}
	id, err := record.ParseChange(e.Subject())
	if err != nil {
		return fmt.Errorf("its data is elsewhere (dataref), so subject or partitionkey must say which repository it is about: %w", err)
	}
	e.SetExtension("partitionkey", string(id.Repository()))
	return nil
}

// Check reports what Publish would refuse in e, without sending anything. Attributes that Publish
// fills in may be missing.
func Check(e event.Event) error {
	e = e.Clone()
	p := Producer{options: Options{Source: "/"}}
	p.complete(&e)
	return check(&e, schemas.MaxDataSize)
}

func (p *Producer) limit() int {
	if p.options.Blobs != nil {
		return schemas.MaxDataSize
	}
	return schemas.MaxEventSize
}

// claim puts large data into the store, and its digest into dataref (the claim check of the
// CloudEvents extension dataref).
func claim(ctx context.Context, store Blobs, e *event.Event) error {
	if len(e.Data()) <= schemas.ClaimCheckSize {
		return nil
	}
	digest, err := store.Put(ctx, e.Data())
	if err != nil {
		return err
	}
	e.SetExtension("dataref", digest)
	e.DataEncoded = nil
	return nil
}

// accept sends events or spools them. It returns how many it spooled.
func (p *Producer) accept(ctx context.Context, events []event.Event) (int, error) {
	if p.spool == nil {
		return 0, joined(events, p.transport.Send(ctx, events))
	}
	if !p.options.SpoolFirst && p.spool.empty() {
		try, cancel := context.WithTimeout(ctx, p.options.SendTimeout)
		errs := p.transport.Send(try, events)
		cancel()
		var left []event.Event
		var permanent error
		for i, err := range errs {
			switch {
			case errors.Is(err, ErrPermanent):
				permanent = errors.Join(permanent, fmt.Errorf("publish %s %s: %w", events[i].Type(), events[i].ID(), err))
			case err != nil:
				left = append(left, events[i])
			}
		}
		if len(left) == 0 {
			return 0, permanent
		}
		p.options.Log.Warn("events go to the spool", "events", len(left), "err", errors.Join(errs...))
		return len(left), errors.Join(permanent, p.spool.add(left))
	}
	return len(events), p.spool.add(events)
}

func joined(events []event.Event, errs []error) error {
	var out []error
	for i, err := range errs {
		if err != nil {
			out = append(out, fmt.Errorf("publish %s %s: %w", events[i].Type(), events[i].ID(), err))
		}
	}
	return errors.Join(out...)
}

// Spooled returns how many events wait in the spool.
func (p *Producer) Spooled() int {
	if p.spool == nil {
		return 0
	}
	return p.spool.count()
}

// Close sends the events in the spool for as long as ctx allows. The rest stays there for the next
// process, and the error says how many.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var err error
	if p.spool != nil {
		err = p.spool.close(ctx)
	}
	return errors.Join(err, p.transport.Close())
}
