package enricher

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Before a code host states that a name is the new name of a known repository, events may arrive
// under the new name alone. When it does, the enricher sends the facts of those events on to the
// key of that repository. It sends them as the state holds them, since the events may have been
// deleted. The facts also stay under the new name, in changes that state which change they are
// part of.

// A movedPart is one part of what is moved.
type movedPart struct {
	Change  string          `json:"c,omitzero"` // its id without the name of the repository; empty for a fact of the repository
	Fact    []byte          `json:"f,omitzero"`
	Actions *record.Actions `json:"a,omitzero"` // the sums of the actions of the change
	Counted [][]byte        `json:"n,omitzero"` // the names and values of the actions counted in them
}

// maxCountedMoved is the greatest number of counted actions in one message.
const maxCountedMoved = 2_000

// move sends everything that was reported under a name to the repository that has the name.
func (e *Enricher) move(ctx context.Context, d *decodedEvent, from, key record.Repository) (out []*stream.Record, err error) {
	partition := d.record.Partition
	send := func(part movedPart) error {
		m, err := e.moved(ctx, d, rename{from, key}, part)
		out = append(out, m)
		return err
	}
	facts := func(owner name, rest string) error {
		entries, err := e.state.tx.list(keyOf(partition, kindFact, owner), "")
		for _, x := range entries {
			if err == nil {
				err = send(movedPart{Change: rest, Fact: x.value})
			}
		}
		return err
	}
	ids, _, err := e.state.changesOf(partition, from, "", 1<<30)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		rest := string(id[len(from):])
		c, err := e.state.change(partition, id)
		if err != nil {
			return nil, err
		}
		if err := e.state.movedActions(c, rest, send); err != nil {
			return nil, err
		}
		if err := facts(c.name, rest); err != nil {
			return nil, err
		}
		e.state.touch(arrival{partition: partition}, id, d.event.Time)
		e.state.touched[id].again = d.reread
	}
	err = facts(nameOf(string(from)), "")
	return out, err
}

// A rename leads from a name to the key of the repository that has the name.
type rename struct{ from, key record.Repository }

// moved returns the message with one part of what is moved.
func (e *Enricher) moved(ctx context.Context, d *decodedEvent, r rename, part movedPart) (*stream.Record, error) {
	from, key := r.from, r.key
	text, err := json.Marshal(part)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	text = e.state.compress.EncodeAll(text, nil)
	data, err := json.Marshal(&record.RepositoryNamed{Name: string(from), Key: string(key), Moved: base64.StdEncoding.EncodeToString(text)})
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	ref := ""
	if len(data) > schemas.MaxEventSize {
		if e.conf.Blobs == nil {
			return stream.DeadLetter(e.conf.Topics.DLQ(), d.record, stream.Refusal{Stage: "enricher", Reason: schemas.TooLarge, At: e.now(), Detail: fmt.Sprintf(
				"a fact about %s is too large to be sent on to %s, which is the same repository, without a blob store; set blobs in the configuration and send its event again", from, key)}), nil
		}
		if ref, err = e.conf.Blobs.Put(ctx, data); err != nil {
			return nil, fmt.Errorf("facts about %s: %w", from, err)
		}
	}
	return e.namesEvent(data, ref, string(key)), nil
}

// movedActions sends the sums of the actions of a change. It does so before the facts are sent,
// so that no action is counted twice.
func (p *projection) movedActions(c *changeState, rest string, send func(movedPart) error) error {
	if c.actions.Count == 0 {
		return nil
	}
	counted, err := p.allCounted(c)
	if err != nil {
		return err
	}
	actions := c.actions
	part := movedPart{Change: rest, Actions: &actions}
	for chunk := range slices.Chunk(counted, maxCountedMoved) {
		part.Counted = chunk
		if err := send(part); err != nil {
			return err
		}
		part.Actions = nil
	}
	return nil
}

// allCounted returns the names and values of the counted actions of a change.
func (p *projection) allCounted(c *changeState) ([][]byte, error) {
	prefix := keyOf(c.partition, kindCounted, c.name)
	all := make(map[key][]byte)
	for x, err := range p.store.each(prefix, prefix+"\xff\xff\xff\xff\xff\xff\xff\xff\xff") {
		if err != nil {
			return nil, err
		}
		all[x.key] = slices.Clone(x.value)
	}
	for _, x := range p.tx.entries {
		if len(x.key) > len(prefix) && x.key[:len(prefix)] == prefix {
			all[x.key] = x.value
		}
	}
	var out [][]byte
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if v := all[k]; v != nil {
			out = append(out, append([]byte(k[prefixSize:]), v...))
		}
	}
	return out, nil
}

