package enricher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/changetrail/changetrail/stream"
)

// errFormer reports that a partition contains the state of a former version.
var errFormer = errors.New("the state was written by a former version")

// Upgrade converts the state of a former version into the form of this one: it writes the entries
// of the changelog again, and deletes the former ones. Events are not read again, and records
// stay as they are. No enricher may run meanwhile; new events wait. An upgrade that was stopped
// halfway does no harm: begin again.
func Upgrade(ctx context.Context, c Config) error {
	b, end, err := newRebuild(ctx, c, false)
	if err != nil {
		return err
	}
	defer end()
	for p := range b.partitions {
		if err := b.upgradePartition(ctx, p); err != nil {
			return fmt.Errorf("upgrade of the state: partition %d: %w", p, err)
		}
	}
	return nil
}

// upgradeWhenAlone upgrades the state as soon as no enricher is running, including this one and
// those of the former version. If another enricher upgrades it first, nothing is left to do.
func (e *Enricher) upgradeWhenAlone(ctx context.Context) error {
	pause := 5 * time.Second
	for {
		err := e.upgrade(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, stream.ErrTakenOver): // another upgrade began later and needs time
			pause *= 2
		case !errors.Is(err, errBusy):
			return err
		}
		e.conf.Log.Warn("the state was written by a former version and is upgraded as soon as no enricher runs; stop those of the former version", "err", err)
		select {
		case <-time.After(pause + rand.N(pause)):
		case <-ctx.Done():
		}
	}
}

// upgrade upgrades the state, unless another enricher has done so or is doing so.
func (e *Enricher) upgrade(ctx context.Context) error {
	former, moves, err := e.catchUp(ctx)
	switch {
	case err != nil || !former:
		return err
	case moves:
		return fmt.Errorf("the changelog is being written: %w", errBusy)
	}
	return Upgrade(ctx, e.conf)
}

// catchUp reads what others wrote to the changelog of partitions with the state of a former
// version. former reports whether there is still such state, moves whether anything was written.
func (e *Enricher) catchUp(ctx context.Context) (former, moves bool, err error) {
	for p := range e.count {
		has, err := e.store.hasFormer(p)
		if err != nil {
			return false, false, err
		}
		if !has {
			continue
		}
		from, err := e.store.storedPosition(p)
		if err != nil {
			return false, false, err
		}
		if _, err := e.conf.Kafka.Partition(e.conf.Topics.State(), p).ScanFrom(ctx, from, -1, func(recs []*stream.Record) error {
			moves = true
			return e.Restore(p, recs, recs[len(recs)-1].Offset+1)
		}); err != nil {
			return false, false, err
		}
		if has, err = e.store.hasFormer(p); err != nil {
			return false, false, err
		}
		former = former || has
	}
	return former, moves, nil
}

func (b *rebuild) upgradePartition(ctx context.Context, p int32) error {
	dir := filepath.Join(b.StateDir, "upgrade")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the next upgrade removes what is left
	former, err := openStore(dir)
	if err != nil {
		return err
	}
	defer func() { _ = former.close() }() // its folder is removed
	if err := b.readFormer(ctx, p, former); err != nil {
		return err
	}
	return b.upgrade(p, former)
}

// upgrade converts the entries of a partition in former into the form of this version, both there
// and in the changelog. First it writes all new entries and a mark as the last one. Then it
// deletes the former entries, and the mark with the last of them. Without the mark all former
// entries still exist, and the new ones may be incomplete; with the mark the new ones are
// complete.
func (b *rebuild) upgrade(p int32, former *store) error {
	if has, err := former.hasFormer(p); err != nil || !has {
		return err
	}
	mark, err := former.get(convertedKey(p))
	if err == nil && mark == nil {
		err = b.convert(p, former)
	}
	if err != nil {
		return err
	}
	return b.deleteFormer(p, former)
}

// convertedKey returns the mark of a partition whose upgrade only has to delete the former
// entries.
func convertedKey(p int32) key { return keyOf(p, kindUpgraded, name{}, "converted") }

// convert adds to the former entries the same entries in the form of this version.
func (b *rebuild) convert(p int32, former *store) error {
	if err := former.deleteNew(p); err != nil {
		return err
	}
	state, err := newProjection(former)
	if err != nil {
		return err
	}
	err = state.upgrade(p, former, func(entry string, err error) {
		b.Log.Error("an entry of the former state cannot be read and is left out", "partition", p, "entry", entry, "err", err)
	})
	if err != nil {
		return err
	}
	o := &outbox{write: b.write}
	for x, err := range former.each(ownKey(p, ""), ownKey(p+1, "")) {
		if err != nil {
			return err
		}
		if !ofThisVersion(x.key) {
			continue
		}
		if err := o.put(b.entry(x.key, slices.Clone(x.value))); err != nil {
			return err
		}
	}
	if err := o.put(b.entry(convertedKey(p), []byte{})); err != nil {
		return err
	}
	return o.flush()
}

// deleteNew deletes what an upgrade that was stopped halfway had added.
func (s *store) deleteNew(p int32) error {
	var gone []entry
	for x, err := range s.each(ownKey(p, ""), ownKey(p+1, "")) {
		if err != nil {
			return err
		}
		if ofThisVersion(x.key) {
			gone = append(gone, entry{key: x.key})
		}
	}
	return s.write(gone, nil)
}

func (b *rebuild) deleteFormer(p int32, former *store) error {
	var gone []entry
	for x, err := range former.each(prefixOf(p, 'a'), prefixOf(p, 'z'+1)) {
		if err != nil {
			return err
		}
		if ofFormer(x.key) {
			gone = append(gone, entry{key: x.key})
		}
	}
	o := &outbox{write: b.write}
	last := len(gone) - 1
	for _, x := range gone[:last] {
		if err := o.put(b.entry(x.key, nil)); err != nil {
			return err
		}
	}
	if err := o.put(b.entry(gone[last].key, nil), b.entry(convertedKey(p), nil)); err != nil {
		return err
	}
	if err := o.flush(); err != nil {
		return err
	}
	b.Log.Info("the state of a former version was upgraded", "partition", p, "entries", len(gone))
	return former.write(append(gone, entry{key: convertedKey(p)}), nil)
}

// checkForm returns an error if a partition of the batch contains the state of a former version.
func (e *Enricher) checkForm(batch []*stream.Record) error {
	for _, r := range batch {
		if e.checked[r.Partition] {
			continue
		}
		former, err := e.store.hasFormer(r.Partition)
		if err != nil {
			return err
		}
		if former {
			return fmt.Errorf("partition %d: %w", r.Partition, errFormer)
		}
		e.checked[r.Partition] = true
	}
	return nil
}
