package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

const testKey = "a key of the tests, long enough"

var signingKeys = signing.Of([]byte(testKey))

// A site is a gateway with a broker behind it.
type site struct {
	*httptest.Server
	gateway *Gateway
	broker  *kfake.Cluster
	reader  *kgo.Client
	taken   int // webhooks that were put on the stream
}

// newSite starts a gateway; change modifies its configuration.
func newSite(t testing.TB, change func(*Config, *producer.Options)) *site {
	t.Helper()
	broker := kafkatest.Cluster(t, 1, producer.DefaultTopic)
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	redactor, err := secrets.New(secrets.Redacted, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Blobs: store, Redactor: redactor, Keys: signingKeys, Log: slog.New(slog.DiscardHandler)}
	o := producer.Options{Checked: true, Blobs: store}
	if change != nil {
		change(&c, &o)
	}
	p, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: broker.ListenAddrs()}), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	c.Publisher = p
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	g.Register(mux)
	g.RegisterFiles(mux)
	s := &site{Server: httptest.NewUnstartedServer(mux), gateway: g, broker: broker}
	s.Config.ReadTimeout = 700 * time.Millisecond
	s.Config.Protocols = new(http.Protocols) // as the command serves it
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	if s.reader, err = kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.ConsumeTopics(producer.DefaultTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.reader.Close)
	return s
}

// next returns the next n events in Kafka.
func (s *site) next(t testing.TB, n int) []schemas.Envelope {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var out []schemas.Envelope
	for len(out) < n {
		fetches := s.reader.PollRecords(ctx, n-len(out))
		if ctx.Err() != nil {
			t.Fatalf("%d events came, want %d", len(out), n)
		}
		for _, r := range fetches.Records() {
			m := schemas.Message{Key: r.Key, Value: r.Value, Time: r.Timestamp}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, schemas.Header{Key: h.Key, Value: h.Value})
			}
			e, err := schemas.Open(m)
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Key) != e.PartitionKey {
				t.Errorf("%s lies under %s", e.ID, r.Key)
			}
			out = append(out, e)
		}
	}
	return out
}

// none fails if Kafka has an event that was not read.
func (s *site) none(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if n := s.reader.PollFetches(ctx).NumRecords(); n > 0 {
		t.Errorf("%d events were taken", n)
	}
}

// A reply is the answer to a request.
type reply struct {
	status int
	header http.Header
	body   string
}

func (s *site) send(t testing.TB, method, path string, header map[string]string, body []byte) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(text)}
}

// problem returns a reply as a problem of RFC 9457, and fails if it is none.
func (r reply) problem(t testing.TB, status int) (p struct {
	Status int
	Title  string
	Detail string
	Errors []struct {
		Index      int
		ID, Reason string
		Detail     string
	}
},
) {
	t.Helper()
	if r.status != status || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the answer is %d %s %s, want a problem %d", r.status, r.header.Get("Content-Type"), r.body, status)
	}
	if err := json.Unmarshal([]byte(r.body), &p, json.MatchCaseInsensitiveNames(true)); err != nil || p.Status != r.status || p.Detail == "" || p.Title == "" {
		t.Errorf("the problem reads %s, %v", r.body, err)
	}
	return p
}

var structured = map[string]string{"Content-Type": schemas.ContentTypeEvent}

func with(header map[string]string, more ...string) map[string]string {
	out := make(map[string]string)
	for k, v := range header {
		out[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// decision is a decision of an agent about acme/payments#4829.
func decision(id, agent string, more string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"/agents/` + agent + `","type":"` + record.TypeDecisionRecorded + `","subject":"github.com/acme/payments/pull/4829","time":"2026-03-01T03:47:00Z","datacontenttype":"application/json"` + more + `,"data":{"agent":{"id":"` + agent + `"},"rationale":"it is reachable"}}`
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	z.Close()
	return out.Bytes()
}

// credentials makes credentials.yaml and a token for each of its lines.
func credentials(t testing.TB, lines ...string) (*identity.Credentials, []string) {
	t.Helper()
	text, tokens := "tokens:\n", make([]string, len(lines))
	for i, line := range lines {
		token, digest := identity.NewToken()
		tokens[i] = "Bearer " + token
		text += fmt.Sprintf("  - {%s, sha256: %s}\n", line, digest)
	}
	c, err := identity.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c, tokens
}
