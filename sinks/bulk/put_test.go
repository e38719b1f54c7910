package bulk_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/sinktest"
)

// each runs a test with each engine, with and without compression.
func each(t *testing.T, f func(t *testing.T, open func() *engine)) {
	for _, name := range []string{schemas.Elasticsearch, schemas.OpenSearch} {
		for _, level := range []int{0, 6} {
			t.Run(fmt.Sprintf("%s, gzip %d", name, level), func(t *testing.T) {
				f(t, func() *engine { return newEngine(t, name, func(c *bulk.Connection) { c.Gzip = level }) })
			})
		}
	}
}

func TestTheContractOfSinks(t *testing.T) {
	each(t, func(t *testing.T, open func() *engine) {
		e := open()
		sinktest.Run(t, sinktest.Subject{
			Engine: e, Events: schemas.EventIndex("default"), Record: "changetrail-record-default-2026.11",
			Get: func(_ *testing.T, index, id string) (string, int64) {
				s := e.indexes[index][id]
				return s.body, s.version
			},
			EventsOf: func(t *testing.T, q schemas.EventQuery) (out []jsontext.Value) {
				if err := e.Events(t.Context(), q, func(_ string, doc jsontext.Value) error {
					out = append(out, doc)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				return out
			},
		})
	})
}

func TestASearchEngineThatFails(t *testing.T) {
	each(t, func(t *testing.T, open func() *engine) {
		e := open()
		spoil := func(with func(http.ResponseWriter)) func(*testing.T) func() {
			return func(*testing.T) func() {
				e.spoil = func(w http.ResponseWriter, _ *http.Request, _ func()) { with(w) }
				return e.mend
			}
		}
		sinktest.Fail(t, sinktest.Faults{
			Receiver: sinktest.Receiver{Engine: e, Events: "events", Record: "records", Copies: func(_ *testing.T, index, id string) []sinktest.Copy {
				s, ok := e.indexes[index][id]
				if !ok {
					return nil
				}
				return []sinktest.Copy{{Version: s.version, Body: s.body}}
			}},
			Down: spoil(func(http.ResponseWriter) { panic(http.ErrAbortHandler) }),
			Deny: spoil(func(w http.ResponseWriter) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "no permissions")
			}),
			Small: func(_ *testing.T, bytes int) func() {
				e.largest = bytes
				return func() { e.largest = 0 }
			},
		})
	})
}

func two() []sinks.Document {
	return []sinks.Document{{Index: "events", ID: "e", Body: []byte(`{"message":"one"}`)}, {Index: "records", ID: "r", Version: 2, Body: []byte(`{"message":"two"}`)}}
}

func kinds(out []sinks.Outcome) (k []sinks.Kind) {
	for _, o := range out {
		k = append(k, o.Kind)
	}
	return k
}

// TestAFaultThatHappenedAndOneThatDidNot: whatever keeps the answer away, the documents
// count as neither stored nor refused, and put again they are there once.
func TestAFaultThatHappenedAndOneThatDidNot(t *testing.T) {
	status := func(code int, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	pauses := map[string]time.Duration{"busy": time.Second, "not now": 30 * time.Second}
	write := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) }
	}
	for name, fault := range map[string]func(http.ResponseWriter){
		"the connection is cut":     func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"busy":                      status(http.StatusTooManyRequests, "Retry-After", "1"),
		"an error":                  status(http.StatusInternalServerError),
		"a proxy without an engine": status(http.StatusBadGateway),
		"not now":                   status(http.StatusServiceUnavailable, "Retry-After", "30"),
		"a proxy that waited":       status(http.StatusGatewayTimeout),
		"a slow request":            status(http.StatusRequestTimeout),
		"somewhere else":            status(http.StatusSeeOther),
		"accepted, and not yet done": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"errors":false,"items":[]}`)
		},
		"an answer that is cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"errors":false,"it`)
		},
		"an empty answer":               write(""),
		"a page":                        write("<html>Sign in</html>"),
		"an object of something else":   write(`{"status":"ok"}`),
		"a list":                        write(`[]`),
		"an answer of fewer documents":  write(`{"errors":true,"items":[{"create":{"status":201}}]}`),
		"an answer of more documents":   write(`{"errors":true,"items":[{"create":{"status":201}},{"index":{"status":201}},{"index":{"status":201}}]}`),
		"an answer with errors of none": write(`{"errors":true,"items":[]}`),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, open func() *engine) {
				for _, done := range []bool{false, true} {
					e := open()
					e.spoil = func(w http.ResponseWriter, _ *http.Request, do func()) {
						if done {
							do()
						}
						fault(w)
					}
					out, err := e.Put(t.Context(), two())
					_, blocked := errors.AsType[*sinks.BlockedError](err)
					busy, _ := errors.AsType[*sinks.BusyError](err)
					if after := pauses[name]; after > 0 && (busy == nil || busy.After != after) {
						t.Errorf("the engine asks for a pause of %s, and the error is %#v", after, err)
					}
					if err == nil || out != nil || blocked || errors.Is(err, sinks.ErrTooLarge) || errors.Is(err, sinks.ErrWhole) {
						t.Errorf("done %t: %v, %v, want an error after which all are put again", done, out, err)
					}
					e.mend()
					want := []sinks.Kind{sinks.Done, sinks.Done}
					if done {
						want = []sinks.Kind{sinks.Stale, sinks.Stale}
					}
					if out, err := e.Put(t.Context(), two()); err != nil || !slices.Equal(kinds(out), want) {
						t.Errorf("done %t, again: %v, %v, want %v", done, out, err, want)
					}
					if e.indexes["events"]["e"].body != `{"message":"one"}` || e.indexes["records"]["r"].body != `{"message":"two"}` {
						t.Errorf("done %t: the engine has %v", done, e.indexes)
					}
				}
			})
		})
	}
}

