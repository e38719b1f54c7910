package evidence

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	tapVersion = regexp.MustCompile(`(?m)^TAP version \d+\s*$`)
	tapPlans   = regexp.MustCompile(`(?m)^1\.\.\d+\s*(?:#.*)?$`)
	tapPoints  = regexp.MustCompile(`(?m)^(?:not )?ok\b|^1\.\.0\b`)

	tapPlan  = regexp.MustCompile(`^1\.\.(\d+)\s*(?:#.*)?$`)
	tapPoint = regexp.MustCompile(`^(not )?ok\b\s*(\d+)?\s*(?:- )?(.*)$`)
	tapMild  = regexp.MustCompile(`(?i)#\s*(?:skip|todo)`)  // after "ok": it did not run, or does not count
	tapTodo  = regexp.MustCompile(`(?i)(?:^|\s)#\s+todo\b`) // after "not ok": the failure is expected
)

// isTAP recognizes the Test Anything Protocol (testanything.org, versions 12 to 14) by its version,
// or by a plan with points. The text output of go test has lines of "ok" but no plan.
func isTAP(file []byte) bool {
	return tapVersion.Match(file) || tapPlans.Match(file) && tapPoints.Match(file)
}

type tapTest struct {
	name    string
	verdict verdict
}

// A tapLevel has the points at one depth: of the file, or of a subtest.
type tapLevel struct {
	indent  int
	plans   int // number of plans
	planned int
	points  int
	highest int // highest number of a point
	tests   []tapTest
	inner   []tapTest // of subtests, until the point that summarizes them
}

type tapReader struct {
	run    *testRun
	files  int
	tests  int
	levels []*tapLevel
	yaml   string // the line that ends the current block
}

// readTAP counts the tests that contain no others. A point that summarizes subtests counts if it
// fails and none of them does.
func readTAP(file []byte) (Result, error) {
	r := tapReader{run: newTestRun(), levels: []*tapLevel{{}}}
	for line := range bytes.Lines(file) {
		if r.tests > maxCases || len(r.levels) > maxXMLDepth {
			return Result{}, unreadable("TAP: over %d tests, or nested deeper than %d", maxCases, maxXMLDepth)
		}
		r.see(strings.TrimRight(string(line), " \t\r\n"))
	}
	if r.yaml != "" {
		r.run.fail("it ends within a block of YAML", 1)
	}
	r.endFile()
	return r.run.result(), nil
}

func (r *tapReader) see(line string) {
	text := strings.TrimLeft(line, " ")
	indent := len(line) - len(text)
	switch {
	case r.yaml != "":
		if line == r.yaml {
			r.yaml = ""
		}
	case text == "---" && indent > 0:
		r.yaml = strings.Repeat(" ", indent) + "..."
	case strings.HasPrefix(text, "Bail out!"):
		r.run.fail(text, 1)
	case indent == 0 && tapVersion.MatchString(text):
		r.endFile()
	default:
		if m := tapPlan.FindStringSubmatch(text); m != nil {
			r.plan(r.at(indent), m[1])
		} else if m := tapPoint.FindStringSubmatch(text); m != nil {
			r.point(r.at(indent), m[1] == "", m[2], m[3])
		}
	}
}

// at returns the level of that indentation. Deeper levels end, and their tests wait for the next
// point at this level.
func (r *tapReader) at(indent int) *tapLevel {
	var inner []tapTest
	for indent < r.top().indent {
		inner = append(r.top().all(), inner...)
		r.levels = r.levels[:len(r.levels)-1]
	}
	if indent > r.top().indent {
		r.levels = append(r.levels, &tapLevel{indent: indent})
	}
	level := r.top()
	level.inner = append(level.inner, inner...)
	return level
}

func (r *tapReader) top() *tapLevel { return r.levels[len(r.levels)-1] }

func (r *tapReader) plan(level *tapLevel, number string) {
	level.plans++
	n, err := strconv.Atoi(number)
	if err != nil {
		n = -1
	}
	level.planned = n
}

func (r *tapReader) point(level *tapLevel, ok bool, number, name string) {
	level.points++
	r.tests++
	if n, err := strconv.Atoi(number); err == nil {
		level.highest = max(level.highest, n)
	}
	inner, mild := level.inner, ok && tapMild.MatchString(name) || !ok && tapTodo.MatchString(name)
	level.inner = nil
	anyFailed := false
	for i := range inner {
		if mild {
			inner[i].verdict = skipped
		}
		anyFailed = anyFailed || inner[i].verdict == failed
	}
	level.tests = append(level.tests, inner...)
	switch {
	case mild && len(inner) > 0:
	case mild:
		level.tests = append(level.tests, tapTest{name, skipped})
	case !ok && !anyFailed:
		level.tests = append(level.tests, tapTest{name, failed})
	case ok && len(inner) == 0:
		level.tests = append(level.tests, tapTest{name, passed})
	}
}

// all returns the tests of a level, with a failure if their number differs from the plan.
func (l *tapLevel) all() []tapTest {
	tests := append(l.tests, l.inner...)
	switch {
	case l.plans == 0:
		tests = append(tests, tapTest{fmt.Sprintf("%d tests ran, and there is no plan", l.points), failed})
	case l.plans > 1, l.planned != l.points, l.highest > l.points:
		tests = append(tests, tapTest{fmt.Sprintf("%d tests planned, %d ran", l.planned, l.points), failed})
	}
	return tests
}

// endFile counts the tests of a file; a report may contain several files.
func (r *tapReader) endFile() {
	level := r.at(0)
	r.levels[0] = &tapLevel{}
	if level.plans == 0 && level.points == 0 && len(level.inner) == 0 {
		return
	}
	r.files++
	for i, t := range level.all() {
		r.run.add(testID{scope: r.files, place: strconv.Itoa(i), name: t.name}, t.verdict)
	}
}
