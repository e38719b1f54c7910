package mcp

import (
	"context"
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/record"
)

// A Report is a file that an agent attaches.
type Report struct {
	Kind       string `json:"kind" schema:"required,enum=scan|tests" doc:"kind of the report: of a scanner or of a test run"`
	Path       string `json:"path,omitempty" schema:"max=4096" doc:"the file, as the tool wrote it"`
	Content    string `json:"content,omitempty" doc:"content of the file, unchanged, if this server cannot read the file"`
	Name       string `json:"name,omitempty" schema:"max=256" doc:"for tests: the name of the job"`
	Tool       string `json:"tool,omitempty" schema:"max=128" doc:"name of the scanner, if the report does not state it"`
	Commit     string `json:"commit,omitempty" schema:"format=commit" doc:"the commit that was scanned or tested"`
	Change     string `json:"change,omitempty" schema:"max=1024" doc:"the pull or merge request, if it is open: acme/payments#4829, or its URL"`
	Repository string `json:"repository,omitempty" schema:"max=512" doc:"host/path, if no change is open yet; if omitted, the one that you work in"`
	Agent      string `json:"agent,omitempty" schema:"max=256" doc:"your id in the policy, if your credential does not contain it"`
}

// An Attached describes an attached report.
type Attached struct {
	Digest     string   `json:"digest"` // for trigger.digest
	Format     string   `json:"format"`
	Findings   int      `json:"findings,omitempty"`   // of a scan
	Highest    string   `json:"highest,omitempty"`    // severity
	IDs        []string `json:"ids,omitempty"`        // of findings, the first ones
	Conclusion string   `json:"conclusion,omitempty"` // of tests
	Passed     int64    `json:"passed,omitempty"`
	Failed     int64    `json:"failed,omitempty"`
	Skipped    int64    `json:"skipped,omitempty"`
	Failing    []string `json:"failing,omitempty"` // names of tests
	Warning    string   `json:"warning,omitempty"`
}

// maxNamed bounds the findings and the tests that an answer names.
const maxNamed = 50

func (h *handlers) attachEvidence(ctx context.Context, req *mcp.CallToolRequest, in *Report) (*Attached, error) {
	agent, err := h.agent(req, in.Agent)
	if err != nil {
		return nil, err
	}
	change, repo, err := h.subject(in.Change, in.Repository)
	if err != nil {
		return nil, err
	}
	if change == "" && in.Commit == "" {
		return nil, errors.New("state in commit which commit was scanned or tested, or in change which change: evidence must name one of them")
	}
	file, err := h.file(in)
	if err != nil {
		return nil, err
	}
	fact, out, err := read(in, file)
	if err != nil {
		return nil, err
	}
	if err := h.Accept(ctx, h.event(agent, change, repo, fact)); err != nil {
		return nil, fmt.Errorf("the report was not handed in: %w", err)
	}
	if n := secrets.Reported(file); n > 0 {
		out.Warning = fmt.Sprintf("the report holds %d secrets as they are; they are hidden where it is shown and kept in the file: let the scanner redact them (gitleaks --redact), and tell the person", n)
	}
	return out, h.remember(fact)
}

func (h *handlers) file(in *Report) ([]byte, error) {
	switch {
	case (in.Path == "") == (in.Content == ""):
		return nil, errors.New("give the report either as path or as content")
	case in.Content != "":
		return []byte(in.Content), nil
	case h.ReadFile == nil:
		return nil, errors.New("path: this server runs on another machine and cannot read your files; give content")
	}
	return h.ReadFile(in.Path)
}

// read returns the fact that carries a file, and the answer about it.
func read(in *Report, file []byte) (record.Fact, *Attached, error) {
	if in.Kind == "tests" {
		v, result, err := evidence.Validation(file)
		if err != nil {
			return nil, nil, err
		}
		v.Name, v.CommitSHA = in.Name, in.Commit
		if v.Name == "" {
			v.Name = "tests"
		}
		return v, &Attached{
			Digest: v.Report.Digest, Format: result.Format, Conclusion: result.Conclusion,
			Passed: result.Passed, Failed: result.Failed, Skipped: result.Skipped, Failing: result.Failing[:min(len(result.Failing), maxNamed)],
		}, nil
	}
	s, result, err := evidence.Scan(file)
	if err != nil {
		return nil, nil, err
	}
	s.CommitSHA = in.Commit
	if in.Tool != "" {
		s.Tool.Name = in.Tool
	}
	if s.Tool.Name == "" {
		return nil, nil, fmt.Errorf("a report of format %s does not name the tool that wrote it; give tool", result.Format)
	}
	out := &Attached{Digest: s.Report.Digest, Format: result.Format, Findings: result.Summary.Findings, Highest: result.Summary.Highest}
	for _, f := range result.Findings[:min(len(result.Findings), maxNamed)] {
		out.IDs = append(out.IDs, f.ID)
	}
	return s, out, nil
}

// maxScans is how many reports are remembered, to compare decisions with them.
const maxScans = 20

func (h *handlers) remember(f record.Fact) error {
	s, ok := f.(*record.Scan)
	if !ok {
		return nil
	}
	known := *s
	if _, err := evidence.ReadScan(&known); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scans = append(h.scans, &known)
	h.scans = h.scans[max(0, len(h.scans)-maxScans):]
	return nil
}
