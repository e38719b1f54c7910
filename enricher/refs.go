package enricher

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A fact is posted under the refs that it names. A change looks under the refs that its own facts
// name, and subscribes to them, so that it learns of facts that are posted later. The order does
// not matter.

// A refState is what lies under a ref, except actions.
type refState struct {
	prefix      key
	links       []record.Ref    // sorted; the runs that are linked to a commit
	postings    []entry         // not yet read into facts
	facts       *factList       // nil until asked for
	subscribers map[string]bool // the ids of changes without their repository
	used        bool            // something lies under the ref
	bytes       int
}

func (r *refState) weight() int {
	if r.facts != nil {
		return r.bytes + r.facts.bytes
	}
	return r.bytes
}

// ref returns what lies under a ref.
func (p *projection) ref(partition int32, repo record.Repository, ref record.Ref) (*refState, error) {
	prefix := keyOf(partition, kindRef, refName(repo, ref))
	if r, ok := p.refs.get(prefix, (*refState).weight); ok {
		return r, nil
	}
	entries, err := p.tx.list(prefix, refAction)
	if err != nil {
		return nil, err
	}
	r := &refState{prefix: prefix, bytes: 256}
	for _, x := range entries {
		rest := x.key[prefixSize+1:]
		r.used = true
		r.bytes += 64 + len(x.key) + len(x.value)
		switch x.key[prefixSize : prefixSize+1] {
		case refLink:
			r.links = append(r.links, record.Ref(rest))
		case refPosting:
			r.postings = append(r.postings, x)
		case refSubscriber:
			r.subscribe(rest)
		}
	}
	p.refs.put(prefix, r, r.bytes)
	p.dirtyRefs = append(p.dirtyRefs, prefix) // it may contain what the transaction writes
	return r, nil
}

func (r *refState) subscribe(who string) {
	if r.subscribers == nil {
		r.subscribers = make(map[string]bool, 1)
	}
	r.subscribers[who] = true
	r.used = true
}

// changed records that the transaction changes what lies under a ref.
func (p *projection) changed(r *refState, bytes int) {
	r.used = true
	r.bytes += bytes
	p.refs.grow(bytes)
	p.dirtyRefs = append(p.dirtyRefs, r.prefix)
}

// post posts a fact under a ref and touches the changes that look there. The payload is the part
// of the fact that the ref needs.
func (p *projection) post(from arrival, posting record.Posting, rest string, payload []byte) error {
	e := posting.Event
	r, err := p.ref(from.partition, e.Repository, posting.Ref)
	if err != nil {
		return err
	}
	p.nameRun(r, e.Repository, posting.Ref)
	x := entry{r.prefix + refPosting + suffix(e) + rest, append(ownerMark(e), payload...)}
	p.tx.put(x.key, x.value)
	p.changed(r, 64+len(x.key)+len(x.value))
	if r.facts == nil && len(r.postings) == 0 && (posting.Ref.Finding() == "" || len(r.subscribers) > 0) {
		r.facts = new(factList) // for a finding that no change asks for, long reports were not looked up yet
	}
	if r.facts != nil {
		p.insert(r.facts, e)
	} else {
		r.postings = append(r.postings, x)
	}
	p.touchLooking(from, e, r)
	return nil
}

// touchLooking touches the changes that look under a ref.
func (p *projection) touchLooking(from arrival, e record.Event, r *refState) {
	for who := range r.subscribers {
		p.touch(from, e.Repository.Change(who), e.Time)
	}
}

// ownerMark returns the mark of the owner of a posted fact: its change, or nothing if the
// repository owns it.
func ownerMark(e record.Event) []byte {
	if e.Change == "" {
		return []byte{0}
	}
	n := ownerOf(e)
	return append([]byte{byte(len(n))}, n[:]...)
}

// cutOwner cuts the mark of the owner off the value of a posting.
func cutOwner(value []byte) (owner, payload []byte, err error) {
	if len(value) == 0 || len(value) < 1+int(value[0]) {
		return nil, nil, errFact
	}
	return value[1 : 1+value[0]], value[1+value[0]:], nil
}

// factOf returns the event whose fact a key under a ref names. Its Fact is nil if the fact has
// expired.
func (p *projection) factOf(partition int32, repo record.Repository, owner []byte, posted key) (record.Event, error) {
	of := nameOf(string(repo))
	if len(owner) > 0 {
		of = name(owner)
	}
	const at = prefixSize + len(refPosting)
	if len(posted) < at+len(of) {
		return record.Event{}, errFact
	}
	v, err := p.tx.get(keyOf(partition, kindFact, of, posted[at:at+len(of)]))
	if err != nil || v == nil {
		return record.Event{}, err
	}
	return p.decodeFact(v)
}

