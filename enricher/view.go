package enricher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// A View is a copy of the state of all enrichers, for questions that the search index answers too
// late. It follows the changelog (topic state) and the topic of policies, and writes to neither. It
// sees each transaction of an enricher as a whole or not at all.
type View struct {
	topics     stream.Topics
	partitions *stream.Partitioner
	admin      *stream.Admin
	state      *stream.Tail
	policies   *stream.Tail
	rules      atomic.Pointer[Rules]
	log        *slog.Logger

	mu         sync.Mutex // of partitions and of what follows
	changed    chan struct{}
	store      *store
	projection *projection
	former     map[int32]bool // partitions with the state of a former version
	feeds      []*Feed
	closed     bool

	rounds    rounds
	published rounds // of the topic of policies alone
}

// viewMemory is less than an enricher has: a view writes what it reads, and is asked little.
var viewMemory = storeMemory{memtable: 8 << 20, memtables: 2, blocks: 32 << 20}

// OpenView opens the copy in a folder, which no other process may use. Run brings it up to date.
func OpenView(ctx context.Context, kafka stream.Config, topics stream.Topics, dir string, log *slog.Logger) (*View, error) {
	partitions, err := stream.Partitions(ctx, kafka, topics)
	if err != nil {
		return nil, err
	}
	s, err := openStoreWithin(dir, viewMemory)
	if err != nil {
		return nil, err
	}
	p, err := newProjection(s)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	v := &View{
		topics: topics, partitions: stream.NewPartitioner(partitions), admin: admin, log: log,
		store: s, projection: p, former: make(map[int32]bool), changed: make(chan struct{}),
	}
	v.rules.Store(new(Rules))
	v.state = &stream.Tail{Config: kafka, Topic: topics.State(), Position: v.position, Apply: v.apply}
	v.policies = &stream.Tail{Config: kafka, Topic: topics.Policies(), Position: v.fromStart, Apply: v.applyRules}
	return v, nil
}

// Run follows the enrichers until ctx is done. While it cannot, questions have no answer.
func (v *View) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	for _, t := range []*stream.Tail{v.state, v.policies} {
		wait.Go(func() { v.follow(ctx, t) })
	}
	wait.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	v.admin.Close()
	if err := v.store.close(); err != nil {
		return fmt.Errorf("copy of the state: %w", err)
	}
	return nil
}

// follow runs a tail, and starts it again when it fails.
func (v *View) follow(ctx context.Context, t *stream.Tail) {
	const pause = time.Second
	for {
		err := t.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		v.log.Warn("a topic cannot be followed; trying again", "topic", t.Topic, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (v *View) position(partition int32, id string) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tell(nil) // a topic that was made again has other changes
	return v.store.position(partition, id)
}

func (v *View) apply(partition int32, recs []*stream.Record, next int64) error {
	entries, err := unbundle(partition, recs)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.former, partition)
	close(v.changed)
	v.changed = make(chan struct{})
	if err := v.projection.restore(entries, partition, next); err != nil {
		return err
	}
	if ids := headsIn(entries); len(ids) > 0 {
		v.tell(ids)
	}
	return nil
}

// Changed returns a channel that is closed when the view has read more than it has now.
func (v *View) Changed() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed
}

// fromStart reads all policies again: there are few.
func (v *View) fromStart(int32, string) (int64, error) {
	v.rules.Store(new(Rules))
	return 0, nil
}

func (v *View) applyRules(_ int32, recs []*stream.Record, _ int64) error {
	rules := *v.rules.Load()
	for _, r := range recs {
		rules = rules.add(r)
	}
	v.rules.Store(&rules)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tell(nil)
	return nil
}

// A Preview is what the record of a change will say if its newest commit is merged now.
type Preview struct {
	Now      *record.Record // the record as it is
	IfMerged *record.Record // the record after a merge
	Policy   *policy.Policy // that is in force
	// Unreadable is the error of a newer policy that cannot be read; the one before it stays in
	// force.
	Unreadable error
	HeadSince  time.Time // when the newest commit of the change was first observed; zero if it was not
	Position   string    // the answer rests on all events before this one: topic/partition@offset
}

// ErrUnknownChange says that no event about a change was received.
var ErrUnknownChange = errors.New("no event about this change was received")

