package evidence

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// scanFormats are the kinds of scan reports. Each is recognized by what its tool writes even if it
// finds nothing, and by the members of an entry of its list.
var scanFormats = []format{
	{name: "sarif", is: func(s shape) bool { return s.has("runs", '[') && s.has("version", '"') }, read: readSARIF},
	{name: "trivy", is: func(s shape) bool {
		return !s.array && (s.has("SchemaVersion", '0') && (s.has("ArtifactName", '"') || s.has("ArtifactType", '"')) ||
			s.has("ClusterName", '"') && (s.has("Resources", '[') || s.has("Vulnerabilities", '[') || s.has("Misconfigurations", '[')))
	}, read: readTrivy},
	{name: "trivy", is: func(s shape) bool {
		return s.array && s.has("Target", '"') && (s.has("Type", '"') || s.has("Class", '"') || s.has("Vulnerabilities", 0))
	}, read: readTrivyList},
	{name: "grype", is: func(s shape) bool {
		name := s.in("descriptor").text("name")
		return s.has("matches", '[') && s.has("descriptor", '{') && (name == "grype" || name == "")
	}, read: readGrype},
	{name: "cyclonedx", is: func(s shape) bool {
		return s.text("bomFormat") == "CycloneDX" || s.root == "bom" && (s.space == "" || strings.HasPrefix(s.space, "http://cyclonedx.org/schema/bom/"))
	}, read: readCycloneDX},
	{name: "openvex", is: func(s shape) bool {
		return s.has("statements", '[') && strings.HasPrefix(s.text("@context"), "https://openvex.dev/ns")
	}, read: readOpenVEX},
	{name: "govulncheck", is: func(s shape) bool { return s.in("config").has("protocol_version", '"') }, read: readGovulncheck},
	{name: "gosec", is: func(s shape) bool {
		return (s.has("Issues", '[') || s.has("Issues", 'n')) && s.in("Stats").has("files", '0')
	}, read: readGosec},
	{name: "bandit", is: func(s shape) bool { return s.has("results", '[') && s.in("metrics").has("_totals", '{') }, read: readBandit},
	{name: "semgrep", is: isSemgrep, read: readSemgrep},
	{name: "eslint", is: isESLint, read: readESLint},
	{name: "checkov", is: func(s shape) bool {
		return s.has("check_type", '"') && s.has("results", '{') || s.has("checkov_version", '"') && s.has("passed", '0') && s.has("failed", '0')
	}, read: readCheckov},
	{name: "osv-scanner", is: func(s shape) bool {
		entry := s.in("results")
		return !s.array && s.has("results", '[') && (entry.has("source", '{') && entry.has("packages", '[') || entry.empty && s.only("results", "experimental_config"))
	}, read: readOSVScanner},
	{name: "npm-audit", is: isNPMAudit, read: readNPMAudit},
	{name: "npm-audit", is: isYarnLine, read: readYarn1},
	{name: "npm-audit", is: func(s shape) bool {
		return s.has("value", '"') && s.in("children").has("ID", 0) && s.in("children").has("Issue", '"')
	}, read: readYarn4},
	{name: "pip-audit", is: isPipAudit, read: readPipAudit},
	{name: "cargo-audit", is: func(s shape) bool { return s.has("lockfile", '{') && s.in("vulnerabilities").has("list", '[') }, read: readCargoAudit},
	{name: "gitleaks", is: func(s shape) bool {
		return s.array && (s.has("RuleID", '"') && s.has("Secret", '"') || s.has("rule", '"') && s.has("offender", '"'))
	}, read: readGitleaks},
	{name: "detect-secrets", is: func(s shape) bool { return s.has("plugins_used", '[') && s.has("results", '{') }, read: readDetectSecrets},
	{name: "shellcheck", is: func(s shape) bool {
		return isLintComment(s, '0') && s.array || isLintComment(s.in("comments"), '0') || s.in("comments").empty && s.only("comments")
	}, read: readShellCheck},
	{name: "hadolint", is: func(s shape) bool { return s.array && isLintComment(s, '"') }, read: readHadolint},
	{name: "codeclimate", is: func(s shape) bool {
		return s.has("check_name", '"') && s.has("description", '"') && s.has("location", '{')
	}, read: readCodeClimate},
	{name: "staticcheck", is: func(s shape) bool {
		return !s.array && s.has("code", '"') && s.has("message", '"') && s.in("location").has("file", '"')
	}, read: readStaticcheck},
	{name: "gitlab-report", is: isGitLabReport, read: readGitLabReport},
	{name: "gitlab-report", is: func(s shape) bool { return s.array && s.has("category", '"') && isGitLabEntry(s) }, read: readGitLabList},
	{name: "gitlab-vulnerability", is: func(s shape) bool { return s.text("object_kind") == "vulnerability" && s.has("object_attributes", '{') }, read: readGitLabVulnerability},
	{name: "github-alert", is: isGitHubAlert, read: readGitHubAlerts},
	{name: "snyk", is: isSnyk, read: readSnyk},
	{name: "dependency-check", is: func(s shape) bool {
		return s.has("reportSchema", '"') && s.has("scanInfo", '{') && s.has("dependencies", '[')
	}, read: readDependencyCheck},
	{name: "tfsec", is: func(s shape) bool {
		entry := s.in("results")
		return !s.array && s.has("results", '[') && entry.has("rule_id", '"') && entry.has("location", '{') || s.has("results", 'n') && s.only("results")
	}, read: readTfsec},
	{name: "kics", is: func(s shape) bool { return s.has("queries", '[') && s.has("files_scanned", '0') }, read: readKICS},
	{name: "sonar", is: func(s shape) bool {
		entry := s.in("issues")
		return s.has("issues", '[') && entry.has("primaryLocation", '{') && (entry.has("ruleId", '"') || entry.has("engineId", '"')) ||
			entry.empty && s.has("rules", '[') && s.only("issues", "rules")
	}, read: readSonar},
	{name: "checkstyle", is: func(s shape) bool { return s.root == "checkstyle" }, read: readCheckstyle},
	{name: "pmd", is: func(s shape) bool { return s.root == "pmd" }, read: readPMD},
	{name: "spotbugs", is: func(s shape) bool { return s.root == "BugCollection" }, read: readSpotBugs},
	{name: emptyList, is: func(s shape) bool { return s.array && s.empty }, read: readEmptyList},
}

