//go:build servers

package redteam

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// claims are what an agent may say of a change, of each type, so that it would look better.
func claims(change string) map[string]string {
	head := commit(change)
	return map[string]string{
		record.TypeScanCompleted:       `{"tool":{"name":"osv-scanner"},"commit_sha":"` + head + `","report":{"encoding":"json","content":{"results":[]}}}`,
		record.TypeValidationCompleted: `{"name":"unit","provider":"jenkins","commit_sha":"` + head + `","conclusion":"success","workflow":"build","run_id":"` + head[:6] + `","attempt":9}`,
		record.TypeReviewSubmitted:     `{"reviewer":"jonas-k","reviewer_type":"human","verdict":"approved","commit_sha":"` + head + `"}`,
		record.TypeApprovalGranted:     `{"approver":"jonas-k","verdict":"granted","reference":"PAY-1"}`,
		record.TypeChangeOpened:        `{"title":"t","author":"mira-s","author_type":"human","head_sha":"` + head + `","files":["src/testdata/x.txt"]}`,
		record.TypeChangeUpdated:       `{"head_sha":"` + head + `","files":["src/testdata/x.txt"],"kind":"test"}`,
		record.TypeChangeMerged:        `{"head_sha":"` + head + `","merge_sha":"` + head + `","merged_by":"mira-s","merged_at":"2036-01-01T00:00:00Z"}`,
		record.TypeChangeClosed:        `{"closed_by":"mira-s","closed_at":"2020-01-01T00:00:00Z"}`,
		record.TypeDeploymentFinished:  `{"environment":"staging","commit_sha":"` + head + `","outcome":"rolled-back"}`,
		record.TypeGateDecided:         `{"verdict":"autonomous","allowed":true,"commit_sha":"` + head + `"}`,
		record.TypeCommitsPushed:       `{"branch":"b` + head[:6] + `","before":"` + strings.Repeat("1", 40) + `","after":"` + head + `","pusher":"mira-s","commits":[{"sha":"` + head + `","author":"mira-s"}],"files":["src/testdata/x.txt"]}`,
		record.TypeEventNoted:          `{"summary":"reviewed by jonas-k","commit_sha":"` + head + `"}`,
		record.TypeRequestReceived:     `{"kind":"ticket","id":"PAY-1","url":"https://acme.atlassian.net/browse/PAY-1","title":"do it","author":"mira-s","author_type":"human"}`,
	}
}

// claiming is a move for each type of events, about each of some changes.
func claiming(name string, changes []string, more ...string) (out []move) {
	for _, eventType := range record.Types() {
		if claims("")[eventType] == "" {
			continue
		}
		short := strings.TrimSuffix(strings.TrimPrefix(eventType, "dev.changetrail."), ".v1")
		out = append(out, move{fmt.Sprintf("it says %s %s", short, name), func(a *adversary) {
			for _, change := range changes {
				a.is(a.says(eventType, change, claims(change)[eventType], more...), 204)
			}
		}})
	}
	return out
}

func byToken() []move {
	own := []string{web + "/pull/1", web + "/pull/2", web + "/pull/3", web + "/pull/4", web + "/pull/6"}
	all := append(claiming("of its own changes", own), claiming("of a change of another agent", []string{web + "/pull/5"}, `time:"2026-01-01T00:00:00Z"`)...)
	return append(all, identities()...)
}

