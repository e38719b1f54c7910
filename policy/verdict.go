package policy

import (
	"fmt"
	"slices"

	"github.com/changetrail/changetrail/record"
)

// A Trial is the evaluation of one rule for one service.
type Trial struct {
	Service string `json:"service"`
	Rule    string `json:"rule"`
	Held    bool   `json:"held"`
	May     bool   `json:"may,omitempty"` // the rule may apply: something that it asks about is unknown
	Error   string `json:"error,omitempty"`
}

// A Demand is what a change in one service requires from a person.
type Demand struct {
	Service string   `json:"service,omitempty"`
	Rule    string   `json:"rule"`
	Verdict string   `json:"verdict"` // review-required or approval-required
	Reason  string   `json:"reason"`
	By      []string `json:"by,omitempty"`      // one of these; empty means any independent person
	People  int      `json:"people,omitempty"`  // how many different people must meet it; 0 means one
	Nobody  bool     `json:"nobody,omitempty"`  // nobody can meet it, or too few people can
	Claimed bool     `json:"claimed,omitempty"` // it is required only if a claim is true
}

// same reports whether d and o require the same, by whatever rule.
func (d Demand) same(o Demand) bool {
	return d.Service == o.Service && d.Verdict == o.Verdict && d.People == o.People && d.Nobody == o.Nobody && d.Claimed == o.Claimed && slices.Equal(d.By, o.By)
}

// A Verdict is what the policy requires of a change: the strictest of what may apply to the
// services that it touches.
type Verdict struct {
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"` // that decided
	Service string `json:"service,omitempty"`
	Reason  string `json:"reason"`
	// Paths are those for each of which alone Rule applies: at most [MaxPaths]. A rule that does not
	// ask about paths has none, and so has one that applies only to several of them.
	Paths []string `json:"paths,omitempty"`
	// By is who must review or approve, if one group must do all of it. Demands say it for each
	// service.
	By     []string `json:"by,omitempty"`
	Trials []Trial  `json:"trials,omitempty"` // in the order of evaluation

	// Demands are those of each service, of all rules that may decide. A change that meets them all
	// is authorized, whatever is unknown about it.
	Demands []Demand `json:"demands,omitempty"`
	// Least is the mildest verdict that may apply, with its demands. It equals Verdict for a change
	// that is fully known.
	Least        string   `json:"least"`
	LeastDemands []Demand `json:"least_demands,omitempty"`
	// Ways are the ways in which each surely touched service may be decided: one for each if the
	// change is fully known. A change that meets none of the ways of a service is unauthorized,
	// whatever is unknown about it.
	Ways [][]Way `json:"-"`
	// Unknown says that the change touches no service of the policy, and can touch none.
	Unknown bool `json:"-"`
}

// A Way is one way in which a service may be decided.
type Way struct {
	Verdict string
	Demands []Demand
}

// The names of decisions that no rule of the file makes.
const (
	RuleUnknownService = "service unknown"
	RuleUnknownAgent   = "agent unknown"
	RuleScope          = "services of the agent"
	RuleDelegate       = "delegates of the agent"
	RuleMode           = "mode gate-everything"
	RuleDefault        = record.RuleDefault
	RuleThreshold      = "threshold"
)

// An outcome is one way in which a service may be decided.
type outcome struct {
	service, verdict, rule, reason string
	demands                        []Demand
	least                          []Demand // those that surely apply if not all files are known
}

// Decide evaluates the rules for each service that r touches. The strictest verdict applies, and so
// do the demands of all services. The unknown never counts as allowed: a service that r may touch
// counts, and so does a rule that may apply.
//
// For a repository that has or had other names, the rules for all its names apply, and the
// strictest verdict is the result.
func (p *Policy) Decide(r Request) Verdict {
	if len(r.OtherNames) == 0 {
		return p.decide(r)
	}
	var v Verdict
	for i, name := range p.named(r) {
		one := r
		one.Repository, one.OtherNames = name, nil
		if o := p.decide(one); i == 0 {
			v = o
		} else {
			v = v.and(o)
		}
	}
	return v
}

