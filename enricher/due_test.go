package enricher

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A clockwork is an enricher whose clock a test moves.
type clockwork struct {
	t      *testing.T
	e      *Enricher
	store  *store
	now    time.Time
	state  []*stream.Record // the changelog
	events []record.Event
	sent   []*record.Record // revisions
	n      int64
}

const brokenID = record.ChangeID(testRepo + "/pull/7")

func newClockwork(t *testing.T) *clockwork {
	t.Helper()
	c := &clockwork{t: t, now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}
	c.start(openTestStore(t))
	return c
}

// start begins with a local store, as after a restart.
func (c *clockwork) start(s *store) {
	c.t.Helper()
	e, err := newEnricher(Config{
		Topics: stream.Topics{Prefix: "b"}, Namespace: "default", Policy: new(policy.Policy), Controls: new(controls.Matrix), Keys: millKey, Log: slog.New(slog.DiscardHandler),
	}, s, 1)
	if err != nil {
		c.t.Fatal(err)
	}
	e.owned[0], e.now = true, func() time.Time { return c.now }
	c.e, c.store = e, s
}

// says lets a sender state a fact about the change now.
func (c *clockwork) says(sender string, f record.Fact) {
	c.t.Helper()
	data, err := json.Marshal(f)
	if err != nil {
		c.t.Fatal(err)
	}
	c.n++
	env := schemas.Envelope{
		SpecVersion: "1.0", ID: fmt.Sprint(c.n), Source: "/" + sender, Type: record.TypeOf(f), Subject: string(brokenID), PartitionKey: string(testRepo), Time: c.now, Data: data,
		AuthType: schemas.AuthSystem, AuthID: sender,
	}
	m := (&pendingRuns{keys: millKey, partitions: stream.NewPartitioner(1), topics: stream.Topics{Prefix: "b"}}).send(env, true, string(testRepo), "")
	m.Headers = slices.DeleteFunc(m.Headers, func(h kgo.RecordHeader) bool { return h.Key == stream.HeaderRerouted })
	m.Timestamp, m.Offset = c.now, c.n
	d, err := decode(c.t.Context(), m, ingest.Reader{Keys: millKey}, nil)
	if err != nil || d.refusal != nil {
		c.t.Fatal(err, d.refusal)
	}
	c.events = append(c.events, d.event)
	c.apply(true, m)
}

// apply runs one transaction, and returns the gaps of the revisions that it sent.
func (c *clockwork) apply(commit bool, batch ...*stream.Record) (gaps [][]string) {
	c.t.Helper()
	out, err := c.e.Apply(c.t.Context(), batch)
	if err != nil {
		c.t.Fatal(err)
	}
	if !commit {
		c.e.Aborted()
		return nil
	}
	c.state = append(c.state, changelog(c.t, out)...)
	for _, m := range out {
		if m.Topic == "b.records" {
			r := new(record.Record)
			if err := json.Unmarshal(bytes.Clone(m.Value), r); err != nil {
				c.t.Fatal(err)
			}
			c.sent = append(c.sent, r)
			gaps = append(gaps, broken(r))
		}
	}
	if err := c.e.Committed(nil); err != nil {
		c.t.Fatal(err)
	}
	return gaps
}

// passes lets time pass, with nothing to read.
func (c *clockwork) passes(d time.Duration) (gaps [][]string) {
	c.t.Helper()
	c.now = c.now.Add(d)
	return c.apply(true)
}

func broken(r *record.Record) []string {
	return slices.DeleteFunc(slices.Clone(r.Trail.Gaps), func(g string) bool { return g != record.GapBreakGlass && g != record.GapBreakGlassOverdue })
}

// whole folds all events at once, as a rebuild does.
func (c *clockwork) whole() *record.Record {
	rules := Always(new(policy.Policy), new(controls.Matrix))
	return fold(brokenID, record.Gather(brokenID, c.events), rules, c.now)
}

func (c *clockwork) same(t *testing.T) {
	t.Helper()
	want, got := c.whole(), c.sent[len(c.sent)-1]
	if !slices.Equal(got.Trail.Gaps, want.Trail.Gaps) || got.Trail.EvidenceDigest != Digest(want) {
		t.Errorf("sent %v %+v, and all events at once make %v %+v", got.Trail.Gaps, got.Trail.BreakGlass, want.Trail.Gaps, want.Trail.BreakGlass)
	}
}

