package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/changetrail/changetrail/policy/whatif"
)

// How many lines a list of the text has. JSON and CSV are not cut.
const (
	whatIfTeams   = 15
	whatIfBusiest = 5
	whatIfBad     = 20
)

// writeWhatIf writes a report as a text that a manager reads.
func writeWhatIf(out io.Writer, r *whatif.Report) error {
	fmt.Fprintf(out, "Merged by agents from %s to %s UTC: %s.\n", minute(r.From), minute(r.To), changes(r.Decided))
	fmt.Fprintf(out, "What if %s? Compared with the policy that was in force at each merge (policies: %d).\n", questionInWords(r), len(r.InForceBy))
	a, b := r.InForce, r.Instead
	summary := whatIfTable{title: "Changes and requests to people", rows: []whatif.Row{
		{Name: "changes that need nobody", InForce: a.Free, Instead: b.Free},
		{Name: "changes that need a person", InForce: a.Asked, Instead: b.Asked},
		{Name: "changes that nobody can allow", InForce: a.Stopped, Instead: b.Stopped},
		{Name: "requests to people", InForce: a.Requests, Instead: b.Requests},
		{Name: "on the busiest day", InForce: a.Most, Instead: b.Most},
	}}
	busiest := slices.Clone(r.Days)
	slices.SortStableFunc(busiest, func(a, b whatif.Row) int { return cmp.Compare(b.Instead, a.Instead) })
	asked := func(rows []whatif.Row) []whatif.Row {
		return slices.DeleteFunc(slices.Clone(rows), func(x whatif.Row) bool { return x.InForce+x.Instead == 0 })
	}
	summary.write(out)
	fmt.Fprintf(out, "Requests a day: %.1f in force, %.1f what if.\n", a.ADay, b.ADay)
	whatIfTable{"Requests by class", r.Classes, 0}.write(out)
	whatIfTable{"Requests by who is asked", r.Teams, whatIfTeams}.write(out)
	whatIfTable{"Requests by hour (UTC)", asked(r.Hours), 0}.write(out)
	whatIfTable{"Busiest days", asked(busiest), whatIfBusiest}.write(out)
	writeEffects(out, r)
	return writeUndecided(out, r)
}

// A whatIfTable is a table of requests of which at most some rows are shown; 0 means all.
type whatIfTable struct {
	title string
	rows  []whatif.Row
	most  int
}

func (t whatIfTable) write(out io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	shown := t.rows
	if t.most > 0 {
		shown = shown[:min(len(shown), t.most)]
	}
	width := utf8.RuneCountInString(t.title)
	for _, x := range shown {
		width = max(width, utf8.RuneCountInString(x.Name))
	}
	fmt.Fprintf(out, "\n%-*s  in force   what if  difference\n", width, t.title)
	for _, x := range shown {
		fmt.Fprintf(out, "%-*s  %8d  %8d  %+10d\n", width, x.Name, x.InForce, x.Instead, x.Instead-x.InForce)
	}
	if left := len(t.rows) - len(shown); left > 0 {
		fmt.Fprintf(out, "and %d more; -o json lists all\n", left)
	}
}

// writeEffects writes what would have happened to bad and to other changes.
func writeEffects(out io.Writer, r *whatif.Report) {
	e := r.Bad
	fmt.Fprintf(out, "\nTurned out bad: %s.\n", changes(e.Stopped+e.Waiting+e.Seen+e.Freed+e.Same))
	bad := slices.DeleteFunc(slices.Clone(r.Changes), func(c *whatif.Change) bool { return !c.Bad() || c.Undecided != "" })
	list := func(n int, text string, of func(c *whatif.Change) bool) {
		fmt.Fprintf(out, "  %d %s\n", n, text)
		shown := 0
		for _, c := range bad {
			if !of(c) {
				continue
			}
			if shown++; shown > whatIfBad {
				fmt.Fprintf(out, "      and %d more; -o csv lists all\n", n-whatIfBad)
				return
			}
			fmt.Fprintf(out, "      %s  %s  %s: %s → %s\n", c.MergedAt.Format("2006-01-02"), c.ID, signsInWords(c), requestsInWords(c.InForce), requestsInWords(c.Instead))
		}
	}
	list(e.Stopped, "would have been stopped: nobody could have allowed them", func(c *whatif.Change) bool { return c.Effect == whatif.Stopped })
	list(e.Waiting, "would have been stopped until a person agreed; no independent person had approved them", func(c *whatif.Change) bool { return c.Effect == whatif.Asked && !c.Reviewed })
	list(e.Seen, "would have asked one more person; an independent person had approved them anyway", func(c *whatif.Change) bool { return c.Effect == whatif.Asked && c.Reviewed })
	list(e.Freed, "would have needed less than before", func(c *whatif.Change) bool { return c.Effect == whatif.Freed })
	fmt.Fprintf(out, "  %d would have needed the same\n", e.Same)
	o := r.Others
	fmt.Fprintf(out, "Nothing bad is known of %s.\n", changes(o.Stopped+o.Waiting+o.Seen+o.Freed+o.Same))
	fmt.Fprintf(out, "  %d would have been stopped\n  %d would have waited for one more person\n  %d would have waited, although an independent person had approved them anyway\n  %d would have needed less than before\n  %d would have needed the same\n",
		o.Stopped, o.Waiting, o.Seen, o.Freed, o.Same)
}

// writeUndecided writes what is not counted above.
func writeUndecided(out io.Writer, r *whatif.Report) error {
	n := len(r.Changes) - r.Decided
	if n > 0 {
		fmt.Fprintf(out, "Cannot be decided, and not counted above: %s.\n", changes(n))
	}
	for _, u := range r.Undecided {
		fmt.Fprintf(out, "  %d: %s\n", u.Changes, u.Reason)
	}
	if r.UndecidedBad > 0 {
		fmt.Fprintf(out, "  %d of them turned out bad\n", r.UndecidedBad)
	}
	_, err := fmt.Fprintf(out, "Also not counted: %s that people made, and %s of agents without a merge.\n", changes(r.People), changes(r.NotMerged))
	return err
}

// questionInWords says what is different.
func questionInWords(r *whatif.Report) string {
	var parts []string
	if r.Policy != "" {
		parts = append(parts, "the policy was "+r.Policy)
	}
	if r.Threshold != "" {
		parts = append(parts, "the threshold was "+r.Threshold)
	}
	if r.Mode != "" {
		parts = append(parts, "the mode was "+r.Mode)
	}
	return strings.Join(parts, " and ")
}

func changes(n int) string {
	if n == 1 {
		return "1 change"
	}
	return fmt.Sprintf("%d changes", n)
}
