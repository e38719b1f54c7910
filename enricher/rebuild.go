package enricher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// A Rebuilt is what rebuilding found and did.
type Rebuilt struct {
	Events  int64        `json:"events"`  // read again
	Refused int64        `json:"refused"` // that cannot be read, as dead letters tell
	Records int64        `json:"records"` // made again
	Changed []Difference `json:"changed"` // that came out otherwise
}

// A Difference is one record that came out otherwise, and in what.
type Difference struct {
	Change record.ChangeID `json:"change"`
	What   []string        `json:"what"`
}

// Rebuild makes all records again from the events that Kafka still has, by the
// readers, the policy and the matrix of now, and sends a new revision of each
// that comes out otherwise. The indexes are the same and can be searched all
// the time. No enricher may run meanwhile: what they would read waits.
//
// What events that are no longer kept have left behind in the state stays.
// With dryRun nothing is written. Being stopped halfway does no harm: begin
// again.
func Rebuild(ctx context.Context, c Config, dryRun bool, progress func(done, partitions int32)) (Rebuilt, error) {
	partitions, err := stream.Partitions(ctx, c.Kafka, c.Topics)
	if err != nil {
		return Rebuilt{}, err
	}
	adm, err := stream.NewAdmin(c.Kafka)
	if err != nil {
		return Rebuilt{}, err
	}
	defer adm.Close()
	alone := func() error {
		_, members, err := adm.Group(ctx, Group(c.Topics))
		if err == nil && members > 0 {
			err = fmt.Errorf("%d enrichers run; stop them first (one that died leaves after 30 s). Searching goes on meanwhile, and events wait", members)
		}
		return err
	}
	if err := alone(); err != nil {
		return Rebuilt{}, err
	}
	read, err := adm.Committed(ctx, Group(c.Topics), c.Topics.Events())
	if err != nil {
		return Rebuilt{}, err
	}
	w, err := stream.NewTransactionWriter(c.Kafka, Group(c.Topics)+"-rebuild")
	if err != nil {
		return Rebuilt{}, err
	}
	defer w.Close()
	b := &rebuild{Config: c, partitioner: stream.NewPartitioner(partitions), sealer: &Enricher{conf: c, room: new(slab)}, write: func(recs []*stream.Record) error {
		if dryRun {
			return nil
		}
		if err := alone(); err != nil {
			return err
		}
		return w.Append(ctx, recs)
	}}
	for p := range partitions {
		if err := b.partition(ctx, p, read[p]); err != nil {
			return b.Rebuilt, fmt.Errorf("partition %d: %w", p, err)
		}
		progress(p+1, partitions)
	}
	return b.Rebuilt, nil
}

type rebuild struct {
	Config
	Rebuilt
	partitioner *stream.Partitioner
	sealer      *Enricher // its room holds the revisions of one transaction
	write       func([]*stream.Record) error
}

// partition rebuilds one partition, up to where the enrichers have read.
func (b *rebuild) partition(ctx context.Context, p int32, until int64) error {
	dir := filepath.Join(b.StateDir, "rebuild")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is removed by the next
	former, err := openStore(filepath.Join(dir, "former"))
	if err != nil {
		return err
	}
	defer func() { _ = former.close() }() // its folder is removed
	fresh, err := openStore(filepath.Join(dir, "fresh"))
	if err != nil {
		return err
	}
	defer func() { _ = fresh.close() }()

	_, err = stream.Scan(ctx, b.Kafka, b.Topics.State(), p, -1, func(recs []*stream.Record) error {
		entries := make([]entry, len(recs))
		for i, r := range recs {
			entries[i] = entry{p, string(r.Key), r.Value}
		}
		return former.write(entries, nil)
	})
	if err != nil {
		return err
	}
	state := newProjection(fresh)
	start, err := stream.Scan(ctx, b.Kafka, b.Topics.Events(), p, until, func(recs []*stream.Record) error { return b.admit(ctx, p, state, recs) })
	if err != nil {
		return err
	}
	if start > 0 { // events were deleted since: what they told is in the state alone
		if err := carryOver(p, former, state); err != nil {
			return err
		}
	}
	return b.send(ctx, p, former, fresh, start == 0)
}