// under returns the facts that are posted under a ref, except actions.
func (p *projection) under(partition int32, repo record.Repository, ref record.Ref) (*factList, error) {
	r, err := p.ref(partition, repo, ref)
	if err != nil || r.facts != nil {
		return r.facts, err
	}
	if ref.Finding() != "" && len(r.subscribers) == 0 {
		if err := p.lookUpFinding(partition, repo, ref); err != nil {
			return nil, err
		}
	}
	l := new(factList)
	for _, x := range r.postings {
		e, err := p.posted(partition, repo, ref, x)
		if err != nil {
			return nil, err
		}
		if e.Fact != nil {
			p.insert(l, e)
		}
	}
	r.facts, r.postings = l, nil
	p.refs.grow(l.bytes)
	return l, nil
}

// posted returns the fact of a posting, reduced to what the ref shows.
func (p *projection) posted(partition int32, repo record.Repository, ref record.Ref, x entry) (record.Event, error) {
	owner, payload, err := cutOwner(x.value)
	if err != nil {
		return record.Event{}, err
	}
	e, err := p.factOf(partition, repo, owner, x.key)
	if err != nil || e.Fact == nil {
		return e, err
	}
	if len(payload) == 0 && ref.Finding() == "" {
		return e.AsOwn(), nil
	}
	if len(payload) == 0 {
		return ofFinding(e, x.key[prefixSize+len(refPosting)+len(name{}):]), nil
	}
	var f record.Finding
	if err := json.Unmarshal(payload, &f); err != nil {
		return e, fmt.Errorf("%w: %w", errFact, err)
	}
	return e.WithFinding(f), nil
}

// subscribe subscribes a change to a ref. fresh reports whether it was not subscribed before.
func (p *projection) subscribe(c *changeState, ref record.Ref) (fresh bool, err error) {
	repo := c.id.Repository()
	r, err := p.ref(c.partition, repo, ref)
	if err != nil {
		return false, err
	}
	who := string(c.id[len(repo):])
	if r.subscribers[who] {
		return false, nil
	}
	p.nameRun(r, repo, ref)
	p.tx.set(r.prefix + refSubscriber + who)
	r.subscribe(who)
	p.changed(r, 64+len(who))
	return true, nil
}

// subscribed reports whether a change looks under a ref.
func (p *projection) subscribed(partition int32, repo record.Repository, ref record.Ref) (bool, error) {
	r, err := p.ref(partition, repo, ref)
	return err == nil && len(r.subscribers) > 0, err
}

// nameRun records that a repository names a run, if it does so for the first time.
func (p *projection) nameRun(r *refState, repo record.Repository, ref record.Ref) {
	if run := ref.Run(); run != "" && !r.used {
		p.named[record.RunNamed{Run: run, Repository: string(repo)}] = true
	}
}

// link links the runs of an action to the commit that it names, and touches the changes
// that look there.
func (p *projection) link(from arrival, e record.Event) error {
	commit, runs := record.Links(e)
	if len(runs) == 0 {
		return nil
	}
	return p.linkTo(from, commit, runs, e)
}

// linkTo links runs to a commit, as an action states.
func (p *projection) linkTo(from arrival, commit record.Ref, runs []record.Ref, e record.Event) error {
	r, err := p.ref(from.partition, e.Repository, commit)
	if err != nil {
		return err
	}
	added := false
	for _, run := range runs {
		if at, known := slices.BinarySearch(r.links, run); !known {
			r.links = slices.Insert(r.links, at, run)
			p.tx.put(r.prefix+refLink+string(run), seconds(e.Arrived))
			p.changed(r, 64+len(run))
			added = true
		}
	}
	if added {
		p.touchLooking(from, e, r)
	}
	return nil
}

// linked returns the runs that are linked to a commit.
func (p *projection) linked(partition int32, repo record.Repository, commit record.Ref) ([]record.Ref, error) {
	r, err := p.ref(partition, repo, commit)
	if err != nil || len(r.links) == 0 {
		return nil, err
	}
	return record.FirstLinks(slices.Clone(r.links)), nil
}

// postAction posts an action under a ref.
func (p *projection) postAction(from arrival, e record.Event, ref record.Ref) (*refState, error) {
	r, err := p.ref(from.partition, e.Repository, ref)
	if err != nil {
		return nil, err
	}
	p.nameRun(r, e.Repository, ref)
	p.tx.set(r.prefix + refAction + suffix(e))
	p.changed(r, 0)
	return r, nil
}

// actionsUnder returns the keys of the actions that are posted under a ref.
func (p *projection) actionsUnder(partition int32, repo record.Repository, ref record.Ref) ([]entry, error) {
	all, err := p.tx.list(keyOf(partition, kindRef, refName(repo, ref)), "")
	return slices.DeleteFunc(all, func(x entry) bool { return !strings.HasPrefix(x.key[prefixSize:], refAction) }), err
}
