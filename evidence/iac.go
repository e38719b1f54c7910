package evidence

import (
	"fmt"
	"strconv"

	"github.com/changetrail/changetrail/record"
)

// checkovReport is the output of checkov -o json for one framework. For several it is a list of
// them, and for none only the counts.
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
			Resource string `json:"resource"`
			URL      string `json:"guideline"`
		} `json:"failed_checks"`
		ParsingErrors []string `json:"parsing_errors"`
	} `json:"results"`
	Summary checkovSummary `json:"summary"`
	checkovSummary
}

type checkovSummary struct {
	Passed    int    `json:"passed"`
	Failed    int    `json:"failed"`
	Resources int    `json:"resource_count"`
	Version   string `json:"checkov_version"`
}

func readCheckov(file []byte) (Result, error) {
	s := scan{tool: "checkov"}
	for r, err := range streamed[checkovReport](&s, file) {
		if err != nil {
			return Result{}, err
		}
		s.version = orElse(s.version, orElse(r.Summary.Version, r.Version))
		s.looked = s.looked || r.Summary.Passed+r.Summary.Resources+r.Passed+r.Resources > 0
		s.claims(r.Summary.Failed+r.Failed, len(r.Results.Failed))
		for _, path := range r.Results.ParsingErrors {
			s.partial(path + " could not be read")
		}
		for _, c := range r.Results.Failed {
			f := record.Finding{ID: c.ID, Aliases: []string{c.BCID}, Title: c.Name, Severity: bySeverity(c.Severity), Path: c.File, URL: c.URL}
			if len(c.Lines) > 0 {
				f.Line = c.Lines[0]
			}
			s.add(f, c.Resource, fmt.Sprint(c.Lines))
		}
	}
	return s.result()
}

// tfsecReport is tfsec -f json.
type tfsecReport struct {
	Results []struct {
		ID          string   `json:"rule_id"`
		LongID      string   `json:"long_id"`
		Rule        string   `json:"rule_description"`
		Description string   `json:"description"`
		Severity    string   `json:"severity"`
		Resource    string   `json:"resource"`
		Links       []string `json:"links"`
		Passed      bool     `json:"passed"` // of versions before 1.0
		Status      string   `json:"status"` // failed (0), passed (1), ignored (2)
		Location    struct {
			File  string `json:"filename"`
			Start int    `json:"start_line"`
			End   int    `json:"end_line"`
		} `json:"location"`
	} `json:"results"`
}

// readTfsec reads a report, which does not name the files without findings.
func readTfsec(file []byte) (Result, error) {
	s := scan{tool: "tfsec"}
	r, err := parse[tfsecReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	for _, x := range r.Results {
		switch {
		case x.Passed, x.Status == "1", x.Status == "passed", x.Status == "2", x.Status == "ignored":
			continue
		}
		f := record.Finding{
			ID: orElse(x.LongID, x.ID), Aliases: []string{x.ID}, Title: orElse(x.Rule, x.Description), Severity: bySeverity(x.Severity), Path: x.Location.File, Line: x.Location.Start,
		}
		if len(x.Links) > 0 {
			f.URL = x.Links[0]
		}
		s.add(f, x.Description, x.Resource, strconv.Itoa(x.Location.End))
	}
	return s.result()
}

// kicsReport is the JSON report of KICS
// (https://docs.kics.io/latest/results/).
type kicsReport struct {
	Version string `json:"kics_version"`
	Scanned int    `json:"files_scanned"`
	Failed  int    `json:"files_failed_to_scan"`
	Broken  int    `json:"queries_failed_to_execute"`
	Total   int    `json:"total_counter"`
	Queries []struct {
		Name        string `json:"query_name"`
		ID          string `json:"query_id"`
		URL         string `json:"query_url"`
		Severity    string `json:"severity"`
		Description string `json:"description"`
		CWE         string `json:"cwe"`
		Files       []struct {
			Name       string `json:"file_name"`
			Line       int    `json:"line"`
			Similarity string `json:"similarity_id"`
			Key        string `json:"search_key"`
			Actual     string `json:"actual_value"`
		} `json:"files"`
	} `json:"queries"`
}

func readKICS(file []byte) (Result, error) {
	s := scan{tool: "KICS"}
	r, err := parse[kicsReport](&s, file)
	if err != nil {
		return Result{}, err
	}
	s.version, s.looked = r.Version, r.Scanned > 0
	if r.Failed+r.Broken > 0 {
		s.partial(strconv.Itoa(r.Failed) + " files and " + strconv.Itoa(r.Broken) + " queries failed")
	}
	s.claims(r.Total, len(r.Queries))
	for _, q := range r.Queries {
		f := record.Finding{ID: q.ID, Aliases: append([]string{q.Name}, cweNames(q.CWE)...), Title: orElse(q.Name, q.Description), URL: q.URL, Severity: bySeverity(q.Severity)}
		if len(q.Files) == 0 {
			s.add(f)
		}
		for _, at := range q.Files {
			f.Path, f.Line = at.Name, at.Line
			s.add(f, at.Similarity, at.Key, at.Actual)
		}
	}
	return s.result()
}
