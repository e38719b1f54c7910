//go:build servers

package differential

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/changetrail/changetrail/evidence"
)

// A subject is a tool, small projects to run it on, and the modes in which it is run.
type subject struct {
	tool    string // with its version, for the table
	files   string // testdata/NAME.txtar: what each mode starts with
	install func(*testing.T) tools
	said    func(*testing.T, output) counts // the tool's own summary of a run
	modes   []mode
}

// tools says where programs were installed.
type tools struct {
	bin     []string // folders for PATH
	modules string   // node_modules, for what is written in JavaScript
	env     []string
}

// A mode is one run. The command is a line for sh, in a folder of its own; the test reads what it
// writes to report.xml and similar files, or into the folder reports.
type mode struct {
	name, command string
	exit          int
	// The report alone does not show the result of every run. Each exception has its reason.
	noReport   string // why the tool writes no report, so that there is nothing to read
	unproven   string // why the tool ends with 0 and we do not call that a success
	invisible  string // why the tool fails and its report does not show it: only who knows the exit status knows
	noSummary  string // why the tool says no counts, or others than its report
	unreadable string // why its report is refused
}

// An output is what a run printed and where it ran.
type output struct {
	dir, text string
	exit      int
}

type counts struct{ Passed, Failed, Skipped int64 }

// add counts tests by how each ended: passed, failed or skipped.
func (c counts) add(ended map[string]string) counts {
	for _, how := range ended {
		switch how {
		case "passed":
			c.Passed++
		case "failed":
			c.Failed++
		case "skipped":
			c.Skipped++
		}
	}
	return c
}

// number is the last number that the tool prints in this form.
func number(t *testing.T, out output, pattern string) int64 {
	t.Helper()
	all := regexp.MustCompile(pattern).FindAllStringSubmatch(out.text, -1)
	if len(all) == 0 {
		t.Fatalf("the tool does not say %q:\n%s", pattern, out.text)
	}
	n, err := strconv.ParseInt(all[len(all)-1][1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	nothingRan = "no test ran, which shows nothing"
	oneName    = "two tests of one name in one place may be two attempts: they count as one"
)

// A row of the table that is printed at the end.
type row struct {
	tool, mode string
	exit       int
	ours       string
	counts     counts
}

type table struct {
	sync.Mutex
	rows []row
}

func (tab *table) add(r row) {
	tab.Lock()
	defer tab.Unlock()
	tab.rows = append(tab.rows, r)
}

func (tab *table) String() string {
	slices.SortStableFunc(tab.rows, func(a, b row) int { return strings.Compare(a.tool, b.tool) })
	var b strings.Builder
	b.WriteString("| tool | mode | exit | read as | passed | failed | skipped |\n|---|---|---|---|---|---|---|\n")
	for _, r := range tab.rows {
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %d | %d | %d |\n", r.tool, r.mode, r.exit, r.ours, r.counts.Passed, r.counts.Failed, r.counts.Skipped)
	}
	return b.String()
}

// TestRunners runs each test runner in each of its modes: the report must be read as success
// exactly if the tool ended with 0, with the same counts as those of the tool.
func TestRunners(t *testing.T) {
	var tab table
	t.Run("of", func(t *testing.T) { // ends when all of its parallel tests have
		for _, s := range runners() {
			t.Run(strings.ReplaceAll(s.tool, " ", "-"), func(t *testing.T) {
				t.Parallel()
				where := s.install(t)
				for _, m := range s.modes {
					t.Run(m.name, func(t *testing.T) { tab.add(compare(t, s, m, where)) })
				}
			})
		}
	})
	t.Logf("%d modes\n%s", len(tab.rows), &tab)
}

func compare(t *testing.T, s subject, m mode, where tools) row {
	out := execute(t, s, m, where)
	if out.exit != m.exit {
		t.Errorf("%s ended with %d; it should end with %d\n%s", m.command, out.exit, m.exit, out.text)
	}
	r := row{tool: s.tool, mode: m.name, exit: out.exit}
	reports := reportsIn(t, out.dir)
	switch {
	case m.noReport != "":
		if len(reports) > 0 {
			t.Errorf("there is a report after all: %s", reports)
		}
		r.ours = "no report: " + m.noReport
		return r
	case len(reports) == 0:
		t.Fatalf("there is no report\n%s", out.text)
	}
	ours, got, err := read(reports)
	switch {
	case m.unreadable != "":
		if err == nil {
			t.Errorf("it is read after all: %s %+v", ours, got)
		}
		r.ours = "refused: " + m.unreadable
		return r
	case err != nil:
		t.Fatalf("%v\n%s", err, show(reports))
	}
	m.judge(t, out, ours, show(reports))
	if m.noSummary == "" {
		if want := s.said(t, out); got != want {
			t.Errorf("we count %+v, the tool %+v\n%s\n%s", got, want, out.text, show(reports))
		}
	}
	r.ours, r.counts = strings.TrimSuffix(ours+": "+m.unproven+m.invisible, ": "), got
	return r
}

// judge compares the conclusion that we read with how the tool ended.
func (m mode) judge(t *testing.T, out output, ours, reports string) {
	t.Helper()
	want := out.exit == 0
	if m.unproven+m.invisible != "" {
		want = !want
	}
	if (ours == "success") != want {
		t.Errorf("the tool ended with %d, we read %s\n%s\n%s", out.exit, ours, out.text, reports)
	}
}

// execute runs a mode in a new folder.
func execute(t *testing.T, s subject, m mode, where tools) output {
	t.Helper()
	dir := t.TempDir()
	if where.modules != "" { // some look for their packages next to themselves, some above the project
		dir = beside(t, where.modules)
	}
	unpack(t, filepath.Join("testdata", s.files), dir)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", m.command+"\nexit $?")
	cmd.Dir = dir
	path := strings.Join(append(where.bin, os.Getenv("PATH")), string(os.PathListSeparator))
	cmd.Env = append(os.Environ(), "PATH="+path, "CI=", "NO_COLOR=1", "PWD="+dir)
	cmd.Env = append(cmd.Env, where.env...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return output{dir: dir, text: string(text), exit: cmd.ProcessState.ExitCode()}
}

func beside(t *testing.T, path string) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(path), "run-") //nolint:usetesting // next to the tools that it uses
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func reportsIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "report*.*"))
	more, err2 := filepath.Glob(filepath.Join(dir, "reports", "*"))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return append(files, more...)
}

// read combines the reports of one run: it succeeded if one of them shows that tests passed and
// none shows a failure.
func read(reports []string) (string, counts, error) {
	var sum counts
	said := make(map[string]bool)
	for _, path := range reports {
		file, err := os.ReadFile(path)
		if err != nil {
			return "", sum, err
		}
		_, r, err := evidence.Validation(file)
		if err != nil {
			return "", sum, err
		}
		sum.Passed, sum.Failed, sum.Skipped = sum.Passed+r.Passed, sum.Failed+r.Failed, sum.Skipped+r.Skipped
		said[r.Conclusion] = true
	}
	for _, worst := range []string{"failure", "error", "success"} {
		if said[worst] {
			return worst, sum, nil
		}
	}
	return "", sum, fmt.Errorf("conclusions %v", said)
}

func show(reports []string) string {
	var b bytes.Buffer
	for _, path := range reports {
		file, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %v:\n%.3000s\n", filepath.Base(path), err, file)
	}
	return b.String()
}
