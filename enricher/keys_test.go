package enricher

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestEachKindOfKeyIsDescribed checks that the comment in keys.go describes each kind of entry.
func TestEachKindOfKeyIsDescribed(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST || !strings.HasPrefix(g.Specs[0].(*ast.ValueSpec).Names[0].Name, "kind") {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			kind, _, _, err := strconv.UnquoteChar(strings.Trim(v.Values[0].(*ast.BasicLit).Value, "'"), '\'')
			if err != nil {
				t.Fatal(err)
			}
			kinds++
			if !strings.Contains("\n"+g.Doc.Text(), "\n\t"+string(kind)+" ") {
				t.Errorf("%s (%c) is not described in the comment", v.Names[0].Name, kind)
			}
		}
		for _, own := range []string{positionKey, topicKey} {
			if !strings.Contains(g.Doc.Text(), "\n\t"+own+" ") {
				t.Errorf("%s is not described in the comment", own)
			}
		}
	}
	if kinds < 12 {
		t.Errorf("%d kinds of keys were found", kinds)
	}
}
