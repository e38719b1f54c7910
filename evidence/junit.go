package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
)

// Bounds against documents that are made to exhaust a reader. encoding/xml
// expands no entities of a document's own, so a "billion laughs" is an error.
const (
	maxXMLDepth = 64
	maxCases    = 500_000
)

// caseResult is how one test ended. A test that was run again stands several
// times in a report, or carries the attempts as children: passing at last, it
// passed.
type caseResult int

const (
	passed caseResult = iota
	skipped
	failed
)

// readJUnit reads the JUnit XML that Surefire, pytest, jest, gotestsum and
// others write. There is no standard; the counts in the attributes are often
// wrong, so the test cases are counted.
func readJUnit(file []byte) (Result, error) {
	d := xml.NewDecoder(bytes.NewReader(file))
	cases := make(map[string]caseResult)
	suites, depth, suiteErrors := 0, 0, 0
	var current string
	var result caseResult
	inCase := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Result{}, unreadable("XML: %v", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if depth > maxXMLDepth || len(cases) > maxCases {
				return Result{}, unreadable("XML: nested deeper than %d or over %d test cases", maxXMLDepth, maxCases)
			}
			name := t.Name.Local
			switch {
			case name == "testsuite" || name == "testsuites":
				suites++
				if scanner := scannerOfSuite(attr(t, "name")); scanner != "" {
					return Result{}, notTests(scanner)
				}
			case name == "testcase":
				current, result, inCase = attr(t, "classname")+" "+attr(t, "name"), passed, depth
			case inCase > 0 && depth == inCase+1 && (name == "failure" || name == "error"):
				result = failed
				if scanner := scannerOfFailure(current, attr(t, "message")); scanner != "" {
					return Result{}, notTests(scanner)
				}
			case inCase > 0 && depth == inCase+1 && name == "skipped":
				result = max(result, skipped)
			case inCase == 0 && name == "error":
				suiteErrors++
			}
		case xml.EndElement:
			if depth == inCase {
				if old, ok := cases[current]; !ok || result == passed || old == skipped {
					cases[current] = result
				}
				inCase = 0
			}
			depth--
		}
	}
	if suites == 0 {
		return Result{}, unreadable("XML without a <testsuite>")
	}
	res := tally(cases)
	if suiteErrors > 0 {
		res.Conclusion = "error"
	}
	return res, nil
}

// Scanners write JUnit XML too, for CI systems that show nothing else. Their
// failures are findings: read as tests, a clean build would seem broken.
func scannerOfSuite(name string) string {
	switch name {
	case "gitleaks", "bandit":
		return name
	case "semgrep results":
		return "semgrep"
	}
	return ""
}

var (
	gosecFailure = regexp.MustCompile(`^Found \d+ vulnerabilit(y|ies)\. See stacktrace`)
	checkovCase  = regexp.MustCompile(`\[[A-Z]+\]\[CKV2?_`)                             // "[NONE][CKV_DOCKER_2] Ensure ..."
	trivyCase    = regexp.MustCompile(`\[(CRITICAL|HIGH|MEDIUM|LOW|UNKNOWN)\] [A-Z]+-`) // "[HIGH] CVE-..."
)

func scannerOfFailure(testcase, message string) string {
	switch {
	case gosecFailure.MatchString(message):
		return "gosec"
	case checkovCase.MatchString(testcase):
		return "checkov"
	case trivyCase.MatchString(testcase):
		return "Trivy"
	}
	return ""
}

func notTests(scanner string) error {
	return unreadable("it is JUnit XML that %s wrote: what fails in it are findings and not tests; hand in its JSON or SARIF as a scan", scanner)
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// tally sums up test cases. A run without a single test shows nothing, so its
// conclusion is error, not success.
func tally(cases map[string]caseResult) Result {
	res := Result{Conclusion: "success"}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		switch cases[name] {
		case passed:
			res.Passed++
		case skipped:
			res.Skipped++
		case failed:
			res.Failed++
			res.Failing = append(res.Failing, clip(name, 512))
		}
	}
	switch {
	case res.Failed > 0:
		res.Conclusion = "failure"
	case res.Passed == 0:
		res.Conclusion = "error"
	}
	return res
}