func (b *rebuild) admit(ctx context.Context, p int32, state *projection, recs []*stream.Record) error {
	decoded, err := decodeAll(ctx, recs, b.Blobs, b.StampKey)
	if err != nil {
		return err
	}
	for i := range decoded {
		d := &decoded[i]
		if d.refusal != nil {
			b.Events++
			b.Refused++
			continue
		}
		if d.event.Repository == "" {
			continue // it waited in the room of its run, which stays as it is
		}
		if b.partitioner.Of(string(d.event.Repository)) != p && stream.Header(d.record, stream.HeaderRerouted) == nil {
			continue // it was sent on, and is read where it went
		}
		b.Events++
		if _, err := state.admit(p, d.event, d.record.Timestamp, nil); err != nil {
			return err
		}
	}
	return keep(state)
}

func keep(state *projection) error {
	entries, err := state.entries(new(slab))
	if err != nil {
		return err
	}
	return state.commit(entries, nil)
}

// carryOver takes over from the former state what no event tells any more.
func carryOver(p int32, former *store, state *projection) error {
	var failed error
	err := former.each(p, "b/", "b0", func(key string, value []byte) bool {
		repo, ref, _ := strings.Cut(key[2:], "\x00")
		old, err := decodeBoard(value, record.Repository(repo))
		for _, e := range old.postings {
			if err == nil {
				err = state.post(p, record.Posting{Ref: record.Ref(ref), Event: e}, old.touched, nil)
			}
		}
		failed = errors.Join(err, flush(state))
		return failed == nil
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	err = former.each(p, "a/", "a0", func(key string, value []byte) bool {
		repo, _, _ := strings.Cut(key[2:], "\x00")
		e, err := decodeAction(value, record.Repository(repo))
		if err == nil {
			_, arrived := splitSeen(value)
			err = state.postAction(p, e, arrived, nil)
		}
		failed = errors.Join(err, flush(state))
		return failed == nil
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	err = former.each(p, "c/", "c0", func(key string, value []byte) bool {
		id := record.ChangeID(key[2:])
		old, err := decodeChange(value, id.Repository())
		if err == nil {
			err = carryChange(p, id, old, state)
		}
		failed = errors.Join(err, flush(state))
		return failed == nil
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	err = former.each(p, "s/", "s0", func(key string, value []byte) bool {
		if have, err := state.store.get(p, key); err != nil || have != nil {
			failed = err
			return err == nil
		}
		failed = state.store.write([]entry{{p, key, slices.Clone(value)}}, nil)
		return failed == nil
	})
	return errors.Join(err, failed, keep(state))
}

func carryChange(p int32, id record.ChangeID, old *changeState, state *projection) error {
	c, err := state.change(p, id)
	if err != nil {
		return err
	}
	have := make(map[string]bool, len(c.facts.Own))
	for _, e := range c.facts.Own {
		have[e.Key()] = true
	}
	for _, e := range old.facts.Own {
		if have[e.Key()] {
			continue
		}
		if _, err := state.admitOwn(p, e, old.firstSeen, nil); err != nil {
			return err
		}
	}
	if old.facts.Actions.Count > c.facts.Actions.Count {
		c.facts.Actions, c.actions = old.facts.Actions, old.actions
	}
	state.touch(p, id, c.firstSeen, nil)
	return nil
}

// flush keeps what has gathered, before it is much.
func flush(state *projection) error {
	if len(state.work.changes)+len(state.work.boards)+len(state.work.small) < 2000 {
		return nil
	}
	return keep(state)
}

// send writes the fresh state over the former one, and the records that come
// out otherwise. What only the former state holds is deleted where whole says
// that all events were read.
func (b *rebuild) send(ctx context.Context, p int32, former, fresh *store, whole bool) error {
	sent, err := b.lastSent(ctx, p)
	if err != nil {
		return err
	}
	const perTransaction = 500
	var out []*stream.Record
	put := func(recs ...*stream.Record) error {
		out = append(out, recs...)
		if len(out) < perTransaction {
			return nil
		}
		err := b.write(out)
		out = nil
		b.sealer.room.reset()
		return err
	}
	var failed error
	err = fresh.each(p, "", "\xff", func(key string, value []byte) bool {
		if !strings.Contains("abcs", key[:1]) {
			return true
		}
		var old []byte
		if old, failed = former.get(p, key); failed != nil {
			return false
		}
		if key[0] == 'c' {
			failed = b.change(p, record.ChangeID(key[2:]), slices.Clone(value), old, sent, put)
		} else if string(old) != string(value) {
			failed = put(b.entry(p, key, slices.Clone(value)))
		}
		return failed == nil
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if whole {
		err = former.each(p, "", "\xff", func(key string, _ []byte) bool {
			var have []byte
			if !strings.Contains("abs", key[:1]) {
				return true
			}
			if have, failed = fresh.get(p, key); failed == nil && have == nil {
				failed = put(b.entry(p, key, nil))
			}
			return failed == nil
		})
		if err := errors.Join(err, failed); err != nil {
			return err
		}
	}
	if len(out) == 0 {
		return nil
	}
	defer b.sealer.room.reset()
	return b.write(out)
}

func (b *rebuild) entry(p int32, key string, value []byte) *stream.Record {
	return &stream.Record{Topic: b.Topics.State(), Partition: p, Key: []byte(key), Value: value}
}

// change folds one change again and sends it where it differs.
func (b *rebuild) change(p int32, id record.ChangeID, value, old []byte, sent map[record.ChangeID]*record.Record, put func(...*stream.Record) error) error {
	c, err := decodeChange(value, id.Repository())
	if err != nil {
		return err
	}
	if old != nil {
		last, err := decodeChange(old, id.Repository())
		if err != nil {
			return err
		}
		c.firstSeen, c.revision, c.digest, c.gaps = last.firstSeen, last.revision, last.digest, last.gaps
	}
	b.Records++
	r := fold(id, c.facts, b.Policy, b.Controls)
	rec := b.sealer.revision(c, r, &touch{partition: p, newest: r.Timestamp})
	if rec != nil {
		b.Changed = append(b.Changed, Difference{id, differences(sent[id], r)})
		if err := put(rec); err != nil {
			return err
		}
	}
	text, err := c.append(nil)
	if err != nil || string(text) == string(old) {
		return err
	}
	return put(b.entry(p, changeKey(id), text))
}

// lastSent returns the newest revision of each record of a partition, as far
// as differences are told by it.
func (b *rebuild) lastSent(ctx context.Context, p int32) (map[record.ChangeID]*record.Record, error) {
	out := make(map[record.ChangeID]*record.Record)
	_, err := stream.Scan(ctx, b.Kafka, b.Topics.Records(), p, -1, func(recs []*stream.Record) error {
		for _, m := range recs {
			var r record.Record
			if err := json.Unmarshal(m.Value, &r); err != nil {
				return fmt.Errorf("%s: offset %d: %w", m.Topic, m.Offset, err)
			}
			brief := &record.Record{Tags: r.Tags}
			brief.Trail.Answers, brief.Trail.Gaps, brief.Trail.Service = r.Trail.Answers, r.Trail.Gaps, r.Trail.Service
			brief.Trail.Authorization, brief.Trail.Validation = r.Trail.Authorization, r.Trail.Validation
			out[record.ChangeID(m.Key)] = brief
		}
		return nil
	})
	return out, err
}

// differences says in words what an auditor would ask about first.
func differences(was, is *record.Record) []string {
	if was == nil {
		return []string{"it was not there"}
	}
	var out []string
	say := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %s → %s", what, orDash(a), orDash(b)))
		}
	}
	brief := func(r *record.Record) (a record.Answers, verdict, class, tests string) {
		if r.Trail.Answers != nil {
			a = *r.Trail.Answers
		}
		if f := r.Trail.Authorization; f != nil {
			verdict = f.Verdict
		}
		if s := r.Trail.Service; s != nil {
			class = strings.Join(s.Names, ", ") + " " + s.Classification
		}
		if v := r.Trail.Validation; v != nil {
			tests = v.Conclusion
		}
		return a, verdict, class, tests
	}
	a1, verdict1, class1, tests1 := brief(was)
	a2, verdict2, class2, tests2 := brief(is)
	say("trigger", a1.Trigger, a2.Trigger)
	say("alternatives", a1.Alternatives, a2.Alternatives)
	say("authorized", a1.Authorized, a2.Authorized)
	say("reviewed", a1.Reviewed, a2.Reviewed)
	say("verdict", verdict1, verdict2)
	say("service", class1, class2)
	say("tests", tests1, tests2)
	say("gaps", strings.Join(was.Trail.Gaps, " "), strings.Join(is.Trail.Gaps, " "))
	say("controls", strings.Join(was.Tags, " "), strings.Join(is.Tags, " "))
	if f, g := was.Trail.Authorization, is.Trail.Authorization; f != nil && g != nil {
		say("policy", f.PolicyDigest, g.PolicyDigest)
	}
	if out == nil {
		out = []string{"details"}
	}
	return out
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