// Preview returns what the record of a change will say if it is merged now. Everything that the
// broker had accepted before the call counts. It fails if it cannot be known that everything does:
// then nobody may rely on an answer.
func (v *View) Preview(ctx context.Context, id record.ChangeID) (*Preview, error) {
	at, err := v.caughtUp(ctx)
	if err != nil {
		return nil, err
	}
	of, err := v.facts(id)
	if err != nil {
		return nil, err
	}
	p := PreviewOf(of.id, of.facts, *v.rules.Load(), time.Now())
	p.Position = v.positionOf(of, at)
	return p, nil
}

// Merged returns the record of the change whose merge made a commit, or of the commit itself if it
// was pushed without a change. commit is the id of the commit, with all its digits. Everything that
// the broker had accepted before the call counts, as for Preview; IfMerged and Policy are nil.
func (v *View) Merged(ctx context.Context, commit record.ChangeID) (*Preview, error) {
	at, err := v.caughtUp(ctx)
	if err != nil {
		return nil, err
	}
	id, err := v.mergedBy(commit)
	if err != nil {
		return nil, err
	}
	of, err := v.facts(id)
	if err != nil {
		return nil, err
	}
	return &Preview{Now: fold(of.id, of.facts, *v.rules.Load(), time.Now()), Position: v.positionOf(of, at)}, nil
}

// PreviewOf returns what the record of a change with these facts will say if it is merged at a time.
func PreviewOf(id record.ChangeID, f record.Facts, rules Rules, now time.Time) *Preview {
	p := &Preview{Now: fold(id, f, rules, now), Unreadable: errors.Join(append(rules.Unreadable, rules.unread())...)}
	p.HeadSince = f.HeadSince(p.Now.Trail.Change.HeadSHA)
	p.IfMerged, p.Policy = foldIfMerged(id, f, rules, now)
	return p
}

// InForce returns the policy that is in force now. Every policy that the broker had accepted before
// the call counts. unreadable is the error of a newer policy that cannot be read; the one before it
// stays in force.
func (v *View) InForce(ctx context.Context) (p *policy.Policy, unreadable error, err error) {
	_, err = v.published.join(ctx, func(ctx context.Context) (map[int32]int64, error) {
		ends, err := v.admin.Ends(ctx, v.topics.Policies())
		if err != nil {
			return nil, err
		}
		return nil, v.policies.Wait(ctx, 0, ends[v.topics.Policies()][0])
	})
	if err != nil {
		return nil, nil, err
	}
	rules := *v.rules.Load()
	return rules.at(time.Now()).policy, errors.Join(append(rules.Unreadable, rules.unread())...), nil
}

// A located change has its id under the key of its repository, and the partition of that key.
type located struct {
	id        record.ChangeID
	partition int32
	facts     record.Facts
}

// positionOf says how far the partition of a change is read.
func (v *View) positionOf(c located, at map[int32]int64) string {
	return fmt.Sprintf("%s/%d@%d", v.topics.Events(), c.partition, at[c.partition])
}

// mergedBy returns the change whose merge made a commit, as the code host reported it, or the commit
// itself if there is none.
func (v *View) mergedBy(commit record.ChangeID) (record.ChangeID, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.projection
	p.begin(p.tx.arena)
	defer p.rollback()
	at, err := v.locate(commit)
	if err != nil {
		return commit, err
	}
	repo, _, sha := at.id.Split()
	l, err := p.under(at.partition, repo, record.MergeRef(sha))
	if err != nil {
		return commit, err
	}
	found := at.id
	for _, e := range l.Events {
		switch {
		case e.Witness != record.Observed || e.Change == found:
		case found == at.id:
			found = e.Change
		default:
			return commit, fmt.Errorf("the code host reported that two changes were merged as this commit: %s and %s", found, e.Change)
		}
	}
	return found, nil
}

// locate returns a change without its facts, by any name of its repository. It fails if the state
// of its partition cannot be read. v.mu must be locked.
func (v *View) locate(id record.ChangeID) (out located, err error) {
	repo := id.Repository()
	out = located{id: id, partition: v.partitions.Of(string(repo))}
	names, err := v.projection.name(nameAt{out.partition, string(repo)})
	if err != nil {
		return out, err
	}
	if key := names.at(math.MaxInt64); key != "" && key != repo { // the repository had another name before
		out.id = key.Change(string(id[len(repo):]))
		out.partition = v.partitions.Of(string(key))
	}
	return out, v.current(out.partition)
}

