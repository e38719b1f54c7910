package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
)

const urgent = "github.com/acme/payments/pull/4"

// urgentDesk is a desk with one change whose merge people may order.
func urgentDesk(people ...string) *deskDouble {
	c := waitingChange(urgent, "critical", noon.Add(-time.Hour))
	if people != nil {
		c.Emergency = &gate.Emergency{Accounts: people, ReviewSeconds: 24 * 60 * 60}
	}
	return &deskDouble{waiting: desk.Waiting{Changes: []pending.Item{c, waitingChange("github.com/acme/payments/pull/5", "low", noon)}}}
}

func anOrder(reason string) url.Values {
	return url.Values{"what": {breakGlass}, "of": {urgent}, "commit": {headSHA}, "reason": {reason}}
}

const orderSummary = "<summary>Merge in an emergency"

// TestTheOrderIsOfferedToThoseWhoMayGiveIt: closed, with what follows, and to nobody else.
func TestTheOrderIsOfferedToThoseWhoMayGiveIt(t *testing.T) {
	for name, c := range map[string]struct {
		desk  *deskDouble
		who   string
		role  settings.Role
		times int
	}{
		"who may":                      {urgentDesk("mira.s", "jo.k"), "mira.s", settings.Approver, 1},
		"who may, in capitals":         {urgentDesk("mira.s"), "Mira.S", settings.Approver, 1},
		"without the role":             {urgentDesk("mira.s"), "mira.s", settings.Viewer, 0},
		"another person":               {urgentDesk("jo.k"), "mira.s", settings.Approver, 0},
		"a policy without the section": {urgentDesk(), "mira.s", settings.Approver, 0},
		"without sign-in":              {urgentDesk("mira.s", ""), "", "", 0},
		"requests of agents have none": {fullDesk(), "mira.s", settings.Approver, 0},
	} {
		v := visit(t, c.desk, c.who, c.role)
		_, page := v.get("/inbox")
		if n := strings.Count(page, orderSummary); n != c.times || strings.Contains(page, "<details open") {
			t.Errorf("%s: %d forms", name, n)
		}
		if c.times > 0 {
			says(t, name, page, "You order that commit 1111111111 may be merged although the gate denies it. The finding break-glass follows at once", "must review the commit within 24 hours; otherwise the finding break-glass-overdue (critical) follows.")
		}
	}
}

// TestAnOrder: it reaches the desk as the person who signed in gave it, and the page says what the gate answers.
func TestAnOrder(t *testing.T) {
	v := visit(t, urgentDesk("mira.s"), "mira.s", settings.Approver)
	v.get("/inbox")
	form := anOrder(" INC-17: <script>alert(1)</script> & \"cannot pay\" ")
	form.Set("person", "somebody else")
	status, page := v.post("/inbox", form)
	want := gate.Override{Change: urgent, Person: "mira.s", Commit: headSHA, Reason: "INC-17: <script>alert(1)</script> & \"cannot pay\""}
	if status != http.StatusOK || len(v.desk.orders) != 1 || v.desk.orders[0] != want || strings.Contains(page, "<script>alert") {
		t.Errorf("%d %+v", status, v.desk.orders)
	}
	says(t, "ordered", page, "You ordered that "+urgent+" may be merged at commit 1111111111. The gate allows the merge now: mira.s ordered", "1 item waits")
	if len(v.desk.verdicts) > 0 {
		t.Errorf("an order is no approval: %+v", v.desk.verdicts)
	}
}

// TestNothingIsOrdered: the page says why in the form, which is open then and keeps the reason.
func TestNothingIsOrdered(t *testing.T) {
	moved := anOrder("they cannot pay")
	moved.Set("commit", strings.Repeat("2", 40))
	request := anOrder("why")
	request.Set("of", "q1")
	hostile := "</textarea><script>alert(1)</script>"
	for name, c := range map[string]struct {
		form   url.Values
		refuse error
		status int
		says   string
		field  bool // the reason is wrong
	}{
		"a newer commit":      {moved, nil, 409, "the newest commit is another one.", false},
		"no reason":           {anOrder(" \n"), nil, 422, "Nothing was ordered: give a reason.", true},
		"a long reason":       {anOrder(strings.Repeat("x", maxReason+1)), nil, 422, "longer than 2000 characters", true},
		"the gate refuses it": {anOrder(hostile), problem.New(422, "the order is incomplete: give a reason"), 422, "the order is incomplete", true},
		"an agent made it":    {anOrder(hostile), problem.New(403, "this person may not give the order: mira.s took part in the change"), 403, "took part in the change", false},
		"the gate is away":    {anOrder("why"), problem.New(503, "the gate cannot tell. Do not merge."), 503, "Do not merge.", false},
		"a request":           {request, nil, 400, "q1", false},
	} {
		v := visit(t, urgentDesk("mira.s"), "mira.s", settings.Approver)
		v.desk.refuses = c.refuse
		v.get("/inbox")
		status, page := v.post("/inbox", c.form)
		if status != c.status || len(v.desk.orders)+len(v.desk.verdicts) > 0 || strings.Contains(page, "<script>alert") {
			t.Errorf("%s: %d %+v", name, status, v.desk.orders)
		}
		says(t, name, page, c.says)
		if name == "a request" {
			continue
		}
		_, item, _ := strings.Cut(page, "<details open")
		item, _, _ = strings.Cut(item, "</details>")
		says(t, name+" in the form", item, c.says)
		if strings.Contains(item, `aria-invalid="true"`) != c.field {
			t.Errorf("%s: the reason is marked as wrong: %v", name, !c.field)
		}
		if c.form.Get("reason") == hostile && !strings.Contains(item, "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;</textarea>") {
			t.Errorf("%s: the reason is lost: %s", name, item)
		}
	}
}

// TestOnlyApproversOrder: whatever they send, and nobody without a form token. What they wrote is kept for
// the form that it belongs to.
func TestOnlyApproversOrder(t *testing.T) {
	for name, roles := range map[string][]settings.Role{"mira.s": {settings.Viewer, settings.Administrator}, "": nil} {
		v := visit(t, urgentDesk("mira.s"), name, roles...)
		v.get("/inbox")
		if status, _ := v.post("/inbox", anOrder("why")); status != http.StatusForbidden || len(v.desk.orders) > 0 {
			t.Errorf("%q: %d %+v", name, status, v.desk.orders)
		}
	}
	v := visit(t, urgentDesk("mira.s"), "mira.s", settings.Approver)
	v.get("/inbox")
	v.token = "another"
	status, page := v.post("/inbox", anOrder("they cannot pay"))
	says(t, "another form token", page, "Nothing was decided", "The form is not one of your session", "You wrote: they cannot pay")
	if status != http.StatusForbidden || len(v.desk.orders) > 0 || !strings.Contains(page, "what=break-glass") {
		t.Errorf("another form token: %d %s", status, page)
	}
	kept := url.Values{"what": {breakGlass}, "of": {urgent}, "reason": {"they cannot pay"}}
	if _, page := v.get("/inbox?" + kept.Encode()); strings.Count(page, ">they cannot pay</textarea>") != 1 || !strings.Contains(page, "<details open") {
		t.Errorf("the reason is not in the form of the order: %s", page)
	}
}
