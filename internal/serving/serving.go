// Package serving bounds what a client can occupy by connecting: connections, and responses that it
// does not read.
package serving

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Connections is how many clients may be connected at a time. The next one waits until another
// leaves; the server's own time limits cut off silent ones.
const Connections = 4096

// Header is how many bytes of a header are read. The gateway refuses some smaller headers with a
// reason; larger ones are not read to their end.
const Header = 128 << 10

// A client must read Chunk bytes of a response within Patience. A slower client is cut off; one
// that keeps this pace gets responses of any size.
const (
	Chunk        = 256 << 10
	StallTimeout = 30 * time.Second
)

// Limit allows at most n open connections of l at a time.
func Limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, free: make(chan struct{}, n), done: make(chan struct{})}
}

type limited struct {
	net.Listener
	free chan struct{}
	done chan struct{}
	once sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &conn{Conn: c, leave: sync.OnceFunc(func() { <-l.free })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type conn struct {
	net.Conn
	leave func()
}

func (c *conn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// DropStalled wraps next, and cuts off a client that does not read its answer.
func DropStalled(next http.Handler) http.Handler { return dropStalled(next, Chunk, StallTimeout) }

func dropStalled(next http.Handler, chunk int, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &stallWriter{ResponseWriter: w, control: http.NewResponseController(w), chunk: chunk, timeout: patience}
		p.renew()       // also for a 100 Continue on a reused connection
		defer p.renew() // for what is left in a buffer
		next.ServeHTTP(p, r)
	})
}

// A stallWriter response gives its client a deadline for each chunk.
type stallWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	chunk   int
	timeout time.Duration
	left    int // of the chunk that already has a deadline
}

func (p *stallWriter) renew() {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.timeout)) // only a test's connection has no deadlines
	p.left = p.chunk
}

// Write implements [io.Writer].
func (p *stallWriter) Write(b []byte) (n int, err error) {
	for {
		if p.left <= 0 {
			p.renew()
		}
		part := b[n:min(len(b), n+p.left)]
		m, err := p.ResponseWriter.Write(part)
		n, p.left = n+m, p.left-m
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// Flush implements [http.Flusher], which gRPC needs.
func (p *stallWriter) Flush() {
	p.renew()
	_ = p.control.Flush() // the next write returns the error
}

// Unwrap gives [http.ResponseController] access to the wrapped writer.
func (p *stallWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