// named returns the names of the repository that the policy mentions, or the current one if it
// mentions none.
func (p *Policy) named(r Request) []record.Repository {
	names := slices.DeleteFunc(r.repositories(), func(n record.Repository) bool {
		return !slices.ContainsFunc(p.Services, func(s Service) bool { return matchNames(s.Repositories, string(n)) })
	})
	if len(names) == 0 {
		return []record.Repository{r.Repository}
	}
	return names
}

// and returns the verdict if both v and o apply.
func (v Verdict) and(o Verdict) Verdict {
	a := v
	if rank(o.Verdict) > rank(v.Verdict) || rank(o.Verdict) == rank(v.Verdict) && o.Unknown {
		a = o
	}
	a.Demands, a.LeastDemands = merge(slices.Clip(v.Demands), o.Demands), merge(slices.Clip(v.LeastDemands), o.LeastDemands)
	a.Ways, a.Trials = slices.Concat(v.Ways, o.Ways), slices.Concat(v.Trials, o.Trials)
	if !slices.Equal(v.By, o.By) {
		a.By = nil
	}
	if a.Least = v.Least; rank(o.Least) > rank(v.Least) {
		a.Least = o.Least
	}
	if a.Least == record.Forbidden {
		a.Demands = a.LeastDemands
	}
	a.Unknown = (v.Unknown || o.Unknown) && a.Least != record.Forbidden
	return a
}

// decide is Decide for a repository with one name.
func (p *Policy) decide(r Request) Verdict {
	q := p.ask(r)
	if r.Agent != "" && q.agent == nil && len(p.Agents) > 0 {
		return Verdict{Verdict: record.Forbidden, Rule: RuleUnknownAgent, Reason: fmt.Sprintf("the policy does not list the agent %s", r.Agent), Least: record.Forbidden}
	}
	sure, others := p.Touches(r)
	var possible, mildest []outcome // all that may apply; the mildest of each service
	var trials []Trial
	var ways [][]Way
	if len(sure) == 0 {
		unknown := outcome{verdict: record.ApprovalRequired, rule: RuleUnknownService, reason: fmt.Sprintf("no service of the policy contains these paths of %s", r.Repository)}
		unknown.demands = []Demand{{Rule: unknown.rule, Verdict: unknown.verdict, Reason: unknown.reason, Nobody: true}}
		unknown.least = unknown.demands
		possible, mildest = append(possible, unknown), append(mildest, unknown)
	}
	for i, s := range slices.Concat(sure, others) {
		outcomes, tried := q.service(s, sure)
		possible, trials = append(possible, outcomes...), append(trials, tried...)
		switch {
		case i < len(sure):
			mildest, ways = append(mildest, mild(outcomes)), append(ways, waysOf(outcomes))
		case len(sure) == 0: // it may be the only service
			mildest = []outcome{milder(mildest[0], mild(outcomes))}
		}
	}
	v := strictest(possible)
	v.Paths = q.because(v, sure)
	v.Trials, v.Ways, v.Unknown = trials, ways, len(sure)+len(others) == 0
	v.Least = record.Autonomous
	for _, o := range mildest {
		if rank(o.verdict) > rank(v.Least) {
			v.Least = o.verdict
		}
		v.LeastDemands = merge(v.LeastDemands, o.least)
	}
	if v.Least == record.Forbidden { // whatever else may apply
		v.Demands = v.LeastDemands
	}
	return v
}

func waysOf(outcomes []outcome) []Way {
	out := make([]Way, len(outcomes))
	for i, o := range outcomes {
		out[i] = Way{o.verdict, o.least}
	}
	return out
}

// strictest combines what may apply to the services of a change.
func strictest(possible []outcome) Verdict {
	var v Verdict
	for i, o := range possible {
		if i == 0 || rank(o.verdict) > rank(v.Verdict) {
			v.Verdict, v.Rule, v.Service, v.Reason = o.verdict, o.rule, o.service, o.reason
		}
		v.Demands = merge(v.Demands, o.demands)
	}
	for i, d := range v.Demands {
		if i > 0 && !slices.Equal(d.By, v.By) {
			v.By = nil
			break
		}
		v.By = d.By
	}
	return v
}

