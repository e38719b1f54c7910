package evidence

import (
	"github.com/openvex/go-vex/pkg/vex"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// readOpenVEX reads the statements that something is affected or under investigation. What is not
// affected, or fixed, is no finding.
func readOpenVEX(file []byte) (Result, error) {
	doc, err := vex.Parse(file)
	if err != nil {
		return Result{}, unreadable("OpenVEX: %v", err)
	}
	s := scan{tool: doc.Tooling, looked: len(doc.Statements) > 0}
	for _, v := range doc.Statements {
		switch v.Status {
		case vex.StatusNotAffected, vex.StatusFixed:
			continue
		case vex.StatusAffected, vex.StatusUnderInvestigation:
		default:
			s.partial("the status " + string(v.Status) + " is not known")
		}
		f := record.Finding{ID: orElse(string(v.Vulnerability.Name), v.Vulnerability.ID), Title: v.Vulnerability.Description, URL: v.Vulnerability.ID}
		for _, a := range v.Vulnerability.Aliases {
			f.Aliases = append(f.Aliases, string(a))
		}
		products := vexComponents(v.Products)
		if len(products) == 0 {
			s.add(f)
		}
		for _, p := range products {
			g := f
			g.PURL = p
			var ok bool
			if g.Ecosystem, g.Package, g.Installed, ok = ecosystem.SplitPURL(p); !ok {
				g.Package = p
			}
			s.add(g, p)
		}
	}
	return s.result()
}

// vexComponents returns the parts of the products that a statement is about: their subcomponents if
// it names any, otherwise the products.
func vexComponents(products []vex.Product) []string {
	var out []string
	for _, p := range products {
		for _, s := range p.Subcomponents {
			out = append(out, s.ID)
		}
		if len(p.Subcomponents) == 0 && p.ID != "" {
			out = append(out, p.ID)
		}
	}
	return out
}
