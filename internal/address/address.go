package address

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Address is the location of a repository or of one of its pages, in lower case.
type Address struct {
	scheme     string // http, https, ssh, git; "" for host/path
	host, port string // the port only if it is not a usual port of HTTP; SSH has its own field
	sshPort    string
	Path       []string // decoded, except for characters that a URL must escape
}

func (a Address) ssh() bool { return a.scheme == "ssh" || a.scheme == "git" }

// isHost reports whether s is a name in any script, or an IPv6 address in brackets.
func isHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdef:.") == ""
	}
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)): // not UTF-8
			return false
		case r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
		case i > 0 && (r == '.' || r == '-' || unicode.IsMark(r)):
		default:
			return false
		}
	}
	return s != ""
}

// Parse reads a URL, user@host:path as scp writes it, or host/path. User, password, token,
// query and fragment are left out. ok is false for any other text.
func Parse(s string) (a Address, ok bool) {
	text := strings.TrimSpace(s)
	for _, prefix := range []string{"url:", "scm:git:", "git::"} { // of Backstage, Maven, Terraform
		text = strings.TrimPrefix(text, prefix)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return a, false
	}
	text, _, _ = strings.Cut(text, "#")
	text, _, _ = strings.Cut(text, "?")
	text = strings.ToLower(text)
	path, ok := "", false
	if scheme, rest, isURL := strings.Cut(text, "://"); isURL {
		a, path, ok = urlAddress(scheme, rest)
	} else if a, path, ok = scpAddress(text); !ok {
		a.host, path, ok = strings.Cut(text, "/")
	}
	a.host = strings.TrimSuffix(a.host, ".")
	if !ok || !isHost(a.host) {
		return a, false
	}
	a.Path, ok = pathParts(path)
	return a, ok
}

func urlAddress(scheme, rest string) (a Address, path string, ok bool) {
	plain, pip := strings.CutPrefix(scheme, "git+")
	a.scheme = strings.TrimSuffix(plain, "+git")
	if !slices.Contains([]string{"http", "https", "ssh", "git"}, a.scheme) {
		return a, "", false
	}
	authority, path, _ := strings.Cut(rest, "/")
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	host, port := splitPort(authority)
	a.host = host
	switch {
	case port != "" && !isDecimal(port): // ssh://git@host:group/project, as npm writes it
		path = port + "/" + path
	case a.ssh():
		a.sshPort = port
	default:
		a.port = unusual(port)
	}
	if pip { // @ and a branch or tag may follow the repository
		if i := strings.LastIndexByte(path, '@'); i > strings.LastIndexByte(path, '/') {
			path = path[:i]
		}
	}
	return a, path, true
}

// scpAddress reads user@host:path. Without a user, a number before the first slash is a port, as
// in the name of a repository, and a host without a dot is not accepted, except for those that
// package managers know: session:a/b is not a repository.
func scpAddress(text string) (a Address, path string, ok bool) {
	host, path := splitPort(text)
	if inner, rest, bracketed := strings.Cut(text, "]:"); bracketed && strings.HasPrefix(text, "[") && strings.Contains(inner, "@") { // [git@host:22]:path
		host, _ = splitPort(inner[1:])
		path = rest
	}
	if path == "" || strings.Contains(host, "/") {
		return a, "", false
	}
	name := host[strings.LastIndexByte(host, '@')+1:]
	number, rest, _ := strings.Cut(path, "/")
	switch {
	case name == host && isDecimal(number):
		return Address{host: host, port: unusual(number)}, rest, true
	case name != host || strings.Contains(host, "."):
		return Address{scheme: "ssh", host: name}, path, true
	case host == "github" || host == "gitlab":
		return Address{scheme: "ssh", host: host + ".com"}, path, true
	case host == "bitbucket":
		return Address{scheme: "ssh", host: host + ".org"}, path, true
	}
	return a, "", false
}

// splitPort cuts at the first colon that is not within the brackets of an IPv6 address.
func splitPort(authority string) (host, port string) {
	from := 0
	if strings.HasPrefix(authority, "[") {
		from = strings.IndexByte(authority, ']') + 1
	}
	i := strings.IndexByte(authority[from:], ':')
	if i < 0 {
		return authority, ""
	}
	return authority[:from+i], authority[from+i+1:]
}

// unusual returns a port, or "" for a usual port of HTTP.
func unusual(port string) string {
	if port == "80" || port == "443" {
		return ""
	}
	return port
}

func isDecimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// pathParts returns the parts of a path without leading and trailing slashes.
func pathParts(path string) ([]string, bool) {
	path, err := url.PathUnescape(strings.Trim(path, "/"))
	if err != nil {
		return nil, false
	}
	parts := strings.Split(strings.ToLower(strings.Trim(path, "/")), "/")
	for i, p := range parts {
		parts[i] = escaped.Replace(p)
	}
	return parts, true
}

// escaped replaces the characters that a name may have and that would end or change it.
var escaped = strings.NewReplacer("%", "%25", " ", "%20", "?", "%3f", "#", "%23", `\`, "%5c", ":", "%3a", "@", "%40")
