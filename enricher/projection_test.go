package enricher

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestAnyOrderGivesTheSameRecord is the property on which everything else depends: the same set
// of events, in any order, with any repeats, split by commits, aborts and restarts anywhere,
// gives the record that [Fold] gives for the set, with the same answers, gaps and digest.
func TestAnyOrderGivesTheSameRecord(t *testing.T) {
	n := histories
	if testing.Short() {
		n = 30
	}
	pol, matrix := rules(t)
	const perStore = 250 // opening a store takes longer than a history
	var records atomic.Int64
	t.Run("histories", func(t *testing.T) {
		for first := 0; first < n; first += perStore {
			t.Run(fmt.Sprint(first), func(t *testing.T) {
				t.Parallel()
				s, err := openStore(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				defer s.close()
				for seed := first; seed < min(n, first+perStore); seed++ {
					records.Add(oneHistory(t, s, uint64(seed), pol, matrix))
				}
			})
		}
	})
	t.Logf("%d histories, %d records, each as the fold of its events", n, records.Load())
}

func oneHistory(t *testing.T, s *store, seed uint64, pol *policy.Policy, matrix *controls.Matrix) int64 {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 7))
	events := history(t, rnd, record.Repository(fmt.Sprintf("github.com/acme/payments-%d", seed)))
	for i := range events { // some arrive late
		events[i].Arrived = events[i].Time.Truncate(time.Second).Add(time.Duration(rnd.IntN(4)*rnd.IntN(60)) * time.Minute)
	}
	in := append([]record.Event{}, events...)
	for range rnd.IntN(len(events)) {
		in = append(in, events[rnd.IntN(len(events))])
	}
	rnd.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
	p := replay(t, s, rnd, in)
	ids := changesOf(events)
	for _, id := range ids {
		got, want := fold(id, factsOf(t, p, 0, id), Always(pol, matrix), time.Now()), Fold(id, events, pol, matrix)
		if Digest(got) != Digest(want) {
			t.Fatalf("seed %d, %s (-set +incremental):\n%s", seed, id, cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(record.Judged{})))
		}
	}
	return int64(len(ids))
}

// rules returns a policy and a matrix under which much depends on the events.
func rules(t *testing.T) (*policy.Policy, *controls.Matrix) {
	t.Helper()
	pol, err := policy.Parse([]byte(`
services: [{name: payments, repositories: ["github.com/acme/payments-*"], classification: critical, data_classes: [cardholder], owner: team}]
agents: [{id: agent-bot-3000, services: ["*"], delegates: [ana]}, {id: agent-bot-7, services: [other]}]
teams: [{id: team, members: [bob]}]
rules:
  - {name: b, when: 'change.paths.exists(p, p == "b.go")', verdict: approval-required, reason: b needs leave, by: [owners]}
  - {name: lodash, when: '"lodash" in change.dependencies', verdict: autonomous, reason: known}
`))
	if err != nil {
		t.Fatal(err)
	}
	matrix, err := controls.Parse([]byte("controls: [{tag: pci-dss-6.3.2}, {tag: pci-dss-6.5.1, applies: {initiated_by: [agent]}}, {tag: soc2-cc8.1, applies: {environments: [production]}}]"))
	if err != nil {
		t.Fatal(err)
	}
	return pol, matrix
}

// replay runs in through a projection as an enricher would: in transactions of random size, some
// of which abort, with a new process now and then.
func replay(t *testing.T, s *store, rnd *rand.Rand, in []record.Event) *projection {
	t.Helper()
	return replayWith(t, testProjection(t, s), rnd, in, 8)
}

func replayWith(t *testing.T, p *projection, rnd *rand.Rand, in []record.Event, batch int) *projection {
	t.Helper()
	for len(in) > 0 {
		n := 1 + rnd.IntN(min(len(in), batch))
		for _, e := range in[:n] {
			if _, err := p.admit(arrival{at: e.Time}, e); err != nil {
				t.Fatal(err)
			}
		}
		if rnd.IntN(4) == 0 {
			if rnd.IntN(2) == 0 {
				if err := p.settle(); err != nil {
					t.Fatal(err)
				}
			}
			p.rollback() // aborted: the batch is read again
			continue
		}
		if err := p.keep(); err != nil {
			t.Fatal(err)
		}
		in = in[n:]
		if rnd.IntN(5) == 0 {
			limit := p.limit
			p = testProjection(t, p.store) // like a restart: nothing is cached
			p.limit = limit
		}
	}
	return p
}

