package enricher

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

const testRepo = record.Repository("github.com/acme/payments")

// TestAnyOrderGivesTheSameRecord is the property that all else rests on: the
// same set of events, in any order, with any repeats, split by commits, aborts
// and restarts in any place, gives the record that [record.Gather] and
// [record.Fold] give for the set.
func TestAnyOrderGivesTheSameRecord(t *testing.T) {
	histories := 300
	if testing.Short() {
		histories = 30
	}
	for seed := range uint64(histories) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		events := history(t, rnd)
		in := append([]record.Event{}, events...)
		for range rnd.IntN(len(events)) {
			in = append(in, events[rnd.IntN(len(events))])
		}
		rnd.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
		p := replay(t, rnd, in)
		for i := range changesOf(events) {
			id := changesOf(events)[i]
			c, err := p.change(0, id)
			if err != nil {
				t.Fatal(err)
			}
			got, want := record.Fold(id, c.facts), record.Fold(id, record.Gather(id, events))
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("seed %d, %s (-set +incremental):\n%s", seed, id, diff)
			}
		}
	}
}

// replay runs in through a projection as an enricher would, in transactions of
// random size, some of which abort, with a new process now and then.
func replay(t *testing.T, rnd *rand.Rand, in []record.Event) *projection {
	t.Helper()
	dir := t.TempDir()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	p := newProjection(s)
	for len(in) > 0 {
		n := 1 + rnd.IntN(min(len(in), 8))
		for _, e := range in[:n] {
			if _, err := p.admit(0, e, e.Time, nil); err != nil {
				t.Fatal(err)
			}
		}
		if rnd.IntN(4) == 0 {
			p.reset() // aborted: the batch is read again
			continue
		}
		entries, err := p.entries(new(slab))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.commit(entries, nil); err != nil {
			t.Fatal(err)
		}
		in = in[n:]
		if rnd.IntN(5) == 0 {
			p = newProjection(s) // as after a restart: nothing is cached
		}
	}
	return p
}

func changesOf(events []record.Event) []record.ChangeID {
	var ids []record.ChangeID
	seen := make(map[record.ChangeID]bool)
	for _, e := range events {
		if e.Change != "" && !seen[e.Change] {
			seen[e.Change] = true
			ids = append(ids, e.Change)
		}
	}
	return ids
}

// history is a random set of events about a few changes of one repository,
// which share commits, reports and findings now and then.
func history(t *testing.T, rnd *rand.Rand) []record.Event {
	t.Helper()
	base := time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC)
	sha := func(n int) string { return fmt.Sprintf("%040x", n+1) }
	digest := func(n int) string { return fmt.Sprintf("sha256:%064x", n+1) }
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	agent := record.Agent{ID: pick("agent-bot-3000", "agent-bot-7"), Model: "m", DelegatedBy: "ana"}
	var out []record.Event
	for i := range 5 + rnd.IntN(30) {
		e := record.Event{
			Source: pick("/agents/a", "/ci", "/host"), ID: fmt.Sprint(rnd.IntN(40)), Repository: testRepo,
			Change: record.ChangeID(fmt.Sprintf("%s/pull/%d", testRepo, 1+rnd.IntN(3))),
			Time:   base.Add(time.Duration(rnd.IntN(40)) * time.Minute),
		}
		commit := sha(rnd.IntN(4))
		switch rnd.IntN(12) {
		case 0:
			e.Fact = &record.Decision{
				Agent:   agent,
				Trigger: &record.Trigger{Kind: "scan", Digest: pick("", digest(rnd.IntN(2))), ID: pick("", "scan-1"), Finding: pick("", "CVE-2021-23337", "ghsa-35jh-r3h4-6jhm", "CVE-1")},
				Options: []record.Option{{ID: "a", Outcome: "chosen"}, {ID: "b", Outcome: "rejected", Reason: "r"}},
			}
		case 1, 2:
			e.Fact = &record.Action{
				Agent: agent, Tool: pick("edit", "run"), Outcome: pick("success", "failure", ""), Files: []string{pick("a.go", "b.go")},
				Dependencies: []record.DependencyUpdate{{Name: "lodash", To: pick("1", "2")}},
			}
		case 3, 4:
			e.Fact = &record.Scan{
				Tool: record.Tool{Name: "osv-scanner"}, ScanID: pick("", "scan-1"), CommitSHA: pick("", commit), Report: record.Report{Digest: digest(rnd.IntN(2)), Format: "osv-scanner"},
				Summary:  record.ScanSummary{Findings: 1, Highest: "high", Scanned: true},
				Findings: []record.Finding{{ID: "CVE-2021-23337", Aliases: []string{"GHSA-35jh-r3h4-6jhm"}, Severity: pick("high", "low"), Package: "lodash", Fingerprint: pick("f1", "f2")}},
			}
			if rnd.IntN(3) > 0 {
				e.Change = ""
			}
		case 5, 6:
			e.Fact = &record.Validation{Name: pick("unit", "lint"), CommitSHA: commit, Conclusion: pick("success", "failure"), Passed: int64(rnd.IntN(9))}
			if rnd.IntN(2) == 0 {
				e.Change = ""
			}
		case 7:
			e.Fact = &record.Review{Reviewer: pick("ana", "bob"), Verdict: pick("approved", "changes-requested", "commented", "dismissed"), CommitSHA: commit}
		case 8:
			e.Fact = &record.Opened{Revision: record.Revision{Title: pick("t1", "t2"), HeadSHA: commit, Author: "ana"}}
		case 9:
			e.Fact = &record.Updated{Revision: record.Revision{HeadSHA: commit}}
		case 10:
			e.Fact = &record.Merged{MergeSHA: commit, MergedBy: "bob"}
		case 11:
			e.Fact = &record.Deployment{Environment: "production", CommitSHA: commit, Outcome: pick("success", "failure")}
			if rnd.IntN(2) == 0 {
				e.Change = ""
			}
		}
		e.Type = record.TypeOf(e.Fact)
		e.Source += fmt.Sprint(i % 50)
		if err := schemas.Fingerprint(&e, e.Time); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}
