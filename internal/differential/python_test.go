//go:build servers

package differential

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
)

func pythonTools(t *testing.T) tools {
	return tools{bin: []string{foreign.Python(t,
		"pytest==9.2.0", "pytest-rerunfailures==16.7", "pytest-xdist==3.8.0", "pytest-timeout==2.4.0",
		"unittest-xml-reporting==4.0.0", "robotframework==7.5", "behave==1.3.3",
	)}}
}

func pytest() subject {
	const run = "pytest -rA -p no:cacheprovider --junitxml=report.xml "
	return subject{tool: "pytest 9.2.0", files: "pytest.txtar", install: pythonTools, said: pytestSaid, modes: []mode{
		{name: "all pass", command: run + "test_pass.py"},
		{name: "some fail", command: run + "test_fail.py", exit: 1},
		{name: "-x", command: run + "-x test_fail.py", exit: 1},
		{name: "--maxfail=1", command: run + "--maxfail=1 test_pass.py test_fail.py", exit: 1},
		{name: "skipped", command: run + "test_skip.py"},
		{name: "only skipped", command: run + "test_only_skipped.py", unproven: nothingRan},
		{name: "a module skips itself", command: run + "test_module_skips.py", exit: 5},
		{name: "xfail and xpass", command: run + "test_xfail.py"},
		{name: "xpass, strict", command: run + "test_xpass_strict.py", exit: 1},
		{name: "--runxfail", command: run + "--runxfail test_xfail.py", exit: 1},
		{name: "setup fails", command: run + "test_setup.py", exit: 1},
		{name: "teardown fails", command: run + "test_teardown.py", exit: 1},
		{name: "test and teardown fail", command: run + "test_teardown_fail.py", exit: 1},
		{name: "test skips, teardown fails", command: run + "test_teardown_skip.py", exit: 1, noSummary: "it counts the test twice"},
		{name: "class setup and teardown fail", command: run + "test_class.py", exit: 1},
		{name: "module teardown fails", command: run + "test_module_teardown.py", exit: 1},
		{name: "collection error", command: run + "test_pass.py test_collect.py", exit: 2},
		{name: "a line that is no step", command: run + "test_syntax.py", exit: 2},
		{name: "--continue-on-collection-errors", command: run + "--continue-on-collection-errors test_pass.py test_collect.py", exit: 1},
		{name: "parameters", command: run + "test_param.py", exit: 1},
		{name: "subtests, one fails", command: run + "test_subtests.py", exit: 1},
		{name: "subtests pass", command: run + "test_subtests_pass.py"},
		{name: "unittest subtests", command: run + "test_unittest.py", exit: 1},
		{name: "unittest unexpected success", command: run + "test_unexpected.py", exit: 1},
		{name: "same names in two files", command: run + "--import-mode=importlib a b", exit: 1},
		{name: "same names in two classes", command: run + "one", exit: 1},
		{name: "same name, rootdir of each", command: "pytest -p no:cacheprovider --junitxml=report.xml --rootdir=a a; pytest -p no:cacheprovider --junitxml=report2.xml --rootdir=b b", exit: 1, noSummary: "two runs"},
		{name: "no tests", command: run + "empty.py", exit: 5},
		{name: "all deselected", command: run + "-k nothing test_pass.py", exit: 5},
		{name: "--collect-only", command: run + "--collect-only test_pass.py", unproven: nothingRan},
		{name: "no such file", command: run + "absent.py", exit: 4},
		{name: "no such option", command: run + "--no-such-option", exit: 4, noReport: "it does not start"},
		{name: "broken conftest", command: run + "broken", exit: 4, noReport: "it does not start"},
		{name: "a plugin fails", command: run + "internal", exit: 3, noSummary: "it counts no test, its report one error"},
		{name: "a plugin fails the run", command: run + "finish", exit: 1, invisible: "the report shows a test that passed"},
		{name: "-W error", command: run + "-W error warn", exit: 1},
		{name: "os._exit(3)", command: run + "test_exit.py", exit: 3, noReport: "the process ends at once"},
		{name: "os._exit(0)", command: run + "test_exit_zero.py", noReport: "the process ends at once"},
		{name: "pytest.exit", command: run + "test_pytest_exit.py", exit: 2},
		{name: "pytest.exit, returncode 0", command: run + "test_pytest_exit_zero.py", unproven: "a test did not end"},
		{name: "interrupted", command: run + "test_interrupt.py", exit: 2},
		{name: "killed", command: "timeout -s KILL 3 " + run + "test_slow.py", exit: 137, noReport: "the process ends at once"},
		{name: "--timeout", command: run + "--timeout=1 test_slow.py", exit: 1},
		{name: "--timeout, thread", command: run + "--timeout=1 --timeout-method=thread test_slow.py", exit: 1, noReport: "the process ends at once"},
		{name: "characters", command: run + "test_characters.py", exit: 1},
		{name: "output that looks like XML", command: run + "-o junit_logging=all test_output.py"},
		{name: "junit_family=xunit1", command: run + "-o junit_family=xunit1 test_fail.py", exit: 1},
		{name: "--reruns, passes at last", command: run + "--reruns 2 test_flaky.py"},
		{name: "--reruns, setup passes at last", command: run + "--reruns 2 test_flaky_setup.py"},
		{name: "--reruns, teardown passes at last", command: run + "--reruns 2 test_flaky_teardown.py"},
		{name: "--reruns, never passes", command: run + "--reruns 2 test_fail.py", exit: 1},
		{name: "--reruns, setup never passes", command: run + "--reruns 2 test_setup.py", exit: 1},
		{name: "--reruns, teardown never passes", command: run + "--reruns 2 test_teardown.py", exit: 1},
		{name: "--reruns with -x", command: run + "--reruns 1 -x test_fail.py", exit: 1},
		{name: "--fail-on-flaky", command: run + "--reruns 2 --fail-on-flaky test_flaky.py", exit: 7, invisible: "the report shows a test that passed at last"},
		{name: "xdist", command: run + "-n 2 test_fail.py test_skip.py test_xfail.py", exit: 1},
		{name: "xdist, all pass", command: run + "-n 2 test_pass.py"},
		{name: "xdist, a worker crashes", command: run + "-n 2 test_exit.py", exit: 1},
		{name: "xdist, a worker ends with 0", command: run + "-n 2 test_exit_zero.py", exit: 1},
		{name: "xdist, no worker may be replaced", command: run + "-n 1 --max-worker-restart=0 test_exit.py", exit: 1},
		{name: "xdist, --reruns", command: run + "-n 2 --reruns 2 test_flaky.py test_fail.py", exit: 1},
		{name: "xdist, collection error", command: run + "-n 2 test_pass.py test_collect.py", exit: 1},
		{name: "xdist, -x", command: run + "-n 2 -x test_fail.py", exit: 2},
		{name: "xdist, --dist each", command: run + "--tx 2*popen --dist each test_pass.py"},
	}}
}

