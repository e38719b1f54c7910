package identity

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestASessionEndsWithItsToken(t *testing.T) {
	person, personDigest := NewToken()
	_, otherDigest := NewToken()
	agent, agentDigest := NewToken()
	const head = "tokens:\n"
	mira := "  - {name: mira, person: mira.s, sha256: " + personDigest + "}\n"
	bot := "  - {name: bot, agent: a, sha256: " + agentDigest + "}\n"
	c := parse(t, head+mira+bot)
	s := NewSessions(c)
	session, who, err := s.Begin(person)
	if err != nil || who.Person != "mira.s" || strings.Contains(session, person) {
		t.Fatalf("%s: %+v, %v", session, who, err)
	}
	if who, err := s.Of(session); err != nil || who.Person != "mira.s" {
		t.Fatalf("%+v, %v", who, err)
	}
	for name, token := range map[string]string{"of an agent": agent, "unknown": "ct_x", "none": "", "of a job": "eyJ.e30.x"} {
		if _, _, err := s.Begin(token); err == nil {
			t.Errorf("a session began with a token %s", name)
		}
	}
	parts := strings.Split(session, ".")
	for name, forged := range map[string]string{
		"nothing": "", "another end": strings.Join([]string{parts[0], "99999999999", parts[2], parts[3]}, "."), "another name": strings.Join([]string{"Ym90", parts[1], parts[2], parts[3]}, "."),
		"no signature": strings.Join([]string{parts[0], parts[1], parts[2], ""}, "."), "longer": session + ".x", "of an unknown name": strings.Join([]string{"eA", parts[1], parts[2], parts[3]}, "."),
	} {
		if who, err := s.Of(forged); !errors.Is(err, ErrSession) || who.Name != "" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	for name, text := range map[string]string{
		"removed": head + bot, "replaced": head + strings.Replace(mira, personDigest, otherDigest, 1), "expired": head + strings.Replace(mira, "sha256", "expires: 2020-01-01, sha256", 1),
	} {
		later := &Sessions{credentials: parse(t, text), key: s.key}
		if _, err := later.Of(session); !errors.Is(err, ErrSession) {
			t.Errorf("the token was %s: %v", name, err)
		}
	}
	if _, err := NewSessions(c).Of(session); !errors.Is(err, ErrSession) {
		t.Errorf("of another process: %v", err)
	}
	now := time.Now()
	c.now = func() time.Time { return now.Add(SessionLength + time.Minute) }
	if _, err := s.Of(session); !errors.Is(err, ErrSession) {
		t.Errorf("after its time: %v", err)
	}
	c.now = time.Now
	s.End(session)
	if _, err := s.Of(session); !errors.Is(err, ErrSession) {
		t.Errorf("after it was ended: %v", err)
	}
}

func TestWhoMayRead(t *testing.T) {
	for _, c := range []struct {
		who       Principal
		all, acme bool
	}{
		{Principal{}, false, false},
		{Principal{Person: "p"}, true, true},
		{Principal{Platform: "p"}, true, true},
		{Principal{Agent: "a"}, false, false},
		{Principal{Agent: "a", Repositories: []string{"github.com/acme/*"}}, false, true},
		{Principal{Person: "p", Repositories: []string{"github.com/ACME/payments"}}, false, true},
		{Principal{Person: "p", Repositories: []string{"github.com/other/**"}}, false, false},
	} {
		if c.who.ReadsAll() != c.all || c.who.MayRead("github.com/acme/payments") != c.acme || !c.all && c.who.MayRead("") {
			t.Errorf("%+v: all %t, one %t", c.who, c.who.ReadsAll(), c.who.MayRead("github.com/acme/payments"))
		}
	}
}

func TestANameOfACertificateCountsAsWhatItIs(t *testing.T) {
	c := parse(t, `
certificates:
  - {name: uri, san: "spiffe://acme.example/a", agent: a}
  - {name: mail, san: "a@acme.example", agent: b}
  - {name: dns, san: "a.acme.example", agent: c}
`)
	spiffe := &url.URL{Scheme: "spiffe", Host: "acme.example", Path: "/a"}
	for name, k := range map[string]struct {
		cert *x509.Certificate
		want string
	}{
		"a URI":                      {&x509.Certificate{URIs: []*url.URL{spiffe}}, "uri"},
		"a URI as a DNS name":        {&x509.Certificate{DNSNames: []string{"spiffe://acme.example/a"}}, ""},
		"a URI as a mail address":    {&x509.Certificate{EmailAddresses: []string{"spiffe://acme.example/a"}}, ""},
		"a mail address":             {&x509.Certificate{EmailAddresses: []string{"a@acme.example"}}, "mail"},
		"a mail address as DNS name": {&x509.Certificate{DNSNames: []string{"a@acme.example"}}, ""},
		"a DNS name":                 {&x509.Certificate{DNSNames: []string{"a.acme.example"}}, "dns"},
		"a DNS name as URI":          {&x509.Certificate{URIs: []*url.URL{{Path: "a.acme.example"}}}, ""},
		"a DNS name as mail address": {&x509.Certificate{EmailAddresses: []string{"a.acme.example"}}, ""},
	} {
		if who, _ := c.byCertificate(k.cert); who.Name != k.want {
			t.Errorf("%s is %q, want %q", name, who.Name, k.want)
		}
	}
}
