package evidence

import (
	"maps"
	"slices"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// cargoReport is cargo audit --json (crate rustsec, report.rs).
type cargoReport struct {
	Lockfile struct {
		Dependencies int `json:"dependency-count"`
	} `json:"lockfile"`
	Vulnerabilities struct {
		Count int            `json:"count"`
		List  []cargoFinding `json:"list"`
	} `json:"vulnerabilities"`
	Warnings map[string][]cargoFinding `json:"warnings"` // by kind: unmaintained, unsound, notice, yanked
}

type cargoFinding struct {
	Advisory *struct {
		ID      string   `json:"id"`
		Aliases []string `json:"aliases"`
		Title   string   `json:"title"`
		URL     string   `json:"url"`
		CVSS    string   `json:"cvss"`
	} `json:"advisory"`
	Versions struct {
		Patched []string `json:"patched"`
	} `json:"versions"`
	Package struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"package"`
}

func readCargoAudit(file []byte) (Result, error) {
	s := scan{tool: "cargo-audit"}
	r, err := parse[cargoReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.looked = r.Lockfile.Dependencies > 0
	s.claims(r.Vulnerabilities.Count, len(r.Vulnerabilities.List))
	for _, v := range r.Vulnerabilities.List {
		s.add(v.finding("vulnerability"), "vulnerability")
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Warnings)) {
		for _, w := range r.Warnings[kind] {
			s.add(w.finding(kind), kind)
		}
	}
	return s.result()
}

func (v cargoFinding) finding(kind string) record.Finding {
	f := record.Finding{
		ID: kind, Title: v.Package.Name + " is " + kind, Package: v.Package.Name, Ecosystem: ecosystem.Cargo,
		PURL: ecosystem.PURL(ecosystem.Cargo, v.Package.Name, v.Package.Version), Installed: v.Package.Version,
	}
	if a := v.Advisory; a != nil {
		f.ID, f.Aliases, f.Title, f.URL = a.ID, a.Aliases, a.Title, a.URL
		if f.URL == "" {
			f.URL = "https://rustsec.org/advisories/" + a.ID
		}
		if f.Score, f.ScoreVersion = baseScore(a.CVSS); f.Score > 0 {
			f.Severity = byScore(f.Score)
		}
	}
	f.Fixed = ecosystem.LowestFix(ecosystem.Cargo, v.Versions.Patched, f.Installed)
	return f
}
