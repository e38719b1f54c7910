package status

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/printable"
)

// A client sends requests to one address, and to no other one.
type client struct {
	base *url.URL
	http *http.Client

	mu    sync.Mutex
	rest  time.Time // before which the host takes no requests
	cause error
}

// newClient returns a client for the URL of an API. setting is the key of the URL in the settings.
func newClient(text, setting string) (*client, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", setting, err)
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("%s: %q is not a URL that begins with https:// and names a host", setting, text)
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("%s: the URL has a user, a query or a fragment; give the address alone", setting)
	}
	return &client{base: base, http: &http.Client{
		Transport:     http.DefaultTransport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a token is for one address
	}}, nil
}

// largestReply bounds what is read of a reply.
const largestReply = 4 << 20

// A call is a request below the address of a client. Without in it is a GET.
type call struct {
	path   string
	header http.Header
	in     any
	out    any // what the JSON of the reply is read into; may be nil
}

// do sends a request. Errors are those of [Host.Show].
func (c *client) do(ctx context.Context, call call) error {
	if err := c.resting(); err != nil {
		return err
	}
	method, body := http.MethodGet, io.Reader(nil)
	if call.in != nil {
		text, err := json.Marshal(call.in)
		if err != nil {
			return &RefusedError{Says: err.Error()}
		}
		method, body = http.MethodPost, bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base.String()+call.path, body)
	if err != nil {
		return &RefusedError{Says: err.Error()}
	}
	for name, values := range call.header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "changetrail")
	if call.in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	reply, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, largestReply))
	if err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	if err := c.read(reply, text); err != nil || call.out == nil {
		return err
	}
	if err := json.Unmarshal(text, call.out); err != nil {
		return fmt.Errorf("the reply of %s cannot be read: %w", r.URL.Redacted(), err)
	}
	return nil
}

// resting fails while the host takes no requests.
func (c *client) resting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.rest) {
		return &LaterError{c.rest, c.cause}
	}
	return nil
}

// read returns what the status of a reply means.
func (c *client) read(reply *http.Response, text []byte) error {
	status := reply.StatusCode
	if status >= 200 && status < 300 {
		return nil
	}
	said := fmt.Sprintf("%s %s: %s", reply.Request.Method, reply.Request.URL.Redacted(), printable.Beginning(text, 300))
	if status >= 500 && status != http.StatusServiceUnavailable {
		return fmt.Errorf("HTTP %d: %s", status, said) // it may have been done
	}
	refused := &RefusedError{status, said}
	at, limited := restOf(reply, text, time.Now())
	switch {
	case limited:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.rest, c.cause = at, refused
		return &LaterError{at, refused}
	case status == http.StatusServiceUnavailable:
		return errors.New(refused.Error()) // a proxy may say so although the host has the request
	}
	return refused
}

// The pauses that a host may ask for.
const (
	shortRest   = time.Minute // if it does not say how long
	longestRest = time.Hour   // GitHub counts by the hour
)

// restOf returns until when a host wants no requests, if it says so: 429, or 403 with a header or
// words about a limit.
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
// https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/
func restOf(reply *http.Response, text []byte, now time.Time) (at time.Time, limited bool) {
	header := reply.Header
	after, err := strconv.ParseInt(strings.TrimSpace(header.Get("Retry-After")), 10, 32)
	waits := err == nil && after >= 0
	spent := header.Get("X-Ratelimit-Remaining") == "0"
	switch reply.StatusCode {
	case http.StatusTooManyRequests:
	case http.StatusForbidden:
		if !waits && !spent && !bytes.Contains(bytes.ToLower(text), []byte("rate limit")) {
			return at, false
		}
	case http.StatusServiceUnavailable:
		if !waits {
			return at, false
		}
	default:
		return at, false
	}
	pause := shortRest
	if reset, err := strconv.ParseInt(header.Get("X-Ratelimit-Reset"), 10, 64); err == nil && spent {
		pause = time.Unix(reset, 0).Sub(now) + time.Second
	}
	if waits {
		pause = time.Duration(after) * time.Second
	}
	return now.Add(min(max(pause, time.Second), longestRest)), true
}
