package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// A format is one kind of report: how it is known, and how it is read. A
// reader meets only files that it has said yes to.
type format struct {
	name  string
	tests bool // results of tests, else of a scan
	is    func(shape) bool
	read  func(file []byte) (Result, error)
}

// formats in the order in which they are tried. What a format is known by is
// what its tool always writes and no other one does.
var formats = []format{
	{name: "sarif", is: func(s shape) bool { return s.has("runs", '[') && s.has("version", '"') }, read: readSARIF},
	{name: "trivy", is: func(s shape) bool { return s.has("SchemaVersion", '0') && s.has("ArtifactName", '"') }, read: readTrivy},
	{name: "grype", is: func(s shape) bool { return s.has("matches", '[') && s.has("descriptor", '{') }, read: readGrype},
	{name: "cyclonedx", is: func(s shape) bool { return s.text("bomFormat") == "CycloneDX" || s.root == "bom" }, read: readCycloneDX},
	{name: "openvex", is: func(s shape) bool {
		return s.has("statements", '[') && strings.HasPrefix(s.text("@context"), "https://openvex.dev/ns")
	}, read: readOpenVEX},
	{name: "govulncheck", is: func(s shape) bool { return s.has("config", '{') && !s.array }, read: readGovulncheck},
	{name: "gosec", is: func(s shape) bool { return s.has("Issues", '[') && s.has("Stats", '{') }, read: readGosec},
	{name: "bandit", is: func(s shape) bool { return s.has("results", '[') && s.has("metrics", '{') }, read: readBandit},
	{name: "semgrep", is: func(s shape) bool { return s.has("results", '[') && s.has("paths", '{') }, read: readSemgrep},
	{name: "eslint", is: func(s shape) bool {
		return s.array && s.has("filePath", '"') && s.has("messages", '[') || s.has("results", '[') && s.has("metadata", '{')
	}, read: readESLint},
	{name: "checkov", is: func(s shape) bool { return s.has("check_type", '"') || s.has("checkov_version", '"') }, read: readCheckov},
	{name: "osv-scanner", is: func(s shape) bool { return s.has("results", '[') && !s.array }, read: readOSVScanner},
	{name: "npm-audit", is: func(s shape) bool {
		return s.has("auditReportVersion", '0') || s.has("advisories", '{') || s.has("error", 0) && (s.has("statusCode", '0') || s.has("method", '"'))
	}, read: readNPMAudit},
	{name: "pip-audit", is: func(s shape) bool {
		return s.has("dependencies", '[') && s.has("fixes", '[') || s.array && s.has("name", '"') && (s.has("vulns", '[') || s.has("skip_reason", '"'))
	}, read: readPipAudit},
	{name: "cargo-audit", is: func(s shape) bool { return s.has("lockfile", '{') && s.has("vulnerabilities", '{') }, read: readCargoAudit},
	{name: "gitleaks", is: func(s shape) bool { return s.array && s.has("RuleID", '"') && s.has("Secret", '"') }, read: readGitleaks},
	{name: "shellcheck", is: func(s shape) bool {
		return s.has("comments", '[') || s.array && s.has("code", '0') && s.has("file", '"') && s.has("level", '"')
	}, read: readShellCheck},
	{name: "hadolint", is: func(s shape) bool {
		return s.array && s.has("code", '"') && s.has("file", '"') && s.has("level", '"')
	}, read: readHadolint},
	{name: "codeclimate", is: func(s shape) bool { return s.has("check_name", '"') && s.has("location", '{') }, read: readCodeClimate},
	{name: "staticcheck", is: func(s shape) bool { return !s.array && s.has("code", '"') && s.has("location", '{') }, read: readStaticcheck},
	{name: "gitlab-report", is: func(s shape) bool { return s.has("vulnerabilities", '[') && s.has("scan", '{') }, read: readGitLabReport},
	{name: "gitlab-vulnerability", is: func(s shape) bool { return s.text("object_kind") == "vulnerability" && s.has("object_attributes", '{') }, read: readGitLabVulnerability},
	{name: "github-alert", is: isGitHubAlert, read: readGitHubAlerts},
	{name: "empty-list", is: func(s shape) bool { return s.array && s.empty }, read: readEmptyList},
	{name: "in-toto-test-result", tests: true, is: func(s shape) bool {
		return strings.HasPrefix(s.text("predicateType"), testResultType) || s.text("payloadType") == intotoPayload
	}, read: readTestResult},
	{name: "go-test", tests: true, is: func(s shape) bool {
		return !s.array && s.has("Action", '"') && (s.has("Package", '"') || s.has("ImportPath", '"'))
	}, read: readGoTest},
	{name: "junit", tests: true, is: func(s shape) bool { return s.root == "testsuites" || s.root == "testsuite" }, read: junit.readTests},
	{name: "trx", tests: true, is: func(s shape) bool {
		return s.root == "TestRun" && strings.Contains(s.text("xmlns"), "VisualStudio")
	}, read: trx.readTests},
	{name: "nunit", tests: true, is: func(s shape) bool { return s.root == "test-run" || s.root == "test-results" }, read: nunit.readTests},
	{name: "xunit", tests: true, is: func(s shape) bool {
		return s.root == "assemblies" || s.root == "assembly" && s.text("total") != ""
	}, read: xunit.readTests},
	{name: "sonar-tests", tests: true, is: func(s shape) bool { return s.root == "testExecutions" || s.root == "unitTest" }, read: sonarTests.readTests},
	{name: "tap", tests: true, is: func(s shape) bool { return s.tap }, read: readTAP},
}