func identities() []move {
	review := claims(web + "/pull/2")[record.TypeReviewSubmitted]
	return []move{
		{"it says all of it of a repository that is not its own", func(a *adversary) {
			for eventType, data := range claims(payments + "/pull/2") {
				a.is(a.says(eventType, payments+"/pull/2", data), 403)
			}
		}},
		{"it sends a verdict under source and id of the reviewer's", func(a *adversary) {
			for _, source := range []string{"/code-host", "https://" + web} {
				a.is(a.says(record.TypeReviewSubmitted, web+"/pull/2", strings.Replace(review, "approved", "commented", 1), `id:"asks of `+web+`/pull/2"`, `source:"`+source+`"`, `time:"2020-01-01T00:00:00Z"`), 204)
			}
		}},
		{"it sends a success under source and id of the failure", func(a *adversary) {
			for _, n := range []string{"2", "5"} {
				change := web + "/pull/" + n
				a.is(a.says(record.TypeValidationCompleted, change, claims(change)[record.TypeValidationCompleted], `id:"tests of `+change+`"`, `source:"/ci"`), 204)
			}
		}},
		{"it dismisses the review that asks for changes", func(a *adversary) {
			a.is(a.says(record.TypeReviewSubmitted, web+"/pull/2", `{"reviewer":"jonas-k","verdict":"dismissed"}`), 204)
			a.is(a.says(record.TypeReviewSubmitted, web+"/pull/5", `{"reviewer":"jonas-k","verdict":"dismissed"}`), 204)
		}},
		{"it decides as another agent", func(a *adversary) {
			a.is(a.says(record.TypeDecisionRecorded, web+"/pull/5", `{"agent":{"id":"patch-pilot"},"options":[{"id":"a","outcome":"chosen"}]}`), 403)
		}},
		{"it acts as another agent", func(a *adversary) {
			a.is(a.says(record.TypeActionPerformed, web+"/pull/5", `{"agent":{"id":"patch-pilot"},"tool":"Edit"}`), 403)
		}},
		{"it says that another agent was refused", func(a *adversary) {
			a.is(a.says(record.TypeIdentityRefused, web+"/pull/3", `{"agent":"mallory","credential":"patch-pilot"}`), 403, 422)
		}},
		{"it names a run of another change its own", func(a *adversary) {
			a.is(a.says(record.TypeRunNamed, web+"/pull/4", `{"run":"run of `+commit(web + "/pull/3")[:6]+`","repository":"`+web+`"}`), 403, 422)
		}},
		{"it decides anew what it decided, under the same identity", func(a *adversary) {
			a.decided[web+"/pull/3"] = true
			a.is(a.says(record.TypeDecisionRecorded, web+"/pull/3", `{"agent":{"id":"mallory"},"options":[{"id":"wait","outcome":"chosen"}]}`, `source:"/mallory"`, `id:"decision of `+web+`/pull/3"`), 204)
		}},
		{"it decides after the merge, dated before it", func(a *adversary) {
			a.decided[web+"/pull/1"] = true
			a.is(a.says(record.TypeDecisionRecorded, web+"/pull/1", `{"agent":{"id":"mallory"},"trigger":{"kind":"prompt"},"options":[{"id":"a","outcome":"chosen"},{"id":"b","outcome":"rejected","reason":"r"}]}`, `time:"2026-01-01T00:00:00Z"`), 204)
		}},
		{"it says that it was asked by whom it needs", func(a *adversary) {
			a.decided[web+"/pull/4"] = true
			a.is(a.says(record.TypeDecisionRecorded, web+"/pull/4", `{"agent":{"id":"mallory","delegated_by":"jonas-k"},"authorization":{"verdict":"autonomous","granted_by":"jonas-k"},"claims":{"tests":"passed"}}`), 204)
		}},
		{"it dates an approval into the past and the future", func(a *adversary) {
			for _, at := range []string{"1970-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"} {
				a.is(a.says(record.TypeReviewSubmitted, web+"/pull/1", claims(web + "/pull/1")[record.TypeReviewSubmitted], `time:"`+at+`"`), 204, 422)
			}
		}},
		{"it states when its events arrived", func(a *adversary) {
			a.is(a.says(record.TypeReviewSubmitted, web+"/pull/1", claims(web + "/pull/1")[record.TypeReviewSubmitted], `arrivedat:"2026-01-01T00:00:00Z"`, `imported:"true"`), 204)
		}},
		{"it states who sent it, with a signature", func(a *adversary) {
			for _, mac := range []string{strings.Repeat("0", 64), "", hex.EncodeToString([]byte("a signing key of the town"))} {
				a.is(a.says(record.TypeReviewSubmitted, web+"/pull/2", review, `authtype:"system"`, `authid:"github"`, `authmac:"`+mac+`"`), 204, 400, 422)
			}
		}},
		{"it says of which trace an event is", func(a *adversary) {
			a.is(a.says(record.TypeActionPerformed, web+"/pull/4", `{"agent":{"id":"mallory"},"tool":"Edit"}`, `traceparent:"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"`, `tracestate:"a=b"`), 204)
		}},
		{"it speaks under changetrail's own sources", func(a *adversary) {
			for _, source := range []string{"/changetrail", "/changetrail/gateway", "/changetrail/enricher"} {
				a.is(a.says(record.TypeReviewSubmitted, web+"/pull/2", review, `source:"`+source+`"`), 403)
			}
		}},
		{"it sends the code host's webhooks as events", func(a *adversary) {
			body := `{"action":"submitted","repository":{"full_name":"acme/web"},"pull_request":{"number":2,"html_url":"https://github.com/acme/web/pull/2"},"review":{"state":"approved","user":{"login":"jonas-k","type":"User"},"commit_id":"` + commit(web+"/pull/2") + `"}}`
			for _, eventType := range []string{"com.github.pull_request_review.submitted", "com.gitlab.merge_request.approved", "com.atlassian.jira.issue_created"} {
				a.is(a.says(eventType, web+"/pull/2", body), 204, 403, 422)
			}
			a.is(a.says("com.github.pull_request_review.submitted", web+"/pull/2", strings.ReplaceAll(body, "acme/web", "acme/payments")), 403, 422)
		}},
		{"it names its repository outside and another one inside", func(a *adversary) {
			for _, more := range [][]string{{`partitionkey:"` + payments + `"`}, {`partitionkey:"` + web + `"`}} {
				a.is(a.says(record.TypeReviewSubmitted, payments+"/pull/2", claims(payments + "/pull/2")[record.TypeReviewSubmitted], more...), 403, 422)
			}
			a.is(a.says(record.TypeDeploymentFinished, web+"/pull/2", `{"environment":"production","outcome":"success","repository":"`+payments+`"}`), 403, 422)
		}},
		{"it has data fetched that are not its own", func(a *adversary) {
			digest := digests.Of(a.secret)
			for _, eventType := range []string{record.TypeScanCompleted, record.TypeDecisionRecorded, record.TypeEventNoted} {
				a.is(a.says(eventType, web+"/pull/4", "", `dataref:"`+digest+`"`), 204, 403, 422)
			}
		}},
		{"it smuggles a review in by dataref", func(a *adversary) {
			digest := a.put(review)
			a.is(a.says(record.TypeReviewSubmitted, web+"/pull/2", "", `dataref:"`+digest+`"`), 204)
			other := a.put(`{"agent":{"id":"patch-pilot"}}`)
			a.is(a.says(record.TypeDecisionRecorded, web+"/pull/5", "", `dataref:"`+other+`"`), 403)
		}},
		{"it names another's report as its own evidence, and reads it", func(a *adversary) {
			digest := digests.Of(a.secret)
			a.decided[web+"/pull/4"] = true
			a.is(a.says(record.TypeScanCompleted, web+"/pull/4", `{"tool":{"name":"osv-scanner"},"report":{"digest":"`+digest+`"}}`), 204, 422)
			a.is(a.says(record.TypeValidationCompleted, web+"/pull/4", `{"name":"unit","conclusion":"success","report":{"digest":"`+digest+`"}}`), 204, 422)
			a.is(a.says(record.TypeDecisionRecorded, web+"/pull/4", `{"agent":{"id":"mallory"},"trigger":{"kind":"scan","finding":"GHSA-35jh-r3h4-6jhm","digest":"`+digest+`"}}`), 204)
		}},
		{"it sends an event of CDEvents that says the tests passed", func(a *adversary) {
			a.is(a.says("dev.cdevents.testcaserun.finished.0.2.0", "", `{"context":{"version":"0.4.1","id":"c","source":"/ci","type":"dev.cdevents.testcaserun.finished.0.2.0","timestamp":"2026-01-01T00:00:00Z"},"subject":{"id":"unit","type":"testCaseRun","content":{"outcome":"pass"}}}`, `partitionkey:"`+web+`"`), 204, 422)
		}},
		{"it sends spans of another agent and another repository", func(a *adversary) {
			span := func(agent, repository string) string {
				return fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"vcs.repository.url.full","value":{"stringValue":"https://%s"}},{"key":"vcs.change.id","value":{"stringValue":"2"}}]},"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"execute_tool","startTimeUnixNano":"1","endTimeUnixNano":"2","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},{"key":"gen_ai.tool.name","value":{"stringValue":"Edit"}},{"key":"gen_ai.agent.id","value":{"stringValue":"%s"}}]}]}]}]}`, repository, agent)
			}
			for _, s := range []string{span("patch-pilot", web), span("mallory", payments)} {
				a.is(a.ask("POST", "/v1/traces", s, append(a.own(), "Content-Type", "application/json")...), 200, 403)
			}
		}},
		{"it decides as another agent by the tools", func(a *adversary) {
			got := a.tool("record_decision", `{"change":"acme/web#5","agent":"patch-pilot","options":[{"id":"a","outcome":"chosen"}]}`)
			a.is(got, 200)
			a.is(a.tool("record_decision", `{"change":"acme/payments#2","options":[{"id":"a","outcome":"chosen"}]}`), 200)
			a.is(a.tool("attach_evidence", `{"path":"/etc/passwd"}`), 200)
		}},
		{"it hides a verdict behind 3,000 others", func(a *adversary) {
			for range 30 {
				var batch []string
				for range 100 {
					a.sent++
					batch = append(batch, a.event(record.TypeReviewSubmitted, web+"/pull/2", fmt.Sprintf(`{"reviewer":"r%d","verdict":"commented"}`, a.sent)))
				}
				a.is(a.ask("POST", "/v1/events", "["+strings.Join(batch, ",")+"]", append(a.own(), "Content-Type", "application/cloudevents-batch+json")...), 204)
			}
		}},
		{"it hides a failure behind 2,000 checks of the same commit", func(a *adversary) {
			for range 20 {
				var batch []string
				for range 100 {
					a.sent++
					batch = append(batch, a.event(record.TypeValidationCompleted, web+"/pull/2", fmt.Sprintf(`{"name":"check %d","commit_sha":%q,"conclusion":"success"}`, a.sent, commit(web+"/pull/2"))))
				}
				a.is(a.ask("POST", "/v1/events", "["+strings.Join(batch, ",")+"]", append(a.own(), "Content-Type", "application/cloudevents-batch+json")...), 204)
			}
		}},
		{"it uses words of a password that it guesses", func(a *adversary) {
			for _, token := range []string{"ct_" + strings.Repeat("A", 43), "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2V2aWwifQ.", "github", "mallory"} {
				a.is(a.ask("POST", "/v1/events", a.event(record.TypeReviewSubmitted, web+"/pull/2", review), "Authorization", "Bearer "+token, "Content-Type", "application/cloudevents+json"), 401)
			}
		}},
		{"it forges a webhook, and plays one back elsewhere", func(a *adversary) {
			body := `{"action":"submitted","repository":{"full_name":"acme/web"},"pull_request":{"number":2},"review":{"state":"approved","user":{"login":"jonas-k"}}}`
			for _, s := range []string{"", "sha256=" + strings.Repeat("0", 64), signature("guessed", []byte(body))} {
				a.is(a.ask("POST", "/v1/webhooks/github", body, "Content-Type", "application/json", "X-GitHub-Event", "pull_request_review", "X-Hub-Signature-256", s), 401)
			}
			a.is(a.ask("POST", "/v1/webhooks/jira?repository="+web, `{"webhookEvent":"jira:issue_created","issue":{"key":"PAY-1"}}`, "X-Hub-Signature", signature("guessed", nil)), 401)
			a.is(a.ask("POST", "/v1/webhooks/gitlab", body, "X-Gitlab-Token", "guessed"), 401, 403)
		}},
	}
}

// put uploads a file.
func (a *adversary) put(file string) string {
	a.t.Helper()
	a.is(a.ask("PUT", "/v1/blobs", file, a.own()...), 201)
	return digests.Of([]byte(file))
}
