package enricher

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A changeState is what is kept of one change besides its facts: what was sent last, and the sums
// of its actions.
type changeState struct {
	id        record.ChangeID
	partition int32
	name      name
	key       key // of the head
	ownPrefix key // of its facts

	firstSeen time.Time // arrival of the first event; decides the index
	revision  int64
	digest    string   // evidence digest of that revision
	gaps      []string // every gap that a revision had, sorted
	sums      sums
	actions   record.Actions
	refs      []record.Ref // the refs under which it looks, if it was settled since it was read

	noted       map[key][]byte // the actions counted; nil: they are only in the state
	began       bool           // nothing of it was in the store when it was read
	sumsChanged bool
	stored      struct { // as the store has it
		head    []byte
		gaps    []string
		actions record.Actions
	}
}

// sums holds what is counted for a change and is not a member of a set.
type sums struct {
	Superseded int64  `json:"s,omitempty"`
	Count      int64  `json:"n,omitempty"`
	Failed     int64  `json:"f,omitempty"`
	Refused    int64  `json:"r,omitempty"`
	Signed     int64  `json:"g,omitempty"`
	First      int64  `json:"a,omitempty"` // Unix nanoseconds
	Last       int64  `json:"z,omitempty"`
	Digest     string `json:"d,omitempty"`
	// Members are the members of the sets if they are few. Otherwise each has an entry.
	Members []string `json:"m,omitempty"`
	Spread  bool     `json:"e,omitempty"`
}

// weight estimates the memory that a change uses.
func (c *changeState) weight() int {
	return 1<<10 + 32*len(c.refs) + 128*len(c.noted) + 64*(len(c.actions.Files)+len(c.actions.Dependencies)+len(c.actions.Made))
}

// change returns a change that the transaction may modify.
func (p *projection) change(partition int32, id record.ChangeID) (*changeState, error) {
	if c, ok := p.open[id]; ok {
		return c, nil
	}
	of := nameOf(string(id))
	k := keyOf(partition, kindHead, of)
	c, ok := p.changes.get(k, (*changeState).weight)
	if !ok {
		c = &changeState{id: id, partition: partition, name: of, key: k, ownPrefix: keyOf(partition, kindFact, of)}
		if err := p.read(c); err != nil {
			return nil, err
		}
		p.changes.put(k, c, c.weight())
	}
	p.open[id] = c
	return c, nil
}

// read reads a change from the state.
func (p *projection) read(c *changeState) error {
	head, err := p.tx.get(c.key)
	if err != nil || head == nil {
		c.noted, c.began = make(map[key][]byte), true
		return err
	}
	if err := c.decodeHead(head); err != nil {
		return err
	}
	gaps, err := p.tx.get(keyOf(c.partition, kindGaps, c.name))
	if err != nil {
		return err
	}
	if len(gaps) > 0 {
		c.gaps = strings.Split(string(gaps), ",")
	}
	c.stored.gaps = c.gaps
	text, err := p.tx.get(keyOf(c.partition, kindSums, c.name))
	if err != nil || text == nil {
		return err
	}
	if err := json.Unmarshal(text, &c.sums); err != nil {
		return fmt.Errorf("state: sums of %s: %w", c.id, err)
	}
	members := c.sums.Members
	if c.sums.Spread {
		entries, err := p.tx.list(keyOf(c.partition, kindMember, c.name), "")
		if err != nil {
			return err
		}
		for _, x := range entries {
			members = append(members, x.key[prefixSize:])
		}
	}
	if err := c.decodeActions(members); err != nil {
		return fmt.Errorf("state: actions of %s: %w", c.id, err)
	}
	if c.sums.Spread {
		c.stored.actions = c.actions
	}
	return nil
}

// The head of a change is the length of its id, its id, the arrival of its first event in Unix
// nanoseconds, the revision, and the digest of that revision.
func (c *changeState) encodeHead() []byte {
	b := appendString(nil, c.id)
	b = binary.AppendVarint(b, c.firstSeen.UnixNano())
	b = binary.AppendVarint(b, c.revision)
	sum, _ := hex.DecodeString(strings.TrimPrefix(c.digest, "sha256:")) // we wrote it
	return append(b, sum...)
}

func (c *changeState) decodeHead(b []byte) error {
	c.stored.head = b
	r := &factReader{rest: b}
	c.id = record.ChangeID(r.string())
	first, n := binary.Varint(r.rest)
	revision, m := binary.Varint(r.rest[max(n, 0):])
	if r.err != nil || n <= 0 || m <= 0 {
		return fmt.Errorf("head of a change: %w", errFact)
	}
	c.firstSeen, c.revision = time.Unix(0, first).UTC(), revision
	if sum := r.rest[n+m:]; len(sum) > 0 {
		c.digest = "sha256:" + hex.EncodeToString(sum)
	}
	return nil
}

