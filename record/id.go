package record

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A Repository names a repository as host/path: "github.com/acme/payments",
// "gitlab.com/group/sub/proj". It is lower case: hosts and code hosts take both, and one
// repository has one name.
type Repository string

// A ChangeID names one change: repository, kind and number. The kinds are
// "pull" (GitHub), "merge_requests" (GitLab) and "commit" (a direct push):
// "github.com/acme/payments/pull/4829",
// "gitlab.com/g/p/merge_requests/12",
// "github.com/acme/payments/commit/3f786850e387550fdab836ed7e6dc881de23001b".
type ChangeID string

// ErrNotAChange reports a text that names no change.
var ErrNotAChange = errors.New("not a change")

// changeForms is what an error tells the person who typed something else.
const changeForms = "want host/path/pull/N, host/path/merge_requests/N, host/path/commit/SHA, the URL of one, owner/repo#N or group/project!N"

// ParseChange reads a change in any form that people and systems write: the
// id itself, its full URL, and the short forms acme/payments#4829 (GitHub) and
// group/proj!12 (GitLab). Its errors wrap [ErrNotAChange].
func ParseChange(s string) (ChangeID, error) {
	text := strings.TrimSpace(s)
	if id, ok := shortChange(text, "#", "github.com/", "/pull/"); ok {
		return id, nil
	}
	if id, ok := shortChange(text, "!", "gitlab.com/", "/merge_requests/"); ok {
		return id, nil
	}
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return "", fmt.Errorf("%w: %q is not a URL; %s", ErrNotAChange, s, changeForms)
		}
		text = u.Host + strings.Replace(u.Path, "/-/", "/", 1)
	}
	parts := strings.Split(strings.Trim(text, "/"), "/")
	for i := len(parts) - 2; i >= 2; i-- {
		kind := parts[i]
		if kind == "pulls" {
			kind = "pull"
		}
		if !changeNumber(kind, parts[i+1]) || !changePath(parts[:i]) {
			continue
		}
		return ChangeID(strings.ToLower(strings.Join(parts[:i], "/") + "/" + kind + "/" + parts[i+1])), nil
	}
	return "", fmt.Errorf("%w: %q; %s", ErrNotAChange, s, changeForms)
}

func shortChange(s, mark, host, kind string) (ChangeID, bool) {
	path, number, ok := strings.Cut(s, mark)
	if !ok || strings.Contains(path, "://") || strings.Count(path, "/") < 1 ||
		!changeNumber(strings.Trim(kind, "/"), number) || !changePath(append([]string{host}, strings.Split(path, "/")...)) {
		return "", false
	}
	return ChangeID(host + strings.ToLower(path) + kind + number), true
}

func changeNumber(kind, number string) bool {
	switch kind {
	case "pull", "merge_requests":
		n, err := strconv.ParseUint(number, 10, 63)
		return err == nil && n > 0 && number[0] != '0'
	case "commit":
		return IsCommit(number)
	}
	return false
}

func changePath(parts []string) bool {
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return false
		}
	}
	return len(parts) >= 2
}

// Split returns the parts of id, which must have come from [ParseChange].
func (id ChangeID) Split() (repo Repository, kind, number string) {
	s := string(id)
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", "", ""
	}
	j := strings.LastIndexByte(s[:i], '/')
	if j < 0 {
		return "", "", ""
	}
	return Repository(s[:j]), s[j+1 : i], s[i+1:]
}

// Repository returns the repository that id lies in.
func (id ChangeID) Repository() Repository {
	repo, _, _ := id.Split()
	return repo
}

// Change returns the change of a repository whose id goes on as in "/pull/4829".
func (r Repository) Change(rest string) ChangeID { return ChangeID(string(r) + rest) }

// URL returns the address of the change at its code host.
func (id ChangeID) URL() string {
	repo, kind, number := id.Split()
	if kind == "merge_requests" {
		return "https://" + string(repo) + "/-/merge_requests/" + number
	}
	return "https://" + string(id)
}

// ParseRepository reads a repository as host/path or as its URL.
func ParseRepository(s string) (Repository, error) {
	text := strings.TrimSpace(s)
	if i := strings.Index(text, "://"); i >= 0 {
		text = text[i+3:]
	}
	text = strings.TrimSuffix(strings.Trim(text, "/"), ".git")
	parts := strings.Split(text, "/")
	if len(parts) < 3 || !changePath(parts) {
		return "", fmt.Errorf("%q is not a repository; want host/path, as github.com/acme/payments", s)
	}
	return Repository(strings.ToLower(strings.Join(parts, "/"))), nil
}

// RepositoryAt returns the repository at the address of a remote:
// https://host/path, ssh://git@host:22/path, git@host:path; "" where it is a folder.
func RepositoryAt(remote string) Repository {
	if scheme, rest, ok := strings.Cut(remote, "://"); ok && scheme != "file" {
		host, path, _ := strings.Cut(rest, "/")
		host = host[strings.LastIndexByte(host, '@')+1:] // who logs in, be it with a token, is left out
		if scheme != "http" && scheme != "https" {
			host, _, _ = strings.Cut(host, ":")
		}
		host = strings.TrimPrefix(host, "altssh.") // GitLab's address for SSH through port 443
		remote = host + "/" + path
	} else if host, path, scp := strings.Cut(remote, ":"); scp && !ok && !strings.ContainsAny(host, `/\`) {
		remote = host[strings.LastIndexByte(host, '@')+1:] + "/" + strings.TrimPrefix(path, "/")
	} else {
		return ""
	}
	repo, err := ParseRepository(remote)
	if err != nil {
		return ""
	}
	return repo
}

// RepositoryNamed reads a repository as people and programs write it: host/path, its
// URL, or the address of a remote.
func RepositoryNamed(s string) (Repository, error) {
	if repo := RepositoryAt(s); repo != "" {
		return repo, nil
	}
	return ParseRepository(s)
}

// IsCommit reports whether s is a Git commit: 7 to 64 hexadecimal digits.
func IsCommit(s string) bool {
	if len(s) < 7 || len(s) > 64 {
		return false
	}
	return isHex(s)
}

// IsDigest reports whether s has the form of a digest, sha256:<64 hex digits>.
func IsDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && hex == strings.ToLower(hex) && isHex(hex)
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
