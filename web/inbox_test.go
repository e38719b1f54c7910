package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// says fails unless a page says each text.
func says(t *testing.T, name, page string, texts ...string) {
	t.Helper()
	got := read(page)
	for _, want := range texts {
		if !strings.Contains(got, want) {
			t.Errorf("%s: the page does not say %q: %s", name, want, got)
		}
	}
}

const buttons = `name="verdict"`

// TestTheInboxInEachState: what it says, and whether one can decide.
func TestTheInboxInEachState(t *testing.T) {
	away := fullDesk()
	away.err = problem.New(http.StatusServiceUnavailable, "The gateway at https://gate.acme.example cannot be reached.")
	for name, c := range map[string]struct {
		desk    *deskDouble
		who     string
		roles   []settings.Role
		status  int
		decides bool
		says    []string
	}{
		"full":           {fullDesk(), "mira.s", []settings.Role{settings.Approver}, 200, true, []string{"5 items wait for a person", "Missing: an approval for payments by mira.s or jo.k (@acme/payments-leads); a review by any person who took no part in the change.", "Approve records your approval of the work on payments and your review of commit 1111111111, as far as you can give it.", "waits 3 hours since 2026-11-12 09:00:00Z", "Inbox 5"}},
		"empty":          {&deskDouble{}, "mira.s", []settings.Role{settings.Approver}, 200, false, []string{"Nothing waits for a person."}},
		"read only":      {fullDesk(), "ada", []settings.Role{settings.Viewer, settings.Administrator}, 200, false, []string{"5 items wait", "You can read this, but not decide: that needs the role approver. Your roles: viewer, administrator."}},
		"no sign-in":     {fullDesk(), "", nil, 200, false, []string{"5 items wait", "nobody can decide here: no sign-in is configured", "docs/sign-in.md"}},
		"empty, no sign": {&deskDouble{}, "", nil, 200, false, []string{"Nothing waits for a person.", "no sign-in is configured"}},
		"the gate away":  {away, "mira.s", []settings.Role{settings.Approver}, 503, false, []string{"What waits for a person is not known at the moment: The gateway at https://gate.acme.example cannot be reached."}},
		"no desk":        {nil, "mira.s", []settings.Role{settings.Approver}, 503, false, []string{"What waits for a person is not known at the moment: this process does not know the gate. Set web.gateway"}},
	} {
		v := visit(t, c.desk, c.who, c.roles...)
		status, page := v.get("/inbox")
		if status != c.status || strings.Contains(page, buttons) != c.decides {
			t.Errorf("%s: %d, decides %v", name, status, strings.Contains(page, buttons))
		}
		says(t, name, page, c.says...)
		if away := c.status != 200; away && strings.Contains(page, "Nothing waits") {
			t.Errorf("%s: the page says that nothing waits", name)
		}
	}
}

var itemTitles = regexp.MustCompile(`<h2 id="t-[^"]*">(?:<a[^>]*>)?([^<]*)`)

// TestTheGravestComeFirst: then the oldest. A class that is not known may be the gravest.
func TestTheGravestComeFirst(t *testing.T) {
	v := visit(t, fullDesk(), "mira.s", settings.Approver)
	_, page := v.get("/inbox")
	var got []string
	for _, m := range regexp.MustCompile(`<code>(github\.com.*?)</code>`).FindAllStringSubmatch(page, -1) {
		got = append(got, strings.ReplaceAll(m[1], "<wbr>", ""))
	}
	want := []string{"github.com/acme/payments/pull/4", "github.com/acme/payments/pull/3", "github.com/acme/payments/pull/2", "github.com/acme/ledger", "github.com/acme/payments/pull/1"}
	if !slices.Equal(got, want) {
		t.Errorf("the order is %v, want %v", got, want)
	}
	if n := len(itemTitles.FindAllString(page, -1)); n != 5 {
		t.Errorf("%d titles", n)
	}
}

