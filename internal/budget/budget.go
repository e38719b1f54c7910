// Package budget bounds the memory that untrusted input occupies.
//
// A sender chooses the lengths, sizes and compressed bodies that it sends. So nothing is allocated
// by them: memory grows as input arrives, and all memory in use is counted, after decompression, by
// one semaphore.
package budget

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// first is how many bytes are allocated before any arrive. Most bodies are smaller.
const first = 4 << 10

// ErrFull reports that no memory became free in time. The request may be sent again.
var ErrFull = errors.New("no memory is free for it now")

// A TooLargeError reports input that is larger than the limit, or that needs too much memory.
type TooLargeError struct {
	Limit  int64
	Memory bool // the memory is too large, not the input
}

func (e *TooLargeError) Error() string {
	if e.Memory {
		return fmt.Sprintf("it contains too many values: reading them takes more than %d MiB; send it in parts", e.Limit>>20)
	}
	return fmt.Sprintf("it is larger than %d bytes", e.Limit)
}

// A Budget is a number of bytes that requests share.
type Budget struct {
	size int64
	wait time.Duration
	free *semaphore.Weighted
}

// New returns a Budget of size bytes. A request that finds it used up waits for at most wait.
func New(size int64, wait time.Duration) *Budget {
	return &Budget{size: size, wait: wait, free: semaphore.NewWeighted(size)}
}

// Share returns an empty share of b for one request. The caller must release it.
func (b *Budget) Share(ctx context.Context) *Share { return &Share{ctx: ctx, b: b} }

// A Share is the memory that one request occupies of a budget. A nil Share is unlimited.
type Share struct {
	ctx context.Context
	b   *Budget

	mu     sync.Mutex
	held   int64
	at     int64
	beyond func() error // called when more than at is in use; may be nil
}

// Grow reserves n more bytes, once they are free. A request that needs more than the whole budget
// gets the whole budget, and is processed alone. A request that needs several times the budget is
// refused with a [TooLargeError].
func (s *Share) Grow(n int64) error {
	if s == nil || n <= 0 {
		return nil
	}
	if err := s.take(n); err != nil {
		return err
	}
	return s.passed()
}

func (s *Share) take(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > alone*s.b.size {
		return &TooLargeError{Limit: alone * s.b.size, Memory: true}
	}
	if n = min(n, s.b.size-s.held); n == 0 { // it has everything: all others wait until it ends
		return nil
	}
	if !s.b.free.TryAcquire(n) {
		ctx, cancel := context.WithTimeout(s.ctx, s.b.wait)
		defer cancel()
		if err := s.b.free.Acquire(ctx, n); err != nil {
			return errors.Join(ErrFull, context.Cause(s.ctx))
		}
	}
	s.held += n
	return nil
}

// Beyond registers f, which is called once when more than n bytes are reserved, before they are
// used; at once if they already are. An error of f is returned to the caller that reserves them.
func (s *Share) Beyond(n int64, f func() error) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	s.at, s.beyond = n, f
	s.mu.Unlock()
	return s.passed()
}

// passed calls the registered function, once, if more than its limit is reserved.
func (s *Share) passed() error {
	s.mu.Lock()
	f := s.beyond
	if s.held <= s.at {
		f = nil
	}
	if f != nil {
		s.beyond = nil
	}
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

// alone is how many times the budget one request may need. Large reports are legitimate, and the
// memory that they need is only known to within a factor.
const alone = 4

// Shrink returns n bytes to the budget.
func (s *Share) Shrink(n int64) {
	if s == nil || n <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n = max(0, min(n, s.held))
	s.held -= n
	s.b.free.Release(n)
}

// Held is how many bytes are reserved.
func (s *Share) Held() int64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// Release returns all bytes to the budget.
func (s *Share) Release() { s.Shrink(s.Held()) }

// ReadAll reads in to its end. More than limit bytes are a [TooLargeError].
func (s *Share) ReadAll(in io.Reader, limit int64) ([]byte, error) {
	return ReadAll(in, limit, s.Grow)
}

// ReadAll reads in to its end, and calls grow before it allocates more. More than limit bytes are a
// [TooLargeError].
func ReadAll(in io.Reader, limit int64, grow func(int64) error) ([]byte, error) {
	size := min(first, limit+1) // one more, to reach the end
	if err := grow(size); err != nil {
		return nil, err
	}
	b := make([]byte, 0, size)
	for {
		if len(b) == cap(b) {
			more := min(int64(cap(b)), limit+1-int64(cap(b)))
			if err := grow(more); err != nil {
				return nil, err
			}
			b = append(make([]byte, 0, int64(cap(b))+more), b...)
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return nil, &TooLargeError{Limit: limit}
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Weight is how much memory a text needs when it is read as JSON or XML, in addition to itself: the
// Go values, which even an empty value needs, and a copy of the strings.
func Weight(text []byte) int64 {
	objects := bytes.Count(text, []byte("{")) + bytes.Count(text, []byte("<"))
	others := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte(","))
	return int64(len(text)) + int64(objects)*perObject + int64(others)*perValue
}

// Both were measured with the largest of our own readers (docs/performance.md).
const (
	perObject = 512
	perValue  = 48
)

// A Reader counts the bytes that are read from In, and returns [ErrFull] if the budget is used up.
type Reader struct {
	In    io.ReadCloser
	Share *Share
	Times int64 // how many copies of each byte are kept
}

func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.In.Read(p)
	if full := r.Share.Grow(int64(n) * r.Times); full != nil {
		return 0, full
	}
	return n, err
}

// Close closes In.
func (r *Reader) Close() error { return r.In.Close() }
