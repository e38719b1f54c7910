package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	samples "runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// A shape is a kind of request that is made to use much memory.
type shape struct {
	name   string
	path   string
	header map[string]string
	body   []byte
	stated int64 // Content-Length, where more is stated than comes
}

func packed(text []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(text)
	z.Close()
	return b.Bytes()
}

// about makes an event of a type, with data.
func about(typ, data string) string {
	return `{"specversion":"1.0","id":"1","source":"/agents/a","type":"` + typ + `","subject":"github.com/acme/payments/pull/7","time":"2026-03-01T03:47:00Z","datacontenttype":"application/json","data":` + data + `}`
}

// scanned makes an event with a compressed report.
func scanned(typ string, report []byte) string {
	return about(typ, `{"tool":{"name":"t"},"name":"t","agent":{"id":"a"},"commit":"`+strings.Repeat("1", 40)+`","report":{"encoding":"gzip+base64","content":"`+base64.StdEncoding.EncodeToString(packed(report))+`"}}`)
}

// nested makes n empty messages of Protocol Buffers, in the message at path.
func nested(n int, empty string, path ...byte) []byte {
	out := bytes.Repeat([]byte(empty), n)
	for _, field := range path {
		out = append(binary.AppendUvarint([]byte{field<<3 | 2}, uint64(len(out))), out...)
	}
	return out
}

func frame(packed byte, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{packed}, uint32(len(message))), message...)
}

func listOf(begin, item, end string, size int) string {
	return begin + strings.Repeat(item+",", size/(len(item)+1)) + item + end
}

const grpcTraces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

