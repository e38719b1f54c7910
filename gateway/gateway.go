package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// A Publisher puts events on the stream. spooled is how many of them are only on disk so far. A
// [producer.Producer] is one.
type Publisher interface {
	Deliver(ctx context.Context, events ...event.Event) (spooled int, err error)
}

// Blobs is a store of files.
type Blobs interface {
	blobs.Getter
	blobs.Receiver
}

// A Config is what a gateway needs.
type Config struct {
	Publisher Publisher // receives events that were completed, checked and redacted here
	Blobs     Blobs     // nil: files are refused, and events of over 1 MB
	// Credentials are those of the senders. If nil, senders need no credential; if it lists none,
	// nobody may send.
	Credentials *identity.Credentials
	// MayReadFile reports whether a file is evidence of a change that who may read. If it is nil,
	// only those who may read everything may read files.
	MayReadFile func(ctx context.Context, digest string, who identity.Principal) (bool, error)
	// Open says that requests without a credential are accepted, as anonymous, although there are
	// credentials.
	Open bool
	// Redactor removes secrets from the events of agents. Webhooks stay unchanged.
	Redactor producer.Redactor
	// Keys sign who sent an event. Enrichers that have the keys believe it.
	Keys   signing.Keys
	GitHub GitHub
	GitLab GitLab
	Jira   Jira
	Limits Limits

	Log   *slog.Logger
	Meter metric.MeterProvider
	// Tracer makes a span for each accepted event. If it is nil, there are none.
	Tracer trace.TracerProvider
	Now    func() time.Time
}

// A Gateway answers requests.
type Gateway struct {
	Config
	limiter  *limiter
	recent   *recent
	metrics  *metrics
	tracer   trace.Tracer
	slots    chan struct{} // one for each running request
	memory   *budget.Budget
	small    *budget.Budget // of webhooks, and of requests without a credential if there are credentials
	protocol *http.CrossOriginProtection
	projects map[string][]record.Repository // of Jira
	large    chan struct{}                  // turns of large webhooks
	secrets  *secrets.Redactor              // hides secrets in shown files, whatever Redactor stores
}

// New returns a Gateway.
func New(c Config) (*Gateway, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Limits = c.Limits.orDefaults()
	m, err := newMetrics(c.Meter)
	if err != nil {
		return nil, err
	}
	redactor, err := secrets.New(secrets.Redacted, nil)
	if err != nil {
		return nil, err
	}
	projects, err := c.Jira.repositories()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		Config: c, secrets: redactor, projects: projects, large: newTurns(), limiter: newLimiter(c.Limits, c.Now), recent: newRecent(recentDeliveries), metrics: m,
		slots: make(chan struct{}, c.Limits.Requests), protocol: http.NewCrossOriginProtection(),
		memory: budget.New(c.Limits.Memory, c.Limits.Wait), small: budget.New(c.Limits.Unidentified, c.Limits.Wait),
	}
	if _, off := c.Tracer.(noop.TracerProvider); c.Tracer != nil && !off {
		g.tracer = c.Tracer.Tracer("github.com/changetrail/changetrail/gateway")
	}
	return g, nil
}

// Register adds to mux the routes on which the gateway accepts events and files.
func (g *Gateway) Register(mux *http.ServeMux) {
	for _, route := range []struct {
		method, path string
		handler      http.Handler
	}{
		{http.MethodPost, "/v1/events", g.Authenticated(g.events)},
		{http.MethodPost, "/v1/webhooks/github", g.guarded(g.little(g.github), problem.Write)},
		{http.MethodPost, "/v1/webhooks/gitlab", g.guarded(g.little(g.gitlab), problem.Write)},
		{http.MethodPost, "/v1/webhooks/jira", g.guarded(g.little(g.jira), problem.Write)},
		{http.MethodPost, "/v1/traces", g.Authenticated(g.traces)},
		{http.MethodPost, "/v1/logs", g.Authenticated(g.logs)},
		{http.MethodPut, "/v1/blobs", g.Authenticated(g.putBlob)},
	} {
		mux.Handle(route.method+" "+route.path, route.handler)
		mux.HandleFunc(route.path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", route.method)
			problem.Write(w, r, problem.New(http.StatusMethodNotAllowed, "%s accepts %s, not %s", route.path, route.method, r.Method))
		})
	}
	rpc := g.grpcHandler(g.otlpServer())
	mux.Handle("POST /opentelemetry.proto.collector.trace.v1.TraceService/Export", rpc)
	mux.Handle("POST /opentelemetry.proto.collector.logs.v1.LogsService/Export", rpc)
}

