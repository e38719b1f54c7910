package enricher

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A repository keeps its key, the name under which it was first known, whatever its code host
// calls it later (ADR 10). Each part of the state for this lies in one partition, and none grows
// with the number of events:
//
//   - in the home partition of a name: the repositories that have or had it, and their keys.
//     Events without an identity of a code host are joined by this;
//   - in the home partition of an identity: its key;
//   - in the home partition of a key: the other names of its repository.
//
// If an identity was not seen under a name before, the event itself travels from the name,
// through the identity, to the key (route.go), and an announcement of the key is sent back to the
// name.

// A nameState is what is known of one name, one key or one identity.
type nameState struct {
	// Holders are the repositories that have or had the name.
	Holders []nameHolder `json:"b,omitempty"`
	// Times say which repository had the name at which offset of its partition: the last entry
	// that begins at or before the offset of an event applies to it.
	Times []nameTime `json:"t,omitempty"`
	// Moved is the key of the repository to which everything was sent that had been reported
	// under the name before any repository was known to have it.
	Moved record.Repository `json:"m,omitempty"`
	// Key is the key of an identity.
	Key record.Repository `json:"k,omitempty"`
	// Names are the names of the repository with this key, if it has several.
	Names []record.Repository `json:"n,omitempty"`
}

// A nameHolder is a repository that has or had a name.
type nameHolder struct {
	ID    string            `json:"i"`
	Key   record.Repository `json:"k"`           // or the key that is proposed for it
	Known bool              `json:"c,omitempty"` // whether Key is confirmed
	Seen  int64             `json:"s,omitempty"` // when its code host stated this last, if that decides anything; Unix nanoseconds
}

// A nameTime is the time from which on a repository has a name.
type nameTime struct {
	From int64  `json:"f"` // the first offset
	ID   string `json:"i"`
}

// maxTimes is how many changes of ownership of one name are kept.
const maxTimes = 64

// maxHolders is how many repositories that had one name are kept. Earlier ones are found again by
// their identity.
const maxHolders = 64

// add adds a repository to the holders of the name. If there are too many, it replaces the one
// whose code host used the name for it the longest time ago.
func (n *nameState) add(b nameHolder) *nameHolder {
	if len(n.Holders) >= maxHolders {
		oldest := 0
		for i, o := range n.Holders {
			if o.Seen < n.Holders[oldest].Seen {
				oldest = i
			}
		}
		gone := n.Holders[oldest].ID
		n.Holders = slices.Delete(n.Holders, oldest, oldest+1)
		n.Times = slices.DeleteFunc(n.Times, func(t nameTime) bool { return t.ID == gone })
	}
	n.Holders = append(n.Holders, b)
	return &n.Holders[len(n.Holders)-1]
}

// of returns a repository among the holders of a name, or nil.
func (n *nameState) of(id string) *nameHolder {
	for i := range n.Holders {
		if n.Holders[i].ID == id {
			return &n.Holders[i]
		}
	}
	return nil
}

// at returns the key of the repository that a name means in an event without an identity of a
// code host: the repository that had the name at this offset. It is empty if no repository had
// it.
func (n *nameState) at(offset int64) record.Repository {
	for _, t := range slices.Backward(n.Times) {
		if b := n.of(t.ID); t.From <= offset && b != nil {
			return b.Key
		}
	}
	return n.Moved
}

// settle records who has the name from an offset on: among its holders, the one whose code host
// stated so last.
func (n *nameState) settle(offset int64) {
	var now *nameHolder
	for i := range n.Holders {
		if b := &n.Holders[i]; b.Known && (now == nil || b.Seen > now.Seen) {
			now = b
		}
	}
	if last := len(n.Times) - 1; now == nil || last >= 0 && n.Times[last].ID == now.ID {
		return
	}
	n.Times = append(n.Times, nameTime{offset, now.ID})
	n.Times = n.Times[max(0, len(n.Times)-maxTimes):]
}

// alone reports whether no other repository has the name or is about to get it.
func (n *nameState) alone(id string) bool {
	return !slices.ContainsFunc(n.Holders, func(b nameHolder) bool { return b.ID != id })
}

// propose returns the key for a repository that is seen under a name and has no key yet: the name
// itself, unless another repository may have it.
func (n *nameState) propose(name record.Repository, id string) record.Repository {
	if len(n.Holders) == 0 && n.Moved == "" {
		return name
	}
	return name.WithID(id)
}

// A nameAt is a name in its partition.
type nameAt struct {
	partition int32
	of        string
}

func (at nameAt) key() key { return keyOf(at.partition, kindName, nameOf("name", at.of)) }

// maxCachedNames is how many names are kept in memory.
const maxCachedNames = 50_000

