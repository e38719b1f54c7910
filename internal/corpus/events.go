package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// maker generates one case.
type maker struct {
	*rand.Rand
	now time.Time
}

func (m *maker) pick(of ...string) string { return of[m.IntN(len(of))] }

// Repositories, agents and people in the cases.
const (
	Payments = "github.com/acme/payments"
	Docs     = "github.com/acme/docs"
)

// base returns a case without mistakes, except perhaps its sender.
func (m *maker) base(i int) Case {
	repo := m.pick(Payments, Docs)
	c := Case{
		Attributes: map[string]string{"specversion": "1.0", "id": fmt.Sprint("e-", i), "source": m.pick("/agents/a", "/ci", "https://ci.example/x"), "time": m.now.Add(-time.Hour).UTC().Format(time.RFC3339)},
		Key:        m.pick(repo, Payments, Docs, "", "k"),
	}
	if m.IntN(2) == 0 {
		c.Attributes["datacontenttype"] = "application/json"
	}
	if m.IntN(2) == 0 {
		c.Attributes["partitionkey"] = repo
	}
	kinds := []func(*Case, string){m.own, m.own, m.cdevent, m.github, m.gitlab}
	kinds[m.IntN(len(kinds))](&c, repo)
	c.Name = c.Attributes["type"]
	return c
}

