package enricher

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// The former version, up to commit 88b2dc0, kept other entries, which begin with a small letter and a slash:
//
//	c/ change                a change with all its facts
//	b/ repository 0 ref      evidence under a ref, and the changes that look for it
//	a/ repository 0 ref 0 …  an action posted under a ref
//	s/ repository 0 …        the identity of an event
//	t/ trace 0 span          a span
//	o/ trace                 a trace with calls that are not settled
//	r/ run                   the repositories that name a run
//	w/ run 0 …               a pending event: one that names no repository
//	p/                       the offset of the last event that was read
//
// A formerState reads them into a projection, as ordinary entries that replace them.
type formerState struct {
	*projection
	partition int32
	scans     map[string]record.Event // by identity: postings hold one finding each
}

// ofFormer reports whether a key was written by a former version.
func ofFormer(k key) bool { return len(k) >= 6 && k[4] >= 'a' && k[4] <= 'z' && k[5] == '/' }

// ofThisVersion reports whether a key was written by this version and is not one of the store
// itself.
func ofThisVersion(k key) bool { return len(k) >= prefixSize && !ofFormer(k) }

// hasFormer reports whether a partition holds entries of a former version.
func (s *store) hasFormer(partition int32) (bool, error) {
	for x, err := range s.each(prefixOf(partition, 'a'), prefixOf(partition, 'z'+1)) {
		if err != nil || ofFormer(x.key) {
			return err == nil, err
		}
	}
	return false, nil
}

