package gate

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/ask"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// An Action is what a tool of an agent is about to do.
type Action = ask.Action

// Policies knows the policy in force. An [enricher.View] does.
type Policies interface {
	// InForce returns the policy in force. unreadable is the error of a newer one that cannot be read.
	// It fails if it cannot be known that nobody has published another one.
	InForce(ctx context.Context) (p *policy.Policy, unreadable error, err error)
}

// Grants knows what people approved before the work. An [approvals.Book] does.
type Grants interface {
	// CatchUp fails if it cannot be known that the answers of the others contain everything.
	CatchUp(ctx context.Context) error
	For(agent string, names []record.Repository, now time.Time) []approvals.Standing
	Asked(id string) (approvals.Asked, bool)
	Ask(ctx context.Context, r approvals.Request) error
	// Changed is closed when something is known that was not known before the call.
	Changed() <-chan struct{}
}

// Actions answers whether a tool of an agent may run.
type Actions struct {
	Policies  Policies
	Approvals Grants // nil if nobody can give an approval here
	Inbox     string // address of the page on which people find requests
	Now       func() time.Time
}

// Ask answers whether an action may be done. If an approval is missing, people are asked for it once
// for each agent, repository, run and services. While it is missing, Ask waits up to a time. An
// error means that nobody knows whether the action may be done: it must not be done.
func (g *Actions) Ask(ctx context.Context, a Action, wait time.Duration) (ask.Answer, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		var changed <-chan struct{}
		if g.Approvals != nil {
			changed = g.Approvals.Changed() // before the answer, so that nothing after it is missed
		}
		answer, err := g.answer(ctx, a)
		if err != nil || answer.Allowed || answer.Request == "" || answer.Refused || wait <= 0 {
			return answer, err
		}
		select {
		case <-changed:
		case <-over.C:
			wait = 0 // what time alone changed
		case <-ctx.Done():
			return answer, nil
		}
	}
}

