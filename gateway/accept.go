package gateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Accept puts events of a sender on the stream: all of them if each is valid and the sender may send
// it, otherwise none.
func (g *Gateway) Accept(ctx context.Context, from Sender, events []event.Event) (spooled int, err error) {
	if err := g.limiter.allow(from.key, len(events)); err != nil {
		return 0, err
	}
	p := problem.New(http.StatusUnprocessableEntity, "")
	var refused []event.Event
	for i := range events {
		e := &events[i]
		held := shareOf(ctx).Held()
		about, err := g.prepare(ctx, e, from.Principal)
		shareOf(ctx).Shrink(shareOf(ctx).Held() - held) // the values that it was read into are not needed any more
		if err == nil {
			continue
		}
		refusal := schemas.AsRefusal(err)
		if refusal == nil {
			return 0, err
		}
		other := ingest.IsImpostor(err)
		if other != nil {
			refused = g.find(refused, impersonation{e, about.Event, from.Principal, other})
		}
		switch {
		case refusal.Reason == schemas.NotTheSenders, refusal.Reason == schemas.NotAllowed:
			p.Status = http.StatusForbidden
		case refusal.Reason == schemas.TooLarge && len(events) == 1:
			p.Status = http.StatusRequestEntityTooLarge
		}
		g.metrics.refuse(string(refusal.Reason))
		p.Errors = append(p.Errors, problem.Part{Index: i, ID: e.ID(), Reason: string(refusal.Reason), Detail: refusal.Detail})
	}
	if len(refused) > 0 {
		if _, err := g.publish(ctx, refused); err != nil {
			return 0, err
		}
	}
	if err := batchProblem(p, len(events)); err != nil {
		return 0, err
	}
	return g.publish(ctx, events)
}

// Extensions that only the gateway sets; those of a client are dropped.
var ownAttributes = []string{"authtype", "authid", "authmac", "imported", "contentmode", "redacted", "maskedafter"}

// extensionArrived may be set only by senders that import history; for all others the gateway sets
// it.
const extensionArrived = "arrivedat"

// prepare reads an event as the enricher will, checks that its sender may send it, completes it,
// removes its secrets and signs it. It returns the event as far as it could be read.
func (g *Gateway) prepare(ctx context.Context, e *event.Event, who identity.Principal) (ingest.Event, error) {
	if isOwn(e.Source()) {
		return ingest.Event{}, schemas.Refuse(schemas.NotTheSenders, "source %s: sources under %s/ are changetrail's own; choose another one", e.Source(), ownSource)
	}
	said := e.Extensions()
	for _, name := range ownAttributes {
		if _, ok := said[name]; ok {
			e.SetExtension(name, nil)
		}
	}
	if _, ok := said[extensionArrived]; ok && !who.History {
		e.SetExtension(extensionArrived, nil)
	}
	if e.Time().IsZero() {
		e.SetTime(g.arrivalOf(e))
	}
	if schemas.IsJSON(e.DataContentType()) {
		e.SetDataContentType(event.ApplicationJSON) // the form that every library recognizes as JSON
	}
	_, named := said["dataref"]
	read, err := g.read(ctx, e, nil)
	changed := err == nil && ingest.Complete(who, &read)
	if err := ingest.Allow(who, &read, err); err != nil {
		return read, unavailable(err)
	}
	data := read.Envelope.Data
	if changed {
		if data, err = schemas.Encode(read.Fact); err != nil {
			return read, err
		}
	}
	before := identityOf(e)
	if data, err = g.redact(ctx, e, data); err != nil {
		return read, err
	}
	if named && read.Envelope.DataRef == "" { // the event has both its data and a dataref
		e.SetExtension("dataref", nil)
	}
	if err := g.place(ctx, e, read.Envelope.DataRef, data); err != nil {
		return read, unavailable(err)
	}
	home := read.Home()
	if !bytes.Equal(data, read.Envelope.Data) || before != identityOf(e) { // a marker may be longer than the secret that it replaces
		again, err := g.read(ctx, e, []byte(home))
		if err != nil {
			return read, unavailable(err)
		}
		home = again.Home()
	}
	e.SetExtension("partitionkey", home)
	g.sign(ctx, e, who)
	return read, nil
}

// arrivalOf returns when an event arrived: now, or the time that an import of history states.
func (g *Gateway) arrivalOf(e *event.Event) time.Time {
	text, _ := e.Extensions()[extensionArrived].(string)
	if at, err := schemas.StatedArrival(text, g.Now()); err == nil {
		return at
	}
	return g.Now().UTC()
}

