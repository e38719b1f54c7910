package policy

import (
	"fmt"
	"regexp"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"github.com/bmatcuk/doublestar/v4"
)

// A chance says whether a rule applies.
type chance int

const (
	never  chance = iota // it surely does not apply
	maybe                // it may apply: that depends on what is unknown
	always               // it surely applies
)

// unseen is the variable of a rewritten condition that says which lists may be incomplete. No
// condition of a policy can name it.
const unseen = "@unseen"

// lists are the members of change that are lists and may be incomplete.
var lists = []string{"paths", "dependencies", "environments"}

// A partial is a condition prepared for changes that are not fully known. The known members of a
// list must count: if src/auth/a.js is known to change, a rule about auth applies, whatever else
// changes. So each use of a list that only more members can change is rewritten, in the
// three-valued logic of CEL:
//
// list.exists(x, …)  list.exists(x, …) || unseen
// list.all(x, …)     list.all(x, …) && !unseen
// x in list          x in list || unseen
// list.size() > 3    list.size() > 3 || unseen
// list.size() < 3    list.size() < 3 && !unseen
//
// A list that is used in any other way is unknown as a whole if it is incomplete.
type partial struct {
	program cel.Program
	reads   map[string]bool // lists that the condition reads
	opaque  map[string]bool // lists that it uses in another way
	fails   bool            // it may fail on unknown members
}

// newPartial prepares a checked condition.
func newPartial(env *cel.Env, condition *cel.Ast) (*partial, error) {
	p := &partial{reads: make(map[string]bool), opaque: make(map[string]bool)}
	checked := condition.NativeRep()
	root := ast.NavigateAST(checked)
	p.fails = !checked.GetType(checked.Expr().ID()).IsExactType(cel.BoolType)
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		p.visit(checked, e.(ast.NavigableExpr))
	}))
	wide, err := env.Extend(cel.Variable(unseen, cel.MapType(cel.StringType, cel.BoolType)))
	if err != nil {
		return nil, err
	}
	optimizer, err := cel.NewStaticOptimizer(rewriter{})
	if err != nil {
		return nil, err
	}
	rewritten, issues := optimizer.Optimize(wide, condition)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	p.program, err = wide.Program(rewritten, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptPartialEval))
	return p, err
}

// visit records how one part of a condition uses the lists of a change, and whether it may fail.
func (p *partial) visit(a *ast.AST, e ast.NavigableExpr) {
	parent, inner := e.Parent()
	if list := listOf(e); list != "" {
		p.reads[list] = true
		if !inner || !isRewritten(parent, list) {
			p.opaque[list] = true
		}
	}
	if e.Kind() == ast.IdentKind && e.AsIdent() == "change" && (!inner || parent.Kind() != ast.SelectKind) {
		for _, list := range lists { // as change["paths"]
			p.reads[list], p.opaque[list] = true, true
		}
	}
	p.fails = p.fails || mayFail(a, e)
}

// listOf returns the list of a change that an expression is, or "".
func listOf(e ast.Expr) string {
	if e.Kind() != ast.SelectKind {
		return ""
	}
	s := e.AsSelect()
	if s.IsTestOnly() || s.Operand().Kind() != ast.IdentKind || s.Operand().AsIdent() != "change" || !slices.Contains(lists, s.FieldName()) {
		return ""
	}
	return s.FieldName()
}

// isRewritten reports whether an expression, or an expression that contains it, uses a list in a
// way that is rewritten.
func isRewritten(e ast.NavigableExpr, list string) bool {
	if l, _ := rewritten(e); l == list {
		return true
	}
	parent, inner := e.Parent()
	if l := sizeOf(e); l != list || !inner {
		return false
	}
	l, _ := rewritten(parent)
	return l == list
}

