package enricher

import (
	"errors"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// countAction counts an action in for a change. Its identity is noted with the
// change, or by itself where the change has many.
func (p *projection) countAction(partition int32, id record.ChangeID, c *changeState, e record.Event, arrived time.Time) (admission, error) {
	action := identify(e)
	several := record.SeveralAccounts(e)
	before := record.Told(0)
	for _, old := range c.actions {
		if old.event != action.event {
			continue
		}
		if old.content == action.content {
			return repeat, nil
		}
		if !several {
			return conflict, nil
		}
		before |= old.told
	}
	if len(c.actions) < maxActions {
		action.told = c.facts.Actions.Add(e, e.Fact.(*record.Action), before)
		c.actions = append(c.actions, action)
		return fresh, nil
	}
	key := seenKey(e.Repository, e)
	if e.Change == "" { // the event itself is noted there; it may count for several changes
		key += "\x00" + string(id)
	}
	if a, err := p.admitOnce(partition, e, key, arrived); a != fresh || err != nil {
		return a, err
	}
	if !several {
		c.facts.Actions.Add(e, e.Fact.(*record.Action), before)
		return fresh, nil
	}
	key = "s/" + string(e.Repository) + "\x00" + e.Key() + "\x00told\x00" + string(id)
	noted, err := p.small(partition, key)
	if err != nil {
		return fresh, err
	}
	if told, _ := splitSeen(noted); len(told) == 1 {
		before |= record.Told(told[0])
	}
	told := c.facts.Actions.Add(e, e.Fact.(*record.Action), before)
	p.note(partition, key, joinSeen([]byte{byte(told)}, arrived))
	return fresh, nil
}

// take counts an action in for a change, unless it was counted before.
func (p *projection) take(partition int32, id record.ChangeID, c *changeState, e record.Event, arrived time.Time, trace []byte) (admission, error) {
	a, err := p.countAction(partition, id, c, e, arrived)
	if a == fresh && err == nil {
		p.touch(partition, id, e.Time, trace)
	}
	return a, err
}

// takeFrom counts in the actions that are posted under a ref. One that names a
// commit of the change leads to its whole run.
func (p *projection) takeFrom(partition int32, id record.ChangeID, c *changeState, ref record.Ref, arrived time.Time, trace []byte) error {
	prefix := actionPrefix(id.Repository(), ref)
	actions := slices.Clone(p.work.actions[prefix])
	var failed error
	err := p.store.each(partition, prefix, prefix+"\xff", func(key string, value []byte) bool {
		if _, here := p.work.small[key]; here {
			return true
		}
		var e record.Event
		if e, failed = decodeAction(value, id.Repository()); failed == nil {
			actions = append(actions, e)
		}
		return failed == nil
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	for _, e := range actions {
		if err := p.attach(partition, id, c, ref, e, arrived, trace); err != nil {
			return err
		}
	}
	return nil
}

// attach gives a change an action that was found under a ref.
func (p *projection) attach(partition int32, id record.ChangeID, c *changeState, ref record.Ref, e record.Event, arrived time.Time, trace []byte) error {
	if _, err := p.take(partition, id, c, e, arrived, trace); err != nil {
		return err
	}
	if ref.IsCommit() {
		return p.lookRuns(partition, id, c, record.RunRefs(e), arrived, trace)
	}
	return nil
}

// postAction puts an action under its refs and hands it to the changes that look
// there.
func (p *projection) postAction(partition int32, e record.Event, arrived time.Time, trace []byte) error {
	refs := record.ActionRefs(e)
	if refs == nil {
		return nil
	}
	value, err := encodeAction(e, arrived)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		key, prefix := actionKey(e.Repository, ref, e), actionPrefix(e.Repository, ref)
		p.note(partition, key, value)
		p.work.actions[prefix] = append(p.work.actions[prefix], e)
		b, err := p.board(partition, e.Repository, ref)
		if err != nil {
			return err
		}
		p.name(e.Repository, ref, b)
		b.touch(arrived)
		for _, id := range b.changes {
			c, err := p.change(partition, id)
			if err != nil {
				return err
			}
			if err := p.attach(partition, id, c, ref, e, arrived, trace); err != nil {
				return err
			}
		}
	}
	return nil
}
