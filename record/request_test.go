package record

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/digests"
)

const requestChange = ChangeID("github.com/acme/payments/pull/7")

// triggerOf folds a decision with a trigger, and other events, in any order.
func triggerOf(t *testing.T, trigger Trigger, beside ...Event) *TriggerFacts {
	t.Helper()
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	events := append([]Event{{Source: "/agent", ID: "d", Type: TypeDecisionRecorded, Repository: requestChange.Repository(), Change: requestChange, Time: at.Add(time.Hour), Witness: Signed, Sender: "agent:a", Fact: &Decision{Agent: Agent{ID: "a"}, Trigger: &trigger}}}, beside...)
	for i := range events[1:] {
		e := &events[i+1]
		e.ID, e.Repository, e.Type = string(rune('k'+i)), requestChange.Repository(), TypeOf(e.Fact)
		if e.Time.IsZero() {
			e.Time = at.Add(time.Duration(i) * time.Minute)
		}
	}
	want := Fold(requestChange, Gather(requestChange, events)).Trail.Trigger
	for range 5 {
		rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if diff := cmp.Diff(want, Fold(requestChange, Gather(requestChange, events)).Trail.Trigger); diff != "" {
			t.Errorf("in another order: -want +got:\n%s", diff)
		}
	}
	return want
}

func held(witness string, f *Request) Event {
	return Event{Source: "https://host", Witness: witness, Sender: "platform:host", Fact: f}
}

