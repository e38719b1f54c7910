package signin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
)

// A ProxyConfig says which proxy authenticates people, and in which headers it names them.
type ProxyConfig struct {
	Addresses    []string // IP addresses or prefixes (10.0.0.0/28) of the proxy
	UserHeader   string   // the account, [Person].ID
	NameHeader   string
	EmailHeader  string
	GroupsHeader string // groups, with commas between them
	SignOutURL   string // where the proxy signs people out; "" if it does not
	Roles        []settings.RoleGrant
}

// A Proxy reads who signed in at a proxy.
type Proxy struct {
	ProxyConfig
	from []netip.Prefix
}

// NewProxy returns a Proxy.
func NewProxy(c ProxyConfig) (*Proxy, error) {
	p := &Proxy{ProxyConfig: c}
	if c.UserHeader == "" {
		return nil, errors.New("sign_in.proxy.user_header is missing: the header in which the proxy names the account")
	}
	for _, text := range c.Addresses {
		prefix, err := netip.ParsePrefix(text)
		if ip, bad := netip.ParseAddr(text); bad == nil {
			prefix, err = ip.Prefix(ip.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("sign_in.proxy.addresses: %q is neither an IP address nor a prefix such as 10.0.0.0/28", text)
		}
		if prefix.Bits() == 0 {
			return nil, fmt.Errorf("sign_in.proxy.addresses: %q is every address: anybody could name themselves", text)
		}
		p.from = append(p.from, netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-prefix.Addr().BitLen()+prefix.Addr().Unmap().BitLen()))
	}
	if len(p.from) == 0 {
		return nil, errors.New("sign_in.proxy.addresses is missing: the addresses from which the proxy connects")
	}
	return p, nil
}

// Who returns the person whom the proxy names in a request.
func (p *Proxy) Who(r *http.Request) (Person, error) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	from := at.Addr().Unmap().WithZone("")
	if err != nil || !p.trusts(from) {
		return Person{}, problem.New(http.StatusUnauthorized, "Open this page through the proxy that signs people in. This request comes from %s, which is not one of sign_in.proxy.addresses.", from)
	}
	var out Person
	var groups string
	for _, h := range []struct {
		name string
		to   *string
	}{{p.UserHeader, &out.ID}, {p.NameHeader, &out.Name}, {p.EmailHeader, &out.Email}, {p.GroupsHeader, &groups}} {
		if h.name == "" {
			continue
		}
		values := r.Header.Values(h.name)
		if len(values) > 1 { // one of them is not the proxy's
			return Person{}, problem.New(http.StatusBadRequest, "The request has the header %s %d times. The proxy must replace the header that a client sends.", h.name, len(values))
		}
		*h.to = strings.TrimSpace(r.Header.Get(h.name))
	}
	if !readable(out.ID) {
		return Person{}, problem.New(http.StatusUnauthorized, "The proxy does not say who you are: the header %s is empty or cannot be read.", p.UserHeader)
	}
	if !readable(out.Name) {
		out.Name = out.ID
	}
	if !readable(out.Email) {
		out.Email = ""
	}
	out.Provider, out.Subject, out.Roles = "proxy "+from.String(), out.ID, rolesOf(p.Roles, split(groups))
	return out, nil
}

func (p *Proxy) trusts(from netip.Addr) bool {
	for _, prefix := range p.from {
		if prefix.Contains(from) {
			return true
		}
	}
	return false
}

// split returns the groups of a header.
func split(groups string) (out []string) {
	for g := range strings.SplitSeq(groups, ",") {
		if g = strings.TrimSpace(g); g != "" {
			out = append(out, g)
		}
	}
	return out
}
