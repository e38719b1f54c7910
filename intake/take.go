package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/platform"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Take puts events of a sender on the stream: all of them, once each is found to be
// right and to be the sender's to send; else none.
func (g *Gateway) Take(ctx context.Context, from Sender, events []event.Event) (spooled int, err error) {
	if err := g.limiter.allow(from.key, len(events)); err != nil {
		return 0, err
	}
	p := problem.New(http.StatusUnprocessableEntity, "")
	var refused []event.Event
	for i := range events {
		e := &events[i]
		about, err := g.prepare(e, from.Principal)
		if err == nil {
			continue
		}
		part := problem.Part{Index: i, ID: e.ID(), Detail: err.Error()}
		var other *impostor
		var outside *outsider
		switch refusal := schemas.AsRefusal(err); {
		case errors.As(err, &other):
			p.Status, part.Reason = http.StatusForbidden, "identity"
			refused = append(refused, g.finding(e, about, from.Principal, other))
		case errors.As(err, &outside):
			p.Status, part.Reason = http.StatusForbidden, "repository"
		case refusal != nil:
			part.Reason, part.Detail = string(refusal.Reason), refusal.Detail
			if refusal.Reason == schemas.TooLarge && len(events) == 1 {
				p.Status = http.StatusRequestEntityTooLarge
			}
		}
		g.metrics.refuse(part.Reason)
		p.Errors = append(p.Errors, part)
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

// An impostor is an event in the name of someone who did not send it.
type impostor struct{ name, credential, bound string }

func (i *impostor) Error() string {
	whose := "is bound to nobody"
	if i.bound != "" {
		whose = "is that of " + i.bound
	}
	return fmt.Sprintf("it speaks in the name of %s, and the credential %s %s", i.name, i.credential, whose)
}

// An outsider is a credential that may not speak of a repository.
type outsider struct {
	credential string
	repository record.Repository
}

func (o *outsider) Error() string {
	return fmt.Sprintf("the credential %s may not speak of %s", o.credential, o.repository)
}

// Extensions that the gateway sets; what a client says of them is dropped.
var ours = []string{"authtype", "authid", "authmac", "contentmode", "redacted"}

// prepare checks an event, makes it whole, takes out its secrets and stamps it. It
// returns what the event is about, as far as it could be read.
func (g *Gateway) prepare(e *event.Event, who identity.Principal) (record.Event, error) {
	said := e.Extensions()
	for _, name := range ours {
		if _, ok := said[name]; ok {
			e.SetExtension(name, nil)
		}
	}
	if e.Time().IsZero() {
		e.SetTime(g.Now().UTC())
	}
	about, err := g.check(e)
	if err != nil {
		return about, err
	}
	if about.Repository == "" {
		if err := g.place(e, &about, who); err != nil {
			return about, err
		}
	} else if err := mayTell(who, about.Repository); err != nil {
		return about, err
	}
	e.SetExtension("partitionkey", about.Home())
	if err := speaks(who, about.Fact); err != nil {
		return about, err
	}
	if g.Redactor != nil {
		if err := producer.Redact(e, g.Redactor); err != nil {
			return about, schemas.Refuse(schemas.NotJSON, "data: %v", err)
		}
		if e.Extensions()["redacted"] != nil {
			if _, err := g.check(e); err != nil { // a marker may be longer than what it stands for
				return about, err
			}
		}
	}
	return about, g.stamp(e, who)
}

// place finds out where an event belongs that says of no repository.
func (g *Gateway) place(e *event.Event, about *record.Event, who identity.Principal) error {
	spans, ok := about.Fact.(*record.Spans)
	if !ok {
		about.Repository = record.Repository(who.OnlyRepository())
		return mayTell(who, about.Repository)
	}
	changed := false
	for i := range spans.Spans {
		s := &spans.Spans[i]
		agent, repo := s.AgentID, s.Repository
		if err := ownSpan(who, s); err != nil {
			return err
		}
		changed = changed || s.AgentID != agent || s.Repository != repo
	}
	if !changed { // as where telemetry came as such
		return nil
	}
	data, err := schemas.Encode(spans)
	if err == nil {
		e.DataEncoded = data
	}
	return err
}

// check reads an event as the enricher will, and refuses what that would refuse.
func (g *Gateway) check(e *event.Event) (record.Event, error) {
	if v := e.SpecVersion(); v != "1.0" {
		return record.Event{}, schemas.Refuse(schemas.NotCloudEvent, "specversion %q; only 1.0 is read", v)
	}
	if err := e.Validate(); err != nil {
		return record.Event{}, schemas.Refuse(schemas.NotCloudEvent, "%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	limit := schemas.MaxEventSize
	if g.Blobs != nil {
		limit = schemas.MaxDataSize
	}
	if n := len(e.Data()); n > limit {
		return record.Event{}, schemas.Refuse(schemas.TooLarge, "%d bytes of data, at most %d are taken here", n, limit)
	}
	env := envelope(e)
	if env.DataRef != "" && len(env.Data) == 0 {
		return g.checkReference(env)
	}
	if platform.Reads(e.Type()) {
		return g.checkPlatform(env)
	}
	about, err := schemas.Decode(env, nil, g.Now())
	if err != nil {
		return about, err
	}
	switch about.Fact.(type) {
	case *record.IdentityRefused, *record.RunNamed:
		return about, schemas.Refuse(schemas.SchemaViolation, "events of type %s come from changetrail itself alone", e.Type())
	}
	return about, checkReport(about.Fact)
}

// checkReference finds out what an event is about whose data is elsewhere.
func (g *Gateway) checkReference(env schemas.Envelope) (record.Event, error) {
	if id, err := record.ParseChange(env.Subject); err == nil {
		return record.Event{Change: id, Repository: id.Repository()}, nil
	}
	repo, err := record.ParseRepository(env.PartitionKey)
	if err != nil {
		return record.Event{}, schemas.Refuse(schemas.NoRepository, "its data is elsewhere (dataref), so subject or partitionkey must say which repository it is about: %v", err)
	}
	return record.Event{Repository: repo}, nil
}

func (g *Gateway) checkPlatform(env schemas.Envelope) (record.Event, error) {
	hint, _ := record.ParseRepository(env.PartitionKey) // none is none
	r, err := platform.Read(env.Type, env.Data, hint)
	if id, notAChange := record.ParseChange(env.Subject); notAChange == nil && errors.Is(err, platform.ErrNotAChange) {
		r.Change, r.Repository, err = id, id.Repository(), nil
	}
	if err != nil {
		return record.Event{}, schemas.Refuse(schemas.SchemaViolation, "%v", err)
	}
	if r.Repository == "" {
		return record.Event{}, schemas.Refuse(schemas.NoRepository, "the event names no repository; set partitionkey to host/path, as github.com/acme/payments")
	}
	return record.Event{Repository: r.Repository, Change: r.Change, Fact: r.Fact}, nil
}

// checkReport reads the report that a fact carries.
func checkReport(f record.Fact) error {
	var err error
	switch f := f.(type) {
	case *record.Scan:
		_, err = evidence.ReadScan(f)
	case *record.Validation:
		_, err = evidence.ReadValidation(f)
	}
	switch {
	case errors.Is(err, evidence.ErrDigest):
		return schemas.Refuse(schemas.DigestMismatch, "%v; what was sent is not what was read: send the file again", err)
	case err != nil:
		return schemas.Refuse(schemas.BadReport, "%v", err)
	}
	return nil
}

// envelope is the context of e, as the enricher will read it.
func envelope(e *event.Event) schemas.Envelope {
	extensions := e.Extensions() // a copy, each time
	text := func(name string) string {
		s, _ := extensions[name].(string)
		return s
	}
	return schemas.Envelope{
		SpecVersion: "1.0", ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Time: e.Time(), DataContentType: e.DataContentType(),
		PartitionKey: text("partitionkey"), DataRef: text("dataref"), TraceParent: text("traceparent"), AuthType: text("authtype"), AuthID: text("authid"), Data: e.Data(),
	}
}

// speaks tells whether a fact is its sender's to state. A credential that is bound
// to an agent states what that agent did and decided; one of a person, that
// person's reviews and leave. What an agent says of others is taken: it is a claim,
// and the record says so.
func speaks(who identity.Principal, f record.Fact) error {
	name := ""
	switch f := f.(type) {
	case *record.Decision:
		name = f.Agent.ID
	case *record.Action:
		name = f.Agent.ID
	case *record.Opened:
		name = f.Agent
	case *record.Updated:
		name = f.Agent
	case *record.Merged:
		name = f.Agent
	case *record.Closed:
		name = f.Agent
	case *record.Review:
		if who.Person != "" && f.Reviewer != who.Person {
			return &impostor{f.Reviewer, who.Name, who.Person}
		}
	case *record.Approval:
		if who.Person != "" && f.Approver != who.Person {
			return &impostor{f.Approver, who.Name, who.Person}
		}
	}
	if who.Agent != "" && name != "" && name != who.Agent {
		return &impostor{name, who.Name, who.Agent}
	}
	return nil
}

// finding is the event that says of another that it was refused.
func (g *Gateway) finding(e *event.Event, about record.Event, who identity.Principal, i *impostor) event.Event {
	out := producer.Event(string(about.Change), &record.IdentityRefused{Agent: i.name, Credential: who.Name, BoundTo: i.bound, EventType: e.Type(), EventID: e.ID()})
	out.SetSource("/changetrail/gateway")
	out.SetID("refused:" + record.Digest([]byte(who.Name+"\x00"+e.Source()+"\x00"+e.ID()+"\x00"+i.name))) // the same refusal, once
	out.SetTime(g.Now().UTC())
	out.SetExtension("partitionkey", string(about.Repository))
	_ = g.stamp(&out, identity.Principal{Name: "gateway", Platform: "changetrail"}) // it is whole: nothing can fail
	return out
}

// stamp says on an event who sent it.
func (g *Gateway) stamp(e *event.Event, who identity.Principal) error {
	authType, authID := schemas.AuthAnonymous, ""
	switch {
	case who.Agent != "":
		authType, authID = schemas.AuthService, who.Agent
	case who.Platform != "":
		authType, authID = schemas.AuthSystem, who.Name
	case who.Person != "":
		authType, authID = schemas.AuthUser, who.Person
	}
	e.SetExtension("authtype", authType)
	if authID == "" {
		return nil
	}
	e.SetExtension("authid", authID)
	if len(g.StampKey) > 0 {
		e.SetExtension("authmac", schemas.Stamp(g.StampKey, envelope(e)))
	}
	return nil
}
