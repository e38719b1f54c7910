package evidence

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// readCycloneDX reads the vulnerabilities of a bill of materials, JSON or XML, and what it says of
// their exploitability (VEX): a vulnerability that is not affected, resolved or a false positive is
// no finding. A bill without a list of vulnerabilities shows that no scan looked for any.
func readCycloneDX(file []byte) (Result, error) {
	var s scan
	bom, err := decodeBOM(&s, file)
	if err != nil {
		return Result{}, err
	}
	s.tool, s.version = bom.tool()
	parts := bom.parts()
	byRef := make(map[string]bomComponent, len(parts))
	for _, c := range parts {
		if c.Ref != "" {
			byRef[c.Ref] = c
		}
	}
	s.looked = bom.Vulnerabilities != nil && (len(parts) > 1 || len(bom.Components) > 0)
	if bom.Vulnerabilities != nil {
		for _, v := range bom.Vulnerabilities.All {
			addVulnerability(&s, v, byRef, nil)
		}
	}
	for _, c := range parts {
		if c.Vulnerabilities != nil { // the extension of versions 1.1 to 1.3
			s.looked = true
			for _, v := range c.Vulnerabilities.All {
				addVulnerability(&s, v, byRef, &c)
			}
		}
	}
	return s.result()
}

// addVulnerability adds a vulnerability once for each component that it affects. owner is the
// component that contains the vulnerability, if any.
func addVulnerability(s *scan, v bomVulnerability, byRef map[string]bomComponent, owner *bomComponent) {
	switch v.Analysis.State {
	case "not_affected", "false_positive", "resolved", "resolved_with_pedigree":
		return
	case "", "exploitable", "in_triage":
	default:
		s.partial("the analysis state " + v.Analysis.State + " is not known")
	}
	f := record.Finding{ID: v.ID, Title: orElse(v.Description, v.Detail), URL: v.Source.URL, Severity: "unknown"}
	for _, r := range v.References {
		f.Aliases = append(f.Aliases, r.ID)
	}
	for _, cwe := range v.CWEs {
		f.Aliases = append(f.Aliases, "CWE-"+strings.TrimPrefix(cwe, "CWE-"))
	}
	for _, r := range v.Ratings {
		r.rate(&f)
	}
	affects := v.Affects
	if v.Ref != "" { // the extension
		affects = append(slices.Clone(affects), bomAffects{Ref: v.Ref})
	}
	if len(affects) == 0 {
		if owner != nil {
			owner.name(&f)
		}
		s.add(f, v.Recommendation)
		return
	}
	for _, a := range affects {
		g := f
		c := componentOf(a.Ref, byRef, owner)
		c.name(&g)
		if !a.covers(g.Ecosystem, &g.Installed) {
			continue
		}
		g.Fixed = ecosystem.LowestFix(g.Ecosystem, append(a.unaffected(), upgradesTo(v.Recommendation, c.Name)...), g.Installed)
		s.add(g, a.Ref, v.Recommendation)
	}
}

// componentOf returns the component that a reference names: in this bill, by its own address as a
// BOM-Link (urn:cdx:serial/version#ref), or by package URL, as many references are one.
func componentOf(ref string, byRef map[string]bomComponent, owner *bomComponent) bomComponent {
	if c, ok := byRef[ref]; ok {
		return c
	}
	if owner != nil {
		return *owner
	}
	if _, part, ok := strings.Cut(ref, "#"); ok && strings.HasPrefix(ref, "urn:cdx:") {
		if text, err := url.PathUnescape(part); err == nil {
			part = text
		}
		if c, ok := byRef[part]; ok {
			return c
		}
		ref = part
	}
	if _, _, _, ok := ecosystem.SplitPURL(ref); ok {
		return bomComponent{PURL: ref}
	}
	return bomComponent{Name: ref}
}

// name sets the package of a finding to the component.
func (c *bomComponent) name(f *record.Finding) {
	f.Package, f.Installed, f.PURL = c.Name, c.Version, c.PURL
	if c.Group != "" {
		f.Package = c.Group + "/" + c.Name
	}
	if eco, name, version, ok := ecosystem.SplitPURL(c.PURL); ok {
		f.Ecosystem, f.Package, f.Installed = eco, name, orElse(f.Installed, version)
	}
}

