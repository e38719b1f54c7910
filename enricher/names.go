package enricher

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A repository keeps its key, the name under which it was known first, whatever its code host
// calls it later (ADR 10). Each part of what that needs lies in one partition, and none of it
// grows with the events:
//
//   - where a name is at home, who bears it and bore it, and the keys of those. What has no
//     identity of a code host goes by this;
//   - where an identity is at home, its key;
//   - where a key is at home, the other names of its repository.
//
// Of an identity that was not seen under a name before, the event itself goes the way from the
// name, by the identity, to the key (route.go), and word of the key comes back to the name.

// A nameState is what is known of one name, or of one key.
type nameState struct {
	// Bearers are the repositories that bear the name or bore it.
	Bearers []bearer `json:"b,omitempty"`
	// Times say whose the name was, by the place of an event in its partition: the last one
	// that begins before it.
	Times []nameTime `json:"t,omitempty"`
	// Moved is the key of the repository to which all went that was told under the name alone
	// before anybody bore it.
	Moved record.Repository `json:"m,omitempty"`
	// Key is that of an identity.
	Key record.Repository `json:"k,omitempty"`
	// Names are those of the repository of this key, where it has several.
	Names []record.Repository `json:"n,omitempty"`
}

// A bearer is a repository that bears a name or bore it.
type bearer struct {
	ID    string            `json:"i"`
	Key   record.Repository `json:"k"`           // or the one that is proposed for it
	Known bool              `json:"c,omitempty"` // that Key is its key
	Seen  int64             `json:"s,omitempty"` // when its code host said so last, as far as that decides; Unix nanoseconds
}

// A nameTime is when a repository took a name.
type nameTime struct {
	From int64  `json:"f"` // the offset from which on
	ID   string `json:"i"`
}

// maxTimes is how many times are kept in which a name belonged to one and then to another.
const maxTimes = 64

// maxBearers is how many repositories are held that bore one name, one after the other. An earlier
// one is found again by its identity.
const maxBearers = 64

// add adds a repository to those that bear the name, in place of the one that was last called so
// the longest time ago where there are many.
func (n *nameState) add(b bearer) *bearer {
	if len(n.Bearers) >= maxBearers {
		oldest := 0
		for i, o := range n.Bearers {
			if o.Seen < n.Bearers[oldest].Seen {
				oldest = i
			}
		}
		gone := n.Bearers[oldest].ID
		n.Bearers = slices.Delete(n.Bearers, oldest, oldest+1)
		n.Times = slices.DeleteFunc(n.Times, func(t nameTime) bool { return t.ID == gone })
	}
	n.Bearers = append(n.Bearers, b)
	return &n.Bearers[len(n.Bearers)-1]
}

// of returns a repository among the bearers of a name, nil where it is none.
func (n *nameState) of(id string) *bearer {
	for i := range n.Bearers {
		if n.Bearers[i].ID == id {
			return &n.Bearers[i]
		}
	}
	return nil
}

// at returns the key of the repository that a name means, in an event at an offset that has no
// identity of a code host: that of the repository that bears the name then. Empty where nobody does.
func (n *nameState) at(offset int64) record.Repository {
	for _, t := range slices.Backward(n.Times) {
		if b := n.of(t.ID); t.From <= offset && b != nil {
			return b.Key
		}
	}
	return n.Moved
}

// settle notes from an offset on whose the name is: of those that bore it, the one of which its
// code host said so last.
func (n *nameState) settle(offset int64) {
	var now *bearer
	for i := range n.Bearers {
		if b := &n.Bearers[i]; b.Known && (now == nil || b.Seen > now.Seen) {
			now = b
		}
	}
	if last := len(n.Times) - 1; now == nil || last >= 0 && n.Times[last].ID == now.ID {
		return
	}
	n.Times = append(n.Times, nameTime{offset, now.ID})
	n.Times = n.Times[max(0, len(n.Times)-maxTimes):]
}

// alone reports whether nobody but a repository bears the name, or is about to.
func (n *nameState) alone(id string) bool {
	return !slices.ContainsFunc(n.Bearers, func(b bearer) bool { return b.ID != id })
}

// propose returns the key that a repository gets which is seen under a name and has none yet:
// the name, unless another one may have it.
func (n *nameState) propose(name record.Repository, id string) record.Repository {
	if len(n.Bearers) == 0 && n.Moved == "" {
		return name
	}
	return name.WithID(id)
}

// A nameAt is the place of a name: its partition, and itself.
type nameAt struct {
	partition int32
	of        string
}

func (at nameAt) key() key { return keyOf(at.partition, kindName, nameOf("name", at.of)) }

// maxCachedNames is how many names are held in memory.
const maxCachedNames = 50_000

// name returns what is known of a name, a key or an identity. It is changed by putName alone.
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

// bears notes that a code host says of a repository that it has a name. Where one repository alone
// ever had it, when it said so decides nothing.
func (p *projection) bears(at nameAt, n *nameState, b *bearer, said time.Time, offset int64) error {
	if len(n.Bearers) < 2 || said.UnixNano() <= b.Seen {
		return nil
	}
	b.Seen = said.UnixNano()
	n.settle(offset)
	return p.putName(at, n)
}

// keyUnder returns the key of the repository of an event that names it, and whether it is known:
// what has an identity of a code host that was not seen under the name has yet to find it.
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

// learnBearer notes word of the key of a repository that bears a name. moves says that what was told
// by the name alone goes to that key.
func (p *projection) learnBearer(partition int32, f *record.RepositoryNamed, offset int64) (n *nameState, moves bool, err error) {
	at := nameAt{partition, f.Name}
	if n, err = p.name(at); err != nil {
		return nil, false, err
	}
	b := n.of(f.ID)
	if b == nil {
		b = n.add(bearer{ID: f.ID})
	}
	first := !b.Known
	b.Key, b.Known, b.Seen = record.Repository(f.Key), true, max(b.Seen, f.At.UnixNano())
	n.settle(offset)
	if moves = first && f.Key != f.Name && n.Moved == "" && n.alone(f.ID); moves {
		n.Moved = b.Key
	}
	return n, moves, p.putName(at, n)
}

// keyOfIdentity returns the key of the repository of an event, where its identity is at home: the
// one that is proposed where it has none.
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

// namesOf returns the names of the repository of a key, where it has several.
func (p *projection) namesOf(partition int32, key record.Repository) ([]record.Repository, error) {
	n, err := p.name(nameAt{partition, string(key)})
	if err != nil {
		return nil, err
	}
	return n.Names, nil
}

// partOf returns the change that one is under another name of its repository; empty where there is
// none.
func (p *projection) partOf(partition int32, id record.ChangeID) (record.ChangeID, error) {
	repo := id.Repository()
	n, err := p.name(nameAt{partition, string(repo)})
	if err != nil || n.Moved == "" {
		return "", err
	}
	return n.Moved.Change(string(id[len(repo):])), nil
}

// learnNames notes the names that the code host gives the repository of an event. It tells
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