// mild returns the mildest of the outcomes of a service. If two are equally mild, either may be the
// one, so the demands of both become one that is met by meeting either, by the smaller number of
// people.
func mild(outcomes []outcome) outcome {
	least := outcomes[0]
	for _, o := range outcomes[1:] {
		least = milder(least, o)
	}
	return least
}

func milder(a, b outcome) outcome {
	switch {
	case rank(a.verdict) < rank(b.verdict):
		return a
	case rank(a.verdict) > rank(b.verdict):
		return b
	}
	if sameDemands(a.least, b.least) {
		return a
	}
	either := a
	either.least = nil
	if len(a.least) > 0 && len(b.least) > 0 {
		d := a.least[0]
		d.By, d.Nobody = nil, true
		anybody := false
		for _, o := range slices.Concat(a.least, b.least) {
			anybody = anybody || len(o.By) == 0 && !o.Nobody
			d.Nobody, d.People = d.Nobody && o.Nobody, min(d.People, o.People)
			d.By = append(d.By, o.By...)
		}
		if slices.Sort(d.By); anybody {
			d.By = nil
		}
		d.By = slices.Compact(d.By)
		either.least = []Demand{d}
	}
	return either
}

// sameDemands reports whether two lists of demands require the same.
func sameDemands(a, b []Demand) bool {
	all := func(of, among []Demand) bool {
		return !slices.ContainsFunc(of, func(d Demand) bool { return !slices.ContainsFunc(among, d.same) })
	}
	return all(a, b) && all(b, a)
}

func merge(demands, more []Demand) []Demand {
	for _, d := range more {
		if !slices.ContainsFunc(demands, d.same) {
			demands = append(demands, d)
		}
	}
	return demands
}

func rank(verdict string) int { return slices.Index(Verdicts, verdict) }

// A question is a request with what its evaluation for each service needs.
type question struct {
	*Policy
	Request
	agent *Agent
	facts facts
}

func (p *Policy) ask(r Request) question {
	agent := p.agent(r.Agent)
	return question{p, r, agent, factsOf(r, agent)}
}

// service returns the ways in which one service may be decided: one if everything is known. touched
// are the services that the change surely touches.
func (q question) service(s Service, touched []Service) ([]outcome, []Trial) {
	if q.agent != nil && !matchAny(q.agent.Services, s.Name) {
		return []outcome{{service: s.Name, verdict: record.Forbidden, rule: RuleScope, reason: fmt.Sprintf("agent %s may change only %v, not %s", q.agent.ID, q.agent.Services, s.Name)}}, nil
	}
	outcomes, trials := q.try(s, touched)
	for i, o := range outcomes {
		o = q.requireApprovals(o)
		o.demands, o.least = q.requirePeople(s, o.demands), q.requirePeople(s, o.least)
		outcomes[i] = o
	}
	return outcomes, trials
}

// try evaluates the rules for a service. The first that surely applies ends the list of those that
// may decide.
func (q question) try(s Service, touched []Service) (outcomes []outcome, trials []Trial) {
	vars := q.facts.of(s)
	var tried []string // conditions that may be true; a later rule with the same one cannot decide
	for _, rule := range q.Rules {
		if slices.Contains(tried, rule.When) {
			trials = append(trials, Trial{Service: s.Name, Rule: rule.Name})
			continue
		}
		held, fails, err := rule.holds(vars)
		trials = append(trials, Trial{Service: s.Name, Rule: rule.Name, Held: held == always, May: held == maybe})
		if err != nil {
			trials[len(trials)-1].Error = err.Error()
			return append(outcomes, q.outcome(s, rule.Name, record.ApprovalRequired, fmt.Sprintf("the rule cannot be evaluated (%v), so a person decides", err))), trials
		}
		if held == maybe && fails {
			outcomes = append(outcomes, q.outcome(s, rule.Name, record.ApprovalRequired, "it is unknown whether the rule can be evaluated, so a person decides"))
		}
		switch held {
		case never:
			continue
		case maybe:
			tried = append(tried, rule.When)
		}
		o := q.outcome(s, rule.Name, rule.Verdict, rule.Reason)
		if len(rule.By) > 0 {
			o.demands, o.least = q.demands(o, rule, s, touched)
		}
		outcomes = append(outcomes, o)
		if held == always {
			return outcomes, trials
		}
	}
	return append(outcomes, q.fallback(s)), trials
}

