package record

import (
	"fmt"

	"github.com/changetrail/changetrail/internal/address"
)

// A Repository names a repository as host/path: "github.com/acme/payments",
// "gitlab.com/group/sub/proj". It is lower case, since code hosts ignore case and one repository
// must have one name.
type Repository string

// Change returns the change of a repository with the rest of its id, such as "/pull/4829".
func (r Repository) Change(rest string) ChangeID { return ChangeID(string(r) + rest) }

// ParseRepository reads a repository as people and programs write it: host/path, the URL of its
// page or of a page below it, or the address of a remote. All spellings of one repository give
// the same name.
func ParseRepository(s string) (Repository, error) {
	a, ok := address.Parse(s)
	if ok {
		if repo := Repository(a.Repository()); repo != "" {
			return repo, nil
		}
	}
	return "", fmt.Errorf("%q is not a repository; want host/path, as github.com/acme/payments", s)
}

// RepositoryAt returns the repository at the address of a remote, or "" if the address is a
// folder: Git reads host/path as a folder.
func RepositoryAt(remote string) Repository { return Repository(address.OfRemote(remote)) }