// TestALongInboxIsCutAndSaysSo: an item that a link names is shown in any case.
func TestALongInboxIsCutAndSaysSo(t *testing.T) {
	desk := new(deskDouble)
	for i := range 120 {
		desk.waiting.Changes = append(desk.waiting.Changes, waitingChange(fmt.Sprintf("github.com/acme/payments/pull/%d", i), "high", noon.Add(-time.Duration(i)*time.Minute)))
	}
	v := visit(t, desk, "mira.s", settings.Approver)
	_, page := v.get("/inbox")
	says(t, "long", page, "120 items wait for a person", "Shown: the first 50.")
	if n := strings.Count(page, `value="approve"`); n != mostItems {
		t.Errorf("%d items", n)
	}
	path, _, _ := strings.Cut(inboxPath("change", "github.com/acme/payments/pull/0"), "#") // browsers send no fragment
	_, page = v.get(path)
	if n := strings.Count(page, `value="approve"`); n != mostItems || !strings.Contains(page, anchorOf("change", "github.com/acme/payments/pull/0")) {
		t.Errorf("%d items, and the one that is asked for is not among them", n)
	}
}

// TestRecordsAddSentencesAndEvidence: only to answers that are still the same.
func TestRecordsAddSentencesAndEvidence(t *testing.T) {
	v := visit(t, fullDesk(), "mira.s", settings.Approver)
	r := &record.Record{Timestamp: noon}
	r.Trail.Change = record.Change{ID: "github.com/acme/payments/pull/4", Repository: "github.com/acme/payments", InitiatedBy: "agent", State: "open"}
	r.Trail.Answers = &record.Answers{Trigger: record.Proven, Alternatives: record.Proven, Authorized: record.Pending, Reviewed: record.Pending}
	r.Trail.Reasons = &record.Reasons{Alternatives: "a sentence about another answer", Reviewed: "Nobody has reviewed it."}
	digest := "sha256:" + strings.Repeat("a", 64)
	r.Trail.Trigger = &record.TriggerFacts{Kind: "scan", Digest: digest, Finding: "CVE-1", Held: true, Found: true}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	v.index.result = query.Result{Total: 1, Hits: []query.Hit{{ID: "x", Doc: text}}}
	_, page := v.get("/inbox")
	says(t, "with a record", page, "Nobody has reviewed it.")
	if !strings.Contains(page, `href="/evidence/`+digest) || strings.Contains(page, "a sentence about another answer") {
		t.Errorf("%s", page)
	}
}

func decision(what, of, verdict, reason string) url.Values {
	return url.Values{"what": {what}, "of": {of}, "verdict": {verdict}, "reason": {reason}, "id": {"d1"}, "commit": {headSHA}}
}

func limits(form url.Values) url.Values {
	form.Set("scope", "ledger, docs/**")
	form.Set("kinds", "documentation")
	form.Set("until", "2026-11-14")
	form.Set("uses", "2")
	return form
}

// TestDecisions: each verdict reaches the desk as the person who signed in gave it, and the page says
// what the gate answers.
func TestDecisions(t *testing.T) {
	v := visit(t, fullDesk(), "mira.s", settings.Approver)
	v.get("/inbox")
	status, page := v.post("/inbox", decision("change", "github.com/acme/payments/pull/4", "approve", ""))
	says(t, "approved", page, "You approved github.com/acme/payments/pull/4 at commit 1111111111. The gate allows the merge now.", "4 items wait")
	if want := (desk.Verdict{Person: "mira.s", Change: "github.com/acme/payments/pull/4", Commit: headSHA, Approve: true}); status != 200 || len(v.desk.verdicts) != 1 || v.desk.verdicts[0] != want {
		t.Errorf("%d %+v", status, v.desk.verdicts)
	}
	status, page = v.post("/inbox", decision("change", "github.com/acme/payments/pull/2", "refuse", " not on a Friday "))
	says(t, "refused", page, "You refused github.com/acme/payments/pull/2 at commit 1111111111. Still missing: an approval for payments")
	if d := v.desk.verdicts[1]; status != 200 || d.Approve || d.Reason != "not on a Friday" {
		t.Errorf("%d %+v", status, d)
	}
	form := limits(decision("request", "q1", "approve", "the fix of log4j"))
	form.Set("person", "somebody else")
	status, page = v.post("/inbox", form)
	says(t, "granted", page, "You approved work of patch-pilot in github.com/acme/ledger until 2026-11-15 00:00:00Z.")
	want := approvals.Grant{ID: "d1", Person: "mira.s", Agent: "patch-pilot", Repository: "github.com/acme/ledger", Scope: []string{"ledger", "docs/**"}, Kinds: []string{"documentation"}, Until: time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC), Uses: 2, Reason: "the fix of log4j", Request: "q1"}
	if got := v.desk.grants[len(v.desk.grants)-1].Grant; status != 200 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d %+v", status, got)
	}
	status, page = v.post("/inbox", decision("request", "q1", "approve", "again"))
	says(t, "answered", page, "Nothing was decided: this request does not wait any more.")
	if status != http.StatusConflict {
		t.Errorf("a request that was answered: %d", status)
	}
	v.desk.waiting.Requests = []desk.Request{waitingRequest("q2", "low", noon)}
	status, page = v.post("/inbox", decision("request", "q2", "refuse", "too much"))
	says(t, "refused", page, "You refused the request of patch-pilot in github.com/acme/ledger.")
	if want := (approvals.Refusal{ID: "d1", Request: "q2", Person: "mira.s", Reason: "too much"}); status != 200 || v.desk.refusals[0] != want {
		t.Errorf("%d %+v", status, v.desk.refusals)
	}
}