// read reads an event as the enricher will, and refuses what the enricher would refuse.
func (g *Gateway) read(ctx context.Context, e *event.Event, key []byte) (ingest.Event, error) {
	if err := e.Validate(); err != nil {
		return ingest.Event{}, schemas.Refuse(schemas.NotCloudEvent, "%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	env := producer.Envelope(e)
	if err := env.Check(); err != nil {
		return ingest.Event{}, err
	}
	if err := g.checkSize(e); err != nil {
		return ingest.Event{}, err
	}
	share := shareOf(ctx)
	r := ingest.Reader{Keys: g.Keys, Early: true, Reserve: share.Grow}
	if g.Blobs != nil {
		r.Blobs = ingest.Counted{Blobs: g.Blobs, Share: share}
	}
	read, err := r.Read(ctx, env, key, g.Now())
	read.File = nil // the event itself contains it
	return read, err
}

// checkSize refuses an event that the broker would refuse. Large data become a blob if there is a
// store.
func (g *Gateway) checkSize(e *event.Event) error {
	n := 0
	for name, value := range e.Extensions() {
		text, _ := value.(string) // others are short
		n += len(name) + len(text)
	}
	if n > maxHeader {
		return schemas.Refuse(schemas.TooLarge, "its attributes have %d bytes; the limit is %d. Put data into data", n, maxHeader)
	}
	if n += len(e.Data()); n > schemas.MaxEventSize && g.Blobs == nil {
		return schemas.Refuse(schemas.TooLarge, "%d bytes of data and attributes, at most %d are taken here, where there is no blob store", n, schemas.MaxEventSize)
	}
	return nil
}

// unavailable returns the answer to an error: that of a failed blob store says to try again.
func unavailable(err error) error {
	var store *ingest.StoreError
	if errors.As(err, &store) {
		return problem.New(http.StatusServiceUnavailable, "the blob store cannot be reached; send the event again: %v", err).Later(2 * time.Second)
	}
	return err
}

// identityOf returns the attributes of an event that are read and that redaction may change.
func identityOf(e *event.Event) string {
	return strings.Join([]string{e.ID(), e.Source(), e.Subject()}, "\x00")
}

// redact removes secrets from data, of the event or of its blob, and records in e what it found.
func (g *Gateway) redact(ctx context.Context, e *event.Event, data []byte) ([]byte, error) {
	if g.Redactor == nil {
		return data, nil
	}
	e.DataEncoded = data
	if err := producer.Redact(ctx, e, g.Redactor); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err() // the sender closed the connection
		}
		return nil, schemas.Refuse(schemas.NotJSON, "data: %v", err)
	}
	return e.Data(), nil
}

// place puts data back where they came from: into the event, or into the blob store.
func (g *Gateway) place(ctx context.Context, e *event.Event, ref string, data []byte) error {
	e.DataEncoded, e.DataBase64 = data, false
	if ref == "" {
		return nil
	}
	e.DataEncoded = nil
	digest, _, err := g.Blobs.PutFrom(ctx, bytes.NewReader(data)) // a file that is there already is not written again
	if err != nil {
		return &ingest.StoreError{Err: err}
	}
	e.SetExtension("dataref", digest)
	return nil
}

// An impersonation is an event that its sender published in the name of another.
type impersonation struct {
	event  *event.Event
	about  record.Event // what was read of it
	sender identity.Principal
	as     *ingest.Impostor
}

// find adds to findings, once, that an event in the name of another was refused. If the event names
// no repository, no record could contain the finding: then only the log of the gateway has it.
func (g *Gateway) find(findings []event.Event, i impersonation) []event.Event {
	log := g.Log.With("credential", i.sender.Name, "name", i.as.Name, "type", i.event.Type(), "id", i.event.ID())
	if i.about.Repository == "" {
		log.Warn("an event in the name of another was refused")
		return findings
	}
	found := g.finding(i)
	if _, err := g.read(context.Background(), &found, nil); err != nil {
		log.Warn("an event in the name of another was refused, and the refusal cannot be recorded", "err", err)
		return findings
	}
	for k := range findings {
		if findings[k].ID() == found.ID() {
			return findings
		}
	}
	return append(findings, found)
}

// finding returns the event that says that another event was refused.
func (g *Gateway) finding(i impersonation) event.Event {
	e := i.event
	fact := &record.IdentityRefused{Agent: i.as.Name, Credential: i.sender.Name, BoundTo: i.as.BoundTo, EventType: e.Type(), EventID: e.ID()}
	schemas.Fit(fact)
	out := producer.Event(string(i.about.Change), fact)
	out.SetSource(ownSource + "/gateway")
	out.SetID("refused:" + digests.Of([]byte(i.sender.Name+"\x00"+e.Source()+"\x00"+e.ID()+"\x00"+i.as.Name))) // the same refusal is one event
	out.SetTime(g.Now().UTC())
	out.SetExtension("partitionkey", string(i.about.Repository))
	Sign(&out, g.Keys, ingest.Own(), g.Now())
	return out
}

// sign states in an event who sent it, and when.
func (g *Gateway) sign(ctx context.Context, e *event.Event, who identity.Principal) {
	if g.tracer != nil { // before it is signed, since the signature covers the trace
		ctx, span := g.tracer.Start(ctx, "changetrail.publish", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			attribute.String("cloudevents.event_id", e.ID()),
			attribute.String("cloudevents.event_source", e.Source()),
			attribute.String("cloudevents.event_type", e.Type()),
		))
		producer.Inject(ctx, e)
		span.End()
	}
	Sign(e, g.Keys, who, g.Now())
}

// Sign states in an event who sent it and when it arrived: now, or at the stated time if the sender
// imports history. It signs both if there is a key.
func Sign(e *event.Event, keys signing.Keys, who identity.Principal, now time.Time) {
	authType, authID := schemas.AuthAnonymous, ""
	switch {
	case who.Agent != "":
		authType, authID = schemas.AuthService, who.Agent
	case who.Platform != "":
		authType, authID = schemas.AuthSystem, who.Platform
	case who.Person != "":
		authType, authID = schemas.AuthUser, who.Person
	}
	e.SetExtension("authtype", authType)
	if authID == "" {
		return
	}
	e.SetExtension("authid", authID)
	if _, stated := e.Extensions()[extensionArrived]; stated && who.History {
		e.SetExtension("imported", "true")
	} else {
		e.SetExtension(extensionArrived, now.UTC().Format(time.RFC3339Nano))
	}
	if signature := schemas.Sign(keys, producer.Envelope(e)); signature != "" {
		e.SetExtension("authmac", signature)
	}
}
