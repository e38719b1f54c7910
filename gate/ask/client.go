package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/printable"
)

// A Client asks the gate of a gateway.
type Client struct {
	Gateway string // URL
	Token   string // bearer token; empty if the gateway needs none
}

// Times of one request.
const (
	timeout = 15 * time.Second // without waiting
	turn    = 20 * time.Second // how long one request waits
	pause   = time.Second      // after an answer that came too soon, or none
)

// maxAnswer is the largest answer that is read, in bytes.
const maxAnswer = 1 << 20

// Ask asks whether an action may be done. While only an approval is missing, it waits up to a time
// until it is given. The gate answers a waiting request as soon as its answer differs, so that
// nothing is asked again and again. An error means that nobody knows whether it may be done.
func (c Client) Ask(ctx context.Context, a Action, wait time.Duration) (Answer, error) {
	over := time.Now().Add(wait)
	for first := true; ; first = false {
		began := time.Now()
		left := time.Until(over)
		answer, err := c.once(ctx, a, max(0, min(left, turn)))
		switch {
		case err == nil && (answer.Allowed || answer.Request == "" || answer.Refused):
			return answer, nil
		case left <= turn && (err != nil || time.Since(began) >= left-pause):
			return answer, err
		case first && err != nil:
			return answer, err // the gateway is away, and nobody knows for what to wait
		case time.Since(began) < turn-pause: // so many wait that the gateway answers at once, or it is away
			if err := rest(ctx); err != nil {
				return answer, err
			}
		}
	}
}

func rest(ctx context.Context) error {
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// once makes one request.
func (c Client) once(ctx context.Context, a Action, wait time.Duration) (answer Answer, err error) {
	at, err := url.Parse(c.Gateway)
	if err != nil || at.Host == "" {
		return answer, fmt.Errorf("the gateway %q is not a URL such as https://changetrail.acme.example", c.Gateway)
	}
	at = at.JoinPath("v1", "gate", "actions")
	if wait > 0 {
		at.RawQuery = url.Values{"wait": {wait.Round(time.Millisecond).String()}}.Encode()
	}
	body, err := json.Marshal(a)
	if err != nil {
		return answer, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait+timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := client.Do(r)
	if err != nil {
		return answer, fmt.Errorf("the gateway cannot be asked: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("the answer of the gateway cannot be read: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("%s answered %s: %s", at.Host, res.Status, detailOf(text))
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Verdict == "" || len(answer.Reasons) == 0 {
		return Answer{}, fmt.Errorf("%s does not answer as a gate: %s", at.Host, printable.Beginning(text, 200))
	}
	return answer, nil
}

// client follows no redirection: another address does not answer for the gateway.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
	return errors.New("the gateway redirects to another address; name that address")
}}

// detailOf returns the detail of a problem, or the beginning of another answer.
func detailOf(body []byte) string {
	var p struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) == nil && p.Detail != "" {
		return strings.TrimSuffix(p.Detail, ".")
	}
	return printable.Beginning(body, 200)
}