var pytestLine = regexp.MustCompile(`^(PASSED|FAILED|ERROR|XPASS|XFAIL|SKIPPED|SUBFAILED\S*) (?:\[(\d+)\] )?(.*?)(?: - .*)?$`)

// pytestSaid reads the lines of -rA, one for each phase of a test that ended. A test whose teardown
// fails has two: it did not pass. An expected failure counts as skipped, as in JUnit; one that
// passes unexpectedly has passed.
func pytestSaid(_ *testing.T, out output) counts {
	ended := make(map[string]string)
	var c counts
	for line := range strings.Lines(out.text) {
		m := pytestLine.FindStringSubmatch(strings.TrimSpace(line))
		switch {
		case m == nil:
		case m[1] == "SKIPPED": // names a location instead of a test
			n, _ := strconv.ParseInt(m[2], 10, 64)
			c.Skipped += n
		case m[1] == "PASSED" || m[1] == "XPASS":
			ended[m[3]] = cmp.Or(ended[m[3]], "passed")
		case m[1] == "XFAIL":
			ended[m[3]] = "skipped"
		default:
			ended[m[3]] = "failed"
		}
	}
	return c.add(ended)
}

func xmlrunner() subject {
	const run = "python -m xmlrunner --output-file report.xml "
	return subject{tool: "unittest-xml-reporting 4.0.0", files: "unittest.txtar", install: pythonTools, said: unittestSaid, modes: []mode{
		{name: "all pass", command: run + "test_pass"},
		{name: "fail and error", command: run + "test_fail", exit: 1},
		{name: "a file for each class", command: "python -m xmlrunner -o reports test_fail test_pass", exit: 1},
		{name: "--failfast", command: run + "--failfast test_fail", exit: 1},
		{name: "skipped", command: run + "test_skip"},
		{name: "only skipped", command: run + "test_only_skipped", unproven: nothingRan},
		{name: "expected failure", command: run + "test_expected"},
		{name: "unexpected success", command: run + "test_unexpected", exit: 1},
		{name: "subtests", command: run + "test_sub", exit: 1},
		{name: "setUp and tearDown fail", command: run + "test_setup", exit: 1},
		{name: "setUpClass fails", command: run + "test_setupclass", exit: 1},
		{name: "tearDownClass fails", command: run + "test_teardownclass", exit: 1},
		{name: "setUpModule fails", command: run + "test_module", exit: 1},
		{name: "no such module", command: run + "test_import", exit: 1},
		{name: "no tests", command: run + "empty", unproven: nothingRan},
		{name: "os._exit(0)", command: run + "test_exit", unreadable: "the file is empty"},
		{name: "interrupted", command: run + "test_interrupt", exit: 130, unreadable: "the file is empty"},
		{name: "sys.exit(0)", command: run + "test_sysexit", exit: 1},
	}}
}

