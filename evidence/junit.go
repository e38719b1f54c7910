package evidence

import (
	"encoding/xml"
	"strings"
)

// junit is the JUnit XML that Surefire, pytest, jest, gotestsum, Playwright and others write. There
// is no standard, and the counts in the attributes are often too low (jest, pytest). So the tests
// are counted, and a count of failures matters only if it is higher than the number listed. Counts
// of tests do not matter: Catch2 counts assertions there.
//
// A test certainly ran again if its attempts are elements within it (Surefire, nextest and
// Playwright: flakyFailure, rerunFailure), and in a Go package.
var junit = dialect{
	tests:    []string{"testcase"},
	scopes:   []string{"testsuite", "testsuites"},
	place:    "file",
	name:     []string{"classname", "name"},
	verdict:  []string{"status", "result", "outcome"},
	failures: []string{"failures", "errors"},
	within:   true,
	silence:  passed,
	outside: []string{
		"testsuites", "testsuite", "properties", "property", "system-out", "system-err", "skipped", // and additions of tools:
		"stdout", "stderr", "stdio", "reporter-output", "attachments", "attachment", "metadata", "description", "link", "links", "script", "timestamp", "time",
	},
	refuse:            refuseScanners,
	override:          overrideOfCTestOrNode,
	announcesVerdicts: func(t xml.StartElement) bool { return t.Name.Local == "testsuites" && attr(t, "name") == "AllTests" }, // GoogleTest also lists tests that did not run
}

// overrideOfCTestOrNode reads elements that do not mean what their names say. CTest writes a test
// that could not run, because a program, a file or a fixture is missing, as skipped, but counts it
// as failed; a test that skipped itself has its own message. Node writes how a todo test ended,
// which does not count.
func overrideOfCTestOrNode(t, of xml.StartElement) (verdict, bool) {
	message := attr(t, "message")
	switch {
	case t.Name.Local != "skipped":
		return passed, false
	case attr(t, "type") == "todo":
		return skipped, true
	case attr(of, "status") == "notrun" && attr(of, "result") == "" && message != "" && !strings.HasPrefix(message, "SKIP_") && message != "Disabled":
		return failed, true
	}
	return passed, false
}

// nunit is what NUnit 3 and 2 write.
var nunit = dialect{
	tests:          []string{"test-case"},
	scopes:         []string{"test-suite"},
	place:          "id",
	name:           []string{"fullname", "name"},
	verdict:        []string{"result"},
	failures:       []string{"failed", "failures", "errors", "invalid"},
	total:          "total",
	within:         true,
	mustSayVerdict: true,
}

// xunit is what xUnit.net 1, 2 and 3 write.
var xunit = dialect{
	tests:          []string{"test"},
	scopes:         []string{"assembly", "collection", "class"},
	place:          "id",
	name:           []string{"name"},
	verdict:        []string{"result"},
	failures:       []string{"failed", "errors"},
	total:          "total",
	within:         true,
	mustSayVerdict: true,
}

// trx is what Visual Studio and dotnet test write. A result that states no
// outcome is an error: that is the default of its schema, which the writer
// leaves out.
var trx = dialect{
	tests:    []string{"UnitTestResult", "GenericTestResult", "ManualTestResult", "WebTestResult", "LoadTestResult", "TestResult", "TestResultAggregation"},
	place:    "executionId",
	name:     []string{"testName"},
	verdict:  []string{"outcome"},
	failures: []string{"failed", "error", "timeout", "aborted", "passedButRunAborted", "disconnected"},
	total:    "total",
	whole:    []string{"ResultSummary", "Counters", "RunInfo"},
	silence:  failed,
}

// sonarTests is Sonar's generic test execution.
var sonarTests = dialect{
	tests:   []string{"testCase"},
	scopes:  []string{"file"},
	name:    []string{"name"},
	within:  true,
	silence: passed,
	outside: []string{"testExecutions", "unitTest", "file"},
}

// refuseScanners refuses a report of findings in the form of tests.
func refuseScanners(t xml.StartElement, of *xml.StartElement) error {
	if scanner := scannerOf(t, of); scanner != "" {
		return unreadable("it is JUnit XML from %s: its failures are findings, not tests; attach its JSON or SARIF output as a scan", scanner)
	}
	return nil
}
