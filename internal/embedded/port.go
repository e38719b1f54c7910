package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/changetrail/changetrail/internal/budget"
)

// A Port is the access of others to a broker: it accepts messages for one topic, and nothing else.
// Whoever reaches it cannot read, delete, or write the output of the pipeline.
type Port struct {
	Address string      // for example 127.0.0.1:9092; port 0 means any free port
	Topic   string      // the topic that takes messages
	TLS     *tls.Config // nil: plain text
	// Login checks the user and the password of a client (SASL, mechanism PLAIN). If it is nil,
	// clients need no login.
	Login func(ctx context.Context, user, password string) error
	Log   *slog.Logger
}

// Limits of the port.
const (
	maxFrame    = 32 << 20  // bytes of a request
	maxClients  = 512       // connections at a time
	maxMemory   = 128 << 20 // bytes that all requests hold at a time
	freeTimeout = 5 * time.Second
	idleTimeout = 15 * time.Minute
	readTimeout = 30 * time.Second // for the rest of a request that has begun
	sendTimeout = time.Minute
	askPause    = 10 * time.Millisecond // before the answer to a request that writes nothing: honest clients send few of them
	newestNamed = 12                    // the newest version of Produce that names topics; later ones number them
	maxPassword = 4 << 10
)

// An openPort is a listening Port.
type openPort struct {
	Port
	listener net.Listener
	upstream string // the socket of the broker
	versions []kmsg.ApiVersionsResponseApiKey
	places   chan struct{}
	memory   *budget.Budget
	stop     context.CancelFunc
	wait     sync.WaitGroup
}

func (p Port) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", p.Address)
	if err == nil && p.TLS != nil {
		l = tls.NewListener(l, p.TLS)
	}
	return l, err
}

// open accepts clients from a listener, and passes permitted requests to the broker behind a
// socket.
func (p Port) open(l net.Listener, upstream string) (*openPort, error) {
	o := &openPort{Port: p, listener: l, upstream: upstream, places: make(chan struct{}, maxClients), memory: budget.New(maxMemory, freeTimeout)}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if o.versions, err = o.offered(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	o.stop = stop
	o.wait.Go(func() { o.accept(ctx) })
	return o, nil
}

func (o *openPort) close() {
	o.stop()
	_ = o.listener.Close()
	o.wait.Wait()
}

func (o *openPort) accept(ctx context.Context) {
	for {
		conn, err := o.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			o.Log.Warn("broker: a client could not connect", "err", err)
			time.Sleep(50 * time.Millisecond) // usually out of file descriptors
			continue
		}
		select {
		case o.places <- struct{}{}:
		default:
			o.Log.Warn("broker: too many clients", "most", maxClients, "refused", conn.RemoteAddr())
			_ = conn.Close()
			continue
		}
		o.wait.Go(func() {
			defer func() { <-o.places }()
			if err := o.serve(ctx, conn); err != nil && ctx.Err() == nil {
				o.Log.Warn("broker: a client was cut off", "client", conn.RemoteAddr(), "err", err)
			}
		})
	}
}

// A client is one connection.
type client struct {
	*openPort
	ctx   context.Context
	conn  net.Conn
	up    net.Conn
	known bool // it has logged in, or no login is needed
}

