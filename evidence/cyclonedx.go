package evidence

import (
	"bytes"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/changetrail/changetrail/record"
)

// readCycloneDX reads the vulnerabilities of a bill of materials, JSON or XML,
// and what it says of their exploitability (VEX): one that is not affected,
// resolved or a false positive is no finding. A bill without a list of
// vulnerabilities shows that nobody looked for any.
func readCycloneDX(file []byte) (Result, error) {
	bom, err := decodeBOM(file)
	if err != nil {
		return Result{}, err
	}
	byRef := make(map[string]cdx.Component)
	for _, c := range flatten(bom.Components) {
		byRef[c.BOMRef] = c
	}
	var findings []record.Finding
	tool, version := bomTool(bom)
	if bom.Vulnerabilities == nil {
		return scanned(tool, version, nil, false)
	}
	for _, v := range *bom.Vulnerabilities {
		if !standing(v) {
			continue
		}
		f := record.Finding{ID: v.ID, Title: v.Description, Severity: "unknown"}
		if v.Source != nil {
			f.URL = v.Source.URL
		}
		if v.References != nil {
			for _, r := range *v.References {
				f.Aliases = append(f.Aliases, r.ID)
			}
		}
		f.Aliases = distinct(f.Aliases)
		rate(&f, v.Ratings)
		var affected []cdx.Component
		if v.Affects != nil {
			for _, a := range *v.Affects {
				if c, ok := byRef[a.Ref]; ok {
					affected = append(affected, c)
				}
			}
		}
		if len(affected) == 0 {
			findings = append(findings, f)
		}
		for _, c := range affected {
			g := f
			g.Package, g.Installed, g.PURL = c.Name, c.Version, c.PackageURL
			if c.Group != "" {
				g.Package = c.Group + "/" + c.Name
			}
			findings = append(findings, g)
		}
	}
	return scanned(tool, version, findings, len(byRef) > 0)
}

func decodeBOM(file []byte) (*cdx.BOM, error) {
	form := cdx.BOMFileFormatJSON
	if len(file) > 0 && file[0] == '<' {
		form = cdx.BOMFileFormatXML
	}
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(file), form).Decode(bom); err != nil {
		return nil, unreadable("CycloneDX: %v", err)
	}
	return bom, nil
}

// standing reports whether a vulnerability, after analysis, still is one.
func standing(v cdx.Vulnerability) bool {
	if v.Analysis == nil {
		return true
	}
	switch v.Analysis.State {
	case cdx.IASNotAffected, cdx.IASFalsePositive, cdx.IASResolved, cdx.IASResolvedWithPedigree:
		return false
	}
	return true
}

// rate takes the gravest of the ratings. Some tools give a vector and leave
// the score to the reader.
func rate(f *record.Finding, ratings *[]cdx.VulnerabilityRating) {
	if ratings == nil {
		return
	}
	for _, r := range *ratings {
		score, version := baseScore(r.Vector)
		if r.Score != nil {
			score = *r.Score
		}
		if version == "" {
			version = map[cdx.ScoringMethod]string{cdx.ScoringMethodCVSSv2: "2.0", cdx.ScoringMethodCVSSv3: "3.0", cdx.ScoringMethodCVSSv31: "3.1", cdx.ScoringMethodCVSSv4: "4.0"}[r.Method]
		}
		if score > f.Score && strings.HasPrefix(string(r.Method), "CVSS") {
			f.Score, f.ScoreVersion = score, version
		}
		severity := bySeverity(string(r.Severity))
		if severity == "unknown" && score > 0 {
			severity = byScore(score)
		}
		f.Severity = record.GraverSeverity(f.Severity, severity)
	}
}

func bomTool(bom *cdx.BOM) (name, version string) {
	if bom.Metadata == nil || bom.Metadata.Tools == nil {
		return "", ""
	}
	t := bom.Metadata.Tools
	if t.Components != nil && len(*t.Components) > 0 {
		return (*t.Components)[0].Name, (*t.Components)[0].Version
	}
	if t.Tools != nil && len(*t.Tools) > 0 {
		return (*t.Tools)[0].Name, (*t.Tools)[0].Version
	}
	return "", ""
}