// covers reports whether the installed version is affected. A component that is named is affected
// unless the bill says otherwise of that very version, alone or in a range, and says nothing else
// of it.
func (a *bomAffects) covers(eco string, installed *string) bool {
	affected, unaffected := false, false
	for _, v := range a.Versions {
		switch {
		case *installed == "" && v.Version != "" && v.Status != "unaffected" && len(a.Versions) == 1:
			*installed = v.Version
			return true
		case *installed == "" || !v.holds(eco, *installed):
		case v.Status == "unaffected":
			unaffected = true
		default: // affected, which is the default, or unknown
			affected = true
		}
	}
	return affected || !unaffected
}

func (v *bomVersion) holds(eco, installed string) bool {
	if v.Range != "" {
		return inVers(eco, v.Range, installed)
	}
	order, ok := ecosystem.Compare(eco, v.Version, installed)
	return v.Version == installed || ok && order == 0
}

// inVers reports whether a version is in a range of the form vers:npm/>=1.0|<2.0|3.0
// (https://github.com/package-url/vers-spec). It returns false if that is unknown.
func inVers(eco, text, version string) bool {
	scheme, list, ok := strings.Cut(strings.TrimPrefix(text, "vers:"), "/")
	if !ok || !strings.HasPrefix(text, "vers:") {
		return false
	}
	if eco = orElse(eco, scheme); list == "*" {
		return true
	}
	in, open, above := false, false, false // open: a lower bound came before
	for i, constraint := range strings.Split(list, "|") {
		bound := strings.TrimLeft(constraint, "<>=!")
		sign := constraint[:len(constraint)-len(bound)]
		bound, err := url.PathUnescape(strings.TrimSpace(bound))
		order, ok := ecosystem.Compare(eco, version, bound)
		if err != nil || !ok {
			return false
		}
		switch sign {
		case "", "=":
			in = in || order == 0
		case "!=":
			if order == 0 {
				return false
			}
		case ">", ">=":
			open, above = true, order > 0 || order == 0 && sign == ">="
		case "<", "<=":
			if below := order < 0 || order == 0 && sign == "<="; below && (open && above || !open && i == 0) {
				in = true
			}
			open = false
		}
	}
	return in || open && above
}

// unaffected returns the versions that are stated not to be affected, which are those with the fix
// in Grype's output.
func (a *bomAffects) unaffected() []string {
	var out []string
	for _, v := range a.Versions {
		if v.Status != "unaffected" {
			continue
		}
		out = append(out, orElse(v.Range, v.Version))
	}
	return out
}

// recommended matches the text in which Trivy names the version with the fix.
var recommended = regexp.MustCompile(`Upgrade (\S+) to version ([^;]+)`)

func upgradesTo(recommendation, name string) []string {
	var out []string
	for _, m := range recommended.FindAllStringSubmatch(clip(recommendation, maxMessage), -1) {
		if m[1] == name || strings.HasSuffix(m[1], "/"+name) || strings.HasSuffix(m[1], ":"+name) {
			out = append(out, strings.Split(m[2], ",")...)
		}
	}
	return out
}

// rate sets the severity to the highest rating. Some tools give a vector and no score. A score that
// is not CVSS (EPSS, KEV) is no severity.
func (r *bomRating) rate(f *record.Finding) {
	score, version := baseScore(r.Vector)
	if r.Score.value > 0 {
		score = r.Score.value
	}
	if version == "" {
		version = map[string]string{"CVSSv2": "2.0", "CVSSv3": "3.0", "CVSSv31": "3.1", "CVSSv4": "4.0"}[r.Method]
	}
	if version == "" && r.Method != "" {
		score = 0
	}
	if score > f.Score || score == f.Score && version > f.ScoreVersion {
		f.Score, f.ScoreVersion = score, version
	}
	severity := bySeverity(r.Severity)
	if severity == "unknown" && score > 0 {
		severity = byScore(score)
	}
	f.Severity = record.MaxSeverity(f.Severity, severity)
}
