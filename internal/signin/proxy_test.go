package signin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/settings"
)

func proxyConfig(addresses ...string) ProxyConfig {
	return ProxyConfig{
		Addresses: addresses, UserHeader: "X-Forwarded-User", NameHeader: "X-Forwarded-Preferred-Username", EmailHeader: "X-Forwarded-Email", GroupsHeader: "X-Forwarded-Groups",
		Roles: []settings.RoleGrant{{Value: "acme:payments", Role: settings.Approver}},
	}
}

// TestOnlyTheProxyNamesPeople: its headers count from its address alone.
func TestOnlyTheProxyNamesPeople(t *testing.T) {
	p, err := NewProxy(proxyConfig("10.0.0.5", "fd00::/64", "10.1.0.0/30"))
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]bool{
		"10.0.0.5:4711": true, "[::ffff:10.0.0.5]:4711": true, "[fd00::7]:1": true, "10.1.0.3:1": true,
		"10.0.0.6:4711": false, "10.1.0.4:1": false, "127.0.0.1:1": false, "[fd01::7]:1": false, "": false, "@": false, "10.0.0.5": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-User", "mira")
		r.Header.Set("X-Forwarded-For", "10.0.0.5")
		r.Header.Set("Forwarded", "for=10.0.0.5")
		who, err := p.Who(r)
		if (err == nil) != want || err != nil && who.ID != "" {
			t.Errorf("from %q: %+v, %v", from, who, err)
		}
	}
}

func TestWhatAProxySays(t *testing.T) {
	p, err := NewProxy(proxyConfig("10.0.0.5"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		headers [][2]string
		want    Person
		says    string
	}{
		"everything": {
			[][2]string{{"X-Forwarded-User", "mira"}, {"X-Forwarded-Email", "mira@acme.example"}, {"X-Forwarded-Preferred-Username", "Mira"}, {"X-Forwarded-Groups", "acme:web, acme:payments"}},
			Person{ID: "mira", Name: "Mira", Email: "mira@acme.example", Subject: "mira", Roles: []settings.Role{settings.Approver}, Provider: "proxy 10.0.0.5"},
			"",
		},
		"only who":              {[][2]string{{"X-Forwarded-User", "mira"}}, Person{ID: "mira", Name: "mira", Subject: "mira", Provider: "proxy 10.0.0.5"}, ""},
		"a part of a group":     {[][2]string{{"X-Forwarded-User", "mira"}, {"X-Forwarded-Groups", "acme:payments-x,xacme:payments,acme"}}, Person{ID: "mira", Name: "mira", Subject: "mira", Provider: "proxy 10.0.0.5"}, ""},
		"nobody":                {nil, Person{}, "who you are"},
		"nothing":               {[][2]string{{"X-Forwarded-User", " "}}, Person{}, "who you are"},
		"two people":            {[][2]string{{"X-Forwarded-User", "eve"}, {"X-Forwarded-User", "mira"}}, Person{}, "2 times"},
		"groups of the client":  {[][2]string{{"X-Forwarded-User", "mira"}, {"X-Forwarded-Groups", "acme:payments"}, {"X-Forwarded-Groups", "acme:web"}}, Person{}, "2 times"},
		"a name that turns":     {[][2]string{{"X-Forwarded-User", "mira\u202es"}}, Person{}, "who you are"},
		"a header that is like": {[][2]string{{"X_Forwarded_User", "mira"}}, Person{}, "who you are"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.5:1"
		for _, h := range c.headers {
			r.Header.Add(h[0], h[1])
		}
		who, err := p.Who(r)
		if diff := cmp.Diff(c.want, who); diff != "" || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestAddressesOfAProxy(t *testing.T) {
	for name, c := range map[string]ProxyConfig{"none": proxyConfig(), "every address": proxyConfig("0.0.0.0/0"), "every IPv6 address": proxyConfig("::/0"), "a name": proxyConfig("proxy.acme.example"), "with a port": proxyConfig("10.0.0.5:80"), "no header": {Addresses: []string{"10.0.0.5"}}} {
		if _, err := NewProxy(c); err == nil {
			t.Errorf("%s: is accepted", name)
		}
	}
}