func shapes() []shape {
	const most = 8<<20 - 2<<10
	event := map[string]string{"Content-Type": "application/cloudevents+json"}
	batch := map[string]string{"Content-Type": "application/cloudevents-batch+json"}
	gz := func(h map[string]string) map[string]string {
		out := map[string]string{"Content-Encoding": "gzip"}
		for k, v := range h {
			out[k] = v
		}
		return out
	}
	proto, inJSON := map[string]string{"Content-Type": "application/x-protobuf"}, map[string]string{"Content-Type": "application/json"}
	grpc, grpcGzip := map[string]string{"Content-Type": "application/grpc", "Te": "trailers"}, map[string]string{"Content-Type": "application/grpc", "Te": "trailers", "Grpc-Encoding": "gzip"}
	hook := func(body string) map[string]string {
		return map[string]string{"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": sign("s", body)}
	}
	spaces := bytes.Repeat([]byte(" "), 32<<20-1)
	nothing := `{"action":"x","repository":{"full_name":"acme/payments","html_url":"https://github.com/acme/payments"}}`
	wide := listOf(`{"commits":[`, `{}`, `]}`, 24<<20)
	arguments := about(record.TypeActionPerformed, listOf(`{"agent":{"id":"a"},"tool":"Bash","call_id":"c","outcome":"success","arguments":{"a":[`, `{}`, `]}}`, 900_000))
	deep := about(record.TypeActionPerformed, listOf(`{"agent":{"id":"a"},"tool":"Bash","call_id":"c","outcome":"success","arguments":{"a":[`, strings.Repeat("[", 400)+strings.Repeat("]", 400), `]}}`, 900_000))
	sarif := []byte(listOf(`{"version":"2.1.0","$schema":"https://json.schemastore.org/sarif-2.1.0.json","runs":[{"tool":{"driver":{"name":"t"}},"results":[`, `{"ruleId":"r"}`, `]}]}`, 4<<20))
	sbom := []byte(listOf(`{"bomFormat":"CycloneDX","specVersion":"1.5","vulnerabilities":[`, `{}`, `]}`, 4<<20))
	junit := []byte("<testsuite>" + strings.Repeat(`<testcase name="a"/>`, 200_000) + "</testsuite>")
	gotest := []byte(strings.Repeat(`{"Action":"pass","Test":"T","Package":"p"}`+"\n", 90_000))
	one := scanned(record.TypeScanCompleted, spaces)
	return []shape{
		{name: "an action of 2 KB", path: "/v1/events", header: event, body: []byte(about(record.TypeActionPerformed, `{"agent":{"id":"a"},"tool":"Bash","call_id":"c","outcome":"success","result":"`+strings.Repeat("ok ", 600)+`"}`))},
		{name: "webhook, Content-Length 25 MiB, 1 byte", path: "/v1/webhooks/github", header: hook(""), body: []byte("{"), stated: 25 << 20},
		{name: "blob, Content-Length 48 MiB, 1 byte", path: "/v1/blobs", body: []byte("{"), stated: 48 << 20},
		{name: "event, Content-Length 8 MiB, 1 byte", path: "/v1/events", header: event, body: []byte("{"), stated: 8 << 20},
		{name: "gRPC, frame of 8 MiB, 1 byte", path: grpcTraces, header: grpc, body: append([]byte{0, 0, 0x7f, 0, 0}, 1), stated: 8 << 20},
		{name: "gzip of spaces", path: "/v1/events", header: gz(event), body: packed(spaces[:most])},
		{name: "gzip of a gzip report of spaces", path: "/v1/events", header: gz(event), body: packed([]byte(one))},
		{name: "batch of 100 such reports", path: "/v1/events", header: gz(batch), body: packed([]byte(listOf("[", one, "]", 99*len(one))))},
		{name: "batch of empty events", path: "/v1/events", header: gz(batch), body: packed([]byte(listOf("[", "{}", "]", most)))},
		{name: "batch of numbers", path: "/v1/events", header: gz(batch), body: packed([]byte(listOf("[", "1", "]", most)))},
		{name: "arguments of empty objects", path: "/v1/events", header: gz(event), body: packed([]byte(arguments))},
		{name: "arguments of nested lists", path: "/v1/events", header: gz(event), body: packed([]byte(deep))},
		{name: "SARIF of empty results", path: "/v1/events", header: gz(event), body: packed([]byte(scanned(record.TypeScanCompleted, sarif)))},
		{name: "CycloneDX of empty vulnerabilities", path: "/v1/events", header: gz(event), body: packed([]byte(scanned(record.TypeScanCompleted, sbom)))},
		{name: "JUnit of empty cases", path: "/v1/events", header: gz(event), body: packed([]byte(scanned(record.TypeValidationCompleted, junit)))},
		{name: "go test -json of one test", path: "/v1/events", header: gz(event), body: packed([]byte(scanned(record.TypeValidationCompleted, gotest)))},
		{name: "OTLP of empty spans", path: "/v1/traces", header: gz(proto), body: packed(nested(most/2, "\x12\x00", 2, 1))},
		{name: "OTLP of empty attributes", path: "/v1/traces", header: gz(proto), body: packed(nested(most/2, "\x4a\x00", 2, 2, 1))},
		{name: "OTLP logs of nothing", path: "/v1/logs", header: gz(proto), body: packed(nested(most/2, "\x12\x00", 2, 1))},
		{name: "OTLP in JSON of empty spans", path: "/v1/traces", header: gz(inJSON), body: packed([]byte(listOf(`{"resourceSpans":[{"scopeSpans":[{"spans":[`, `{}`, `]}]}]}`, most)))},
		{name: "gRPC of empty spans", path: grpcTraces, header: grpc, body: frame(0, nested(1<<20, "\x12\x00", 2, 1))},
		{name: "gRPC of packed empty spans", path: grpcTraces, header: grpcGzip, body: frame(1, packed(nested(most/2, "\x12\x00", 2, 1)))},
		{name: "webhook of 24 MiB of empty objects", path: "/v1/webhooks/github", header: hook(wide), body: []byte(wide)},
		{name: "webhook of gzip of spaces", path: "/v1/webhooks/github", header: gz(hook(nothing)), body: packed([]byte(nothing + string(spaces[:24<<20])))},
	}
}

// alive returns how many bytes of objects are in memory.
func alive() uint64 {
	s := []samples.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	samples.Read(s)
	return s[0].Value.Uint64()
}

