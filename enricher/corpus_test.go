package enricher

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/corpus"
	ids "github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// signingKey is the key of gateway and enricher.
const signingKey = "a key of the tests, long enough"

var signingKeys = signing.Of([]byte(signingKey))

// spilled is the beginning of a secret that some cases contain.
const spilled = "ghp" + "_x7Kq2mVbT9sLw4"

// principals are the senders of the corpus, except the last; "" is anyone who can connect.
var principals = []struct{ line, sender string }{
	{"", ""},
	{"name: a-prod, agent: a", "agent:a"},
	{"name: a-docs, agent: a, repositories: [github.com/acme/docs]", "agent:a"},
	{"name: jenkins-2026, platform: jenkins", "platform:jenkins"},
	{"name: wild, platform: wild, repositories: [github.com/acme/d*]", "platform:wild"},
	{"name: mira, person: mira", "person:mira"},
	{"name: mira-all, person: mira, repositories: [\"github.com/acme/**\"]", "person:mira"},
	{"name: lists, platform: lists, may: [changes, scans, tests]", "platform:lists"},
}

// A kept is a transport that keeps messages as Kafka would, once as they came and once as a spool
// delivers them.
type kept struct {
	at            time.Time
	sent, spooled []*stream.Record
}

func (k *kept) Send(ctx context.Context, events []event.Event) []error {
	errs := make([]error, len(events))
	for i, e := range events {
		k.sent, errs[i] = k.add(ctx, k.sent, e)
		text, err := e.MarshalJSON()
		var again event.Event
		if err == nil {
			err = again.UnmarshalJSON(text)
		}
		if err == nil {
			k.spooled, err = k.add(ctx, k.spooled, again)
		}
		if err != nil {
			errs[i] = err
		}
	}
	return errs
}

func (k *kept) Close() error { return nil }

func (k *kept) add(ctx context.Context, to []*stream.Record, e event.Event) ([]*stream.Record, error) {
	m, err := producer.Encode(ctx, e, producer.Binary)
	if err != nil {
		return to, err
	}
	r := &stream.Record{Key: m.Key, Value: m.Value, Timestamp: k.at}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return append(to, r), nil
}

// A bench is a gateway and what lies behind it.
type bench struct {
	*testing.T
	handler http.Handler
	kept    *kept
	store   *blobs.Store
	tokens  []string
}

