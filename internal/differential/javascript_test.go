//go:build servers

package differential

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
)

func nodeTools(t *testing.T) tools {
	modules := foreign.Node(t, "jest@30.5.2", "jest-junit@17.0.0", "mocha@11.7.5", "mocha-junit-reporter@2.2.1",
		"vitest@3.2.7", "@playwright/test@1.65.1", "bats@1.13.0")
	return tools{bin: []string{filepath.Join(modules, ".bin")}, modules: modules}
}

// said reads the tool's summary in JSON, which it writes next to its report.
func said[T any](t *testing.T, out output) T {
	t.Helper()
	var v T
	text, err := os.ReadFile(filepath.Join(out.dir, "said.json"))
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out.text)
	}
	return v
}

func jest() subject {
	const run = "JEST_JUNIT_OUTPUT_FILE=report.xml jest --ci --runInBand "
	const suites = "JEST_JUNIT_REPORT_TEST_SUITE_ERRORS=true "
	const outside = "it counts no failure outside of a test, its report does"
	const crashed = "the process ends at once"
	const fileErrors = "jest-junit leaves out files that do not run; JEST_JUNIT_REPORT_TEST_SUITE_ERRORS=true shows them"
	return subject{tool: "Jest 30.5.2, jest-junit 17.0.0", files: "javascript.txtar", install: nodeTools, said: jestSaid, modes: []mode{
		{name: "all pass", command: run + "jest/pass.js"},
		{name: "some fail", command: run + "jest/fail.js", exit: 1},
		{name: "--bail", command: run + "--bail jest/fail.js jest/pass.js", exit: 1},
		{name: "skipped and todo", command: run + "jest/skip.js", noSummary: "jest-junit writes a todo as a test that passed"},
		{name: "only skipped", command: run + "jest/onlyskip.js", unproven: nothingRan},
		{name: "test.only", command: run + "jest/only.js"},
		{name: "test.failing", command: run + "jest/failing.js"},
		{name: "test.failing passes", command: run + "jest/unexpected.js", exit: 1},
		{name: "test.each, a name twice", command: run + "jest/each.js", exit: 1, noSummary: oneName},
		{name: "retryTimes, passes at last", command: run + "jest/flaky.js"},
		{name: "retryTimes, never passes", command: run + "jest/never.js", exit: 1},
		{name: "beforeAll fails", command: run + "jest/beforeall.js", exit: 1},
		{name: "afterAll fails", command: run + "jest/afterall.js", exit: 1, noSummary: outside},
		{name: "afterAll of the file fails", command: run + "jest/afterfile.js", exit: 1, noSummary: outside},
		{name: "syntax error", command: run + "jest/syntax.js jest/pass.js", exit: 1, invisible: fileErrors},
		{name: "syntax error, reported", command: suites + run + "jest/syntax.js jest/pass.js", exit: 1, noSummary: outside},
		{name: "throws at the top", command: suites + run + "jest/throws.js jest/pass.js", exit: 1, noSummary: outside},
		{name: "no tests in a file", command: suites + run + "jest/empty.js", exit: 1, noSummary: outside},
		{name: "no tests", command: run + "absent", exit: 1, noReport: "it does not start"},
		{name: "--passWithNoTests", command: run + "--passWithNoTests absent", unproven: nothingRan},
		{name: "-t matches nothing", command: run + "-t nothing jest/pass.js", unproven: nothingRan},
		{name: "a test takes too long", command: run + "jest/slow.js", exit: 1},
		{name: "process.exit(3)", command: run + "jest/exits.js", exit: 3, noReport: crashed},
		{name: "process.exit(0)", command: run + "jest/exitszero.js", noReport: crashed},
		{name: "same names in two files", command: run + "jest/a/same jest/b/same", exit: 1},
		{name: "same names in one file", command: run + "jest/twice.js", exit: 1, noSummary: oneName},
		{name: "two projects", command: run + "--config projects.json", exit: 1},
		{name: "a new snapshot", command: run + "jest/snapshot.js", exit: 1},
		{name: "characters", command: run + "jest/characters.js", exit: 1},
		{name: "coverage below the threshold", command: run + "--config threshold.json", exit: 1, invisible: "the report has only tests"},
		{name: "globalTeardown fails", command: run + "--config setup.json", exit: 1, invisible: "the report was written before"},
	}}
}

