package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
)

var errNoBlobs = problem.New(http.StatusNotImplemented, "this gateway has no blob store; set blobs in its configuration")

// counted is a place for files that takes the memory of the request for those that it
// reads. How large one is, is known once it is read.
type counted struct{ Blobs }

func (c counted) Get(ctx context.Context, digest string) ([]byte, error) {
	share := shareOf(ctx)
	if err := share.Grow(blobs.MaxSize); err != nil {
		return nil, err
	}
	file, err := c.Blobs.Get(ctx, digest)
	share.Shrink(blobs.MaxSize - int64(len(file)))
	return file, err
}

// putBlob answers PUT /v1/blobs: it keeps the body under its digest, which an event
// then names in dataref.
func (g *Gateway) putBlob(w http.ResponseWriter, r *http.Request, from Sender) error {
	if g.Blobs == nil {
		return errNoBlobs
	}
	body, err := read(w, r, g.Limits.Blob)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return problem.New(http.StatusBadRequest, "the body is empty")
	}
	if err := g.limiter.allowFile(from.key, len(body)); err != nil {
		return err
	}
	digest, err := g.Blobs.Put(r.Context(), body)
	if err != nil {
		return problem.New(http.StatusServiceUnavailable, "the file was not kept: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/blobs/"+digest)
	w.WriteHeader(http.StatusCreated)
	return json.MarshalWrite(w, map[string]any{"digest": digest, "size": len(body)}, json.Deterministic(true))
}

// getBlob answers GET /v1/blobs/{digest} with the file, to whom may read a change that rests
// on it: byte for byte unless secrets are hidden in it, which a header says. The digest is
// that of the file as it is kept.
func (g *Gateway) getBlob(w http.ResponseWriter, r *http.Request, from Sender) error {
	if g.Blobs == nil {
		return errNoBlobs
	}
	digest := r.PathValue("digest")
	if err := g.mayReadBlob(r.Context(), digest, from.Principal); err != nil {
		return err
	}
	file, err := counted{g.Blobs}.Get(r.Context(), digest)
	switch {
	case errors.Is(err, blobs.ErrDigest):
		return problem.New(http.StatusBadRequest, "%v", err)
	case errors.Is(err, blobs.ErrNotFound):
		return problem.New(http.StatusNotFound, "%v", err)
	case errors.Is(err, budget.ErrFull):
		return err
	case err != nil:
		return problem.New(http.StatusBadGateway, "%v", err)
	}
	file, masked, err := g.secrets.Shown(r.Context(), file)
	if err != nil {
		return err
	}
	h := w.Header()
	if masked {
		h.Set("Changetrail-Masked", "secrets")
	}
	h.Set("Content-Type", "application/octet-stream") // files come from outside: no browser is to run one
	h.Set("Content-Disposition", `attachment; filename="`+strings.ReplaceAll(digest, ":", "-")+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	g.Log.InfoContext(r.Context(), "read", "part", "access", "kind", "file", "id", digest, "credential", from.Name, "agent", from.Agent, "person", from.Person, "platform", from.Platform, "from", r.RemoteAddr)
	_, err = w.Write(file)
	return err
}

// mayReadBlob refuses a file as if it were not there: whether it is would be told else.
func (g *Gateway) mayReadBlob(ctx context.Context, digest string, who identity.Principal) error {
	if g.Credentials == nil || g.Open || who.ReadsAll() {
		return nil
	}
	if g.Rests != nil {
		if rests, err := g.Rests(ctx, digest, who); err != nil || rests {
			return err
		}
	}
	return problem.New(http.StatusNotFound, "no change that the credential %s may read rests on a file %s", who.Name, digest)
}
