package syslog_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/sinktest"
	"github.com/changetrail/changetrail/sinks/syslog"
	"github.com/changetrail/changetrail/stream"
)

// A server accepts syslog over TCP, or RELP, and does to connections what real ones do when they
// fail. internal/e2e tests against rsyslog itself.
type server struct {
	address  string
	mu       sync.Mutex
	messages []string
	fault    func(net.Conn) bool                     // reports whether it dealt with the connection
	answer   func(number int, message string) string // of RELP; 200 OK if nil
}

func listen(t *testing.T, serve func(*server, net.Conn)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: l.Addr().String()}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s.mu.Lock()
				fault := s.fault
				s.mu.Unlock()
				if fault == nil || !fault(c) {
					serve(s, c)
				}
			}()
		}
	}()
	return s
}

func (s *server) set(fault func(net.Conn) bool) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
	return func() { s.mu.Lock(); defer s.mu.Unlock(); s.fault = nil }
}

func (s *server) keep(m string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
}

// counted reads messages with their lengths.
func (s *server) counted(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		length, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(length))
		if err != nil {
			return
		}
		m := make([]byte, n)
		if _, err := io.ReadFull(in, m); err != nil {
			return
		}
		s.keep(string(m))
	}
}

// relp reads frames of RELP and answers to each.
func (s *server) relp(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		var number, length int
		var command string
		if _, err := fmt.Fscanf(in, "%d %s %d", &number, &command, &length); err != nil {
			return
		}
		data := make([]byte, length+1)
		if length > 0 {
			_, _ = in.ReadByte()
		}
		if _, err := io.ReadFull(in, data); err != nil || data[length] != '\n' {
			return
		}
		said := "200 OK"
		if command == "syslog" {
			if s.answer != nil {
				said = s.answer(number, string(data[:length]))
			}
			if said == "" {
				return
			}
			if strings.HasPrefix(said, "200") {
				s.keep(string(data[:length]))
			}
		}
		if command == "open" {
			said += "\nrelp_version=0\nrelp_software=test\ncommands=syslog"
		}
		fmt.Fprintf(c, "%d rsp %d %s\n", number, len(said), said)
		if command == "close" {
			fmt.Fprint(c, "0 serverclose 0\n")
			return
		}
	}
}

func engine(t *testing.T, c syslog.Config) *syslog.Engine {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	e, err := syslog.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (s *server) subject(e sinks.Engine) sinktest.Receiver {
	return sinktest.Receiver{Engine: e, Events: "events", Record: "records", Copies: func(t *testing.T, index, id string) (out []sinktest.Copy) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, raw := range s.messages {
			m, err := parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if m.parameters["index"] != index || m.parameters["id"] != id {
				continue
			}
			if strings.HasPrefix(m.text, "CEF:") {
				_, fields, err := cef(m.text)
				if err != nil {
					t.Fatal(err)
				}
				m.text = fields["changetrailDocument"]
			}
			version, _ := strconv.ParseInt(m.parameters["revision"], 10, 64)
			out = append(out, sinktest.Copy{Version: version, Body: m.text})
		}
		return out
	}}
}

// ways are the protocols and formats.
var ways = []struct {
	scheme, format string
	serve          func(*server, net.Conn)
}{
	{"tcp", syslog.JSON, (*server).counted},
	{"tcp", syslog.CEF, (*server).counted},
	{"relp", syslog.JSON, (*server).relp},
	{"relp", syslog.CEF, (*server).relp},
}

func TestTheContract(t *testing.T) {
	for _, way := range ways {
		t.Run(way.scheme+" "+way.format, func(t *testing.T) {
			s := listen(t, way.serve)
			e := engine(t, syslog.Config{URL: way.scheme + "://" + s.address, Format: way.format})
			if err := e.Ready(t.Context(), "default"); err != nil {
				t.Fatal(err)
			}
			sinktest.Append(t, s.subject(e))
		})
	}
}

// changing is an engine that can be replaced.
type changing struct{ sinks.Engine }

