// Package syslog sends documents as syslog messages of RFC 5424: over TLS (RFC 5425), over TCP, or
// over RELP, the protocol of rsyslog that acknowledges each message.
//
// A receiver of syslog appends: it knows no ids. Each message has the id, the index and the revision
// of its document as structured data, so that a repeat can be recognized. A record of changetrail is
// sent again with each revision.
//
// Over RELP a document counts as delivered when the receiver acknowledges it. Syslog over TLS or TCP
// has no acknowledgements. There a document counts as delivered when the receiver has read the
// connection to its end and closed it without an error: each request has its own connection, and
// all of it is sent again unless that happens. What a receiver has read and not yet written, it can
// still lose in a crash.
//
// No message is cut. A document that is larger than the receiver accepts is sent as a summary, which
// says so, and has the digest and the size of the document.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/outline"
	"github.com/changetrail/changetrail/stream"
)

// Formats of messages.
const (
	JSON = "json"
	CEF  = "cef" // ArcSight's Common Event Format
)

// Config is how to reach a receiver.
type Config struct {
	// URL has the scheme tls, tcp, relp or relp+tls, a host and a port.
	URL    string
	TLS    stream.TLS
	Format string // JSON or CEF; JSON if empty
	// Largest is the size in bytes of the largest message that the receiver accepts; 8192 if 0,
	// which is rsyslog's default.
	Largest int
	Version string // of changetrail, for CEF
	// Timeout is how long the receiver may take for one request; a minute if 0.
	Timeout time.Duration
}

// smallest is the size of messages that each receiver of RFC 5425 must accept.
const smallest = 2048

// ports are the usual ports of the schemes. RELP has none.
var ports = map[string]string{"tls": "6514", "tcp": "601", "relp": "", "relp+tls": ""}

// An Engine sends documents to one receiver. It implements [sinks.Engine].
type Engine struct {
	Config
	address   string
	encrypted *tls.Config // nil: plain text
	relp      bool
	writer    writer
}

// New returns an engine. It does not connect.
func New(c Config) (*Engine, error) {
	if c.Format == "" {
		c.Format = JSON
	}
	if c.Largest == 0 {
		c.Largest = 8192
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("syslog: sink.addresses: %w", err)
	}
	port, known := ports[u.Scheme]
	if u.Port() != "" {
		port = u.Port()
	}
	switch {
	case !known || u.Hostname() == "":
		return nil, fmt.Errorf("syslog: sink.addresses %q is not tls://host:port, tcp://host:port, relp://host:port or relp+tls://host:port", c.URL)
	case port == "":
		return nil, fmt.Errorf("syslog: sink.addresses %q has no port, and RELP has no usual one", c.URL)
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("syslog: sink.addresses %q has more than a scheme, a host and a port", u.Redacted())
	case c.Largest < smallest:
		return nil, fmt.Errorf("syslog: sink.syslog.max_message %d is below %d, which every receiver accepts", c.Largest, smallest)
	case !slices.Contains([]string{JSON, CEF}, c.Format):
		return nil, fmt.Errorf("syslog: sink.syslog.format %q is neither json nor cef", c.Format)
	}
	e := &Engine{Config: c, address: net.JoinHostPort(u.Hostname(), port), relp: u.Scheme == "relp" || u.Scheme == "relp+tls"}
	if u.Scheme == "tls" || u.Scheme == "relp+tls" {
		if e.encrypted, err = c.TLS.Config(); err != nil {
			return nil, fmt.Errorf("syslog: %w", err)
		}
		e.encrypted.ServerName = u.Hostname()
	}
	host, _ := os.Hostname() // empty: the header says that it is unknown
	e.writer = writer{host: printable(host, 255), format: c.Format, version: c.Version}
	return e, nil
}

// Name implements [sinks.Engine].
func (*Engine) Name() string { return settings.Syslog }

// Ready implements [sinks.Engine]: it connects, and sends nothing.
func (e *Engine) Ready(ctx context.Context, _ string) error {
	_, err := e.send(ctx, nil)
	return err
}

// Put implements [sinks.Engine].
func (e *Engine) Put(ctx context.Context, docs []sinks.Document) ([]sinks.Outcome, error) {
	outcomes := make([]sinks.Outcome, len(docs))
	messages, sent := make([][]byte, 0, len(docs)), make([]int, 0, len(docs))
	for i, d := range docs {
		m, err := e.message(d)
		if err != nil {
			outcomes[i] = sinks.Outcome{Kind: sinks.Refused, Reason: err.Error()}
			continue
		}
		messages, sent = append(messages, m), append(sent, i)
	}
	if len(sent) == 0 {
		return outcomes, nil
	}
	out, err := e.send(ctx, messages)
	if err != nil {
		return nil, err
	}
	for j, i := range sent {
		outcomes[i] = out[j]
	}
	return outcomes, nil
}

// message is a document as a message that the receiver accepts.
func (e *Engine) message(d sinks.Document) ([]byte, error) {
	o, err := outline.Of(d)
	if err != nil {
		return nil, err
	}
	m := e.writer.message(d, o)
	if len(m) <= e.Largest {
		return m, nil
	}
	short := e.writer.message(d, summary(o, e.Largest))
	if len(short) > e.Largest {
		return nil, fmt.Errorf("the message has %d bytes, its summary %d, and the receiver accepts %d (sink.syslog.max_message)", len(m), len(short), e.Largest)
	}
	return short, nil
}

// send sends messages over one connection, and returns the outcome of each.
func (e *Engine) send(ctx context.Context, messages [][]byte) ([]sinks.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	c, err := e.connect(ctx)
	if err != nil {
		return nil, explain(err)
	}
	defer c.close()
	outcomes := make([]sinks.Outcome, len(messages))
	if e.relp {
		outcomes, err = c.relp(messages)
	} else {
		err = c.stream(messages)
	}
	switch {
	case err == nil:
		return outcomes, nil
	case errors.Is(ctx.Err(), context.Canceled): // the connection reports a deadline
		return nil, ctx.Err()
	}
	return nil, explain(err)
}
