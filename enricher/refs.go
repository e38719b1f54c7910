package enricher

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A fact is posted under the refs that it names. A change looks under the refs that its
// own facts name, and is noted there, so that what is posted later finds it. Which of
// the two comes first does not matter.

// scansRef is where all reports of a repository are posted, with the names of their
// findings. It is no ref that a change looks under.
const scansRef record.Ref = "scans"

// post posts a fact under a ref and touches the changes that look there. A payload is
// what the ref needs of the fact.
func (p *projection) post(from arrival, posting record.Posting, rest string, payload []byte) error {
	e, ref := posting.Event, posting.Ref
	if err := p.name(from, e.Repository, ref); err != nil {
		return err
	}
	k := keyOf(from.partition, kindPosting, refName(e.Repository, ref), suffix(e), rest)
	p.tx.put(k, append(ownerMark(e), payload...))
	if l, ok := p.lists.get(k[:prefixSize], (*factList).weight); ok {
		p.addTo(l, k[:prefixSize], e)
	}
	looking, err := p.subscribers(from.partition, e.Repository, ref)
	for _, id := range looking {
		p.touch(from, id, e.Time)
	}
	return err
}

// ownerMark says whose fact is posted: nothing where it is the repository's.
func ownerMark(e record.Event) []byte {
	if e.Change == "" {
		return []byte{0}
	}
	n := ownerOf(e)
	return append([]byte{byte(len(n))}, n[:]...)
}

// postFindings posts a report under those of its findings that a change asks for, and
// with all their names where they are looked up that are asked for later.
func (p *projection) postFindings(from arrival, e record.Event, f *record.Scan) error {
	if len(f.Findings) == 0 {
		return nil
	}
	k := keyOf(from.partition, kindPosting, refName(e.Repository, scansRef), suffix(e))
	p.tx.put(k, append(ownerMark(e), namesOf(f)...))
	asked := make(map[record.Ref]bool)
	var failed error
	for _, posting := range record.FindingPostings(e, func(ref record.Ref) bool {
		yes, known := asked[ref]
		if !known && failed == nil {
			yes, failed = p.subscribed(from.partition, e.Repository, ref)
			asked[ref] = yes
		}
		return yes
	}) {
		if err := p.postFinding(from, posting); err != nil {
			return err
		}
	}
	return failed
}

func (p *projection) postFinding(from arrival, posting record.Posting) error {
	f := posting.Event.Fact.(*record.Scan).Findings[0]
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	n := nameOf(f.Fingerprint)
	return p.post(from, posting, string(n[:4]), text)
}

