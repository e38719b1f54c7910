package identity

import (
	"crypto/x509"
	"net/url"
	"testing"
)

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
