package gateway

import (
	"context"
	"net/http"
	"testing"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// TestNobodyUsesTheSourcesOfChangetrail: somebody could otherwise publish the
// gateway's findings first, with the same source and id.
func TestNobodyUsesTheSourcesOfChangetrail(t *testing.T) {
	known, tokens := credentials(t, "name: a-prod, agent: a", "name: ci, platform: ci")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	at := func(source string) []byte {
		return []byte(`{"specversion":"1.0","id":"1","source":"` + source + `","type":"` + record.TypeDecisionRecorded + `","subject":"acme/docs#1","data":{"agent":{"id":"a"}}}`)
	}
	for _, source := range []string{"/changetrail/gateway", "/changetrail/enricher", "/changetrail/new", "/changetrail", "/ChangeTrail/gateway", "/x/../changetrail/gateway", "//changetrail//gateway", "/changetrail%2Fgateway", "changetrail/gateway"} {
		for _, token := range tokens {
			s.send(t, "POST", "/v1/events", with(structured, "Authorization", token), at(source)).problem(t, http.StatusForbidden)
		}
	}
	s.none(t)
	for _, source := range []string{"/changetrail/cli", "/changetrails/gateway", "https://acme.example/changetrail/gateway"} {
		if r := s.send(t, "POST", "/v1/events", with(structured, "Authorization", tokens[0]), at(source)); r.status != http.StatusNoContent {
			t.Errorf("%s: %+v", source, r)
		}
	}
}

// TestNoCredentialsListedIsNobody: removing the last credential from the file closes
// the gateway.
func TestNoCredentialsListedIsNobody(t *testing.T) {
	none, _ := credentials(t)
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = none })
	for _, header := range []map[string]string{structured, with(structured, "Authorization", "Bearer ct_x"), with(structured, "Authorization", "Bearer eyJ.e30.x")} {
		s.send(t, "POST", "/v1/events", header, []byte(said(record.TypeDecisionRecorded, `,"subject":"acme/docs#1"`, `{"agent":{"id":"a"}}`))).problem(t, http.StatusUnauthorized)
		s.send(t, "PUT", "/v1/blobs", header, []byte("x")).problem(t, http.StatusUnauthorized)
		s.send(t, "POST", "/v1/traces", header, nil).problem(t, http.StatusUnauthorized)
	}
	s.none(t)
}

// TestAFileIsReadableWithAChangeThatUsesIt, and if that cannot be determined, by readers of everything.
func TestAFileIsReadableWithAChangeThatUsesIt(t *testing.T) {
	known, tokens := credentials(t, "name: mira, person: mira.s", "name: bot, agent: bot", "name: one, agent: one, repositories: [github.com/acme/one]", "name: guest, person: g, repositories: [github.com/acme/two]")
	file := []byte("a report")
	for _, c := range []struct {
		tells bool
		want  [4]int
	}{{false, [4]int{200, 404, 404, 404}}, {true, [4]int{200, 404, 200, 404}}} {
		s := newSite(t, func(conf *Config, _ *producer.Options) {
			if conf.Credentials = known; c.tells {
				conf.MayReadFile = func(_ context.Context, digest string, who identity.Principal) (bool, error) {
					return digest == digests.Of(file) && who.MayRead("github.com/acme/one"), nil
				}
			}
		})
		if r := s.send(t, "PUT", "/v1/blobs", with(nil, "Authorization", tokens[0]), file); r.status != http.StatusCreated {
			t.Fatalf("%+v", r)
		}
		for i, token := range tokens {
			if r := s.send(t, "GET", "/v1/blobs/"+digests.Of(file), with(nil, "Authorization", token), nil); r.status != c.want[i] {
				t.Errorf("where it can be told %t, credential %d: %d", c.tells, i, r.status)
			}
		}
		s.send(t, "GET", "/v1/blobs/"+digests.Of(file), nil, nil).problem(t, http.StatusUnauthorized)
	}
}
