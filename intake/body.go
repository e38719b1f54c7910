package intake

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/changetrail/changetrail/internal/problem"
)

// read returns the body of a request, unpacked, of at most limit bytes. More is an
// [http.MaxBytesError], however small it was packed.
func read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	raw := http.MaxBytesReader(w, r.Body, limit)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return whole(raw, r.ContentLength, limit)
	case "gzip":
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, broken(err, "Content-Encoding says gzip, and the body is none")
		}
		return whole(z, 0, limit)
	default:
		return nil, problem.New(http.StatusUnsupportedMediaType, "Content-Encoding %s is not read; send gzip, or nothing of it", encoding)
	}
}

func whole(in io.Reader, hint, limit int64) ([]byte, error) {
	size := int64(512)
	if hint > 0 && hint <= limit {
		size = hint + 1 // one more, to meet the end without growing
	}
	b := make([]byte, 0, size)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return nil, &http.MaxBytesError{Limit: limit}
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, broken(err, "the body ends early")
		}
	}
}

// broken is the problem of a body that cannot be read to its end.
func broken(err error, what string) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem.New(http.StatusRequestTimeout, "the body did not come in time")
	}
	return problem.New(http.StatusBadRequest, "%s: %v", what, err)
}
