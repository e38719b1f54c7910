package evidence

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// githubAlert is an alert of Dependabot, code scanning or secret scanning, as
// GitHub's REST API and its webhooks carry it
// (https://docs.github.com/en/webhooks/webhook-events-and-payloads).
type githubAlert struct {
	State string `json:"state"`
	URL   string `json:"html_url"`

	// Dependabot
	Advisory *struct {
		GHSA     string `json:"ghsa_id"`
		CVE      string `json:"cve_id"`
		Summary  string `json:"summary"`
		Severity string `json:"severity"`
		CVSS     struct {
			Score  float64 `json:"score"`
			Vector string  `json:"vector_string"`
		} `json:"cvss"`
		Identifiers []struct {
			Value string `json:"value"`
		} `json:"identifiers"`
	} `json:"security_advisory"`
	Vulnerability struct {
		Severity string `json:"severity"`
		Patched  struct {
			Version string `json:"identifier"`
		} `json:"first_patched_version"`
	} `json:"security_vulnerability"`
	Dependency struct {
		Manifest string `json:"manifest_path"`
		Package  struct {
			Ecosystem string `json:"ecosystem"`
			Name      string `json:"name"`
		} `json:"package"`
	} `json:"dependency"`

	// Code scanning
	Rule *struct {
		ID               string `json:"id"`
		Severity         string `json:"severity"`
		SecuritySeverity string `json:"security_severity_level"`
		Description      string `json:"description"`
	} `json:"rule"`
	Tool struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"tool"`
	Instance struct {
		Location struct {
			Path string `json:"path"`
			Line int    `json:"start_line"`
		} `json:"location"`
	} `json:"most_recent_instance"`

	// Secret scanning
	SecretType string `json:"secret_type"`
	SecretName string `json:"secret_type_display_name"`
}

func isGitHubAlert(s shape) bool {
	return s.has("alert", '{') && s.has("action", '"') ||
		s.has("html_url", '"') && (s.has("security_advisory", '{') || s.has("rule", '{') && s.has("most_recent_instance", '{') || s.has("secret_type", '"'))
}

// readGitHubAlerts reads a webhook, one alert, or a list of them. An alert that was fixed or
// dismissed is no longer a finding.
func readGitHubAlerts(file []byte) (Result, error) {
	whole, err := decodeJSON[jsontext.Value](file)
	if err != nil {
		return Result{}, err
	}
	hook, err := decodeHook(whole)
	if err != nil {
		return Result{}, err
	}
	s := scan{looked: true}
	for a, err := range streamed[githubAlert](&s, hook) {
		if err != nil {
			return Result{}, err
		}
		f := a.finding()
		if f.ID == "" {
			return Result{}, unreadable("the alert is not from Dependabot, code scanning or secret scanning")
		}
		switch {
		case a.Advisory != nil:
			f.Scanner = "Dependabot"
		case a.Rule != nil:
			f.Scanner, f.ScannerVersion = a.Tool.Name, a.Tool.Version
		default:
			f.Scanner = "GitHub secret scanning"
		}
		s.tool, s.version = f.Scanner, f.ScannerVersion
		switch a.State {
		case "fixed", "dismissed", "auto_dismissed", "resolved", "closed":
			continue
		case "open", "":
		default:
			s.partial("the state " + a.State + " of an alert is not known")
		}
		s.add(f, a.URL)
	}
	return s.result()
}

// decodeHook returns the alert in a webhook's payload, and other files unchanged.
func decodeHook(whole jsontext.Value) (jsontext.Value, error) {
	if whole.Kind() != '{' || !bytes.Contains(whole, []byte(`"alert"`)) {
		return whole, nil
	}
	hook, err := decodeJSON[struct {
		Alert jsontext.Value `json:"alert"`
	}](whole)
	if len(hook.Alert) == 0 {
		return whole, err
	}
	return hook.Alert, err
}

func (a githubAlert) finding() record.Finding {
	f := record.Finding{URL: a.URL}
	switch {
	case a.Advisory != nil:
		f.ID, f.Title = a.Advisory.GHSA, a.Advisory.Summary
		f.Aliases = []string{a.Advisory.CVE}
		for _, id := range a.Advisory.Identifiers {
			f.Aliases = append(f.Aliases, id.Value)
		}
		f.Aliases = distinct(f.Aliases)
		f.Severity = bySeverity(a.Vulnerability.Severity)
		if f.Severity == "unknown" {
			f.Severity = bySeverity(a.Advisory.Severity)
		}
		f.Score, f.ScoreVersion = a.Advisory.CVSS.Score, cvssVersion(a.Advisory.CVSS.Vector)
		f.Package, f.Path, f.Fixed = a.Dependency.Package.Name, a.Dependency.Manifest, a.Vulnerability.Patched.Version
		f.Ecosystem = githubEcosystem(a.Dependency.Package.Ecosystem)
		f.PURL = ecosystem.PURL(f.Ecosystem, f.Package, "")
	case a.Rule != nil:
		f.ID, f.Title, f.Path, f.Line = a.Rule.ID, a.Rule.Description, a.Instance.Location.Path, a.Instance.Location.Line
		if f.Severity = bySeverity(a.Rule.SecuritySeverity); f.Severity == "unknown" {
			f.Severity = bySeverity(a.Rule.Severity)
		}
	case a.SecretType != "":
		f.ID, f.Title = a.SecretType, a.SecretName
	}
	return f
}

// githubEcosystem returns the OSV name of a GitHub ecosystem.
func githubEcosystem(name string) string {
	if osv, ok := map[string]string{
		"npm": "npm", "pip": "PyPI", "go": "Go", "maven": "Maven", "rust": "crates.io", "rubygems": "RubyGems", "nuget": "NuGet", "composer": "Packagist",
	}[name]; ok {
		return osv
	}
	return name
}
