package enricher

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// The changelog has kinds of entries, told apart by the first letter of the key: those
// here, and those of rooms.

// readKey is where the offset of the last event lies that the state has taken in.
const readKey = "p/"

func changeKey(id record.ChangeID) string { return "c/" + string(id) }

func boardKey(repo record.Repository, ref record.Ref) string {
	return "b/" + string(repo) + "\x00" + string(ref)
}

func seenKey(repo record.Repository, e record.Event) string {
	return "s/" + string(repo) + "\x00" + e.Account()
}

// actionKey is where an action lies under a ref: by itself, since a run has
// thousands of them, and a board is written whole.
func actionKey(repo record.Repository, ref record.Ref, e record.Event) string {
	sum := sha256.Sum256([]byte(e.Account()))
	return actionPrefix(repo, ref) + hex.EncodeToString(sum[:16])
}

func actionPrefix(repo record.Repository, ref record.Ref) string {
	return "a/" + string(repo) + "\x00" + string(ref) + "\x00"
}

// A changeState is what is kept of one change: what its record is folded from,
// and what was sent last.
type changeState struct {
	facts     record.Facts
	actions   []identity // of the actions counted, at most maxActions
	firstSeen time.Time  // arrival of the first event; decides the index
	revision  int64
	digest    string   // evidence digest of that revision
	gaps      []string // every gap that a revision had, sorted
}

// maxActions is how many identities of actions lie with their change. Those of
// further ones have entries of their own, so that what is written again with
// each event stays small.
const maxActions = 256

// An identity tells an event and its content apart from others of one change.
type identity struct {
	event, content [8]byte
	told           record.Told
}

func identify(e record.Event) (id identity) {
	sum := sha256.Sum256([]byte(e.Key()))
	copy(id.event[:], sum[:])
	content, _ := hex.DecodeString(e.Digest)
	copy(id.content[:], content)
	return id
}

// A board is where evidence waits under a ref, and where changes that look
// there are noted.
type board struct {
	postings []record.Event
	changes  []record.ChangeID
	touched  time.Time // arrival of the newest event that posted or looked here
}

func (b *board) touch(at time.Time) {
	if at.After(b.touched) {
		b.touched = at
	}
}

// Bounds of a board: what waits for ever must not grow for ever.
const (
	maxPostings = 32
	maxChanges  = 256
)

// joinSeen is the value under a seen key, the digest of an event, and when it
// came, in Unix seconds. So is that under an action key, with the action.
func joinSeen(content []byte, arrived time.Time) []byte {
	return binary.BigEndian.AppendUint64(slices.Clip(content), uint64(arrived.Unix()))
}

func splitSeen(v []byte) (content []byte, arrived time.Time) {
	if len(v) < 8 {
		return v, time.Time{}
	}
	at := len(v) - 8
	return v[:at], time.Unix(int64(binary.BigEndian.Uint64(v[at:])), 0)
}