// TestNothingIsDecided: the page says why, and keeps what the person wrote.
func TestNothingIsDecided(t *testing.T) {
	moved := decision("change", "github.com/acme/payments/pull/4", "approve", "looks good")
	moved.Set("commit", strings.Repeat("2", 40))
	noDay := limits(decision("request", "q1", "approve", "why"))
	noDay.Set("until", "soon")
	noNumber := limits(decision("request", "q1", "approve", "why"))
	noNumber.Set("uses", "-1")
	for name, c := range map[string]struct {
		form   url.Values
		refuse error
		status int
		says   string
	}{
		"a newer commit":     {moved, nil, 409, "Nothing was decided: the newest commit is another one."},
		"no reason":          {decision("change", "github.com/acme/payments/pull/4", "refuse", "  "), nil, 422, "to refuse, give a reason"},
		"a long reason":      {decision("change", "github.com/acme/payments/pull/4", "refuse", strings.Repeat("x", maxReason+1)), nil, 422, "longer than 2000 characters"},
		"no verdict":         {decision("change", "github.com/acme/payments/pull/4", "", "why"), nil, 400, "neither approve nor refuse"},
		"no change":          {decision("change", "nothing", "approve", "why"), nil, 400, "nothing"},
		"no request":         {decision("request", "q9", "approve", "why"), nil, 409, "does not wait any more"},
		"no day":             {noDay, nil, 422, "Until when? Write a day, such as 2026-11-19."},
		"no number":          {noNumber, nil, 422, "For how many changes? Write a number"},
		"a grant, no reason": {limits(decision("request", "q1", "approve", "")), nil, 422, "Give a reason. Auditors read it."},
		"the desk refuses":   {decision("change", "github.com/acme/payments/pull/4", "approve", "why"), problem.New(403, "You asked for this work, so you cannot approve it."), 403, "You asked for this work, so you cannot approve it."},
		"a plain error":      {decision("change", "github.com/acme/payments/pull/4", "approve", "why"), errors.New("it cannot be recorded"), 409, "it cannot be recorded"},
	} {
		desk := fullDesk()
		desk.refuses = c.refuse
		v := visit(t, desk, "mira.s", settings.Approver)
		v.get("/inbox")
		status, page := v.post("/inbox", c.form)
		if status != c.status || len(desk.verdicts)+len(desk.refusals) > 0 || len(desk.grants) != 2 {
			t.Errorf("%s: %d", name, status)
		}
		says(t, name, page, c.says)
		reason := c.form.Get("reason")
		if known := c.form.Get("of") != "nothing" && c.form.Get("of") != "q9"; known && len(reason) < 100 && !strings.Contains(page, ">"+reason+"</textarea>") {
			t.Errorf("%s: the reason is lost", name)
		}
	}
}