func TestAReceiverThatFails(t *testing.T) {
	for _, way := range ways {
		t.Run(way.scheme+" "+way.format, func(t *testing.T) {
			s := listen(t, way.serve)
			c := syslog.Config{URL: way.scheme + "://" + s.address, Format: way.format, Largest: 1 << 20}
			e := &changing{engine(t, c)}
			sinktest.Fail(t, sinktest.Faults{
				Receiver: s.subject(e),
				Down:     func(*testing.T) func() { return s.set(func(net.Conn) bool { return true }) },
				Small: func(t *testing.T, bytes int) func() {
					c.Largest = bytes
					e.Engine = engine(t, c)
					return func() {}
				},
				Summary: func(c sinktest.Copy) bool { return strings.Contains(c.Body, "this is its summary") },
			})
		})
	}
}

func documents(n int) (docs []sinks.Document) {
	for i := range n {
		docs = append(docs, sinks.Document{Index: "i", ID: strconv.Itoa(i), Body: []byte(`{"@timestamp":"2026-11-12T03:47:03Z","message":"` + strings.Repeat("x", 500) + `"}`)})
	}
	return docs
}

// TestAConnectionThatEndsBeforeAllIsRead: over TCP nothing counts as delivered then, however the
// receiver ends it; over RELP what was acknowledged does, and nothing else.
func TestAConnectionThatEndsBeforeAllIsRead(t *testing.T) {
	some := func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 20_000)) }
	for name, fault := range map[string]func(net.Conn) bool{
		"at once":      func(net.Conn) bool { return true },
		"after a part": func(c net.Conn) bool { some(c); return true },
		"with a reset": func(c net.Conn) bool { some(c); _ = c.(*net.TCPConn).SetLinger(0); return true },
		"in its own half": func(c net.Conn) bool {
			some(c)
			_ = c.(*net.TCPConn).CloseWrite()
			time.Sleep(300 * time.Millisecond)
			return true
		},
		"never, and is full": func(net.Conn) bool { time.Sleep(4 * time.Second); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, (*server).counted)
			s.set(fault)
			e := engine(t, syslog.Config{URL: "tcp://" + s.address, Timeout: 2 * time.Second})
			if out, err := e.Put(t.Context(), documents(200)); err == nil {
				t.Errorf("documents count as %v", out[0].Kind)
			}
		})
	}
	t.Run("RELP", func(t *testing.T) {
		s := listen(t, (*server).relp)
		s.answer = func(number int, _ string) string {
			switch number {
			case 7:
				return "500 not this one"
			case 150:
				return ""
			}
			return "200 OK"
		}
		e := engine(t, syslog.Config{URL: "relp://" + s.address})
		out, err := e.Put(t.Context(), documents(300))
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for i, o := range out { // a reset can overtake the last acknowledgements
			number, there := i+2, len(s.subject(e).Copies(t, "i", strconv.Itoa(i))) > 0
			if o.Kind == sinks.Done {
				done++
			}
			if o.Kind == sinks.Done && !there || number == 7 && o.Kind != sinks.Unclear || number >= 150 && o.Kind != sinks.Retry || o.Kind != sinks.Done && o.Reason == "" {
				t.Errorf("message %d: %+v; it is there: %t", number, o, there)
			}
		}
		if done < 126 {
			t.Errorf("%d messages are delivered, want at least the first window without one", done)
		}
	})
}