// own generates an event of a changetrail type.
func (m *maker) own(c *Case, repo string) {
	types := record.Types()
	t := types[m.IntN(len(types))]
	c.Attributes["type"], c.Attributes["subject"] = t, repo+"/pull/"+m.pick("1", "4829")
	agent, person, sha := m.pick("a", "a", "b"), m.pick("mira", "ana"), strings.Repeat(m.pick("1", "a", "F"), 40)
	data := map[string]string{
		record.TypeDecisionRecorded:    `{"agent":{"id":"` + agent + `","run":"r-1"},"chosen":"u","options":[{"id":"u","outcome":"chosen","reason":"x"}]}`,
		record.TypeActionPerformed:     `{"agent":{"id":"` + agent + `","run":"r-1","logs_url":"https://github.com/acme/payments/actions/runs/1"},"tool":"Bash","arguments":{"command":"` + m.pick("ls", "curl -H 'Authorization: Bearer ghp"+"_x7Kq2mVbT9sLw4RzNf1YcHp8DgJeA3uB6iOt'") + `"},"commit_sha":"` + sha + `"}`,
		record.TypeScanCompleted:       `{"tool":{"name":"semgrep"},"commit_sha":"` + sha + `","report":{"encoding":"json","content":` + m.pick(sarif, `{"a":1}`, `"x"`, `null`) + `}}`,
		record.TypeValidationCompleted: `{"name":"unit","conclusion":"success","commit_sha":"` + sha + `","report":{"content":` + m.pick(junit, junit, `""`, sarif) + `}}`,
		record.TypeReviewSubmitted:     `{"reviewer":"` + person + `","verdict":"approved","commit_sha":"` + sha + `"}`,
		record.TypeApprovalGranted:     `{"approver":"` + person + `","scope":["payments"]}`,
		record.TypeChangeOpened:        `{"title":"t","agent":"` + agent + `","head_sha":"` + sha + `"}`,
		record.TypeChangeUpdated:       `{"title":"t","agent":"` + agent + `"}`,
		record.TypeChangeMerged:        `{"merge_sha":"` + sha + `","agent":"` + agent + `"}`,
		record.TypeChangeClosed:        `{"closed_by":"ana"}`,
		record.TypeDeploymentFinished:  `{"environment":"production","outcome":"success","commit_sha":"` + sha + `"}`,
		record.TypeGateDecided:         `{"verdict":"autonomous","allowed":true}`,
		record.TypeIdentityRefused:     `{"agent":"` + agent + `","credential":"c"}`,
		record.TypeCommitsPushed:       `{"branch":"main","default":` + m.pick("true", "false") + `,"after":"` + sha + `"}`,
		record.TypeEventNoted:          `{"summary":"x"}`,
		record.TypeSpansReceived:       `{"trace":"4bf92f3577b34da6a3ce929d0e0e4736","spans":[{"id":"00f067aa0ba902b7","kind":"tool","tool":"Bash","ended_at":"2026-03-01T03:47:00Z","agent_id":"` + m.pick("", "a", "b") + `","repository":"` + m.pick("", repo, Docs) + `"}]}`,
		record.TypeRequestReceived:     `{"kind":"issue","id":"acme/payments#1","author":"` + person + `"}`,
		record.TypeRunNamed:            `{"run":"r-1","repository":"` + repo + `"}`,
		record.TypeRepositoryNamed:     `{"id":"github.com#7","name":"` + repo + `","key":"github.com/acme/docs"}`,
	}
	c.Data = []byte(data[t])
	switch t {
	case record.TypeCommitsPushed, record.TypeSpansReceived:
		delete(c.Attributes, "subject")
	case record.TypeDecisionRecorded, record.TypeActionPerformed, record.TypeScanCompleted, record.TypeValidationCompleted, record.TypeDeploymentFinished, record.TypeEventNoted, record.TypeRequestReceived:
		if m.IntN(3) == 0 {
			delete(c.Attributes, "subject")
		}
	}
	if m.IntN(4) == 0 {
		c.Attributes["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	}
}

const (
	sarif = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"semgrep"}},"results":[]}]}`
	junit = `"<testsuite name=\"s\" tests=\"1\"><testcase classname=\"c\" name=\"t\"/></testsuite>"`
)

// cdevent generates an event of CDEvents, which names its subject in various places.
func (m *maker) cdevent(c *Case, repo string) {
	t := "dev.cdevents." + m.pick("change.created", "change.merged", "change.reviewed", "pipelinerun.finished", "testcaserun.finished", "service.deployed", "artifact.packaged", "incident.detected", "approval.closed") + ".0.2.0"
	c.Attributes["type"] = t
	kind, _, _ := strings.Cut(strings.TrimPrefix(t, "dev.cdevents."), ".")
	content := m.pick(`{}`, `{"repository":{"id":"acme/payments","source":"https://github.com"},"outcome":"success"}`, `{"environment":{"id":"production"},"repository":{"url":"https://`+repo+`"}}`, `{"change":{"id":"`+repo+`/pull/1"},"outcome":"failure"}`)
	custom := m.pick(`{}`, `{"repository":"https://`+repo+`","commit":"1111111"}`, `{"change":"`+repo+`/pull/1","reviewer":"mira","verdict":"approved","commit":"1111111"}`, `{"repository":"`+Docs+`","change":"acme/payments#4829"}`, `"x"`)
	c.Data = fmt.Appendf(nil, `{"context":{"version":"0.4.1","id":"x","source":"/cd","type":%q,"timestamp":%q},"subject":{"id":%q,"source":%q,"type":%q,"content":%s},"customData":%s}`,
		t, m.now.Add(-time.Minute).UTC().Format(time.RFC3339), m.pick("1", repo+"/pull/1", "x", "https://"+repo+"/pull/4829"), m.pick("", "https://tekton.example/ns/pipelines/p", "https://"+repo), kind, content, custom)
	if m.IntN(2) == 0 {
		c.Attributes["subject"] = m.pick(repo+"/pull/1", "pipeline-7", Payments+"/pull/4829")
	}
}

// github generates a webhook of GitHub, sent as an event.
func (m *maker) github(c *Case, repo string) {
	at := `"repository":{"full_name":"` + strings.TrimPrefix(repo, "github.com/") + `","html_url":"https://` + repo + `","default_branch":"main"}`
	sha := strings.Repeat("1", 40)
	type hook struct{ kind, body string }
	hooks := []hook{
		{"pull_request.opened", `{"action":"opened",` + at + `,"pull_request":{"number":1,"title":"t","user":{"login":"a","type":"User"},"head":{"sha":"` + sha + `","ref":"x"},"base":{"ref":"main"}}}`},
		{"pull_request_review.submitted", `{"action":"submitted",` + at + `,"pull_request":{"number":4829},"review":{"state":"approved","commit_id":"` + sha + `","submitted_at":"2026-03-01T03:50:00Z","user":{"login":"mira","type":"User"}}}`},
		{"check_run.completed", `{"action":"completed",` + at + `,"check_run":{"id":1,"name":"unit","head_sha":"` + sha + `","status":"completed","conclusion":"success","app":{"slug":"x"}}}`},
		{"push", `{"ref":"refs/heads/main","after":"` + sha + `","before":"` + strings.Repeat("2", 40) + `","commits":[{"id":"` + sha + `","message":"m"}],` + at + `}`},
		{"issues.opened", `{"action":"opened",` + at + `,"issue":{"number":1,"title":"t","state":"open","user":{"login":"ana","type":"User"}}}`},
		{"star.created", `{"action":"created",` + at + `}`},
		{"organization.member_added", `{"action":"member_added","organization":{"login":"acme"}}`},
	}
	h := hooks[m.IntN(len(hooks))]
	c.Attributes["type"], c.Data = "com.github."+h.kind, []byte(h.body)
	if m.IntN(3) == 0 {
		c.Attributes["subject"] = m.pick("1", repo+"/pull/1", repo+"/pull/4829", Payments+"/pull/1")
	}
}

// gitlab generates a webhook of GitLab, sent as an event.
func (m *maker) gitlab(c *Case, _ string) {
	project := m.pick("gitlab.com/g/p", "gitlab.com/g/sub/q")
	at := `"project":{"web_url":"https://` + project + `","default_branch":"main"}`
	type hook struct{ kind, body string }
	hooks := []hook{
		{"pipeline.success", `{"object_kind":"pipeline",` + at + `,"object_attributes":{"id":1,"sha":"` + strings.Repeat("1", 40) + `","status":"success"},"merge_request":{"iid":12}}`},
		{"merge_request.open", `{"object_kind":"merge_request",` + at + `,"user":{"username":"ana"},"object_attributes":{"iid":12,"title":"t","action":"open","last_commit":{"id":"` + strings.Repeat("3", 40) + `"}}}`},
		{"push", `{"object_kind":"push","ref":"refs/heads/main","after":"` + strings.Repeat("4", 40) + `",` + at + `}`},
	}
	h := hooks[m.IntN(len(hooks))]
	c.Attributes["type"], c.Data = "com.gitlab."+h.kind, []byte(h.body)
	delete(c.Attributes, "partitionkey")
	if m.IntN(3) == 0 {
		c.Attributes["partitionkey"] = m.pick(project, Payments)
	}
}