// lookUpFinding posts the reports under a finding that were there before a change asked
// for it.
func (p *projection) lookUpFinding(partition int32, repo record.Repository, ref record.Ref) error {
	reports, err := p.tx.list(keyOf(partition, kindPosting, refName(repo, scansRef)))
	if err != nil {
		return err
	}
	for _, r := range reports {
		owner, names, err := cutOwner(r.value)
		if err != nil || !mayName(names, ref.Finding()) {
			if err != nil {
				return err
			}
			continue
		}
		e, err := p.factOf(partition, repo, owner, r.key)
		if err != nil {
			return err
		}
		for _, posting := range record.FindingPostings(e, func(o record.Ref) bool { return o == ref }) {
			if err := p.postFinding(arrival{partition: partition}, posting); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutOwner takes the mark of the owner off the value of a posting.
func cutOwner(value []byte) (owner, payload []byte, err error) {
	if len(value) == 0 || len(value) < 1+int(value[0]) {
		return nil, nil, errFact
	}
	return value[1 : 1+value[0]], value[1+value[0]:], nil
}

// factOf returns the fact that is posted under a key; one without a fact where that has
// expired.
func (p *projection) factOf(partition int32, repo record.Repository, owner []byte, posting key) (record.Event, error) {
	of := nameOf(string(repo))
	if len(owner) > 0 {
		of = name(owner)
	}
	at := prefixSize + len(name{})
	if len(posting) < at {
		return record.Event{}, errFact
	}
	v, err := p.tx.get(keyOf(partition, kindFact, of, posting[prefixSize:at]))
	if err != nil || v == nil {
		return record.Event{}, err
	}
	return p.decodeFact(v)
}

// under returns what is posted under a ref, actions aside.
func (p *projection) under(partition int32, repo record.Repository, ref record.Ref) (*factList, error) {
	prefix := keyOf(partition, kindPosting, refName(repo, ref))
	if l, ok := p.lists.get(prefix, (*factList).weight); ok {
		return l, nil
	}
	if ref.Finding() != "" {
		asked, err := p.subscribed(partition, repo, ref)
		if err == nil && !asked {
			err = p.lookUpFinding(partition, repo, ref)
		}
		if err != nil {
			return nil, err
		}
	}
	entries, err := p.tx.list(prefix)
	if err != nil {
		return nil, err
	}
	l := new(factList)
	for _, x := range entries {
		e, err := p.posted(partition, repo, x)
		if err != nil {
			return nil, err
		}
		if e.Fact != nil {
			p.insert(l, e)
		}
	}
	p.lists.put(prefix, l, l.bytes)
	p.dirty = append(p.dirty, prefix)
	return l, nil
}

// posted returns the fact of a posting, as the ref shows it.
func (p *projection) posted(partition int32, repo record.Repository, x entry) (record.Event, error) {
	owner, payload, err := cutOwner(x.value)
	if err != nil {
		return record.Event{}, err
	}
	e, err := p.factOf(partition, repo, owner, x.key)
	if err != nil || e.Fact == nil {
		return e, err
	}
	if len(payload) == 0 {
		return e.AsOwn(), nil
	}
	var f record.Finding
	if err := json.Unmarshal(payload, &f); err != nil {
		return e, fmt.Errorf("%w: %w", errFact, err)
	}
	return e.WithFinding(f), nil
}

// subscribe notes a change where it looks. fresh: it was not noted there before.
func (p *projection) subscribe(c *changeState, ref record.Ref) (fresh bool, err error) {
	repo := c.id.Repository()
	k := keyOf(c.partition, kindSubscriber, refName(repo, ref), string(c.id[len(repo):]))
	known, err := p.tx.get(k)
	if err != nil || known != nil {
		return false, err
	}
	if err := p.name(arrival{partition: c.partition}, repo, ref); err != nil {
		return false, err
	}
	p.tx.set(k)
	return true, nil
}

// subscribers returns the changes that look under a ref.
func (p *projection) subscribers(partition int32, repo record.Repository, ref record.Ref) ([]record.ChangeID, error) {
	entries, err := p.tx.list(keyOf(partition, kindSubscriber, refName(repo, ref)))
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	out := make([]record.ChangeID, len(entries))
	for i, x := range entries {
		out[i] = record.ChangeID(string(repo) + x.key[prefixSize:])
	}
	return out, nil
}

func (p *projection) subscribed(partition int32, repo record.Repository, ref record.Ref) (bool, error) {
	entries, err := p.tx.list(keyOf(partition, kindSubscriber, refName(repo, ref)))
	return len(entries) > 0, err
}

// name notes that a repository names a run, when it does so for the first time.
func (p *projection) name(from arrival, repo record.Repository, ref record.Ref) error {
	run := ref.Run()
	if run == "" {
		return nil
	}
	for _, kind := range []byte{kindSubscriber, kindPosting, kindAction} {
		used, err := p.tx.list(keyOf(from.partition, kind, refName(repo, ref)))
		if err != nil || len(used) > 0 {
			return err
		}
	}
	p.named[record.RunNamed{Run: run, Repository: string(repo)}] = true
	return nil
}

// link links the runs of an action to the commit that it names, and touches the changes
// that look there.
func (p *projection) link(from arrival, e record.Event) error {
	commit, runs := record.Links(e)
	if len(runs) == 0 {
		return nil
	}
	added := false
	for _, run := range runs {
		k := keyOf(from.partition, kindLink, refName(e.Repository, commit), string(run))
		known, err := p.tx.get(k)
		if err != nil {
			return err
		}
		if known == nil {
			p.tx.put(k, binary.BigEndian.AppendUint32(nil, uint32(max(e.Arrived.Unix(), 0))))
			added = true
		}
	}
	if !added {
		return nil
	}
	looking, err := p.subscribers(from.partition, e.Repository, commit)
	for _, id := range looking {
		p.touch(from, id, e.Time)
	}
	return err
}

// linked returns the runs that are linked to a commit.
func (p *projection) linked(partition int32, repo record.Repository, commit record.Ref) ([]record.Ref, error) {
	entries, err := p.tx.list(keyOf(partition, kindLink, refName(repo, commit)))
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	runs := make([]record.Ref, len(entries))
	for i, x := range entries {
		runs[i] = record.Ref(strings.Clone(x.key[prefixSize:]))
	}
	return record.FirstLinks(runs), nil
}
