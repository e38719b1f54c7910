package mcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

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
}

// A Service is a service that paths belong to.
type Service struct {
	Name           string   `json:"name"`
	Classification string   `json:"classification,omitempty"`
	DataClasses    []string `json:"data_classes,omitempty"`
	Owner          string   `json:"owner,omitempty"`
}

func (h *handlers) checkAuthorization(_ context.Context, req *mcp.CallToolRequest, in *Question) (*Authorization, error) {
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
	return h.authorize(policy.Request{Agent: agent, DelegatedBy: cmp.Or(in.DelegatedBy, h.DelegatedBy), Repository: repo, Kind: in.Kind, Paths: in.Paths, Dependencies: in.Dependencies}, in.Service)
}

// authorize asks the policy. service is what the agent believes to change.
func (h *handlers) authorize(q policy.Request, service string) (*Authorization, error) {
	if h.Policy == nil || !h.Policy.HasRules() {
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
		out.Next = fmt.Sprintf("Look again: none of these paths of %s belongs to %s. %s", q.Repository, service, out.Next)
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
