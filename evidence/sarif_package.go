package evidence

import (
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// SARIF has no field for a package. Scanners of dependencies name it in text, each in its own form.
var (
	// osv-scanner: the message of a result.
	osvMessage = regexp.MustCompile(`^Package '([^']+)@([^'@]*)' is vulnerable to '([^']+)'(?: \(also known as (.*)\))?`)
	// Grype: the message, now and in older versions.
	grypeMessage = regexp.MustCompile(`^An? (\S+) vulnerability in (\S+) package: (\S+), version (\S+) was found`)
	grypeFormer  = regexp.MustCompile(`^The path .* reports (\S+) at version (\S+) +which would result in a vulnerable \((\S+)\) package installed`)
	// Black Duck, cargo-audit and others write "CVE-… in name 1.0.0", "name 1.0.0 is vulnerable".
	nameVersion = regexp.MustCompile(`(?:^|[\s(])((?:@[\w.-]+/)?[\w][\w./:-]*)@(\d[\w.+~-]*)$`)
)

// packageOf sets the package of a finding from the text of its tool.
func packageOf(f *record.Finding, rule *sarifRule, message string) {
	if m := osvMessage.FindStringSubmatch(message); m != nil {
		f.Package, f.Installed = m[1], m[2]
		for _, alias := range strings.Split(m[4], ",") {
			f.Aliases = append(f.Aliases, strings.Trim(alias, " '"))
		}
		return
	}
	for _, text := range []string{message, clip(rule.Help.Text, maxMessage)} { // Trivy writes the first, Grype the second
		if lines := labelled(text); lines["Package"] != "" {
			packageInLines(f, lines)
			break
		}
	}
	if m := grypeMessage.FindStringSubmatch(message); m != nil {
		f.Severity, f.Package, f.Installed = bySeverity(m[1]), m[3], m[4]
		f.Ecosystem = orElse(f.Ecosystem, m[2])
	} else if m := grypeFormer.FindStringSubmatch(message); m != nil {
		f.Package, f.Installed = m[1], m[2]
		f.Ecosystem = orElse(f.Ecosystem, m[3])
	}
	if f.Package != "" {
		if name, ok := strings.CutSuffix(f.ID, "-"+f.Package); ok { // Grype: CVE-2024-0002-libfoo
			f.Aliases = append([]string{f.ID}, f.Aliases...)
			f.ID = name
		}
	}
}

// labelled returns the lines of a text that have the form "Installed Version: 1.0".
func labelled(text string) map[string]string {
	out := make(map[string]string)
	for line := range strings.Lines(text) {
		label, value, ok := strings.Cut(line, ": ")
		if _, seen := out[label]; ok && !seen {
			out[label] = strings.TrimSpace(value)
		}
	}
	return out
}

func packageInLines(f *record.Finding, lines map[string]string) {
	f.Package = lines["Package"]
	f.Installed = orElse(lines["Installed Version"], lines["Version"])
	f.Ecosystem = lines["Type"]
	if severity := bySeverity(lines["Severity"]); lines["Severity"] != "" {
		f.Severity = severity // the tool's own rating; security-severity is the score of one source
	}
	fixed := orElse(lines["Fixed Version"], lines["Fix Version"])
	f.Fixed = statedFix(f.Ecosystem, strings.Split(fixed, ","), f.Installed)
}

// purlIn returns the package URL in the properties of a rule or a result, if they name only one
// package (Grype).
func purlIn(bag jsontext.Value) string {
	var p struct {
		PURLs []string `json:"purls"`
		PURL  string   `json:"purl"`
	}
	if bag.Kind() != '{' || json.Unmarshal(bag, &p, lenient) != nil {
		return ""
	}
	if len(p.PURLs) == 1 {
		return p.PURLs[0]
	}
	return p.PURL
}

// byPURL sets what a package URL says, unless the text names another package.
func byPURL(f *record.Finding, purl string) {
	eco, name, version, ok := ecosystem.SplitPURL(purl)
	if !ok || f.Package != "" && ecosystem.Name(eco, f.Package) != ecosystem.Name(eco, name) {
		return
	}
	f.PURL, f.Ecosystem = purl, eco
	f.Package, f.Installed = orElse(f.Package, name), orElse(f.Installed, version)
}

// byLogicalPlace reads the package that some tools write in the place of a function: a package URL
// (dependency-check), name@version (Snyk).
func byLogicalPlace(f *record.Finding, r *sarifResult, rule *sarifRule) {
	var texts []string
	for _, at := range r.Locations[:min(len(r.Locations), maxNested)] {
		for _, l := range at.Logical {
			texts = append(texts, l.Full)
		}
	}
	for _, text := range append(texts, clip(rule.FullDescription.Text, maxTitle)) {
		if f.Package != "" {
			return
		}
		if eco, name, version, ok := ecosystem.SplitPURL(text); ok {
			f.PURL, f.Ecosystem, f.Package, f.Installed = text, eco, name, version
		} else if m := nameVersion.FindStringSubmatch(text); m != nil {
			f.Package, f.Installed = m[1], m[2]
		}
	}
}
