package enricher

import (
	"slices"
)

// carryOver copies from the former state what no remaining event states.
func carryOver(p int32, former *store, state *projection) error {
	for x, err := range former.each(prefixOf(p, kindFact), prefixOf(p, kindFact+1)) {
		if err != nil {
			return err
		}
		if c := x.value[0]; c == classWaiting || c == classSpan {
			continue // pending events and spans stay as they are
		}
		e, err := state.decodeFact(slices.Clone(x.value))
		if err != nil {
			return err
		}
		if n, err := state.name(nameAt{p, string(e.Repository)}); err != nil {
			return err
		} else if n.Moved != "" {
			continue // it was moved to another repository
		}
		if _, err := state.admit(arrival{partition: p, at: e.Arrived}, e); err != nil {
			return err
		}
		if err := state.flush(); err != nil {
			return err
		}
	}
	if err := state.keep(); err != nil {
		return err
	}
	for _, kind := range []byte{kindCounted, kindIdentity} {
		for x, err := range former.each(prefixOf(p, kind), prefixOf(p, kind+1)) {
			if err != nil {
				return err
			}
			if have, err := state.tx.get(x.key); err != nil {
				return err
			} else if have == nil {
				state.tx.put(x.key, slices.Clone(x.value))
			}
			if err := state.flush(); err != nil {
				return err
			}
		}
	}
	return carrySums(p, former, state)
}

// carrySums copies the sums of the actions of changes if more actions were counted before:
// actions that name their change are not kept.
func carrySums(p int32, former *store, state *projection) error {
	before, err := newProjection(former)
	if err != nil {
		return err
	}
	for x, err := range former.each(prefixOf(p, kindHead), prefixOf(p, kindHead+1)) {
		if err != nil {
			return err
		}
		old, err := before.ofHead(p, x)
		if err != nil {
			return err
		}
		c, err := state.change(p, old.id)
		if err != nil {
			return err
		}
		c.noted = nil // other actions were counted too
		if c.firstSeen.IsZero() {
			c.firstSeen = old.firstSeen
		}
		if old.actions.Count > c.actions.Count {
			c.actions, c.sumsChanged = old.actions, true
		}
		before.begin(new(arena))
		if err := state.flush(); err != nil {
			return err
		}
	}
	return state.keep()
}
