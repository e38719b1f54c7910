//go:build servers

package differential

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
)

// goModes are runs of go test; the runners that wrap it use them, too.
func goModes() []mode {
	return []mode{
		{name: "all pass", command: "./pass"},
		{name: "some fail", command: "./fail", exit: 1},
		{name: "several packages", command: "./pass ./fail ./skip ./none", exit: 1},
		{name: "-failfast", command: "-failfast ./fail", exit: 1},
		{name: "skipped", command: "./skip"},
		{name: "only skipped", command: "./onlyskip", unproven: nothingRan},
		{name: "subtests", command: "./sub", exit: 1},
		{name: "-count=2, fails the first time", command: "-count=2 ./turns", exit: 1},
		{name: "-count=2, all pass", command: "-count=2 ./pass"},
		{name: "TestMain ends with 1", command: "./main", exit: 1},
		{name: "TestMain ends with 0, no test ran", command: "./mainnever", unproven: nothingRan},
		{name: "TestMain hides a failure", command: "./mainzero", unproven: "a test failed all the same"},
		{name: "TestMain panics", command: "./mainpanics", exit: 1},
		{name: "does not compile", command: "./build", exit: 1},
		{name: "does not compile, others pass", command: "./build ./pass", exit: 1},
		{name: "go vet finds something", command: "./vet ./pass", exit: 1},
		{name: "an import is missing", command: "./importing ./pass", exit: 1},
		{name: "panic", command: "./panics", exit: 1},
		{name: "panic in a subtest", command: "./panicsub", exit: 1},
		{name: "panic in a goroutine", command: "./goroutine", exit: 1},
		{name: "os.Exit(3)", command: "./exits", exit: 1},
		{name: "os.Exit(0)", command: "./exitszero", exit: 1},
		{name: "-timeout", command: "-timeout 1s ./slow", exit: 1, noSummary: "it has no line for the test that was running"},
		{name: "no test files", command: "./none", unproven: nothingRan},
		{name: "no tests in a test file", command: "./nofuncs", unproven: nothingRan},
		{name: "-run matches nothing", command: "-run Nothing ./pass", unproven: nothingRan},
		{name: "examples", command: "./example", exit: 1},
		{name: "seeds of a fuzz test", command: "./fuzz", exit: 1},
		{name: "benchmarks", command: "-bench . -benchtime 1x ./bench", exit: 1},
		{name: "benchmarks pass", command: "-bench Good -benchtime 1x ./bench"},
		{name: "-race", command: "-race ./race", exit: 1},
		{name: "cleanup fails", command: "./cleanup", exit: 1},
		{name: "output that looks like a result", command: "./prints", exit: 1, noSummary: "the test forges a line of it"},
		{name: "-cover", command: "-cover ./pass"},
		{name: "-shuffle", command: "-shuffle on ./pass"},
		{name: "no such package", command: "./absent", exit: 1},
	}
}

// goTest is go test -json, which prints only its report: its summary is taken from the output of
// the tests, which the report contains.
func goTest() subject {
	modes := goModes()
	for i, m := range modes {
		modes[i].command = "go test -json " + m.command + " >report.json"
		if m.name == "benchmarks" {
			modes[i].noSummary = "of a benchmark in a package that failed, its report does not say that it passed"
		}
	}
	return subject{tool: "go test -json", files: "go.txtar", install: func(*testing.T) tools { return tools{} }, said: goJSONSaid, modes: modes}
}

