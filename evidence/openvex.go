package evidence

import (
	"github.com/openvex/go-vex/pkg/vex"

	"github.com/changetrail/changetrail/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// readOpenVEX reads what a document says is affected or still looked into.
// What is not affected, or fixed, is no finding.
func readOpenVEX(file []byte) (Result, error) {
	doc, err := vex.Parse(file)
	if err != nil {
		return Result{}, unreadable("OpenVEX: %v", err)
	}
	var findings []record.Finding
	for _, s := range doc.Statements {
		if s.Status != vex.StatusAffected && s.Status != vex.StatusUnderInvestigation {
			continue
		}
		f := record.Finding{ID: string(s.Vulnerability.Name), Title: s.Vulnerability.Description, URL: s.Vulnerability.ID}
		if f.ID == "" {
			f.ID = s.Vulnerability.ID
		}
		for _, a := range s.Vulnerability.Aliases {
			f.Aliases = append(f.Aliases, string(a))
		}
		products := vexComponents(s.Products)
		if len(products) == 0 {
			findings = append(findings, f)
		}
		for _, p := range products {
			g := f
			g.PURL = p
			var ok bool
			if g.Ecosystem, g.Package, g.Installed, ok = ecosystem.SplitPURL(p); !ok {
				g.Package = p
			}
			findings = append(findings, g)
		}
	}
	return scanned(doc.Tooling, "", findings, len(doc.Statements) > 0)
}

// vexComponents returns the parts of the products that a statement is about:
// their subcomponents where it names any.
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
