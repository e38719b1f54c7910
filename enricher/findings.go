package enricher

import (
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// scansRef is where the long reports of a repository are posted, with the names of their
// findings. It is no ref that a change looks under.
const scansRef record.Ref = "scans"

// maxNames is how many names the findings of a report may have that is posted under each of
// them. One with more is posted under those alone that a change asks for.
const maxNames = 64

// postFindings posts a report under its findings. A long one is posted under those that a
// change asks for, and with all their names where they are looked up that are asked for
// later.
func (p *projection) postFindings(from arrival, e record.Event, f *record.Scan) error {
	if len(f.Findings) == 0 {
		return nil
	}
	names := namesOf(f)
	if len(names) <= 4*maxNames {
		return p.postEach(from, record.FindingPostings(e, func(record.Ref) bool { return true }))
	}
	k := keyOf(from.partition, kindRef, refName(e.Repository, scansRef), refPosting, suffix(e))
	p.tx.put(k, append(ownerMark(e), names...))
	asked := make(map[record.Ref]bool)
	var failed error
	postings := record.FindingPostings(e, func(ref record.Ref) bool {
		yes, known := asked[ref]
		if !known && failed == nil {
			yes, failed = p.subscribed(from.partition, e.Repository, ref)
			asked[ref] = yes
		}
		return yes
	})
	for _, posting := range postings {
		if failed == nil {
			failed = p.postFinding(from, posting)
		}
	}
	return failed
}

func (p *projection) postFinding(from arrival, posting record.Posting) error {
	f := posting.Event.Fact.(*record.Scan).Findings[0]
	text, err := json.Marshal(f)
	if err != nil {
		return &unfitError{err}
	}
	n := nameOf(f.Fingerprint)
	return p.post(from, posting, string(n[:4]), text)
}

// postEach posts a report under each of its findings, which are found in the fact.
func (p *projection) postEach(from arrival, postings []record.Posting) error {
	for _, posting := range postings {
		n := nameOf(posting.Event.Fact.(*record.Scan).Findings[0].Fingerprint)
		if err := p.post(from, posting, string(n[:4]), nil); err != nil {
			return err
		}
	}
	return nil
}

// lookUpFinding posts the long reports under a finding that were there before a change asked
// for it.
func (p *projection) lookUpFinding(partition int32, repo record.Repository, ref record.Ref) error {
	reports, err := p.tx.list(keyOf(partition, kindRef, refName(repo, scansRef)), "")
	if err != nil {
		return err
	}
	for _, x := range reports {
		owner, names, err := cutOwner(x.value)
		if err != nil {
			return err
		}
		if !mayName(names, ref.Finding()) {
			continue
		}
		e, err := p.factOf(partition, repo, owner, x.key)
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

// ofFinding returns a report with the one finding that a posting names.
func ofFinding(e record.Event, mark string) record.Event {
	f, ok := e.Fact.(*record.Scan)
	if !ok {
		return record.Event{}
	}
	for _, finding := range f.Findings {
		if n := nameOf(finding.Fingerprint); string(n[:4]) == mark {
			return e.WithFinding(finding)
		}
	}
	return record.Event{}
}