// upgrade reads the entries of a former version in a partition of former, and writes what they
// say into p. Entries that cannot be read are reported to skipped and left out, since no version
// can read them any more.
func (p *projection) upgrade(partition int32, former *store, skipped func(entry string, err error)) error {
	f := &formerState{projection: p, partition: partition, scans: make(map[string]record.Event)}
	if err := f.gatherScans(former, skipped); err != nil {
		return err
	}
	if err := f.admitScans(); err != nil {
		return err
	}
	p.tx.set(keyOf(partition, kindUpgraded, name{}))
	p.upgraded[partition] = formerMark{held: true}
	for _, kind := range []byte{'s', 'c', 'b', 'a', 't', 'o', 'r', 'w', 'p'} {
		for x, err := range former.each(prefixOf(partition, kind), prefixOf(partition, kind+1)) {
			if err != nil {
				return err
			}
			if !ofFormer(x.key) {
				continue
			}
			if err := f.read(x.key[4], x.key[6:], slices.Clone(x.value)); err != nil {
				var damaged *unreadable
				if !errors.As(err, &damaged) {
					return fmt.Errorf("state of a former version: %s: %w", x.key[4:], err)
				}
				skipped(x.key[4:], err)
			}
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	if err := f.keep(); err != nil {
		return err
	}
	return f.markUpgraded(partition)
}

func (f *formerState) read(kind byte, rest string, value []byte) error {
	switch kind {
	case 'c':
		return f.change(record.ChangeID(rest), value)
	case 'b':
		repo, _, _ := strings.Cut(rest, "\x00")
		return f.refs(record.Repository(repo), value)
	case 'a':
		repo, _, _ := strings.Cut(rest, "\x00")
		return f.action(record.Repository(repo), value)
	case 's':
		return f.identity(rest, value)
	case 't':
		trace, id, _ := strings.Cut(rest, "\x00")
		return f.span(trace, id, value)
	case 'o':
		_, at := cutArrival(value)
		f.tx.put(openKey(f.partition, rest), seconds(at))
	case 'r':
		return f.run(rest, value)
	case 'w':
		run, rest, _ := strings.Cut(rest, "\x00")
		return f.waiting(run, rest, value)
	case 'p':
		if content, _ := cutArrival(value); len(content) == 8 {
			f.tx.put(keyOf(f.partition, kindRead, name{}), content)
		}
	}
	return nil
}

// An unreadable is the error of an entry that no version can read any more.
type unreadable struct{ error }

func (u *unreadable) Unwrap() error { return u.error }

func unmarshalFormer(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return &unreadable{err}
	}
	return nil
}

// cutArrival cuts the time off the end of a value: 8 bytes, Unix seconds.
func cutArrival(v []byte) (content []byte, arrived time.Time) {
	if len(v) < 8 {
		return v, time.Time{}
	}
	at := len(v) - 8
	return v[:at], time.Unix(int64(binary.BigEndian.Uint64(v[at:])), 0)
}

type formerEvent struct {
	Source   string              `json:"s"`
	ID       string              `json:"i"`
	Type     string              `json:"y"`
	Time     int64               `json:"t"` // Unix nanoseconds
	Digest   string              `json:"d"`
	Change   record.ChangeID     `json:"c"`
	Fact     jsontext.Value      `json:"f"`
	Summary  *record.ScanSummary `json:"m"`
	Findings []record.Finding    `json:"n"`
	Failing  []string            `json:"l"`
	Tier     string              `json:"r"`
	Trace    string              `json:"p"`
}

type formerChange struct {
	FirstSeen int64          `json:"first"`
	Revision  int64          `json:"rev"`
	Digest    string         `json:"digest"`
	Gaps      []string       `json:"gaps"`
	Actions   record.Actions `json:"actions"`
	Counted   []byte         `json:"counted"` // beginnings of the digests of identity and content of actions, 8 bytes each
	Told      []byte         `json:"told"`    // what each of them reports
	Own       []formerEvent  `json:"own"`
	Evidence  []formerEvent  `json:"evidence"`
}

type formerRef struct {
	Touched  int64         `json:"at"` // Unix seconds
	Postings []formerEvent `json:"postings"`
}

// event reads an event. The former version did not store when an event arrived. It treated the
// stated time as the arrival, and so does this. A rebuild corrects it.
func (s formerEvent) event(repo record.Repository) (record.Event, error) {
	at := time.Unix(0, s.Time).UTC()
	e := record.Event{
		Source: s.Source, ID: s.ID, Type: s.Type, Repository: repo, Change: s.Change, Time: at, Arrived: at,
		Fact: record.NewFact(s.Type), Trace: s.Trace, Digest: s.Digest, Stored: s.Fact,
	}
	if e.Fact == nil {
		return e, &unreadable{fmt.Errorf("event type %q is unknown to this version", s.Type)}
	}
	if err := json.Unmarshal(s.Fact, e.Fact); err != nil {
		return e, &unreadable{err}
	}
	e.Witness = ingest.WitnessOf(s.Tier, e.Fact) // that version stored one witness for everything that came with a credential
	switch f := e.Fact.(type) {
	case *record.Scan:
		f.Findings = s.Findings
		if s.Summary != nil {
			f.Summary = *s.Summary
		}
	case *record.Validation:
		f.Failing = s.Failing
	}
	return e, nil
}

// gatherScans joins the findings of each report, which the former version stored apart.
func (f *formerState) gatherScans(former *store, skipped func(entry string, err error)) error {
	for _, kind := range []byte{'b', 'c'} {
		for x, err := range former.each(prefixOf(f.partition, kind), prefixOf(f.partition, kind+1)) {
			if err != nil {
				return err
			}
			if !ofFormer(x.key) {
				continue
			}
			var events struct {
				Own      []formerEvent `json:"own"`
				Evidence []formerEvent `json:"evidence"`
				Postings []formerEvent `json:"postings"`
			}
			if err := json.Unmarshal(x.value, &events); err != nil {
				continue // read reports it
			}
			repo, _, _ := strings.Cut(x.key[6:], "\x00")
			if kind == 'c' {
				repo = string(record.ChangeID(repo).Repository())
			}
			for _, s := range slices.Concat(events.Own, events.Evidence, events.Postings) {
				if err := f.gatherScan(s, record.Repository(repo)); err != nil {
					skipped(x.key[4:], err)
				}
			}
		}
	}
	return nil
}

func (f *formerState) gatherScan(s formerEvent, repo record.Repository) error {
	if s.Type != record.TypeScanCompleted {
		return nil
	}
	e, err := s.event(repo)
	if err != nil {
		return err
	}
	at := string(repo) + "\x00" + string(e.Change) + "\x00" + e.ReportKey()
	known, ok := f.scans[at]
	if !ok {
		f.scans[at] = e
		return nil
	}
	have := known.Fact.(*record.Scan)
	for _, finding := range e.Fact.(*record.Scan).Findings {
		if !slices.ContainsFunc(have.Findings, func(o record.Finding) bool { return o.Fingerprint == finding.Fingerprint }) {
			have.Findings = append(have.Findings, finding)
		}
	}
	if e.Arrived.Before(known.Arrived) {
		known.Arrived = e.Arrived
		f.scans[at] = known
	}
	return nil
}

func (f *formerState) admitScans() error {
	for _, at := range slices.Sorted(maps.Keys(f.scans)) {
		if err := f.addOnce(f.scans[at]); err != nil {
			return err
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
	f.scans = nil
	return nil
}

func (f *formerState) events(in []formerEvent, repo record.Repository) error {
	var bad error
	for _, s := range in {
		if s.Type == record.TypeScanCompleted {
			continue // see gatherScans
		}
		e, err := s.event(repo)
		if err != nil {
			bad = err // the others are still read
			continue
		}
		if err := f.addOnce(e); err != nil {
			return err
		}
	}
	return bad
}

// addOnce adds an event unless a fact with its key exists. It does not check the identity: that
// is known for nearly all former events.
func (f *formerState) addOnce(e record.Event) error {
	k := keyOf(f.partition, kindFact, ownerOf(e), suffix(e))
	known, err := f.tx.get(k)
	if err != nil || known != nil {
		return err
	}
	from := arrival{partition: f.partition, at: e.Arrived}
	if _, action := e.Fact.(*record.Action); action {
		if err := f.addRunAction(from, k, e); err != nil {
			return err
		}
		return f.link(from, e)
	}
	return f.add(from, k, e)
}

// change reads a change. Decisions of its run are among its own facts, but are facts of the
// repository.
func (f *formerState) change(id record.ChangeID, value []byte) error {
	var s formerChange
	if err := unmarshalFormer(value, &s); err != nil {
		return err
	}
	arrived := time.Unix(0, s.FirstSeen).UTC()
	bad := f.events(append(s.Own, s.Evidence...), id.Repository())
	var damaged *unreadable
	if bad != nil && !errors.As(bad, &damaged) {
		return bad
	}
	c, err := f.projection.change(f.partition, id)
	if err != nil {
		return err
	}
	c.firstSeen, c.revision, c.digest, c.gaps, c.noted = arrived, s.Revision, s.Digest, s.Gaps, nil
	c.actions, c.sumsChanged = s.Actions, true
	for i := 0; 16*(i+1) <= len(s.Counted); i++ {
		told := byte(0)
		if i < len(s.Told) {
			told = s.Told[i]
		}
		if err := f.counted(keyOf(f.partition, kindCounted, c.name, string(s.Counted[16*i:16*i+8])), told, arrived, s.Counted[16*i+8:16*i+16]); err != nil {
			return err
		}
	}
	f.touch(arrival{partition: f.partition}, id, arrived)
	return bad
}

// counted marks the action at k as counted, with the outcomes that its reports stated.
func (f *formerState) counted(k key, outcomes byte, arrived time.Time, content []byte) error {
	known, err := f.tx.get(k)
	if err != nil {
		return err
	}
	if known == nil {
		known = newCounted(arrived)
	}
	known[0] |= outcomes
	if len(content) > 0 {
		known[countedOwn]++
	}
	f.tx.put(k, append(known, content...))
	return nil
}

// formerActions is the number of identities of actions that a former version stored with their
// change. It stored further ones with the repository.
const formerActions = 256

func (f *formerState) refs(repo record.Repository, value []byte) error {
	var s formerRef
	if err := unmarshalFormer(value, &s); err != nil {
		return err
	}
	return f.events(s.Postings, repo)
}

func (f *formerState) action(repo record.Repository, value []byte) error {
	content, _ := cutArrival(value)
	var s formerEvent
	if err := unmarshalFormer(content, &s); err != nil {
		return err
	}
	return f.events([]formerEvent{s}, repo)
}

// identity reads the identity of an event. Its key is repository 0 source 0 id, followed by the
// digest if several sources may report the event, and by the change if the event is an action
// that was counted. Or it reads what the reports of an action state.
func (f *formerState) identity(rest string, value []byte) error {
	content, arrived := cutArrival(value)
	repo, account, _ := strings.Cut(rest, "\x00")
	if action, change, ok := strings.Cut(account, "\x00told\x00"); ok && len(content) == 1 {
		sum := sha256.Sum256([]byte(action))
		return f.counted(keyOf(f.partition, kindCounted, nameOf(change), string(sum[:8])), content[0], arrived, nil)
	}
	if len(content) == 16 {
		f.tx.put(formerKey(f.partition, record.Repository(repo), account), append(seconds(arrived), content...))
	}
	return nil
}

// formerKey is the key of the identity of a fact that names no change.
func formerKey(partition int32, repo record.Repository, account string) key {
	n := nameOf(account)
	return keyOf(partition, kindIdentity, nameOf(string(repo)), string(n[:]))
}

func (f *formerState) span(trace, id string, value []byte) error {
	content, arrived := cutArrival(value)
	var s struct {
		storedSpan
		Settled bool `json:"settled"`
	}
	if err := unmarshalFormer(content, &s); err != nil {
		return err
	}
	if s.Settled {
		f.tx.put(keyOf(f.partition, kindSettled, traceName(trace), id), seconds(arrived))
	}
	return f.putJSON(keyOf(f.partition, kindFact, traceName(trace), id), classSpan, arrived, s.storedSpan)
}

func (f *formerState) run(run string, value []byte) error {
	content, arrived := cutArrival(value)
	var repos []string
	if err := unmarshalFormer(content, &repos); err != nil {
		return err
	}
	for _, repo := range repos {
		f.tx.put(keyOf(f.partition, kindRef, runName(run), refSubscriber, repo), seconds(arrived))
	}
	return nil
}

func (f *formerState) waiting(run, rest string, value []byte) error {
	content, arrived := cutArrival(value)
	var env schemas.Envelope
	if err := unmarshalFormer(content, &env); err != nil {
		return err
	}
	at := rest // keeps its former name if it cannot be read here, for example because its data are elsewhere
	if e, err := schemas.Decode(env, nil, arrived); err == nil && schemas.Fingerprint(&e, env.Time) == nil {
		at = suffix(e)
	}
	return f.putJSON(keyOf(f.partition, kindFact, runName(run), at), classWaiting, arrived, pending{run, env})
}
