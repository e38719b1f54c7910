package evidence

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// semgrepReport is semgrep scan --json.
type semgrepReport struct {
	Version string `json:"version"`
	Results []struct {
		Check string `json:"check_id"`
		Path  string `json:"path"`
		Start struct {
			Line int `json:"line"`
		} `json:"start"`
		Extra struct {
			Message  string `json:"message"`
			Severity string `json:"severity"`
			Ignored  bool   `json:"is_ignored"`
			Metadata struct {
				Source string `json:"source"`
			} `json:"metadata"`
		} `json:"extra"`
	} `json:"results"`
	Paths struct {
		Scanned []string `json:"scanned"`
	} `json:"paths"`
}

func readSemgrep(file []byte) (Result, error) {
	r, err := decodeJSON[semgrepReport](file)
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	for _, f := range r.Results {
		if !f.Extra.Ignored {
			findings = append(findings, record.Finding{
				ID: f.Check, Title: f.Extra.Message, Severity: bySeverity(f.Extra.Severity), Path: f.Path, Line: f.Start.Line, URL: f.Extra.Metadata.Source,
			})
		}
	}
	return scanned("Semgrep OSS", r.Version, findings, len(r.Paths.Scanned) > 0)
}

// eslintFile is one file of eslint -f json.
type eslintFile struct {
	Path     string `json:"filePath"`
	Messages []struct {
		Rule     string `json:"ruleId"`
		Severity int    `json:"severity"`
		Message  string `json:"message"`
		Line     int    `json:"line"`
		Fatal    bool   `json:"fatal"`
	} `json:"messages"`
}

// readESLint reads the formats json and json-with-metadata. Every file looked
// at is listed, with messages or without.
func readESLint(file []byte) (Result, error) {
	files, err := decodeList[eslintFile](file, "results")
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	for _, f := range files {
		for _, m := range f.Messages {
			g := record.Finding{ID: m.Rule, Title: m.Message, Path: f.Path, Line: m.Line, Severity: "medium"}
			if m.Severity == 2 {
				g.Severity = "high"
			}
			if g.ID == "" { // a file that cannot be parsed, or a directive that is not needed
				g.ID = "eslint"
			}
			findings = append(findings, g)
		}
	}
	return scanned("ESLint", "", findings, len(files) > 0)
}

// staticcheckProblem is one line of staticcheck -f json.
type staticcheckProblem struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Location struct {
		File string `json:"file"`
		Line int    `json:"line"`
	} `json:"location"`
}

// readStaticcheck reads a stream. One without problems is an empty file, which
// is refused: hand in its SARIF, which says that it ran.
func readStaticcheck(file []byte) (Result, error) {
	var findings []record.Finding
	for p, err := range values[staticcheckProblem](file) {
		if err != nil {
			return Result{}, err
		}
		if p.Severity == "ignored" {
			continue
		}
		findings = append(findings, record.Finding{
			ID: p.Code, Title: p.Message, Severity: bySeverity(p.Severity), Path: p.Location.File, Line: p.Location.Line,
			URL: "https://staticcheck.dev/docs/checks/#" + p.Code,
		})
	}
	return scanned("Staticcheck", "", findings, true)
}

// lintComment is what ShellCheck (json, json1) and hadolint (json) write.
type lintComment struct {
	File    string         `json:"file"`
	Line    int            `json:"line"`
	Level   string         `json:"level"`
	Code    jsontext.Value `json:"code"` // ShellCheck's is a number, hadolint's a string
	Message string         `json:"message"`
}

// readShellCheck reads the list of -f json and the object of -f json1. Neither
// names the files that were clean.
func readShellCheck(file []byte) (Result, error) { return readComments("ShellCheck", file) }

func readHadolint(file []byte) (Result, error) { return readComments("hadolint", file) }

