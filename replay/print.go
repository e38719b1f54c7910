package replay

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Print writes the story for people at a terminal.
func (s *Story) Print(out io.Writer) error {
	w := bufio.NewWriter(out)
	c, t := s.Record.Trail.Change, s.Record.Trail
	fmt.Fprintf(w, "%s\n%s\n", c.ID, c.Title)
	if a, why := t.Answers, t.Reasons; a != nil && why != nil {
		fmt.Fprintln(w)
		for _, q := range [][3]string{{"trigger", a.Trigger, why.Trigger}, {"alternatives", a.Alternatives, why.Alternatives}, {"authorized", a.Authorized, why.Authorized}, {"reviewed", a.Reviewed, why.Reviewed}} {
			if q[1] != "" {
				fmt.Fprintf(w, "  %-13s %-13s %s\n", q[0], q[1], q[2])
			}
		}
	}
	for _, stage := range Stages {
		fmt.Fprintf(w, "\n%s\n", strings.ToUpper(string(stage)))
		for _, step := range s.Of(stage) {
			step.print(w)
		}
	}
	if len(t.Gaps) > 0 {
		fmt.Fprintf(w, "\nMISSING OR CONTRADICTED\n  %s\n", strings.Join(t.Gaps, ", "))
	}
	for _, c := range t.Contradictions {
		fmt.Fprintf(w, "  the agent said: %s; observed: %s\n", c.Claimed, c.Observed)
	}
	if k := t.AtMerge; k != nil {
		fmt.Fprintf(w, "\nKNOWN AT THE MERGE\n  %d events; open then: %s\n", k.Events, orNone(strings.Join(k.Gaps, ", ")))
	}
	fmt.Fprintf(w, "\nrevision %d, made from %d events, %s\n", t.Revision, t.Events, t.EvidenceDigest)
	return w.Flush()
}

func (step Step) print(w io.Writer) {
	fmt.Fprintf(w, "  %-20s  %s\n", orDash(date(step.At)), join("  ", step.Title, step.Who, bracket(step.Tier)))
	line := func(label, text string) {
		for i, part := range strings.Split(text, "\n") {
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(w, "  %20s  %-14s %s\n", "", label, part)
		}
	}
	for _, o := range step.Options {
		line(o.Outcome, join(" — ", join(": ", o.ID, o.Title), o.Reason))
	}
	for _, f := range step.Facts {
		line(f.Label, f.Text)
	}
	if step.Digest != "" {
		line("evidence", step.Digest)
	}
	if step.URL != "" {
		line("at", step.URL)
	}
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return "[" + s + "]"
}

func orDash(s string) string {
	if s == "" {
		return "·"
	}
	return s
}