// highest returns by how many bytes the objects in memory grew at most while f ran.
func highest(f func()) (most int64) {
	runtime.GC()
	before := int64(alive())
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			most = max(most, int64(alive())-before)
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-ended
	return most
}

// slow is a body that ends only when its client gives up.
type slow struct {
	io.Reader
	patience <-chan struct{}
}

func (s slow) Read(p []byte) (int, error) {
	if n, err := s.Reader.Read(p); n > 0 {
		return n, err
	}
	<-s.patience
	return 0, io.ErrUnexpectedEOF
}

// ask makes n clients send a shape at the same time, and counts the answers.
func ask(handler http.Handler, s shape, n int, patience time.Duration) map[int]int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answers := make(map[int]int)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			method := http.MethodPost
			if s.path == "/v1/blobs" {
				method = http.MethodPut
			}
			r := httptest.NewRequest(method, s.path, bytes.NewReader(s.body))
			if s.stated > 0 {
				r.ContentLength, r.Body = s.stated, io.NopCloser(slow{bytes.NewReader(s.body), ctx.Done()})
			}
			for k, v := range s.header {
				r.Header.Set(k, v)
			}
			if s.path == grpcTraces {
				r.ProtoMajor, r.Proto = 2, "HTTP/2.0"
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			mu.Lock()
			answers[w.Code]++
			mu.Unlock()
		})
	}
	all.Wait()
	return answers
}

