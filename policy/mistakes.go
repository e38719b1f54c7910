package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
)

// A place is the entry of a file that a mistake is about, such as rules[0], with its name.
type place struct{ path, name string }

// wrong returns a mistake at a key of the entry, or at the whole entry if key is empty.
func (p place) wrong(key, format string, args ...any) error {
	at, who := p.path, p.path
	if key != "" {
		at += "." + key
	}
	if p.name != "" {
		who += " (" + p.name + ")"
	}
	return mistake.At(at, "%s: %s", who, fmt.Sprintf(format, args...))
}

// condition returns the mistakes that the CEL compiler found, with the column in the condition.
func (p place) condition(issues *cel.Issues) error {
	var errs []error
	for _, e := range issues.Errors() {
		what, _, _ := strings.Cut(strings.TrimPrefix(e.Message, "Syntax error: "), " (in container")
		errs = append(errs, p.wrong("when", "when, character %d: %s", e.Location.Column()+1, inWords(what)))
	}
	return errors.Join(errs...)
}

// inWords rewrites a message of the CEL compiler for readers who know nothing about parsers.
func inWords(message string) string {
	if name, ok := strings.CutPrefix(message, "undeclared reference to '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return fmt.Sprintf("there is no %s; a condition can use agent, service and change%s", name, nearest.Hint(name, []string{"agent", "service", "change", "glob"}))
	}
	token := func() string {
		_, after, _ := strings.Cut(message, "'")
		at, _, _ := strings.Cut(after, "'")
		return strings.TrimSpace(at)
	}
	switch {
	case strings.Contains(message, "token recognition error at: '="):
		return "= compares nothing; write =="
	case strings.Contains(message, "token recognition error"):
		return fmt.Sprintf("%q is not understood", token())
	case strings.Contains(message, "<EOF>") && !strings.Contains(message, "extraneous"), strings.Contains(message, "no viable alternative"):
		return "the condition is not complete; see https://cel.dev for the syntax"
	case strings.Contains(message, "extraneous input"), strings.Contains(message, "mismatched input"):
		return fmt.Sprintf("%s is not expected here; join conditions with && or ||", token())
	case strings.Contains(message, "no matching overload"):
		return "the function or the comparison does not fit the values; compare text with text, and lists with in or exists"
	}
	return message
}

// misspelt reports members of agent, service and change that conditions use and that do not exist.
// Such a condition would never be true.
func (p *Policy) misspelt() error {
	var errs []error
	for i, r := range p.Rules {
		if r.read == nil {
			continue
		}
		at := place{fmt.Sprintf("rules[%d]", i), r.Name}
		ast.PreOrderVisit(ast.NavigateAST(r.read.NativeRep()), ast.NewExprVisitor(func(e ast.Expr) {
			object, member := askedFor(e.(ast.NavigableExpr))
			if known := members[object]; known != nil && !slices.Contains(known, member) {
				errs = append(errs, at.wrong("when", "when: %s has no %s, only %s%s", object, member, strings.Join(known, ", "), nearest.Hint(member, known)))
			}
		}))
	}
	return errors.Join(errs...)
}

// askedFor returns the object and member that a part of a condition uses: service and name for
// service.name and service["name"]. Both are "" if it uses none, or if the name refers to an entry
// of a list, as in paths.all(service, …).
func askedFor(e ast.NavigableExpr) (object, member string) {
	var of ast.Expr
	switch e.Kind() {
	case ast.SelectKind:
		of, member = e.AsSelect().Operand(), e.AsSelect().FieldName()
	case ast.CallKind:
		args := e.AsCall().Args()
		if e.AsCall().FunctionName() != operators.Index || args[1].Kind() != ast.LiteralKind {
			return "", ""
		}
		of = args[0]
		member, _ = args[1].AsLiteral().Value().(string)
	}
	if of == nil || of.Kind() != ast.IdentKind {
		return "", ""
	}
	for up, more := e.Parent(); more; up, more = up.Parent() {
		if up.Kind() == ast.ComprehensionKind && up.AsComprehension().IterVar() == of.AsIdent() {
			return "", ""
		}
	}
	return of.AsIdent(), member
}
