// Package endpoint sends requests to a receiver over HTTP, and says what the status of an answer
// means for the documents of the request.
//
// It does not know the receivers' formats. It imports package sinks for the errors of the contract,
// and package stream for the TLS settings.
package endpoint

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// Config is how to reach a receiver.
type Config struct {
	Name    string // of the engine, for errors
	URL     string // http or https, with the path below which the receiver is, if any
	TLS     stream.TLS
	Gzip    int // compression level of requests, 1 to 9; 0 is none
	Headers http.Header
}

// An Endpoint is a receiver's address.
type Endpoint struct {
	config Config
	base   *url.URL
	client *http.Client
}

// New returns the endpoint of a configuration. It does not connect.
func New(c Config) (*Endpoint, error) {
	base, err := url.Parse(strings.TrimRight(c.URL, "/"))
	if err != nil {
		return nil, fmt.Errorf("%s: sink.addresses: %w", c.Name, err)
	}
	switch {
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("%s: sink.addresses %q is not a URL that begins with https:// or http:// and names a host", c.Name, c.URL)
	case base.User != nil:
		return nil, fmt.Errorf("%s: sink.addresses has a user or a password in the URL; put secrets into their own settings", c.Name)
	case base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("%s: sink.addresses %q has a query or a fragment; give the address alone", c.Name, c.URL)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 90 * time.Second
	if transport.TLSClientConfig, err = c.TLS.Config(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	return &Endpoint{config: c, base: base, client: &http.Client{
		Transport: transport, Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a token is for one address
	}}, nil
}

// Basic returns the value of an Authorization header for a user and a password.
func Basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// A Request is a request to a path below the endpoint's URL. Without a body it is a GET.
type Request struct {
	Path        string
	ContentType string
	Body        []byte
}

// An Answer is a receiver's answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most 4 MiB
}

const largestAnswer = 4 << 20

// Send sends a request and returns the answer, whatever its status is.
func (e *Endpoint) Send(ctx context.Context, r Request) (*Answer, error) {
	method, body, err := http.MethodGet, io.Reader(nil), error(nil)
	if r.Body != nil {
		method = http.MethodPost
		if body, err = e.pack(r.Body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, e.base.String()+r.Path, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.config.Name, err)
	}
	for name, values := range e.config.Headers {
		req.Header[name] = values
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", r.ContentType)
		if e.config.Gzip > 0 {
			req.Header.Set("Content-Encoding", "gzip")
		}
	}
	res, err := e.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.config.Name, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, largestAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s: reading the answer: %w", e.config.Name, err)
	}
	if len(answer) > largestAnswer {
		return nil, fmt.Errorf("%s: the answer is larger than %d bytes; is this the receiver's address?", e.config.Name, largestAnswer)
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: answer}, nil
}

// pack compresses a body, if that is set.
func (e *Endpoint) pack(body []byte) (io.Reader, error) {
	if e.config.Gzip == 0 {
		return bytes.NewReader(body), nil
	}
	packed := new(bytes.Buffer)
	z, err := gzip.NewWriterLevel(packed, e.config.Gzip)
	if err != nil {
		return nil, fmt.Errorf("%s: sink.gzip: %w", e.config.Name, err)
	}
	_, _ = z.Write(body) // into memory: cannot fail
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("%s: gzip: %w", e.config.Name, err)
	}
	return packed, nil
}

// Err returns what the status of an answer means for a request as a whole, with the receiver's
// message; nil for 200.
//
// A status that says that the receiver is busy or broken leads to another try, after the pause that
// it asks for. 413 asks for smaller requests, and 400 blames a document. Any other status, such as
// 401, 404 or a redirect, waits for somebody who corrects the settings.
func (a *Answer) Err(message string) error {
	cause := "HTTP " + strconv.Itoa(a.Status)
	said := fmt.Errorf("%s: %s", cause, message)
	switch s := a.Status; {
	case s == http.StatusOK:
		return nil
	case s == http.StatusRequestEntityTooLarge:
		return errors.Join(sinks.ErrTooLarge, said)
	case s == http.StatusBadRequest:
		return errors.Join(sinks.ErrWhole, said)
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= http.StatusInternalServerError, s < http.StatusMultipleChoices:
		return &sinks.BusyError{After: sinks.RetryAfter(a.Header.Get("Retry-After"), time.Now()), Err: said}
	case s < http.StatusBadRequest:
		return &sinks.BlockedError{Cause: cause, Reason: "the receiver refers to " + a.Header.Get("Location") + "; correct sink.addresses"}
	default:
		return &sinks.BlockedError{Cause: cause, Reason: message}
	}
}

// Clip returns the beginning of an answer, for messages.
func Clip(text []byte) string { return printable.Beginning(text, 300) }
