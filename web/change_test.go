package web

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

const change = record.ChangeID("github.com/acme/payments/pull/1")

var noon = time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC)

// An oneChange is an index of one change.
type oneChange struct {
	Index
	record *record.Record
	events []record.Event
}

func (x *oneChange) Record(context.Context, string) (jsontext.Value, error) {
	return schemas.Seal(nil, x.record, 1, ""), nil
}

func (x *oneChange) Events(_ context.Context, q schemas.EventQuery, f func(string, jsontext.Value) error) error {
	for _, e := range x.events {
		if q.Change == "" {
			continue
		}
		var d schemas.EventDocument
		d.Describe(&e, &schemas.Envelope{Type: e.Type}, nil, e.Arrived, "default")
		if err := f(e.ID, d.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

func (x *oneChange) get(t *testing.T, path string) string {
	t.Helper()
	pages, err := New(Config{Access: access.New(access.Config{Log: slog.New(slog.DiscardHandler)}), Index: x, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Body.String()
}

// read is what of a page people read.
func read(page string) string {
	page = html.UnescapeString(strings.ReplaceAll(page, "<wbr>", ""))
	page = regexp.MustCompile(`(?s)<script.*?</script>|<[^>]*>`).ReplaceAllString(page, " ")
	return strings.Join(strings.Fields(page), " ")
}

func TestThePageTellsClaimsTimesAndWhatIsPending(t *testing.T) {
	r := &record.Record{Timestamp: noon}
	r.Trail.Change = record.Change{ID: change, Repository: change.Repository(), InitiatedBy: "agent", State: "open", Claimed: []string{"head_sha", "merged_by"}}
	r.Trail.Answers = &record.Answers{Trigger: record.Pending, Alternatives: record.Pending, Authorized: record.Pending, Reviewed: record.Pending}
	r.Trail.Reasons = &record.Reasons{Reviewed: "Nobody approved so far."}
	r.Trail.Gaps = record.Gaps()
	r.Trail.Events, r.Trail.Imported = 2, true
	r.Trail.Control = &record.ControlFacts{Resolved: []record.ResolvedControl{
		{Tag: "own-1", Match: "custom", Title: "ours", Status: "not-evaluated"},
		{Tag: "own-2", Match: "custom", Title: "theirs", Status: "missing", Evidence: []string{"review", "validation"}, Missing: []string{"review"}},
	}}
	x := &oneChange{record: r, events: []record.Event{
		{ID: "late", Source: "/agent", Sender: "agent:claude", Type: record.TypeApprovalGranted, Change: change, Repository: change.Repository(), Witness: record.Signed, Time: noon, Arrived: noon.Add(4 * time.Hour), Fact: &record.Approval{Approver: "bert"}},
		{ID: "old", Source: "/host", Type: record.TypeChangeOpened, Change: change, Repository: change.Repository(), Imported: true, Time: noon, Arrived: noon, Fact: &record.Opened{}},
	}}
	page := x.get(t, "/changes/"+string(change))
	got := read(page)
	for _, want := range []string{
		"Supported by claims only: head sha, merged by", "imported history", "made from 2 events, all here",
		"own-1 ours not evaluated neither the matrix nor the catalogue names evidence for it", "own-2 theirs an independent review, passing tests missing an independent review",
		"2026-11-12 12:00:00Z 2026-11-12 16:00:00Z received 4 h later said by the agent, signed", "/agent agent:claude late",
		"2026-11-12 12:00:00Z 2026-11-12 12:00:00Z imported only claimed",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, gap := range record.Gaps() {
		g := say.GapOf(r, gap)
		if !strings.Contains(got, g.Severity+" "+g.Means+" "+g.Advice) {
			t.Errorf("the page does not say what %s means and what to do", gap)
		}
	}
	if strings.Contains(page, `class="step missing"`) {
		t.Error("an open change is said to lack what it may still get")
	}
	if n := strings.Count(page, `<div class="answer pending"`); n != 4 {
		t.Errorf("%d answers are pending", n)
	}
}

func TestThousandsOfEventsAreListedPageByPage(t *testing.T) {
	r := &record.Record{Timestamp: noon}
	r.Trail.Change = record.Change{ID: change, Repository: change.Repository()}
	r.Trail.Events = 5001
	x := &oneChange{record: r}
	for i := range 5000 {
		x.events = append(x.events, record.Event{
			ID: fmt.Sprintf("e%04d", i), Source: "/host", Type: record.TypeEventNoted, Change: change, Repository: change.Repository(),
			Time: noon.Add(time.Duration(i) * time.Second), Arrived: noon.Add(-time.Duration(i) * time.Second), Fact: &record.Activity{},
		})
	}
	for query, want := range map[string][]string{
		"":                         {"Events, 5000", "e0000", "e0099", "1 to 100 of 5000", "made from 5001 events, 5000 of them here"},
		"?events=50":               {"e4900", "e4999", "4901 to 5000 of 5000"},
		"?order=arrived&events=50": {"e0000", "e0099"},
		"?order=arrived":           {"e4999", "e4900"},
		"?events=51":               {"not a page from 1 to 50"},
		"?events=0":                {"not a page from 1 to 50"},
	} {
		page := x.get(t, "/changes/"+string(change)+query)
		for _, w := range want {
			if !strings.Contains(read(page), w) {
				t.Errorf("%q: the page does not say %q", query, w)
			}
		}
		if n := strings.Count(page, "<code>e"); n > 100 {
			t.Errorf("%q: %d events on one page", query, n)
		}
	}
	if n := strings.Count(x.get(t, "/v1/changes/"+string(change)+"/events"), "\n"); n != 5000 {
		t.Errorf("%d lines of events", n)
	}
}