func newBench(t *testing.T, now time.Time) *bench {
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	redactor, err := secrets.New(secrets.Redacted, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, kept: &kept{at: now}, store: store, tokens: make([]string, len(principals))}
	text := "tokens:\n"
	for i, p := range principals[1:] {
		token, digest := ids.NewToken()
		b.tokens[i+1] = "Bearer " + token
		text += fmt.Sprintf("  - {%s, rate: 1000000, sha256: %s}\n", p.line, digest)
	}
	known, err := ids.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := producer.New(b.kept, producer.Options{Checked: true, Blobs: store})
	if err != nil {
		t.Fatal(err)
	}
	c := gateway.Config{Publisher: p, Blobs: store, Redactor: redactor, Keys: signingKeys, Limits: gateway.Limits{Rate: 1e6}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
	mux := http.NewServeMux()
	open, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	open.Register(mux)
	c.Credentials = known
	closed, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	asked := http.NewServeMux()
	closed.Register(asked)
	b.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			asked.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
	return b
}

// send sends a case to the gateway. It returns the status, the reason if there is one, and the
// messages that reached Kafka.
func (b *bench) send(c *corpus.Case, good []byte) (status int, reason schemas.Reason, sent, spooled []*stream.Record) {
	header, body := c.HTTP(good)
	r := httptest.NewRequest(http.MethodPost, "/v1/events", bytes.NewReader(body))
	r.Header = header
	if token := b.tokens[c.As]; token != "" {
		r.Header.Set("Authorization", token)
	}
	w := httptest.NewRecorder()
	b.kept.sent, b.kept.spooled = nil, nil
	b.handler.ServeHTTP(w, r)
	var p struct {
		Errors []struct{ Reason schemas.Reason }
	}
	text, _ := io.ReadAll(w.Body)
	if err := json.Unmarshal(text, &p, json.MatchCaseInsensitiveNames(true)); err == nil && len(p.Errors) > 0 {
		reason = p.Errors[0].Reason
	}
	return w.Code, reason, b.kept.sent, b.kept.spooled
}

// decode reads a record as an enricher does that gets it that much later.
func (b *bench) decode(r *stream.Record, later time.Duration) decodedEvent {
	b.Helper()
	at := *r
	at.Timestamp = r.Timestamp.Add(later)
	d, err := decode(b.Context(), &at, ingest.Reader{Keys: signingKeys}, b.store)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// direct reads a case as its sender would write it to Kafka.
func (b *bench) direct(c *corpus.Case, key string) decodedEvent {
	m := c.Kafka(b.kept.at)
	r := &stream.Record{Key: []byte(key), Value: m.Value, Timestamp: m.Time}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return b.decode(r, 0)
}

// TestGatewayAndEnricherReadTheSame sends 5,000 envelopes, of every type and with every mistake,
// through a gateway, and what it accepted to an enricher. It also sends the same envelopes past
// the gateway.
func TestGatewayAndEnricherReadTheSame(t *testing.T) {
	now := time.Now().UTC()
	b := newBench(t, now)
	taken, reasons := 0, make(map[schemas.Reason]int)
	for _, c := range corpus.New(7, 5000, len(principals)-1, now) {
		if c.Blob != nil {
			if _, err := b.store.Put(t.Context(), c.Blob); err != nil {
				t.Fatal(err)
			}
		}
		good := fmt.Appendf(nil, `{"specversion":"1.0","id":"good","source":"/x","type":%q,"partitionkey":%q,"data":{}}`, record.TypeEventNoted, corpus.Docs)
		status, reason, sent, spooled := b.send(&c, good)
		fail := func(format string, args ...any) {
			t.Helper()
			header, body := c.HTTP(good)
			t.Errorf("%s, as %d in mode %d: %s\n%v %.600s %.300s", c.Name, c.As, c.Mode, fmt.Sprintf(format, args...), header, body, c.Blob)
		}
		if status >= 500 {
			fail("answered %d", status)
			continue
		}
		for _, r := range append(sent, spooled...) {
			for _, later := range []time.Duration{0, 29 * 24 * time.Hour, -59 * time.Minute} {
				if d := b.decode(r, later); d.refusal != nil {
					fail("it was answered %d, and is refused %s later: %v", status, later, d.refusal)
				}
			}
		}
		direct, keyed := b.direct(&c, ""), b.direct(&c, c.Key)
		if direct.refusal == nil && direct.event.Repository != "" && !mayGuess(&c) {
			if diff := cmp.Diff(direct.event, keyed.event); diff != "" || keyed.refusal != nil {
				fail("the key %q makes another event of it: %v (-without +with):\n%s", c.Key, keyed.refusal, diff)
			}
		}
		if status >= 300 {
			reasons[reason]++
			b.sameReason(status, reason, &direct, fail)
			continue
		}
		taken++
		if direct.refusal != nil {
			if direct.refusal.Reason == schemas.NotTheSenders {
				fail("a gateway took what changetrail alone may say")
			}
			if !directAlone(&c, direct.refusal) {
				fail("past the gateway it is refused: %v", direct.refusal)
			}
			continue
		}
		b.sameEvent(&c, sent[0], spooled[0], &direct, fail)
	}
	t.Logf("%d were taken; of the others %v", taken, reasons)
	if taken < 1000 {
		t.Errorf("only %d of 5000 were accepted: the corpus shows little", taken)
	}
	for _, want := range []schemas.Reason{
		schemas.NotCloudEvent, schemas.UnknownType, schemas.SchemaViolation, schemas.NoRepository, schemas.NotAChange, schemas.ClockSkew, schemas.TooLarge,
		schemas.BadReport, schemas.DigestMismatch, schemas.BlobMissing, schemas.NamesConflict, schemas.NotTheSenders, schemas.NotAllowed,
	} {
		if reasons[want] == 0 {
			t.Errorf("nothing was refused as %s: the corpus shows little", want)
		}
	}
}

// directAlone reports whether an event is refused only in Kafka: it is too large for Kafka, and
// travels over HTTP as a file.
func directAlone(c *corpus.Case, r *schemas.Refusal) bool {
	return r.Reason == schemas.TooLarge && len(c.Data) > schemas.MaxEventSize-2000
}

// mayGuess reports whether an event of CDEvents may state no repository, so that the Kafka key
// takes precedence over the source of its subject.
func mayGuess(c *corpus.Case) bool {
	return strings.HasPrefix(c.Attributes["type"], "dev.cdevents.") && c.Attributes["partitionkey"] == ""
}

// sameReason compares the reason of a gateway with that of an enricher.
func (b *bench) sameReason(status int, reason schemas.Reason, direct *decodedEvent, fail func(string, ...any)) {
	b.Helper()
	switch {
	case reason == schemas.NotTheSenders || reason == schemas.NotAllowed: // Kafka does not know who sends it
		return
	case reason == schemas.ClockSkew && direct.refusal == nil: // the enricher leaves a margin
		return
	case direct.refusal == nil:
		fail("the gateway says %d %s, the enricher takes it", status, reason)
	case reason == "" && (status == http.StatusBadRequest || status == http.StatusUnsupportedMediaType): // neither JSON nor a batch nor an event
		return
	case direct.refusal.Reason == schemas.TooLarge || direct.refusal.Reason == schemas.NotTheSenders: // the size of a record; who sends it
		return
	case direct.refusal.Reason != reason:
		fail("the gateway says %d %s, the enricher %v", status, reason, direct.refusal)
	}
}

// sameEvent compares what a gateway wrote to Kafka with what its sender would have written.
func (b *bench) sameEvent(c *corpus.Case, sent, spooled *stream.Record, direct *decodedEvent, fail func(string, ...any)) {
	b.Helper()
	got, again := b.decode(sent, 0), b.decode(spooled, 0)
	if got.refusal != nil || again.refusal != nil {
		return // already reported
	}
	if diff := cmp.Diff(got.event, again.event); diff != "" {
		fail("from the spool it is another (-sent +spooled):\n%s", diff)
	}
	if bytes.Contains(sent.Value, []byte(spilled)) || bytes.Contains(got.env.Data, []byte(spilled)) {
		fail("a secret reached Kafka")
	}
	want := direct.event
	want.Sender, want.Witness = principals[c.As].sender, got.event.Witness // see package ingest
	stated := direct.env.Time
	if stated.IsZero() { // the gateway sets the time
		stated = got.env.Time
	}
	if platform.Reads(direct.env.Type) {
		stated = want.Time
		if want.Time.Equal(b.kept.at) { // the event states none
			stated = time.Time{}
		}
	}
	if got.env.Redacted != "" {
		want.Fact = got.event.Fact
	}
	if want.Repository == "" { // the credential may know it
		want.Repository, want.Run = got.event.Repository, got.event.Run
		if spans, ok := got.event.Fact.(*record.Spans); ok {
			want.Fact = spans
		}
	}
	if err := schemas.Fingerprint(&want, stated); err != nil {
		b.Fatal(err)
	}
	if diff := cmp.Diff(want, got.event); diff != "" {
		fail("it is another event (-past the gateway +through it):\n%s", diff)
	}
}

func TestWhatGoesIntoTheIndexIsWellFormed(t *testing.T) {
	for data, want := range map[string]string{
		`{"a":"b"}`:             `{"a":"b"}`,
		"{\"a\":\"\xff\"}":      "{\"a\":\"\uFFFD\"}",
		`{"a":"\ud800"}`:        "{\"a\":\"\uFFFD\"}",
		`{"a":"\ud83d\ude00!"}`: `{"a":"\ud83d\ude00!"}`,
		`{"a":"\u0000","b":1 }`: `{"a":"\u0000","b":1 }`,
	} {
		if got := wellFormed([]byte(data)); string(got) != want {
			t.Errorf("%q becomes %q, want %q", data, got, want)
		}
	}
}
