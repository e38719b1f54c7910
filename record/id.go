package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/internal/address"
)

// A ChangeID names one change: repository, kind and number. The kinds are
// "pull" (GitHub), "merge_requests" (GitLab) and "commit" (a direct push):
// "github.com/acme/payments/pull/4829",
// "gitlab.com/g/p/merge_requests/12",
// "github.com/acme/payments/commit/3f786850e387550fdab836ed7e6dc881de23001b".
type ChangeID string

// ErrNotAChange reports a text that does not name a change.
var ErrNotAChange = errors.New("not a change")

// changeForms tells the person who typed something else what to write.
const changeForms = "acme/payments#4829, group/project!12, its URL, or its id, as github.com/acme/payments/pull/4829 or github.com/acme/payments/commit/SHA"

// ParseChange reads a change in any form that people and systems write: the id itself, its full
// URL, and the short forms acme/payments#4829 (GitHub) and group/proj!12 (GitLab). Its errors
// wrap [ErrNotAChange].
func ParseChange(s string) (ChangeID, error) {
	text := strings.TrimSpace(s)
	if id, ok := shortChange(text, "#", "github.com/", "/pull/"); ok {
		return id, nil
	}
	if id, ok := shortChange(text, "!", "gitlab.com/", "/merge_requests/"); ok {
		return id, nil
	}
	a, ok := address.Parse(text)
	for i := len(a.Path) - 2; ok && i >= 1; i-- {
		kind, number := a.Path[i], a.Path[i+1]
		if kind == "pulls" {
			kind = "pull"
		}
		if !changeNumber(kind, number) || !address.IsPath(a.Path[:i]) {
			continue
		}
		in := a
		in.Path = a.Path[:i]
		if repo := Repository(in.Repository()); repo != "" {
			return repo.Change("/" + kind + "/" + number), nil
		}
	}
	return "", fmt.Errorf("%q is %w; write %s", s, ErrNotAChange, changeForms)
}

func shortChange(s, mark, host, kind string) (ChangeID, bool) {
	path, number, ok := strings.Cut(s, mark)
	if !ok || !changeNumber(strings.Trim(kind, "/"), number) {
		return "", false
	}
	repo, err := ParseRepository(host + path)
	if err != nil || string(repo) != host+strings.ToLower(path) { // for instance a page of a repository
		return "", false
	}
	return repo.Change(kind + number), true
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

// Split returns the parts of id, which must come from [ParseChange].
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

// Repository returns the repository of id.
func (id ChangeID) Repository() Repository {
	repo, _, _ := id.Split()
	return repo
}

// URL returns the address of the change at its code host.
func (id ChangeID) URL() string {
	repo, kind, number := id.Split()
	if kind == "merge_requests" {
		return "https://" + string(repo) + "/-/merge_requests/" + number
	}
	return "https://" + string(id)
}

// IsCommit reports whether s is a Git commit: 7 to 64 hexadecimal digits.
func IsCommit(s string) bool {
	if len(s) < 7 || len(s) > 64 {
		return false
	}
	return isHex(s)
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