// formatOf tells the format of a file by its content.
func formatOf(file []byte) (format, error) {
	s, err := look(file)
	if err != nil {
		return format{}, err
	}
	for _, f := range formats {
		if f.is(s) {
			return f, nil
		}
	}
	if s.root != "" {
		return format{}, unreadable("XML of <%s>; of XML reports JUnit, TRX, NUnit, xUnit.net, Sonar's test executions and CycloneDX are read", s.root)
	}
	var known []string
	for _, f := range formats {
		known = append(known, f.name)
	}
	return format{}, unreadable("its format is none of %s", strings.Join(known, ", "))
}

// A shape is what can be seen of a file without reading it as any format: the
// root element of XML, or the members of the first JSON object: the file
// itself, the first of a stream, or the first element of an array.
type shape struct {
	root    string // XML; its attributes are among the texts
	tap     bool
	array   bool
	empty   bool // an array without elements
	members map[string]jsontext.Kind
	texts   map[string]string
}

// has reports whether there is a member of that kind; kind 0 is any.
func (s shape) has(name string, kind jsontext.Kind) bool {
	k, ok := s.members[name]
	return ok && (kind == 0 || k == kind)
}

func (s shape) text(name string) string { return s.texts[name] }

func look(file []byte) (shape, error) {
	if len(file) == 0 {
		return shape{}, unreadable("the file is empty")
	}
	if file[0] == '<' {
		return rootOf(file)
	}
	if file[0] != '{' && file[0] != '[' {
		if isTAP(file) {
			return shape{tap: true}, nil
		}
		return shape{}, unreadable("it is neither JSON nor XML; hand in what the tool writes for machines, not for people (of plain text, TAP is read)")
	}
	s := shape{array: file[0] == '[', members: make(map[string]jsontext.Kind), texts: make(map[string]string)}
	d := newDecoder(file)
	if s.array {
		_, _ = d.ReadToken()
		if s.empty = d.PeekKind() == ']'; s.empty {
			return s, nil
		}
	}
	if d.PeekKind() != '{' {
		return s, nil
	}
	_, _ = d.ReadToken()
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return s, unreadable("JSON: %v", err)
		}
		key := name.String()
		v, err := d.ReadValue()
		if err != nil {
			return s, unreadable("JSON: %v", err)
		}
		s.members[key] = v.Kind()
		if v.Kind() == '"' && len(v) < 256 {
			var text string
			_ = json.Unmarshal(v, &text, lenient)
			s.texts[key] = text
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return s, unreadable("JSON: %v", err)
	}
	return s, nil
}

func rootOf(file []byte) (shape, error) {
	d := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := d.Token()
		if err != nil {
			return shape{}, unreadable("XML: %v", err)
		}
		t, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		s := shape{root: t.Name.Local, texts: make(map[string]string)}
		for _, a := range t.Attr {
			s.texts[a.Name.Local] = a.Value
		}
		return s, nil
	}
}

// lenient reads what tools write: some repeat members.
var lenient = jsontext.AllowDuplicateNames(true)

func newDecoder(file []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewReader(file), lenient)
}

// decodeJSON reads file as one T.
func decodeJSON[T any](file []byte) (T, error) {
	var v T
	if err := json.Unmarshal(file, &v, lenient); err != nil {
		return v, unreadable("%v", err)
	}
	return v, nil
}

// decodeList reads file as a list, or as an object that has it as a member.
func decodeList[T any](file []byte, member string) ([]T, error) {
	whole, err := decodeJSON[jsontext.Value](file)
	if err != nil {
		return nil, err
	}
	if whole.Kind() == '{' {
		members, err := decodeJSON[map[string]jsontext.Value](whole)
		if err != nil {
			return nil, err
		}
		whole = members[member]
	}
	return decodeJSON[[]T](whole)
}

// values yields the JSON values of a stream one by one, the elements of a
// top-level array alike.
func values[T any](file []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		d := newDecoder(file)
		array := d.PeekKind() == '['
		if array {
			_, _ = d.ReadToken()
		}
		for {
			var v T
			if array && d.PeekKind() == ']' {
				return
			}
			err := json.UnmarshalDecode(d, &v, lenient)
			if errors.Is(err, io.EOF) && !array {
				return
			}
			if err != nil {
				yield(v, unreadable("%v", err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// scanned is what a reader of scans returns.
func scanned(tool, version string, findings []record.Finding, looked bool) (Result, error) {
	res := Result{Tool: tool, ToolVersion: version}
	res.Summary, res.Findings = collect(findings, looked)
	return res, nil
}

// readEmptyList reads "[]", which several tools write when they found nothing,
// and also when they looked at nothing.
func readEmptyList([]byte) (Result, error) { return scanned("", "", nil, false) }
