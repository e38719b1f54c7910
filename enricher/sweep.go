package enricher

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A sweep looks at sweepEntries entries of a partition at most, once per sweepPause at most.
const (
	sweepEntries = 2_000
	sweepPause   = 10 * time.Second
)

// A sweepState is how far a partition was searched for entries that have waited too long.
type sweepState struct {
	next key // where the next sweep begins
	at   time.Time

	newest time.Time // of the events read
	busy   time.Time // when the last of them was read
}

// traceAge is how long the spans of a trace are kept for spans that arrive late.
const traceAge = 24 * time.Hour

// sweepWhenDue sweeps only with an empty batch, so that a failure is not blamed on an event. For
// other batches it only records the time.
func (e *Enricher) sweepWhenDue(batch []*stream.Record) ([]*stream.Record, error) {
	now := e.now()
	for _, r := range batch {
		s := e.swept[r.Partition]
		s.newest, s.busy = r.Timestamp, now
		e.swept[r.Partition] = s
	}
	if len(batch) > 0 {
		return nil, nil
	}
	return e.sweep(now)
}

// sweep looks at a few entries of each partition, so that no transaction is delayed. It deletes
// entries that are older than EvidenceAge and that no change found. It returns the actions of
// traces that were pending too long, and dead letters of events for which no repository named the
// run. Changes themselves stay: without its revision a change would begin again at the first one,
// which every index rightly ignores.
func (e *Enricher) sweep(now time.Time) (out []*stream.Record, err error) {
	for _, p := range slices.Sorted(maps.Keys(e.owned)) {
		s := e.swept[p]
		if now.Sub(s.at) < sweepPause {
			continue
		}
		s.at = now
		if former, err := e.store.hasFormer(p); err != nil {
			return nil, err
		} else if former {
			continue // an upgrade that was stopped halfway left both forms
		}
		actions, err := e.pendingRuns.stalledTraces(p, s.today(now).Add(-cmp.Or(e.conf.TraceHold, 10*time.Minute)))
		if err != nil {
			return nil, err
		}
		out = append(out, actions...)
		if e.conf.EvidenceAge > 0 {
			letters, next, err := e.expire(p, s.next, s.today(now))
			if err != nil {
				return nil, err
			}
			out, s.next = append(out, letters...), next
		}
		e.swept[p] = s
	}
	return out, nil
}

// today returns the current time in a partition: while events of a year ago are read again, it is
// a year ago.
func (s sweepState) today(now time.Time) time.Time {
	if now.Sub(s.busy) < 2*sweepPause && s.newest.Before(now) {
		return s.newest
	}
	return now
}

// expire deletes the expired ones among some entries of a partition. It returns dead letters, and
// the key at which the next sweep begins.
func (e *Enricher) expire(partition int32, from key, today time.Time) (out []*stream.Record, next key, err error) {
	old, next, err := e.state.expired(partition, from, today, e.conf.EvidenceAge)
	for _, x := range old {
		if err == nil && x.key[4] == kindFact && x.value[0] == classWaiting {
			var letter *stream.Record
			if letter, err = e.pendingRuns.expiredLetter(partition, x.value, e.now()); letter != nil {
				e.metrics.refuse(schemas.RunUnknown)
				out = append(out, letter)
			}
		}
		e.state.tx.put(x.key, nil)
	}
	return out, next, err
}

// expired returns entries of a partition that arrived longer than age before today and have no
// further use, and the key at which the next sweep begins.
func (p *projection) expired(partition int32, from key, today time.Time, age time.Duration) (out []entry, next key, err error) {
	looked := 0
	for _, kind := range []byte{kindCounted, kindFact, kindIdentity, kindRef, kindSettled} { // in the order of keys
		first, last := prefixOf(partition, kind), prefixOf(partition, kind+1)
		if from >= last {
			continue
		}
		for x, err := range p.store.each(max(from, first), last) {
			if err != nil {
				return nil, "", err
			}
			if looked++; looked > sweepEntries {
				return out, x.key, nil
			}
			if p.tx.has(x.key) || !agedOut(x, today, age) {
				continue
			}
			x.value = slices.Clone(x.value)
			gone, err := p.unused(partition, x)
			if err != nil {
				return nil, "", err
			}
			out = append(out, gone...)
		}
	}
	return out, "", nil
}

// agedOut reports whether an entry is of a kind that expires, and older than age.
func agedOut(x entry, today time.Time, age time.Duration) bool {
	at := 0
	switch kind := x.key[4]; kind {
	case kindCounted:
		at, age = 1, age+7*24*time.Hour // it outlives the action itself
	case kindRef:
		if s := x.key[prefixSize : prefixSize+1]; s != refLink && s != refSubscriber || len(x.value) != 4 {
			return false // it is deleted with its fact
		}
	case kindSettled:
		age = min(age, traceAge)
	case kindFact:
		at = arrivalAt
		if len(x.value) < factHead || x.value[0] == classOwn {
			return false
		}
		if x.value[0] == classSpan {
			age = min(age, traceAge)
		}
	}
	return len(x.value) >= at+4 && arrivalOf(x.value[at:]).Before(today.Add(-age))
}

// unused returns an expired entry, with its postings if it is a fact, or nothing if a change has
// found it.
func (p *projection) unused(partition int32, x entry) ([]entry, error) {
	out := []entry{x}
	if x.key[4] == kindRef && x.key[prefixSize:prefixSize+1] == refLink {
		under, err := p.tx.list(x.key[:prefixSize], refAction)
		if err != nil || slices.ContainsFunc(under, func(x entry) bool { return strings.HasPrefix(x.key[prefixSize:], refSubscriber) }) {
			return nil, err
		}
		p.refs.drop(x.key[:prefixSize])
		return out, nil
	}
	if x.key[4] != kindFact || x.value[0] != classEvidence && x.value[0] != classAction {
		return out, nil
	}
	e, err := p.decodeFact(x.value)
	if err != nil {
		return nil, err
	}
	if x.value[0] == classAction { // the changes that found it have counted it
		for _, ref := range record.ActionRefs(e) {
			out = append(out, entry{key: keyOf(partition, kindRef, refName(e.Repository, ref), refAction, suffix(e))})
		}
		return out, nil
	}
	var posted []key
	if _, scan := e.Fact.(*record.Scan); scan {
		posted = append(posted, keyOf(partition, kindRef, refName(e.Repository, scansRef), refPosting, suffix(e)))
	}
	for _, posting := range record.Postings(e) {
		found, err := p.subscribed(partition, e.Repository, posting.Ref)
		if err != nil || found {
			return nil, err
		}
		posted = append(posted, keyOf(partition, kindRef, refName(e.Repository, posting.Ref), refPosting, suffix(e)))
	}
	f, scan := e.Fact.(*record.Scan)
	short := scan && len(namesOf(f)) <= 4*maxNames
	for _, posting := range record.FindingPostings(e, func(record.Ref) bool { return true }) {
		found, err := p.subscribed(partition, e.Repository, posting.Ref)
		if err != nil || found {
			return nil, err
		}
		if n := nameOf(posting.Event.Fact.(*record.Scan).Findings[0].Fingerprint); short {
			posted = append(posted, keyOf(partition, kindRef, refName(e.Repository, posting.Ref), refPosting, suffix(e), string(n[:4])))
		}
	}
	for _, k := range posted {
		p.refs.drop(k[:prefixSize])
		out = append(out, entry{key: k})
	}
	return out, nil
}
