package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// TestApprovalsInEachState: the list, and who may give or revoke one.
func TestApprovalsInEachState(t *testing.T) {
	away := fullDesk()
	away.err = problem.New(http.StatusServiceUnavailable, "The book of approvals cannot be read.")
	const gives, revokes = `value="grant"`, `value="revoke"`
	for name, c := range map[string]struct {
		desk           *deskDouble
		who            string
		roles          []settings.Role
		status         int
		gives, revokes bool
		says           []string
	}{
		"an approver":      {fullDesk(), "mira.s", []settings.Role{settings.Approver}, 200, true, false, []string{"in force dependabot github.com/acme/web only web, docs/** kinds: dependency-update", "0, no limit", "1 of 2 github.com/acme/payments/pull/9", "revoked by ada at 2026-11-12 12:00:00Z: incident 7"}},
		"who gave one":     {fullDesk(), "jo.k", []settings.Role{settings.Approver}, 200, true, true, []string{"in force"}},
		"an administrator": {fullDesk(), "ada", []settings.Role{settings.Administrator}, 200, false, true, []string{"that needs the role approver"}},
		"a viewer":         {fullDesk(), "jo.k", []settings.Role{settings.Viewer}, 200, false, false, []string{"that needs the role approver"}},
		"no sign-in":       {fullDesk(), "", nil, 200, false, false, []string{"no sign-in is configured"}},
		"none":             {&deskDouble{}, "mira.s", []settings.Role{settings.Approver}, 200, true, false, []string{"Nobody has given one."}},
		"away":             {away, "mira.s", []settings.Role{settings.Approver}, 503, false, false, []string{"The approvals are not known at the moment: The book of approvals cannot be read."}},
	} {
		v := visit(t, c.desk, c.who, c.roles...)
		status, page := v.get("/approvals")
		if status != c.status || strings.Contains(page, gives) != c.gives || strings.Contains(page, revokes) != c.revokes {
			t.Errorf("%s: %d, gives %v, revokes %v", name, status, strings.Contains(page, gives), strings.Contains(page, revokes))
		}
		says(t, name, page, c.says...)
		if c.status != 200 && strings.Contains(page, "Nobody has given one") {
			t.Errorf("%s: the page says that there is none", name)
		}
	}
}

func newGrant() url.Values {
	return limits(url.Values{"do": {"grant"}, "agent": {"patch-pilot"}, "repository": {"github.com/acme/ledger"}, "reason": {"quarterly fixes"}, "id": {"g9"}})
}

