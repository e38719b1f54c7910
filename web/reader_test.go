package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// A countingIndex counts how often events are asked for.
type countingIndex struct {
	oneChange
	asked int
}

func (x *countingIndex) Events(ctx context.Context, q schemas.EventQuery, f func(string, jsontext.Value) error) error {
	x.asked++
	return x.oneChange.Events(ctx, q, f)
}

// TestEventsAreReadOnlyForReadersWhoMayReadThem: nor are they if only the record is asked for.
func TestEventsAreReadOnlyForReadersWhoMayReadThem(t *testing.T) {
	r := &record.Record{Timestamp: noon}
	r.Trail.Change = record.Change{ID: change, Repository: change.Repository()}
	mine, mineDigest := identity.NewToken()
	others, othersDigest := identity.NewToken()
	readers, err := identity.Parse([]byte("tokens:\n  - {name: mine, person: mira, repositories: [github.com/acme/payments], sha256: " + mineDigest + "}\n  - {name: others, person: bert, repositories: [github.com/acme/web], sha256: " + othersDigest + "}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, token string
		status            int
		events            bool
	}{
		{"the page", "/changes/" + string(change), mine, http.StatusOK, true},
		{"the story", "/v1/changes/" + string(change) + "/replay", mine, http.StatusOK, true},
		{"the record", "/v1/changes/" + string(change), mine, http.StatusOK, false},
		{"the page of another's", "/changes/" + string(change), others, http.StatusForbidden, false},
		{"the events of another's", "/v1/changes/" + string(change) + "/events", others, http.StatusForbidden, false},
	} {
		x := &countingIndex{oneChange: oneChange{record: r}}
		pages, err := New(Config{Access: access.New(access.Config{Credentials: readers, Log: slog.New(slog.DiscardHandler)}), Index: x, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil)
		q.Header.Set("Authorization", "Bearer "+c.token)
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, q)
		if w.Code != c.status || x.asked > 0 != c.events {
			t.Errorf("%s: %d, events were asked for %d times: %.200s", c.name, w.Code, x.asked, w.Body)
		}
	}
}