var (
	jestTests = regexp.MustCompile(`(?m)^Tests: .*$`)
	jestCount = regexp.MustCompile(`(\d+) (\w+)`)
)

// jestSaid reads "Tests:  1 failed, 1 skipped, 1 todo, 2 passed, 5 total".
func jestSaid(_ *testing.T, out output) counts {
	var c counts
	for _, m := range jestCount.FindAllStringSubmatch(jestTests.FindString(out.text), -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		switch m[2] {
		case "passed":
			c.Passed += n
		case "failed":
			c.Failed += n
		case "skipped", "todo":
			c.Skipped += n
		}
	}
	return c
}

func nodeTest() subject {
	const run = "node --test --test-reporter=junit --test-reporter-destination=report.xml --test-reporter=spec --test-reporter-destination=stdout "
	const tap = "node --test --test-reporter=tap --test-reporter-destination=report.tap --test-reporter=spec --test-reporter-destination=stdout "
	const outside = "it counts no failure outside of a test, its report does"
	return subject{tool: "node:test of Node 20", files: "javascript.txtar", install: nodeTools, said: nodeSaid, modes: []mode{
		{name: "all pass", command: run + "node/pass.js"},
		{name: "some fail", command: run + "node/fail.js", exit: 1},
		{name: "subtests", command: run + "node/subtests.js", exit: 1, noSummary: "it counts the test beside its parts"},
		{name: "skipped", command: run + "node/skip.js"},
		{name: "only skipped", command: run + "node/onlyskip.js", unproven: nothingRan},
		{name: "a todo fails", command: run + "node/todo.js"},
		{name: "the parent ends early", command: run + "node/early.js", exit: 1, noSummary: "it counts the test beside its parts"},
		{name: "a test takes too long", command: run + "node/slow.js", exit: 1},
		{name: "before fails", command: run + "node/before.js", exit: 1},
		{name: "after fails", command: run + "node/after.js", exit: 1, invisible: "the report has only tests"},
		{name: "after of the file fails", command: run + "node/rootafter.js", exit: 1},
		{name: "process.exit(3)", command: run + "node/exits.js", exit: 1},
		{name: "process.exit(0)", command: run + "node/exitszero.js"},
		{name: "killed", command: run + "node/killed.js", exit: 1},
		{name: "throws after its end", command: run + "node/late.js", exit: 1},
		{name: "syntax error", command: run + "node/syntax.js node/pass.js", exit: 1},
		{name: "throws at the top", command: run + "node/throws.js", exit: 1},
		{name: "no tests in a file", command: run + "node/empty.js"},
		{name: "no such file", command: run + "absent.js", exit: 1, noReport: "it does not start"},
		{name: "no test has the name", command: run + "--test-name-pattern=nothing node/pass.js", unproven: nothingRan},
		{name: "same names in two files", command: run + "node/a/same.js node/b/same.js", exit: 1, noSummary: oneName},
		{name: "same names in one file", command: run + "node/twice.js", exit: 1, noSummary: oneName},
		{name: "same names in two groups", command: run + "node/sameingroups.js", exit: 1},
		{name: "TAP", command: tap + "node/pass.js"},
		{name: "TAP, some fail", command: tap + "node/fail.js", exit: 1},
		{name: "TAP, skipped and todo", command: tap + "node/skip.js node/todo.js"},
		{name: "a part to do fails", command: run + "node/todoparts.js", noSummary: "it counts the test beside its parts"},
		{name: "TAP, a part to do fails", command: tap + "node/todoparts.js", noSummary: "it counts the test beside its parts"},
		{name: "TAP, subtests", command: tap + "node/subtests.js", exit: 1, noSummary: "it counts the test beside its parts"},
		{name: "TAP, the parent ends early", command: tap + "node/early.js", exit: 1, noSummary: "it counts the test beside its parts"},
		{name: "TAP, after fails", command: tap + "node/after.js", exit: 1, noSummary: outside},
		{name: "TAP, process.exit(3)", command: tap + "node/exits.js", exit: 1},
		{name: "TAP, syntax error", command: tap + "node/syntax.js node/pass.js", exit: 1},
		{name: "TAP, no tests", command: tap + "--test-name-pattern=nothing node/pass.js", unproven: nothingRan},
		{name: "TAP, same names in two files", command: tap + "node/a/same.js node/b/same.js", exit: 1},
		{name: "TAP, same names in one file", command: tap + "node/twice.js", exit: 1},
	}}
}

