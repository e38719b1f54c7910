package evidence

import (
	"encoding/xml"
	"regexp"
	"strings"
)

// Scanners and linters also write JUnit XML, for CI systems that show nothing else. Their failures
// are findings: read as tests, a clean build would seem broken, and a clean scan would seem to be a
// test run. They are recognized by the name that they give the report, or by how they write a
// finding: a rule with its severity, an advisory with its package.

// scannerOf returns the scanner that wrote an element, or "" for none. of is the test that contains
// t, or nil outside tests.
func scannerOf(t xml.StartElement, of *xml.StartElement) string {
	switch {
	case strings.EqualFold(t.Name.Local, "testsuite"), strings.EqualFold(t.Name.Local, "testsuites"):
		return scannerOfSuite(t)
	case strings.EqualFold(t.Name.Local, "testcase"):
		return scannerOfCase(attr(t, "classname"), attr(t, "name"))
	case of != nil && !strings.HasPrefix(t.Name.Local, "system-"):
		return scannerOfFailure(attr(*of, "classname"), attr(*of, "name"), attr(t, "type"), attr(t, "message"))
	}
	return ""
}

// scannerNames are the names that tools give their reports. Names that a test suite may well have
// ("safety", "polaris") are not among them.
const scannerNames = `gitleaks|trufflehog|detect-secrets|bandit|semgrep|opengrep|gosec|codeql|veracode|checkmarx|njsscan|mobsf(?:scan)?|horusec|brakeman|spotbugs|find-?sec-?bugs|` +
	`trivy|grype|snyk(?: test)?|anchore|dockle|nuclei|owasp zap|(?:owasp )?dependency[ -]?check|osv-?scanner|govulncheck|retire(?:\.js)?|whitesource|black ?duck|nexus iq|` +
	`(?:npm|yarn|pnpm|pip|cargo|bundler?|composer)[ -_]?audit|audit-ci|cargo[ -_]?deny|` +
	`checkov|tfsec|tflint|terrascan|kics|datree|prowler|cloudsploit|scoutsuite|cfn[-_]?nag|cfn[-_]?guard|cfn-?lint|CloudFormation Lint|kube-?(?:score|linter|bench|sec|audit|scape)|` +
	`sonar(?:qube|cloud|lint)|eslint|org\.eslint.*|tslint|stylelint(?:\.rules)?|org\.spectral.*|rubocop|pylint|flake8|ruff|mypy|ansible-lint|yamllint|markdownlint|hadolint|shellcheck|` +
	`golangci-?lint|staticcheck|cppcheck(?: errors)?|clang-tidy|psalm|phpstan|PHP_CodeSniffer|PHP CS Fixer|phpmd|pmd|checkstyle|detekt|ktlint|swiftlint|sqlfluff`

// scannerName matches the whole name of a suite, perhaps with a version and with words such as
// "results". It does not match within a name, since the path of a test package may contain a
// scanner's name.
var scannerName = regexp.MustCompile(`(?i)^(` + scannerNames + `)(?:[ -]?junit)?(?:[ :/@-]+v?\d[\w.+-]*)?` +
	`(?:[ :_-]+(?:results?|reports?|scans?|audits?|findings?|issues?|analysis|security|vulnerabilit(?:y|ies)|lint|checks?))*$`)

func scannerOfSuite(t xml.StartElement) string {
	for _, a := range t.Attr {
		if m := scannerName.FindStringSubmatch(a.Value); m != nil && (a.Name.Local == "name" || a.Name.Local == "package") {
			return m[1]
		}
		if a.Name.Space == "xmlns" && strings.Contains(a.Value, "brakemanscanner") {
			return "brakeman"
		}
	}
	return ""
}

const severities = `(?:CRITICAL|HIGH|MEDIUM|MODERATE|LOW|NEGLIGIBLE|INFO|INFORMATIONAL|UNKNOWN|NONE)`

var (
	advisory     = `(?:CVE-\d{4}-\d+|GHSA(?:-[\w]{4}){3}|RUSTSEC-\d{4}-\d+|PYSEC-\d{4}-\d+|GO-\d{4}-\d+|OSV-\d{4}-\d+|MAL-\d{4}-\d+|SNYK-[A-Z]+-\S+|AVD-[A-Z]+-\d+|(?:npm|sonatype)[-:]\S+)`
	onlyAdvisory = regexp.MustCompile(`^` + advisory + `$`)
	hasAdvisory  = regexp.MustCompile(advisory)
	checkovCase  = regexp.MustCompile(`\[[A-Z]+\]\[CKV[A-Z0-9]*_`) // "[NONE][CKV_DOCKER_2] Ensure ..."
	// Trivy and Grype write "[HIGH] CVE-...", tfsec "[aws-s3-x][HIGH]".
	ratedRule    = regexp.MustCompile(`^\[` + severities + `\]\s*(?:` + advisory + `|[A-Z]{2,}[A-Z0-9]*[-_]?\d)|^\[[\w.:-]+\]\[` + severities + `\]`)
	packageURL   = regexp.MustCompile(`^pkg:[a-z0-9.+-]+/`)
	packageAt    = regexp.MustCompile(`^[\w@./:+-]+[@:-]v?\d[\w.+~-]*(?: \([\w-]+\))?$`) // "lodash@4.17.15", "jquery-3.3.9 (npm)"
	severityOnly = regexp.MustCompile(`^(?i:CRITICAL|HIGH|MEDIUM|MODERATE|LOW)$`)
	findingText  = regexp.MustCompile(`(?i)^Found \d+ vulnerabilit(?:y|ies)\b|\bcvss(?:v[234])?\b.{0,20}\d|\bseverity\s*[:=]\s*"?\w+|has detected a secret in file|^vulnerabilit(?:y|ies)\b`)
)

func scannerOfCase(class, name string) string {
	switch {
	case checkovCase.MatchString(class + " " + name):
		return "checkov"
	case ratedRule.MatchString(name), ratedRule.MatchString(class):
		return "a scanner such as Trivy or Grype"
	case packageURL.MatchString(name), packageURL.MatchString(class),
		onlyAdvisory.MatchString(name) && packageAt.MatchString(class), onlyAdvisory.MatchString(class) && packageAt.MatchString(name):
		return "a scanner of dependencies"
	}
	return ""
}

func scannerOfFailure(class, name, kind, message string) string {
	switch {
	case strings.HasPrefix(message, "Found ") && findingText.MatchString(message):
		return "gosec"
	case severityOnly.MatchString(kind):
		return "a scanner"
	case findingText.MatchString(message) && (hasAdvisory.MatchString(class+" "+name+" "+message) || findingText.MatchString(kind)), strings.Contains(message, "has detected a secret in file"):
		return "a scanner"
	}
	return ""
}