// TestATriggerNamesARequest checks that a request is found by id, address or digest, the
// strongest that both state.
func TestATriggerNamesARequest(t *testing.T) {
	digest, other := digests.Of([]byte("fix it")), digests.Of([]byte("break it"))
	issue := &Request{Kind: "issue", ID: "acme/payments#42", URL: "https://github.com/acme/payments/issues/42"}
	gitlab := &Request{Kind: "issue", ID: "g/p#23", URL: "https://gitlab.com/g/p/-/work_items/23"}
	ticket := &Request{Kind: "ticket", ID: "PAY-12", URL: "https://acme.atlassian.net/browse/PAY-12"}
	prompt := &Request{Kind: "prompt", ID: "p-1", Digest: digest}
	for _, c := range []struct {
		name    string
		trigger Trigger
		held    *Request
		want    bool
	}{
		{"an issue by its id", Trigger{Kind: "issue", ID: "acme/payments#42"}, issue, true},
		{"by its number", Trigger{Kind: "ticket", ID: "42"}, issue, true},
		{"by its number as people write it", Trigger{Kind: "ticket", ID: "#42"}, issue, true},
		{"by another number", Trigger{Kind: "ticket", ID: "#4"}, issue, false},
		{"by that of another repository", Trigger{Kind: "issue", ID: "acme/docs#42"}, issue, false},
		{"an alert of the same number is another thing", Trigger{Kind: "alert", ID: "42"}, issue, false},
		{"by its page, at a comment", Trigger{Kind: "request", URL: "HTTPS://GitHub.com/acme/payments/issues/42/#issuecomment-9"}, issue, true},
		{"by its page, called a ticket of another name", Trigger{Kind: "ticket", ID: "whatever", URL: issue.URL}, issue, true},
		{"by another page", Trigger{Kind: "issue", ID: "42", URL: "https://github.com/acme/payments/issues/43"}, issue, false},
		{"an issue of GitLab by its former page", Trigger{Kind: "issue", URL: "https://gitlab.com/g/p/-/issues/23"}, gitlab, true},
		{"a ticket whatever its case", Trigger{Kind: "ticket", ID: "pay-12"}, ticket, true},
		{"a prompt by its digest", Trigger{Kind: "prompt", Digest: digest}, prompt, true},
		{"a prompt called a request", Trigger{Kind: "request", Digest: digest}, prompt, true},
		{"a prompt of the same id that says something else", Trigger{Kind: "prompt", ID: "p-1", Digest: other}, prompt, false},
		{"a scan is no request", Trigger{Kind: "scan", ID: "PAY-12"}, ticket, false},
		{"a schedule neither", Trigger{Kind: "schedule", URL: ticket.URL}, ticket, false},
		{"nothing is named", Trigger{Kind: "ticket"}, ticket, false},
	} {
		if got := triggerOf(t, c.trigger, held(Observed, c.held)); got.Held || (got.Request != nil) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestWhoAsked checks that the best witness wins whatever comes later, and that everybody who
// asked is known.
func TestWhoAsked(t *testing.T) {
	opened := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	issue := func(who, kind string) *Request {
		return &Request{Kind: kind, ID: "acme/payments#42", Title: "by " + who, Author: who, AuthorID: "id-" + who, AuthorType: "human", OpenedAt: opened}
	}
	got := triggerOf(t, Trigger{Kind: "issue", ID: "42"},
		held(Observed, issue("mona", "issue")), held(Observed, issue("ana", "issue")), held(Observed, issue("bo", "request")), held(Claimed, issue("eve", "issue")), held("", issue("eve", "issue")), held(Signed, issue("eve", "issue")))
	r := got.Request
	if r == nil || r.Witness != Observed || r.Author != "ana" || r.AuthorID != "id-ana" || r.Title != "by ana" || r.AuthorType != "human" || !r.OpenedAt.Equal(opened) || r.Sender != "platform:host" {
		t.Fatalf("%+v", r)
	}
	if !r.KnownAt.Equal(time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)) {
		t.Errorf("it counts as known since %s; mona reported it first", r.KnownAt)
	}
	if want := []string{"ana", "bo", "eve", "mona"}; !slices.Equal(r.AskedBy, want) {
		t.Errorf("asked by %v, want %v", r.AskedBy, want)
	}
	if got := triggerOf(t, Trigger{Kind: "issue", ID: "42"}, held("", issue("eve", "issue"))).Request; got == nil || got.Witness != Claimed {
		t.Errorf("where only a claim holds it: %+v", got)
	}
	if got := triggerOf(t, Trigger{Kind: "issue", ID: "42"}, held(Human, issue("ana", "issue")), held(Observed, issue("mona", "issue"))).Request; got == nil || got.Witness != Human {
		t.Errorf("a person's word: %+v", got)
	}
}

// TestARequestCountsFromWhenItWasReported checks that a request that no platform observed counts from its
// arrival.
func TestARequestCountsFromWhenItWasReported(t *testing.T) {
	late := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	e := held(Human, &Request{Kind: "ticket", ID: "PAY-12"})
	e.Arrived = late
	if got := triggerOf(t, Trigger{Kind: "ticket", ID: "PAY-12"}, e).Request; got == nil || !got.KnownAt.Equal(late) {
		t.Errorf("%+v", got)
	}
	e.Witness = Observed
	if got := triggerOf(t, Trigger{Kind: "ticket", ID: "PAY-12"}, e).Request; got == nil || !got.KnownAt.Before(late) {
		t.Errorf("of a platform: %+v", got)
	}
}

// TestAnAlertCountsAsAReport finds the alert of a code host by its page, or by its kind and
// number.
func TestAnAlertCountsAsAReport(t *testing.T) {
	alert := Event{Source: "https://github.com/acme/payments", Witness: Observed, Fact: &Scan{Tool: Tool{Name: "Dependabot"}, Alert: true, ScanID: "dependabot/7", URL: "https://github.com/acme/payments/security/dependabot/7", Report: Report{Digest: digests.Of([]byte("body"))}}}
	for _, trigger := range []Trigger{{Kind: "alert", ID: "dependabot/7"}, {Kind: "alert", URL: "https://github.com/acme/payments/security/dependabot/7"}} {
		if got := triggerOf(t, trigger, alert).Request; got == nil || got.Witness != Observed || got.Source != alert.Source || got.Kind != "alert" {
			t.Errorf("%+v: %+v", trigger, got)
		}
	}
	scan := alert
	plain := *alert.Fact.(*Scan)
	plain.Alert = false
	scan.Fact = &plain
	if got := triggerOf(t, Trigger{Kind: "alert", URL: plain.URL}, scan); got.Request != nil {
		t.Errorf("a report that is no alert: %+v", got)
	}
}