// The stored forms. Members may be added and none may change its meaning: what
// a former version wrote is read again.
type storedEvent struct {
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

type storedChange struct {
	FirstSeen int64          `json:"first"`
	Revision  int64          `json:"rev"`
	Digest    string         `json:"digest"`
	Gaps      []string       `json:"gaps"`
	Actions   record.Actions `json:"actions"`
	Counted   []byte         `json:"counted"` // identities of actions, 16 bytes each
	Told      []byte         `json:"told"`    // what each of them tells
	Own       []storedEvent  `json:"own"`
	Evidence  []storedEvent  `json:"evidence"`
}

type storedBoard struct {
	Touched  int64             `json:"at"` // Unix seconds
	Changes  []record.ChangeID `json:"changes"`
	Postings []storedEvent     `json:"postings"`
}

// appendEvent writes e in the form of storedEvent, its fact as it is.
func appendEvent(b []byte, e record.Event) ([]byte, error) {
	quoted := func(name, v string) {
		b = append(b, name...)
		b, _ = jsontext.AppendQuote(b, v)
	}
	quoted(`{"s":`, e.Source)
	quoted(`,"i":`, e.ID)
	quoted(`,"y":`, e.Type)
	quoted(`,"d":`, e.Digest)
	if e.Change != "" {
		quoted(`,"c":`, string(e.Change))
	}
	if e.Tier != "" {
		quoted(`,"r":`, e.Tier)
	}
	if e.Trace != "" {
		quoted(`,"p":`, e.Trace)
	}
	b = append(b, `,"t":`...)
	b = strconv.AppendInt(b, e.Time.UnixNano(), 10)
	b = append(b, `,"f":`...)
	b = append(b, e.Stored...)
	for name, v := range readings(e.Fact) {
		text, err := json.Marshal(v)
		if err != nil {
			return b, fmt.Errorf("state: %w", err)
		}
		b = append(b, name...)
		b = append(b, text...)
	}
	return append(b, '}'), nil
}

// readings yields what was read from the report of a fact, which the fact
// itself does not carry.
func readings(f record.Fact) func(yield func(string, any) bool) {
	return func(yield func(string, any) bool) {
		switch f := f.(type) {
		case *record.Scan:
			if yield(`,"m":`, f.Summary) && len(f.Findings) > 0 {
				yield(`,"n":`, f.Findings)
			}
		case *record.Validation:
			if len(f.Failing) > 0 {
				yield(`,"l":`, f.Failing)
			}
		}
	}
}

func appendEvents(b []byte, events []record.Event) ([]byte, error) {
	b = append(b, '[')
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendEvent(b, e); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func (c *changeState) append(b []byte) ([]byte, error) {
	b = append(b, `{"first":`...)
	b = strconv.AppendInt(b, c.firstSeen.UnixNano(), 10)
	b = append(b, `,"rev":`...)
	b = strconv.AppendInt(b, c.revision, 10)
	b = append(b, `,"digest":"`...)
	b = append(b, c.digest...)
	b = append(b, '"')
	if len(c.gaps) > 0 { // names of our own: nothing in them is escaped
		b = append(append(append(b, `,"gaps":["`...), strings.Join(c.gaps, `","`)...), `"]`...)
	}
	if c.facts.Actions.Count > 0 {
		text, err := json.Marshal(c.facts.Actions)
		if err != nil {
			return b, fmt.Errorf("state: %w", err)
		}
		b = append(append(b, `,"actions":`...), text...)
		b = append(b, `,"counted":"`...)
		counted, told := make([]byte, 0, 16*len(c.actions)), make([]byte, 0, len(c.actions))
		for _, id := range c.actions {
			counted = append(append(counted, id.event[:]...), id.content[:]...)
			told = append(told, byte(id.told))
		}
		b = append(base64.StdEncoding.AppendEncode(b, counted), `","told":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, told), '"')
	}
	b, err := appendEvents(append(b, `,"own":`...), c.facts.Own)
	if err != nil {
		return b, err
	}
	b, err = appendEvents(append(b, `,"evidence":`...), c.facts.Evidence)
	return append(b, '}'), err
}

func decodeChange(b []byte, repo record.Repository) (*changeState, error) {
	var s storedChange
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	c := &changeState{firstSeen: time.Unix(0, s.FirstSeen).UTC(), revision: s.Revision, digest: s.Digest, gaps: s.Gaps}
	c.facts.Actions = s.Actions
	if len(s.Counted)%16 != 0 {
		return nil, fmt.Errorf("state: %d bytes of identities, want a multiple of 16; delete the state folder to restore it", len(s.Counted))
	}
	for pair := range slices.Chunk(s.Counted, 16) {
		id := identity{event: [8]byte(pair[:8]), content: [8]byte(pair[8:])}
		if n := len(c.actions); n < len(s.Told) {
			id.told = record.Told(s.Told[n])
		}
		c.actions = append(c.actions, id)
	}
	var err error
	if c.facts.Own, err = decodeEvents(s.Own, repo); err != nil {
		return nil, err
	}
	c.facts.Evidence, err = decodeEvents(s.Evidence, repo)
	return c, err
}

func (b *board) append(out []byte) ([]byte, error) {
	changes, err := json.Marshal(b.changes)
	if err != nil {
		return out, fmt.Errorf("state: %w", err)
	}
	out = strconv.AppendInt(append(out, `{"at":`...), b.touched.Unix(), 10)
	out = append(append(out, `,"changes":`...), changes...)
	out, err = appendEvents(append(out, `,"postings":`...), b.postings)
	return append(out, '}'), err
}

func decodeBoard(b []byte, repo record.Repository) (*board, error) {
	var s storedBoard
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	postings, err := decodeEvents(s.Postings, repo)
	return &board{postings, s.Changes, time.Unix(s.Touched, 0)}, err
}

func decodeEvents(in []storedEvent, repo record.Repository) ([]record.Event, error) {
	out := make([]record.Event, 0, len(in))
	for _, s := range in {
		fact := record.NewFact(s.Type)
		if fact == nil {
			return nil, fmt.Errorf("state: event type %q is unknown to this version", s.Type)
		}
		if err := json.Unmarshal(s.Fact, fact); err != nil {
			return nil, fmt.Errorf("state: %s: %w", s.Type, err)
		}
		switch f := fact.(type) {
		case *record.Scan:
			f.Findings = s.Findings
			if s.Summary != nil {
				f.Summary = *s.Summary
			}
		case *record.Validation:
			f.Failing = s.Failing
		}
		out = append(out, record.Event{
			Source: s.Source, ID: s.ID, Type: s.Type, Repository: repo, Change: s.Change,
			Time: time.Unix(0, s.Time).UTC(), Fact: fact, Tier: s.Tier, Trace: s.Trace, Digest: s.Digest, Stored: s.Fact,
		})
	}
	return out, nil
}

// encodeAction is how an action lies under a ref: without what a record never
// tells of it.
func encodeAction(e record.Event, arrived time.Time) ([]byte, error) {
	brief := *e.Fact.(*record.Action)
	brief.Arguments, brief.Result = nil, nil
	var err error
	e.Fact = &brief
	if e.Stored, err = json.Marshal(&brief); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	b, err := appendEvent(nil, e)
	return joinSeen(b, arrived), err
}

func decodeAction(v []byte, repo record.Repository) (record.Event, error) {
	content, _ := splitSeen(v)
	var s storedEvent
	if err := json.Unmarshal(content, &s); err != nil {
		return record.Event{}, fmt.Errorf("state: %w", err)
	}
	events, err := decodeEvents([]storedEvent{s}, repo)
	if err != nil {
		return record.Event{}, err
	}
	return events[0], nil
}

// clone returns a copy that may be changed without changing c. Events
// themselves never change.
func (c *changeState) clone() *changeState {
	d := *c
	d.actions = slices.Clone(c.actions)
	d.facts.Own = slices.Clone(c.facts.Own)
	d.facts.Evidence = slices.Clone(c.facts.Evidence)
	return &d
}

func (b *board) clone() *board {
	return &board{slices.Clone(b.postings), slices.Clone(b.changes), b.touched}
}
