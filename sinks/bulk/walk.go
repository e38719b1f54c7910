package bulk

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/schemas"
)

// perRequest is how many documents one request returns.
const perRequest = 1000

// keepAlive is for how long an engine keeps a point in time after each request.
const keepAlive = "2m"

// walk calls f with every hit of a search, in its order. All hits are from one moment: documents that
// are written meanwhile would move to another page, and would be missed or passed twice.
func (s *Server) walk(ctx context.Context, index string, body map[string]any, f func(hit) error) error {
	body = maps.Clone(body)
	body["size"], body["track_total_hits"] = perRequest, true
	page, err := s.search(ctx, index, body)
	if err != nil {
		return err
	}
	if page.Hits.Total.Value <= perRequest && len(page.Hits.Hits) == page.Hits.Total.Value {
		return each(page.Hits.Hits, f)
	}
	id, err := s.openPoint(ctx, index)
	if err != nil {
		return err
	}
	defer func() { s.closePoint(context.WithoutCancel(ctx), id) }()
	for n, total := 0, 1; n < total; {
		body["pit"] = map[string]any{"id": id, "keep_alive": keepAlive}
		if page, err = s.search(ctx, index, body); err != nil {
			return err
		}
		hits := page.Hits.Hits
		if n == 0 {
			total = page.Hits.Total.Value
		}
		if n += len(hits); len(hits) == 0 && n < total || n > total {
			return fmt.Errorf("%s: the search found %d documents in %s and returned %d", s.Engine, total, index, n)
		}
		if err := each(hits, f); err != nil {
			return err
		}
		if len(hits) > 0 {
			body["search_after"] = hits[len(hits)-1].Sort
		}
		if page.Point != "" { // the engine may rename it
			id = page.Point
		}
	}
	return nil
}

func each(hits []hit, f func(hit) error) error {
	for _, h := range hits {
		if err := f(h); err != nil {
			return err
		}
	}
	return nil
}

// openPoint opens a point in time: what the indexes have now.
func (s *Server) openPoint(ctx context.Context, index string) (id string, err error) {
	path := "/" + index + "/_pit?keep_alive=" + keepAlive
	if s.Engine == schemas.OpenSearch {
		path = "/" + index + "/_search/point_in_time?keep_alive=" + keepAlive
	}
	status, res, err := s.Request(ctx, http.MethodPost, path, nil)
	if err != nil {
		return "", err
	}
	if err := s.refusal(index, status, res); err != nil {
		return "", err
	}
	var point struct {
		ID         string `json:"id"`     // Elasticsearch
		OpenSearch string `json:"pit_id"` // OpenSearch
	}
	if err := json.Unmarshal(res, &point); err != nil || point.ID+point.OpenSearch == "" {
		return "", fmt.Errorf("%s: the answer to POST %s names no point in time", s.Engine, path)
	}
	return point.ID + point.OpenSearch, nil
}

// closePoint closes a point in time. If that fails, the engine closes it after [keepAlive].
func (s *Server) closePoint(ctx context.Context, id string) {
	path, body := "/_pit", map[string]any{"id": id}
	if s.Engine == schemas.OpenSearch {
		path, body = "/_search/point_in_time", map[string]any{"pit_id": []string{id}}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _, _ = s.Request(ctx, http.MethodDelete, path, text)
}
