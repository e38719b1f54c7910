package gateway

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

func TestEventsComeInThreeModes(t *testing.T) {
	s := newSite(t, nil)
	binary := map[string]string{
		"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/agents/a%20b", "ce-type": record.TypeDecisionRecorded,
		"ce-subject": "acme/payments%234829", "ce-time": "2026-03-01T03:47:00Z", "ce-sequence": "7",
	}
	if r := s.send(t, "POST", "/v1/events", binary, []byte(`{"agent":{"id":"a"} }`)); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	if r := s.send(t, "POST", "/v1/events", structured, []byte(decision("2", "a", `,"sequence":"8"`))); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprintf(z, "[%s,%s]", decision("3", "a", ""), decision("4", "b", ""))
	z.Close()
	if r := s.send(t, "POST", "/v1/events", map[string]string{"Content-Type": schemas.ContentTypeBatch, "Content-Encoding": "gzip"}, packed.Bytes()); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	got := s.next(t, 4)
	for i, e := range got {
		want := schemas.Envelope{
			SpecVersion: "1.0", ID: fmt.Sprint(i + 1), Source: "/agents/a", Type: record.TypeDecisionRecorded, Subject: "github.com/acme/payments/pull/4829", Time: time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC),
			DataContentType: "application/json", PartitionKey: "github.com/acme/payments", AuthType: schemas.AuthAnonymous, ContentMode: "redacted", Data: e.Data,
		}
		switch i {
		case 0:
			want.Source, want.Subject, want.Sequence = "/agents/a%20b", "acme/payments#4829", "7" // a URI reference has no spaces
			if string(e.Data) != `{"agent":{"id":"a"} }` {
				t.Errorf("the data became %s", e.Data)
			}
		case 1:
			want.Sequence = "8"
		case 3:
			want.Source = "/agents/b"
		}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i+1, diff)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Limits.Body = 1 << 20 })
	good := []byte(decision("1", "a", ""))
	packed := with(structured, "Content-Encoding", "gzip")
	for _, c := range []struct {
		name   string
		header map[string]string
		body   []byte
		status int
		detail string
	}{
		{"no content type", nil, good, 415, "this is not a CloudEvent"},
		{"a type that is none", map[string]string{"Content-Type": "application/;"}, good, 415, "Content-Type"},
		{"a format that is not read", map[string]string{"Content-Type": "application/cloudevents+protobuf"}, good, 415, "send application/cloudevents+json"},
		{"nothing", structured, nil, 400, "the body cannot be read"},
		{"no JSON", structured, []byte("{"), 400, "the body cannot be read"},
		{"a member that stands twice", structured, []byte(`{"specversion":"1.0","id":"1","id":"2"}`), 400, "given twice"},
		{"an event without a type", structured, []byte(`{"specversion":"1.0","id":"1","source":"/a"}`), 422, "type"},
		{"another version of CloudEvents", structured, []byte(`{"specversion":"0.3","id":"1","source":"/a","type":"t"}`), 422, "specversion"},
		{"a type that nobody reads", structured, []byte(`{"specversion":"1.0","id":"1","source":"/a","type":"com.example.thing"}`), 422, "unknown event type"},
		{"data that breaks its schema", structured, []byte(strings.Replace(decision("1", "a", ""), `"agent":{"id":"a"}`, `"agent":{"id":7}`, 1)), 422, "data.agent.id"},
		{"no change", structured, []byte(strings.Replace(decision("1", "a", ""), "pull/4829", "issues/1", 1)), 422, "not a change"},
		{"a time that is none", map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t", "ce-time": "yesterday"}, nil, 400, "header ce-time"},
		{"a clock that is wrong", structured, []byte(strings.Replace(decision("1", "a", ""), "2026-03-01", "2126-03-01", 1)), 422, "set the sender's clock"},
		{"a report that is none", structured, []byte(`{"specversion":"1.0","id":"1","source":"/ci","type":"` + record.TypeScanCompleted + `","partitionkey":"github.com/acme/payments","data":{"tool":{"name":"x"},"report":{"content":"hello"}}}`), 422, "report cannot be read"},
		{"no batch", map[string]string{"Content-Type": schemas.ContentTypeBatch}, good, 400, "which is a JSON array"},
		{"an empty batch", map[string]string{"Content-Type": schemas.ContentTypeBatch}, []byte("[]"), 400, "empty"},
		{"an encoding that is not read", with(structured, "Content-Encoding", "br"), good, 415, "send gzip"},
		{"gzip that is none", packed, good, 400, "the body is none"},
		{"gzip that is cut off", packed, gzipped(good)[:60], 400, "ends early"},
		{"a zip bomb", packed, gzipped(bytes.Repeat([]byte(" "), 50<<20)), 413, "larger than 1048576 bytes"},
		{"a body that is too large", structured, bytes.Repeat([]byte(" "), 2<<20), 413, "larger than 1048576 bytes"},
		{"100,000 bytes of header", with(structured, "X-Large", strings.Repeat("x", 100_000)), good, 431, "the limit is 65536"},
		{"a page of another site", with(structured, "Sec-Fetch-Site", "cross-site"), good, 403, "another site"},
		{"an event that only gateways send", structured, []byte(`{"specversion":"1.0","id":"1","source":"/a","type":"` + record.TypeIdentityRefused + `","subject":"acme/payments#1","data":{"agent":"a","credential":"c"}}`), 403, "only changetrail itself sends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p := s.send(t, "POST", "/v1/events", c.header, c.body).problem(t, c.status); !strings.Contains(p.Detail, c.detail) {
				t.Errorf("it says %q, want %q in it", p.Detail, c.detail)
			}
		})
	}
	s.send(t, "GET", "/v1/events", nil, nil).problem(t, http.StatusMethodNotAllowed)
	s.none(t)
}

