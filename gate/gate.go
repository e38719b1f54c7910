package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// A View tells what is known of a change, up to the newest event. An [enricher.View] is one.
type View interface {
	Preview(ctx context.Context, id record.ChangeID) (*enricher.Preview, error)
	// Merged returns the change whose merge made a commit, or the commit itself.
	Merged(ctx context.Context, commit record.ChangeID) (*enricher.Preview, error)
	// Changed is closed when something is known that was not known before the call.
	Changed() <-chan struct{}
}

// A Recorder puts a fact about a change on the stream, as changetrail's own. id names the fact: the
// same id twice is one fact.
type Recorder interface {
	Record(ctx context.Context, change record.ChangeID, fact record.Fact, id string) error
}

// Approvals brings what people approved before the work onto the stream.
type Approvals interface {
	// Apply puts the approvals that an open change may use, and the revocations of those that it
	// uses, on the stream. It reports whether it wrote something: then the preview is out of date.
	Apply(ctx context.Context, p *enricher.Preview) (again bool, err error)
	// Changed is closed when there is another approval, or another end of one.
	Changed() <-chan struct{}
}

// A Gate answers questions. Each answer that differs from the last one about its change is recorded
// before it is given, so that no merge can rest on an answer that nobody can find later.
type Gate struct {
	View      View
	Recorder  Recorder
	Approvals Approvals // nil means that nobody approves before the work
	Now       func() time.Time
}

// A Question asks whether a change may be merged or, if Deploy is set, whether a commit may be
// deployed. Change is then the id of the commit, with all its digits.
type Question struct {
	Change record.ChangeID
	Deploy bool
	Commit string // that the asker is about to merge; empty if unknown
	// Wait is how long the gate may wait for a change of its answer from Last, unless it allows.
	Wait time.Duration
	Last string // the digest of the answer that the asker has; see [Decision.Digest]
}

// ErrUnknown is wrapped by errors that say that the gate cannot tell. Whoever asks must not merge.
var ErrUnknown = errors.New("the gate cannot tell")

// Ask answers a question. An error means that nobody knows whether the change may be merged: no
// merge may rest on it.
func (g *Gate) Ask(ctx context.Context, q Question) (Decision, error) {
	over := time.NewTimer(q.Wait)
	defer over.Stop()
	for {
		changed, approved := g.changed() // before the answer, so that nothing after it is missed
		d, err := g.answer(ctx, q)
		if err != nil || d.Allowed || q.Wait <= 0 || q.Last != "" && d.Digest() != q.Last {
			return d, err
		}
		select {
		case <-changed:
			pause(ctx, settling)
		case <-approved:
			pause(ctx, settling)
		case <-over.C:
			q.Wait = 0 // what time alone changed, such as a policy in force from now on
		case <-ctx.Done():
			return d, nil
		}
	}
}

// changed returns channels that are closed when another answer is possible.
func (g *Gate) changed() (seen, approved <-chan struct{}) {
	if g.Approvals != nil {
		approved = g.Approvals.Changed()
	}
	return g.View.Changed(), approved
}

// settling is how long a question that waits lets more events come before it is answered again.
const settling = 50 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (g *Gate) answer(ctx context.Context, q Question) (Decision, error) {
	if q.Deploy {
		p, err := g.View.Merged(ctx, q.Change)
		if err != nil {
			return Decision{}, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		_, _, commit := q.Change.Split()
		return DecideDeployment(p, commit, g.Now()), nil
	}
	p, err := g.preview(ctx, q.Change)
	if err != nil {
		return Decision{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	d := Decide(p, q.Commit, g.Now())
	if d.over || d.sameAs(p.Now.Trail.Gate) {
		return d, nil
	}
	// Two gates that are asked at the same time record two facts: their times and positions differ.
	id := "gate:" + digests.Of(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", d.Change, d.Digest(), d.Position, d.At.UnixNano()))
	if err := g.Recorder.Record(ctx, d.Change, d.fact(), id); err != nil {
		return Decision{}, fmt.Errorf("%w: the answer cannot be recorded: %w", ErrUnknown, err)
	}
	return d, nil
}

// mostApprovals is how often one question may make a change use approvals.
const mostApprovals = 50

// preview returns what is known of a change, with the approvals that it may use and without those that
// were revoked.
func (g *Gate) preview(ctx context.Context, change record.ChangeID) (*enricher.Preview, error) {
	for range mostApprovals {
		p, err := g.View.Preview(ctx, change)
		if err != nil || g.Approvals == nil {
			return p, err
		}
		again, err := g.Approvals.Apply(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("it is not known which approvals the change may use: %w", err)
		}
		if !again {
			return p, nil
		}
	}
	return nil, errors.New("the approvals of the change do not come to rest; ask again")
}

// fact returns a decision as it is recorded.
func (d Decision) fact() *record.GateDecision {
	f := &record.GateDecision{
		Verdict: d.Verdict, Allowed: d.Allowed, PolicyDigest: d.PolicyDigest, CommitSHA: d.commit, Rule: d.Rule, Position: d.Position,
	}
	for _, r := range d.Reasons {
		f.Reasons = append(f.Reasons, clip(r))
	}
	for _, m := range d.Missing {
		f.Reasons = append(f.Reasons, clip("Missing: "+m.Give()+"."))
	}
	f.Reasons = f.Reasons[:min(len(f.Reasons), maxReasons)]
	return f
}

// Limits of the reasons of a recorded decision; see [record.GateDecision].
const (
	maxReasons = 50
	maxReason  = 1024
)

func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason-3], "") + "…"
}

// Digest identifies what a decision says, without its time and its position: two decisions with one
// digest are the same answer.
func (d Decision) Digest() string { return digestOf(d.fact()) }

func digestOf(f *record.GateDecision) string {
	said := append([]string{f.Verdict, strconv.FormatBool(f.Allowed), f.PolicyDigest, strings.ToLower(f.CommitSHA), f.Rule}, f.Reasons...)
	return digests.Of([]byte(strings.Join(said, "\x00")))
}
