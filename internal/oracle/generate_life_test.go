package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// life is a pull request from its branch to its deployment.
func (g *generator) life() {
	g.pushes = g.chance(60)
	statesFiles := pick(g, 0, 50, 100, 100) // percent of revisions that state files
	g.push(false)
	if g.pushes && g.chance(30) {
		g.pass(3)
		g.push(false)
	}
	g.pass(3)
	if !g.chance(3) {
		g.report(codeHost, &record.Opened{Revision: g.revision(statesFiles)})
	}
	for range g.IntN(4) {
		g.pass(10)
		g.reviews()
		g.push(true)
		g.pass(1)
		g.report(codeHost, &record.Updated{Revision: g.revision(statesFiles)})
	}
	g.reviews()
	g.checks()
	if g.chance(15) {
		g.deployed(g.head)
	}
	g.approvals(15)
	g.pass(10)
	switch n := g.IntN(100); {
	case n < 84:
		g.merge(statesFiles)
	case n < 88:
		g.report(codeHost, &record.Closed{Revision: record.Revision{HeadSHA: g.head}, ClosedBy: "jonas-k"})
	}
}

// push moves the head, with a push event if the history has them.
func (g *generator) push(again bool) {
	before := g.head
	g.head = g.sha()
	fresh := g.some()
	p := &record.Pushed{Branch: "fix/lodash", Before: before, After: g.head, Pusher: g.author, Files: fresh, Partial: g.chance(4)}
	p.Commits = []record.Commit{{SHA: g.head, Author: g.author}}
	if g.author == "" {
		p.Pusher = pick(g, "tom-b", "jonas-k")
		p.Commits[0].Author = p.Pusher
	}
	if g.chance(3) {
		p.Commits[0].Author = ""
	}
	switch {
	case again && g.chance(15): // somebody else's commit
		p.Pusher = g.cased(pick(g, reviewers...))
		p.Commits[0].Author = p.Pusher
	case again && g.chance(15): // "update branch"
		p.Files, fresh = nil, nil
		p.Commits = []record.Commit{{SHA: g.head, Author: pick(g, "ana-p", "jonas-k"), Merge: true}}
	case again && g.chance(15):
		p.Forced = true
		g.files = nil
	}
	g.files = append(g.files, fresh...)
	slices.Sort(g.files)
	g.files = slices.Compact(g.files)
	if g.pushes {
		g.evidence(codeHost, p)
	}
}

// revision returns the change as the code host sees it.
func (g *generator) revision(statesFiles int) record.Revision {
	g.heads = append(g.heads, g.head)
	r := record.Revision{
		Title: "Bump lodash from 4.17.20 to 4.17.21", Author: g.author, AuthorID: g.numbers[strings.ToLower(g.author)], HeadSHA: g.head, BaseRef: "main", Branch: "fix/lodash", Kind: g.kind, Dependencies: g.deps,
	}
	if g.chance(statesFiles) {
		r.Files = slices.Clone(g.files)
		if g.chance(5) { // cut off at the limit of the list
			r.Files = r.Files[:(len(r.Files)+1)/2]
			r.FilesTotal = int64(len(g.files))
		}
	}
	if g.chance(20) {
		r.FilesTotal = int64(len(g.files))
	}
	return r
}