var unittestCount = regexp.MustCompile(`(failures|errors|skipped|expected failures|unexpected successes)=(\d+)`)

// unittestOutside is a failure outside of the tests, which "Ran" does not count.
var unittestOutside = regexp.MustCompile(`ERROR \[.*?\]: (setUp|tearDown)(Class|Module) `)

// unittestSaid reads "Ran 4 tests in 0.1s" and "FAILED (failures=1, errors=1)".
func unittestSaid(t *testing.T, out output) counts {
	ran := number(t, out, `Ran (\d+) tests? in`)
	var c counts
	for _, m := range unittestCount.FindAllStringSubmatch(out.text[strings.LastIndex(out.text, "\nRan "):], -1) {
		n, _ := strconv.ParseInt(m[2], 10, 64)
		if m[1] == "skipped" || m[1] == "expected failures" {
			c.Skipped += n
		} else {
			c.Failed += n
		}
	}
	outside := len(unittestOutside.FindAllString(out.text, -1))
	c.Passed = ran + int64(outside) - c.Failed - c.Skipped
	return c
}

func robot() subject {
	const run = "robot --output NONE --log NONE --report NONE --xunit report.xml "
	return subject{tool: "Robot Framework 7.5", files: "robot.txtar", install: pythonTools, said: robotSaid, modes: []mode{
		{name: "all pass", command: run + "pass.robot"},
		{name: "some fail", command: run + "fail.robot", exit: 2},
		{name: "several files", command: run + "pass.robot fail.robot skip.robot", exit: 2},
		{name: "--exitonfailure", command: run + "--exitonfailure fail.robot pass.robot", exit: 4},
		{name: "skipped", command: run + "skip.robot"},
		{name: "only skipped", command: run + "only_skipped.robot", unproven: nothingRan},
		{name: "--skiponfailure", command: run + "--skiponfailure x --settag x pass.robot fail.robot"},
		{name: "suite setup fails", command: run + "setup.robot", exit: 2},
		{name: "suite setup skips", command: run + "setup_skip.robot", unproven: nothingRan},
		{name: "suite teardown fails", command: run + "teardown.robot", exit: 2},
		{name: "test teardown fails", command: run + "test_teardown.robot", exit: 1},
		{name: "a test takes too long", command: run + "timeout.robot", exit: 1},
		{name: "fatal error", command: run + "fatal.robot", exit: 2},
		{name: "a test without keywords", command: run + "empty_test.robot", exit: 1},
		{name: "no tests", command: run + "empty.robot", exit: 252, noReport: "it does not start"},
		{name: "--runemptysuite", command: run + "--runemptysuite empty.robot", unproven: nothingRan},
		{name: "same names in two files", command: run + "same", exit: 1},
		{name: "same names in one file", command: run + "twice.robot", exit: 1, noSummary: oneName},
		{name: "a library is missing", command: run + "import.robot"},
		{name: "--dryrun", command: run + "--dryrun fail.robot", exit: 1},
		{name: "--nostatusrc", command: run + "--nostatusrc fail.robot", unproven: "it is told to end with 0"},
		{name: "--rpa", command: run + "--rpa task.robot"},
	}}
}

