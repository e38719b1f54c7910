package splunk_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/endpoint"
	"github.com/changetrail/changetrail/sinks/sinktest"
	"github.com/changetrail/changetrail/sinks/splunk"
	"github.com/changetrail/changetrail/sinks/splunk/hectest"
)

const token = "0aa1b2c3-0000-4000-8000-00000000cafe"

// open returns a collector and an engine that sends to it.
func open(t *testing.T, change func(*splunk.Config)) (*hectest.Collector, *splunk.Engine) {
	t.Helper()
	hec := &hectest.Collector{Tokens: map[string]hectest.Token{
		token: {Acks: true, Indexes: []string{"trail"}}, "no-acks": {}, "disabled": {Disabled: true},
	}}
	server := httptest.NewServer(hec)
	t.Cleanup(server.Close)
	c := splunk.Config{Token: token, Index: "trail"}
	c.URL = server.URL
	if change != nil {
		change(&c)
	}
	e, err := splunk.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return hec, e
}

// copies returns what a search for a document finds.
func copies(hec *hectest.Collector, index, id string) (out []sinktest.Copy) {
	for _, e := range hec.Events() {
		if e.Fields["changetrail_index"] == index && e.Fields["changetrail_id"] == id {
			version, _ := strconv.ParseInt(e.Fields["changetrail_revision"], 10, 64)
			out = append(out, sinktest.Copy{Version: version, Body: string(e.Event)})
		}
	}
	return out
}

func receiver(hec *hectest.Collector, e sinks.Engine) sinktest.Receiver {
	return sinktest.Receiver{Engine: e, Events: "events", Record: "records", Copies: func(_ *testing.T, index, id string) []sinktest.Copy {
		return copies(hec, index, id)
	}}
}

func TestTheContract(t *testing.T) {
	for _, level := range []int{0, 6} {
		t.Run(fmt.Sprint("gzip ", level), func(t *testing.T) {
			hec, e := open(t, func(c *splunk.Config) { c.Gzip = level })
			if err := e.Ready(t.Context(), "default"); err != nil {
				t.Fatal(err)
			}
			sinktest.Append(t, receiver(hec, e))
		})
	}
}