// The kinds of members of the sets that sum up actions: the letter before the member in its key.
const (
	memberTool       = 't'
	memberAgent      = 'a'
	memberFile       = 'f'
	memberDependency = 'd'
	memberMade       = 'm'
)

// maxInline is the greatest total size in bytes of members that are stored with the sums.
const maxInline = 400

// members returns the sorted members of the sets of actions as they are in keys, and their size.
func members(a record.Actions) (out []string, size int) {
	out = make([]string, 0, len(a.Tools)+len(a.Agents)+len(a.Files)+len(a.Dependencies)+len(a.Made))
	add := func(letter byte, text string) {
		out = append(out, string(rune(letter))+text)
		size += len(text) + 4
	}
	for _, s := range a.Tools {
		add(memberTool, s)
	}
	for _, s := range a.Agents {
		add(memberAgent, s)
	}
	for _, s := range a.Files {
		add(memberFile, s)
	}
	for _, d := range a.Dependencies {
		text, _ := json.Marshal(d) // strings cannot fail
		add(memberDependency, string(text))
	}
	for _, m := range a.Made {
		add(memberMade, m.CommitSHA+" "+m.Run)
	}
	slices.Sort(out)
	return out, size
}

func (c *changeState) decodeActions(members []string) error {
	s, a := c.sums, &c.actions
	*a = record.Actions{Count: s.Count, Failed: s.Failed, Refused: s.Refused, Signed: s.Signed, Digest: s.Digest}
	if s.Count > 0 {
		a.FirstAt, a.LastAt = time.Unix(0, s.First).UTC(), time.Unix(0, s.Last).UTC()
	}
	for _, m := range members {
		letter, text := m[0], strings.Clone(m[1:])
		switch letter {
		case memberTool:
			a.Tools = append(a.Tools, text)
		case memberAgent:
			a.Agents = append(a.Agents, text)
		case memberFile:
			a.Files = append(a.Files, text)
		case memberDependency:
			var d record.DependencyUpdate
			if err := json.Unmarshal([]byte(text), &d); err != nil {
				return err
			}
			a.Dependencies = append(a.Dependencies, d)
		case memberMade:
			commit, run, _ := strings.Cut(text, " ")
			a.Made = append(a.Made, record.Made{CommitSHA: commit, Run: run})
		}
	}
	a.Sort()
	return nil
}

// sentSince returns the entries of what was sent last that differ from what is stored for the
// change in was.
func (c *changeState) sentSince(was *changeState) (out []entry) {
	if head := c.encodeHead(); string(head) != string(was.stored.head) {
		out = append(out, entry{c.key, head})
	}
	if !slices.Equal(c.gaps, was.stored.gaps) {
		out = append(out, entry{keyOf(c.partition, kindGaps, c.name), []byte(strings.Join(c.gaps, ","))})
	}
	return out
}

// save writes what the transaction changed in a change.
func (p *projection) save(c *changeState) error {
	if c.firstSeen.IsZero() {
		return nil // no event was about the change itself
	}
	for _, x := range c.sentSince(c) {
		p.tx.put(x.key, x.value)
	}
	c.stored.head, c.stored.gaps = c.encodeHead(), c.gaps
	if !c.sumsChanged {
		return nil
	}
	c.sumsChanged = false
	return p.saveSums(c)
}

func (p *projection) saveSums(c *changeState) error {
	a := c.actions
	c.sums.Count, c.sums.Failed, c.sums.Refused, c.sums.Signed, c.sums.Digest = a.Count, a.Failed, a.Refused, a.Signed, a.Digest
	if a.Count > 0 {
		c.sums.First, c.sums.Last = a.FirstAt.UnixNano(), a.LastAt.UnixNano()
	}
	is, size := members(a)
	c.sums.Members, c.sums.Spread = is, c.sums.Spread || size > maxInline
	if c.sums.Spread {
		c.sums.Members = nil
	}
	text, err := json.Marshal(c.sums)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	p.tx.put(keyOf(c.partition, kindSums, c.name), text)
	if !c.sums.Spread {
		return nil
	}
	was, _ := members(c.stored.actions)
	for _, m := range is {
		if _, known := slices.BinarySearch(was, m); !known {
			p.tx.set(keyOf(c.partition, kindMember, c.name, m))
		}
	}
	for _, m := range was {
		if _, still := slices.BinarySearch(is, m); !still {
			p.tx.put(keyOf(c.partition, kindMember, c.name, m), nil)
		}
	}
	c.stored.actions = a
	return nil
}