// attacked returns a gateway that drops its events.
func attacked(t testing.TB, limits Limits) http.Handler {
	redactor, err := secrets.New(secrets.Redacted, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	p, err := producer.New(encoded{}, producer.Options{Checked: true, Blobs: store})
	if err != nil {
		t.Fatal(err)
	}
	limits.Rate = 100_000
	g, err := New(Config{Publisher: p, Blobs: store, Redactor: redactor, Limits: limits, GitHub: GitHub{Secrets: []string{"s"}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	g.Register(mux)
	return mux
}

// TestMemoryOfShapes prints how much memory the gateway uses for CHANGETRAIL_MEMORY
// simultaneous clients, by what they send (docs/performance.md).
func TestMemoryOfShapes(t *testing.T) {
	clients := 0
	if fmt.Sscan(os.Getenv("CHANGETRAIL_MEMORY"), &clients); clients == 0 {
		t.Skip("CHANGETRAIL_MEMORY is not set to a number of clients")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	handler := attacked(t, Limits{})
	fmt.Printf("%-42s %12s %12s %10s  %s\n", "shape", "bytes sent", "MiB held", "per byte", "answers")
	for _, s := range shapes() {
		var answers map[int]int
		held := highest(func() { answers = ask(handler, s, clients, time.Second) })
		fmt.Printf("%-42s %12d %12.1f %10.1f  %v\n", s.name, len(s.body), float64(held)/(1<<20), float64(held)/float64(clients*len(s.body)), answers)
	}
}

// What many clients send at the same time, with credentials or not, uses no more memory than the
// budgets, apart from garbage between two collections. Another client is served once they have
// their answers.
func TestMemoryOfSimultaneousRequestsIsBounded(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	const memory = 16 << 20
	handler := attacked(t, Limits{Memory: memory, Unidentified: memory, Wait: 200 * time.Millisecond})
	all := shapes()
	for _, s := range all[1:] {
		if len(s.body) > 4<<20 && testing.Short() {
			continue
		}
		clients := 40
		if s.stated == 0 {
			clients = 4
		}
		var answers map[int]int
		held := highest(func() { answers = ask(handler, s, clients, 100*time.Millisecond) })
		if most := int64(alone*memory + 16<<20); held > most {
			t.Errorf("%s: %d MiB are held, want at most %d", s.name, held>>20, most>>20)
		}
		if answers[http.StatusInternalServerError] > 0 {
			t.Errorf("%s: %v", s.name, answers)
		}
	}
	if got := ask(handler, all[0], 20, time.Second); got[http.StatusNoContent] != 20 {
		t.Errorf("afterwards: %v", got)
	}
}

// alone is by how much the estimate for one request may exceed the budget.
const alone = 4

func TestARequestWithoutMemoryIsToldWhenToTryAgain(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) {
		c.GitHub.Secrets = []string{"s"}
		c.Limits = Limits{Memory: 8 << 20, Unidentified: 8 << 20, Wait: 10 * time.Millisecond}
	})
	for path, b := range map[string]*budget.Budget{"/v1/events": s.gateway.memory, "/v1/webhooks/github": s.gateway.small} {
		share := b.Share(t.Context())
		if err := share.Grow(8 << 20); err != nil {
			t.Fatal(err)
		}
		body := review("approved")
		h := github("s", "pull_request_review", "d", body)
		if path == "/v1/events" {
			body, h = decision("1", "a", ""), map[string]string{"Content-Type": "application/cloudevents+json"}
		}
		r := s.send(t, "POST", path, h, []byte(body))
		if p := r.problem(t, http.StatusServiceUnavailable); !strings.Contains(p.Detail, "memory") || r.header.Get("Retry-After") == "" {
			t.Errorf("%s: %+v", path, r)
		}
		share.Release()
		if r := s.send(t, "POST", path, h, []byte(body)); r.status != http.StatusNoContent {
			t.Errorf("%s, later: %+v", path, r)
		}
	}
}

// TestAFilePassesThroughWithoutMemory: a file larger than the memory is stored under its
// digest, compressed or not; a file that is cut off, or too large once decompressed, is not.
func TestAFilePassesThroughWithoutMemory(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Limits = Limits{Memory: 1 << 20, Blob: 24 << 20} })
	file := make([]byte, 18<<20)
	rand.NewChaCha8([32]byte{}).Read(file)
	digest := digests.Of(file)
	for name, c := range map[string]struct {
		header map[string]string
		body   []byte
		status int
	}{
		"as it is":                 {nil, file, http.StatusCreated},
		"packed":                   {map[string]string{"Content-Encoding": "gzip"}, packed(file), http.StatusCreated},
		"packed, with its end cut": {map[string]string{"Content-Encoding": "gzip"}, packed(append([]byte("other"), file...))[:1000], http.StatusBadRequest},
		"packed, larger":           {map[string]string{"Content-Encoding": "gzip"}, packed(bytes.Repeat(file, 2)), http.StatusRequestEntityTooLarge},
		"larger":                   {nil, bytes.Repeat(file, 2), http.StatusRequestEntityTooLarge},
		"empty once unpacked":      {map[string]string{"Content-Encoding": "gzip"}, packed(nil), http.StatusBadRequest},
	} {
		r := s.send(t, "PUT", "/v1/blobs", c.header, c.body)
		if r.status != c.status || c.status == http.StatusCreated && !strings.Contains(r.body, digest) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	kept := 0
	if err := s.gateway.Blobs.(*blobs.Store).Each(t.Context(), func(d string) error {
		kept++
		if d != digest {
			t.Errorf("%s is kept", d)
		}
		return nil
	}); err != nil || kept != 1 {
		t.Errorf("%d files are kept: %v", kept, err)
	}
}

func TestFilesOfACredentialAreLimitedByTheMinute(t *testing.T) {
	now := time.Now()
	s := newSite(t, func(c *Config, _ *producer.Options) {
		c.Limits = Limits{BlobRate: 100 << 10}
		c.Now = func() time.Time { return now }
	})
	put := func(n int) reply {
		return s.send(t, "PUT", "/v1/blobs", nil, bytes.Repeat([]byte{byte(n)}, n<<10))
	}
	for _, k := range []struct{ size, status int }{{60, 201}, {60, 429}, {40, 201}, {1, 429}} {
		if r := put(k.size); r.status != k.status {
			t.Errorf("%d KiB: %+v", k.size, r)
		}
	}
	now = now.Add(time.Minute)
	if r := put(200); r.status != http.StatusCreated {
		t.Errorf("one file that is larger than a minute's worth, after a minute: %+v", r)
	}
}
