package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"github.com/bmatcuk/doublestar/v4"

	"github.com/changetrail/changetrail/record"
)

// A Rule is one entry of rules: a condition in CEL (https://cel.dev) over
// agent, service and change, and what follows where it holds. The first rule
// that holds decides.
type Rule struct {
	Name    string `yaml:"name"`
	When    string `yaml:"when"`
	Verdict string `yaml:"verdict"`
	Reason  string `yaml:"reason"`
	// By names who must review or give leave: people, teams, or "owners" of the
	// service. Anybody who is independent will do where it is empty.
	By []string `yaml:"by"`

	program cel.Program
}

// Verdicts are those of a rule, from the mildest to the gravest.
var Verdicts = []string{record.Autonomous, record.ReviewRequired, record.ApprovalRequired, record.Forbidden}

// An Agent is one entry of agents: who it is and which services it may change.
type Agent struct {
	ID        string   `yaml:"id"`
	Accounts  []string `yaml:"accounts"`  // under which the code host knows it
	Delegates []string `yaml:"delegates"` // people who may ask it to work; anyone where empty
	Services  []string `yaml:"services"`  // globs of service names; none means none

	// What else it is known by. A * stands for anything.
	Branches []string `yaml:"branches"` // of its changes, as claude/*
	Trailers []string `yaml:"trailers"` // of its commits, as "Assisted-by: Claude*"
	Mails    []string `yaml:"mails"`    // of the authors of its commits
}

// A Request is what a verdict is asked about.
type Request struct {
	Agent        string // id, or account; empty where a person made the change
	DelegatedBy  string
	Repository   record.Repository
	Kind         string // of the change
	Paths        []string
	Environments []string
	Dependencies []record.DependencyUpdate
}

// RequestOf returns what is to be asked about a recorded change.
func RequestOf(r *record.Record) Request {
	c := r.Trail.Change
	q := Request{Repository: c.Repository, Kind: c.Kind, Paths: c.Files, Environments: r.Trail.Environment, Dependencies: c.Dependencies}
	if r.Trail.Actions != nil {
		q.Paths = slices.Concat(q.Paths, r.Trail.Actions.Files)
	}
	if r.GenAI != nil && c.InitiatedBy == "agent" {
		q.Agent = r.GenAI.Agent.ID
	}
	if d := r.Trail.Decision; d != nil {
		q.DelegatedBy = d.DelegatedBy
	}
	return q
}

// A Trial is one rule tried on one service.
type Trial struct {
	Service string `json:"service"`
	Rule    string `json:"rule"`
	Held    bool   `json:"held"`
	Error   string `json:"error,omitempty"`
}

// A Verdict is what the policy says of a change.
type Verdict struct {
	Verdict string   `json:"verdict"`
	Rule    string   `json:"rule"` // that decided
	Service string   `json:"service,omitempty"`
	Reason  string   `json:"reason"`
	By      []string `json:"by,omitempty"`     // who must review or give leave; anybody where empty
	Trials  []Trial  `json:"trials,omitempty"` // in the order in which they were made
}

// The names of decisions that no rule of the file makes.
const (
	RuleUnknownService = "service unknown"
	RuleUnknownAgent   = "agent unknown"
	RuleScope          = "services of the agent"
	RuleDelegate       = "delegates of the agent"
	RuleMode           = "mode gate-everything"
	RuleDefault        = "default"
	RuleThreshold      = "threshold"
)

// Owners in a rule's by are the owner of the service and those of the files by
// CODEOWNERS.
const Owners = "owners"

var reserved = []string{RuleUnknownService, RuleUnknownAgent, RuleScope, RuleDelegate, RuleMode, RuleDefault, RuleThreshold}

// HasRules reports whether p says anything about who may change what.
func (p *Policy) HasRules() bool {
	return len(p.Rules) > 0 || len(p.Agents) > 0 || p.Default != "" || p.Threshold != "" || p.Mode != ""
}

