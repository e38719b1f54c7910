package approvals

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// Errors of writing. Other errors say that nobody knows whether the entry was written: the same
// entry with the same id may be written again.
var (
	ErrUnknown = errors.New("there is no such approval or request")
	ErrTaken   = errors.New("the id is taken by another entry")
)

// A Book is a copy of the topic of approvals, and writes to it. Its answers contain what it has read
// so far; [Book.CatchUp] brings it up to date.
type Book struct {
	topic string
	keys  signing.Keys
	log   *slog.Logger
	tail  *stream.Tail
	admin *stream.Admin
	to    *stream.Writer

	mu      sync.Mutex
	ledger  *ledger
	next    int64  // offset up to which the topic is read
	of      string // id of the topic
	changed chan struct{}
	foreign int   // entries without a valid signature
	failed  error // of an entry that is signed and cannot be read
}

// Open returns the book of a topic. Run brings it up to date. keys sign what it writes.
func Open(kafka stream.Config, topics stream.Topics, keys signing.Keys, log *slog.Logger) (*Book, error) {
	if !keys.CanSign() {
		return nil, errors.New("approvals need a signing key, so that they are believed; set signing_key_file")
	}
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		return nil, err
	}
	to, err := stream.NewWriter(kafka)
	if err != nil {
		admin.Close()
		return nil, err
	}
	b := &Book{topic: topics.Approvals(), keys: keys, log: log, admin: admin, to: to, ledger: newLedger(), changed: make(chan struct{})}
	b.tail = &stream.Tail{Config: kafka, Topic: b.topic, Position: b.position, Apply: b.apply}
	return b, nil
}

// Run follows the topic until ctx is done, and closes the book. While it cannot follow, CatchUp and
// what is written fail.
func (b *Book) Run(ctx context.Context) error {
	defer b.admin.Close()
	defer b.to.Close()
	const pause = time.Second
	for {
		err := b.tail.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		b.log.Warn("the approvals cannot be followed; trying again", "topic", b.topic, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// position continues where the book is. A topic that was made again is read from its start.
func (b *Book) position(_ int32, id string) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of != id {
		b.ledger, b.next, b.of, b.foreign, b.failed = newLedger(), 0, id, 0, nil
	}
	return b.next, nil
}

func (b *Book) apply(_ int32, recs []*stream.Record, next int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range recs {
		e, err := read(b.keys, b.topic, r.Value, stream.Header(r, stream.HeaderSignature))
		at := fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
		switch {
		case errors.Is(err, errForeign):
			b.foreign++
			b.log.Error("somebody without a key wrote to the topic of approvals; the entry counts for nothing. Find out who may write to the topic (docs/operations.md)", "entry", at)
		case err != nil:
			b.failed = errors.Join(b.failed, fmt.Errorf("the entry %s of a gate with a key cannot be read: %w; a newer version of changetrail may have written it: run that version here too", at, err))
			b.log.Error("an approval cannot be read, so that none counts here", "entry", at, "err", err)
		default:
			b.ledger.add(e, r.Timestamp.UTC())
		}
	}
	b.next = next
	close(b.changed)
	b.changed = make(chan struct{})
	return nil
}

// Changed returns a channel that is closed when the book has read more than it has now.
func (b *Book) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Foreign returns how many entries of the topic nobody with a key signed.
func (b *Book) Foreign() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.foreign
}

// Inspect reads the whole topic, and returns how many entries it has and how many of them nobody with a
// key signed. It fails if the topic, or an entry that is signed, cannot be read.
func Inspect(ctx context.Context, kafka stream.Config, topics stream.Topics, keys signing.Keys) (all, foreign int, err error) {
	var unreadable error
	_, err = kafka.Partition(topics.Approvals(), 0).Scan(ctx, -1, func(recs []*stream.Record) error {
		for _, r := range recs {
			all++
			switch _, err := read(keys, topics.Approvals(), r.Value, stream.Header(r, stream.HeaderSignature)); {
			case errors.Is(err, errForeign):
				foreign++
			case err != nil:
				unreadable = errors.Join(unreadable, fmt.Errorf("%s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err))
			}
		}
		return nil
	})
	return all, foreign, errors.Join(err, unreadable)
}

// CatchUp returns once the book contains everything that the broker had accepted before the call. It
// fails if that cannot be known, or if an entry cannot be read: nobody may rely on a grant then.
func (b *Book) CatchUp(ctx context.Context) error {
	ends, err := b.admin.Ends(ctx, b.topic)
	if err != nil {
		return err
	}
	return b.reads(ctx, ends[b.topic][0])
}

// reads returns once everything before an offset is read.
func (b *Book) reads(ctx context.Context, offset int64) error {
	if err := b.tail.Wait(ctx, 0, offset); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// Grants returns all grants, the newest first.
func (b *Book) Grants(now time.Time) []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledger.all(now)
}

// Requests returns the requests that wait for an answer, the oldest first.
func (b *Book) Requests(now time.Time) []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledger.open(now)
}

// Asked is a request, and what became of it.
type Asked struct {
	Request
	Granted bool     // a grant answers it
	Refusal *Refusal // nil if nobody refused it
}

// Asked returns a request. It returns false if there is none with this id.
func (b *Book) Asked(id string) (Asked, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, known := b.ledger.requests[id]
	out := Asked{Request: r, Granted: b.ledger.answered[id]}
	if refusal, refused := b.ledger.refused[id]; refused {
		out.Refusal = &refusal
	}
	return out, known
}

// For returns the grants for an agent and a repository that are in force and have a use left, in the
// order in which they should be used. It knows nothing of scopes and kinds.
func (b *Book) For(agent string, names []record.Repository, now time.Time) []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.ledger.all(now)
	return slices.DeleteFunc(out, func(s Standing) bool {
		return s.Status != InForce || !strings.EqualFold(s.Agent, agent) || !slices.ContainsFunc(names, func(n record.Repository) bool { return strings.EqualFold(string(n), string(s.Repository)) })
	})
}

// Usable returns the grants that a change may use: they are in force, and it uses them already or a
// use is left.
func (b *Book) Usable(change record.ChangeID, now time.Time) []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(b.ledger.all(now), func(s Standing) bool {
		return s.Status != InForce && (s.Status != UsedUp || !s.left(change))
	})
}