// nodeSaid reads the spec reporter's last lines. A cancelled test did not pass; a todo does not
// count, whether it passed or failed.
func nodeSaid(t *testing.T, out output) counts {
	n := func(what string) int64 { return number(t, out, `ℹ `+what+` (\d+)`) }
	return counts{Passed: n("pass"), Failed: n("fail") + n("cancelled"), Skipped: n("skipped") + n("todo")}
}

// mochaModes are run with each of Mocha's reporters. Mocha uses only one reporter at a time, so a
// second run with the reporter json gives the summary.
func mochaModes(reporter string) []mode {
	run := func(args string) string {
		return "mocha " + reporter + " " + args + "; exit=$?; rm -f seen; mocha --reporter json --reporter-options output=said.json " + args + " >/dev/null 2>&1; exit $exit"
	}
	return []mode{
		{name: "all pass", command: run("mocha/pass.js")},
		{name: "some fail", command: run("mocha/fail.js"), exit: 2},
		{name: "--bail", command: run("--bail mocha/fail.js"), exit: 1},
		{name: "skipped", command: run("mocha/skip.js")},
		{name: "only skipped", command: run("mocha/onlyskip.js"), unproven: nothingRan},
		{name: "it.only", command: run("mocha/only.js")},
		{name: "--forbid-only", command: run("--forbid-only mocha/only.js"), exit: 1, noReport: "it does not start"},
		{name: "--forbid-pending", command: run("--forbid-pending mocha/skip.js"), exit: 3},
		{name: "retries, passes at last", command: run("mocha/flaky.js")},
		{name: "retries, never passes", command: run("mocha/never.js"), exit: 1},
		{name: "before fails", command: run("mocha/before.js"), exit: 1},
		{name: "beforeEach fails", command: run("mocha/beforeeach.js"), exit: 1},
		{name: "after fails", command: run("mocha/after.js"), exit: 1},
		{name: "afterEach fails", command: run("mocha/aftereach.js"), exit: 1},
		{name: "a test takes too long", command: run("mocha/slow.js"), exit: 1},
		{name: "process.exit(3)", command: run("mocha/exits.js"), exit: 3, noReport: "the process ends at once"},
		{name: "process.exit(0)", command: run("mocha/exitszero.js"), noReport: "the process ends at once"},
		{name: "an uncaught error", command: run("mocha/uncaught.js"), exit: 1},
		{name: "syntax error", command: run("mocha/syntax.js"), exit: 1, noReport: "it does not start"},
		{name: "no tests in a file", command: run("mocha/empty.js"), unproven: nothingRan},
		{name: "--fail-zero", command: run("--fail-zero mocha/empty.js"), exit: 1},
		{name: "no such file", command: run("absent.js"), exit: 1, noReport: "it does not start"},
		{name: "same names in one file", command: run("mocha/twice.js"), exit: 1, noSummary: oneName},
		{name: "same names in two files", command: run("mocha/a/same.js mocha/b/same.js"), exit: 1},
		{name: "--parallel", command: run("--parallel mocha/fail.js mocha/pass.js"), exit: 2},
	}
}