// reviews adds reviews of people, bots and the agent, by the code host or by their own
// credential.
func (g *generator) reviews() {
	id := ""
	for g.chance(60) {
		g.pass(5)
		who := pick(g, append(slices.Clone(reviewers), reviewers...)...)
		r := &record.Review{Reviewer: g.cased(who), Verdict: pick(g, "approved", "approved", "approved", "approved", "approved", "changes-requested", "commented", "dismissed"), CommitSHA: g.head}
		sender := pick(g, codeHost, codeHost, codeHost, codeHost, codeHost, codeHost, "person:"+who, anyone, pilot)
		switch g.IntN(16) {
		case 0:
			r.CommitSHA = ""
		case 1:
			r.CommitSHA = pick(g, append(g.heads, g.head)...)
		case 2:
			r.Reviewer, r.ReviewerType = pick(g, "checker[bot]", "doc-scribe[bot]"), "bot"
			sender = codeHost
		case 3:
			if g.author != "" {
				r.Reviewer = g.cased(g.author)
			}
		}
		if who == "tom-b" && r.ReviewerType == "" && g.numbers != nil && g.chance(30) {
			r.Reviewer, sender = "tom-renamed", codeHost
		}
		if sender == codeHost {
			r.ReviewerID = g.numbers[strings.ToLower(r.Reviewer)]
		}
		if sender == codeHost && g.chance(70) {
			g.n++
			r.ReviewID = fmt.Sprint("review-", g.n)
			if r.Verdict == "dismissed" {
				if id == "" {
					continue
				}
				who, r.ReviewID, _ = strings.Cut(id, "|")
				r.Reviewer, r.ReviewerType, r.ReviewerID = who, "", g.numbers[strings.ToLower(who)]
			} else {
				id = r.Reviewer + "|" + r.ReviewID
			}
		}
		e := g.report(sender, r)
		if sender == codeHost && g.chance(8) { // the time is that of the delivery
			r.ChangeState = "open"
			e.Time = e.Time.Add(2 * time.Hour)
			*e = sealed(*e)
		} else if g.chance(5) {
			r.SubmittedAt = e.Time
			*e = sealed(*e)
		}
		if g.chance(5) { // two at the same time
			g.now = e.Time
			second := &record.Review{Reviewer: r.Reviewer, ReviewerType: r.ReviewerType, ReviewerID: r.ReviewerID, Verdict: pick(g, "approved", "changes-requested"), CommitSHA: r.CommitSHA}
			if g.chance(50) {
				second = &record.Review{Reviewer: pick(g, "pat-n", "kim-o"), Verdict: second.Verdict, CommitSHA: g.head}
			}
			g.report(codeHost, second)
		}
	}
}

// checks adds the runs of CI.
func (g *generator) checks() {
	for g.chance(50) {
		g.evidence(ci, &record.Validation{
			Name: pick(g, "unit", "lint"), Provider: "github-actions", Workflow: pick(g, "build", "release"), CommitSHA: pick(g, append(g.heads, g.head)...),
			RunID: fmt.Sprint(g.IntN(3)), Attempt: int64(1 + g.IntN(3)), Conclusion: pick(g, "success", "failure"), Passed: 12,
		})
	}
}

// merge ends the life, and adds what comes after it.
func (g *generator) merge(statesFiles int) {
	if g.numbers != nil && g.chance(15) { // the account has another name by now
		g.author = map[string]string{"tom-b": "tom-renamed", "patch-pilot[bot]": "autofix"}[g.author]
	}
	m := &record.Merged{MergeSHA: g.sha(), MergedBy: "jonas-k", Revision: g.revision(statesFiles)}
	if g.chance(50) {
		m.Revision = record.Revision{HeadSHA: g.head, Author: g.author, AuthorID: m.AuthorID}
	}
	if g.chance(50) {
		m.MergedAt = g.now
	}
	g.report(codeHost, m)
	if g.chance(8) { // the clock of another system
		at := g.now
		g.now = g.now.Add(time.Duration(g.IntN(10)-5) * time.Minute)
		g.report(ci, &record.Merged{MergeSHA: m.MergeSHA, MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: g.head}})
		g.now = at
	}
	if g.chance(40) {
		g.evidence(codeHost, &record.Pushed{Branch: "main", Default: true, After: m.MergeSHA, Pusher: "jonas-k", Files: g.files, Commits: []record.Commit{{SHA: m.MergeSHA, Author: g.author}}})
	}
	g.pass(3)
	if g.chance(25) {
		g.reviews()
	}
	g.approvals(10)
	g.decisions(10)
	if g.chance(20) { // reported after the merge, and dated before it
		who := pick(g, reviewers...)
		var e *record.Event
		switch g.IntN(3) {
		case 0:
			e = g.report("person:"+who, &record.Review{Reviewer: who, Verdict: "approved", CommitSHA: g.head})
		case 1:
			e = g.report("person:"+who, &record.Approval{Approver: who})
		case 2:
			e = g.report(pilot, g.decision("patch-pilot"))
		}
		e.Arrived = e.Arrived.Add(5 * time.Minute)
		e.Time = start.Add(time.Minute)
		*e = sealed(*e)
	}
	g.deployed(append(g.heads, m.MergeSHA, m.MergeSHA, m.MergeSHA, g.sha())...)
}

// deployed adds where commits were deployed, as a deployer saw it or somebody claims.
func (g *generator) deployed(commits ...string) {
	for g.chance(40) {
		d := &record.Deployment{Environment: pick(g, "production", "staging", "staging"), Outcome: pick(g, "success", "success", "success", "failure"), CommitSHA: pick(g, commits...)}
		switch sender := pick(g, deployer, deployer, ci, pilot, anyone); {
		case g.chance(20):
			g.report(sender, d)
		default:
			g.evidence(sender, d)
		}
		g.pass(5)
	}
}
