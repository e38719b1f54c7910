package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/changetrail/changetrail/record"
)

// A Subject is the change in a question.
type Subject struct {
	Change string `json:"change" schema:"required,min=1,max=1024" doc:"acme/payments#4829, group/project!12, or the URL of the pull or merge request"`
}

// An Explained is the story of a change, and its repository, which may have another name now.
type Explained struct {
	Repository record.Repository
	Story      string
}

// A Story says in words what is recorded about a change.
type Story struct {
	Change string `json:"change"`
	Story  string `json:"story"`
}

func (h *handlers) explainChange(ctx context.Context, _ *mcp.CallToolRequest, in *Subject) (*Story, error) {
	id, err := record.ParseChange(in.Change)
	if err != nil {
		return nil, fmt.Errorf("change: %w", err)
	}
	if h.Explain == nil {
		return nil, errors.New("this server has no access to records. (The operator of changetrail sets store.)")
	}
	told, err := h.Explain(ctx, id)
	repo := id.Repository()
	if err == nil {
		repo = told.Repository
	}
	if h.MayRead != nil {
		if err := h.MayRead(ctx, id, repo); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return &Story{string(id), told.Story}, nil
}

// prompt teaches an agent to use the tools.
func prompt(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	task := strings.TrimSpace(req.Params.Arguments["task"])
	if task != "" {
		task = "The task: " + task + "\n\n"
	}
	return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: task + guide}}}}, nil
}

const guide = `Work so that somebody who was not there can follow, months later, why the code was changed. The tools of changetrail take it down.

1. Before you change a file, call check_authorization with the paths. Do what "next" says. Where a person must be asked, stop and ask; do not split the change to get around it.
2. If you start from a report of a scanner or of tests, state its digest (sha256 of the file) in trigger.digest and the finding in trigger.finding. If CI has not handed the report in, hand it in with attach_evidence.
3. When you have decided and before you commit, call record_decision: the trigger, every option that you weighed with the reason for or against it, the one that you chose, and the paths. Do not invent options that you did not weigh, or reasons that were not yours.
4. Read "missing" in the answer. Mend what you can and record the decision again with the same run.
5. Put the trailers of the answer at the end of the commit message, after a blank line, as they are.
6. If the decision changes later, record it again before the merge. What is recorded after the merge counts for less.`
