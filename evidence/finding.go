package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// collect gives each finding its fingerprint, drops repeats and sums up.
// The tools' own fingerprints are of no use: some are constant, some name the
// commit, most are absent.
func collect(findings []record.Finding, scanned bool) (record.ScanSummary, []record.Finding) {
	seen := make(map[string]bool, len(findings))
	out := findings[:0]
	sum := record.ScanSummary{Scanned: scanned || len(findings) > 0}
	for _, f := range findings {
		if f.Severity == "" {
			f.Severity = "unknown"
		}
		f.Aliases = slices.DeleteFunc(f.Aliases, func(a string) bool { return a == f.ID })
		f.Title = clip(f.Title, 512)
		f.Fingerprint = fingerprint(f)
		if seen[f.Fingerprint] {
			continue
		}
		seen[f.Fingerprint] = true
		sum.Findings++
		sum.Highest = record.GraverSeverity(sum.Highest, f.Severity)
		if len(out) < MaxFindings {
			out = append(out, f)
		}
	}
	return sum, out
}

func fingerprint(f record.Finding) string {
	parts := []string{f.ID, f.Ecosystem, f.Package, f.Installed, f.Path, strconv.Itoa(f.Line)}
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:8])
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// bySeverity reads the words that tools use for a severity.
func bySeverity(word string) string {
	switch strings.ToLower(word) {
	case "critical":
		return "critical"
	case "high", "error", "important":
		return "high"
	case "moderate", "medium", "warning":
		return "medium"
	case "low", "note", "info":
		return "low"
	case "none":
		return "none"
	}
	return "unknown"
}

// byScore maps a CVSS base score to its rating (CVSS 3.1, section 5).
func byScore(score float64) string {
	switch {
	case score >= 9:
		return "critical"
	case score >= 7:
		return "high"
	case score >= 4:
		return "medium"
	case score > 0:
		return "low"
	}
	return "unknown"
}

// cvssVersion returns the version that a CVSS vector states.
func cvssVersion(vector string) string {
	if rest, ok := strings.CutPrefix(vector, "CVSS:"); ok {
		v, _, _ := strings.Cut(rest, "/")
		return v
	}
	return ""
}

// purl returns the package URL of a package of an OSV ecosystem.
func purl(ecosystem, name, version string) string {
	eco, _, _ := strings.Cut(ecosystem, ":")
	typ := map[string]string{
		"npm": "npm", "PyPI": "pypi", "Go": "golang", "Maven": "maven", "crates.io": "cargo",
		"RubyGems": "gem", "NuGet": "nuget", "Packagist": "composer",
	}[eco]
	if typ == "" || name == "" {
		return ""
	}
	switch typ {
	case "pypi":
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	case "maven":
		name = strings.Replace(name, ":", "/", 1)
	case "npm":
		name = strings.Replace(name, "@", "%40", 1)
	}
	p := "pkg:" + typ + "/" + name
	if version != "" {
		p += "@" + strings.ReplaceAll(version, "+", "%2B")
	}
	return p
}
