package otlp_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	status "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/otlp"
	"github.com/changetrail/changetrail/sinks/sinktest"
)

// A receiver answers as the protocol says, with faults that the collector's own receiver, against
// which internal/e2e tests, does not have.
type receiver struct {
	mu      sync.Mutex
	largest int
	reject  func(*logs.LogRecord) bool // log records of a partial success
	fault   func(http.ResponseWriter) bool
	records []*logs.LogRecord
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(req.Body)
	}
	body, err := io.ReadAll(in)
	switch {
	case r.fault != nil && r.fault(w):
		return
	case r.largest > 0 && len(body) > r.largest:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case req.Method != http.MethodPost || req.URL.Path != "/v1/logs" || req.Header.Get("Content-Type") != "application/x-protobuf":
		w.WriteHeader(http.StatusNotFound)
		return
	case req.Header.Get("Authorization") != "Bearer t":
		answer(w, http.StatusUnauthorized, &status.Status{Message: "the bearer token is unknown"})
		return
	}
	var e collector.ExportLogsServiceRequest
	if err != nil || proto.Unmarshal(body, &e) != nil {
		answer(w, http.StatusBadRequest, &status.Status{Message: "the request cannot be read"})
		return
	}
	out := &collector.ExportLogsServiceResponse{}
	for _, of := range e.ResourceLogs {
		for _, scope := range of.ScopeLogs {
			for _, l := range scope.LogRecords {
				if r.reject != nil && r.reject(l) {
					if out.PartialSuccess == nil {
						out.PartialSuccess = &collector.ExportLogsPartialSuccess{ErrorMessage: "a log record of this kind is not accepted"}
					}
					out.PartialSuccess.RejectedLogRecords++
				} else {
					r.records = append(r.records, l)
				}
			}
		}
	}
	answer(w, http.StatusOK, out)
}

func answer(w http.ResponseWriter, code int, m proto.Message) {
	body, _ := proto.Marshal(m)
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// set changes the receiver, and returns what changes it back.
func (r *receiver) set(largest int, fault func(http.ResponseWriter) bool) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.largest, r.fault = largest, fault
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.largest, r.fault = 0, nil
	}
}

func open(t *testing.T, change func(*otlp.Config)) (*receiver, *otlp.Engine) {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	c := otlp.Config{Authorization: "Bearer t", Version: "1"}
	c.URL = server.URL
	if change != nil {
		change(&c)
	}
	e, err := otlp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r, e
}

func (r *receiver) copies(index, id string) (out []sinktest.Copy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.records {
		var c sinktest.Copy
		found := 0
		for _, a := range l.Attributes {
			switch {
			case a.Key == "changetrail.document.index" && a.Value.GetStringValue() == index, a.Key == "changetrail.document.id" && a.Value.GetStringValue() == id:
				found++
			case a.Key == "changetrail.document.revision":
				c.Version = a.Value.GetIntValue()
			}
		}
		if found == 2 {
			c.Body = string(otlp.JSON(l.Body))
			out = append(out, c)
		}
	}
	return out
}

func (r *receiver) subject(e sinks.Engine) sinktest.Receiver {
	return sinktest.Receiver{Engine: e, Events: "events", Record: "records", Copies: func(_ *testing.T, index, id string) []sinktest.Copy { return r.copies(index, id) }}
}

func TestTheContract(t *testing.T) {
	for _, level := range []int{0, 6} {
		t.Run(fmt.Sprint("gzip ", level), func(t *testing.T) {
			r, e := open(t, func(c *otlp.Config) { c.Gzip = level })
			if err := e.Ready(t.Context(), "default"); err != nil {
				t.Fatal(err)
			}
			sinktest.Append(t, r.subject(e))
		})
	}
}

func TestAReceiverThatFails(t *testing.T) {
	r, e := open(t, nil)
	sinktest.Fail(t, sinktest.Faults{
		Receiver: r.subject(e),
		Down: func(*testing.T) func() {
			return r.set(0, func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) })
		},
		Deny: func(*testing.T) func() {
			return r.set(0, func(w http.ResponseWriter) bool {
				answer(w, http.StatusForbidden, &status.Status{Message: "no right to write"})
				return true
			})
		},
		Small: func(_ *testing.T, bytes int) func() { return r.set(bytes, nil) },
	})
}