func (g *Actions) answer(ctx context.Context, a Action) (ask.Answer, error) {
	p, unreadable, err := g.Policies.InForce(ctx)
	switch {
	case err != nil:
		return ask.Answer{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	case !p.HasRules():
		return ask.Answer{}, fmt.Errorf("%w: no policy is in force. (The operator of changetrail sets enricher.policy.)", ErrUnknown)
	}
	now := g.Now()
	var given []approvals.Standing
	if g.Approvals != nil {
		if err := g.Approvals.CatchUp(ctx); err != nil {
			return ask.Answer{}, fmt.Errorf("%w which approvals were given: %w", ErrUnknown, err)
		}
		given = g.Approvals.For(p.Person(a.Agent), []record.Repository{record.Repository(a.Repository)}, now)
	}
	d := DecideAction(p, a, given)
	answer := d.Answer
	if unreadable != nil {
		answer.Warning = fmt.Sprintf("A newer policy cannot be read, so the one before it decided: %v.", unreadable)
	}
	if d.request == nil {
		return answer, nil
	}
	if g.Approvals == nil {
		answer.Reasons = append(answer.Reasons, "Nobody can give an approval here, because nobody signs in (docs/sign-in.md).")
		return answer, nil
	}
	return answer, g.request(ctx, *d.request, &answer, now)
}

// maxRequests is how many requests for the same are made one after the other: each after an approval
// that is used up, expired or too narrow.
const maxRequests = 1000

// request asks people for an approval, unless they are asked already, and says in an answer what
// became of it.
func (g *Actions) request(ctx context.Context, r approvals.Request, answer *ask.Answer, now time.Time) error {
	for n := range maxRequests {
		r.ID = requestID(r, now, n)
		asked, known := g.Approvals.Asked(r.ID)
		switch {
		case known && asked.Granted:
			continue // what was approved does not cover this action, or does not any more
		case known && asked.Refusal != nil:
			answer.Refused, answer.Request = true, r.ID
			answer.Reasons = append(answer.Reasons, fmt.Sprintf("%s refused the request %s: %s", asked.Refusal.Person, r.ID, asked.Refusal.Reason))
			return nil
		case !known:
			if err := g.Approvals.Ask(ctx, r); err != nil {
				return fmt.Errorf("%w: the request for an approval cannot be recorded: %w", ErrUnknown, err)
			}
		}
		answer.Request, answer.Inbox = r.ID, g.Inbox
		return nil
	}
	return errors.New("so many requests were made for the same that no more are accepted; let a person approve for longer")
}

// requestTime is how long one request may stand for others. An answered one is followed by another
// sooner.
const requestTime = 7 * 24 * time.Hour

// requestID returns the id of the n-th request for the same in a time.
func requestID(r approvals.Request, now time.Time, n int) string {
	of := slices.Concat([]string{r.Agent, strings.ToLower(string(r.Repository)), r.Run, strconv.FormatInt(now.UnixNano()/int64(requestTime), 10), strconv.Itoa(n)}, r.Services)
	sum := digests.Of([]byte(strings.Join(of, "\x00")))
	return "request-" + strings.ToLower(base32.HexEncoding.EncodeToString([]byte(sum[len(sum)-20:]))[:24])
}

// A Permission is the decision about one action.
type Permission struct {
	ask.Answer
	request *approvals.Request // without an id: what to ask people for; nil if no approval would help
}

// DecideAction decides about an action by a policy and the grants for its agent and repository that
// are in force and have a use left. What is unknown about the action may require an approval.
func DecideAction(p *policy.Policy, a Action, given []approvals.Standing) Permission {
	q := requestOf(a)
	v := p.Decide(q)
	d := Permission{Answer: ask.Answer{Verdict: v.Verdict, Rule: v.Rule, PolicyDigest: p.Digest()}}
	if v.Least == record.Forbidden {
		d.Reasons = []string{sentence("The policy forbids it", v.Rule, v.Reason)}
		return d
	}
	demands := before(p, q, v)
	if len(demands) == 0 {
		d.Allowed = true
		d.Reasons = []string{sentence("No approval is required before the work", v.Rule, v.Reason)}
		return d
	}
	d.Verdict = record.ApprovalRequired
	for _, demand := range demands {
		d.Reasons = distinct(append(d.Reasons, sentence("The policy requires an approval before the work", demand.Rule, demand.Reason))...)
	}
	d.byApprovals(p, q, demands, given)
	if !d.Allowed && d.request != nil {
		d.request.Agent, d.request.Repository, d.request.Run, d.request.AskedBy, d.request.Does = p.Person(a.Agent), q.Repository, a.Run, a.AskedBy, a.Does
		d.request.Paths = fitting(a.Paths)
		d.request.Reason = clip(fmt.Sprintf("The tool %s is about to run.", a.Tool))
	}
	return d
}

// before returns the approvals that must be given before an action. A rule that may forbid it, because
// it may write other files than are known, requires an approval for each service that it may touch.
func before(p *policy.Policy, q policy.Request, v policy.Verdict) (out []policy.Demand) {
	for _, d := range v.Demands {
		// If it may touch a service, its approvals are enough for files that may be in none.
		if d.Verdict == record.ApprovalRequired && (v.Unknown || d.Rule != policy.RuleUnknownService || !q.Unseen.Paths) {
			out = append(out, d)
		}
	}
	if v.Verdict != record.Forbidden {
		return out
	}
	surely, maybe := p.Touches(q)
	for _, s := range slices.Concat(surely, maybe) {
		if !slices.ContainsFunc(out, func(d policy.Demand) bool { return d.Service == s.Name }) {
			out = append(out, policy.Demand{
				Service: s.Name, Rule: v.Rule, Verdict: record.ApprovalRequired, People: p.Approvers[s.Classification], Reason: "it is not known which files the tool writes, and some may be forbidden: " + v.Reason,
			})
		}
	}
	return out
}

// byApprovals allows an action if each demand for an approval is met. Otherwise it says what is
// missing.
func (d *Permission) byApprovals(p *policy.Policy, q policy.Request, demands []policy.Demand, given []approvals.Standing) {
	d.Allowed = true
	nobody := false
	for _, demand := range demands {
		by, people := meeting(p, q, demand, given)
		if len(people) >= demand.Number() {
			d.Approvals = distinct(append(d.Approvals, by...)...)
			continue
		}
		d.Allowed = false
		if demand.Nobody {
			nobody = true
			d.Reasons = append(d.Reasons, sentence("Nobody can give this approval; tell the owner of the policy", demand.Rule, demand.Reason))
			continue
		}
		m := Missing{What: "approval", Count: demand.Number() - len(people), Service: demand.Service, Rule: demand.Rule, By: demand.By, Approved: people}
		m.People = slices.DeleteFunc(p.Members(demand.By), func(name string) bool { return !independent(p, q, name) || slices.Contains(people, p.Person(name)) })
		d.Missing = append(d.Missing, m.Give())
		if d.request == nil {
			d.request = new(approvals.Request)
		}
		if demand.Service != "" && !slices.Contains(d.request.Services, demand.Service) {
			d.request.Services = append(d.request.Services, demand.Service)
		}
	}
	if d.Allowed {
		d.Reasons = []string{"It was approved before the work: " + strings.Join(d.Approvals, ", ") + "."}
		return
	}
	d.Approvals = nil
	if nobody || q.Repository == "" {
		d.request = nil // no approval would be enough
	}
	if q.Repository == "" {
		d.Reasons = append(d.Reasons, "It is not known which repository this is: no git remote names one.")
	}
}

// meeting returns the grants that count for a demand, and the different people who gave them: people
// of its group who did not ask for the work.
func meeting(p *policy.Policy, q policy.Request, demand policy.Demand, given []approvals.Standing) (by, people []string) {
	for _, s := range given {
		covers, _ := p.Covers(s.Scope, demand.Service, q)
		switch {
		case demand.Nobody, !covers, s.Change != "", !independent(p, q, s.Person):
			continue
		case len(s.Kinds) > 0 && (q.Unseen.Kind || !slices.Contains(s.Kinds, q.Kind)):
			continue
		case len(demand.By) > 0 && !p.InGroup(s.Person, demand.By), slices.Contains(people, p.Person(s.Person)):
			continue
		}
		by, people = append(by, s.ID), append(people, p.Person(s.Person))
	}
	return by, people
}

// independent reports whether somebody may approve an action: a person who did not ask for it.
func independent(p *policy.Policy, q policy.Request, name string) bool {
	return p.IsPerson(name) && p.Person(name) != p.Person(q.DelegatedBy) && p.Person(name) != p.Person(q.Agent)
}

// requestOf returns what the policy is asked about an action.
func requestOf(a Action) policy.Request {
	q := policy.Request{Agent: a.Agent, DelegatedBy: a.AskedBy, Repository: record.Repository(a.Repository), Paths: a.Paths, Kind: record.KindOfFiles(a.Paths)}
	more := a.More || len(a.Paths) == 0
	q.Unseen = policy.Unseen{Paths: more, Kind: more, Dependencies: more || slices.ContainsFunc(a.Paths, record.IsManifest), Environments: a.Does == "deploy"}
	return q
}

// sentence says what a rule decided and why.
func sentence(what, rule, reason string) string {
	return fmt.Sprintf("%s (rule %s): %s.", what, rule, strings.TrimSuffix(reason, "."))
}

// fitting returns the paths of an action that a request contains: it shows them to people.
func fitting(paths []string) []string {
	const most, longest = 100, 512
	return slices.DeleteFunc(slices.Clone(paths[:min(len(paths), most)]), func(p string) bool { return p == "" || len(p) > longest })
}