// TestPartOfARequestFails: each document has an outcome of its own.
func TestPartOfARequestFails(t *testing.T) {
	each(t, func(t *testing.T, open func() *engine) {
		e := open()
		e.closed["closed"] = true
		docs := []sinks.Document{
			{Index: "i", ID: "1", Body: []byte(`{}`)},
			{Index: "closed", ID: "1", Body: []byte(`{}`)},
			{Index: "i", ID: "2", Body: []byte(`no JSON`)},
			{Index: "i", ID: "3", Body: []byte("{\n\"a\":\n")}, // that alone is not sent
			{Index: "i", ID: "4"},
			{Index: "i", ID: "1", Body: []byte(`{"a":1}`)},
			{Index: "i", ID: "5", Version: 1, Body: []byte("{\n\"message\": \"a\\nb\"\n}\n")},
		}
		want := []sinks.Kind{sinks.Done, sinks.Blocked, sinks.Refused, sinks.Refused, sinks.Refused, sinks.Stale, sinks.Done}
		out, err := e.Put(t.Context(), docs)
		if diff := cmp.Diff(want, kinds(out)); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		for i, o := range out {
			if o.Kind != sinks.Done && (o.Reason == "" || o.Kind == sinks.Blocked && o.Cause != "index_closed_exception") {
				t.Errorf("document %d: %+v does not say why", i, o)
			}
		}
		e.closed["closed"] = false
		if out, err := e.Put(t.Context(), docs[1:2]); err != nil || out[0].Kind != sinks.Done {
			t.Errorf("once it is open: %v, %v", out, err)
		}
		if body := e.indexes["i"]["5"].body; body != `{"message":"a\nb"}` {
			t.Errorf("stored: %s", body)
		}
		bulks := e.bulks
		if out, err := e.Put(t.Context(), docs[3:5]); err != nil || len(out) != 2 || e.bulks != bulks {
			t.Errorf("documents that are no JSON: %v, %v, %d requests", out, err, e.bulks-bulks)
		}
	})
}

// TestTooLarge: the caller is asked to send less, and nothing was stored.
func TestTooLarge(t *testing.T) {
	each(t, func(t *testing.T, open func() *engine) {
		e := open()
		e.largest = 100
		if _, err := e.Put(t.Context(), two()); !errors.Is(err, sinks.ErrTooLarge) || len(e.indexes) > 0 {
			t.Errorf("%v; the engine has %v", err, e.indexes)
		}
		for _, d := range two() {
			if out, err := e.Put(t.Context(), []sinks.Document{d}); err != nil || out[0].Kind != sinks.Done {
				t.Errorf("alone: %v, %v", out, err)
			}
		}
	})
}

// TestALevelOfCompressionThatThereIsNot is an error, and no document is blamed.
func TestALevelOfCompressionThatThereIsNot(t *testing.T) {
	e := newEngine(t, schemas.OpenSearch, func(c *bulk.Connection) { c.Gzip = 99 })
	if out, err := e.Put(t.Context(), two()); err == nil || out != nil || !strings.Contains(err.Error(), "gzip") {
		t.Errorf("%v, %v", out, err)
	}
}

// TestWhatIsBlockedSaysWhy, and is cut where it is long.
func TestWhatIsBlockedSaysWhy(t *testing.T) {
	e := newEngine(t, schemas.OpenSearch, nil)
	e.spoil = func(w http.ResponseWriter, _ *http.Request, _ func()) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "no permissions for [indices:data/write/bulk] "+strings.Repeat("x", 10_000))
	}
	_, err := e.Put(t.Context(), two())
	blocked, is := errors.AsType[*sinks.BlockedError](err)
	if !is || blocked.Cause != "HTTP 403" || !strings.HasPrefix(blocked.Error(), "HTTP 403: no permissions") || len(blocked.Reason) > 400 {
		t.Errorf("%v", err)
	}
}
