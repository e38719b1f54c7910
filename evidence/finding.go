package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// Limits on the fields of a finding, in bytes. A decision can name a finding, an alias and a
// package of these lengths (record.Trigger); longer values are truncated. A longer address is
// dropped, since a part of an address is useless.
const (
	maxName     = 256
	maxTitle    = 512
	maxPath     = 1024
	maxURL      = 2048
	maxVersion  = 128
	maxToolName = 128
	maxAliases  = 64
)

// add adds a finding, unless it is there already. Two findings are one if the report says the same
// of both: in the fields of the finding and in details, which hold what else distinguishes
// findings, such as the column, the logical location or the tool's text. The tools' own
// fingerprints are only a detail: some are constant, some contain the commit, most are absent.
func (s *scan) add(f record.Finding, details ...string) {
	if f.ID == "" && f.Title == "" && f.Package == "" {
		s.partial("an entry has no name, text or package")
		return
	}
	f.Fingerprint = fingerprint(f, details)
	if s.seen[f.Fingerprint] {
		return
	}
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	s.seen[f.Fingerprint] = true
	s.count++
	limit(&f)
	s.highest = record.MaxSeverity(s.highest, f.Severity)
	if len(s.findings) < MaxFindings {
		s.findings = append(s.findings, f)
	} else {
		s.partial("only the first " + strconv.Itoa(MaxFindings) + " findings are kept")
	}
}

func fingerprint(f record.Finding, details []string) string {
	h := sha256.New()
	for _, part := range append([]string{
		f.ID, f.Ecosystem, f.Package, f.PURL, f.Installed, f.Path, strconv.Itoa(f.Line), f.Title, f.Scanner,
	}, details...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// limit truncates a finding to the limits of a record.
func limit(f *record.Finding) {
	f.ID = clip(orElse(f.ID, orElse(f.Title, "unnamed")), maxName)
	aliases := f.Aliases[:0:0]
	for _, a := range f.Aliases {
		if a = clip(a, maxName); a != "" && a != f.ID && !slices.Contains(aliases, a) && len(aliases) < maxAliases {
			aliases = append(aliases, a)
		}
	}
	f.Aliases = aliases
	if f.Severity == "" {
		f.Severity = "unknown"
	}
	if !(f.Score > 0 && f.Score <= 10) {
		f.Score, f.ScoreVersion = 0, ""
	}
	f.Line = max(f.Line, 0)
	f.Title = clip(f.Title, maxTitle)
	f.Path = clip(f.Path, maxPath)
	f.Package, f.Ecosystem = clip(f.Package, maxName), clip(f.Ecosystem, maxVersion)
	f.Installed, f.Fixed, f.ScoreVersion = clip(f.Installed, maxVersion), clip(f.Fixed, maxVersion), clip(f.ScoreVersion, maxVersion)
	f.Scanner, f.ScannerVersion = clip(f.Scanner, maxToolName), clip(f.ScannerVersion, maxToolName)
	if len(f.URL) > maxURL {
		f.URL = ""
	}
	if len(f.PURL) > maxPath {
		f.PURL = ""
	}
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

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func distinct(in []string) []string {
	var out []string
	for _, s := range in {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// bySeverity maps the words that tools use for a severity.
func bySeverity(word string) string {
	switch strings.ToLower(word) {
	case "critical", "blocker":
		return "critical"
	case "high", "error", "important", "severe":
		return "high"
	case "moderate", "medium", "warning", "major":
		return "medium"
	case "low", "note", "info", "information", "informational", "inventory", "experiment", "minor", "style", "negligible", "trace":
		return "low"
	case "none":
		return "none"
	}
	return "unknown"
}

var (
	weaknessName  = regexp.MustCompile(`(?i)\b(?:CVE-\d{4}-\d{4,}|GHSA(?:-[23456789cfghjmpqrvwx]{4}){3})\b`)
	weaknessClass = regexp.MustCompile(`(?i)\bCWE[-_:]0*(\d+)\b`)
)

// weaknesses returns the CVE and GHSA names in texts, and the classes (CWE).
func weaknesses(texts ...string) []string {
	var out []string
	for _, text := range texts {
		text = clip(text, maxPath)
		for _, name := range weaknessName.FindAllString(text, -1) {
			if strings.HasPrefix(strings.ToUpper(name), "CVE") {
				out = append(out, strings.ToUpper(name))
			} else {
				out = append(out, "GHSA"+strings.ToLower(name[4:]))
			}
		}
		for _, m := range weaknessClass.FindAllStringSubmatch(text, -1) {
			out = append(out, "CWE-"+m[1])
		}
	}
	return distinct(out)
}

// cweNames returns the names of weakness classes that tools give as numbers or as names.
func cweNames(ids ...string) []string {
	var out []string
	for _, id := range ids {
		if id = strings.TrimPrefix(strings.ToUpper(id), "CWE-"); id != "" {
			out = append(out, "CWE-"+id)
		}
	}
	return out
}

// statedFix returns the version with the fix that a tool names in its text. If the ecosystem is
// unknown, so that versions cannot be compared, a single version is accepted unchecked.
func statedFix(eco string, fixes []string, installed string) string {
	if alone := strings.TrimSpace(fixes[0]); len(fixes) == 1 && !ecosystem.Known(eco) && !strings.ContainsAny(alone, "<>=~^! ") {
		return alone
	}
	return ecosystem.LowestFix(eco, fixes, installed)
}