// outcome returns an outcome. If the verdict requires a person, any independent one will do.
func (q question) outcome(s Service, rule, verdict, reason string) outcome {
	o := outcome{service: s.Name, verdict: verdict, rule: rule, reason: reason}
	if asks(verdict) {
		o.demands = []Demand{{Service: s.Name, Rule: rule, Verdict: verdict, Reason: reason}}
		o.least = o.demands
	}
	return o
}

// asks reports whether a verdict requires something of a person.
func asks(verdict string) bool {
	return verdict == record.ReviewRequired || verdict == record.ApprovalRequired
}

// fallback decides if no rule applies.
func (q question) fallback(s Service) outcome {
	switch {
	case q.Threshold != "" && slices.Index(Classifications, s.Classification) > slices.Index(Classifications, q.Threshold):
		return q.outcome(s, RuleThreshold, record.Autonomous, fmt.Sprintf("no rule applies; a person must review from classification %s up, and %s is %s", q.Threshold, s.Name, s.Classification))
	case q.Threshold != "":
		return q.outcome(s, RuleThreshold, record.ReviewRequired, fmt.Sprintf("no rule applies; %s is %s, and a person must review from classification %s up", s.Name, s.Classification, q.Threshold))
	case q.Default == "":
		return q.outcome(s, RuleDefault, record.ReviewRequired, "no rule applies")
	}
	return q.outcome(s, RuleDefault, q.Default, "no rule applies")
}

// requireApprovals adds the approvals that an agent needs whatever the rules say: for every action
// in the mode gate-everything, and for work that was requested by somebody who may not request it.
// The demands of the rules remain.
func (q question) requireApprovals(o outcome) outcome {
	if q.Agent == "" || rank(o.verdict) > rank(record.ApprovalRequired) {
		return o
	}
	if q.Mode == GateEverything && o.verdict != record.ApprovalRequired {
		o.verdict, o.rule, o.reason = record.ApprovalRequired, RuleMode, "every action of an agent needs a person's approval in advance"
		d := Demand{Service: o.service, Rule: o.rule, Verdict: o.verdict, Reason: o.reason}
		o.demands, o.least = append([]Demand{d}, o.demands...), append([]Demand{d}, o.least...)
	}
	a := q.agent
	if a == nil || len(a.Delegates) == 0 {
		return o
	}
	d := Demand{Service: o.service, Rule: RuleDelegate, Verdict: record.ApprovalRequired, By: a.Delegates, Nobody: q.nobody(a.Delegates)}
	switch surely, maybe := q.unauthorizedAskers(); {
	case surely != "":
		d.Reason = fmt.Sprintf("agent %s works only for %v, but %q asked", a.ID, a.Delegates, surely)
		o.verdict, o.rule, o.reason = d.Verdict, d.Rule, d.Reason
		o.demands, o.least = append([]Demand{d}, o.demands...), append([]Demand{d}, o.least...)
	case maybe != "":
		d.Reason, d.Claimed = fmt.Sprintf("agent %s works only for %v, but somebody claims that %q asked", a.ID, a.Delegates, maybe), true
		o.demands, o.least = append(slices.Clip(o.demands), d), append(slices.Clip(o.least), d)
	}
	return o
}

// unauthorizedAskers returns somebody who asked the agent to work and may not, and somebody who
// only by a claim did. Each is "" if there is none. If nobody is named, nothing is required: only
// the agent says who asked, and it would gain by a lie.
func (q question) unauthorizedAskers() (surely, maybe string) {
	first := func(askers []string) string {
		if i := slices.IndexFunc(askers, q.unauthorized); i >= 0 {
			return askers[i]
		}
		return ""
	}
	known := q.Askers
	if !slices.Contains(q.Claimed, q.DelegatedBy) {
		known = append([]string{q.DelegatedBy}, known...)
	}
	return first(known), first(q.Claimed)
}

// unauthorized reports whether somebody may not ask the agent to work.
func (q question) unauthorized(asker string) bool {
	names := []string{asker}
	if q.Names != nil {
		names = q.Names(asker)
	}
	return asker != "" && !slices.ContainsFunc(names, func(name string) bool { return q.InGroup(name, q.agent.Delegates) })
}
