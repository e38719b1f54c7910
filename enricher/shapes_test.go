package enricher

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// shapes are loads under which the state has grown out of proportion, or might.
var shapes = []shape{
	{name: "lives of %d changes of 20 events", quick: 20, whole: 1_000, fill: (*load).lives},
	{name: "opened, reviewed and gated, %d changes", quick: 100, whole: 1_000, fill: (*load).smallEvents},
	{name: "a push of %d commits and 3,000 files", quick: 250, whole: 250, fill: func(l *load, n int) { l.push(0, n, true) }},
	{name: "%d pushes to the branch of a pull request", quick: 40, whole: 300, fill: (*load).pushes},
	{name: "%d pushes of 250 commits and 3,000 files", quick: 2, whole: 300, fill: (*load).largePushes},
	{name: "%d updates of 317 KB", quick: 16, whole: 16, fill: (*load).largeUpdates},
	{name: "%d updates with 500 dependencies from an SBOM", quick: 10, whole: 500, fill: (*load).dependencyUpdates},
	{name: "%d nightly scans with 50 findings", quick: 15, whole: 365, fill: (*load).nightlyScans},
	{name: "a scan with %d findings as inline JSON", quick: 2_000, whole: 2_000, fill: (*load).hugeScan},
	{name: "a finding that %d changes name, scanned 30 times", quick: 30, whole: 300, fill: (*load).namedFinding},
	{name: "%d CI results of a pull request, 12 jobs", quick: 200, whole: 200, fill: (*load).results},
	{name: "%d CI results of a pull request, 12 jobs", quick: 300, whole: 5_000, fill: (*load).results},
	{name: "%d comments by 20 people", quick: 200, whole: 5_000, fill: func(l *load, n int) { l.reviews(n, 20, "commented") }},
	{name: "%d comments, each by another account", quick: 200, whole: 5_000, fill: func(l *load, n int) { l.reviews(n, n, "commented") }},
	{name: "%d reviews with verdicts by 200 people", quick: 200, whole: 3_000, fill: func(l *load, n int) { l.reviews(n, 200, "approved", "changes-requested") }},
	{name: "%d approvals", quick: 200, whole: 1_000, fill: (*load).approvals},
	{name: "%d decisions of one run", quick: 60, whole: 60, fill: (*load).decisions},
	{name: "a run of %d actions that name a change", quick: 400, whole: 100_000, fill: (*load).actionsOfAChange},
	{name: "a run of %d actions that name only the run", quick: 400, whole: 20_000, fill: (*load).actionsOfARun},
	{name: "a trace of %d calls, as spans", quick: 200, whole: 2_000, fill: (*load).spans},
	{name: "%d deployments of one commit", quick: 200, whole: 500, fill: (*load).deployments},
}

// A load is a list of events as they are sent, in the order of time.
type load struct {
	t      *testing.T
	rnd    *rand.Rand
	at     time.Time
	events []*stream.Record
}

func newLoad(t *testing.T) *load {
	return &load{t: t, rnd: rand.New(rand.NewPCG(1, 1)), at: time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)}
}

func (l *load) make(s shape, n int) []*stream.Record {
	s.fill(l, n)
	return l.events
}

// add adds a fact one minute after the one before.
func (l *load) add(change record.ChangeID, f record.Fact) { l.addTo(loadRepo, change, f) }

func (l *load) addTo(key string, change record.ChangeID, f record.Fact) {
	l.t.Helper()
	e := producer.Event(string(change), f)
	e.SetSource("https://ci.acme.example/agents/agent-bot-3000")
	e.SetID(fmt.Sprintf("01957c1e-%04x-7%03x-8a1b-%012x", l.rnd.IntN(1<<16), l.rnd.IntN(1<<12), len(l.events)))
	if a, ok := f.(*record.Action); ok && a.CallID != "" { // as hooks and telemetry send it
		e.SetID(a.CallID)
	}
	e.SetExtension("partitionkey", key)
	e.SetExtension("traceparent", fmt.Sprintf("00-%016x%016x-%016x-01", l.rnd.Uint64(), l.rnd.Uint64(), l.rnd.Uint64()))
	l.send(e)
}

