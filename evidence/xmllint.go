package evidence

import (
	"fmt"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// checkstyleReport is the XML of Checkstyle, which many linters also write.
type checkstyleReport struct {
	Version string `xml:"version,attr"`
	Files   []struct {
		Name   string `xml:"name,attr"`
		Errors []struct {
			Line     int    `xml:"line,attr"`
			Column   int    `xml:"column,attr"`
			Severity string `xml:"severity,attr"`
			Message  string `xml:"message,attr"`
			Source   string `xml:"source,attr"`
		} `xml:"error"`
		Exceptions []string `xml:"exception"`
	} `xml:"file"`
}

// readCheckstyle reads a report. Checkstyle lists all files that it checked. Only the names of the
// rules identify the tool.
func readCheckstyle(file []byte) (Result, error) {
	r, err := readXML[checkstyleReport](file)
	if err != nil {
		return Result{}, err
	}
	s := scan{looked: len(r.Files) > 0}
	for _, f := range r.Files {
		if len(f.Exceptions) > 0 {
			s.partial(f.Name + " could not be read")
		}
		for _, e := range f.Errors {
			if e.Severity == "ignore" {
				continue
			}
			tool, rule := checkstyleRule(e.Source)
			if s.tool = orElse(s.tool, tool); tool == "Checkstyle" {
				s.version = r.Version
			}
			s.add(record.Finding{ID: orElse(rule, "unnamed"), Aliases: []string{e.Source}, Title: e.Message, Severity: bySeverity(e.Severity), Path: f.Name, Line: e.Line}, fmt.Sprint(e.Column), e.Source)
		}
	}
	return s.result()
}

// checkstyleRule returns the tool and the rule that a source names, such as
// com.puppycrawl.tools.checkstyle.checks.coding.MagicNumberCheck, ShellCheck.SC2086,
// eslint.rules.no-eval, detekt.MagicNumber.
func checkstyleRule(source string) (tool, rule string) {
	rule = source[strings.LastIndexByte(source, '.')+1:]
	switch first, _, _ := strings.Cut(source, "."); {
	case strings.HasPrefix(source, "com.puppycrawl.tools.checkstyle."):
		return "Checkstyle", rule
	case strings.EqualFold(first, "shellcheck"):
		return "ShellCheck", rule
	case strings.EqualFold(first, "eslint"):
		return "ESLint", rule
	case strings.EqualFold(first, "detekt"):
		return "detekt", rule
	}
	return "", source
}

// pmdReport is the XML of PMD
// (https://pmd.github.io/latest/pmd_userdocs_report_formats.html#xml).
type pmdReport struct {
	Version string `xml:"version,attr"`
	Files   []struct {
		Name       string `xml:"name,attr"`
		Violations []struct {
			Line      int    `xml:"beginline,attr"`
			Column    int    `xml:"begincolumn,attr"`
			EndLine   int    `xml:"endline,attr"`
			EndColumn int    `xml:"endcolumn,attr"`
			Rule      string `xml:"rule,attr"`
			RuleSet   string `xml:"ruleset,attr"`
			URL       string `xml:"externalInfoUrl,attr"`
			Priority  int    `xml:"priority,attr"`
			Text      string `xml:",chardata"`
		} `xml:"violation"`
	} `xml:"file"`
	Errors []struct {
		File    string `xml:"filename,attr"`
		Message string `xml:"msg,attr"`
	} `xml:"error"`
	ConfigErrors []struct {
		Rule string `xml:"rule,attr"`
	} `xml:"configerror"`
}

// readPMD reads a report, which does not list files without findings.
func readPMD(file []byte) (Result, error) {
	r, err := readXML[pmdReport](file)
	if err != nil {
		return Result{}, err
	}
	s := scan{tool: "PMD", version: r.Version}
	for _, e := range r.Errors {
		s.partial(e.File + ": " + e.Message)
	}
	for _, e := range r.ConfigErrors {
		s.partial("the rule " + e.Rule + " is not configured")
	}
	severities := map[int]string{1: "high", 2: "high", 3: "medium", 4: "low", 5: "low"} // as in PMD's own SARIF
	for _, f := range r.Files {
		for _, v := range f.Violations {
			s.add(record.Finding{
				ID: v.Rule, Title: strings.TrimSpace(v.Text), Severity: severities[v.Priority], Path: f.Name, Line: v.Line, URL: v.URL,
			}, fmt.Sprint(v.Column, v.EndLine, v.EndColumn), v.RuleSet)
		}
	}
	return s.result()
}

// spotbugsReport is the XML of SpotBugs and of its predecessor FindBugs
// (spotbugs/etc/bugcollection.xsd in its source).
type spotbugsReport struct {
	Version string `xml:"version,attr"`
	Bugs    []struct {
		Type     string `xml:"type,attr"`
		Priority int    `xml:"priority,attr"`
		CWE      string `xml:"cweid,attr"`
		Hash     string `xml:"instanceHash,attr"`
		Short    string `xml:"ShortMessage"`
		Long     string `xml:"LongMessage"`
		Class    struct {
			Name   string       `xml:"classname,attr"`
			Source spotbugsLine `xml:"SourceLine"`
		} `xml:"Class"`
		Method struct {
			Name      string       `xml:"name,attr"`
			Signature string       `xml:"signature,attr"`
			Source    spotbugsLine `xml:"SourceLine"`
		} `xml:"Method"`
		Field struct {
			Name string `xml:"name,attr"`
		} `xml:"Field"`
		Lines []spotbugsLine `xml:"SourceLine"`
	} `xml:"BugInstance"`
	Errors struct {
		Count int `xml:"errors,attr"`
	} `xml:"Errors"`
	Summary struct {
		Classes int `xml:"total_classes,attr"`
		Bugs    int `xml:"total_bugs,attr"`
	} `xml:"FindBugsSummary"`
}

type spotbugsLine struct {
	Path  string `xml:"sourcepath,attr"`
	Start int    `xml:"start,attr"`
	End   int    `xml:"end,attr"`
}

func readSpotBugs(file []byte) (Result, error) {
	r, err := readXML[spotbugsReport](file)
	if err != nil {
		return Result{}, err
	}
	s := scan{tool: "SpotBugs", version: r.Version, looked: r.Summary.Classes > 0}
	if r.Errors.Count > 0 {
		s.partial(fmt.Sprint(r.Errors.Count, " errors during the analysis"))
	}
	s.claims(r.Summary.Bugs, len(r.Bugs))
	severities := map[int]string{1: "high", 2: "medium", 3: "low", 4: "low", 5: "low"}
	for _, b := range r.Bugs {
		f := record.Finding{ID: b.Type, Aliases: cweNames(b.CWE), Title: orElse(b.Long, orElse(b.Short, b.Type)), Severity: severities[b.Priority]}
		for _, at := range append(b.Lines, b.Method.Source, b.Class.Source) {
			if f.Path == "" {
				f.Path, f.Line = at.Path, at.Start
			}
		}
		s.add(f, b.Class.Name, b.Method.Name, b.Method.Signature, b.Field.Name, b.Hash, fmt.Sprint(b.Lines))
	}
	return s.result()
}
