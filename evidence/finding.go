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
	case "critical", "blocker":
		return "critical"
	case "high", "error", "important":
		return "high"
	case "moderate", "medium", "warning", "major":
		return "medium"
	case "low", "note", "info", "information", "inventory", "experiment", "minor", "style", "negligible":
		return "low"
	case "none":
		return "none"
	}
	return "unknown"
}