func (o *openPort) serve(ctx context.Context, conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	up, err := net.Dial("unix", o.upstream)
	if err != nil {
		return err
	}
	defer func() { _ = up.Close() }()
	defer context.AfterFunc(ctx, func() { _, _ = conn.Close(), up.Close() })()
	c := &client{openPort: o, ctx: ctx, conn: conn, up: up, known: o.Login == nil}
	for {
		if err := c.one(); errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// one reads a request and answers it. The memory for it is shared by all clients.
func (c *client) one() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(idleTimeout))
	n, err := readLength(c.conn)
	if err != nil {
		return err
	}
	share := c.memory.Share(c.ctx)
	defer share.Release()
	_ = c.conn.SetReadDeadline(time.Now().Add(readTimeout))
	frame, err := readFrame(c.conn, n, share)
	if err != nil {
		return err
	}
	answer, err := c.answer(frame, share)
	if err != nil {
		return err
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err = c.conn.Write(answer)
	return err
}

// answer returns the answer to one request with its length in front; nothing if the client expects
// no answer. An error ends the connection.
func (c *client) answer(frame []byte, share *budget.Share) ([]byte, error) {
	r, err := parse(frame)
	if err != nil {
		return nil, err
	}
	if _, writes := r.body.(*kmsg.ProduceRequest); !writes {
		c.pause()
	}
	switch req := r.body.(type) {
	case *kmsg.ApiVersionsRequest:
		return r.encode(c.offer(req)), nil
	case *kmsg.SASLHandshakeRequest:
		return r.encode(c.handshake(req)), nil
	case *kmsg.SASLAuthenticateRequest:
		return r.encode(c.authenticate(req)), nil
	}
	if !c.known {
		return nil, errors.New("the client did not log in")
	}
	switch req := r.body.(type) {
	case *kmsg.MetadataRequest:
	case *kmsg.InitProducerIDRequest:
		if req.TransactionalID != nil {
			resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
			resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
			return r.encode(resp), nil
		}
	case *kmsg.FetchRequest:
		return r.encode(unread(req)), nil
	case *kmsg.FindCoordinatorRequest:
		return r.encode(noCoordinator(req)), nil
	case *kmsg.ProduceRequest:
		if other := c.otherTopic(req); other != "" {
			c.pause()
			c.Log.Warn("broker: refused messages for a topic that is not for clients", "client", c.conn.RemoteAddr(), "topic", other)
			if req.Acks == 0 {
				return nil, fmt.Errorf("the client wrote to %s", other)
			}
			return r.encode(refused(req, kerr.TopicAuthorizationFailed)), nil
		}
		changed, err := unpack(req, share)
		if err != nil {
			return c.unreadable(r, req, err)
		}
		if changed {
			frame = req.AppendTo(r.head)
		}
		if req.Acks == 0 {
			return nil, c.forward(frame)
		}
	default:
		return nil, fmt.Errorf("the client sent %s; this port only accepts messages for %s", kmsg.NameForKey(r.body.Key()), c.Topic)
	}
	if err := c.forward(frame); err != nil {
		return nil, err
	}
	resp, err := readAnswer(c.up)
	return withLength(resp), err
}

// pause prevents a client that sends requests without end from taking the CPU of all others.
func (c *client) pause() {
	select {
	case <-c.ctx.Done():
	case <-time.After(askPause):
	}
}

// unreadable answers a request whose compressed messages are too large or cannot be read.
func (c *client) unreadable(r request, req *kmsg.ProduceRequest, err error) ([]byte, error) {
	if errors.Is(err, budget.ErrFull) || req.Acks == 0 {
		return nil, err
	}
	c.pause()
	c.Log.Warn("broker: refused packed messages", "client", c.conn.RemoteAddr(), "err", err)
	if isTooLarge(err) {
		return r.encode(refused(req, kerr.MessageTooLarge)), nil
	}
	return r.encode(refused(req, kerr.CorruptMessage)), nil
}

func (c *client) forward(frame []byte) error {
	_, err := c.up.Write(withLength(frame))
	return err
}

// otherTopic returns a topic in a request that clients may not write to.
func (c *client) otherTopic(req *kmsg.ProduceRequest) string {
	if req.TransactionID != nil {
		return "a transaction"
	}
	for _, t := range req.Topics {
		if t.Topic != c.Topic {
			return t.Topic
		}
	}
	return ""
}

// refused returns, for each partition of a request, why nothing was written to it.
func refused(req *kmsg.ProduceRequest, why *kerr.Error) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, why.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// unread answers, for each partition of a request, that nobody may read it.
func unread(req *kmsg.FetchRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// noCoordinator answers that there are no groups and no transactions for clients.
func noCoordinator(req *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
	for _, key := range req.CoordinatorKeys {
		c := kmsg.NewFindCoordinatorResponseCoordinator()
		c.Key, c.ErrorCode = key, kerr.GroupAuthorizationFailed.Code
		resp.Coordinators = append(resp.Coordinators, c)
	}
	return resp
}

// handshake agrees on the only way to log in (KIP-43).
func (c *client) handshake(req *kmsg.SASLHandshakeRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	resp.SupportedMechanisms = []string{"PLAIN"}
	if c.Login == nil || req.Mechanism != "PLAIN" {
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	}
	return resp
}

// authenticate logs a client in. RFC 4616 separates identity, user and password by NUL.
func (c *client) authenticate(req *kmsg.SASLAuthenticateRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	user, password, ok := plain(req.SASLAuthBytes)
	err := errors.New("this port has no login")
	if c.Login != nil && ok {
		err = c.Login(c.ctx, user, password)
	}
	if err != nil {
		c.Log.Warn("broker: a client could not log in", "client", c.conn.RemoteAddr(), "err", err)
		message := "the user or the password is wrong"
		resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &message
		return resp
	}
	c.known = true
	return resp
}
