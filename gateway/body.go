package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/problem"
)

// A small compressed body may have a large content. Reports and events compress to a hundredth at
// best; a body that compresses better, and is not small, was made to fill the memory.
const (
	maxRatio    = 250
	smallEnough = 4 << 20
)

// read returns the uncompressed body of a request, of at most limit bytes, within the memory of the
// request.
func read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	return unpack(r.Context(), http.MaxBytesReader(w, r.Body, limit), r.Header.Get("Content-Encoding"), limit)
}

func unpack(ctx context.Context, raw io.Reader, encoding string, limit int64) ([]byte, error) {
	share := shareOf(ctx)
	body, err := share.ReadAll(raw, limit)
	if err != nil {
		return nil, broken(err, "the body ends early")
	}
	if err := waitForTurnBeyond(ctx, largeRequest); err != nil {
		return nil, err
	}
	in, err := unpacked(bytes.NewReader(body), encoding)
	if err != nil {
		return nil, err
	}
	if _, packed := in.(*bounded); packed {
		arrived := int64(len(body))
		if body, err = share.ReadAll(in, limit); err != nil {
			return nil, broken(err, "the body ends early")
		}
		share.Shrink(arrived)
	}
	return body, share.Grow(budget.Weight(body))
}

// unpacked returns a body as it was before it was compressed.
func unpacked(raw io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
		return raw, nil
	case "gzip":
		packed := &counter{in: raw}
		z, err := gzip.NewReader(packed)
		if err != nil {
			return nil, broken(err, "Content-Encoding says gzip, and the body is none")
		}
		return &bounded{in: z, packed: packed}, nil
	}
	return nil, problem.New(http.StatusUnsupportedMediaType, "Content-Encoding %s is not supported; send gzip, or no Content-Encoding", encoding)
}

// A counter counts the bytes that are read.
type counter struct {
	in io.Reader
	n  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

// A bounded reader decompresses, and refuses a body that was compressed to nearly nothing.
type bounded struct {
	in     io.Reader
	packed *counter
	n      int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if b.n += int64(n); b.n > smallEnough && b.n > maxRatio*b.packed.n {
		return 0, problem.New(http.StatusRequestEntityTooLarge, "the body is gzip that decompresses to more than %d times its size; send it uncompressed", maxRatio)
	}
	return n, err
}

// broken returns the problem of a body that cannot be read to its end.
func broken(err error, what string) error {
	var raw *http.MaxBytesError
	var unpacked *budget.TooLargeError
	var known *problem.Problem
	if errors.As(err, &raw) || errors.As(err, &unpacked) || errors.As(err, &known) || errors.Is(err, budget.ErrFull) {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem.New(http.StatusRequestTimeout, "the body did not arrive in time")
	}
	return problem.New(http.StatusBadRequest, "%s: %v", what, err)
}

// reservationKey is the key of the memory and the turn of a request in its context.
type reservationKey struct{}

type reservation struct {
	share *budget.Share
	turn  *turn
}

// shareOf returns the memory of a request; outside of a request nil, which is unlimited.
func shareOf(ctx context.Context) *budget.Share {
	h, _ := ctx.Value(reservationKey{}).(reservation)
	return h.share
}

func turnOf(ctx context.Context) *turn {
	h, _ := ctx.Value(reservationKey{}).(reservation)
	return h.turn
}

// withMemory calls f with memory of b and a turn, and releases both at the end.
func withMemory(b *budget.Budget, t *turn, r *http.Request, f func(*http.Request) error) error {
	share := b.Share(r.Context())
	defer share.Release()
	defer t.release()
	return f(r.WithContext(context.WithValue(r.Context(), reservationKey{}, reservation{share, t})))
}
