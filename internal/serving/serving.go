// Package serving bounds what a client may hold by connecting: connections, and responses
// that it does not read.
package serving

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Connections is how many clients may be connected at a time. The next one waits until
// another leaves; those that say nothing are cut off by the server's own time limits.
const Connections = 4096

// Header is how many bytes of a header are read. The gateway refuses some of less, and says
// why; larger ones are not read to their end.
const Header = 128 << 10

// Chunk bytes of a response must be read in Patience. A client that is slower is cut off;
// one that keeps this pace gets responses of any size.
const (
	Chunk    = 256 << 10
	Patience = 30 * time.Second
)

// Limit lets at most n connections of l be open at a time.
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

// Paced lets next answer, and cuts off a client that does not read its answer.
func Paced(next http.Handler) http.Handler { return pacedBy(next, Chunk, Patience) }

func pacedBy(next http.Handler, chunk int, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &paced{ResponseWriter: w, control: http.NewResponseController(w), chunk: chunk, patience: patience}
		p.renew()       // also for a 100 Continue, on a connection that had a former request
		defer p.renew() // for what is left in a buffer
		next.ServeHTTP(p, r)
	})
}

// A paced response gives its client time for each chunk.
type paced struct {
	http.ResponseWriter
	control  *http.ResponseController
	chunk    int
	patience time.Duration
	left     int // of the chunk that has a deadline already
}

func (p *paced) renew() {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.patience)) // one that has no deadlines is of a test
	p.left = p.chunk
}

// Write implements [io.Writer].
func (p *paced) Write(b []byte) (n int, err error) {
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

// Flush implements [http.Flusher], which gRPC asks for.
func (p *paced) Flush() {
	p.renew()
	_ = p.control.Flush() // the next write tells
}

// Unwrap lets [http.ResponseController] reach the rest.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }
