package mcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// A Question asks whether an agent may change something.
type Question struct {
	Paths        []string                  `json:"paths" schema:"required,maxitems=3000,max=1024" doc:"the files that you are going to change, relative to the repository"`
	Repository   string                    `json:"repository,omitempty" schema:"max=512" doc:"host/path, as github.com/acme/payments; if omitted, the one that you work in"`
	Service      string                    `json:"service,omitempty" schema:"max=256" doc:"the service that you intend to change; the answer says if the paths belong to another"`
	Kind         string                    `json:"kind,omitempty" schema:"enum=dependency-update|vulnerability-fix|code|configuration|test|documentation" doc:"what kind of change it is"`
	Dependencies []record.DependencyUpdate `json:"dependencies,omitempty" schema:"maxitems=500" doc:"the dependencies that you are going to update"`
	Agent        string                    `json:"agent,omitempty" schema:"max=256" doc:"your id in the policy, if your credential does not contain it"`
	DelegatedBy  string                    `json:"delegated_by,omitempty" schema:"max=256" doc:"account of the person who asked you to do it"`
	Run          string                    `json:"run,omitempty" schema:"max=256" doc:"id of your session; people are asked once for each"`
	Wait         string                    `json:"wait,omitempty" schema:"max=16" doc:"how long to wait for an approval that is missing, such as 45s or 10m"`
}

// An Authorization is the verdict of the policy.
type Authorization struct {
	MayGoAhead   bool      `json:"may_go_ahead"` // without a person
	Verdict      string    `json:"verdict"`      // autonomous, review-required, approval-required or forbidden
	Next         string    `json:"next"`         // what to do
	Reason       string    `json:"reason"`
	Rule         string    `json:"rule"` // the one that decided
	Services     []Service `json:"services"`
	By           []string  `json:"by,omitempty"` // who must review or approve; if empty, anybody who is independent
	PolicyDigest string    `json:"policy_digest"`
	// Approvals, Request and Inbox come from the gate, if one was asked.
	Approvals []string `json:"approvals,omitempty"` // given before the work, by their ids
	Request   string   `json:"request,omitempty"`   // that people find in the inbox
	Inbox     string   `json:"inbox,omitempty"`
}

// A Service is a service that paths belong to.
type Service struct {
	Name           string   `json:"name"`
	Classification string   `json:"classification,omitempty"`
	DataClasses    []string `json:"data_classes,omitempty"`
	Owner          string   `json:"owner,omitempty"`
}

// maxWait is how long a call may wait for an approval.
const maxWait = time.Hour

func (h *handlers) checkAuthorization(ctx context.Context, req *mcp.CallToolRequest, in *Question) (*Authorization, error) {
	if len(in.Paths) == 0 {
		return nil, errors.New("state in paths which files you are going to change")
	}
	agent, err := h.agent(req, in.Agent)
	if err != nil {
		return nil, err
	}
	_, repo, err := h.subject("", in.Repository)
	if err != nil {
		return nil, err
	}
	var wait time.Duration
	if in.Wait != "" {
		if wait, err = time.ParseDuration(in.Wait); err != nil || wait < 0 || wait > maxWait {
			return nil, fmt.Errorf("wait %q is not a duration between 0s and %s, such as 45s or 10m", in.Wait, maxWait)
		}
	}
	by := cmp.Or(in.DelegatedBy, h.DelegatedBy)
	a, err := h.authorize(policy.Request{Agent: agent, DelegatedBy: by, Repository: repo, Kind: in.Kind, Paths: in.Paths, Dependencies: in.Dependencies}, in.Service)
	if h.Ask == nil || err == nil && a.Verdict != record.ApprovalRequired || err != nil && h.hasRules() {
		return a, err
	}
	answer, err := h.Ask(ctx, ask.Action{
		Agent: agent, Repository: string(repo), Tool: "check_authorization", Does: "write", Paths: in.Paths, Run: cmp.Or(in.Run, h.Run), AskedBy: by,
	}, wait)
	switch {
	case err != nil && a == nil:
		return nil, fmt.Errorf("the gate cannot tell whether you may do it, so do not: %w", err)
	case err != nil: // the policy alone says that an approval is required
		a.Next += fmt.Sprintf(" (The gate cannot tell whether somebody approved it: %v.)", err)
		return a, nil
	}
	return fromGate(a, answer), nil
}