// facts finds the facts of a change by any name of its repository.
func (v *View) facts(id record.ChangeID) (out located, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.projection
	p.begin(p.tx.arena)
	defer p.rollback()
	if out, err = v.locate(id); err != nil {
		return out, err
	}
	c, err := p.change(out.partition, out.id)
	if err != nil {
		return out, err
	}
	if c.firstSeen.IsZero() {
		return out, fmt.Errorf("%s: %w", out.id, ErrUnknownChange)
	}
	out.facts, err = p.find(c)
	return out, err
}

// current fails if a partition holds the state of a former version, which an enricher is about to
// convert.
func (v *View) current(partition int32) error {
	former, known := v.former[partition]
	if !known {
		var err error
		if former, err = v.store.hasFormer(partition); err != nil {
			return err
		}
		v.former[partition] = former
	}
	if former {
		return errors.New("the state was written by a former version; the enricher converts it when it starts")
	}
	return nil
}

// maxHops is how often an event may be sent from one partition to another before it is joined: to
// the partition of its repository, or from the name of the repository through its identity to its
// key (route.go).
const maxHops = 4

// caughtUp returns once the view contains everything that the broker had accepted before the call:
// the enrichers have read each event, and the view what they wrote. Calls at the same time share
// one look at the broker. It returns how far each partition of the events is read.
func (v *View) caughtUp(ctx context.Context) (map[int32]int64, error) {
	return v.rounds.join(ctx, v.catchUp)
}

func (v *View) catchUp(ctx context.Context) (map[int32]int64, error) {
	var before map[int32]int64
	for range maxHops {
		ends, err := v.admin.Ends(ctx, v.topics.Events(), v.topics.Policies())
		if err != nil {
			return nil, err
		}
		if err := v.policies.Wait(ctx, 0, ends[v.topics.Policies()][0]); err != nil {
			return nil, err
		}
		events := ends[v.topics.Events()]
		if maps.Equal(events, before) { // nothing was sent on
			break
		}
		if err := v.enriched(ctx, events); err != nil {
			return nil, err
		}
		before = events
	}
	// The offsets of a transaction are visible before its end is written to every topic. What is
	// before the end of the topic now contains the transaction, and the tail waits for its end.
	ends, err := v.admin.Ends(ctx, v.topics.State())
	if err != nil {
		return nil, err
	}
	for p, end := range ends[v.topics.State()] {
		if err := v.state.Wait(ctx, p, end); err != nil {
			return nil, err
		}
	}
	return before, nil
}

// enriched returns once enrichers have read the events up to these ends.
func (v *View) enriched(ctx context.Context, ends map[int32]int64) error {
	const pause = 4 * time.Millisecond
	for {
		done, err := v.admin.Committed(ctx, Group(v.topics), v.topics.Events())
		if err != nil {
			return err
		}
		behind := int32(-1)
		for p, end := range ends {
			if at, known := done[p]; end > 0 && (!known || at < end) {
				behind = p
			}
		}
		if behind < 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the enrichers have not read all events yet: partition %d of %s is read up to offset %d of %d: %w", behind, v.topics.Events(), max(done[behind], 0), ends[behind], context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// rounds lets calls share one answer that was asked for after all of them had begun.
type rounds struct {
	mu   sync.Mutex
	next *round // has not begun
	busy bool   // a round is under way
}

// A round is one look at the broker.
type round struct {
	done chan struct{}
	at   map[int32]int64
	err  error
}

// join returns the result of a round that begins after the call.
func (r *rounds) join(ctx context.Context, look func(context.Context) (map[int32]int64, error)) (map[int32]int64, error) {
	r.mu.Lock()
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
	}
	mine := r.next
	if !r.busy {
		r.busy = true
		go r.run(look)
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.at, mine.err
	case <-ctx.Done():
		return nil, fmt.Errorf("it is not known whether everything is read: %w", context.Cause(ctx))
	}
}

// patience bounds a round. A caller may give up sooner.
const patience = 10 * time.Second

// run makes rounds until nobody waits.
func (r *rounds) run(look func(context.Context) (map[int32]int64, error)) {
	for {
		r.mu.Lock()
		mine := r.next
		if r.next = nil; mine == nil {
			r.busy = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		mine.at, mine.err = look(ctx)
		cancel()
		close(mine.done)
	}
}