// emptyList is the format of "[]".
const emptyList = "empty-list"

// readEmptyList reads "[]", which several tools write if they found nothing, and also if they
// scanned nothing.
func readEmptyList([]byte) (Result, error) { return new(scan).result() }

// isSemgrep recognizes a report without findings by the scanned paths, or by the list of errors,
// which in old reports is the only member beside the results.
func isSemgrep(s shape) bool {
	entry := s.in("results")
	if s.array || !s.has("results", '[') {
		return false
	}
	return entry.has("check_id", '"') && entry.has("extra", '{') ||
		entry.empty && (s.in("paths").has("scanned", '[') || s.has("errors", '[') && s.only("results", "errors", "version"))
}

func isESLint(s shape) bool {
	of := func(s shape) bool { return s.array && s.has("filePath", '"') && s.has("messages", '[') }
	return of(s) || of(s.in("results")) && s.has("metadata", '{') || s.in("results").empty && s.in("metadata").has("rulesMeta", '{')
}

func isNPMAudit(s shape) bool {
	switch {
	case s.has("auditReportVersion", '0'):
		return true
	case s.has("advisories", '{'):
		return s.has("metadata", '{') || s.has("actions", '[')
	case s.has("error", 0): // a run that failed
		return s.has("statusCode", '0') || s.has("method", '"') || s.only("error") && s.in("error").has("code", '"')
	}
	return false
}

func isPipAudit(s shape) bool {
	of := func(s shape) bool {
		return s.array && s.has("name", '"') && (s.has("vulns", '[') || s.has("skip_reason", '"'))
	}
	return of(s) || of(s.in("dependencies")) || s.in("dependencies").empty && s.only("dependencies", "fixes")
}

// isLintComment reports whether s is a comment of ShellCheck or of hadolint, with a code of that
// kind.
func isLintComment(s shape, code jsontext.Kind) bool {
	return s.has("code", code) && s.has("file", '"') && s.has("level", '"') && s.has("message", '"')
}

// isGitLabReport recognizes a report of GitLab's schemas. Up to version 14 the member scan is
// optional.
func isGitLabReport(s shape) bool {
	if s.array || !s.has("vulnerabilities", '[') || !s.has("version", '"') {
		return false
	}
	entry := s.in("vulnerabilities")
	return isGitLabEntry(entry) || entry.empty && (s.in("scan").has("scanner", '{') || s.only("version", "vulnerabilities", "remediations", "scan", "dependency_files", "schema"))
}

func isGitLabEntry(s shape) bool { return s.has("identifiers", '[') && s.has("location", '{') }
