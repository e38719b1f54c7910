package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/sinks"
)

// A connection is one connection to a receiver. It ends with the context that it was made with.
type connection struct {
	net.Conn
	raw  *net.TCPConn
	stop func() bool
	in   *bufio.Reader
}

// connect connects to the receiver.
func (e *Engine) connect(ctx context.Context) (*connection, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.address)
	if err != nil {
		return nil, err
	}
	raw, is := conn.(*net.TCPConn)
	if !is {
		return nil, errors.Join(fmt.Errorf("syslog: %s is no TCP address", e.address), conn.Close())
	}
	c := &connection{Conn: conn, raw: raw}
	c.stop = context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	if e.encrypted != nil {
		secure := tls.Client(conn, e.encrypted)
		if err := secure.HandshakeContext(ctx); err != nil {
			c.close()
			return nil, err
		}
		c.Conn = secure
	}
	c.in = bufio.NewReader(c.Conn)
	return c, nil
}

func (c *connection) close() {
	c.stop()
	_ = c.Close()
}

// stream sends messages with their lengths (RFC 5425, section 4.3), and returns nil once the
// receiver has read all of them: it closes the connection after it has read the end, and no data was
// on the way to it then.
func (c *connection) stream(messages [][]byte) error {
	w := bufio.NewWriterSize(c.Conn, 64<<10)
	for _, m := range messages {
		_, _ = w.WriteString(strconv.Itoa(len(m)))
		_ = w.WriteByte(' ')
		_, _ = w.Write(m) // Flush returns the first error
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if secure, is := c.Conn.(*tls.Conn); is {
		if err := secure.CloseWrite(); err != nil {
			return fmt.Errorf("ending the encrypted connection: %w", err)
		}
	}
	if err := c.raw.CloseWrite(); err != nil {
		return fmt.Errorf("ending the connection: %w", err)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(c.in, 64<<10)); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("waiting until the receiver has read all: %w", err)
	}
	return received(c.raw)
}

// explain tells errors that somebody must act on from those that may go away.
func explain(err error) error {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, unencrypted := errors.AsType[tls.RecordHeaderError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	if untrusted || unknown || unencrypted {
		return &sinks.BlockedError{Cause: "TLS", Reason: "the receiver's certificate is not accepted, or it does not speak TLS: " + err.Error()}
	}
	if op, is := errors.AsType[*net.OpError](err); is && op.Op == "remote error" && !strings.Contains(op.Error(), "internal error") {
		return &sinks.BlockedError{Cause: "TLS", Reason: "the receiver does not accept the connection; it may ask for a client certificate: " + err.Error()}
	}
	return fmt.Errorf("syslog: %w", err)
}