func testProjection(t *testing.T, s *store) *projection {
	t.Helper()
	p, err := newProjection(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// factsOf returns the facts of a change.
func factsOf(t *testing.T, p *projection, partition int32, id record.ChangeID) record.Facts {
	t.Helper()
	c, err := p.change(partition, id)
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.find(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
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

// A history is a random set of events about a few changes of one repository, which sometimes
// share commits, reports and findings.
func history(t *testing.T, rnd *rand.Rand, repo record.Repository) []record.Event {
	t.Helper()
	var out []record.Event
	for i := range 5 + rnd.IntN(30) {
		e := historyOf(t, rnd, repo, i, rnd.IntN(19))
		out = append(out, e)
		if a, ok := e.Fact.(*record.Action); ok && record.MultiReport(e) {
			out = append(out, otherAccount(t, rnd, e, a))
		}
	}
	return out
}

// otherAccount returns another report of the same action.
func otherAccount(t *testing.T, rnd *rand.Rand, e record.Event, a *record.Action) record.Event {
	t.Helper()
	other := *a
	other.Outcome, other.Files, other.DurationMS = []string{"success", "failure", "refused"}[rnd.IntN(3)], []string{[]string{"a.go", "c.go"}[rnd.IntN(2)]}, 1
	e.Fact, e.Witness, e.Time = &other, []string{record.Claimed, record.Signed}[rnd.IntN(2)], e.Time.Add(time.Second)
	if err := schemas.Fingerprint(&e, e.Time); err != nil {
		t.Fatal(err)
	}
	return e
}

// historyOf returns a history of a kind.
func historyOf(t *testing.T, rnd *rand.Rand, repo record.Repository, i, kind int) record.Event {
	t.Helper()
	base := time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC)
	sha := func(n int) string { return fmt.Sprintf("%040x", n+1) }
	digest := func(n int) string { return fmt.Sprintf("sha256:%064x", n+1) }
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	agent := record.Agent{ID: pick("agent-bot-3000", "agent-bot-7"), Model: "m", DelegatedBy: "ana"}
	e := record.Event{
		Sender: pick("", "agent:a", "platform:ci"), Source: pick("/agents/a", "/ci", "/host"), Repository: repo,
		Change: record.ChangeID(fmt.Sprintf("%s/pull/%d", repo, 1+rnd.IntN(3))), Trace: pick("", "", "trace-1", "trace-2"),
		Time: base.Add(time.Duration(rnd.IntN(40)) * time.Minute),
	}
	commit := sha(rnd.IntN(4))
	agent.Run, agent.LogsURL = pick("", "run-1", "run-2"), pick("", "", "https://logs/1")
	switch kind {
	case 0:
		e.Fact = &record.Decision{
			Agent:   agent,
			Trigger: &record.Trigger{Kind: "scan", Digest: pick("", digest(rnd.IntN(2))), ID: pick("", "scan-1"), Finding: pick("", "CVE-2021-23337", "ghsa-35jh-r3h4-6jhm", "CVE-1")},
			Options: []record.Option{{ID: "a", Title: "lodash 2", Outcome: "chosen"}, {ID: "b", Outcome: "rejected", Reason: pick("r", "")}},
			Claims:  &record.Claims{Tests: pick("", "passed"), Files: []string{"a.go"}},
		}
		if d := e.Fact.(*record.Decision); rnd.IntN(3) == 0 {
			d.Trigger = &record.Trigger{Kind: pick("issue", "ticket", "alert"), ID: pick("", "42", "dependabot/7"), URL: pick("", "https://host/issues/42#c"), Digest: pick("", digest(0))}
		}
		if rnd.IntN(2) == 0 && (agent.Run != "" || agent.LogsURL != "" || e.Trace != "") {
			e.Change = ""
		}
	case 1, 2:
		e.Fact = &record.Action{
			Agent: agent, Tool: pick("edit", "run"), Outcome: pick("success", "failure", ""), Files: []string{pick("a.go", "b.go")},
			Dependencies: []record.DependencyUpdate{{Name: "lodash", To: pick("1", "2")}}, CommitSHA: pick("", "", commit),
		}
		if rnd.IntN(2) == 0 {
			e.Change = ""
		}
	case 3, 4:
		e.Fact = &record.Scan{
			Tool: record.Tool{Name: "osv-scanner"}, Alert: rnd.IntN(3) == 0, URL: pick("", "https://host/issues/42"), ScanID: pick("", "scan-1", "dependabot/7"), CommitSHA: pick("", commit), Report: record.Report{Digest: digest(rnd.IntN(2)), Format: "osv-scanner"},
			Summary:  record.ScanSummary{Findings: 1, Highest: "high", Scanned: true},
			Findings: []record.Finding{{ID: "CVE-2021-23337", Aliases: []string{"GHSA-35jh-r3h4-6jhm"}, Severity: pick("high", "low"), Package: "lodash", Fingerprint: pick("f1", "f2")}},
		}
		if rnd.IntN(3) > 0 {
			e.Change = ""
		}
		if f := e.Fact.(*record.Scan); rnd.IntN(4) == 0 { // a long report
			for n := range 2 * maxNames {
				f.Findings = append(f.Findings, record.Finding{ID: fmt.Sprintf("CVE-%d", n), Severity: "low", Fingerprint: fmt.Sprint("long", n)})
			}
		}
	case 5, 6:
		e.Fact = &record.Validation{Name: pick("unit", "lint"), CommitSHA: commit, Conclusion: pick("success", "failure"), Passed: int64(rnd.IntN(9))}
		if rnd.IntN(2) == 0 {
			e.Change = ""
		}
	case 12:
		e.Fact = &record.Approval{Approver: pick("ana", "bob", "agent-bot-7"), Scope: [][]string{nil, {"payments"}, {"a.go"}}[rnd.IntN(3)], ExpiresAt: base.Add(time.Duration(rnd.IntN(60)) * time.Minute)}
	case 13:
		e.Fact = &record.GateDecision{Verdict: pick("autonomous", "review-required"), Allowed: rnd.IntN(2) == 0}
	case 14, 15, 16:
		trailers := [][]record.Trailer{nil, {{Key: record.TrailerExecution, Value: pick("run-1", "run-2", "run-3")}}, {{Key: record.TrailerLogsURL, Value: "https://logs/1"}, {Key: record.TrailerCoauthor, Value: "Claude <noreply@anthropic.com>"}}}
		e.Fact = &record.Pushed{
			Branch: "b", Default: rnd.IntN(2) == 0, After: commit, Pusher: pick("ana", "agent-bot-7"), PusherType: pick("", "human", "bot"), Files: []string{pick("a.go", "b.go")},
			Commits: []record.Commit{{SHA: sha(rnd.IntN(4)), Author: pick("ana", "x[bot]"), Trailers: trailers[rnd.IntN(3)]}, {SHA: commit, Trailers: trailers[rnd.IntN(3)]}},
		}
		if e.Change = ""; e.Fact.(*record.Pushed).Default {
			e.Change = record.ChangeID(fmt.Sprintf("%s/commit/%s", repo, commit))
		}
	case 17:
		e.Fact = &record.Activity{Summary: "queued", CommitSHA: pick("", commit)}
	case 18:
		e.Fact = &record.Request{
			Kind: pick("issue", "request", "prompt"), ID: pick("", "acme/payments#42", "acme/payments#43"), URL: pick("", "https://host/issues/42"), Digest: pick("", digest(0)),
			Author: pick("ana", "bob", ""), Title: pick("t1", "t2"), OpenedAt: base,
		}
		e.Witness = pick("", record.Claimed, record.Observed, record.Human)
		if rnd.IntN(3) > 0 {
			e.Change = ""
		}
	case 7:
		e.Fact = &record.Review{Reviewer: pick("ana", "bob"), Verdict: pick("approved", "changes-requested", "commented", "dismissed"), CommitSHA: commit}
	case 8:
		e.Fact = &record.Opened{Revision: record.Revision{Title: pick("t1", "t2"), HeadSHA: commit, Author: pick("ana", "agent-bot-3000"), Files: []string{pick("a.go", "b.go")}}}
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
	e.ID = fmt.Sprint(i)
	e.Witness = ingest.WitnessOf(schemas.CredentialOf(e.Sender), e.Fact)
	if a, ok := e.Fact.(*record.Action); ok && rnd.IntN(2) == 0 {
		a.CallID = e.ID
	}
	if err := schemas.Fingerprint(&e, e.Time); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestHundredsOfFactsOfAKind is the same property for changes with hundreds of facts of one kind,
// including more than a list may have.
func TestHundredsOfFactsOfAKind(t *testing.T) {
	n := manyHistories
	if text := os.Getenv("CHANGETRAIL_HISTORIES"); text != "" { // docs/performance.md
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if testing.Short() {
		n = 4
	}
	pol, matrix := rules(t)
	const perStore = 50
	t.Run("histories", func(t *testing.T) {
		for first := 0; first < n; first += perStore {
			t.Run(fmt.Sprint(first), func(t *testing.T) {
				t.Parallel()
				s := openTestStore(t)
				for seed := first; seed < min(n, first+perStore); seed++ {
					oneLongHistory(t, s, uint64(seed), pol, matrix)
				}
			})
		}
	})
}

func oneLongHistory(t *testing.T, s *store, seed uint64, pol *policy.Policy, matrix *controls.Matrix) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 11))
	limit := []int{record.MaxFacts, 40}[rnd.IntN(2)]
	repo := record.Repository(fmt.Sprintf("github.com/acme/many-%d", seed))
	events := history(t, rnd, repo)
	for kind := rnd.IntN(19); len(events) < 150+rnd.IntN(250); {
		events = append(events, historyOf(t, rnd, repo, len(events), kind))
	}
	in := slices.Clone(events)
	for range rnd.IntN(len(events)) {
		in = append(in, events[rnd.IntN(len(events))])
	}
	rnd.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
	arrive(in, events)
	p := testProjection(t, s)
	p.limit = limit
	p = replayWith(t, p, rnd, in, 60)
	for _, id := range changesOf(events) {
		facts, gathered := factsOf(t, p, 0, id), record.GatherWithin(id, in, limit)
		if gathered.LeftOut > 0 { // see record.MaxFacts
			facts.Actions, gathered.Actions = record.Actions{}, record.Actions{}
		}
		if diff := cmp.Diff(namesOfAll(gathered.Altered()), namesOfAll(facts.Altered())); diff != "" {
			t.Fatalf("seed %d, %s, limit %d: altered (-set +incremental):\n%s", seed, id, limit, diff)
		}
		got, want := fold(id, facts, Always(pol, matrix), time.Now()), fold(id, gathered, Always(pol, matrix), time.Now())
		if Digest(got) != Digest(want) {
			t.Fatalf("seed %d, %s, limit %d (-set +incremental):\n%s", seed, id, limit, cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(record.Judged{})))
		}
	}
}

func namesOfAll(events []record.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.Type+" "+e.Key())
	}
	return out
}