// rewritten returns the list whose further members can change the value of an expression, and the
// value that they change it to. The list is "" for any other expression.
func rewritten(e ast.Expr) (list string, into bool) {
	switch e.Kind() {
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		list, init, step := listOf(c.IterRange()), c.AccuInit(), c.LoopStep()
		if list == "" || c.HasIterVar2() || init.Kind() != ast.LiteralKind || step.Kind() != ast.CallKind {
			return "", false
		}
		switch f := step.AsCall().FunctionName(); {
		case f == operators.LogicalOr && init.AsLiteral() == types.False: // exists
			return list, true
		case f == operators.LogicalAnd && init.AsLiteral() == types.True: // all
			return list, false
		}
	case ast.CallKind:
		c := e.AsCall()
		if len(c.Args()) != 2 {
			return "", false
		}
		left, right := c.Args()[0], c.Args()[1]
		if c.FunctionName() == operators.In {
			return listOf(right), true
		}
		if list = sizeOf(left); list == "" || right.Kind() != ast.LiteralKind {
			return "", false
		}
		switch zero := right.AsLiteral() == types.IntZero; c.FunctionName() {
		case operators.Greater, operators.GreaterEquals:
			return list, true
		case operators.Less, operators.LessEquals:
			return list, false
		case operators.Equals, operators.NotEquals:
			if zero { // a list that is not empty cannot become empty by more members
				return list, c.FunctionName() == operators.NotEquals
			}
		}
	}
	return "", false
}

// sizeOf returns the list whose size an expression is.
func sizeOf(e ast.Expr) string {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "size" {
		return ""
	}
	switch c := e.AsCall(); {
	case c.IsMemberFunction():
		return listOf(c.Target())
	case len(c.Args()) == 1:
		return listOf(c.Args()[0])
	}
	return ""
}

// A rewriter rewrites conditions as [partial] describes.
type rewriter struct{}

// Optimize implements [cel.ASTOptimizer].
func (rewriter) Optimize(ctx *cel.OptimizerContext, a *ast.AST) *ast.AST {
	for id := range ctx.MacroCalls() { // they are for printing alone
		ctx.ClearMacroCall(id)
	}
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		list, into := rewritten(e)
		if list == "" {
			return
		}
		more := ctx.NewSelect(ctx.NewIdent(unseen), list)
		was := ctx.NewLiteral(types.True) // has an id of its own
		was.SetKindCase(e)
		if into {
			e.SetKindCase(ctx.NewCall(operators.LogicalOr, was, more))
		} else {
			e.SetKindCase(ctx.NewCall(operators.LogicalAnd, was, ctx.NewCall(operators.LogicalNot, more)))
		}
	}))
	return a
}

// members are the members of agent, service and change.
var members = map[string][]string{
	"agent":   {"id", "known", "delegated_by"},
	"service": {"name", "classification", "data_classes", "environments", "owner"},
	"change":  {"repository", "kind", "paths", "environments", "dependencies", "jump"},
}

// mayFail reports whether an expression may fail on members of a list on which it was never
// evaluated. The members are strings. An expression that is not known to be safe may fail.
func mayFail(a *ast.AST, e ast.Expr) bool {
	switch e.Kind() {
	case ast.IdentKind, ast.LiteralKind, ast.ComprehensionKind, ast.ListKind:
		return false
	case ast.SelectKind:
		return memberOf(e) == ""
	case ast.CallKind:
		return callMayFail(a, e.AsCall())
	}
	return true
}

// memberOf returns the member of agent, service or change that an expression is, or "".
func memberOf(e ast.Expr) string {
	if e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.IdentKind {
		return ""
	}
	object, name := e.AsSelect().Operand().AsIdent(), e.AsSelect().FieldName()
	if !slices.Contains(members[object], name) {
		return ""
	}
	return object + "." + name
}

