package mcp

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// A Decision is what an agent states about its decision.
type Decision struct {
	Trigger     *record.Trigger `json:"trigger,omitempty" doc:"what made you start"`
	Options     []record.Option `json:"options,omitempty" schema:"maxitems=50" doc:"all options that you considered, including the chosen one, each with its reason"`
	Rationale   string          `json:"rationale,omitempty" schema:"max=8192" doc:"why, in a few sentences"`
	Change      string          `json:"change,omitempty" schema:"max=1024" doc:"the pull or merge request, if it is already open: acme/payments#4829, or its URL"`
	Repository  string          `json:"repository,omitempty" schema:"max=512" doc:"host/path, if no change is open yet; if omitted, the one that you work in"`
	Service     string          `json:"service,omitempty" schema:"max=256" doc:"the service that you change"`
	Paths       []string        `json:"paths,omitempty" schema:"maxitems=3000,max=1024" doc:"all files that you change"`
	Tests       string          `json:"tests,omitempty" schema:"enum=passed|failed|not-run" doc:"how the tests ended, if you ran them"`
	Agent       string          `json:"agent,omitempty" schema:"max=256" doc:"your id in the policy, if your credential does not contain it"`
	Model       string          `json:"model,omitempty" schema:"max=256" doc:"the model that you are"`
	Run         string          `json:"run,omitempty" schema:"max=256" doc:"your session; if omitted, one is generated"`
	LogsURL     string          `json:"logs_url,omitempty" schema:"max=2048" doc:"where the log of your session can be read"`
	DelegatedBy string          `json:"delegated_by,omitempty" schema:"max=256" doc:"account of the person who asked you to do it"`
}

// A Recorded is the answer to a decision.
type Recorded struct {
	Event         string         `json:"event"` // id
	Run           string         `json:"run"`
	Trailers      []string       `json:"trailers"` // lines for the end of the commit message
	Next          string         `json:"next"`
	Missing       []Missing      `json:"missing"`
	Authorization *Authorization `json:"authorization,omitempty"` // of the paths, by the policy
}

// A Missing is something that an auditor would miss.
type Missing struct {
	Gap string `json:"gap"` // its machine name, as in the record
	Why string `json:"why"`
	Do  string `json:"do"` // to mend it
}

func (h *handlers) recordDecision(ctx context.Context, req *mcp.CallToolRequest, in *Decision) (*Recorded, error) {
	agent, err := h.agent(req, in.Agent)
	if err != nil {
		return nil, err
	}
	change, repo, err := h.subject(in.Change, in.Repository)
	if err != nil {
		return nil, err
	}
	d := &record.Decision{
		Agent: record.Agent{
			ID: agent, Model: cmp.Or(in.Model, h.Model), Run: cmp.Or(in.Run, h.Run), LogsURL: cmp.Or(in.LogsURL, h.LogsURL), DelegatedBy: cmp.Or(in.DelegatedBy, h.DelegatedBy),
		},
		Trigger: in.Trigger, Options: in.Options, Rationale: in.Rationale, Service: in.Service,
	}
	if d.Agent.Run == "" {
		d.Agent.Run = "run-" + rand.Text()
	}
	if len(in.Paths) > 0 || in.Tests != "" {
		d.Claims = &record.Claims{Files: in.Paths, Tests: in.Tests}
	}
	out := &Recorded{Run: d.Agent.Run, Missing: h.missing(d, repo, change)}
	if len(in.Paths) > 0 && h.Policy != nil && h.Policy.HasRules() {
		q := policy.Request{Agent: agent, DelegatedBy: d.Agent.DelegatedBy, Repository: repo, Paths: in.Paths}
		if out.Authorization, err = h.authorize(q, in.Service); err != nil {
			return nil, err
		}
	}
	e := h.event(agent, change, repo, d)
	if err := h.Accept(ctx, e); err != nil {
		return nil, fmt.Errorf("the decision was not recorded: %w", err)
	}
	out.Event = e.ID()
	commit := hook.Commit{Agent: agent, Model: d.Agent.Model, Run: d.Agent.Run, LogsURL: d.Agent.LogsURL}
	for _, t := range commit.Trailers() {
		out.Trailers = append(out.Trailers, t.Key+": "+t.Value)
	}
	out.Next = "Put the trailers at the end of the commit message: they connect the commit with this decision."
	if len(out.Missing) > 0 {
		out.Next = "Add what is missing, and record the complete decision again with the same run: the last one before the merge counts. " + out.Next
	}
	return out, nil
}

// remedies say how an agent can close gaps of its decision.
var remedies = map[string]string{
	record.GapNoTrigger:            "State in trigger what made you start: its kind, and id, finding or url.",
	record.GapTriggerNotHeld:       "changetrail has not received the report. If the scanner's own job sends it (changetrail attach scan), you need to do nothing; otherwise use attach_evidence.",
	record.GapFindingNotStated:     "State in trigger.finding which finding in the report made you start.",
	record.GapFindingNotInReport:   "State a finding that is in the report, or the digest of the report that contains it.",
	record.GapDigestNotStated:      "State in trigger.digest the sha256 of the report that you read.",
	record.GapTriggerFromAgent:     "You sent the report yourself. It is proof only once the scanner's own job sends it.",
	record.GapNothingChosen:        "Set the outcome of one option to chosen.",
	record.GapNoAlternatives:       "Name the other options, including doing nothing, each with the reason why you did not choose it.",
	record.GapRejectionNoReason:    "Give each option that you did not choose a reason.",
	record.GapSeverityContradicted: "State the severity that the report states.",
}

// missing judges a decision as the record will after the merge, using only what was sent from here.
func (h *handlers) missing(d *record.Decision, repo record.Repository, change record.ChangeID) []Missing {
	if change == "" {
		change = record.ChangeID(string(repo) + "/pull/0") // it does not exist yet: any name works
	}
	told := record.Event{
		Sender: record.SenderAgent + d.Agent.ID, Witness: record.Signed, Source: source(d.Agent.ID), ID: "decision",
		Type: record.TypeDecisionRecorded, Repository: repo, Time: h.Now(), Fact: d,
	}
	merged := record.Event{Witness: record.Observed, ID: "merged", Type: record.TypeChangeMerged, Repository: repo, Change: change, Time: told.Time, Fact: new(record.Merged)}
	events := []record.Event{told.About(change), merged}
	h.mu.Lock()
	for i, s := range h.scans {
		events = append(events, record.Event{Sender: told.Sender, Witness: record.Claimed, Source: told.Source, ID: fmt.Sprint("scan-", i), Type: record.TypeScanCompleted, Repository: repo, Time: told.Time, Fact: s})
	}
	h.mu.Unlock()
	r := record.Fold(change, record.Gather(change, events))
	r.Judge(record.Authority{})
	out := []Missing{}
	for _, gap := range r.Trail.Gaps {
		do, mendable := remedies[gap]
		if !mendable {
			continue
		}
		out = append(out, Missing{gap, say.GapOf(r, gap).Means, do})
	}
	return out
}