// RegisterFiles adds to mux the route that serves stored files, for a server without the pages,
// which serve them otherwise.
func (g *Gateway) RegisterFiles(mux *http.ServeMux) {
	mux.Handle("GET /v1/blobs/{digest}", g.Authenticated(g.getBlob))
}

// A Sender is who has sent a request.
type Sender struct {
	identity.Principal
	key senderKey
	g   *Gateway
}

// Accept puts an event of the sender on the stream, checked and signed like an event that was sent by
// itself.
func (s Sender) Accept(ctx context.Context, e event.Event) error {
	_, err := s.g.Accept(ctx, s, []event.Event{e})
	return err
}

// memoryFactor is how much memory a request needs that another library reads, in multiples of its
// size: for the request itself, and for the values that it is read into.
const memoryFactor = 8

// For returns a handler that identifies the sender of a request, applies its limits, and lets the
// handler for that sender answer.
func (g *Gateway) For(handler func(Sender) http.Handler) http.Handler {
	return g.Authenticated(func(w http.ResponseWriter, r *http.Request, from Sender) error {
		r.Body = &budget.Reader{In: r.Body, Share: shareOf(r.Context()), Times: memoryFactor}
		if err := waitForTurnBeyond(r.Context(), memoryFactor*largeRequest); err != nil {
			return err
		}
		handler(from).ServeHTTP(w, r)
		return nil
	})
}

// guarded lets f answer, after the checks that every request must pass: a bounded header, a free
// slot, and no browser that another site sends. refuse answers if a check or f fails.
func (g *Gateway) guarded(f func(http.ResponseWriter, *http.Request) error, refuse func(http.ResponseWriter, *http.Request, *problem.Problem)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := g.Now()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		err := g.work(w, r, f)
		status := http.StatusOK
		if err != nil {
			p := g.problemOf(err)
			status = p.Status
			if status >= 500 {
				g.Log.Warn("a request failed", "path", r.URL.Path, "status", status, "err", p.Detail)
			}
			refuse(w, r, p)
		}
		g.metrics.request(r, status, g.Now().Sub(began))
	})
}

// work lets f answer a request that is admitted.
func (g *Gateway) work(w http.ResponseWriter, r *http.Request, f func(http.ResponseWriter, *http.Request) error) error {
	if err := g.admitRequest(r); err != nil {
		return err
	}
	defer func() { <-g.slots }() // even if f panics
	return f(w, r)
}

// admitRequest takes a slot for a request, or says why there is none for it.
func (g *Gateway) admitRequest(r *http.Request) error {
	if n := headerSize(r.Header); n > maxHeader {
		return problem.New(http.StatusRequestHeaderFieldsTooLarge, "the header has %d bytes; the limit is %d. Put data into the body", n, maxHeader)
	}
	if err := g.protocol.Check(r); err != nil {
		return problem.New(http.StatusForbidden, "another site made the browser send this request: %v", err)
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
		return problem.New(http.StatusServiceUnavailable, "%d requests are running already; the broker may be slow", cap(g.slots)).Later(time.Second)
	}
}

// maxHeader is the largest header of a request, in bytes. The attributes of a
// CloudEvent have at most some KB.
const maxHeader = 64 << 10