// TestASummary says what it is of, and has no part of the document that could be mistaken for it.
func TestASummary(t *testing.T) {
	s := listen(t, (*server).counted)
	e := engine(t, syslog.Config{URL: "tcp://" + s.address, Largest: 2048})
	d := sinks.Document{Index: "i", ID: "large", Version: 3, Body: fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":"short","event":{"action":"merged"},"changetrail":{"change":{"id":"github.com/a/b/pull/1","title":%q}}}`, strings.Repeat("x", 3000))}
	if _, err := e.Put(t.Context(), []sinks.Document{d}); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	first := s.messages[0]
	s.mu.Unlock()
	m, err := parse(first)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"@timestamp":"2026-11-12T03:47:03Z","message":"short","event":{"action":"merged"},"changetrail":{"change":{"id":"github.com/a/b/pull/1"},"type":"changetrail.record","summary":{"of":%q,"bytes":%d,"why":"the document is larger than the receiver accepts; this is its summary"}}}`, digests.Of(d.Body), len(d.Body))
	if m.text != want || m.parameters["revision"] != "3" {
		t.Errorf("the summary is %s\nwant %s", m.text, want)
	}
	d.ID = strings.Repeat("y", 3000)
	if out, err := e.Put(t.Context(), []sinks.Document{d}); err != nil || out[0].Kind != sinks.Refused || !strings.Contains(out[0].Reason, "max_message") {
		t.Errorf("even the summary is too large: %v, %v", out, err)
	}
}

// FuzzMessages: whatever a document and its id say, a reader of RFC 5424 and CEF finds them again.
func FuzzMessages(f *testing.F) {
	f.Add("id", "message", int64(0), true)
	f.Add(`a"b\c]d`, "a|b=c\\d\ne\r\nf", int64(7), true)
	f.Add("x\x00\xff\u2028", `\n \= | ] "`, int64(1), false)
	f.Add("  ", "msg=x cs1=y", int64(2), true)
	f.Fuzz(func(t *testing.T, id, text string, version int64, inCEF bool) {
		format := syslog.JSON
		if inCEF {
			format = syslog.CEF
		}
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil || version < 0 {
			return // not UTF-8: no document can say it
		}
		d := sinks.Document{Index: "i", ID: id, Version: version, Body: fmt.Appendf(nil, `{"@timestamp":"2026-11-12T03:47:03Z","message":%s,"event":{"action":%[1]s},"user":{"name":%[1]s},"changetrail":{"change":{"id":%[1]s}}}`, quoted)}
		raw, err := syslog.Message(format, d)
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(raw) {
			t.Errorf("the message is not UTF-8: %q", raw)
		}
		m, err := parse(string(raw))
		if err != nil {
			t.Fatalf("%v: %q", err, raw)
		}
		if want := strings.ToValidUTF8(id, "\uFFFD"); normal(m.parameters["id"]) != normal(want) {
			t.Errorf("the id %q is read as %q", id, m.parameters["id"])
		}
		body := m.text
		if inCEF {
			head, fields, err := cef(m.text)
			if err != nil {
				t.Fatalf("%v: %q", err, m.text)
			}
			if len(head) != 6 || head[0] != "changetrail" || head[5] != "1" {
				t.Errorf("the header is %q", head)
			}
			for _, key := range []string{"act", "suser", "cs1"} {
				if fields[key] != text {
					t.Errorf("%s is %q, want %q", key, fields[key], text)
				}
			}
			body = fields["changetrailDocument"]
		}
		var doc struct {
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Message != text {
			t.Errorf("the document says %q (%v), want %q", doc.Message, err, text)
		}
	})
}

// normal is a text in which each run of replacement characters is one.
func normal(s string) string {
	for strings.Contains(s, "\uFFFD\uFFFD") {
		s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
	}
	return s
}

// FuzzResponses: whatever a receiver answers, it is a response or an error, and takes bounded memory.
func FuzzResponses(f *testing.F) {
	for _, s := range []string{"1 rsp 6 200 OK\n", "1 rsp 0\n", "1 rsp 0 \n", "0 serverclose 0\n", "999999999 rsp 999999999 x", " rsp 1 x\n", "1 rsp 5 ab\n", "1 x 1 a\n", "-1 rsp 1 a\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		number, data, err := syslog.Response(s)
		if err == nil && !strings.HasPrefix(strings.TrimLeft(s, "0"), strings.TrimLeft(strconv.Itoa(number), "0")+" rsp ") {
			t.Errorf("%q is read as %d %q", s, number, data)
		}
		if err == nil && !strings.Contains(s, data) {
			t.Errorf("%q has the data %q", s, data)
		}
	})
}

func TestSettingsThatCannotWork(t *testing.T) {
	for want, c := range map[string]syslog.Config{
		"tls://host:port":  {URL: "https://siem:6514"},
		"no port":          {URL: "relp://siem"},
		"more than":        {URL: "tls://siem/path"},
		"below 2048":       {URL: "tls://siem", Largest: 500},
		"neither json nor": {URL: "tls://siem", Format: "leef"},
		"CA file":          {URL: "tls://siem", TLS: stream.TLS{CAFile: "missing.pem"}},
	} {
		if _, err := syslog.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, url := range []string{"tls://siem", "tcp://siem", "tls://[::1]:99", "relp+tls://siem:20514"} {
		if _, err := syslog.New(syslog.Config{URL: url}); err != nil {
			t.Error(err)
		}
	}
}