func TestASlowBodyIsCutOff(t *testing.T) {
	s := newSite(t, nil)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n{", schemas.ContentTypeEvent)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408") || !strings.Contains(string(answer), "application/problem+json") {
		t.Errorf("the answer is %q", answer)
	}
}

func TestABatchWithAWrongEventIsRefusedAsAWhole(t *testing.T) {
	s := newSite(t, nil)
	bad := strings.Replace(decision("b", "a", ""), `"id":"a"`, `"id":""`, 1)
	body := fmt.Sprintf("[%s,%s,%s]", decision("a", "a", ""), bad, decision("c", "a", ""))
	p := s.send(t, "POST", "/v1/events", map[string]string{"Content-Type": schemas.ContentTypeBatch}, []byte(body)).problem(t, http.StatusUnprocessableEntity)
	if len(p.Errors) != 1 || p.Errors[0].Index != 1 || p.Errors[0].ID != "b" || p.Errors[0].Reason != string(schemas.SchemaViolation) {
		t.Errorf("the errors are %+v", p.Errors)
	}
	s.none(t)
}

func TestTheCredentialDeterminesTheSender(t *testing.T) {
	known, tokens := credentials(t, "name: a-prod, agent: a", "name: jenkins, platform: jenkins", "name: mira, person: mira.s", "name: docs, platform: docs, repositories: [github.com/acme/docs]")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	as := func(i int) map[string]string { return with(structured, "Authorization", tokens[i]) }
	review := func(id, who string) string {
		return `{"specversion":"1.0","id":"` + id + `","source":"/x","type":"` + record.TypeReviewSubmitted + `","subject":"acme/payments#4829","data":{"reviewer":"` + who + `","verdict":"approved"}}`
	}
	lie := `,"authtype":"user","authid":"mira.s","authmac":"00","contentmode":"full","redacted":"none"`
	for i, c := range []struct {
		name                 string
		header               map[string]string
		body                 string
		authType, id, sender string
	}{
		{"an agent", as(0), decision("1", "a", ""), schemas.AuthService, "a", "agent:a"},
		{"who says to be another", as(0), decision("2", "a", lie), schemas.AuthService, "a", "agent:a"},
		{"a platform", as(1), decision("3", "b", ""), schemas.AuthSystem, "jenkins", "platform:jenkins"},
		{"a person", as(2), review("4", "mira.s"), schemas.AuthUser, "mira.s", "person:mira.s"},
	} {
		if r := s.send(t, "POST", "/v1/events", c.header, []byte(c.body)); r.status != http.StatusNoContent {
			t.Fatalf("%s: %+v", c.name, r)
		}
		e := s.next(t, 1)[0]
		if e.AuthType != c.authType || e.AuthID != c.id || schemas.SenderOf(signingKeys, e) != c.sender || e.ContentMode != "redacted" || e.Redacted != "" {
			t.Errorf("event %d of %s came as %+v, of %q", i, c.name, e, schemas.SenderOf(signingKeys, e))
		}
		e.AuthID = "other"
		if schemas.SenderOf(signingKeys, e) != "" {
			t.Errorf("%s: the stamp holds for another, too", c.name)
		}
	}
	s.send(t, "POST", "/v1/events", structured, []byte(decision("1", "a", ""))).problem(t, http.StatusUnauthorized)
	if r := s.send(t, "POST", "/v1/events", with(structured, "Authorization", "Bearer x"), []byte(decision("1", "a", ""))); r.problem(t, http.StatusUnauthorized).Detail != "the token is unknown" || r.header.Get("WWW-Authenticate") == "" {
		t.Errorf("a wrong token: %+v", r)
	}
	if p := s.send(t, "POST", "/v1/events", as(3), []byte(decision("1", "a", ""))).problem(t, http.StatusForbidden); p.Errors[0].Reason != string(schemas.NotAllowed) {
		t.Errorf("of another's repository: %+v", p)
	}
	s.none(t)
}