func headerSize(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// problemOf returns the answer to an error.
func (g *Gateway) problemOf(err error) *problem.Problem {
	var tooLarge *http.MaxBytesError
	var unpacked *budget.TooLargeError
	switch {
	case errors.As(err, &unpacked):
		return problem.New(http.StatusRequestEntityTooLarge, "the body: %v", unpacked)
	case errors.As(err, &tooLarge):
		return problem.New(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, budget.ErrFull):
		return problem.New(http.StatusServiceUnavailable, "the memory for requests is used up (%d MiB); send it again", g.Limits.Memory>>20).Later(time.Second)
	case errors.Is(err, producer.ErrPermanent):
		return problem.New(http.StatusUnprocessableEntity, "%v", err)
	}
	return problem.Of(err, http.StatusInternalServerError)
}

// Authenticated lets f answer requests over HTTP of an identified sender.
func (g *Gateway) Authenticated(f func(http.ResponseWriter, *http.Request, Sender) error) http.Handler {
	return g.guarded(g.identified(f), func(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
		if p.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="changetrail"`)
		}
		problem.Write(w, r, p)
	})
}

// identified identifies the sender of a request, and lets f answer within the limits of the
// credential.
func (g *Gateway) identified(f func(http.ResponseWriter, *http.Request, Sender) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		from, leave, err := g.enter(r)
		if err != nil {
			return err
		}
		defer leave()
		return withMemory(g.budgetOf(from), g.turnOf(from), r, func(r *http.Request) error { return f(w, r, from) })
	}
}

// little lets f answer within the memory for senders that are not identified yet.
func (g *Gateway) little(f func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		return withMemory(g.small, &turn{turns: g.large, wait: g.Limits.Wait}, r, func(r *http.Request) error { return f(w, r) })
	}
}

// budgetOf returns the memory that requests of a sender share with others.
func (g *Gateway) budgetOf(from Sender) *budget.Budget {
	if from.Name == "" && g.Credentials != nil && g.Credentials.Any() {
		return g.small
	}
	return g.memory
}

// turnOf returns the turn of a request among the large ones of its sender.
func (g *Gateway) turnOf(from Sender) *turn {
	return &turn{turns: g.limiter.turns(from.key), wait: g.Limits.Wait}
}

// enter returns who sent a request, and counts it among those of the credential until leave is
// called.
func (g *Gateway) enter(r *http.Request) (from Sender, leave func(), err error) {
	who, err := g.Authenticate(r)
	var away *identity.AwayError
	if errors.As(err, &away) {
		return from, nil, problem.New(http.StatusServiceUnavailable, "%v; send it again", away).Later(away.Retry)
	}
	if err != nil {
		return from, nil, problem.New(http.StatusUnauthorized, "%v", err)
	}
	from = Sender{who, keyOf(who, r), g}
	leave, err = g.limiter.enter(from.key)
	return from, leave, err
}

// Authenticate returns who sent a request. Without Credentials anybody who can connect may send, as
// an anonymous client. With Credentials that list none, for example once the last was removed,
// nobody may.
func (g *Gateway) Authenticate(r *http.Request) (identity.Principal, error) {
	if g.Credentials == nil {
		return identity.Principal{}, nil
	}
	who, err := g.Credentials.Authenticate(r)
	if g.Open && errors.Is(err, identity.ErrNone) {
		return identity.Principal{}, nil
	}
	return who, err
}

// publish puts events on the stream, and returns how many are only on disk so far.
func (g *Gateway) publish(ctx context.Context, events []event.Event) (spooled int, err error) {
	turnOf(ctx).release() // only waiting remains
	ctx, cancel := context.WithTimeout(ctx, g.Limits.Timeout)
	defer cancel()
	for i := range events { // in JSON, as on a disk, space around data would be lost, and the signature is over it
		data := events[i].Data()
		events[i].DataBase64 = len(bytes.TrimSpace(data)) != len(data)
	}
	spooled, err = g.Publisher.Deliver(ctx, events...)
	switch {
	case err == nil:
		g.metrics.accepted(events, spooled)
		return spooled, nil
	case errors.Is(err, producer.ErrPermanent):
		return 0, err
	}
	g.Log.Warn("events were not accepted", "events", len(events), "err", err)
	return 0, problem.New(http.StatusServiceUnavailable, "the broker did not confirm in time; send the request again, source and id make a repeat harmless: %v", err).Later(2 * time.Second)
}

// answer says that events were accepted.
func answer(w http.ResponseWriter, spooled int) error {
	if spooled == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, err := fmt.Fprintf(w, `{"spooled":%d,"detail":"the broker cannot be reached; the events are safe on this gateway's disk and are sent later"}`+"\n", spooled)
	return err
}
