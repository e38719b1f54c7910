package evidence

import (
	"encoding/xml"
	"strings"
)

// junit is the JUnit XML that Surefire, pytest, jest, gotestsum, Playwright and
// others write. There is no standard, and the counts in the attributes are
// often too low (jest, pytest): the tests are counted, and a count of failures
// that is higher than those listed is heeded. Counts of tests are not: Catch2
// counts assertions there.
//
// That a test was run again is plain where its attempts are elements within it
// (Surefire, nextest and Playwright: flakyFailure, rerunFailure), and in a
// package of Go.
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
		"testsuites", "testsuite", "properties", "property", "system-out", "system-err", "skipped", // and what tools add:
		"stdout", "stderr", "stdio", "reporter-output", "attachments", "attachment", "metadata", "description", "link", "links", "script", "timestamp", "time",
	},
	refuse: refuseScanners,
	meant:  meantByCTestOrNode,
	speaks: func(t xml.StartElement) bool { return t.Name.Local == "testsuites" && attr(t, "name") == "AllTests" }, // GoogleTest, which lists tests without a run, too
}

// meantByCTestOrNode reads elements that do not mean what they are called. CTest
// fails where a test could not run, for want of a program, a file or a fixture,
// and writes it as skipped; a test that skipped itself has a message of its own.
// Node writes how a test to do ended, which does not count.
func meantByCTestOrNode(t, of xml.StartElement) (verdict, bool) {
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
	tests:    []string{"test-case"},
	scopes:   []string{"test-suite"},
	place:    "id",
	name:     []string{"fullname", "name"},
	verdict:  []string{"result"},
	failures: []string{"failed", "failures", "errors", "invalid"},
	total:    "total",
	within:   true,
	spoken:   true,
}

// xunit is what xUnit.net 1, 2 and 3 write.
var xunit = dialect{
	tests:    []string{"test"},
	scopes:   []string{"assembly", "collection", "class"},
	place:    "id",
	name:     []string{"name"},
	verdict:  []string{"result"},
	failures: []string{"failed", "errors"},
	total:    "total",
	within:   true,
	spoken:   true,
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

// refuseScanners refuses a report of findings that is written as tests.
func refuseScanners(t xml.StartElement, of *xml.StartElement) error {
	if scanner := scannerOf(t, of); scanner != "" {
		return unreadable("it is JUnit XML that %s wrote: what fails in it are findings and not tests; hand in its JSON or SARIF as a scan", scanner)
	}
	return nil
}