// AsksEnvironments reports whether a verdict may depend on where a change was
// deployed.
func (p *Policy) AsksEnvironments() bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return strings.Contains(r.When, "environments") })
}

// Decide tries the rules on each service that r touches; the gravest verdict
// stands. What is unknown is never taken for allowed.
func (p *Policy) Decide(r Request) Verdict {
	services := p.Match(r.Repository, r.Paths)
	if len(services) == 0 {
		return Verdict{Verdict: record.ApprovalRequired, Rule: RuleUnknownService, Reason: fmt.Sprintf("no service of the policy is made of %s and these paths", r.Repository)}
	}
	agent := p.agent(r.Agent)
	var gravest Verdict
	var trials []Trial
	for i, s := range services {
		v := p.decideFor(s, agent, r)
		v.Service = s.Name
		trials = append(trials, v.Trials...)
		if i == 0 || rank(v.Verdict) > rank(gravest.Verdict) {
			gravest = v
		}
	}
	gravest.Trials = trials
	return gravest
}

func rank(verdict string) int { return slices.Index(Verdicts, verdict) }

// agent finds an agent by id or account.
func (p *Policy) agent(name string) *Agent {
	for i, a := range p.Agents {
		if name != "" && (a.ID == name || slices.Contains(a.Accounts, name)) {
			return &p.Agents[i]
		}
	}
	return nil
}

func (p *Policy) decideFor(s Service, agent *Agent, r Request) Verdict {
	if r.Agent != "" {
		switch {
		case agent == nil && len(p.Agents) > 0:
			return Verdict{Verdict: record.Forbidden, Rule: RuleUnknownAgent, Reason: fmt.Sprintf("agent %s is not in the policy", r.Agent)}
		case agent != nil && !matchAny(agent.Services, s.Name):
			return Verdict{Verdict: record.Forbidden, Rule: RuleScope, Reason: fmt.Sprintf("agent %s may change %v, and not %s", agent.ID, agent.Services, s.Name)}
		case agent != nil && len(agent.Delegates) > 0 && !slices.Contains(agent.Delegates, p.Person(r.DelegatedBy)):
			return Verdict{Verdict: record.ApprovalRequired, Rule: RuleDelegate, Reason: fmt.Sprintf("agent %s works for %v, and %q asked", agent.ID, agent.Delegates, r.DelegatedBy)}
		}
	}
	var trials []Trial
	verdict := Verdict{Verdict: p.Default, Rule: RuleDefault, Reason: "no rule holds"}
	switch {
	case p.Threshold != "" && slices.Index(Classifications, s.Classification) > slices.Index(Classifications, p.Threshold):
		verdict = Verdict{Verdict: record.Autonomous, Rule: RuleThreshold, Reason: fmt.Sprintf("no rule holds, and a person reviews from %s on; %s is %s", p.Threshold, s.Name, s.Classification)}
	case p.Threshold != "":
		verdict = Verdict{Verdict: record.ReviewRequired, Rule: RuleThreshold, Reason: fmt.Sprintf("no rule holds; %s is %s, and a person reviews from %s on", s.Name, s.Classification, p.Threshold)}
	case p.Default == "":
		verdict.Verdict = record.ReviewRequired
	}
	for _, rule := range p.Rules {
		held, err := rule.holds(s, agent, r)
		trial := Trial{Service: s.Name, Rule: rule.Name, Held: held}
		if err != nil {
			trial.Error = err.Error()
			trials = append(trials, trial)
			verdict = Verdict{Verdict: record.ApprovalRequired, Rule: rule.Name, Reason: fmt.Sprintf("the rule cannot be tried (%v), so a person decides", err)}
			break
		}
		trials = append(trials, trial)
		if held {
			verdict = Verdict{Verdict: rule.Verdict, Rule: rule.Name, Reason: rule.Reason, By: p.by(rule, s, r)}
			break
		}
	}
	verdict.Trials = trials
	if p.Mode == GateEverything && r.Agent != "" && rank(verdict.Verdict) < rank(record.ApprovalRequired) {
		verdict.Verdict, verdict.Rule = record.ApprovalRequired, RuleMode
		verdict.Reason = "every action of an agent needs the leave of a person, given before"
	}
	return verdict
}