// UsedBy returns the grants that a change uses, whatever became of them since.
func (b *Book) UsedBy(change record.ChangeID, now time.Time) []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Standing
	for _, id := range b.ledger.users[change] {
		out = append(out, b.ledger.grants[id].at(now))
	}
	return out
}

// find returns a grant.
func (b *Book) find(id string, now time.Time) (Standing, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.ledger.grants[id]
	if s == nil {
		return Standing{}, false
	}
	return s.at(now), true
}

// append writes an entry, and returns once the book has read it.
func (b *Book) append(ctx context.Context, e entry) error {
	if err := e.check(); err != nil {
		return err
	}
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("approvals: %w", err)
	}
	// No two messages have one key, so that compaction, if somebody turns it on, removes nothing.
	r := &stream.Record{Topic: b.topic, Key: []byte(rand.Text()), Value: value}
	stream.AddHeader(r, stream.HeaderSignature, sign(b.keys, b.topic, value))
	if err := b.to.Append(ctx, r); err != nil {
		return err
	}
	return b.reads(ctx, r.Offset+1)
}

// Grant writes a grant. The same grant again, with the same id, is one grant.
func (b *Book) Grant(ctx context.Context, g Grant) (Standing, error) {
	g.At, g.Until = time.Time{}, g.Until.UTC()
	if err := b.CatchUp(ctx); err != nil {
		return Standing{}, err
	}
	if _, known := b.find(g.ID, g.Until); !known {
		if err := b.append(ctx, entry{Grant: &g}); err != nil {
			return Standing{}, err
		}
	}
	s, _ := b.find(g.ID, time.Now())
	if !same(s.Grant, g) {
		return s, fmt.Errorf("%s: %w", g.ID, ErrTaken)
	}
	return s, nil
}

// same reports whether two grants are one, whenever they were received.
func same(a, b Grant) bool {
	a.At, b.At = time.Time{}, time.Time{}
	one, err1 := json.Marshal(a)
	other, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(one, other)
}

// Revoke ends a grant. A grant that is revoked already stays as it is.
func (b *Book) Revoke(ctx context.Context, r Revocation) (Standing, error) {
	r.At = time.Time{}
	if err := b.CatchUp(ctx); err != nil {
		return Standing{}, err
	}
	s, known := b.find(r.Grant, time.Now())
	switch {
	case !known:
		return s, fmt.Errorf("approval %s: %w", r.Grant, ErrUnknown)
	case s.Revocation != nil:
		return s, nil
	}
	if err := b.append(ctx, entry{Revocation: &r}); err != nil {
		return Standing{}, err
	}
	s, _ = b.find(r.Grant, time.Now())
	return s, nil
}

// Ask writes a request. The same id again changes nothing.
func (b *Book) Ask(ctx context.Context, r Request) error {
	r.At = time.Time{}
	if err := b.CatchUp(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	_, known := b.ledger.requests[r.ID]
	b.mu.Unlock()
	if known {
		return nil
	}
	return b.append(ctx, entry{Request: &r})
}

// Refuse writes the refusal of a request. A request that is refused already stays so.
func (b *Book) Refuse(ctx context.Context, r Refusal) error {
	r.At = time.Time{}
	if err := b.CatchUp(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	_, known := b.ledger.requests[r.Request]
	_, refused := b.ledger.refused[r.Request]
	b.mu.Unlock()
	switch {
	case !known:
		return fmt.Errorf("request %s: %w", r.Request, ErrUnknown)
	case refused:
		return nil
	}
	return b.append(ctx, entry{Refusal: &r})
}

// Use makes a change use a grant, and reports whether that counts: the grant was in force, and a use
// was left, when the broker received it.
func (b *Book) Use(ctx context.Context, u Use) (counts bool, err error) {
	uses := func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Contains(b.ledger.users[u.Change], u.Grant)
	}
	if uses() {
		return true, nil
	}
	if err := b.append(ctx, entry{Use: &u}); err != nil {
		return false, err
	}
	return uses(), nil
}
