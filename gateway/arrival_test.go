package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestOnlyAnImporterOfHistoryStatesArrivals, and nobody else; the signature covers the time.
func TestOnlyAnImporterOfHistoryStatesArrivals(t *testing.T) {
	known, tokens := credentials(t, "name: a-prod, agent: a", "name: a-history, agent: a, history: true")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	const at = "2026-03-01T03:47:00Z"
	body := func(attributes string) []byte {
		return []byte(said(record.TypeDecisionRecorded, `,"subject":"acme/docs#1"`+attributes, `{"agent":{"id":"a"}}`))
	}
	binary := map[string]string{"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/x", "Ce-Type": record.TypeDecisionRecorded, "Ce-Subject": "acme/docs#1", "Ce-Arrivedat": at}
	for name, c := range map[string]struct {
		as      int
		header  map[string]string
		body    []byte
		arrived string
	}{
		"its agent":             {0, structured, body(`,"imported":"true","arrivedat":"` + at + `"`), ""},
		"its agent, in headers": {0, binary, []byte(`{"agent":{"id":"a"}}`), ""},
		"history":               {1, structured, body(`,"arrivedat":"` + at + `"`), at},
		"history, in headers":   {1, binary, []byte(`{"agent":{"id":"a"}}`), at},
		"history of now":        {1, structured, body(""), ""},
	} {
		if r := s.send(t, "POST", "/v1/events", with(c.header, "Authorization", tokens[c.as]), c.body); r.status != http.StatusNoContent {
			t.Fatalf("%s: %+v", name, r)
		}
		e := s.next(t, 1)[0]
		read, err := ingest.Reader{Keys: signingKeys}.Read(t.Context(), e, nil, time.Now())
		if err != nil || read.Sender != "agent:a" || read.Imported != (c.arrived != "") {
			t.Errorf("%s: of %q, imported %t: %v", name, read.Sender, read.Imported, err)
		}
		if c.arrived != "" && (read.Arrived.Format(time.RFC3339) != at || !read.Time.Equal(read.Arrived)) || c.arrived == "" && time.Since(read.Arrived) > time.Minute {
			t.Errorf("%s: it arrived %s, at %s", name, read.Arrived, read.Time)
		}
		// Somebody who can write to Kafka replays it with another time.
		again, err := ingest.Reader{Keys: signingKeys}.Read(t.Context(), e, nil, time.Now().Add(-30*time.Minute))
		if err != nil || again.Arrived.Before(read.Arrived) {
			t.Errorf("%s: played back it arrived %s, %s before: %v", name, again.Arrived, read.Arrived.Sub(again.Arrived), err)
		}
		for _, change := range []func(*schemas.Envelope){
			func(e *schemas.Envelope) { e.ArrivedAt = "2026-01-01T00:00:00Z" }, func(e *schemas.Envelope) { e.ArrivedAt = "" }, func(e *schemas.Envelope) { e.Imported += "x" },
		} {
			forged := e
			if change(&forged); schemas.SenderOf(signingKeys, forged) != "" {
				t.Errorf("%s: the signature holds for another arrival, too: %+v", name, forged)
			}
		}
	}
	for _, wrong := range []string{time.Now().Add(time.Hour).Format(time.RFC3339), "1969-12-31T23:59:59Z", "yesterday"} {
		s.send(t, "POST", "/v1/events", with(structured, "Authorization", tokens[1]), body(`,"arrivedat":"`+wrong+`"`)).problem(t, http.StatusUnprocessableEntity)
	}
	s.none(t)
}

// TestWithoutACredentialWhereThatIsOpen: nobody is believed, and a wrong token is wrong.
func TestWithoutACredentialWhereThatIsOpen(t *testing.T) {
	known, _ := credentials(t, "name: a-prod, agent: a")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials, c.Open = known, true })
	event := []byte(said(record.TypeDecisionRecorded, `,"subject":"acme/docs#1"`, `{"agent":{"id":"a"}}`))
	if r := s.send(t, "POST", "/v1/events", structured, event); r.status != http.StatusNoContent {
		t.Fatalf("%+v", r)
	}
	if e := s.next(t, 1)[0]; schemas.SenderOf(signingKeys, e) != "" || e.AuthType != schemas.AuthAnonymous {
		t.Errorf("it is of %s %s", e.AuthType, e.AuthID)
	}
	s.send(t, "POST", "/v1/events", with(structured, "Authorization", "Bearer x"), event).problem(t, http.StatusUnauthorized)
	s.none(t)
}