// actionNameSize is the length of what [actionName] returns.
const actionNameSize = 8

// handleMoved accepts a part of what was reported of a repository under another name. For reread
// see [Config.Resend].
func (p *projection) handleMoved(from arrival, f *record.RepositoryNamed, reread bool) error {
	var part movedPart
	packed, err := base64.StdEncoding.DecodeString(f.Moved)
	if err == nil {
		packed, err = p.decompress.DecodeAll(packed, nil)
	}
	if err == nil {
		err = json.Unmarshal(packed, &part)
	}
	if err != nil {
		return &stream.BadRecord{Reason: fmt.Sprintf("a fact about %s cannot be read: %v", f.Name, err)}
	}
	key := record.Repository(f.Key)
	if part.Fact == nil {
		return p.handleMovedActions(from, key, part, reread)
	}
	e, err := p.decodeFact(part.Fact)
	if err != nil {
		return &stream.BadRecord{Reason: fmt.Sprintf("a fact about %s cannot be read: %v", f.Name, err)}
	}
	e, from.at = e.In(key), e.Arrived
	a, err := p.admit(from, e)
	if err == nil && a == repeat && reread {
		return p.touchAll(from, e)
	}
	return blamed(err)
}

// handleMovedActions counts the actions that were reported of a change under another name.
func (p *projection) handleMovedActions(from arrival, key record.Repository, part movedPart, reread bool) error {
	c, err := p.change(from.partition, key.Change(part.Change))
	if err != nil {
		return err
	}
	fresh := false
	for _, x := range part.Counted {
		if len(x) < actionNameSize+countedHead {
			return &stream.BadRecord{Reason: "an action that was counted under another name of its repository is cut off"}
		}
		k, value := keyOf(c.partition, kindCounted, c.name, string(x[:actionNameSize])), x[actionNameSize:]
		known, err := p.counted(c, k)
		if err != nil {
			return err
		}
		if known == nil {
			p.tx.put(k, value)
			c.noteCounted(k, value)
			fresh = true
		}
	}
	if c.firstSeen.IsZero() {
		c.firstSeen = from.at
	}
	if reread {
		p.touchAgain(from, c.id, record.Event{Time: c.actions.LastAt})
	}
	if a := part.Actions; fresh && a != nil {
		c.actions.Merge(*a)
		c.sumsChanged = true
		for _, m := range a.Made {
			if err := p.linkTo(from, record.CommitRef(m.CommitSHA), []record.Ref{record.RunRef(m.Run)}, record.Event{Repository: key, Time: a.LastAt, Arrived: from.at}); err != nil {
				return err
			}
		}
		p.touch(from, c.id, a.LastAt)
	}
	return nil
}

// One step of renew looks at renewLooks changes at most, and makes renewRecords records again at
// most.
const (
	renewLooks   = 20_000
	renewRecords = 200
)

// renew makes the records of a repository again, some at a time, because the repository has
// another name.
func (e *Enricher) renew(d *decodedEvent, key record.Repository, after string) ([]*stream.Record, error) {
	partition := d.record.Partition
	ids, next, err := e.state.changesOf(partition, key, after, renewRecords)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		e.state.touch(arrival{partition: partition}, id, d.event.Time)
		e.state.touched[id].again = e.state.touched[id].again || d.reread
	}
	if next == "" {
		return nil, nil
	}
	m, err := e.namesMessage(&record.RepositoryNamed{Name: string(key), Key: string(key), After: next}, string(key))
	return []*stream.Record{m}, err
}

// changesOf returns changes of a repository, at most limit of those in the store from after on,
// and the position to continue from; "" if there are no more.
func (p *projection) changesOf(partition int32, repo record.Repository, after string, limit int) (ids []record.ChangeID, next string, err error) {
	found := make(map[record.ChangeID]bool)
	first, err := hex.DecodeString(after)
	if err != nil {
		return nil, "", &stream.BadRecord{Reason: fmt.Sprintf("%q is not a position among changes", after)}
	}
	looked := 0
	for x, err := range p.store.each(prefixOf(partition, kindHead)+string(first), prefixOf(partition, kindHead+1)) {
		if err != nil {
			return nil, "", err
		}
		if looked++; len(found) >= limit || limit == renewRecords && looked > renewLooks {
			next = hex.EncodeToString([]byte(x.key[prefixSize-len(name{}):]))
			break
		}
		r := &factReader{rest: x.value}
		if id := record.ChangeID(r.string()); id.Repository() == repo {
			found[id] = true
		}
	}
	if after == "" {
		for id, c := range p.open {
			if len(c.stored.head) == 0 && !c.firstSeen.IsZero() && id.Repository() == repo {
				found[id] = true // the current transaction began it
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), next, nil
}