func mochaJUnit() subject {
	modes := mochaModes("--reporter mocha-junit-reporter --reporter-options mochaFile=report.xml")
	for i, m := range modes {
		switch m.name {
		case "skipped", "only skipped", "--forbid-pending":
			modes[i].noSummary = "the report leaves out what was skipped"
		case "--parallel":
			modes[i].exit, modes[i].noReport = 1, "this reporter cannot"
		}
	}
	return subject{tool: "Mocha 11.7.5, mocha-junit-reporter 2.2.1", files: "javascript.txtar", install: nodeTools, said: mochaSaid, modes: modes}
}

func mochaXUnit() subject {
	modes := mochaModes("--reporter xunit --reporter-options output=report.xml")
	for i, m := range modes {
		if strings.HasPrefix(m.name, "process.exit") {
			modes[i].noReport, modes[i].unreadable = "", "the file is cut off"
		}
	}
	return subject{tool: "Mocha 11.7.5, xunit", files: "javascript.txtar", install: nodeTools, said: mochaSaid, modes: modes}
}

func mochaSaid(t *testing.T, out output) counts {
	s := said[struct {
		Stats struct{ Passes, Failures, Pending int64 }
	}](t, out).Stats
	return counts{Passed: s.Passes, Failed: s.Failures, Skipped: s.Pending}
}

func vitest() subject {
	const run = "vitest run --reporter=default --reporter=junit --outputFile.junit=report.xml --reporter=json --outputFile.json=said.json "
	const outside = "it counts no failure outside of a test, its report does"
	return subject{tool: "Vitest 3.2.7", files: "vitest.txtar", install: nodeTools, said: vitestSaid, modes: []mode{
		{name: "all pass", command: run + "t/pass.js"},
		{name: "some fail", command: run + "t/fail.js", exit: 1},
		{name: "--bail=1", command: run + "--bail=1 t/fail.js", exit: 1, noSummary: "the report has a test that was not run as one that passed"},
		{name: "skipped and todo", command: run + "t/skip.js"},
		{name: "only skipped", command: run + "t/onlyskip.js", unproven: nothingRan},
		{name: "test.fails", command: run + "t/fails.js"},
		{name: "test.fails passes", command: run + "t/unexpected.js", exit: 1},
		{name: "retry, passes at last", command: run + "t/flaky.js"},
		{name: "retry, never passes", command: run + "t/never.js", exit: 1},
		{name: "repeats, one fails", command: run + "t/repeats.js", exit: 1},
		{name: "beforeAll fails", command: run + "t/beforeall.js", exit: 1, noSummary: outside},
		{name: "afterAll fails", command: run + "t/afterall.js", exit: 1, noSummary: outside},
		{name: "afterAll of the file fails", command: run + "t/afterfile.js", exit: 1, noSummary: outside},
		{name: "syntax error", command: run + "t/syntax.js t/pass.js", exit: 1, noSummary: outside},
		{name: "throws at the top", command: run + "t/throws.js", exit: 1, noSummary: outside},
		{name: "no tests in a file", command: run + "t/empty.js", exit: 1, noSummary: outside},
		{name: "no tests", command: run + "absent", exit: 1},
		{name: "--passWithNoTests", command: run + "--passWithNoTests absent", unproven: nothingRan},
		{name: "-t matches nothing", command: run + "-t nothing t/pass.js", unproven: nothingRan},
		{name: "a test takes too long", command: run + "t/slow.js", exit: 1},
		{name: "process.exit(3)", command: run + "t/exits.js", exit: 1},
		{name: "a rejection that nobody handles", command: run + "t/rejects.js", exit: 1, invisible: "the report has only tests"},
		{name: "--dangerouslyIgnoreUnhandledErrors", command: run + "--dangerouslyIgnoreUnhandledErrors t/rejects.js"},
		{name: "same names in two files", command: run + "t/a/same t/b/same", exit: 1},
		{name: "same names in one file", command: run + "t/twice.js", exit: 1, noSummary: oneName},
		{name: "two projects", command: run + "--config projects.config.js", exit: 1},
		{name: "globalSetup's teardown fails", command: run + "--config threshold.config.js", exit: 1, invisible: "the report was written before"},
		{name: "characters", command: run + "t/characters.js", exit: 1},
	}}
}

