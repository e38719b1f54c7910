package enricher

import (
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// scansRef is the ref under which the long reports of a repository are posted, with the names of
// their findings. No change looks under it.
const scansRef record.Ref = "scans"

// maxNames is the greatest number of names of findings with which a report is posted under each
// of them. A report with more is posted only under those that a change asks for.
const maxNames = 64

// postFindings posts a report under its findings. A long report is posted under the findings that
// a change asks for, and once under scansRef with all names, for findings that a change asks for
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

// postEach posts a report under each of its findings. The posting has no payload: the finding is
// read from the fact.
func (p *projection) postEach(from arrival, postings []record.Posting) error {
	for _, posting := range postings {
		n := nameOf(posting.Event.Fact.(*record.Scan).Findings[0].Fingerprint)
		if err := p.post(from, posting, string(n[:4]), nil); err != nil {
			return err
		}
	}
	return nil
}

// lookUpFinding posts those long reports under a finding that arrived before a change asked for
// it.
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