// by returns who must review or give leave by a rule.
func (p *Policy) by(rule Rule, s Service, r Request) []string {
	var out []string
	for _, name := range rule.By {
		if name != Owners {
			out = append(out, name)
			continue
		}
		if s.Owner != "" {
			out = append(out, s.Owner)
		}
		out = append(out, p.OwnersOf(r.Repository, r.Paths)...)
	}
	return out
}

func (r Rule) holds(s Service, agent *Agent, q Request) (bool, error) {
	known := map[string]any{"id": q.Agent, "known": agent != nil, "delegated_by": q.DelegatedBy}
	if agent != nil {
		known["id"] = agent.ID
	}
	out, _, err := r.program.Eval(map[string]any{
		"agent": known,
		"service": map[string]any{
			"name": s.Name, "classification": s.Classification, "data_classes": orNone(s.DataClasses),
			"environments": orNone(s.Environments), "owner": s.Owner,
		},
		"change": map[string]any{
			"repository": string(q.Repository), "kind": q.Kind, "paths": orNone(q.Paths), "environments": orNone(q.Environments),
			"dependencies": names(q.Dependencies), "jump": Jump(q.Dependencies),
		},
	})
	if err != nil {
		return false, err
	}
	held, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it gives %v, not true or false", out.Type())
	}
	return held, nil
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func names(updates []record.DependencyUpdate) []string {
	out := make([]string, len(updates))
	for i, u := range updates {
		out[i] = u.Name
	}
	return out
}

// environment is what conditions are written in: the three objects, and
// glob(path, pattern) with ** as in the rest of the policy.
func environment() (*cel.Env, error) {
	object := cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(
		cel.Variable("agent", object), cel.Variable("service", object), cel.Variable("change", object),
		ext.Strings(), ext.Sets(),
		cel.Function("glob", cel.Overload("glob_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(path, pattern ref.Val) ref.Val {
				ok, err := doublestar.Match(string(pattern.(types.String)), string(path.(types.String)))
				if err != nil {
					return types.NewErr("glob: %v", err)
				}
				return types.Bool(ok)
			}))),
	)
}

// maxCost bounds the work of one condition: a policy must not stop the
// pipeline.
const maxCost = 1_000_000

// compile checks the rules and makes them ready.
func (p *Policy) compile() error {
	env, err := environment()
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	var errs []error
	seen := make(map[string]bool)
	for i := range p.Rules {
		r := &p.Rules[i]
		where := fmt.Sprintf("policy: rules[%d] (%s)", i, r.Name)
		switch {
		case r.Name == "":
			errs = append(errs, fmt.Errorf("%s: name is missing", where))
		case seen[r.Name]:
			errs = append(errs, fmt.Errorf("%s: the name stands twice", where))
		case slices.Contains(reserved, r.Name):
			errs = append(errs, fmt.Errorf("%s: the name is that of a decision that no rule makes; choose another", where))
		}
		seen[r.Name] = true
		if !slices.Contains(Verdicts, r.Verdict) {
			errs = append(errs, fmt.Errorf("%s: verdict %q is not one of %v", where, r.Verdict, Verdicts))
		}
		if r.Reason == "" {
			errs = append(errs, fmt.Errorf("%s: reason is missing; an auditor reads it", where))
		}
		ast, issues := env.Compile(r.When)
		if issues.Err() != nil {
			errs = append(errs, fmt.Errorf("%s: when: %w", where, issues.Err()))
			continue
		}
		if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
			errs = append(errs, fmt.Errorf("%s: when gives %v, not true or false", where, t))
			continue
		}
		if r.program, err = env.Program(ast, cel.CostLimit(maxCost)); err != nil {
			errs = append(errs, fmt.Errorf("%s: when: %w", where, err))
		}
	}
	return errors.Join(errs...)
}
