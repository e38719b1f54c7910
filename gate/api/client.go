package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/internal/problem"
)

// A Client asks a gateway with a gate what waits for people, and says what they decide. It is a [Desk]. Its
// credential must be one of a platform that may state approvals, or of a person.
type Client struct {
	URL   string // of the gateway, such as https://gateway.acme.example:8443
	Token string
	HTTP  *http.Client
}

// maxAnswer is the size of an answer that is read, in bytes.
const maxAnswer = 64 << 20

// Waiting returns what waits for a person, as far as the credential may read it.
func (c *Client) Waiting(ctx context.Context) (*desk.Waiting, error) {
	out := new(desk.Waiting)
	return out, c.do(ctx, http.MethodGet, waitingPath, nil, out)
}

// Decide decides about a change, and returns what the gate answers then.
func (c *Client) Decide(ctx context.Context, v desk.Verdict) (out gate.Decision, err error) {
	in := Verdict{Verdict: refuse, Commit: v.Commit, Reason: v.Reason, Person: v.Person}
	if v.Approve {
		in.Verdict = approve
	}
	err = c.do(ctx, http.MethodPost, prefix+string(v.Change)+decideSuffix, in, &out)
	return out, err
}

// Override orders in an emergency that a commit may be merged although the gate denies it, and returns
// what the gate answers then.
func (c *Client) Override(ctx context.Context, o gate.Override) (out gate.Decision, err error) {
	err = c.do(ctx, http.MethodPost, prefix+string(o.Change)+overrideSuffix, Order{Commit: o.Commit, Reason: o.Reason, Person: o.Person}, &out)
	return out, err
}

// Grants returns the approvals before work that the credential may read, the newest first.
func (c *Client) Grants(ctx context.Context) ([]approvals.Standing, error) {
	var out List
	err := c.do(ctx, http.MethodGet, approvalsPath, nil, &out)
	return out.Approvals, err
}

// Grant gives an approval.
func (c *Client) Grant(ctx context.Context, g approvals.Grant) (out approvals.Standing, err error) {
	err = c.do(ctx, http.MethodPost, approvalsPath, g, &out)
	return out, err
}

// Revoke ends an approval.
func (c *Client) Revoke(ctx context.Context, r approvals.Revocation) (out approvals.Standing, err error) {
	err = c.do(ctx, http.MethodPost, strings.Replace(revokePath, "{id}", url.PathEscape(r.Grant), 1), r, &out)
	return out, err
}

// Refuse refuses the request of an agent.
func (c *Client) Refuse(ctx context.Context, r approvals.Refusal) error {
	return c.do(ctx, http.MethodPost, strings.Replace(refusePath, "{id}", url.PathEscape(r.Request), 1), r, nil)
}

// do sends a request, and reads the answer into out, unless that is nil. Its errors are problems: what
// the gateway says, or 503 if it cannot be asked.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("approvals: %w", err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return fmt.Errorf("the address of the gateway: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return problem.New(http.StatusServiceUnavailable, "the gateway %s cannot be asked: %v", c.URL, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return problem.New(http.StatusServiceUnavailable, "the answer of the gateway %s ends early: %v", c.URL, err)
	}
	if answer.StatusCode >= http.StatusBadRequest {
		var p struct {
			Detail string `json:"detail"`
		}
		if err := json.Unmarshal(text, &p); err != nil || p.Detail == "" {
			return problem.New(http.StatusBadGateway, "the gateway %s answers %s", c.URL, answer.Status)
		}
		return problem.New(answer.StatusCode, "%s", p.Detail)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return problem.New(http.StatusBadGateway, "the answer of the gateway %s cannot be read: %v", c.URL, err)
	}
	return nil
}