func TestAnEventInTheNameOfAnotherIsRefusedAndAFinding(t *testing.T) {
	known, tokens := credentials(t, "name: a-prod, agent: a", "name: mira, person: mira.s")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	for range 2 {
		p := s.send(t, "POST", "/v1/events", with(structured, "Authorization", tokens[0]), []byte(decision("1", "b", ""))).problem(t, http.StatusForbidden)
		if p.Errors[0].Reason != string(schemas.NotTheSenders) || !strings.Contains(p.Detail, "in the name of b, but the credential a-prod belongs to a") {
			t.Errorf("%+v", p)
		}
	}
	approval := `{"specversion":"1.0","id":"2","source":"/x","type":"` + record.TypeApprovalGranted + `","subject":"acme/payments#4829","data":{"approver":"jonas.k"}}`
	s.send(t, "POST", "/v1/events", with(structured, "Authorization", tokens[1]), []byte(approval)).problem(t, http.StatusForbidden)
	got := s.next(t, 3)
	if got[0].ID != got[1].ID {
		t.Error("the same refusal is two events")
	}
	for _, e := range got {
		if e.Type != record.TypeIdentityRefused || e.Subject != "github.com/acme/payments/pull/4829" || schemas.SenderOf(signingKeys, e) != "platform:gateway" {
			t.Errorf("the finding is %+v", e)
		}
	}
	var said record.IdentityRefused
	if err := json.Unmarshal(got[2].Data, &said); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record.IdentityRefused{Agent: "jonas.k", Credential: "mira", BoundTo: "mira.s", EventType: record.TypeApprovalGranted, EventID: "2"}, said); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.none(t)
}

func TestSecretsDoNotReachTheBroker(t *testing.T) {
	token := "ghp" + "_x7Kq2mVbT9sLw4RzNf1YcHp8DgJeA3uB6iOt"
	s := newSite(t, nil)
	e := `{"specversion":"1.0","id":"1","source":"/a","type":"` + record.TypeActionPerformed + `","subject":"acme/payments#4829","data":{"agent":{"id":"a"},"tool":"Bash","arguments":{"command":"git push https://x:` + token + `@github.com/acme/payments"}}}`
	if r := s.send(t, "POST", "/v1/events", structured, []byte(e)); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	got := s.next(t, 1)[0]
	if strings.Contains(string(got.Data), token) || !strings.Contains(string(got.Data), "[redacted:github-pat:") || got.Redacted != "github-pat" || got.ContentMode != "redacted" {
		t.Errorf("%+v %s", got, got.Data)
	}
}