// robotSaid reads "5 tests, 3 passed, 2 failed, 1 skipped".
func robotSaid(t *testing.T, out output) counts {
	c := counts{Passed: number(t, out, `\d+ (?:tests?|tasks?), (\d+) passed`), Failed: number(t, out, `passed, (\d+) failed`)}
	if strings.Contains(out.text, " skipped\n") {
		c.Skipped = number(t, out, `failed, (\d+) skipped`)
	}
	return c
}

func behave() subject {
	const run = "behave --no-color --junit --junit-directory reports "
	return subject{tool: "behave 1.3.3", files: "behave.txtar", install: pythonTools, said: behaveSaid, modes: []mode{
		{name: "all pass", command: run + "features/pass.feature"},
		{name: "some fail", command: run + "features/fail.feature", exit: 1},
		{name: "several files", command: run + "features/pass.feature features/fail.feature", exit: 1},
		{name: "--stop", command: run + "--stop features/fail.feature features/pass.feature", exit: 1},
		{name: "skipped", command: run + "--tags 'not later' features/skip.feature"},
		{name: "--no-skipped", command: run + "--no-skipped --tags 'not later' features/skip.feature", noSummary: "the report leaves out what is skipped"},
		{name: "no scenario has the tag", command: run + "--tags nothing features/pass.feature", unproven: nothingRan},
		{name: "undefined step", command: run + "features/undefined.feature", exit: 1},
		{name: "pending step", command: run + "features/pending.feature", exit: 1},
		{name: "outline", command: run + "features/outline.feature"},
		{name: "background fails", command: run + "features/background.feature", exit: 1},
		{name: "same names in one file", command: run + "features/same.feature", exit: 1, noSummary: oneName},
		{name: "no scenarios", command: run + "features/empty.feature", unproven: nothingRan},
		{name: "a line that is no step", command: run + "features/pass.feature features/syntax.feature"},
		{name: "--dry-run", command: run + "--dry-run features/fail.feature", unproven: nothingRan},
		{name: "before_all fails", command: "BREAK=before_all " + run + "features/pass.feature", exit: 1},
		{name: "after_all fails", command: "BREAK=after_all " + run + "features/pass.feature", exit: 1, invisible: "the report has only scenarios"},
		{name: "before_feature fails", command: "BREAK=before_feature " + run + "features/pass.feature", exit: 1},
		{name: "after_feature fails", command: "BREAK=after_feature " + run + "features/pass.feature", exit: 1, invisible: "the report has only scenarios"},
		{name: "before_scenario fails", command: "BREAK=before_scenario " + run + "features/pass.feature", exit: 1},
		{name: "after_scenario fails", command: "BREAK=after_scenario " + run + "features/pass.feature", exit: 1},
		{name: "os._exit(3)", command: run + "features/pass.feature features/crash.feature", exit: 3, invisible: "the feature that crashed has no file", noSummary: "it says nothing more"},
	}}
}

var behaveCount = regexp.MustCompile(`(\d+) (?:scenarios? )?(\w+)`)

// behaveSaid reads "1 scenario passed, 1 failed, 1 error, 0 skipped".
func behaveSaid(t *testing.T, out output) counts {
	var c counts
	for line := range strings.Lines(out.text) {
		if !strings.Contains(line, "scenarios passed,") && !strings.Contains(line, "scenario passed,") {
			continue
		}
		for _, m := range behaveCount.FindAllStringSubmatch(line, -1) {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			switch m[2] {
			case "passed":
				c.Passed += n
			case "skipped", "untested":
				c.Skipped += n
			default: // failed, error, hook_error, undefined
				c.Failed += n
			}
		}
		return c
	}
	t.Fatalf("behave says nothing:\n%s", out.text)
	return c
}