func vitestSaid(t *testing.T, out output) counts {
	s := said[struct{ NumPassedTests, NumFailedTests, NumPendingTests, NumTodoTests int64 }](t, out)
	return counts{Passed: s.NumPassedTests, Failed: s.NumFailedTests, Skipped: s.NumPendingTests + s.NumTodoTests}
}

func playwright() subject {
	const retried = "PLAYWRIGHT_JUNIT_OUTPUT_NAME=report.xml PLAYWRIGHT_JSON_OUTPUT_NAME=said.json playwright test --config retries.config.js "
	const run = "PLAYWRIGHT_JUNIT_OUTPUT_NAME=report.xml PLAYWRIGHT_JSON_OUTPUT_NAME=said.json playwright test --reporter=junit,json,line "
	return subject{tool: "Playwright 1.65.1", files: "playwright.txtar", install: nodeTools, said: playwrightSaid, modes: []mode{
		{name: "all pass", command: run + "pass.spec"},
		{name: "some fail", command: run + "fail.spec", exit: 1},
		{name: "-x", command: run + "-x fail.spec pass.spec", exit: 1},
		{name: "skipped", command: run + "t/skip.spec"},
		{name: "only skipped", command: run + "onlyskip.spec", unproven: nothingRan},
		{name: "test.fail", command: run + "t/expected.spec"},
		{name: "test.fail passes", command: run + "unexpected.spec", exit: 1},
		{name: "--retries, passes at last", command: run + "--retries 2 flaky.spec"},
		{name: "--retries, never passes", command: run + "--retries 1 fail.spec", exit: 1},
		{name: "includeRetries, passes at last", command: retried + "flaky.spec"},
		{name: "includeRetries, never passes", command: retried + "t/fail.spec", exit: 1},
		{name: "--fail-on-flaky-tests", command: run + "--retries 2 --fail-on-flaky-tests flaky.spec", exit: 1, invisible: "the report shows a test that passed at last"},
		{name: "two projects, one fails", command: run + "--config projects.config.js one.spec", exit: 1},
		{name: "two projects, the last fails", command: run + "--config projects.config.js onelast.spec", exit: 1},
		{name: "a project's dependency fails", command: run + "--config needs.config.js", exit: 1},
		{name: "beforeAll fails", command: run + "beforeall.spec", exit: 1},
		{name: "afterAll fails", command: run + "afterall.spec", exit: 1},
		{name: "serial", command: run + "serial.spec", exit: 1},
		{name: "a test takes too long", command: run + "slow.spec", exit: 1},
		{name: "process.exit(0)", command: run + "exits.spec", exit: 1},
		{name: "syntax error", command: run + "syntax.spec pass.spec", exit: 1},
		{name: "no tests in a file", command: run + "empty.spec", exit: 1},
		{name: "no tests", command: run + "absent", exit: 1},
		{name: "--pass-with-no-tests", command: run + "--pass-with-no-tests absent", unproven: nothingRan},
		{name: "--forbid-only", command: run + "--forbid-only only.spec", exit: 1},
		{name: "soft assertions", command: run + "soft.spec", exit: 1},
		{name: "--repeat-each, the first fails", command: run + "--repeat-each 2 repeat.spec", exit: 1},
		{name: "a rejection that nobody handles", command: run + "rejects.spec", exit: 1, invisible: "the report has only tests"},
		{name: "globalSetup fails", command: run + "--config setup.config.js pass.spec", exit: 1},
		{name: "globalTeardown fails", command: run + "--config teardown.config.js pass.spec", exit: 1, invisible: "the report has only tests"},
		{name: "same names in two files", command: run + "same.spec", exit: 1},
		{name: "--shard", command: run + "--shard 1/2 pass.spec fail.spec", exit: 1},
	}}
}

func playwrightSaid(t *testing.T, out output) counts {
	s := said[struct {
		Stats struct{ Expected, Unexpected, Flaky, Skipped int64 }
	}](t, out).Stats
	return counts{Passed: s.Expected + s.Flaky, Failed: s.Unexpected, Skipped: s.Skipped}
}