func TestASenderOverItsLimitIsToldWhenToTryAgain(t *testing.T) {
	known, tokens := credentials(t, "name: slow, agent: a, rate: 2", "name: other, agent: a")
	s := newSite(t, func(c *Config, _ *producer.Options) {
		c.Credentials = known
		c.Limits.Concurrency = 1
		at := time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC)
		c.Now = func() time.Time { return at } // nothing is given back meanwhile
	})
	as := func(i int) map[string]string { return with(structured, "Authorization", tokens[i]) }
	for i := range 4 {
		r := s.send(t, "POST", "/v1/events", as(0), []byte(decision(fmt.Sprint(i), "a", "")))
		if i < 2 && r.status != http.StatusNoContent || i >= 2 && (r.problem(t, http.StatusTooManyRequests).Detail == "" || r.header.Get("Retry-After") != "1") {
			t.Errorf("request %d: %+v", i, r)
		}
	}
	if r := s.send(t, "POST", "/v1/events", as(1), []byte(decision("x", "a", ""))); r.status != http.StatusNoContent {
		t.Errorf("another pays for it: %+v", r)
	}
	batch := map[string]string{"Content-Type": schemas.ContentTypeBatch, "Authorization": tokens[0]}
	s.send(t, "POST", "/v1/events", batch, []byte("["+decision("1", "a", "")+","+decision("2", "a", "")+","+decision("3", "a", "")+"]")).problem(t, http.StatusTooManyRequests)

	// A broker that does not answer keeps a request at work.
	held := make(chan struct{})
	s.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		<-held
		return nil, nil, false
	})
	first := make(chan reply, 1)
	go func() { first <- s.send(t, "POST", "/v1/events", as(1), []byte(decision("y", "a", ""))) }()
	for len(s.gateway.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	if p := s.send(t, "POST", "/v1/events", as(1), []byte(decision("z", "a", ""))).problem(t, http.StatusTooManyRequests); !strings.Contains(p.Detail, "1 running requests") {
		t.Errorf("%+v", p)
	}
	close(held)
	if r := <-first; r.status != http.StatusNoContent {
		t.Errorf("the one that waited: %+v", r)
	}
}

func TestWhenTheBrokerIsAway(t *testing.T) {
	dead := func(p *kfake.Cluster) {
		p.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			p.KeepControl()
			return nil, fmt.Errorf("away"), true
		})
	}
	t.Run("events are refused, and may be sent again", func(t *testing.T) {
		s := newSite(t, func(c *Config, _ *producer.Options) { c.Limits.Timeout = 300 * time.Millisecond })
		dead(s.broker)
		r := s.send(t, "POST", "/v1/events", structured, []byte(decision("1", "a", "")))
		if r.problem(t, http.StatusServiceUnavailable); r.header.Get("Retry-After") != "2" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("with a spool they are safe on disk, and sent when it is back", func(t *testing.T) {
		dir := t.TempDir()
		s := newSite(t, func(_ *Config, o *producer.Options) { o.Spool, o.SendTimeout = dir, 300*time.Millisecond })
		back := make(chan struct{})
		s.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			select {
			case <-back:
				return nil, nil, false
			default:
				s.broker.KeepControl()
				return nil, fmt.Errorf("away"), true
			}
		})
		if r := s.send(t, "POST", "/v1/events", structured, []byte(decision("1", "a", ""))); r.status != http.StatusAccepted || !strings.Contains(r.body, `"spooled":1`) {
			t.Fatalf("%+v", r)
		}
		close(back)
		if e := s.next(t, 1)[0]; e.ID != "1" {
			t.Errorf("%+v", e)
		}
	})
}