// brokenGlass is a change that was merged by the order of a person at 9:20. A review is due at noon.
func brokenGlass(t *testing.T) *clockwork {
	t.Helper()
	c := newClockwork(t)
	c.says("github", &record.Opened{Revision: record.Revision{Author: "fixer[bot]", AuthorType: "agent", HeadSHA: head}})
	c.now = c.now.Add(10 * time.Minute)
	c.says(identity.Own, &record.BreakGlass{Person: "dan", Reason: "payments are down", CommitSHA: head, ReviewBy: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)})
	c.now = c.now.Add(10 * time.Minute)
	c.says("github", &record.Merged{Revision: record.Revision{HeadSHA: head}})
	if got := broken(c.sent[len(c.sent)-1]); !slices.Equal(got, []string{record.GapBreakGlass}) {
		t.Fatalf("gaps %v", got)
	}
	return c
}

var overdue = []string{record.GapBreakGlass, record.GapBreakGlassOverdue}

func TestTheFindingGrowsGraverWhenTheTimeIsOver(t *testing.T) {
	c := brokenGlass(t)
	if got := c.passes(2 * time.Hour); got != nil {
		t.Errorf("before the time is over, the record changes: %v", got)
	}
	if c.apply(false); len(c.sent) == 0 {
		t.Fatal("nothing was sent")
	}
	c.now = c.now.Add(time.Hour) // 12:20
	c.apply(false)               // the transaction fails, and the deadline stays
	if got := c.passes(0); len(got) != 1 || !slices.Equal(got[0], overdue) {
		t.Fatalf("after the time is over: %v", got)
	}
	c.same(t)
	if got := c.passes(time.Hour); got != nil {
		t.Errorf("it changes once more: %v", got)
	}
	if x, err := c.e.state.due(0, c.now.AddDate(1, 0, 0)); err != nil || len(x) != 0 {
		t.Errorf("deadlines are left: %v %v", x, err)
	}
	c.says("github", &record.Review{Reviewer: "cleo", ReviewerType: "human", Verdict: "approved", CommitSHA: head})
	if got := broken(c.sent[len(c.sent)-1]); !slices.Equal(got, overdue) {
		t.Errorf("after a review that came too late: %v", got)
	}
	c.same(t)
}

func TestAReviewInTimeEndsTheDeadline(t *testing.T) {
	c := brokenGlass(t)
	c.now = c.now.Add(time.Hour)
	c.says("github", &record.Review{Reviewer: "cleo", ReviewerType: "human", Verdict: "approved", CommitSHA: head})
	if got := c.passes(24 * time.Hour); got != nil {
		t.Errorf("the record changes: %v", got)
	}
	if b := c.sent[len(c.sent)-1].Trail.BreakGlass; b == nil || b.Overdue || b.ReviewedBy != "cleo" {
		t.Errorf("%+v", b)
	}
	c.same(t)
}

// TestADeadlineSurvives a restart, with the local store or without it.
func TestADeadlineSurvives(t *testing.T) {
	for name, moves := range map[string]func(*clockwork){
		"a restart": func(c *clockwork) { c.start(c.store) },
		"the loss of the local store": func(c *clockwork) {
			c.start(openTestStore(t))
			if err := c.e.Restore(0, c.state, int64(len(c.state))); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := brokenGlass(t)
			moves(c)
			if got := c.passes(2 * time.Hour); got != nil {
				t.Errorf("too early: %v", got)
			}
			if got := c.passes(time.Hour); len(got) != 1 || !slices.Equal(got[0], overdue) {
				t.Errorf("after the time is over: %v", got)
			}
			c.same(t)
		})
	}
}

// TestAnEnricherThatIsBehindWaits: it has not read yet what may have met the deadline.
func TestAnEnricherThatIsBehindWaits(t *testing.T) {
	c := brokenGlass(t)
	c.now = c.now.AddDate(0, 0, 2)
	c.e.swept[0] = sweepState{newest: c.now.AddDate(0, 0, -2), busy: c.now, at: c.now}
	if got := c.passes(time.Second); got != nil {
		t.Errorf("it reads events of two days ago, and says %v", got)
	}
	if got := c.passes(time.Minute); len(got) != 1 || !slices.Equal(got[0], overdue) {
		t.Errorf("nothing is left to read, and it says %v", got)
	}
}
