package oracle

import (
	"github.com/changetrail/changetrail/record"
)

func talesOfAgents() []tale {
	return []tale{
		{
			name: "agent hides a direct push", id: repository.Change("/commit/" + commit(1)), reviewed: "unproven", authorized: "contradicted",
			tell: func(s *scribbler) {
				s.about(0, pilot, repository.Change("/pull/9"), decided("mira.s"))
				p := pushed(0, 1, "patch-pilot[bot]", smallChange...)
				p.Branch, p.Default = "main", true
				s.about(5, codeHost, "", p)
				s.about(6, pilot, repository.Change("/pull/9"), &record.Merged{MergeSHA: commit(1), MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: commit(1)}})
			},
		},
		{
			name: "agent in the name of another", authorized: "contradicted unproven",
			policy: func(p *rules) {
				p.Agents = append(p.Agents, agent{ID: "doc-scribe", Account: "doc-scribe[bot]", Services: []string{"docs"}})
			},
			tell: func(s *scribbler) {
				s.decided()
				r := revisionOf(1, smallChange...)
				r.Author, r.Agent = "doc-scribe[bot]", "doc-scribe"
				s.at(2, codeHost, &record.Opened{Revision: r})
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "agent lifts a request for changes", reviewed: "contradicted", gaps: "changes-requested",
			tell: func(s *scribbler) {
				s.usual()
				s.reviewed(12, codeHost, "ana-p", "changes-requested", 1)
				s.reviewed(18, pilot, "ana-p", "approved", 1)
			},
		},
		{
			name: "agent moves the head back", reviewed: "partial", authorized: "contradicted", gaps: "stale-approval review-missing",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 1)
				s.updated(25, codeHost, 2, smallChange...)
				s.merged(2)
				s.updated(60, pilot, 1, smallChange...)
			},
		},
		{
			name: "agent replaces the files", policy: withRule("all", "pkg/testdata/", "autonomous"), authorized: "contradicted", reviewed: "unproven", gaps: "review-missing",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, "src/auth/login.go")
				s.merged(1)
				s.updated(25, pilot, 1, "pkg/testdata/a.json")
			},
		},
		{
			name: "a title makes a patch", policy: withRule("jump", "patch", "autonomous"), authorized: "contradicted unproven partial", reviewed: "unproven partial contradicted",
			tell: func(s *scribbler) {
				s.decided()
				s.at(1, codeHost, pushed(0, 1, "patch-pilot[bot]", "package.json", "src/app.js"))
				r := revisionOf(1)
				r.Title, r.Dependencies = "Bump lodash from 4.17.20 to 4.17.21", nil
				s.at(2, codeHost, &record.Opened{Revision: r})
				s.merged(1)
			},
		},
		{
			name: "an approval over Kafka without a stamp", reviewed: "unproven partial", gaps: "no-review",
			tell: func(s *scribbler) {
				s.reviewed(20, anyone, "jonas-k", "approved", 1)
				s.decided()
				s.opened(1, smallChange...)
				s.merged(1)
			},
		},
	}
}

func talesOfClaims() []tale {
	return []tale{
		{
			name: "somebody claims that an identity was refused", reviewed: "proven", authorized: "proven", not: "identity-contradicted",
			tell: func(s *scribbler) {
				s.usual()
				s.at(10, anyone, &record.IdentityRefused{Agent: "patch-pilot", Credential: "ci-bot"})
				s.at(11, pilot, &record.IdentityRefused{Agent: "patch-pilot", Credential: "ci-bot"})
			},
		},
		{
			name: "a gateway refused an identity", reviewed: "proven", gaps: "identity-contradicted",
			tell: func(s *scribbler) {
				s.usual()
				s.at(10, gateway, &record.IdentityRefused{Agent: "patch-pilot", Credential: "ci-bot"})
			},
		},
		{
			name: "somebody claims that the reviewer asked for the work", reviewed: "partial", authorized: "unproven", gaps: "unverified-source", not: "self-approval review-missing",
			tell: func(s *scribbler) {
				s.usual()
				s.at(10, anyone, decided("jonas-k"))
			},
		},
		{
			name: "somebody claims that the reviewer is the agent", reviewed: "partial", authorized: "unproven", gaps: "unverified-source", not: "self-approval review-missing",
			tell: func(s *scribbler) {
				s.usual()
				d := decided("mira.s")
				d.Agent.ID = "jonas-k"
				s.at(10, anyone, d)
			},
		},
		{
			name: "somebody claims that one asked who may not", reviewed: "proven", authorized: "unproven", gaps: "unverified-source", not: "approval-missing",
			policy: func(p *rules) { p.Agents[0].Delegates = []string{"mira.s"} },
			tell: func(s *scribbler) {
				s.usual()
				s.at(10, anyone, decided("tom-b"))
			},
		},
		{
			name: "somebody claims that an agent made a person's change", reviewed: "unproven", authorized: "unproven", not: "review-missing",
			tell: func(s *scribbler) {
				s.at(2, codeHost, &record.Opened{Revision: record.Revision{Author: "tom-b", HeadSHA: commit(1), Files: smallChange}})
				s.merged(1)
				s.at(10, anyone, decided("mira.s"))
			},
		},
		{
			name: "somebody claims another report under a digest", trigger: "partial", not: "finding-not-in-report",
			tell: func(s *scribbler) {
				s.about(-60, anyone, "", report(1, "CVE-1999-1", "another"))
				s.startedBy(1, "CVE-2026-46721", "lodash")
				s.opened(1, smallChange...)
				s.merged(1)
			},
		},
		{
			name: "an approval of another change", authorized: "contradicted", gaps: "approval-missing",
			policy: func(p *rules) { p.Default = "approval-required" },
			tell: func(s *scribbler) {
				s.about(-5, desk, repository.Change("/pull/8"), &record.Approval{Approver: "jonas-k"})
				s.usual()
			},
		},
	}
}

