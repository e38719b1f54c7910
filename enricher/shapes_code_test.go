package enricher

import (
	"fmt"
	"strings"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// Shapes of events of code hosts.

// push returns the n-th of some pushes, with new commits, and 3,000 files if many.
func (l *load) push(nth, commits int, main bool) {
	f := &record.Pushed{Branch: "agent/lodash", Default: main, Pusher: "agent-bot-3000[bot]", PusherType: "bot", Repository: loadRepo, URL: "https://" + loadRepo + "/compare/a...b"}
	if nth > 0 {
		f.Before = l.sha(nth*1000 - 1)
	}
	for i := range commits {
		f.Commits = append(f.Commits, record.Commit{SHA: l.sha(nth*1000 + 999 - (commits - 1 - i)), Author: "mira.s", Email: "mira.s@acme.example", Subject: l.prose(7)})
	}
	f.After = f.Commits[commits-1].SHA
	files := 2
	if commits > 1 {
		files = 3000
	}
	for i := range files {
		f.Files = append(f.Files, fmt.Sprintf("services/payments/internal/handlers/v%d/file_%d.go", i%10, i))
	}
	l.add("", f)
}

func (l *load) pushes(n int) {
	l.open(loadChange, 999)
	for i := range n {
		l.push(i, 1, false)
		l.add(loadChange, &record.Updated{Revision: record.Revision{HeadSHA: l.sha(i*1000 + 999), Files: []string{"package.json"}, Additions: 12, Deletions: 3}})
	}
}

func (l *load) largePushes(n int) {
	l.open(loadChange, 999)
	for i := range n {
		l.push(i, 250, false)
	}
}

func (l *load) largeUpdates(n int) {
	l.open(loadChange, 0)
	for k := range n {
		f := &record.Updated{Revision: record.Revision{HeadSHA: l.sha(k), Additions: 120_000}}
		for i := range 3000 {
			f.Files = append(f.Files, fmt.Sprintf("services/%s/internal/handlers/v%d/file_%d.go", strings.Repeat("x", 60), i%10, i))
		}
		l.add(loadChange, f)
	}
}

func (l *load) dependencyUpdates(n int) {
	l.open(loadChange, 0)
	for k := range n {
		f := &record.Updated{Revision: record.Revision{HeadSHA: l.sha(k), SBOMDigest: digests.Of([]byte(l.sha(k)))}}
		for i := range 500 {
			f.Dependencies = append(f.Dependencies, record.DependencyUpdate{Name: fmt.Sprintf("@acme/module-%d", i), Ecosystem: "npm", From: fmt.Sprintf("1.%d.%d", i%40, k), To: fmt.Sprintf("1.%d.%d", i%40, k+1)})
		}
		l.add(loadChange, f)
	}
}

func (l *load) reviews(n, people int, verdicts ...string) {
	l.open(loadChange, 0)
	for i := range n {
		l.add(loadChange, &record.Review{
			Reviewer: fmt.Sprintf("person-%d", i%people), ReviewerType: "human", Verdict: verdicts[i%len(verdicts)], CommitSHA: l.sha(i / 40),
			SubmittedAt: l.at, URL: fmt.Sprintf("https://%s#pullrequestreview-%d", loadChange, 1_000_000+i),
		})
	}
}

func (l *load) approvals(n int) {
	l.open(loadChange, 0)
	for i := range n {
		l.add(loadChange, &record.Approval{Approver: fmt.Sprintf("person-%d", i%40), Scope: []string{loadRepo}, Reference: fmt.Sprintf("https://jira.acme.example/browse/CHG-%d", i), ExpiresAt: l.at.AddDate(0, 1, 0)})
	}
}

func (l *load) deployments(n int) {
	l.open(loadChange, 0)
	l.add(loadChange, &record.Merged{MergeSHA: l.sha(1), MergedBy: "mira.s", Revision: record.Revision{HeadSHA: l.sha(0)}})
	for i := range n {
		l.add("", &record.Deployment{
			Environment: []string{"production", "staging", "eu-1", "us-2"}[i%4], CommitSHA: l.sha(1), Outcome: "success", Deployer: "argo",
			Artifact: "pkg:oci/payments@sha256:9f86d081884c7d659a2feaa0c55ad015", URL: fmt.Sprintf("https://argo.acme.example/applications/payments/%d", i), Repository: loadRepo,
		})
	}
}

func (l *load) results(n int) {
	l.open(loadChange, 0)
	for i := range n {
		if i%240 == 239 {
			l.add(loadChange, &record.Updated{Revision: record.Revision{HeadSHA: l.sha(i/240 + 1)}})
		}
		conclusion := "success"
		if l.rnd.IntN(8) == 0 {
			conclusion = "failure"
		}
		l.add("", &record.Validation{
			Name: fmt.Sprintf("build / test (%d)", i%12), Provider: "github-actions", CommitSHA: l.sha(i / 240), Conclusion: conclusion, Passed: 1200,
			URL: fmt.Sprintf("https://%s/actions/runs/%d/job/%d", loadRepo, 15_000_000_000+i/12, 43_000_000_000+i), Repository: loadRepo,
		})
	}
}
