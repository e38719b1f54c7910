package record

import (
	"slices"
	"strings"
	"time"
)

// A repository that is renamed, or transferred to another owner, stays one repository. Its key
// is the name under which it was known first, and all of its changes have ids of that key, under
// whatever name an event speaks of it. What identifies it is the number that its code host has
// for it: a name may be taken by another repository later, whose key is then the name, a tilde
// and its number, which no name has.

// TypeRepositoryNamed is the type of [RepositoryNamed].
const TypeRepositoryNamed = "dev.changetrail.repository.named.v1"

// MaxNames is how many names of one repository are kept.
const MaxNames = 64

const keyMark = "~"

// RepositoryID returns the identity that a code host gives a repository: its host and its number
// there, as github.com#4711. It is empty where one of them is not known.
func RepositoryID(at Repository, number string) string {
	host, _, ok := strings.Cut(string(at), "/")
	if !ok || number == "" {
		return ""
	}
	return host + "#" + number
}

// Name returns the name that the key of a repository is made of: r itself, except of a repository
// whose name was another one's before.
func (r Repository) Name() Repository {
	if i := strings.LastIndex(string(r), keyMark); i > strings.LastIndexByte(string(r), '/')+1 && isDecimal(string(r[i+1:])) {
		return r[:i]
	}
	return r
}

// WithID returns the key of a repository whose name is the key of another one.
func (r Repository) WithID(id string) Repository {
	_, number, _ := strings.Cut(id, "#")
	return r + keyMark + Repository(number)
}

// In returns e as an event about the repository of a key.
func (e Event) In(key Repository) Event {
	if e.Change != "" {
		e.Change = key.Change(string(e.Change[len(e.Change.Repository()):]))
	}
	e.Repository = key
	return e
}

// NamesOf returns the names that code hosts gave the repository of a key in events about it,
// sorted: none where it has but the one that its key is made of.
func NamesOf(key Repository, events []Event) []Repository {
	names := []Repository{key.Name()}
	for _, e := range events {
		if e.Named == "" || e.Repository != key {
			continue
		}
		for _, n := range []Repository{e.Named, e.Former} {
			if n != "" && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return sortedNames(names)
}

// Naming says in words how the repository of a change is called, where it has several names.
func (c Change) Naming() string {
	if len(c.OtherNames) == 0 {
		return ""
	}
	others := make([]string, len(c.OtherNames))
	for i, n := range c.OtherNames {
		others[i] = string(n)
	}
	how := ", also named "
	if c.Repository != c.ID.Repository().Name() {
		how = ", formerly " // the events of the change say so
	}
	return string(c.Repository) + how + strings.Join(others, ", ")
}

func sortedNames(names []Repository) []Repository {
	if len(names) < 2 {
		return nil
	}
	slices.Sort(names)
	return names[:min(len(names), MaxNames)]
}

// foldNames says how the repository of a change is called: as its code host called it in the
// newest event of the change; and how else.
func foldNames(r *Record, f Facts) {
	c := &r.Trail.Change
	key := c.ID.Repository()
	c.Repository = key.Name()
	var newest *Event
	for _, list := range [][]Event{f.Own, f.Evidence} {
		for i := range list {
			if e := &list[i]; e.Named != "" && (newest == nil || newest.Compare(*e) < 0) {
				newest = e
			}
		}
	}
	if newest != nil {
		c.Repository = newest.Named
	}
	rest := string(c.ID[len(key):])
	for _, n := range distinct(f.Names, key.Name(), c.Repository) {
		if n != c.Repository {
			c.OtherNames = append(c.OtherNames, n)
		}
		if id := n.Change(rest); id != c.ID {
			c.OtherIDs = append(c.OtherIDs, id)
		}
	}
	if c.Repository != key { // else it stands there already
		c.URL = c.Repository.Change(rest).URL()
	}
}

func distinct(names []Repository, more ...Repository) []Repository {
	out := slices.Concat(names, more)
	slices.Sort(out)
	return slices.Compact(out)
}

// A RepositoryNamed is what enrichers tell each other of the names of repositories, and send from
// the name of one to its key. Nobody else may say it.
type RepositoryNamed struct {
	Name string `json:"name" schema:"required,min=1,max=512" doc:"a name of the repository"`
	Key  string `json:"key" schema:"required,min=1,max=512" doc:"the name under which it was known first, by which its changes are named"`
	// ID and At: the code host says that the repository has this name.
	ID string    `json:"id,omitempty" schema:"max=512" doc:"host and number of the repository at its code host, as github.com#4711"`
	At time.Time `json:"at,omitzero" doc:"when the code host said so"`
	// After: the records of the repository are made again, since it has another name now.
	After string `json:"after,omitempty" schema:"max=128" doc:"the records are made again that come after this one"`
	// Moved: what was told under the name before it was known whose it is.
	Moved string `json:"moved,omitempty" doc:"a part of what was told under the name, as the enricher holds it: base64"`
}

func (*RepositoryNamed) isFact() {}
