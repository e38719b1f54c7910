package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/query"
)

// How much of a list the text shows. JSON and CSV are not cut.
const (
	shownFindings = 20
	shownNames    = 3
)

// kindsInWords say what the findings of a kind are.
var kindsInWords = map[string]string{
	reconcile.Dark:      "dark: merged or deployed, and never recorded",
	reconcile.Ghost:     "ghosts: recorded as merged or deployed, and in no history",
	reconcile.WrongHead: "wrong heads: recorded with another commit than the history has",
	reconcile.Rewritten: "rewritten history: the recorded merge commit is no longer in the branch",
}

func writeReconciliation(cmd *cobra.Command, r *reconcile.Report, output string) error {
	switch output {
	case "json":
		return printJSON(cmd, r)
	case "csv":
		return writeFindings(cmd.OutOrStdout(), r)
	}
	return writeReconciled(cmd.OutOrStdout(), r)
}

// writeReconciled writes a report as a text that an auditor reads: the summary first.
func writeReconciled(out io.Writer, r *reconcile.Report) error {
	what := string(r.Repository)
	if r.Branch != "" {
		what += ", branch " + r.Branch
	}
	for _, former := range r.Former {
		what += ", formerly " + former
	}
	fmt.Fprintf(out, "%s\nMerged or deployed from %s to %s UTC.\n", what, minute(r.From), minute(r.To))
	for _, s := range r.Sources {
		fmt.Fprintf(out, "Compared with: %s\n", s)
	}
	fmt.Fprintf(out, "Records of: %s\n\n", r.RecordsOf)
	writeCompared(out, r)
	fmt.Fprintf(out, "\nFindings: %d\n", len(r.Findings))
	for _, kind := range reconcile.Kinds {
		fmt.Fprintf(out, "%6d  %s%s\n", r.Counts[kind], kindsInWords[kind], byWhom(r, kind))
	}
	if r.Complete() {
		fmt.Fprintln(out, "Everything could be compared.")
	} else {
		fmt.Fprintln(out, "\nCould not be compared:")
	}
	for _, u := range r.Unchecked {
		fmt.Fprintf(out, "  - %s%s\n", u.Reason, firstOf(u.Names))
	}
	for _, kind := range reconcile.Kinds {
		writeKind(out, r, kind)
	}
	return nil
}

// writeCompared writes how much was compared.
func writeCompared(out io.Writer, r *reconcile.Report) {
	line := func(n int, text string) { fmt.Fprintf(out, "%6d  %s\n", n, text) }
	if r.Tip != "" {
		line(r.Landings, fmt.Sprintf("times the branch moved in this time (%d commits since its beginning)", r.Commits))
	}
	if r.Requests > 0 {
		line(r.Requests, "requests that the code host lists as merged in this time")
	}
	if r.Deployments > 0 {
		line(r.Deployments, "deployments in this time")
	}
	line(r.Records, "records of changes that were merged into the branch in this time")
	line(r.Matched, "of them are in the history")
	if r.Claimed > 0 {
		line(r.Claimed, "of these are merged only by the word of the sender; no code host said so")
	}
	if r.Elsewhere > 0 {
		line(r.Elsewhere, "records of changes that were merged into other branches; they are not compared")
	}
}

// byWhom says how many dark changes show an agent, and how many may belong to a recorded push.
func byWhom(r *reconcile.Report, kind string) string {
	agents, maybe, dark := 0, 0, 0
	for _, f := range r.Findings {
		if f.Kind != kind || kind != reconcile.Dark {
			continue
		}
		dark++
		if f.Agent != "" {
			agents++
		}
		if f.MayBelongTo != "" {
			maybe++
		}
	}
	if dark == 0 {
		return ""
	}
	text := fmt.Sprintf(" (%d by an agent, %d without a sign of one", agents, dark-agents)
	if maybe > 0 {
		text += fmt.Sprintf("; %d may belong to a recorded push", maybe)
	}
	return text + ")"
}

// firstOf lists the first of some names.
func firstOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	text := ": " + strings.Join(names[:min(len(names), shownNames)], ", ")
	if more := len(names) - shownNames; more > 0 {
		text += fmt.Sprintf(" and %d more; -o json lists all", more)
	}
	return text
}

func writeKind(out io.Writer, r *reconcile.Report, kind string) {
	n := 0
	for _, f := range r.Findings {
		if f.Kind != kind {
			continue
		}
		if n++; n == 1 {
			fmt.Fprintf(out, "\n%s\n", strings.ToUpper(kindsInWords[kind][:1])+kindsInWords[kind][1:])
		}
		if n > shownFindings {
			continue
		}
		at := "time unknown    "
		if !f.At.IsZero() {
			at = minute(f.At)
		}
		fmt.Fprintf(out, "  %s  %s\n", at, f.Reason)
		if detail := makerOf(&f); detail != "" {
			fmt.Fprintf(out, "                    %s\n", detail)
		}
	}
	if n > shownFindings {
		fmt.Fprintf(out, "  and %d more; -o csv lists all\n", n-shownFindings)
	}
}

// makerOf says who made what was found, and how that is known.
func makerOf(f *reconcile.Finding) string {
	var parts []string
	if f.Title != "" {
		parts = append(parts, fmt.Sprintf("%q", f.Title))
	}
	if f.Author != "" {
		parts = append(parts, "by "+f.Author)
	}
	if f.Agent != "" {
		parts = append(parts, fmt.Sprintf("agent %s (%s)", f.Agent, strings.Join(f.AgentBy, ", ")))
	}
	return strings.Join(parts, ", ")
}

// findingColumns are the columns of the rows that audit reconcile writes.
var findingColumns = []string{
	"id", "kind", "what", "at", "change", "commit", "commits", "environment", "recorded", "found", "how", "agent", "agent_by", "author", "committer", "may_belong_to", "title", "reason",
}

// writeFindings writes one row per finding, and one of the kind unchecked for each thing that could
// not be compared.
func writeFindings(out io.Writer, r *reconcile.Report) error {
	w := csv.NewWriter(out)
	rows := [][]string{findingColumns}
	for _, f := range r.Findings {
		at := ""
		if !f.At.IsZero() {
			at = f.At.Format(time.RFC3339)
		}
		rows = append(rows, []string{
			f.ID, f.Kind, f.What, at, string(f.Change), f.Commit, strings.Join(f.Commits, " "), f.Environment, f.Recorded, f.Found, f.How, f.Agent, strings.Join(f.AgentBy, ", "), f.Author, f.Committer, string(f.MayBelongTo), f.Title, f.Reason,
		})
	}
	for _, u := range r.Unchecked {
		row := make([]string, len(findingColumns))
		row[1], row[len(row)-1] = "unchecked", strings.Join(append([]string{u.Reason}, u.Names...), " ")
		rows = append(rows, row)
	}
	for _, row := range rows {
		for i := range row {
			row[i] = query.EscapeFormula(row[i])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
