//go:build servers

package evidence

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
)

// A runner is a run of a test runner: what it writes is read as how it exits.
type runner struct {
	command, report string
	files           map[string]string
	want            string // the conclusion; by the exit code where empty
}

// holdAgainst runs the tool in a folder with those files and compares.
func (c runner) holdAgainst(t *testing.T, dir string) {
	t.Helper()
	for name, text := range c.files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, text)
	}
	cmd := exec.Command("sh", "-c", c.command)
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r, readErr := Read(file(t, filepath.Join(dir, c.report)))
	want := c.want
	if want == "" && err == nil {
		want = "success"
	} else if want == "" {
		want = "failure"
	}
	if readErr != nil || r.Conclusion != want || len(r.Partial) > 0 {
		t.Errorf("%s, want %s: %v %v %v\n%s", reading(r, readErr), want, r.Failing, r.Partial, readErr, said)
	}
}

// TestRunnersOfPython runs pytest and its plugin that runs tests again.
func TestRunnersOfPython(t *testing.T) {
	pytest := foreign.Python(t, "pytest==9.1.1", "pytest-rerunfailures==16.1", "behave==1.3.3") + "/"
	const flaky = "n = 0\ndef test_flaky():\n    global n\n    n += 1\n    assert n > %d\ndef test_fine(): pass\n"
	const fixture = "import pytest\n@pytest.fixture\ndef bad():\n    yield 1\n    raise RuntimeError\n"
	for name, c := range map[string]runner{
		"one passes after two":  {command: pytest + "pytest --reruns 2 --junitxml=r.xml", files: map[string]string{"test_a.py": fmt.Sprintf(flaky, 2)}},
		"one never passes":      {command: pytest + "pytest --reruns 2 --junitxml=r.xml", files: map[string]string{"test_a.py": fmt.Sprintf(flaky, 9)}},
		"the clean-up fails":    {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": fixture + "def test_a(bad): pass\n"}},
		"both fail":             {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": fixture + "def test_a(bad): assert 0\n"}},
		"a file does not load":  {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": "import nothing_like_it\n", "test_b.py": "def test_b(): pass\n"}},
		"two classes, one name": {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": "class TestA:\n    def test_x(self): assert 0\nclass TestB:\n    def test_x(self): pass\n"}},
		"parameters in bytes":   {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": "import pytest\n@pytest.mark.parametrize('x', ['\\x1b[31m', '\\x00', 'ä', '\\ud83d'])\ndef test_x(x): assert x != 'ä'\n"}},
		"expected to fail":      {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": "import pytest\n@pytest.mark.xfail\ndef test_x(): assert 0\ndef test_y(): pass\n"}},
		"passes against hope":   {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_x(): pass\n"}},
		"subtests":              {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"test_a.py": "def test_x(subtests):\n    for i in range(3):\n        with subtests.test(i=i): assert i != 1\n"}},
		"no tests":              {command: pytest + "pytest --junitxml=r.xml", files: map[string]string{"a.py": ""}, want: "error"},
		"behave, undefined": {command: pytest + "behave --junit", report: "reports/TESTS-a.xml", files: map[string]string{
			"features/a.feature": "Feature: f\n  Scenario: s\n    Given nothing\n", "features/steps/a.py": "",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.report == "" {
				c.report = "r.xml"
			}
			c.holdAgainst(t, t.TempDir())
		})
	}
}

// TestRunnersOfGo runs go test -json and gotestsum, which runs tests again.
func TestRunnersOfGo(t *testing.T) {
	const gotestsum = "go run gotest.tools/gotestsum@v1.13.0 --junitfile r.xml --jsonfile r.json "
	const head = "package till\nimport (\"os\"; \"testing\"; \"time\")\nvar _, _ = os.Args, time.Now\n"
	const flaky = head + "func TestFlaky(t *testing.T) { if _, err := os.Stat(\"mark\"); err != nil { os.WriteFile(\"mark\", nil, 0o600); t.Fatal() } }\n"
	const sub = "func TestSub(t *testing.T) { t.Run(\"a\", func(t *testing.T) {}); t.Run(\"b\", func(t *testing.T) { if _, err := os.Stat(\"mark2\"); err != nil { os.WriteFile(\"mark2\", nil, 0o600); t.Fatal() } }) }\n"
	const fine = "func TestFine(t *testing.T) {}\n"
	for name, c := range map[string]struct {
		command, test string
		want          string
	}{
		"all pass":                    {"go test -json ./... > r.json", head + fine, ""},
		"TestMain ends badly":         {"go test -json ./... > r.json", head + fine + "func TestMain(m *testing.M) { m.Run(); os.Exit(1) }", ""},
		"TestMain never runs them":    {"go test -json ./... > r.json", head + fine + "func TestMain(m *testing.M) { os.Exit(3) }", ""},
		"it does not build":           {"go test -json ./... > r.json", head + "func TestX(t *testing.T) { x }", ""},
		"vet says no":                 {"go test -json ./... > r.json", head + "func TestX(t *testing.T) { t.Logf(\"%d\", \"x\") }", ""},
		"a panic":                     {"go test -json ./... > r.json", head + fine + "func TestX(t *testing.T) { panic(1) }", ""},
		"a panic beside the tests":    {"go test -json ./... > r.json", head + "func TestX(t *testing.T) { go func() { panic(1) }(); time.Sleep(time.Second) }", ""},
		"time is up":                  {"go test -timeout 100ms -json ./... > r.json", head + fine + "func TestX(t *testing.T) { time.Sleep(time.Minute) }", ""},
		"twice, failed once":          {"go test -count=2 -json ./... > r.json", flaky + fine, ""},
		"a benchmark fails":           {"go test -bench . -json ./... > r.json", head + fine + "func BenchmarkX(b *testing.B) { b.Fatal() }\nfunc BenchmarkY(b *testing.B) {}", ""},
		"a benchmark":                 {"go test -bench . -json ./... > r.json", head + fine + "func BenchmarkX(b *testing.B) { b.Log(1) }", ""},
		"gotestsum, failed":           {gotestsum, flaky + fine, ""},
		"gotestsum, twice":            {gotestsum + "-- -count=2 ./...", flaky + fine, ""},
		"gotestsum, run again":        {gotestsum + "--rerun-fails --packages ./...", flaky + sub + fine, ""},
		"gotestsum, the roots":        {gotestsum + "--rerun-fails --rerun-fails-run-root-test --packages ./...", flaky + sub + fine, ""},
		"gotestsum, again in vain":    {gotestsum + "--rerun-fails --packages ./...", head + fine + "func TestX(t *testing.T) { t.Fatal() }", ""},
		"gotestsum, TestMain":         {gotestsum, head + fine + "func TestMain(m *testing.M) { m.Run(); os.Exit(1) }", ""},
		"gotestsum, does not build":   {gotestsum, head + "func TestX(t *testing.T) { x }", ""},
		"gotestsum, one test, flaky":  {gotestsum + "--rerun-fails --packages ./...", flaky, "failure"}, // as of -count=2: in doubt it failed
		"gotestsum, a panic":          {gotestsum + "--rerun-fails --packages ./...", head + fine + "func TestX(t *testing.T) { panic(1) }", ""},
		"gotestsum, all of them pass": {gotestsum, head + fine, ""},
	} {
		reports := []string{"r.json"}
		if strings.HasPrefix(c.command, gotestsum) {
			reports = append(reports, "r.xml")
		}
		for _, report := range reports {
			t.Run(name+" "+report, func(t *testing.T) {
				runner{command: c.command, report: report, want: c.want, files: map[string]string{"go.mod": "module example.com/till\ngo 1.26\n", "a_test.go": c.test}}.holdAgainst(t, t.TempDir())
			})
		}
	}
}

// TestRunnersOfNode runs those of JavaScript, with one name in two files and in
// two browsers' projects.
func TestRunnersOfNode(t *testing.T) {
	modules := foreign.Node(t, "@playwright/test@1.65.1", "jest@30.5.2", "jest-junit@17.0.0", "mocha@11.7.5", "mocha-junit-reporter@2.2.1")
	const playwright = "const { test, expect } = require('@playwright/test');\ntest('pays', async ({}, info) => { expect(%s).toBe(true); });\ntest('fine', async () => {});\ntest.skip('later', async () => {});\n"
	const config = "module.exports = { testDir: '.', retries: 1, projects: [{name:'firefox'},{name:'chromium'}], reporter: [['junit', {outputFile: 'r.xml', includeRetries: !!process.env.RETRIES}]] };\n"
	const passes, fails = "%s('pays', () => {});\n", "%s('pays', () => { throw new Error('\\u001b[31mno'); });\n"
	const node = "const test = require('node:test');\n"
	const hook = "const { describe, it, after } = require('node:test');\ndescribe('s', () => { it('a', () => {}); after(() => { throw new Error('x') }) });\n"
	for name, c := range map[string]runner{
		"Playwright, one browser fails":       {command: "npx playwright test", files: map[string]string{"a.spec.js": fmt.Sprintf(playwright, "info.project.name === 'chromium'"), "playwright.config.js": config}},
		"Playwright, flaky":                   {command: "npx playwright test", files: map[string]string{"a.spec.js": fmt.Sprintf(playwright, "info.retry === 1"), "playwright.config.js": config}},
		"Playwright, flaky, with the retries": {command: "RETRIES=1 npx playwright test", files: map[string]string{"a.spec.js": fmt.Sprintf(playwright, "info.retry === 1"), "playwright.config.js": config}},
		"Playwright, in vain, with them":      {command: "RETRIES=1 npx playwright test", files: map[string]string{"a.spec.js": fmt.Sprintf(playwright, "false"), "playwright.config.js": config}},
		"jest, one name in two files":         {command: "npx jest --reporters=jest-junit; code=$?; mv junit.xml r.xml; exit $code", files: map[string]string{"a.test.js": fmt.Sprintf(passes, "test"), "b.test.js": fmt.Sprintf(fails, "test"), "package.json": "{}"}},
		"jest, a file does not load":          {command: "JEST_JUNIT_REPORT_TEST_SUITE_ERRORS=true npx jest --reporters=jest-junit; code=$?; mv junit.xml r.xml; exit $code", files: map[string]string{"a.test.js": fmt.Sprintf(passes, "test"), "b.test.js": "nothing()", "package.json": "{}"}},
		"mocha, one name in two files":        {command: "npx mocha --reporter mocha-junit-reporter --reporter-options mochaFile=r.xml a.js b.js", files: map[string]string{"a.js": fmt.Sprintf(fails, "it"), "b.js": fmt.Sprintf(passes, "it")}},
		"mocha, a hook fails":                 {command: "npx mocha --reporter mocha-junit-reporter --reporter-options mochaFile=r.xml a.js", files: map[string]string{"a.js": fmt.Sprintf(passes, "it") + "after(() => { throw new Error('x') });\n"}},
		"node, JUnit":                         {command: "node --test --test-reporter=junit a.test.js > r.xml", files: map[string]string{"a.test.js": node + fmt.Sprintf(fails, "test") + fmt.Sprintf(passes, "test")}},
		"node, TAP":                           {command: "node --test --test-reporter=tap a.test.js > r.xml", files: map[string]string{"a.test.js": node + fmt.Sprintf(fails, "test") + fmt.Sprintf(passes, "test")}},
		"node, TAP with subtests to do":       {command: "node --test --test-reporter=tap a.test.js > r.xml", files: map[string]string{"a.test.js": node + "test('a', async t => { await t.test('b', {todo: true}, () => { throw 1 }); await t.test('c', () => {}) });\n"}},
		"node, a hook fails":                  {command: "node --test --test-reporter=tap a.test.js > r.xml", files: map[string]string{"a.test.js": hook}}, // JUnit of node does not say so
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			c.report = "r.xml"
			c.holdAgainst(t, dir)
		})
	}
}

// TestTAPAgainstProve holds made-up TAP against prove, the harness of those who
// made the protocol: what prove does not pass is no success.
func TestTAPAgainstProve(t *testing.T) {
	if _, err := exec.LookPath("prove"); err != nil {
		t.Fatal("install perl, which brings prove")
	}
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	agreed := 0
	for i := range 400 {
		text := madeTAP(rnd)
		write(t, dir, "a.tap", text)
		passes := exec.Command("prove", "-q", "--exec", "cat", filepath.Join(dir, "a.tap")).Run() == nil
		r, err := Read([]byte(text))
		green := err == nil && r.Conclusion == "success"
		switch {
		case green && !passes:
			t.Fatalf("%d: a success, and prove says no:\n%s", i, text)
		case passes && err == nil && r.Conclusion == "failure":
			t.Fatalf("%d: a failure (%v), and prove says yes:\n%s", i, r.Failing, text)
		case green:
			agreed++
		}
	}
	if agreed < 20 {
		t.Errorf("only %d of them passed", agreed)
	}
}

// madeTAP writes a file that is often right and sometimes a little wrong.
func madeTAP(rnd *rand.Rand) string {
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	n := rnd.IntN(4)
	plan := fmt.Sprintf("1..%d\n", max(0, n+[]int{0, 0, 0, 0, 1, -1}[rnd.IntN(6)]))
	text := pick("TAP version 13\n", "")
	first := rnd.IntN(2) == 0
	if first {
		text += plan
	}
	for i := range n {
		text += pick("ok", "ok", "ok", "ok", "ok", "not ok") + pick(fmt.Sprintf(" %d", i+1), "") + pick("", " - a", " a") +
			pick("", "", " # SKIP x", " # TODO y") + "\n" + pick("", "", "# said\n", "  ---\n  k: not ok\n  ...\n")
	}
	if !first {
		text += plan
	}
	return text + pick("", "", "", "", "", "Bail out!\n")
}