func TestFilesAreKeptUnderTheirDigest(t *testing.T) {
	s := newSite(t, nil)
	file := []byte("a report")
	digest := digests.Of(file)
	if r := s.send(t, "PUT", "/v1/blobs", nil, file); r.status != http.StatusCreated || r.body != `{"digest":"`+digest+`","size":8}` || r.header.Get("Location") != "/v1/blobs/"+digest {
		t.Errorf("%+v", r)
	}
	if r := s.send(t, "GET", "/v1/blobs/"+digest, nil, nil); r.status != http.StatusOK || r.body != string(file) {
		t.Errorf("%+v", r)
	}
	s.send(t, "GET", "/v1/blobs/"+digests.Of([]byte("x")), nil, nil).problem(t, http.StatusNotFound)
	s.send(t, "GET", "/v1/blobs/x", nil, nil).problem(t, http.StatusBadRequest)
	s.send(t, "PUT", "/v1/blobs", nil, nil).problem(t, http.StatusBadRequest)
}

func TestLargeDataTravelsAsAFile(t *testing.T) {
	s := newSite(t, nil)
	large := strings.Replace(decision("1", "a", ""), "it is reachable", strings.Repeat("x", 7000), 1)
	large = strings.Replace(large, `"data":{`, `"data":{"ignored":"`+strings.Repeat("y", schemas.ClaimCheckSize)+`",`, 1)
	if r := s.send(t, "POST", "/v1/events", structured, []byte(large)); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	if e := s.next(t, 1)[0]; !digests.Is(e.DataRef) || len(e.Data) > 0 {
		t.Errorf("%+v", e)
	}
}

// TestNothingIsLeftBehind sends requests that are wrong in every way, and counts goroutines.
func TestNothingIsLeftBehind(t *testing.T) {
	s := newSite(t, nil)
	s.send(t, "POST", "/v1/events", structured, []byte(decision("1", "a", "")))
	before := runtime.NumGoroutine()
	for range 200 {
		s.send(t, "POST", "/v1/events", structured, []byte("{"))
		s.send(t, "POST", "/v1/events", with(structured, "Content-Encoding", "gzip"), []byte{0x1f, 0x8b})
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
		conn.Close()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before+5 && len(s.gateway.slots) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d now; %d requests at work", before, runtime.NumGoroutine(), len(s.gateway.slots))
}

// JavaScript cuts texts between the halves of a character, and many clients write each
// attribute that is not set as null. Text that is not UTF-8 is refused with 400 (HTTP binding
// 3.1.3.2).
func TestEventsAreReadAsClientsWriteThem(t *testing.T) {
	s := newSite(t, nil)
	half := strings.Replace(decision("1", "a", `,"traceparent":null,"mine":null`), "reachable", `\ud83d`, 1)
	batch := "[" + strings.Replace(decision("2", "a", ""), "reachable", `\uDE00`, 1) + "," + decision("3", "a", "") + "]"
	binary := map[string]string{"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "4", "ce-source": "/agents/a", "ce-type": record.TypeDecisionRecorded, "ce-subject": "acme/payments#4829"}
	for _, c := range []struct {
		header map[string]string
		body   string
	}{{structured, half}, {map[string]string{"Content-Type": schemas.ContentTypeBatch}, batch}, {binary, `{"agent":{"id":"a"},"rationale":"it is \ud83d"}`}} {
		if r := s.send(t, "POST", "/v1/events", c.header, []byte(c.body)); r.status != http.StatusNoContent {
			t.Errorf("%s: %v", c.body, r)
		}
	}
	for _, e := range s.next(t, 4) {
		var d record.Decision
		if err := json.Unmarshal(e.Data, &d); err != nil || e.ID != "3" && d.Rationale != "it is \ufffd" {
			t.Errorf("%s: %s %v", e.ID, e.Data, err)
		}
	}
	if r := s.send(t, "POST", "/v1/events", with(binary, "ce-source", "/agents/%FF"), []byte(`{"agent":{"id":"a"}}`)); r.status != http.StatusBadRequest {
		t.Error(r)
	}
}
