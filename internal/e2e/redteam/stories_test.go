//go:build servers

package redteam

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// commit is the head of a change.
func commit(change string) string { return digests.Of([]byte(change))[7:47] }

// report is one of osv-scanner with one finding.
func report(finding, words string) string {
	return fmt.Sprintf(`{"results":[{"source":{"path":%q,"type":"lockfile"},"packages":[{"package":{"name":"lodash","version":"4.17.20","ecosystem":"npm"},"vulnerabilities":[{"id":%q,"summary":%q,"aliases":["CVE-2021-23337"]}],"groups":[{"ids":[%q]}]}]}]}`, "/src/package-lock.json", finding, words, finding)
}

// A story is a change that the town knows, before the adversary moves.
type story struct {
	change, agent string
	title         string
	files         []string
	scan          string // the report that triggered it; empty: no decision
	asks          bool   // jonas-k asks for changes
	approves      bool
	tests         string // conclusion of the tests
	merged        bool
}

// stories are changes whose answers are known: proven, contradicted, unproven and pending,
// by the adversary in its own repository, by another agent there, and elsewhere.
func stories() []story {
	src := []string{"src/app.js"}
	return []story{
		{change: web + "/pull/1", agent: "mallory", title: "merged without anybody", files: src, merged: true},
		{change: web + "/pull/2", agent: "mallory", title: "changes are asked for", files: src, asks: true, tests: "failure"},
		{change: web + "/pull/3", agent: "mallory", title: "all as it should be", files: src, scan: report("GHSA-35jh-r3h4-6jhm", "of web"), approves: true, tests: "success", merged: true},
		{change: web + "/pull/4", agent: "mallory", title: "open", files: src},
		{change: web + "/pull/5", agent: "patch-pilot", title: "of another agent", files: src, asks: true, tests: "failure", merged: true},
		{change: web + "/pull/6", agent: "mallory", title: "authentication", files: []string{"src/auth/login.js"}, approves: true, merged: true},
		{change: payments + "/pull/1", agent: "patch-pilot", title: "all as it should be, " + canary, files: src, scan: report("GHSA-35jh-r3h4-6jhm", "of payments, "+canary), approves: true, tests: "success", merged: true},
		{change: payments + "/pull/2", agent: "patch-pilot", title: "authentication, " + canary, files: []string{"src/auth/login.js"}, asks: true, merged: true},
		{change: payments + "/pull/3", agent: "patch-pilot", title: "open, " + canary, files: src},
	}
}

// happen sends the events of a story as those who saw it.
func (c *town) happen(t *testing.T, s story) {
	t.Helper()
	head, base := commit(s.change), strings.Repeat("1", 40)
	id := func(what string) string { return what + " of " + s.change }
	branch := "b" + head[:6]
	revision := record.Revision{Title: s.title, Author: s.agent + "[bot]", AuthorType: "bot", HeadSHA: head, BaseRef: "main", Branch: branch, Files: s.files}
	repository, _, _ := strings.Cut(s.change, "/pull/")
	c.send(t, "code-host", repository, id("push"), &record.Pushed{Repository: repository, Branch: branch, Before: base, After: head, Pusher: s.agent + "[bot]", PusherType: "bot", Commits: []record.Commit{{SHA: head, Author: s.agent + "[bot]", Subject: s.title}}, Files: s.files})
	c.send(t, "code-host", s.change, id("opened"), &record.Opened{Revision: revision})
	if s.scan != "" {
		digest := c.keep(t, "ci", s.scan)
		c.send(t, "ci", s.change, id("scan"), &record.Scan{Tool: record.Tool{Name: "osv-scanner"}, CommitSHA: base, Report: record.Report{Encoding: "text", Content: quoted(t, s.scan), Digest: digest}})
		c.send(t, s.agent, s.change, id("decision"), &record.Decision{
			Agent: record.Agent{ID: s.agent, Run: "run of " + head[:6]}, Rationale: "because of " + s.title,
			Trigger: &record.Trigger{Kind: "scan", Digest: digest, Finding: "GHSA-35jh-r3h4-6jhm"},
			Options: []record.Option{{ID: "update", Outcome: "chosen"}, {ID: "wait", Outcome: "rejected", Reason: "it is exploited"}},
		})
	}
	if s.asks {
		c.send(t, "code-host", s.change, id("asks"), &record.Review{Reviewer: "jonas-k", ReviewerType: "human", Verdict: "changes-requested", CommitSHA: head})
	}
	if s.approves {
		c.send(t, "code-host", s.change, id("approves"), &record.Review{Reviewer: "jonas-k", ReviewerType: "human", Verdict: "approved", CommitSHA: head})
	}
	if s.tests != "" {
		c.send(t, "ci", s.change, id("tests"), &record.Validation{Name: "unit", Provider: "jenkins", CommitSHA: head, Conclusion: s.tests, Workflow: "build", RunID: head[:6], Attempt: 1})
	}
	if s.merged {
		revision.Files = nil
		c.send(t, "code-host", s.change, id("merged"), &record.Merged{Revision: revision, MergeSHA: digests.Of([]byte(id("merge")))[7:47], MergedBy: "jonas-k", MergedAt: time.Now().UTC()})
	}
}

// quoted is a text as a value of JSON.
func quoted(t *testing.T, text string) record.RawJSON {
	t.Helper()
	out, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// keep puts a file into the blob store.
func (c *town) keep(t *testing.T, who, file string) string {
	t.Helper()
	status, text, err := c.ask("PUT", "/v1/blobs", who, []byte(file))
	if err != nil || status != http.StatusCreated {
		t.Fatal(status, text, err)
	}
	return digests.Of([]byte(file))
}
