// Package workload generates events of many changes from a seed, for tests and benchmarks that need
// more events than a story has.
package workload

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// A Generator generates changes one after another.
type Generator struct {
	// Busy is the share of the changes in one repository, github.com/acme/payments. If it is 0, all
	// repositories have the same share.
	Busy float64

	rnd          *rand.Rand
	base         time.Time
	repositories int
	n            int
}

// New returns a Generator. The first change is opened at base.
func New(seed uint64, repositories int, base time.Time) *Generator {
	return &Generator{rnd: rand.New(rand.NewPCG(seed, 4829)), base: base, repositories: repositories}
}

// PerChange is the number of events in the life of one change.
const PerChange = 20

// sarif is a small report with the trigger of each change.
const sarif = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"semgrep","version":"1.182.0","rules":[{"id":"%s","defaultConfiguration":{"level":"error"},"shortDescription":{"text":"Weakness number %d"}}]}},"results":[{"ruleId":"%s","message":{"text":"found in handler"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"internal/handler.go"},"region":{"startLine":%d}}}]}]}]}`

const junit = `<testsuites><testsuite name="unit" tests="3"><testcase classname="pkg" name="TestA"/><testcase classname="pkg" name="TestB"/><testcase classname="pkg" name="TestC">%s</testcase></testsuite></testsuites>`

const prose = "The weakness is reachable from the request handler and takes input that nobody checks. The smallest change that removes it is to validate the input where it enters and to add a test that sends what the scanner found. Other call sites were looked at and are not affected; the public interface stays as it is. "

// place returns the repository and the number of the n-th change.
func (g *Generator) place(n int) (repo string, number int) {
	repo, number = fmt.Sprintf("github.com/acme/service-%03d", n%g.repositories), 1+n/g.repositories
	if g.Busy > 0 {
		number = 1 + n
	}
	if n%g.repositories == 0 || g.Busy > 0 && g.rnd.Float64() < g.Busy {
		repo = "github.com/acme/payments"
	}
	return repo, number
}

// Change returns the events of the next change, in the order in which they happen. About one change
// in three is merged without a review.
func (g *Generator) Change() []event.Event {
	n := g.n
	g.n++
	r := g.rnd
	repo, number := g.place(n)
	id := fmt.Sprintf("%s/pull/%d", repo, number)
	at := g.base.Add(time.Duration(n) * 13 * time.Second)
	agent := record.Agent{ID: fmt.Sprintf("agent-bot-%d", n%7), Provider: "anthropic", Model: "claude-sonnet-4-5", Run: fmt.Sprintf("run-%d", n), DelegatedBy: fmt.Sprintf("person-%d", n%40)}
	sha := func(i int) string { return fmt.Sprintf("%032x%08x", uint64(n)+1, i) }
	rule := fmt.Sprintf("rule-%d", n)
	result := ""
	if r.IntN(4) == 0 {
		result = `<failure message="no"/>`
	}
	files := []string{"internal/handler.go", "internal/handler_test.go"}

	var out []event.Event
	add := func(change string, f record.Fact) {
		e := producer.Event(change, f)
		e.SetSource("/workload/" + agent.ID)
		e.SetID(fmt.Sprintf("%d-%d", n, len(out)))
		e.SetTime(at.Add(time.Duration(len(out)) * 30 * time.Second))
		e.SetExtension("partitionkey", repo)
		out = append(out, e)
	}
	scan := &record.Scan{Tool: record.Tool{Name: "semgrep"}, CommitSHA: sha(0), Repository: repo}
	scan.Report, _ = evidence.Pack(fmt.Appendf(nil, sarif, rule, n, rule, 1+n%500), "") // into memory: cannot fail
	add("", scan)
	add(id, &record.Decision{
		Agent: agent, Trigger: &record.Trigger{Kind: "scan", Digest: scan.Report.Digest, Finding: rule, Severity: "high"},
		Options: []record.Option{
			{ID: "validate", Title: "Validate the input where it enters", Outcome: "chosen", Reason: prose[:200]},
			{ID: "drop", Title: "Drop the feature", Outcome: "rejected", Reason: prose[100:250]},
			{ID: "wait", Title: "Wait for the library", Outcome: "rejected", Reason: prose[50:180]},
		},
		Rationale: prose + prose, Authorization: &record.Claim{Scope: []string{"internal/**"}, Verdict: "review-required"},
	})
	add(id, &record.Opened{Revision: record.Revision{Title: fmt.Sprintf("Validate input (%s)", rule), Author: agent.ID + "[bot]", AuthorType: "agent", Agent: agent.ID, HeadSHA: sha(1), BaseRef: "main", Files: files, Additions: 12, Deletions: 3}})
	for i := range 8 {
		add(id, &record.Action{
			Agent: agent, Tool: []string{"read", "edit", "run_tests", "search"}[i%4], CallID: fmt.Sprintf("call-%d-%d", n, i), Outcome: "success",
			Arguments: record.RawJSON(fmt.Sprintf(`{"path":"internal/handler.go","instructions":%q}`, prose)), Result: record.RawJSON(fmt.Sprintf(`{"summary":%q}`, prose+prose)),
			Files: files[:1+i%2], CommitSHA: sha(1), DurationMS: int64(r.IntN(9000)),
		})
	}
	for i := range 2 {
		v := &record.Validation{Name: []string{"unit", "lint"}[i], Provider: "github-actions", CommitSHA: sha(1), Repository: repo, URL: "https://ci.example/jobs/" + fmt.Sprint(n)}
		v.Report, _ = evidence.Pack(fmt.Appendf(nil, junit, result), "")
		change := ""
		if i == 0 {
			change = id
		}
		add(change, v)
	}
	add(id, &record.Updated{Revision: record.Revision{HeadSHA: sha(2), Files: files, Additions: 14, Deletions: 3}})
	add("", &record.Validation{Name: "unit", Provider: "github-actions", CommitSHA: sha(2), Repository: repo, Conclusion: "success", Passed: 3})
	if r.IntN(3) > 0 {
		add(id, &record.Review{Reviewer: fmt.Sprintf("person-%d", (n+1)%40), ReviewerType: "human", Verdict: "approved", CommitSHA: sha(2)})
	} else {
		add(id, &record.Review{Reviewer: "linter[bot]", ReviewerType: "bot", Verdict: "commented", CommitSHA: sha(2)})
	}
	add(id, &record.Approval{Approver: fmt.Sprintf("person-%d", (n+2)%40), Scope: []string{repo}, Reference: fmt.Sprintf("CHG-%d", n)})
	add(id, &record.GateDecision{Verdict: "review-required", Allowed: true, Reasons: []string{"a person approved the head commit"}, CommitSHA: sha(2)})
	add(id, &record.Merged{MergeSHA: sha(3), MergedBy: agent.ID + "[bot]", Revision: record.Revision{HeadSHA: sha(2)}})
	add("", &record.Deployment{Environment: "production", CommitSHA: sha(3), Outcome: "success", Deployer: "argo", Repository: repo})
	return out
}