func TestACollectorThatFails(t *testing.T) {
	hec, e := open(t, nil)
	before := func(f func(http.ResponseWriter, *http.Request) bool) func() {
		hec.Lock()
		defer hec.Unlock()
		hec.Before = f
		return func() {
			hec.Lock()
			defer hec.Unlock()
			hec.Before = nil
		}
	}
	sinktest.Fail(t, sinktest.Faults{
		Receiver: receiver(hec, e),
		Down: func(*testing.T) func() {
			return before(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
		},
		Deny: func(*testing.T) func() {
			hec.Lock()
			defer hec.Unlock()
			had := hec.Tokens[token]
			hec.Tokens[token] = hectest.Token{Disabled: true}
			return func() {
				hec.Lock()
				defer hec.Unlock()
				hec.Tokens[token] = had
			}
		},
		Small: func(_ *testing.T, bytes int) func() {
			hec.Lock()
			defer hec.Unlock()
			hec.Largest = bytes
			return func() {
				hec.Lock()
				defer hec.Unlock()
				hec.Largest = 0
			}
		},
	})
}

func document(id string, version int64) sinks.Document {
	return sinks.Document{Index: "i", ID: id, Version: version, Body: []byte(`{"@timestamp":"2026-11-12T03:47:03.5Z","message":"x"}`)}
}

// TestWhatSplunkGets: time, host, source, source type, index, the document and its id.
func TestWhatSplunkGets(t *testing.T) {
	hec, e := open(t, func(c *splunk.Config) { c.Host, c.Source = "h", "s" })
	finding := document("f", 3)
	finding.Body = []byte("{\"@timestamp\":\"2026-11-12T03:47:03.5Z\",\n\"changetrail\":{\"finding\":{\"kind\":\"self-approved\",\"severity\":\"high\",\"status\":\"open\"}}}")
	if out, err := e.Put(t.Context(), []sinks.Document{document("e", 0), document("r", 2), finding}); err != nil || len(out) != 3 {
		t.Fatal(out, err)
	}
	event := func(sourcetype, id, revision, body string) hectest.Event {
		fields := map[string]string{"changetrail_index": "i", "changetrail_id": id}
		if revision != "" {
			fields["changetrail_revision"] = revision
		}
		return hectest.Event{Time: "1794455223.500", Host: "h", Source: "s", Sourcetype: sourcetype, Index: "trail", Event: []byte(body), Fields: fields}
	}
	want := []hectest.Event{
		event("changetrail:event", "e", "", `{"@timestamp":"2026-11-12T03:47:03.5Z","message":"x"}`),
		event("changetrail:record", "r", "2", `{"@timestamp":"2026-11-12T03:47:03.5Z","message":"x"}`),
		event("changetrail:finding", "f", "3", `{"@timestamp":"2026-11-12T03:47:03.5Z","changetrail":{"finding":{"kind":"self-approved","severity":"high","status":"open"}}}`),
	}
	if diff := cmp.Diff(want, hec.Events()); diff != "" {
		t.Error(diff)
	}
}

// TestAcknowledgements that come late, never, or are lost on the way: no document counts as
// delivered before Splunk has it, and one that is sent again has the same id.
func TestAcknowledgements(t *testing.T) {
	put := func(t *testing.T, e sinks.Engine) error {
		_, err := e.Put(t.Context(), []sinks.Document{document("a", 0)})
		return err
	}
	set := func(hec *hectest.Collector, f func()) { hec.Lock(); defer hec.Unlock(); f() }
	t.Run("late", func(t *testing.T) {
		hec, e := open(t, nil)
		set(hec, func() { hec.Delay = 600 * time.Millisecond })
		if err := put(t, e); err != nil || len(copies(hec, "i", "a")) != 1 {
			t.Errorf("%v; Splunk has %v", err, hec.Events())
		}
	})
	t.Run("never", func(t *testing.T) {
		hec, e := open(t, func(c *splunk.Config) { c.Deadline = 400 * time.Millisecond })
		set(hec, func() { hec.Lose = func(n int) bool { return n == 1 } })
		if err := put(t, e); err == nil || !strings.Contains(err.Error(), "not indexed after") {
			t.Errorf("events that are not indexed count as delivered: %v", err)
		}
		if err := put(t, e); err != nil || len(copies(hec, "i", "a")) != 1 {
			t.Errorf("%v; Splunk has %v", err, hec.Events())
		}
	})
	t.Run("the answer with the acknowledgement is lost", func(t *testing.T) {
		hec, e := open(t, func(c *splunk.Config) { c.Deadline = 400 * time.Millisecond })
		lost := false
		set(hec, func() {
			hec.After = func(r *http.Request) bool {
				was := lost
				lost = lost || strings.HasSuffix(r.URL.Path, "/ack")
				return lost && !was
			}
		})
		if err := put(t, e); err == nil {
			t.Error("events count as delivered without an acknowledgement")
		}
		if err := put(t, e); err != nil || len(copies(hec, "i", "a")) != 2 {
			t.Errorf("%v; Splunk has %v, want the event twice, with one id", err, hec.Events())
		}
	})
	t.Run("Splunk restarts and forgets", func(t *testing.T) {
		hec, e := open(t, func(c *splunk.Config) { c.Deadline = 700 * time.Millisecond })
		set(hec, func() { hec.Delay = 300 * time.Millisecond })
		go func() {
			for hec.Requests() == 0 {
				time.Sleep(5 * time.Millisecond)
			}
			hec.Restart()
		}()
		if err := put(t, e); err == nil {
			t.Error("events count as delivered, and Splunk does not know the request")
		}
	})
	t.Run("the token loses its right while Splunk indexes", func(t *testing.T) {
		hec, e := open(t, nil)
		set(hec, func() {
			hec.Delay = time.Hour
			hec.Lose = func(int) bool { hec.Tokens[token] = hectest.Token{Disabled: true}; return false }
		})
		_, blocked := errors.AsType[*sinks.BlockedError](put(t, e))
		if !blocked {
			t.Error("nobody is asked to act")
		}
	})
	t.Run("the sink stops", func(t *testing.T) {
		hec, e := open(t, nil)
		set(hec, func() { hec.Delay = time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := e.Put(ctx, []sinks.Document{document("a", 0)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestReady finds what would keep all events out.
func TestReady(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*splunk.Config)
		want   string
	}{
		"all is well":                           {nil, ""},
		"a wrong token":                         {func(c *splunk.Config) { c.Token = "wrong" }, "Invalid token"},
		"a disabled token":                      {func(c *splunk.Config) { c.Token = "disabled" }, "Token disabled"},
		"no acknowledgement":                    {func(c *splunk.Config) { c.Token = "no-acks" }, "turn it on for the token"},
		"no acknowledgement, and none wanted":   {func(c *splunk.Config) { c.Token, c.NoAcknowledgement = "no-acks", true }, ""},
		"an acknowledgement, and none is asked": {func(c *splunk.Config) { c.NoAcknowledgement = true }, ""},
		"another address":                       {func(c *splunk.Config) { c.URL += "/other" }, "404"},
	} {
		_, e := open(t, c.change)
		if err := e.Ready(t.Context(), "default"); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	_, e := open(t, func(c *splunk.Config) { c.Token = "no-acks"; c.Index = "" })
	if _, err := e.Put(t.Context(), []sinks.Document{document("a", 0)}); err == nil || !strings.Contains(err.Error(), "ackId") {
		t.Errorf("without an ackId: %v", err)
	}
}

// TestEachCode of HEC has the meaning that Splunk's manual gives to it.
func TestEachCode(t *testing.T) {
	const accepted, blocked, busy, refused = "accepted", "blocked", "busy", "refused"
	for code, c := range map[int]struct {
		status int
		want   string
	}{
		0: {200, accepted}, 1: {403, blocked}, 2: {401, blocked}, 3: {401, blocked}, 4: {403, blocked}, 5: {400, "error"}, 6: {400, refused}, 7: {400, blocked},
		8: {500, busy}, 9: {503, busy}, 10: {400, blocked}, 11: {400, blocked}, 12: {400, refused}, 13: {400, refused}, 14: {400, blocked}, 15: {400, refused},
		16: {400, blocked}, 18: {503, busy}, 19: {503, busy}, 20: {503, busy}, 21: {400, blocked}, 22: {400, blocked}, 23: {503, busy},
		24: {200, accepted}, 25: {200, accepted}, 26: {429, busy}, 27: {429, busy}, 99: {200, "error"}, 98: {500, busy}, 97: {403, blocked},
	} {
		hec, e := open(t, func(c *splunk.Config) { c.NoAcknowledgement = true })
		hec.Before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"text":"Some text","code":%d}`, code)
			return true
		}
		out, err := e.Put(t.Context(), []sinks.Document{document("a", 0)})
		_, isBlocked := errors.AsType[*sinks.BlockedError](err)
		isBusy, _ := errors.AsType[*sinks.BusyError](err)
		got := "error"
		switch {
		case isBlocked:
			got = blocked
		case isBusy != nil && isBusy.After == 7*time.Second:
			got = busy
		case err == nil && out[0].Kind == sinks.Done:
			got = accepted
		case err == nil && out[0].Kind == sinks.Refused && strings.Contains(out[0].Reason, "Some text"):
			got = refused
		}
		if got != c.want {
			t.Errorf("code %d: %s, want %s (%v, %v)", code, got, c.want, out, err)
		}
	}
}

// TestAnswersOfOthers, such as a proxy, never count as success.
func TestAnswersOfOthers(t *testing.T) {
	for _, answer := range []string{"", "<html>Sign in</html>", `{}`, `[]`, `{"text":"Success"}`, `{"ackId":1}`, `{"code":"0"}`} {
		hec, e := open(t, func(c *splunk.Config) { c.NoAcknowledgement = true })
		hec.Before = func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, answer)
			return true
		}
		if out, err := e.Put(t.Context(), []sinks.Document{document("a", 0)}); err == nil {
			t.Errorf("%q counts as %v", answer, out)
		}
		if err := e.Ready(t.Context(), ""); err == nil {
			t.Errorf("%q: ready", answer)
		}
	}
}

// TestOneEventIsBlamed: Splunk refuses one of several events and names its number, in one of several
// ways of counting. Put again and again, the others arrive, and only the one at fault is refused.
func TestOneEventIsBlamed(t *testing.T) {
	const bad, n = 3, 8
	for _, off := range []int{0, 1, -1, 100, -100} {
		t.Run(fmt.Sprintf("counted from %d", off), func(t *testing.T) {
			hec, e := open(t, nil)
			hec.CountFrom, hec.Refuse = off, func(e hectest.Event) bool { return strings.Contains(string(e.Event), "poison") }
			pending := make([]sinks.Document, n)
			for i := range pending {
				pending[i] = document(strconv.Itoa(i), 0)
			}
			pending[bad].Body = []byte(`{"@timestamp":"2026-11-12T03:47:03Z","message":"poison"}`)
			var refused []string
			for round := 0; len(pending) > 0; round++ {
				if round > 2*n {
					t.Fatalf("there is no end: %v", pending)
				}
				pending = putHalves(t, e, pending, &refused)
			}
			got := map[string]bool{}
			for _, e := range hec.Events() {
				got[e.Fields["changetrail_id"]] = true
			}
			if !slices.Equal(refused, []string{strconv.Itoa(bad)}) || len(got) != n-1 || got[strconv.Itoa(bad)] {
				t.Errorf("refused are %v, Splunk has %v", refused, got)
			}
		})
	}
}

// putHalves puts documents as the worker does, and returns those that must be put again.
func putHalves(t *testing.T, e sinks.Engine, docs []sinks.Document, refused *[]string) (again []sinks.Document) {
	t.Helper()
	out, err := e.Put(t.Context(), docs)
	if errors.Is(err, sinks.ErrWhole) && len(docs) > 1 {
		return append(putHalves(t, e, docs[:len(docs)/2], refused), putHalves(t, e, docs[len(docs)/2:], refused)...)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		switch o.Kind {
		case sinks.Done:
		case sinks.Refused:
			*refused = append(*refused, docs[i].ID)
		case sinks.Retry:
			again = append(again, docs[i])
		default:
			t.Errorf("%+v", o)
		}
	}
	return again
}

func TestSettingsThatCannotWork(t *testing.T) {
	for want, c := range map[string]splunk.Config{
		"no token":     {Config: endpoint.Config{URL: "https://splunk:8088"}},
		"https://":     {Token: "t", Config: endpoint.Config{URL: "splunk:8088"}},
		"names a host": {Token: "t", Config: endpoint.Config{URL: "https://"}},
		"a query":      {Token: "t", Config: endpoint.Config{URL: "https://splunk:8088/?token=x"}},
		"a password":   {Token: "t", Config: endpoint.Config{URL: "https://a:b@splunk:8088"}},
	} {
		if _, err := splunk.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