// arrive sets the arrival of events, and gives some of them the identity of another. Of two
// events with one identity and other content, the first to arrive is kept.
func arrive(in, events []record.Event) {
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for i := range in {
		in[i].Arrived = at.Add(time.Duration(i) * time.Second)
		if i%17 == 3 {
			in[i].Source, in[i].ID = events[i%len(events)].Source, events[i%len(events)].ID
		}
		if i%34 == 3 {
			in[i].Sender, in[i].Change = events[i%len(events)].Sender, events[i%len(events)].Change
		}
	}
}

func TestOfManyActionsToldTwiceEachCountsOnce(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const repo, change, n = record.Repository("github.com/acme/payments"), record.ChangeID("github.com/acme/payments/pull/1"), 300
	at := time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC)
	var events []record.Event
	for _, outcome := range []string{"success", "refused"} {
		for i := range n {
			id := fmt.Sprint(i)
			for _, to := range []record.ChangeID{change, ""} {
				e := record.Event{
					Source: "/s/" + string(to), ID: id, Type: record.TypeActionPerformed, Repository: repo, Change: to, Time: at,
					Fact: &record.Action{Agent: record.Agent{ID: "a", Run: "run-1"}, Tool: "edit", CallID: id, Outcome: outcome},
				}
				if err := schemas.Fingerprint(&e, at); err != nil {
					t.Fatal(err)
				}
				events = append(events, e, e)
			}
		}
	}
	decided := record.Event{Source: "/d", ID: "1", Type: record.TypeDecisionRecorded, Repository: repo, Change: change, Time: at, Fact: &record.Decision{Agent: record.Agent{ID: "a", Run: "run-1"}}}
	if err := schemas.Fingerprint(&decided, at); err != nil {
		t.Fatal(err)
	}
	events = append(events, decided)
	p := replay(t, s, rand.New(rand.NewPCG(1, 1)), events)
	got, want := factsOf(t, p, 0, change).Actions, record.Gather(change, events).Actions
	if got.Count != 2*n || got.Refused != 2*n || got.Failed != 0 {
		t.Errorf("%d actions, %d refused, want %d each", got.Count, got.Refused, 2*n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not what the set of events gives (-set +incremental):\n%s", diff)
	}
}