func callMayFail(a *ast.AST, c ast.CallExpr) bool {
	truth := func(e ast.Expr) bool {
		return a.GetType(e.ID()).IsExactType(cel.BoolType) || memberOf(e) == "agent.known"
	}
	list := func(e ast.Expr) bool {
		return e.Kind() == ast.ListKind || listOf(e) != "" || memberOf(e) == "service.data_classes" || memberOf(e) == "service.environments"
	}
	args := c.Args()
	switch c.FunctionName() {
	case operators.Equals, operators.NotEquals, operators.NotStrictlyFalse:
		return false
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
		return slices.ContainsFunc(args, func(e ast.Expr) bool { return !truth(e) })
	case operators.Conditional:
		return !truth(args[0])
	case operators.Greater, operators.GreaterEquals, operators.Less, operators.LessEquals, operators.Add:
		return a.GetType(args[0].ID()).IsExactType(cel.DynType) || a.GetType(args[1].ID()).IsExactType(cel.DynType)
	case operators.In:
		return !list(args[1])
	case "size", "sets.contains", "sets.intersects", "sets.equivalent":
		return c.IsMemberFunction() && !list(c.Target()) || slices.ContainsFunc(args, func(e ast.Expr) bool { return !list(e) })
	case "startsWith", "endsWith", "contains", "lowerAscii", "upperAscii", "trim":
		return !c.IsMemberFunction() || list(c.Target()) || slices.ContainsFunc(args, list)
	case "glob":
		pattern, ok := constant(args[len(args)-1])
		return !ok || list(args[0]) || !doublestar.ValidatePattern(pattern)
	case "matches":
		pattern, ok := constant(args[len(args)-1])
		_, err := regexp.Compile(pattern)
		return !ok || err != nil || c.IsMemberFunction() && list(c.Target())
	}
	return true
}

func constant(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// facts are a request in the form in which conditions read it.
type facts struct {
	agent, change map[string]any
	unseen        Unseen
	jump          bool // whether the jump is unknown
}

func factsOf(r Request, agent *Agent) facts {
	who := map[string]any{"id": r.Agent, "known": agent != nil, "delegated_by": r.DelegatedBy}
	if agent != nil {
		who["id"] = agent.ID
	}
	jump := Jump(r.Dependencies)
	return facts{who, map[string]any{
		"repository": string(r.Repository), "kind": r.Kind, "paths": orNone(r.Paths), "environments": orNone(r.Environments),
		"dependencies": names(r.Dependencies), "jump": jump,
	}, r.Unseen, r.Unseen.Dependencies && jump != "unknown"} // nothing is stricter than unknown
}

// A tryable is what conditions are evaluated on: the facts, and one service.
type tryable struct {
	facts
	vars map[string]any
}

func (f facts) of(s Service) tryable {
	return tryable{f, map[string]any{
		"agent": f.agent, "change": f.change,
		"service": map[string]any{
			"name": s.Name, "classification": s.Classification, "data_classes": orNone(s.DataClasses),
			"environments": orNone(s.Environments), "owner": s.Owner,
		},
		unseen: map[string]bool{"paths": false, "dependencies": false, "environments": false}, // unless a pattern says that it is unknown
	}}
}

// holds evaluates the condition of a rule. fails reports that a condition that may be true may fail
// as well.
func (r Rule) holds(t tryable) (held chance, fails bool, err error) {
	program, vars := r.seen, any(t.vars)
	if t.unseen != (Unseen{}) {
		program = r.partial.program
		if vars, err = cel.PartialVars(t.vars, r.partial.patterns(t.facts)...); err != nil {
			return never, false, err
		}
	}
	out, _, err := program.Eval(vars)
	if err != nil {
		return never, false, err
	}
	if types.IsUnknown(out) {
		return maybe, r.partial.fails, nil
	}
	switch out.Value() {
	case true:
		return always, false, nil
	case false:
		return never, false, nil
	}
	return never, false, fmt.Errorf("it gives %v, not true or false", out.Type())
}

// patterns returns the variables that are unknown to the condition.
func (p *partial) patterns(f facts) (out []*cel.AttributePatternType) {
	change := func(member string) { out = append(out, cel.AttributePattern("change").QualString(member)) }
	for list, more := range map[string]bool{"paths": f.unseen.Paths, "dependencies": f.unseen.Dependencies, "environments": f.unseen.Environments} {
		if !more {
			continue
		}
		out = append(out, cel.AttributePattern(unseen).QualString(list))
		if p.opaque[list] {
			change(list)
		}
	}
	if f.unseen.Kind {
		change("kind")
	}
	if f.jump {
		change("jump")
	}
	return out
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
