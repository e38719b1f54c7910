package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A readIndex is an index whose records are all read, and counts how often.
type readIndex struct {
	fakeIndex
	hits []query.Hit
	read int
	err  error
}

func (x *readIndex) All(_ context.Context, _ query.Node, f func(query.Hit) error) error {
	x.read++
	for _, h := range x.hits {
		if err := f(h); err != nil {
			return err
		}
	}
	return x.err
}

// mergedHit is the record of a change of an agent to a critical service, merged at noon before a number
// of days.
func mergedHit(t *testing.T, number, days int) query.Hit {
	t.Helper()
	r := &record.Record{Timestamp: noon, GenAI: &record.GenAI{Agent: record.GenAIAgent{ID: "bot"}}}
	at := noon.AddDate(0, 0, -days)
	r.Trail.Change = record.Change{
		ID: record.ChangeID(fmt.Sprintf("github.com/acme/payments/pull/%d", number)), Repository: "github.com/acme/payments", Number: fmt.Sprint(number), InitiatedBy: "agent", State: "merged",
		OpenedAt: at.Add(-time.Hour), MergedAt: at, Files: []string{"a.go"},
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return query.Hit{ID: string(r.Trail.Change.ID), Doc: text}
}

// TestWhatIfIsAnsweredFromRecords: once in five minutes, from so many records at most, and never with an
// empty table where the answer is not known.
func TestWhatIfIsAnsweredFromRecords(t *testing.T) {
	p, err := policy.Parse([]byte("services:\n  - {name: payments, repositories: [github.com/acme/payments], classification: critical}\n"))
	if err != nil {
		t.Fatal(err)
	}
	x := &readIndex{}
	for i := range 9 {
		x.hits = append(x.hits, mergedHit(t, i, 1+i/3))
	}
	now, unknown := noon, error(nil)
	c := Config{Access: access.New(access.Config{Log: discarded}), Index: x, Log: discarded, Now: func() time.Time { return now }}
	show := func() (int, string) {
		t.Helper()
		pages, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		for range 3 { // the answer is kept for a while
			w = httptest.NewRecorder()
			pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/inbox/what-if", nil))
		}
		return w.Code, w.Body.String()
	}
	status, page := show()
	says(t, "no policies", page, "There is no answer at the moment: this process does not know the policies that were in force.", "changetrail policy what-if --threshold high")
	if status != http.StatusServiceUnavailable {
		t.Errorf("no policies: %d", status)
	}
	c.Policies = func(context.Context) (policy.History[*policy.Policy], error) {
		return policy.Always(p, time.Time{}), unknown
	}
	status, page = show()
	says(t, "answered", page, "in force 0.0 0 0 0", "review from class critical on 0.1 3 2026-11-09 9 0 0 of 0", "mode gate-everything 0.2 6 2026-11-09 9 0", "Decided: 9 changes.", "Read: 9 records.")
	if status != http.StatusOK || x.read != 1 {
		t.Errorf("%d; the records were read %d times", status, x.read)
	}
	for len(x.hits) <= mostWhatIf {
		x.hits = append(x.hits, x.hits[0])
	}
	_, page = show()
	says(t, "cut", page, "There are more records than the 20 000 that were read, so these numbers are too small. The commands read all.")
	x.hits, x.err = nil, errors.New("the index is away")
	if status, page = show(); status < 500 || strings.Contains(page, "in force") {
		t.Errorf("the index is away: %d %s", status, page)
	}
	says(t, "away", page, "There is no answer at the moment: the index is away.")
	x.err, unknown = nil, errors.New("Kafka is away")
	if status, page = show(); status < 500 {
		t.Errorf("the policies are away: %d", status)
	}
	says(t, "away", page, "There is no answer at the moment: Kafka is away.")
}
