package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/audit"
)

func (a *app) auditPopulation() *cobra.Command {
	var p population
	var output string
	cmd := &cobra.Command{
		Use:   "population",
		Short: "List all changes of a window, and what is known about the completeness of the list",
		Long: `Lists the changes that were merged in a window of time, and checks what an auditor asks
about a list: whether every record was read, whether events were lost, refused or not
processed yet, whether numbers are missing among the events of senders that number them,
and which sources fell silent.

The text counts; csv writes one row for each change, and json everything. The digest is
the SHA-256 digest of the CSV. Times are UTC.`,
		Example: `  changetrail audit population --environment production --from 2026-09-01 --to 2026-11-29
  changetrail audit population --initiated-by agent --control pci-dss-v4.0.1:6.3.2 -o csv > population.csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := p.read(cmd, a)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				return printJSON(cmd, found)
			case "csv":
				writePopulationSummary(cmd.ErrOrStderr(), found)
				return found.WriteCSV(cmd.OutOrStdout())
			}
			return writePopulation(cmd.OutOrStdout(), found)
		},
	}
	p.flags(a, cmd)
	outputFlag(cmd, &output, "output format; csv writes one row per change, and the summary to standard error", "text", "json", "csv")
	return cmd
}

func writePopulationSummary(out io.Writer, p *audit.Population) {
	fmt.Fprintf(out, "%d %s\n", len(p.Items), p.Question)
	fmt.Fprintf(out, "Read at %s from %s.\n", p.ReadAt.Format("2006-01-02T15:04:05Z"), p.Source)
	fmt.Fprintf(out, "Digest %s\n", p.Digest)
}

// writePopulation writes the population in numbers, and what is known about its completeness.
func writePopulation(out io.Writer, p *audit.Population) error {
	writePopulationSummary(out, p)
	for _, table := range []struct {
		title  string
		counts []audit.Count
	}{
		{"By who made the change", p.By("", func(i audit.Item) []string { return []string{i.InitiatedBy} })},
		{"By agent", p.By("no agent known", func(i audit.Item) []string { return one(i.Agent) })},
		{"By service", p.By("no service known", func(i audit.Item) []string { return i.Services })},
		{"By day", p.Days()},
	} {
		writeCounts(out, table.title, table.counts)
	}
	fmt.Fprintln(out, "\nAnswers that are not proven (what was not required counts as proven)")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range p.Rates() {
		fmt.Fprintf(t, "  %s\t%d of %d\n", r.Question, r.DeviationsOf, r.Of)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nCompleteness")
	for _, c := range p.Checks {
		writeCheck(out, c)
	}
	return nil
}

func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// mostCounts is how many rows of a table are shown.
const mostCounts = 15

func writeCounts(out io.Writer, title string, counts []audit.Count) {
	if len(counts) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n", title)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range counts[:min(len(counts), mostCounts)] {
		fmt.Fprintf(t, "  %d\t  %s\n", c.N, c.Value)
	}
	_ = t.Flush() // the caller's next write fails, too
	if more := len(counts) - mostCounts; more > 0 {
		fmt.Fprintf(out, "  and %d more; -o json has all of them\n", more)
	}
}

// mostDetails is how many details of a check are shown.
const mostDetails = 8

func writeCheck(out io.Writer, c audit.Check) {
	mark := map[audit.Status]string{audit.OK: "ok", audit.Deviation: "DEVIATION", audit.NotChecked: "not known"}[c.Status]
	fmt.Fprintf(out, "  %-9s  %s: %s\n", mark, c.Name, c.Text)
	for _, d := range c.Details[:min(len(c.Details), mostDetails)] {
		fmt.Fprintf(out, "             - %s\n", d)
	}
	if more := max(c.Total, len(c.Details)) - mostDetails; more > 0 {
		fmt.Fprintf(out, "             and %d more; -o json lists them\n", more)
	}
}