func document(id, message string) sinks.Document {
	return sinks.Document{Index: "i", ID: id, Body: fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":%q}`, message)}
}

// TestAPartOfARequestIsRejected: the receiver says how many log records it rejects, not which. All
// others arrive, at most twice; the one that is rejected is named, with the receiver's reason.
func TestAPartOfARequestIsRejected(t *testing.T) {
	r, e := open(t, nil)
	r.reject = func(l *logs.LogRecord) bool { return strings.Contains(string(otlp.JSON(l.Body)), "poison") }
	var docs []sinks.Document
	for i := range 10 {
		docs = append(docs, document(fmt.Sprint(i), "fine"))
	}
	docs[4] = document("4", "poison")
	out, err := e.Put(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		n := len(r.copies("i", docs[i].ID))
		switch {
		case i == 4 && (o.Kind != sinks.Unclear || !strings.Contains(o.Reason, "of this kind is not accepted") || n != 0):
			t.Errorf("what is rejected: %+v, %d copies", o, n)
		case i != 4 && (o.Kind != sinks.Done || n < 1 || n > 2):
			t.Errorf("%d: %+v, %d copies", i, o, n)
		}
	}
}

// TestWhatAStatusMeans: the codes that the protocol calls retryable ask for another try, with the
// pause of Retry-After; no other code leads to a loss either.
func TestWhatAStatusMeans(t *testing.T) {
	for code, want := range map[int]string{
		429: "busy", 502: "busy", 503: "busy", 504: "busy", 500: "busy", 501: "busy", 408: "busy", 202: "busy", 204: "busy",
		401: "blocked", 403: "blocked", 404: "blocked", 405: "blocked", 415: "blocked", 301: "blocked", 307: "blocked", 413: "large", 400: "unclear",
	} {
		r, e := open(t, nil)
		r.set(0, func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
			return true
		})
		out, err := e.Put(t.Context(), []sinks.Document{document("a", "x")})
		busy, isBusy := errors.AsType[*sinks.BusyError](err)
		_, blocked := errors.AsType[*sinks.BlockedError](err)
		got := fmt.Sprint(err)
		switch {
		case isBusy && busy.After == 7*time.Second:
			got = "busy"
		case blocked:
			got = "blocked"
		case errors.Is(err, sinks.ErrTooLarge):
			got = "large"
		case err == nil && out[0].Kind == sinks.Unclear:
			got = "unclear"
		}
		if got != want {
			t.Errorf("%d: %s, want %s", code, got, want)
		}
		if _, err := e.Put(t.Context(), []sinks.Document{document("a", "x"), document("b", "x")}); code == 400 && !errors.Is(err, sinks.ErrWhole) {
			t.Errorf("400 for several: %v, want a request for smaller parts", err)
		}
	}
}

// TestAnswersOfOthers, such as a proxy, never count as success.
func TestAnswersOfOthers(t *testing.T) {
	for _, text := range []string{"<html>Sign in</html>", `{"partialSuccess":{}}`} {
		r, e := open(t, nil)
		r.set(0, func(w http.ResponseWriter) bool { _, _ = io.WriteString(w, text); return true })
		if out, err := e.Put(t.Context(), []sinks.Document{document("a", "x")}); err == nil {
			t.Errorf("%q counts as %v", text, out)
		}
	}
}

func TestWhatIsSent(t *testing.T) {
	r, e := open(t, nil)
	event := document("e", "")
	event.Body = []byte(`{"@timestamp":"2026-11-12T03:47:03.000000007Z","event":{"created":"2026-11-12T03:47:04Z"},"trace":{"id":"0af7651916cd43dd8448eb211c80319c"},"changetrail":{"event":{"type":"dev.changetrail.decision.recorded.v1"},"change":{"id":"github.com/a/b/pull/1"}}}`)
	finding := document("f", "")
	finding.Version = 4
	finding.Body = []byte(`{"@timestamp":"2026-11-12T03:47:03Z","changetrail":{"finding":{"kind":"k","severity":"medium","status":"open"}}}`)
	if _, err := e.Put(t.Context(), []sinks.Document{event, finding}); err != nil {
		t.Fatal(err)
	}
	first, second := r.records[0], r.records[1]
	at := time.Date(2026, 11, 12, 3, 47, 3, 7, time.UTC)
	if first.TimeUnixNano != uint64(at.UnixNano()) || first.ObservedTimeUnixNano != uint64(at.Truncate(time.Second).Add(time.Second).UnixNano()) ||
		first.EventName != "dev.changetrail.decision.recorded.v1" || first.SeverityText != "INFO" || len(first.TraceId) != 16 {
		t.Errorf("%v", first)
	}
	if second.EventName != "changetrail.finding" || second.SeverityNumber != logs.SeverityNumber_SEVERITY_NUMBER_WARN || second.ObservedTimeUnixNano == 0 {
		t.Errorf("%v", second)
	}
	var keys []string
	for _, a := range append(first.Attributes, second.Attributes...) {
		keys = append(keys, strings.TrimPrefix(a.Key, "changetrail."))
	}
	if want := []string{"document.index", "document.id", "change.id", "document.index", "document.id", "document.revision"}; !slices.Equal(keys, want) {
		t.Errorf("attributes %v, want %v", keys, want)
	}
}
