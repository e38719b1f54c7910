package stream

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fault is what happens to a request.
type fault int

const (
	none   fault = iota
	lost         // the connection is cut, and it did not happen
	done         // the connection is cut, and it did happen
	denied       // the answer is an error, and it did not happen
	unsure       // the answer is an error, and it did happen
)

func (f fault) String() string {
	return [...]string{"none", "cut, did not happen", "cut, did happen", "error, did not happen", "error, did happen"}[f]
}

// A cutter makes ends of transactions fail.
type cutter struct {
	mu   sync.Mutex
	plan []fault // for the next ends of transactions
	deny func()  // makes the broker answer the next one with an error
}

func (c *cutter) next() fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.plan) == 0 {
		return none
	}
	f := c.plan[0]
	c.plan = c.plan[1:]
	return f
}

func (c *cutter) set(plan ...fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plan = plan
}

func (c *cutter) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return &cutListener{l, c}, err
}

type cutListener struct {
	net.Listener
	cut *cutter
}

func (l *cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, cut: l.cut, mute: make(map[uint32]fault)}, nil
}

type cutConn struct {
	net.Conn
	cut   *cutter
	frame []byte // read, and not yet forwarded
	mu    sync.Mutex
	mute  map[uint32]fault // requests whose answer is changed or dropped
}

var errCut = errors.New("cut")

func (c *cutConn) Read(b []byte) (int, error) {
	if len(c.frame) == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

func (c *cutConn) fill() error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return err
	}
	if kmsg.Key(binary.BigEndian.Uint16(body)) == kmsg.EndTxn {
		f := c.cut.next()
		if f == lost {
			_ = c.Close()
			return errCut
		}
		if f == denied {
			c.cut.deny()
		}
		c.mu.Lock()
		c.mute[binary.BigEndian.Uint32(body[4:])] = f
		c.mu.Unlock()
	}
	c.frame = append(head, body...)
	return nil
}

// Write sends an answer: its length, the number of its request, a byte of tags,
// the throttle time and the error.
func (c *cutConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f := c.mute[binary.BigEndian.Uint32(b[4:])]; f {
	case done:
		_ = c.Close()
		return 0, errCut
	case unsure:
		b = slices.Clone(b)
		binary.BigEndian.PutUint16(b[13:], math.MaxUint16) // UNKNOWN_SERVER_ERROR
	}
	return c.Conn.Write(b)
}