func (h *handlers) hasRules() bool { return h.Policy != nil && h.Policy.HasRules() }

// fromGate returns the answer of the gate, with the services and people of the policy's own, which
// may be nil.
func fromGate(a *Authorization, answer ask.Answer) *Authorization {
	out := &Authorization{Services: []Service{}}
	if a != nil {
		out = a
	}
	right := a == nil || !strings.HasPrefix(a.Next, wrongService)
	out.MayGoAhead, out.Verdict, out.Rule, out.PolicyDigest = answer.Allowed && right, answer.Verdict, answer.Rule, answer.PolicyDigest
	out.Reason, out.Approvals, out.Request, out.Inbox = strings.Join(answer.Reasons, " "), answer.Approvals, answer.Request, answer.Inbox
	switch {
	case !right:
	case answer.Allowed && answer.Verdict == record.ReviewRequired:
		out.MayGoAhead = false
		out.Next = "You may prepare the change and must not merge it before a person has approved its last commit. Record the decision before you commit."
	case answer.Allowed:
		out.Next = "Go ahead. Record the decision before you commit."
	case answer.Refused:
		out.Next = "Do not do it: a person refused the request. Tell the person who asked you."
	case answer.Request == "":
		out.Next = "Do not do it. Tell the person who asked you why."
	default:
		out.Next = fmt.Sprintf("Stop, and ask for what is missing: %s. People find your request %s in the inbox. Ask again with wait, such as 10m, and go on once may_go_ahead is true.", strings.Join(answer.Missing, "; "), answer.Request)
	}
	return out
}

// wrongService is the beginning of the advice to an agent that is mistaken about the service.
const wrongService = "Look again:"

// authorize asks the policy. service is what the agent believes to change.
func (h *handlers) authorize(q policy.Request, service string) (*Authorization, error) {
	if !h.hasRules() {
		return nil, errors.New("this server has no policy, so it cannot decide: ask a person before you change anything. (The operator of changetrail sets enricher.policy.)")
	}
	v := h.Policy.Decide(q)
	out := &Authorization{
		MayGoAhead: v.Verdict == record.Autonomous, Verdict: v.Verdict, Reason: v.Reason, Rule: v.Rule, By: v.By,
		Services: []Service{}, PolicyDigest: h.Policy.Digest(), Next: next(v),
	}
	for _, s := range h.Policy.Match(q) {
		out.Services = append(out.Services, Service{s.Name, s.Classification, s.DataClasses, s.Owner})
	}
	if service != "" && !slices.ContainsFunc(out.Services, func(s Service) bool { return s.Name == service }) {
		out.MayGoAhead = false
		out.Next = fmt.Sprintf(wrongService+" none of these paths of %s belongs to %s. %s", q.Repository, service, out.Next)
	}
	return out, nil
}

// next says what an agent must do after a verdict.
func next(v policy.Verdict) string {
	who := whoMust(v.Demands)
	switch v.Verdict {
	case record.Autonomous:
		return "Go ahead. Record the decision before you commit."
	case record.ReviewRequired:
		return "You may prepare the change and must not merge it: " + who + " must approve its last commit before the merge. Record the decision before you commit."
	case record.ApprovalRequired:
		return "Stop, and ask: " + who + " must approve before you begin. Go on once that is done."
	}
	return "Do not do it. Tell the person who asked you why."
}

// whoMust names the people who must meet demands: one person for each demand, or as many as it requires.
func whoMust(demands []policy.Demand) string {
	var groups []string
	for _, d := range demands {
		who := "a person who neither made nor asked for the change"
		switch {
		case d.Nobody:
			who = "somebody (the policy names nobody who can: tell its owner)"
		case len(d.By) > 0 && d.Number() > 1:
			who = fmt.Sprintf("%d different people of %s", d.Number(), strings.Join(d.By, " or "))
		case len(d.By) > 0:
			who = strings.Join(d.By, " or ")
		case d.Number() > 1:
			who = fmt.Sprintf("%d different people who neither made nor asked for the change", d.Number())
		}
		if !slices.Contains(groups, who) {
			groups = append(groups, who)
		}
	}
	return strings.Join(groups, ", and ")
}