func (l *load) send(e event.Event) {
	l.t.Helper()
	l.at = l.at.Add(time.Minute)
	if e.Time().IsZero() {
		e.SetTime(l.at)
	}
	m, err := producer.Encode(l.t.Context(), e, producer.Binary)
	if err != nil {
		l.t.Fatal(err)
	}
	r := &stream.Record{Topic: "b.events", Partition: stream.NewPartitioner(loadPartitions).Of(string(m.Key)), Key: m.Key, Value: m.Value, Timestamp: l.at}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	l.events = append(l.events, r)
}

// sha returns a commit, the same for the same n.
func (l *load) sha(n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 40))
	return fmt.Sprintf("%016x%016x%08x", r.Uint64(), r.Uint64(), r.Uint32())
}

// prose returns about n words, as in descriptions of weaknesses.
func (l *load) prose(n int) string {
	const words = "a the of to in an is that this may allow can attacker remote user input crafted request handler parser buffer memory header token session cookie cache before version affected package module function validates validation missing improper neutralization injection traversal overflow denial service arbitrary code execution file path symlink archive decompression regular expression backtracking prototype pollution deserialization certificate signature verification bypass privilege escalation race condition upgrade patched release workaround disclosure sensitive information"
	list := strings.Fields(words)
	out := make([]string, n)
	for i := range out {
		out[i] = list[l.rnd.IntN(len(list))]
	}
	return strings.Join(out, " ")
}

func (l *load) agent(run string) record.Agent {
	return record.Agent{ID: "agent-bot-3000", Provider: "anthropic", Model: "claude-sonnet-4-5", Run: run, DelegatedBy: "mira.s"}
}

func (l *load) open(change record.ChangeID, head int) {
	l.add(change, &record.Opened{Revision: record.Revision{
		Title: "Update lodash to 4.17.21", URL: "https://" + string(change), Author: "agent-bot-3000[bot]", AuthorType: "agent", Agent: "agent-bot-3000",
		HeadSHA: l.sha(head), BaseRef: "main", Branch: "agent/lodash", Files: []string{"package.json", "package-lock.json"}, Additions: 12, Deletions: 3,
	}})
}

func (l *load) decide(change record.ChangeID, run string, trigger *record.Trigger) {
	l.add(change, &record.Decision{
		Agent: l.agent(run), Trigger: trigger, Rationale: l.prose(60),
		Options: []record.Option{
			{ID: "patch", Title: "Update lodash to 4.17.21", Outcome: "chosen", Reason: l.prose(20)},
			{ID: "replace", Title: "Replace lodash", Outcome: "rejected", Reason: l.prose(20)},
		},
	})
}

func (l *load) lives(n int) {
	g := workload.New(7, max(1, n/20), l.at)
	window := make([][]event.Event, n)
	for i := range window {
		window[i] = g.Change()
	}
	for i := range workload.PerChange {
		for _, life := range window {
			l.send(life[i])
		}
	}
	l.at = l.at.Add(24 * time.Hour)
}

func (l *load) smallEvents(n int) {
	each := func(f func(id record.ChangeID, i int)) {
		for i := range n {
			f(record.ChangeID(fmt.Sprintf("%s/pull/%d", loadRepo, i+1)), i)
		}
	}
	each(l.open)
	each(func(id record.ChangeID, i int) {
		l.add(id, &record.Review{Reviewer: "mira.s", ReviewerType: "human", Verdict: "approved", CommitSHA: l.sha(i)})
	})
	each(func(id record.ChangeID, i int) {
		l.add(id, &record.GateDecision{Verdict: "review-required", Allowed: true, Reasons: []string{"a person approved the head commit"}, CommitSHA: l.sha(i)})
	})
}