func readComments(tool string, file []byte) (Result, error) {
	comments, err := decodeList[lintComment](file, "comments")
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	for _, c := range comments {
		f := record.Finding{Title: c.Message, Severity: bySeverity(c.Level), Path: c.File, Line: c.Line}
		if c.Code.Kind() == '0' {
			f.ID = "SC" + string(c.Code)
		} else if err := json.Unmarshal(c.Code, &f.ID); err != nil {
			return Result{}, unreadable("%s: code %s: %v", tool, c.Code, err)
		}
		switch {
		case strings.HasPrefix(f.ID, "SC"):
			f.URL = "https://www.shellcheck.net/wiki/" + f.ID
		case strings.HasPrefix(f.ID, "DL"):
			f.URL = "https://github.com/hadolint/hadolint/wiki/" + f.ID
		}
		findings = append(findings, f)
	}
	return scanned(tool, "", findings, false)
}

// codeClimateIssue is an issue of the Code Climate format, which hadolint
// writes with a NUL after each and GitLab reads as a list.
type codeClimateIssue struct {
	Check       string `json:"check_name"`
	Description string `json:"description"`
	Severity    string `json:"severity"`
	Location    struct {
		Path  string `json:"path"`
		Lines struct {
			Begin int `json:"begin"`
		} `json:"lines"`
		Positions struct {
			Begin struct {
				Line int `json:"line"`
			} `json:"begin"`
		} `json:"positions"`
	} `json:"location"`
}

func readCodeClimate(file []byte) (Result, error) {
	var findings []record.Finding
	for i, err := range values[codeClimateIssue](file) {
		if err != nil {
			return Result{}, err
		}
		findings = append(findings, record.Finding{
			ID: i.Check, Title: i.Description, Severity: bySeverity(i.Severity), Path: i.Location.Path, Line: max(i.Location.Lines.Begin, i.Location.Positions.Begin.Line),
		})
	}
	return scanned("", "", findings, false)
}

// gitleaksLeak is an entry of gitleaks -f json.
type gitleaksLeak struct {
	Rule        string `json:"RuleID"`
	Description string `json:"Description"`
	File        string `json:"File"`
	Line        int    `json:"StartLine"`
	Commit      string `json:"Commit"`
}

// readGitleaks reads a list of leaks. What leaked is not kept.
func readGitleaks(file []byte) (Result, error) {
	leaks, err := decodeJSON[[]gitleaksLeak](file)
	if err != nil {
		return Result{}, err
	}
	var findings []record.Finding
	for _, l := range leaks {
		f := record.Finding{ID: l.Rule, Title: l.Description, Path: l.File, Line: l.Line}
		if l.Commit != "" {
			f.Path += " (commit " + l.Commit + ")"
		}
		findings = append(findings, f)
	}
	return scanned("gitleaks", "", findings, false)
}

// checkovReport is checkov -o json for one framework; for several it is a list
// of them, and for none the counts alone.
type checkovReport struct {
	Type    string `json:"check_type"`
	Results struct {
		Failed []struct {
			ID       string `json:"check_id"`
			BCID     string `json:"bc_check_id"`
			Name     string `json:"check_name"`
			Severity string `json:"severity"`
			File     string `json:"file_path"`
			Lines    []int  `json:"file_line_range"`
			URL      string `json:"guideline"`
		} `json:"failed_checks"`
	} `json:"results"`
	Summary checkovSummary `json:"summary"`
	checkovSummary
}

type checkovSummary struct {
	Passed    int    `json:"passed"`
	Resources int    `json:"resource_count"`
	Version   string `json:"checkov_version"`
}

func readCheckov(file []byte) (Result, error) {
	var findings []record.Finding
	version, looked := "", false
	reports := values[checkovReport](file)
	for r, err := range reports {
		if err != nil {
			return Result{}, err
		}
		version += r.Summary.Version
		if version == "" {
			version = r.Version
		}
		looked = looked || r.Summary.Passed+r.Summary.Resources+r.Passed+r.Resources > 0
		for _, c := range r.Results.Failed {
			f := record.Finding{
				ID: c.ID, Aliases: distinct([]string{c.BCID}), Title: c.Name, Severity: bySeverity(c.Severity), Path: c.File, URL: c.URL,
			}
			if len(c.Lines) > 0 {
				f.Line = c.Lines[0]
			}
			findings = append(findings, f)
		}
	}
	return scanned("checkov", version, findings, looked)
}
