package enricher

import (
	"encoding/binary"

	"github.com/changetrail/changetrail/record"
)

// A broker whose transactions are not atomic when it is killed may have kept the state of a
// transaction and lost the other messages (see Config.Resend). Then the batch is read again
// although the state contains its events, and the messages are sent again.

// markReread sets whether the state contains an event of this offset already, and moves the
// stored offset of the partition forward. If the state contains the same event but not the
// offset, its sender repeated it.
func (p *projection) markReread(d *decodedEvent) error {
	k := keyOf(d.record.Partition, kindRead, name{})
	before, err := p.tx.get(k)
	if err != nil {
		return err
	}
	last := int64(-1)
	if len(before) == 8 {
		last = int64(binary.BigEndian.Uint64(before))
	}
	if d.reread = d.record.Offset <= last; !d.reread {
		p.tx.put(k, binary.BigEndian.AppendUint64(nil, uint64(d.record.Offset)))
	}
	return nil
}

// touchAll touches everything that e touched when it was new.
func (p *projection) touchAll(from arrival, e record.Event) error {
	refs := record.ActionRefs(e)
	for _, posting := range record.Postings(e) {
		refs = append(refs, posting.Ref)
	}
	for _, posting := range record.FindingPostings(e, func(record.Ref) bool { return true }) {
		refs = append(refs, posting.Ref)
	}
	if commit, _ := record.Links(e); commit != "" {
		refs = append(refs, commit)
	}
	if e.Change != "" {
		p.touchAgain(from, e.Change, e)
	}
	for _, ref := range refs {
		p.nameAgain(e.Repository, ref)
		r, err := p.ref(from.partition, e.Repository, ref)
		if err != nil {
			return err
		}
		for who := range r.subscribers {
			p.touchAgain(from, e.Repository.Change(who), e)
		}
	}
	return nil
}

func (p *projection) touchAgain(from arrival, id record.ChangeID, e record.Event) {
	p.touch(from, id, e.Time)
	p.touched[id].again = true
}

func (p *projection) nameAgain(repo record.Repository, ref record.Ref) {
	if run := ref.Run(); run != "" {
		p.named[record.RunNamed{Run: run, Repository: string(repo)}] = true
	}
}