func talesOfReviews() []tale {
	return []tale{
		{
			name: "author unknown", reviewed: "unproven partial",
			tell: func(s *scribbler) {
				s.at(1, codeHost, pushed(0, 1, "tom-b", smallChange...))
				s.reviewed(20, codeHost, "tom-b", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "50 comments hide no approval", reviewed: "proven", authorized: "proven",
			tell: func(s *scribbler) {
				s.usual()
				for i := range 60 {
					s.reviewed(5+i/3, codeHost, "tom-b", "commented", 1)
				}
			},
		},
		{
			name: "commit of the approval unknown", authorized: "unproven", reviewed: "partial", gaps: "approved-commit-unknown",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.at(20, codeHost, &record.Review{Reviewer: "jonas-k", Verdict: "approved", ReviewerType: "human"})
				s.merged(1)
			},
		},
		{
			name: "an old approval is dismissed", reviewed: "contradicted", gaps: "changes-requested",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				for i, verdict := range []string{"approved", "changes-requested", "dismissed"} {
					id := []string{"5", "6", "5"}[i]
					s.at(5+3*i, codeHost, &record.Review{Reviewer: "ana-p", Verdict: verdict, CommitSHA: commit(1), ReviewerType: "human", ReviewID: id})
				}
				s.updated(12, codeHost, 2, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 2)
				s.merged(2)
			},
		},
		{
			name: "an approval of the code host after its own merge", reviewed: "proven", authorized: "proven",
			tell: func(s *scribbler) {
				s.decided()
				r := revisionOf(1)
				r.Author, r.AuthorType, r.Agent, r.Dependencies = "patch-pilot-svc", "", "", nil
				s.at(2, codeHost, &record.Opened{Revision: r})
				s.at(45, codeHost, &record.Review{Reviewer: "jonas-k", Verdict: "approved", CommitSHA: commit(1), ChangeState: "open"})
				s.merged(1)
			},
		},
		{
			name: "a login in another case", reviewed: "unproven", authorized: "contradicted", gaps: "self-approval",
			tell: func(s *scribbler) {
				s.at(0, pilot, decided("Mira-S"))
				s.opened(1, smallChange...)
				s.reviewed(20, codeHost, "mira-s", "approved", 1)
				s.merged(1)
			},
		},
		{
			name: "the reviewer pushed the last commit", reviewed: "unproven partial",
			tell: func(s *scribbler) {
				s.decided()
				s.at(1, codeHost, pushed(0, 1, "patch-pilot[bot]", smallChange...))
				s.opened(1, smallChange...)
				s.at(15, codeHost, pushed(1, 2, "jonas-k", smallChange...))
				s.updated(15, codeHost, 2, smallChange...)
				s.reviewed(20, codeHost, "jonas-k", "approved", 2)
				s.merged(2)
			},
		},
		{
			name: "two clocks of the merge", reviewed: "unproven", gaps: "approval-after-merge",
			tell: func(s *scribbler) {
				s.decided()
				s.opened(1, smallChange...)
				s.reviewed(33, codeHost, "jonas-k", "approved", 1)
				s.merged(1)
				s.at(35, ci, &record.Merged{MergeSHA: commit(99), MergedBy: "jonas-k", Revision: record.Revision{HeadSHA: commit(1)}})
			},
		},
	}
}
