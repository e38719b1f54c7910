package evidence

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// semgrepReport is semgrep scan --json.
type semgrepReport struct {
	Version string `json:"version"`
	Results []struct {
		Check string   `json:"check_id"`
		Path  string   `json:"path"`
		Start position `json:"start"`
		End   position `json:"end"`
		Extra struct {
			Message  string `json:"message"`
			Severity string `json:"severity"`
			Ignored  bool   `json:"is_ignored"`
			Metadata struct {
				Source string         `json:"source"`
				CWE    jsontext.Value `json:"cwe"` // a text or a list
			} `json:"metadata"`
		} `json:"extra"`
	} `json:"results"`
	Paths struct {
		Scanned []string `json:"scanned"`
	} `json:"paths"`
	Errors []struct {
		Type    jsontext.Value `json:"type"`
		Message string         `json:"message"`
	} `json:"errors"`
	SkippedRules []jsontext.Value `json:"skipped_rules"`
}

// A position is a place within a file.
type position struct {
	Line   int `json:"line"`
	Column int `json:"col"`
}

// readSemgrep reads a report. Old ones do not name the scanned paths. A report with errors did not
// scan everything.
func readSemgrep(file []byte) (Result, error) {
	s := scan{tool: "Semgrep OSS"}
	r, err := parse[semgrepReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.version, s.looked = r.Version, len(r.Paths.Scanned) > 0
	for _, e := range r.Errors {
		s.partial("semgrep reports an error: " + orElse(e.Message, string(e.Type)))
	}
	if len(r.SkippedRules) > 0 {
		s.partial("semgrep skipped " + strconv.Itoa(len(r.SkippedRules)) + " rules")
	}
	for _, f := range r.Results {
		if !f.Extra.Ignored {
			s.add(record.Finding{
				ID: f.Check, Aliases: weaknesses(string(f.Extra.Metadata.CWE)), Title: f.Extra.Message, Severity: bySeverity(f.Extra.Severity), Path: f.Path, Line: f.Start.Line, URL: f.Extra.Metadata.Source,
			}, fmt.Sprint(f.Start, f.End))
		}
	}
	return s.result()
}

// eslintFile is one file of eslint -f json.
type eslintFile struct {
	Path     string `json:"filePath"`
	Messages []struct {
		Rule     string `json:"ruleId"`
		Severity int    `json:"severity"`
		Message  string `json:"message"`
		Line     int    `json:"line"`
		Column   int    `json:"column"`
		EndLine  int    `json:"endLine"`
		EndCol   int    `json:"endColumn"`
		Fatal    bool   `json:"fatal"`
	} `json:"messages"`
}

// readESLint reads the formats json and json-with-metadata. They list every checked file, with or
// without messages.
func readESLint(file []byte) (Result, error) {
	s := scan{tool: "ESLint"}
	files, err := listIn[eslintFile](&s, file, "results")
	if err != nil {
		return Result{}, err
	}
	for _, f := range files {
		s.looked = s.looked || f.Path != ""
		for _, m := range f.Messages {
			g := record.Finding{ID: orElse(m.Rule, "eslint"), Title: m.Message, Path: f.Path, Line: m.Line, Severity: "medium"}
			if m.Severity == 2 || m.Fatal {
				g.Severity = "high"
			}
			if m.Fatal {
				s.partial(f.Path + " could not be read")
			}
			s.add(g, fmt.Sprint(m.Column, m.EndLine, m.EndCol))
		}
	}
	return s.result()
}

// staticcheckProblem is one line of staticcheck -f json.
type staticcheckProblem struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Location struct {
		File   string `json:"file"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
	} `json:"location"`
}

// readStaticcheck reads a stream. A stream without problems is an empty file, which is refused; its
// SARIF output says that it ran.
func readStaticcheck(file []byte) (Result, error) {
	s := scan{tool: "Staticcheck", looked: true}
	for p, err := range streamed[staticcheckProblem](&s, file) {
		if err != nil {
			return Result{}, err
		}
		if p.Severity == "ignored" {
			continue
		}
		if p.Code == "compile" {
			s.partial("a package does not compile: " + p.Message)
		}
		s.add(record.Finding{
			ID: p.Code, Title: p.Message, Severity: bySeverity(p.Severity), Path: p.Location.File, Line: p.Location.Line,
			URL: "https://staticcheck.dev/docs/checks/#" + p.Code,
		}, strconv.Itoa(p.Location.Column))
	}
	return s.result()
}

// lintComment is what ShellCheck (json, json1) and hadolint (json) write.
type lintComment struct {
	File    string         `json:"file"`
	Line    int            `json:"line"`
	Column  int            `json:"column"`
	EndLine int            `json:"endLine"`
	EndCol  int            `json:"endColumn"`
	Level   string         `json:"level"`
	Code    jsontext.Value `json:"code"` // ShellCheck's is a number, hadolint's a string
	Message string         `json:"message"`
}

// readShellCheck reads the list of -f json and the object of -f json1. Neither names the files
// without findings.
func readShellCheck(file []byte) (Result, error) { return readComments("ShellCheck", file) }

func readHadolint(file []byte) (Result, error) { return readComments("hadolint", file) }

func readComments(tool string, file []byte) (Result, error) {
	s := scan{tool: tool}
	comments, err := listIn[lintComment](&s, file, "comments")
	if err != nil {
		return Result{}, err
	}
	for _, c := range comments {
		f := record.Finding{Title: c.Message, Severity: bySeverity(c.Level), Path: c.File, Line: c.Line}
		switch c.Code.Kind() {
		case '0':
			f.ID = "SC" + string(c.Code)
		case '"':
			if err := json.Unmarshal(c.Code, &f.ID, lenient); err != nil {
				return Result{}, unreadable("%s: code %s: %v", tool, c.Code, err)
			}
		}
		switch {
		case strings.HasPrefix(f.ID, "SC"):
			f.URL = "https://www.shellcheck.net/wiki/" + f.ID
		case strings.HasPrefix(f.ID, "DL"):
			f.URL = "https://github.com/hadolint/hadolint/wiki/" + f.ID
		}
		s.add(f, fmt.Sprint(c.Column, c.EndLine, c.EndCol))
	}
	return s.result()
}
