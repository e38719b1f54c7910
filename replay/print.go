package replay

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/changetrail/changetrail/internal/say"
)

// Print writes the story for a terminal.
func (s *Story) Print(out io.Writer) error {
	w := bufio.NewWriter(out)
	c, t := s.Record.Trail.Change, s.Record.Trail
	fmt.Fprintf(w, "%s\n%s\n", c.ID, c.Title)
	if answers := say.Answers(s.Record); answers != nil {
		fmt.Fprintln(w)
		for _, a := range answers {
			fmt.Fprintf(w, "  %-13s %-13s %s\n", a.Name, a.Answer, a.Sentence)
		}
	}
	for _, stage := range Stages {
		fmt.Fprintf(w, "\n%s\n", strings.ToUpper(string(stage)))
		for _, step := range s.Of(stage) {
			step.print(w)
		}
	}
	if gaps := say.Gaps(s.Record); len(gaps) > 0 {
		fmt.Fprintf(w, "\nMISSING OR CONTRADICTED\n")
		for _, gap := range gaps {
			fmt.Fprintf(w, "  %-24s  %s\n  %-24s  do: %s\n", gap.Name, gap.Means, "", gap.Advice)
		}
	}
	if k := t.AtMerge; k != nil {
		fmt.Fprintf(w, "\nKNOWN AT THE MERGE\n  %d events; open then: %s\n", k.Events, orNone(strings.Join(k.Gaps, ", ")))
	}
	s.printEvents(w)
	fmt.Fprintf(w, "\nrevision %d, made from %s; digest %s\n", t.Revision, s.Count(), t.EvidenceDigest)
	return w.Flush()
}

// maxPrinted is the number of events that a terminal shows.
const maxPrinted = 50

// printEvents lists the events with both of their times.
func (s *Story) printEvents(w io.Writer) {
	fmt.Fprintf(w, "\nEVENTS, by stated time\n")
	for _, e := range s.Events[:min(len(s.Events), maxPrinted)] {
		fmt.Fprintf(w, "  %-20s  %-8s  %s\n", date(e.Stated), e.Witness, join(", ", join(": ", e.Action, e.Message), e.Lag(), brought(e)))
	}
	if more := len(s.Events) - maxPrinted; more > 0 {
		fmt.Fprintf(w, "  and %d more; --save writes all of them\n", more)
	}
}

// brought says that an event was imported, so that its arrival is only a statement.
func brought(e Event) string {
	if e.Imported {
		return "imported as history"
	}
	return ""
}

func (step Step) print(w io.Writer) {
	fmt.Fprintf(w, "  %-20s  %s\n", orDash(date(step.At)), join("  ", step.Title, step.Who, bracket(join(", ", step.Tier, step.Lag()))))
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
	for _, d := range step.Diff {
		line("", map[string]string{"added": "+ ", "removed": "- ", "kept": "  "}[d.Kind]+d.Text)
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