// TestAnApprovalIsGivenAndRevoked: in the name of who signed in.
func TestAnApprovalIsGivenAndRevoked(t *testing.T) {
	v := visit(t, fullDesk(), "mira.s", settings.Approver)
	v.get("/approvals")
	status, page := v.post("/approvals", newGrant())
	says(t, "given", page, "You approved work of patch-pilot in github.com/acme/ledger until 2026-11-15 00:00:00Z. To the approval")
	want := approvals.Grant{ID: "g9", Person: "mira.s", Agent: "patch-pilot", Repository: "github.com/acme/ledger", Scope: []string{"ledger", "docs/**"}, Kinds: []string{"documentation"}, Until: time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC), Uses: 2, Reason: "quarterly fixes"}
	if got := v.desk.grants[2].Grant; status != 200 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d %+v", status, got)
	}
	status, page = v.post("/approvals", url.Values{"do": {"revoke"}, "of": {"g9"}, "id": {"r1"}, "reason": {"no longer"}})
	says(t, "revoked", page, "You revoked the approval of mira.s for patch-pilot in github.com/acme/ledger.")
	if want := (approvals.Revocation{ID: "r1", Grant: "g9", Person: "mira.s", Reason: "no longer"}); status != 200 || v.desk.revoked[0] != want {
		t.Errorf("%d %+v", status, v.desk.revoked)
	}
	for name, c := range map[string]struct {
		of, reason string
		status     int
		says       string
	}{
		"another's": {"g2", "why", 403, "You cannot revoke this approval: jo.k gave it."},
		"no reason": {"g9", " ", 422, "To revoke, give a reason."},
		"unknown":   {"g0", "why", 404, "There is no such approval."},
	} {
		status, page := v.post("/approvals", url.Values{"do": {"revoke"}, "of": {c.of}, "reason": {c.reason}})
		says(t, name, page, c.says)
		if status != c.status || len(v.desk.revoked) != 1 {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// TestWhatIsWrongWithAnApprovalIsSaidBesideTheField: and the form keeps all that was written.
func TestWhatIsWrongWithAnApprovalIsSaidBesideTheField(t *testing.T) {
	for name, c := range map[string]struct {
		field, value, says string
	}{
		"no agent":      {"agent", " ", "Name the agent, by its id in the policy."},
		"no repository": {"repository", "no repository!", "no repository!"},
		"no day":        {"until", "31.12.2026", "Until when?"},
		"no number":     {"uses", "many", "For how many changes?"},
		"no reason":     {"reason", "", "Give a reason."},
		"a long reason": {"reason", strings.Repeat("x", 2001), "longer than 2000"},
	} {
		v := visit(t, fullDesk(), "mira.s", settings.Approver)
		v.get("/approvals")
		form := newGrant()
		form.Set(c.field, c.value)
		status, page := v.post("/approvals", form)
		id := c.field + "-new"
		if c.field == "reason" {
			id = "new-reason"
		}
		at := strings.Index(page, `id="`+id+`-error"`)
		if status != http.StatusUnprocessableEntity || at < 0 || !strings.Contains(page[at:], c.says) || len(v.desk.grants) != 2 {
			t.Errorf("%s: %d %s", name, status, read(page))
		}
		for field := range form {
			if field != c.field && field != access.FormField && field != "id" && !strings.Contains(page, form.Get(field)) {
				t.Errorf("%s: what was written in %s is lost", name, field)
			}
		}
		if !strings.Contains(page, `<details class="new" open>`) {
			t.Errorf("%s: the form is closed", name)
		}
	}
}

// TestWhatThePolicyRefusesIsSaidBesideTheField: its errors begin with the name of the field.
func TestWhatThePolicyRefusesIsSaidBesideTheField(t *testing.T) {
	for says, id := range map[string]string{
		`agent "patch-pilto" is not one of patch-pilot`: "agent-new", "repository: it has no host": "repository-new", "scope: the policy has no service there": "scope-new", "kinds: no such kind": "kinds-new",
		"until is in the past": "until-new", "uses is -1": "uses-new", "reason is missing": "new-reason", "person: the policy lists no person mira.s": "", "nobody knows": "",
	} {
		v := visit(t, fullDesk(), "mira.s", settings.Approver)
		v.desk.refuses = problem.New(http.StatusUnprocessableEntity, "%s", says)
		v.get("/approvals")
		status, page := v.post("/approvals", newGrant())
		if got := strings.Count(page, `aria-invalid="true"`); status != http.StatusUnprocessableEntity || (got == 1) != (id != "") || id != "" && !strings.Contains(page, `id="`+id+`-error"`) {
			t.Errorf("%s: %d, %d fields are wrong", says, status, got)
		}
		if !strings.Contains(read(page), says) {
			t.Errorf("the page does not say %q", says)
		}
	}
}

// TestApprovalsOverHTTP: a script of the pages gives one with the form token of the session, always in
// the name of who signed in.
func TestApprovalsOverHTTP(t *testing.T) {
	v := visit(t, fullDesk(), "mira.s", settings.Approver)
	v.get("/approvals")
	post := func(body, token string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/approvals", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(access.FormHeader, token)
		return v.do(r)
	}
	const good = `{"agent": "patch-pilot", "repository": "github.com/acme/ledger", "scope": ["ledger"], "until": "2026-11-20T00:00:00Z", "uses": 1, "reason": "why", "person": "somebody.else"}`
	status, text := post(good, v.token)
	var s approvals.Standing
	if err := json.Unmarshal([]byte(text), &s); err != nil || status != http.StatusCreated || s.Person != "mira.s" || s.ID == "" || s.Repository != "github.com/acme/ledger" {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	for body, want := range map[string]int{
		"":                                   400,
		"[]":                                 400,
		`{"agents": 1}`:                      400,
		strings.Replace(good, "why", " ", 1): 422,
		strings.Replace(good, "github.com/acme/", "", 1):      422,
		strings.Replace(good, "patch-pilot", "", 1):           422,
		`{"reason": "` + strings.Repeat("x", maxGrant) + `"}`: 400,
	} {
		if status, text := post(body, v.token); status != want || len(v.desk.grants) != 3 {
			t.Errorf("%.60s: %d %s", body, status, text)
		}
	}
	if status, _ := post(good, "another"); status != http.StatusForbidden || len(v.desk.grants) != 3 {
		t.Errorf("with another form token: %d", status)
	}
	v.roles = []settings.Role{settings.Viewer}
	if status, _ := post(good, v.token); status != http.StatusForbidden || len(v.desk.grants) != 3 {
		t.Errorf("a viewer: %d", status)
	}
	status, text = v.get("/v1/approvals")
	if status != http.StatusOK || !strings.Contains(text, `"status":"revoked"`) || !strings.Contains(text, `"id":"g2"`) {
		t.Errorf("%d %s", status, text)
	}
}

// TestReadersSeeOnlyWhatTheyMayRead: neither items nor approvals of other repositories, nor their
// number.
func TestReadersSeeOnlyWhatTheyMayRead(t *testing.T) {
	handler, token := restricted(t, fullDesk(), "github.com/acme/ledger")
	for path, want := range map[string]string{"/inbox": "1 item waits for a person", "/approvals": "Nobody has given one.", "/v1/approvals": `{"approvals":[]}`} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		text := w.Body.String()
		if w.Code != http.StatusOK || !strings.Contains(read(text), want) || strings.Contains(text, "payments/pull") || strings.Contains(text, "acme/web") {
			t.Errorf("%s: %d %s", path, w.Code, read(text))
		}
		if path == "/inbox" {
			says(t, path, text, "Inbox 1", "You read github.com/acme/ledger only.")
		}
	}
}

// approvedRecord is the record of a change that was opened before noon and approved after a while.
func approvedRecord(number int, reviewer string, opened time.Time, after time.Duration) query.Hit {
	r := &record.Record{Timestamp: opened}
	r.Trail.Change = record.Change{ID: record.ChangeID(fmt.Sprintf("github.com/acme/payments/pull/%d", number)), Repository: "github.com/acme/payments", InitiatedBy: "agent", OpenedAt: opened}
	r.Trail.Review = &record.ReviewFacts{Verdicts: []record.ReviewVerdict{
		{Reviewer: reviewer, Verdict: "approved", Tier: record.Observed, SubmittedAt: opened.Add(after)},
		{Reviewer: "claimed", Verdict: "approved", Tier: record.Claimed, SubmittedAt: opened.Add(after)},
		{Reviewer: "ci", ReviewerType: "bot", Verdict: "approved", Tier: record.Observed, SubmittedAt: opened.Add(after)},
		{Reviewer: "against", Verdict: "changes-requested", Tier: record.Observed, SubmittedAt: opened.Add(after)},
	}}
	r.Trail.Approvals = []record.ApprovalFact{
		{Approver: "withdrawn", Verdict: "refused", Tier: record.Observed, GrantedAt: opened}, {Approver: "by a grant", Reference: "approval g1", Tier: record.Observed, GrantedAt: opened},
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return query.Hit{ID: string(r.Trail.Change.ID), Doc: text}
}

// TestStatisticsCountWhatPeopleApproved: each once, with how long it waited, and those that nobody can
// have looked at.
func TestStatisticsCountWhatPeopleApproved(t *testing.T) {
	desk := fullDesk() // two approvals before work in the time, of which somebody asked for one
	desk.grants[0].Asked = desk.grants[0].At.Add(-2 * time.Second)
	v := visit(t, desk, "mira.s", settings.Viewer)
	both := approvedRecord(20, "pat", noon.Add(-5*time.Hour), time.Hour)
	both.Doc = jsontext.Value(strings.Replace(string(both.Doc), `"approver":"withdrawn","verdict":"refused","granted_at":"2026-11-12T07:00:00Z"`, `"approver":"pat","granted_at":"2026-11-12T08:00:03Z"`, 1))
	v.index.result.Hits = append(v.index.result.Hits, both) // a review and an approval at one time are one decision
	for i, wait := range []time.Duration{9 * time.Second, 10 * time.Second, 11 * time.Second, time.Hour, 2 * time.Hour, 30 * time.Hour} {
		v.index.result.Hits = append(v.index.result.Hits, approvedRecord(i, "lea", noon.Add(-time.Duration(i+2)*40*time.Hour), wait))
	}
	v.index.result.Hits = append(v.index.result.Hits,
		approvedRecord(7, "lea", noon.Add(-50*24*time.Hour), time.Hour),                                                                        // before the time
		approvedRecord(8, "kim", noon.Add(-3*time.Hour), time.Hour), approvedRecord(9, "kim", noon.Add(-3*time.Hour), time.Hour+4*time.Second)) // one right after the other
	v.index.result.Total = len(v.index.result.Hits)
	status, page := v.get("/inbox/given")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, page)
	}
	says(t, "all", page, "11 approvals 0.4 a day", "60 minutes median wait", "30 hours wait of 90 %", "4 within ten seconds", "mira.s 1 0.0 2 seconds 2 seconds 1", "nobody asked", "lea 6 0.2 60 minutes 30 hours 2", "pat 1 0.0 60 minutes 60 minutes 0", "review and approval", "kim 2 0.1 60 minutes 60 minutes 1", "jo.k 1 0.0 unknown unknown 0")
	for _, no := range []string{"claimed only", "against", "withdrawn", "by a grant", "pull/7"} {
		if strings.Contains(read(page), no) {
			t.Errorf("the page counts %q", no)
		}
	}
	_, page = v.get("/inbox/given?by=lea&quick=1&since=30d")
	says(t, "filtered", page, "Approvals by lea within ten seconds 2 approvals, the newest first. Show all")
	if n := strings.Count(page, `data-label="Of"`); n != 2 {
		t.Errorf("%d approvals by lea within ten seconds", n)
	}
	v.index.result.Total = 5000
	_, page = v.get("/inbox/given")
	says(t, "cut", page, "Only the newest 10 of 5000 changes with approvals are counted.")
	desk.err = problem.New(503, "the gateway is away")
	_, page = v.get("/inbox/given")
	says(t, "away", page, "Approvals before work are not counted: the gateway is away", "9 approvals")
	for _, bad := range []string{"/inbox/given?since=x", "/inbox/given?from=x", "/inbox/given?to=2026-01-01"} {
		if status, _ := v.get(bad); status != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

// TestAChangeSaysThatItWaits: with what is missing and a link to its item; and which approvals before
// work count for it.
func TestAChangeSaysThatItWaits(t *testing.T) {
	r := &record.Record{Timestamp: noon}
	r.Trail.Change = record.Change{ID: change, Repository: change.Repository(), Title: "Fix"}
	r.Trail.Approvals = []record.ApprovalFact{
		{Approver: "jo.k", Reference: "approval g2", GrantedAt: noon, Tier: record.Observed}, {Approver: "liar", Reference: "approval g2", GrantedAt: noon, Tier: record.Claimed}, {Approver: "lea", Reference: "JIRA-1", GrantedAt: noon, Tier: record.Observed},
	}
	show := func(roles ...settings.Role) string {
		c := Config{Access: access.New(access.Config{Proxy: namesAt(t, "192.0.2.1"), Log: discarded}), Index: &oneChange{record: r}, Desk: fullDesk(), Log: discarded, Now: func() time.Time { return noon }}
		pages, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		v := visitor{t: t, handler: pages, name: "mira.s", roles: roles}
		_, page := v.get("/changes/" + string(change))
		return page
	}
	page := show(settings.Approver)
	says(t, "an approver", page, "Needs you Missing: an approval for payments by mira.s or jo.k (@acme/payments-leads); a review by any person who took no part in the change. It waits 3 days. Decide in the inbox", "Approved before the work by jo.k ( 2026-11-12 12:00:00Z )")
	if !strings.Contains(page, `href="/approvals#`+anchorOf("approval", "g2")) || !strings.Contains(page, strings.ReplaceAll(inboxPath("change", string(change)), "&", "&amp;")) {
		t.Error("the links are missing")
	}
	if strings.Contains(read(page), "by liar") {
		t.Error("a claimed approval counts")
	}
	says(t, "a viewer", show(settings.Viewer), "Waits for a person Missing", "See it in the inbox")
}