// TestOnlyApproversDecide: whatever they send, and nobody without a form token.
func TestOnlyApproversDecide(t *testing.T) {
	for name, c := range map[string]struct {
		who   string
		roles []settings.Role
	}{
		"a viewer": {"ada", []settings.Role{settings.Viewer}}, "an administrator": {"ada", []settings.Role{settings.Administrator}}, "an auditor": {"ada", []settings.Role{settings.Auditor}}, "without sign-in": {"", nil},
	} {
		desk := fullDesk()
		v := visit(t, desk, c.who, c.roles...)
		v.get("/inbox")
		for path, form := range map[string]url.Values{
			"/inbox":     decision("change", "github.com/acme/payments/pull/4", "approve", "why"),
			"/approvals": limits(url.Values{"do": {"grant"}, "agent": {"a"}, "repository": {"acme/web"}, "reason": {"why"}}),
		} {
			if status, page := v.post(path, form); status != http.StatusForbidden || len(desk.verdicts) > 0 || len(desk.grants) != 2 {
				t.Errorf("%s at %s: %d %s", name, path, status, page)
			}
		}
	}
	desk := fullDesk()
	v := visit(t, desk, "mira.s", settings.Approver)
	v.get("/inbox")
	v.token = "another"
	status, page := v.post("/inbox", decision("change", "github.com/acme/payments/pull/4", "refuse", "I wrote & this"))
	says(t, "another form token", page, "Nothing was decided", "The form is not one of your session", "You wrote: I wrote & this")
	if status != http.StatusForbidden || len(desk.verdicts) > 0 || !strings.Contains(page, `href="/inbox?of=github.com`) {
		t.Errorf("another form token: %d %s", status, page)
	}
}

// TestASessionThatEndedInBetween: nothing is decided, and nothing that the person wrote is lost.
func TestASessionThatEndedInBetween(t *testing.T) {
	desk := fullDesk()
	c := Config{Access: access.New(access.Config{Provider: awayProvider(t), Log: discarded}), Index: &fakeIndex{}, Desk: desk, Log: discarded, Now: func() time.Time { return noon }}
	pages, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	send := func(reason string) (int, string) {
		form := decision("change", "github.com/acme/payments/pull/4", "refuse", reason)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/inbox", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "changetrail-session", Value: "ended"})
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	status, page := send("not on a Friday")
	says(t, "ended", page, "Nothing was decided", "You wrote: not on a Friday", "Sign in The form has your text again then.")
	m := regexp.MustCompile(`href="(/sign-in/start\?to=[^"]*)"`).FindStringSubmatch(page)
	if status != http.StatusUnauthorized || m == nil || len(desk.verdicts) > 0 {
		t.Fatalf("%d %s", status, page)
	}
	u, err := url.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	v := visit(t, fullDesk(), "mira.s", settings.Approver)
	if _, page := v.get(access.Here(u.Query().Get("to"))); !strings.Contains(page, ">not on a Friday</textarea>") || len(v.desk.verdicts) > 0 {
		t.Errorf("after the sign-in the reason is lost: %s", u)
	}
	status, page = send(strings.Repeat("long ", 380))
	says(t, "a long reason", page, "You wrote: long long")
	if status != http.StatusUnauthorized || strings.Contains(page, "The form has your text") {
		t.Errorf("a long reason: %d", status)
	}
}

// TestTheNumberOnEachPageCostsLittle: what waits is asked for once in five seconds, and a gate that is
// away delays no page.
func TestTheNumberOnEachPageCostsLittle(t *testing.T) {
	v := visit(t, fullDesk(), "mira.s", settings.Viewer)
	for range 20 {
		if status, page := v.get("/nowhere"); status != http.StatusNotFound || !strings.Contains(read(page), "Inbox 5 waiting for a person") {
			t.Fatalf("%d %s", status, read(page))
		}
	}
	if v.desk.asked != 1 {
		t.Errorf("what waits was asked for %d times", v.desk.asked)
	}
	away := fullDesk()
	away.err = errors.New("away")
	v = visit(t, away, "mira.s", settings.Viewer)
	for range 20 {
		if _, page := v.get("/nowhere"); !strings.Contains(page, `href="/inbox">Inbox</a>`) {
			t.Fatalf("%s", page)
		}
	}
	if away.asked != 1 {
		t.Errorf("a gate that is away was asked %d times", away.asked)
	}
}