// goJSONSaid only reads the output text, from which go test derives everything else.
func goJSONSaid(t *testing.T, out output) counts {
	file, err := os.Open(filepath.Join(out.dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text strings.Builder
	for d := json.NewDecoder(file); ; {
		var line struct{ Output string }
		if err := d.Decode(&line); err != nil {
			break
		}
		text.WriteString(line.Output)
	}
	out.text = text.String()
	return goSaid(t, out)
}

var (
	goEnded   = regexp.MustCompile(`--- (PASS|FAIL|SKIP): (\S+)`)
	goTimed   = regexp.MustCompile(`^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+[\d.]+ ns/op`)
	goPackage = regexp.MustCompile(`^(FAIL|ok  )\t(\S+)`)
	again     = regexp.MustCompile(`(?m)^=== (Failed|Skipped|Errors)\n(?s:.*?)^DONE`)
)

// goSaid counts the lines of go test -v, package by package; if a package is run again, the new
// result of a test replaces the old one. A package that fails without a failed test counts as one
// failure.
func goSaid(_ *testing.T, out output) counts {
	var c counts
	packages, ended := make(map[string]map[string]string), make(map[string]string)
	for line := range strings.Lines(again.ReplaceAllString(out.text, "")) {
		if m := goEnded.FindStringSubmatch(line); m != nil {
			how := map[string]string{"PASS": "passed", "SKIP": "skipped", "FAIL": "failed"}[m[1]]
			if ended[m[2]] != "failed" { // with -count=2, a test that failed once has failed
				ended[m[2]] = how
			}
		}
		if m := goTimed.FindStringSubmatch(line); m != nil {
			ended[m[1]] = "passed"
		}
		m := goPackage.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[1] == "FAIL" && (counts{}).add(ended).Failed == 0 {
			ended["the package"] = "failed"
		}
		if packages[m[2]] == nil {
			packages[m[2]] = make(map[string]string)
		}
		maps.Copy(packages[m[2]], ended)
		clear(ended)
	}
	for _, ended := range packages {
		c = c.add(ended)
	}
	return c
}

func gotestsum() subject {
	const twice = "-count=2 writes the same of a test that failed once"
	modes := append(goModes(),
		mode{name: "--rerun-fails, passes at last", command: "--rerun-fails --packages=./flaky -- "},
		mode{name: "--rerun-fails, the only test passes at last", command: "--rerun-fails --packages=./flakyalone -- ", unproven: twice, noSummary: twice},
		mode{name: "--rerun-fails-run-root-test, passes at last", command: "--rerun-fails --rerun-fails-run-root-test --packages='./flakysub ./pass' -- "},
		mode{name: "--rerun-fails, never passes", command: "--rerun-fails --packages=./fail -- ", exit: 1},
		mode{name: "--rerun-fails, a subtest passes at last", command: "--rerun-fails --packages=./flakysub -- "},
		mode{name: "--rerun-fails, several packages", command: "--rerun-fails --packages='./flaky ./fail' -- ", exit: 1},
		mode{name: "--rerun-fails, too many fail", command: "--rerun-fails --rerun-fails-max-failures=1 --packages=./fail -- ", exit: 3},
		mode{name: "--rerun-fails with -failfast", command: "--rerun-fails --packages=./flaky -- -failfast", exit: 3, noReport: "the two do not go together"},
		mode{name: "--jsonfile, passes at last", command: "--junitfile=/dev/null --jsonfile=report.json --rerun-fails --packages='./flaky ./pass' -- "},
		mode{name: "--jsonfile, never passes", command: "--junitfile=/dev/null --jsonfile=report.json --rerun-fails --packages='./flaky ./fail' -- ", exit: 1},
		mode{name: "--junitfile-hide-empty-pkg", command: "--junitfile-hide-empty-pkg -- ./none ./pass"},
		mode{name: "--max-fails", command: "--max-fails=1 -- ./fail", exit: 3, noSummary: "it stops within the package"},
	)
	const benchmark = "a benchmark that passed is written as one that failed"
	for i, m := range modes {
		flags, args, both := strings.Cut(m.command, " -- ")
		if !both {
			flags, args = "", m.command
		}
		switch m.name {
		case "does not compile", "does not compile, others pass", "go vet finds something", "an import is missing", "no such package":
			modes[i].noSummary = "it counts errors of the compiler beside the package"
		case "benchmarks":
			modes[i].noSummary = benchmark
		case "benchmarks pass":
			modes[i].noSummary, modes[i].unproven = benchmark, benchmark
		}
		modes[i].command = "gotestsum --no-color --format=standard-verbose --junitfile=report.xml " + flags + " -- " + args
	}
	return subject{tool: "gotestsum 1.13.0", files: "go.txtar", said: goSaid, modes: modes, install: func(t *testing.T) tools {
		return tools{bin: []string{foreign.Program(t, "gotest.tools/gotestsum", "v1.13.0")}}
	}}
}
