package policy

import (
	"errors"
	"fmt"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"github.com/bmatcuk/doublestar/v4"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/record"
)

// A Rule is one entry of rules: a condition in CEL (https://cel.dev) over agent, service and
// change, and the verdict if it is true. The first rule that applies decides.
type Rule struct {
	Name    string `yaml:"name"`
	When    string `yaml:"when"`
	Verdict string `yaml:"verdict"`
	Reason  string `yaml:"reason"`
	// By names who must review or approve: people, teams, or "owners" of the service. Empty means
	// any independent person.
	By []string `yaml:"by"`

	read    *cel.Ast    // the condition
	seen    cel.Program // for a change that is fully known
	partial *partial    // for a change that is not fully known
}

// Verdicts are the verdicts of a rule, from the mildest to the strictest.
var Verdicts = []string{record.Autonomous, record.ReviewRequired, record.ApprovalRequired, record.Forbidden}

// An Agent is one entry of agents: its identity and the services that it may change.
type Agent struct {
	ID        string   `yaml:"id"`
	Accounts  []string `yaml:"accounts"`  // under which the code host knows it
	Delegates []string `yaml:"delegates"` // people who may ask it to work; empty means anyone
	Services  []string `yaml:"services"`  // globs of service names; empty means none

	// What else identifies it. A * matches anything.
	Branches []string `yaml:"branches"` // of its changes, as claude/*
	Trailers []string `yaml:"trailers"` // of its commits, as "Assisted-by: Claude*"
	Mails    []string `yaml:"mails"`    // of the authors of its commits
}

// reserved are the names of decisions that no rule of the file makes.
var reserved = []string{RuleUnknownService, RuleUnknownAgent, RuleScope, RuleDelegate, RuleMode, RuleDefault, RuleThreshold}

// HasRules reports whether p restricts who may change what.
func (p *Policy) HasRules() bool {
	return len(p.Rules) > 0 || len(p.Agents) > 0 || p.Default != "" || p.Threshold != "" || p.Mode != ""
}

// AsksEnvironments reports whether a verdict may depend on where a change was
// deployed.
func (p *Policy) AsksEnvironments() bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.partial != nil && r.partial.reads["environments"] })
}

// environment is the CEL environment of conditions: the three objects, and glob(path, pattern), in
// which ** means the same as in the rest of the policy.
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

// maxCost bounds the work of one condition, so that a policy cannot stop the pipeline.
const maxCost = 1_000_000

// compile checks the rules and compiles their conditions.
func (p *Policy) compile() error {
	env, err := environment()
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	var errs []error
	seen := make(map[string]bool)
	for i := range p.Rules {
		r := &p.Rules[i]
		at := place{fmt.Sprintf("rules[%d]", i), r.Name}
		switch {
		case r.Name == "":
			errs = append(errs, at.wrong("", "name is missing"))
		case seen[r.Name]:
			errs = append(errs, at.wrong("name", "another rule has the same name"))
		case slices.Contains(reserved, r.Name):
			errs = append(errs, at.wrong("name", "changetrail uses this name for decisions that no rule makes; choose another"))
		}
		seen[r.Name] = true
		if !slices.Contains(Verdicts, r.Verdict) {
			errs = append(errs, at.wrong("verdict", "verdict %s", nearest.NotOne(r.Verdict, Verdicts)))
		}
		if r.Reason == "" {
			errs = append(errs, at.wrong("", "reason is missing; an auditor reads it"))
		}
		ast, issues := env.Compile(r.When)
		if issues.Err() != nil {
			errs = append(errs, at.condition(issues))
			continue
		}
		if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
			errs = append(errs, at.wrong("when", "when gives %v, and must give true or false", t))
			continue
		}
		r.read = ast
		if r.seen, err = env.Program(ast, cel.CostLimit(maxCost)); err != nil {
			errs = append(errs, at.wrong("when", "when cannot be evaluated: %v", err))
			continue
		}
		if r.partial, err = newPartial(env, ast); err != nil {
			errs = append(errs, at.wrong("when", "when cannot be evaluated: %v", err))
		}
	}
	return errors.Join(errs...)
}
