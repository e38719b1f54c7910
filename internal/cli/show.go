package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

func (a *app) show() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show CHANGE",
		Short: "Show the record of a change",
		Example: `  changetrail show acme/payments#4829
  changetrail show https://github.com/acme/payments/pull/4829 -o json`,
		Args:              exactlyOne("CHANGE"),
		ValidArgsFunction: a.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, x, err := a.changeIn(cmd, args[0])
			if err != nil {
				return err
			}
			defer x.close()
			doc, err := x.find(cmd.Context(), id)
			if err != nil {
				return err
			}
			if output == "json" {
				if err := doc.Indent(); err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), string(doc))
				return err
			}
			var r record.Record
			if err := json.Unmarshal(doc, &r); err != nil {
				return fmt.Errorf("the record of %s cannot be read: %w", id, err)
			}
			return printRecord(cmd.OutOrStdout(), &r)
		},
	}
	outputFlag(cmd, &output, "output format", "text", "json")
	a.storeFlags(cmd)
	return cmd
}

// find returns the newest revision of a record by any name of its repository.
func (x *store) find(ctx context.Context, id record.ChangeID) (jsontext.Value, error) {
	doc, _, err := replay.Find(ctx, x, id)
	if errors.Is(err, replay.ErrNoRecord) {
		err = x.noRecord(ctx, id)
	}
	return doc, err
}

// printRecord writes a record for people and leaves out what is not known.
func printRecord(out io.Writer, r *record.Record) error {
	w := &page{Writer: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	c, t := r.Trail.Change, r.Trail
	w.head("%s", c.ID)
	w.line("title", c.Title)
	w.line("state", c.State, at(", opened", c.OpenedAt), at(", merged", c.MergedAt), at(", closed", c.ClosedAt), at(", deployed", c.DeployedAt))
	w.line("repository", c.Naming())
	w.line("part of", string(c.PartOf))
	w.line("kind", c.Kind)
	w.line("by", c.InitiatedBy, with(" ", agentOf(r)), with(", author ", c.Author), with(", merged by ", c.MergedBy))
	w.line("commit", c.HeadSHA, with(", merged as ", c.MergeSHA))
	w.line("claimed", with("supported by claims only: ", strings.ReplaceAll(strings.Join(c.Claimed, ", "), "_", " ")))
	for _, m := range t.Masked {
		w.line("masked", fmt.Sprintf("%s %s, on %s by %s (%s); its data were %s and are %s", m.Source, m.ID, m.At.UTC().Format(time.DateOnly), m.By, strings.Join(m.Rules, ", "), m.Was, m.Is))
	}
	if t.Imported {
		w.line("imported", "some events were imported as history; whoever imported them states when they arrived")
	}
	if s := t.Service; s != nil {
		w.line("service", strings.Join(s.Names, ", "), with(", classification ", s.Classification), with(", data classes ", strings.Join(s.DataClasses, ", ")))
	}
	if t.Control != nil {
		w.line("controls", strings.Join(t.Control.Tags, " "))
		for _, c := range t.Control.Resolved {
			w.line("", c.Tag, with(" ", c.Title), ": ", cmp.Or(c.Status, controls.NotEvaluated), with(" ", evidenceOf(c.Missing)))
		}
	}
	if answers := say.Answers(r); answers != nil {
		w.head("Answers")
		for _, a := range answers {
			w.line(a.Name, a.Answer, ": ", a.Sentence)
		}
		for _, gap := range say.Gaps(r) {
			w.line("gap", gap.Name, ": ", gap.Means)
			w.line("", "do: ", gap.Advice)
		}
		for _, a := range answers {
			w.line("at merge", with(a.Name+" was ", a.AtMerge))
		}
	}
	if g := t.Trigger; g != nil {
		w.head("Trigger")
		w.line("finding", g.Finding, with(", ", g.Severity), with(" in ", g.Package), with(" ", g.Installed), with(", fixed in ", g.Fixed))
		w.line("report", reportStatus(g), with(" by ", g.Scanner), with(", sent by ", g.Source))
		w.line("digest", g.Digest)
		w.line("summary", g.Summary)
	}
	if d := t.Decision; d != nil {
		w.head("Decision")
		w.line("recorded", d.RecordedAt.Format(time.RFC3339), with(" by ", d.Agent), with(", asked by ", d.DelegatedBy))
		for _, o := range d.Options {
			w.line(o.Outcome, o.ID, with(": ", o.Title), with(" — ", o.Reason))
		}
		w.line("rationale", d.Rationale)
	}
	if v := t.Validation; v != nil {
		w.head("Validation")
		w.line("tests", v.Conclusion, fmt.Sprintf(", %d passed, %d failed, %d skipped", v.Passed, v.Failed, v.Skipped), with(" at ", v.CommitSHA))
		for _, name := range v.Failing {
			w.line("failing", name)
		}
	}
	if v := t.Review; v != nil {
		w.head("Review")
		for _, verdict := range v.Verdicts {
			w.line(verdict.Reviewer, verdict.Verdict, with(", commit ", verdict.CommitSHA), at(",", verdict.SubmittedAt), with(", ", verdict.Tier))
		}
	}
	for _, p := range t.Approvals {
		w.line("approval", p.Approver, at(",", p.GrantedAt), with(", reference ", p.Reference), with(", ", p.Tier))
	}
	for _, d := range t.Deployments {
		w.line("deployed", d.Environment, with(": ", d.Outcome), at(",", d.At), with(" by ", d.Deployer))
	}
	if n := t.Actions; n != nil {
		w.line("actions", fmt.Sprint(n.Count), with(" with the tools ", strings.Join(n.Tools, ", ")))
	}
	w.head("Revision %d, made from %d events, digest %s", t.Revision, t.Events, t.EvidenceDigest)
	return errors.Join(w.err, w.Flush())
}

// A page writes lines with a label and leaves out empty ones.
type page struct {
	*tabwriter.Writer
	err error
}

func (p *page) head(format string, args ...any) {
	if _, err := fmt.Fprintf(p, format+"\n", args...); err != nil {
		p.err = err
	}
}

func (p *page) line(label string, parts ...string) {
	if text := strings.Join(parts, ""); text != "" {
		if _, err := fmt.Fprintf(p, "  %s\t%s\n", label, strings.ReplaceAll(text, "\n", " ")); err != nil {
			p.err = err
		}
	}
}

// evidenceOf names kinds of evidence in words.
func evidenceOf(kinds []string) string {
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		words[i] = say.Evidence(kind)
	}
	return strings.Join(words, ", ")
}

func with(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func at(what string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return what + " " + t.UTC().Format("2006-01-02 15:04:05Z")
}

func agentOf(r *record.Record) string {
	if r.GenAI == nil {
		return ""
	}
	return r.GenAI.Agent.ID
}

func reportStatus(t *record.TriggerFacts) string {
	switch {
	case t.Found:
		return "received, and it contains the finding"
	case t.Held:
		return "received, and it does not contain the finding"
	case t.Request != nil:
		return fmt.Sprintf("received: %s, %s", t.Request.Kind, t.Request.Witness)
	}
	return "never received: only the agent says so"
}