// name returns what is known of a name, a key or an identity. Only putName changes it.
func (p *projection) name(at nameAt) (*nameState, error) {
	if n, ok := p.names[at]; ok {
		return n, nil
	}
	n := new(nameState)
	v, err := p.tx.get(at.key())
	if err != nil {
		return nil, err
	}
	if v != nil {
		if err := json.Unmarshal(v, n); err != nil {
			return nil, fmt.Errorf("state: names of %s: %w", at.of, err)
		}
	}
	if len(p.names) >= maxCachedNames {
		clear(p.names)
	}
	p.names[at] = n
	return n, nil
}

// putName writes what is known of a name.
func (p *projection) putName(at nameAt, n *nameState) error {
	v, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("state: names of %s: %w", at.of, err)
	}
	p.tx.put(at.key(), v)
	p.dirtyNames = append(p.dirtyNames, at)
	return nil
}

// seenHolding records that a code host states that a repository has a name. If only one repository
// ever had it, the time of the statement decides nothing and is not stored.
func (p *projection) seenHolding(at nameAt, n *nameState, b *nameHolder, d *decodedEvent) error {
	if len(n.Holders) < 2 || d.event.Time.UnixNano() <= b.Seen {
		return nil
	}
	b.Seen = d.event.Time.UnixNano()
	n.settle(d.record.Offset)
	return p.putName(at, n)
}

// keyUnder returns the key of the repository of an event under the name that it states, and
// whether that key is known. It is unknown if the event has an identity of a code host that was
// not seen under the name: then the identity must be asked.
func (p *projection) keyUnder(d *decodedEvent) (record.Repository, bool, error) {
	n, err := p.name(nameAt{d.record.Partition, string(d.event.Repository)})
	if err != nil {
		return "", false, err
	}
	if id := d.event.RepositoryID; id != "" {
		b := n.of(id)
		if b == nil || !b.Known {
			return "", false, nil
		}
		return b.Key, true, nil
	}
	if key := n.at(d.record.Offset); key != "" {
		return key, true, nil
	}
	return d.event.Repository, true, nil
}

// learnHolder records an announcement of the key of a repository that has a name. moves reports
// whether what was reported under the name alone must go to that key.
func (p *projection) learnHolder(partition int32, f *record.RepositoryNamed, offset int64) (n *nameState, moves bool, err error) {
	at := nameAt{partition, f.Name}
	if n, err = p.name(at); err != nil {
		return nil, false, err
	}
	b := n.of(f.ID)
	if b == nil {
		b = n.add(nameHolder{ID: f.ID})
	}
	first := !b.Known
	b.Key, b.Known, b.Seen = record.Repository(f.Key), true, max(b.Seen, f.At.UnixNano())
	n.settle(offset)
	if moves = first && f.Key != f.Name && n.Moved == "" && n.alone(f.ID); moves {
		n.Moved = b.Key
	}
	return n, moves, p.putName(at, n)
}

// keyOfIdentity returns the key of the repository of an event, in the home partition of its
// identity. If it has none, the proposed key becomes its key.
func (p *projection) keyOfIdentity(d *decodedEvent) (record.Repository, error) {
	at := nameAt{d.record.Partition, identityHome(d.event.RepositoryID)}
	n, err := p.name(at)
	if err != nil {
		return "", err
	}
	if n.Key != "" {
		return n.Key, nil
	}
	n.Key = record.Repository(d.route.to)
	return n.Key, p.putName(at, n)
}

// namesOf returns the names of the repository with a key, if it has several.
func (p *projection) namesOf(partition int32, key record.Repository) ([]record.Repository, error) {
	n, err := p.name(nameAt{partition, string(key)})
	if err != nil {
		return nil, err
	}
	return n.Names, nil
}

// partOf returns the id of the same change under the key of its repository, or "" if the change
// has that id already.
func (p *projection) partOf(partition int32, id record.ChangeID) (record.ChangeID, error) {
	repo := id.Repository()
	n, err := p.name(nameAt{partition, string(repo)})
	if err != nil || n.Moved == "" {
		return "", err
	}
	return n.Moved.Change(string(id[len(repo):])), nil
}

// learnNames records the names that the code host gives the repository of an event. It reports
// whether one of them is new.
func (p *projection) learnNames(partition int32, e record.Event) (fresh bool, err error) {
	if e.Named == "" || e.Named == e.Repository.Name() && e.Former == "" {
		return false, nil
	}
	at := nameAt{partition, string(e.Repository)}
	n, err := p.name(at)
	if err != nil {
		return false, err
	}
	names := record.NamesOf(e.Repository, []record.Event{e})
	for _, known := range n.Names {
		if !slices.Contains(names, known) {
			names = append(names, known)
		}
	}
	if len(names) == len(n.Names) || len(names) < 2 || len(n.Names) >= record.MaxNames {
		return false, nil
	}
	slices.Sort(names)
	n.Names = names
	return true, p.putName(at, n)
}
