package record

import (
	"slices"
	"strings"
	"time"
)

// A repository that is renamed, or transferred to another owner, stays one repository. Its key is
// the name under which it was first known, and all its changes have ids with that key, whatever
// name an event uses for it. The number that its code host has for it identifies it: another
// repository may get the name later, and then has as its key the name, a tilde and its own
// number, which no name can be.

// TypeRepositoryNamed is the type of [RepositoryNamed].
const TypeRepositoryNamed = "dev.changetrail.repository.named.v1"

// MaxNames is how many names of one repository are kept.
const MaxNames = 64

const keyMark = "~"

// RepositoryID returns the identity that a code host gives a repository: its host and its number
// there, such as github.com#4711. It is empty if one of them is unknown.
func RepositoryID(at Repository, number string) string {
	host, _, ok := strings.Cut(string(at), "/")
	if !ok || number == "" {
		return ""
	}
	return host + "#" + number
}

// Name returns the name in the key of a repository: r itself, except for a repository whose name
// belonged to another one before.
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

// In returns e as an event about the repository with a key.
func (e Event) In(key Repository) Event {
	if e.Change != "" {
		e.Change = key.Change(string(e.Change[len(e.Change.Repository()):]))
	}
	e.Repository = key
	return e
}

// NamesOf returns the sorted names that code hosts gave the repository with a key in events about
// it, or nil if there is only the one in its key.
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

// Naming describes the names of the repository of a change, if it has several.
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

// foldNames sets the name of the repository of a change, which is the one that its code host used
// in the newest event of the change, and its other names.
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
	if c.Repository != key { // otherwise the URL is set already
		c.URL = c.Repository.Change(rest).URL()
	}
}

func distinct(names []Repository, more ...Repository) []Repository {
	out := slices.Concat(names, more)
	slices.Sort(out)
	return slices.Compact(out)
}

// A RepositoryNamed is a message between enrichers about the names of repositories, which they
// also use to send facts from a name to the key. Nobody else may send it.
type RepositoryNamed struct {
	Name string `json:"name" schema:"required,min=1,max=512" doc:"a name of the repository"`
	Key  string `json:"key" schema:"required,min=1,max=512" doc:"the name under which it was first known; the ids of its changes contain it"`
	// ID and At: the code host states that the repository has this name.
	ID string    `json:"id,omitempty" schema:"max=512" doc:"host and number of the repository at its code host, such as github.com#4711"`
	At time.Time `json:"at,omitzero" doc:"when the code host stated it"`
	// After: the records of the repository are made again because it has another name.
	After string `json:"after,omitempty" schema:"max=128" doc:"the position after which records are made again"`
	// Moved: what was reported under the name before its repository was known.
	Moved string `json:"moved,omitempty" doc:"a part of what was reported under the name, in the form in which the enricher stores it: base64"`
}

func (*RepositoryNamed) isFact() {}

func isDecimal(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
