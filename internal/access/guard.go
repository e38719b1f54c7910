package access

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/internal/problem"
)

// Guard answers only permitted requests. If programs need no credential, the host of a request must
// be this machine, so that no page of another site can get in by a host name of its own that points
// to this machine (DNS rebinding). Requests that another site makes a browser send are refused.
func (d *Door) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case d.Credentials == nil && !signed(r) && !d.knows(r):
			problem.Write(w, r, problem.New(http.StatusMisdirectedRequest, "the host %q is not one of the permitted hosts; if it is correct, add it to web.hosts", r.Host))
		case fromElsewhere(r):
			problem.Write(w, r, problem.New(http.StatusForbidden, "another site made the browser send this request"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// signed reports whether a request is a platform's webhook, whose signature identifies the sender.
func signed(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/webhooks/")
}

// knows reports whether a request names this machine or a configured host.
func (d *Door) knows(r *http.Request) bool {
	host := hostOf(r.Host)
	if host == "localhost" || slices.ContainsFunc(d.Hosts, func(known string) bool { return host != "" && host == hostOf(known) }) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	return ip.Unmap().IsLoopback() || ip.Unmap() == localAddress(r)
}

// localAddress is the local address at which a request arrived.
func localAddress(r *http.Request) netip.Addr {
	local, is := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !is {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap().WithZone("")
}

// hostOf returns a host without its port, in the form in which it is compared.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// fromElsewhere reports whether another site makes a browser read, other than by a link to a page.
// Requests that change something are checked separately (http.CrossOriginProtection).
func fromElsewhere(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	link := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	return !link || slices.Contains([]string{"/changes.csv", "/v1/changes", "/v1/complete"}, r.URL.Path)
}
