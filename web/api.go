package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/schemas"
)

// maxPage is the maximum number of records in one API answer.
const maxPage = 1000

// apiSearch answers GET /v1/changes: the same parameters as the page, and size.
func (s *server) apiSearch(w http.ResponseWriter, r *http.Request) error {
	v, err := s.read(r.URL.Query())
	if err != nil {
		return err
	}
	size := pageSize
	if text := r.URL.Query().Get("size"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 0 || size > maxPage {
			return refuse(http.StatusBadRequest, "size %q is not a number from 0 to %d", text, maxPage)
		}
	}
	q := query.Request{Where: v.where, Skip: (v.Page - 1) * size, Size: size, Sort: v.sort, Facets: facetFields()}
	res, err := s.Index.Search(r.Context(), q)
	if err != nil {
		return err
	}
	s.Access.Note(r, "list", v.Lucene())
	counts := make(map[string]map[string]int)
	for f, list := range res.Facets {
		counts[f] = make(map[string]int)
		for _, c := range list {
			counts[f][c.Value] = c.N
		}
	}
	docs := make([]jsontext.Value, 0, len(res.Hits))
	for _, h := range res.Hits {
		docs = append(docs, h.Doc)
	}
	found := map[string]any{"total": res.Total, "page": v.Page, "query": v.Lucene(), "facets": counts, "changes": docs}
	if res.Total == 0 {
		for _, n := range s.near(r.Context(), v) {
			meant, _ := found["did_you_mean"].([]string)
			found["did_you_mean"] = append(meant, n.Text)
		}
	}
	if only := access.Of(r.Context()).Only(); only != nil {
		found["repositories"] = only // so that nobody mistakes it for a complete list
	}
	return writeJSON(w, found)
}

// apiChange answers GET /v1/changes/{id}, and /replay and /events under it.
func (s *server) apiChange(w http.ResponseWriter, r *http.Request) error {
	id, listed := strings.CutSuffix(r.PathValue("id"), "/events")
	id, replayed := strings.CutSuffix(id, "/replay")
	if !listed && !replayed {
		raw, _, err := s.record(r, id)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_, err = w.Write(raw)
		return err
	}
	story, err := s.story(r, id)
	if err != nil {
		return err
	}
	if listed {
		return s.apiEvents(w, r, story)
	}
	if r.Header.Get("Accept") == "text/plain" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		return story.Print(w)
	}
	return writeJSON(w, story)
}

// apiBlob answers GET /v1/blobs/{digest} with the file, byte for byte unless secrets are
// hidden in it, which a header says: the digest is that of the file as it is kept.
func (s *server) apiBlob(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	file, masked, err := s.blob(r, digest)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream") // reports come from outside: no browser is to run one
	h.Set("Content-Disposition", `attachment; filename="`+strings.ReplaceAll(digest, ":", "-")+`"`)
	if masked {
		h.Set("Changetrail-Masked", "secrets")
	} else {
		h.Set("ETag", `"`+digest+`"`)
	}
	_, err = w.Write(file)
	return err
}

// complete answers GET /v1/complete?text= with completions of the last word of a search.
func (s *server) complete(w http.ResponseWriter, r *http.Request) error {
	text := r.URL.Query().Get("text")
	word := strings.TrimLeft(text[strings.LastIndexAny(text, " (\t")+1:], "+-!")
	head := text[:len(text)-len(word)]
	out := []string{}
	if field, value, ok := strings.Cut(word, ":"); ok {
		if f, known := s.fields[field]; known && f.Kind == query.Keyword && f.Nested == "" {
			values, err := s.Index.Values(r.Context(), field, strings.Trim(value, `"`), 20)
			if err != nil {
				return err
			}
			for _, v := range values {
				out = append(out, head+field+":"+query.Quote(v))
			}
		}
		return writeJSON(w, out)
	}
	if word != "" {
		for _, pass := range []func(string) bool{
			func(n string) bool { return strings.HasPrefix(n, word) },
			func(n string) bool { return !strings.HasPrefix(n, word) && strings.Contains(n, word) },
		} {
			for _, n := range s.fields.Names() {
				if pass(n) && len(out) < 20 {
					out = append(out, head+n+":")
				}
			}
		}
	}
	return writeJSON(w, out)
}

func (s *server) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(schemas.OpenAPI)
	return err
}
