package access

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/internal/problem"
)

// Guard lets pass what may be answered: where nobody is asked who they are, what names this
// machine as its host, so that no page of another site gets here under a name of its own
// that was pointed at this machine (DNS rebinding); and what no other site makes a browser
// ask.
func (d *Door) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !d.Asks() && !signed(r) && !d.knows(r):
			problem.Write(w, r, problem.New(http.StatusMisdirectedRequest, "the host %q is none of those by which this is asked for; list it in web.hosts if it is", r.Host))
		case fromElsewhere(r):
			problem.Write(w, r, problem.New(http.StatusForbidden, "a browser was sent here by another site"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// signed reports whether a request is one of a platform, whose signature tells who it is.
func signed(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/webhooks/")
}

// knows reports whether a request names this machine, or a host of the settings.
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

// localAddress is the address of this machine at which a request came in.
func localAddress(r *http.Request) netip.Addr {
	local, is := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !is {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap().WithZone("")
}

// hostOf is a host without its port, as it is compared.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// fromElsewhere reports whether another site makes a browser read, other than by a link to
// a page. What changes something is asked by others (http.CrossOriginProtection).
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
