package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/query"
)

// A fakeIndex answers every search with what it was given, and remembers what was asked.
type fakeIndex struct {
	Index
	result query.Result
	values []string
	asked  []query.Request
}

func (x *fakeIndex) Search(_ context.Context, q query.Request) (*query.Result, error) {
	x.asked = append(x.asked, q)
	res := x.result
	return &res, nil
}

func (x *fakeIndex) Values(context.Context, string, string, int) ([]string, error) {
	return x.values, nil
}

// A searching server, and what it asks of.
type searching struct {
	*server
	index   *fakeIndex
	handler http.Handler
}

func searcher(t *testing.T) searching {
	t.Helper()
	x := &fakeIndex{result: query.Result{Facets: map[string][]query.Count{}}}
	saved, err := query.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	fields, err := query.RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Access: access.New(access.Config{Log: slog.New(slog.DiscardHandler)}), Index: x, Saved: saved, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon }}
	handler, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return searching{&server{Config: c, fields: fields}, x, handler}
}

func (s searching) view(t *testing.T, address string) *view {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.read(u.Query())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (s searching) get(t *testing.T, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}
