package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
)

var errNoBlobs = problem.New(http.StatusNotImplemented, "this gateway has no blob store; set blobs in its configuration")

// copied is how much memory it takes to pass a file on.
const copied = 128 << 10

// An upload is the body of a request, which goes to the store as it arrives. At its end, before
// anything is stored, allow decides whether a file of its size is allowed.
type upload struct {
	in    io.Reader
	limit int64
	allow func(size int64) error
	size  int64
	err   error // why it was not read to its end
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	u.size += int64(n)
	switch {
	case u.size > u.limit:
		u.err = &budget.TooLargeError{Limit: u.limit}
	case errors.Is(err, io.EOF) && u.size == 0:
		u.err = problem.New(http.StatusBadRequest, "the body is empty")
	case errors.Is(err, io.EOF):
		u.err = u.allow(u.size)
	default:
		u.err = err
	}
	if u.err != nil {
		return 0, u.err
	}
	return n, err
}

// putBlob answers PUT /v1/blobs: it stores the body under its digest, which an event then names in
// dataref.
func (g *Gateway) putBlob(w http.ResponseWriter, r *http.Request, from Sender) error {
	if g.Blobs == nil {
		return errNoBlobs
	}
	if err := shareOf(r.Context()).Grow(copied); err != nil {
		return err
	}
	in, err := unpacked(http.MaxBytesReader(w, r.Body, g.Limits.Blob), r.Header.Get("Content-Encoding"))
	if err != nil {
		return err
	}
	body := &upload{in: in, limit: g.Limits.Blob, allow: func(size int64) error { return g.limiter.allowFile(from.key, int(size)) }}
	digest, size, err := g.Blobs.PutFrom(r.Context(), body)
	switch {
	case body.err != nil:
		return broken(body.err, "the body ends early")
	case err != nil:
		return problem.New(http.StatusServiceUnavailable, "the file was not stored: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/blobs/"+digest)
	w.WriteHeader(http.StatusCreated)
	return json.MarshalWrite(w, map[string]any{"digest": digest, "size": size}, json.Deterministic(true))
}

// getBlob answers GET /v1/blobs/{digest} with the file, for readers who may read a change that uses
// it. Secrets in it are hidden, and a header says so; otherwise the file is unchanged. The digest
// is that of the stored file.
func (g *Gateway) getBlob(w http.ResponseWriter, r *http.Request, from Sender) error {
	if g.Blobs == nil {
		return errNoBlobs
	}
	digest := r.PathValue("digest")
	if err := g.mayReadBlob(r.Context(), digest, from.Principal); err != nil {
		return err
	}
	file, err := ingest.Counted{Blobs: g.Blobs, Share: shareOf(r.Context())}.Get(r.Context(), digest)
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
	h.Set("Content-Type", "application/octet-stream") // files come from outside: no browser may run one
	h.Set("Content-Disposition", `attachment; filename="`+strings.ReplaceAll(digest, ":", "-")+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	g.Log.InfoContext(r.Context(), "read", "part", "access", "kind", "file", "id", digest, "credential", from.Name, "agent", from.Agent, "person", from.Person, "platform", from.Platform, "from", r.RemoteAddr)
	_, err = w.Write(file)
	return err
}

// mayReadBlob refuses a file as if it did not exist: otherwise the answer would reveal that it does.
func (g *Gateway) mayReadBlob(ctx context.Context, digest string, who identity.Principal) error {
	if g.Credentials == nil || g.Open || who.ReadsAll() {
		return nil
	}
	if g.MayReadFile != nil {
		if rests, err := g.MayReadFile(ctx, digest, who); err != nil || rests {
			return err
		}
	}
	return problem.New(http.StatusNotFound, "no change that the credential %s may read uses a file %s", who.Name, digest)
}
