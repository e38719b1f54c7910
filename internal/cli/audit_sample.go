package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/audit/sample"
	"github.com/changetrail/changetrail/internal/printable"
)

// A drawing is what the flags of audit sample say about the sample.
type drawing struct {
	size                            int
	seed                            int64
	by                              string
	take                            []string
	confidence, tolerable, expected float64
}

func (a *app) auditSample() *cobra.Command {
	var p population
	var d drawing
	var output string
	cmd := &cobra.Command{
		Use:   "sample -n SIZE --seed NUMBER",
		Short: "Draw a sample that anybody can draw again, with the four answers for each change",
		Long: `Draws a sample from a population (see audit population). The same population and the same
seed give the same sample; docs/audit.md says how to draw it again in a spreadsheet. Let
the auditor choose the seed after the population is known.

Without -n, --tolerable and --expected determine the size, as the usual tables for
attribute sampling do. --by divides the population: initiator (agent, human or unknown),
class, service or month. The strata share the sample in proportion to their sizes; --take
sets the share of one.`,
		Example: `  changetrail audit sample -n 25 --seed 4829 --environment production --by initiator --take agent=12
  changetrail audit sample --tolerable 0.05 --seed 4829 -o csv > sample.csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := d.plan(cmd)
			if err != nil {
				return usageError{fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
			}
			found, s, err := drawn(cmd, a, &p, plan)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				return printJSON(cmd, struct {
					Population *audit.Population `json:"population"`
					Sample     *audit.Sample     `json:"sample"`
				}{found, s})
			case "csv":
				writeDrawn(cmd.ErrOrStderr(), found, s)
				return s.WriteCSV(cmd.OutOrStdout())
			}
			return writeSample(cmd.OutOrStdout(), found, s)
		},
	}
	p.flags(a, cmd)
	d.flags(cmd)
	outputFlag(cmd, &output, "output format; csv writes one row per change of the sample, and the summary to standard error", "text", "json", "csv")
	return cmd
}

func (d *drawing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVarP(&d.size, "size", "n", 0, "how many changes are drawn")
	f.Int64Var(&d.seed, "seed", 0, fmt.Sprintf("number from 1 to %d that determines the sample", int64(sample.MaxSeed)))
	f.StringVar(&d.by, "by", "", "divide the population by "+strings.Join(audit.Strata(), ", "))
	f.StringSliceVar(&d.take, "take", nil, "how many changes of a stratum are drawn, such as agent=12")
	f.Float64Var(&d.confidence, "confidence", 0.95, "confidence of the upper limits, and of the size")
	f.Float64Var(&d.tolerable, "tolerable", 0, "the highest rate of deviations that is acceptable, such as 0.05; determines the size if -n does not")
	f.Float64Var(&d.expected, "expected", 0, "the rate of deviations that is expected, such as 0.01")
	complete(cmd, "by", audit.Strata())
}

// drawn reads the population and draws the sample.
func drawn(cmd *cobra.Command, a *app, p *population, plan audit.Plan) (*audit.Population, *audit.Sample, error) {
	found, err := p.read(cmd, a)
	if err != nil {
		return nil, nil, err
	}
	s, err := found.Draw(plan)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
	}
	return found, s, nil
}

// plan returns the plan that the flags describe.
func (d drawing) plan(cmd *cobra.Command) (audit.Plan, error) {
	plan := audit.Plan{Size: d.size, Seed: d.seed, By: d.by, Confidence: d.confidence, Take: make(map[string]int)}
	if !cmd.Flags().Changed("seed") {
		return plan, errors.New("name a --seed, so that the sample can be drawn again; let the auditor choose it")
	}
	switch sized := cmd.Flags().Changed("tolerable"); {
	case sized && d.size != 0:
		return plan, errors.New("-n and --tolerable both determine the size; leave out one")
	case sized:
		sized, err := sample.PlanFor(d.confidence, d.tolerable, d.expected)
		if err != nil {
			return plan, err
		}
		plan.Size, plan.Acceptable = sized.Size, &sized.Acceptable
	case d.size == 0:
		return plan, errors.New("say how many changes with -n, such as -n 25, or the highest acceptable rate with --tolerable, such as --tolerable 0.05")
	}
	for _, t := range d.take {
		name, number, ok := strings.Cut(t, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || d.by == "" {
			return plan, fmt.Errorf("--take %s: write a stratum and a number, such as agent=12, and name what divides the population with --by", t)
		}
		plan.Take[name] = n
	}
	return plan, nil
}

// writeDrawn says how the sample was drawn.
func writeDrawn(out io.Writer, p *audit.Population, s *audit.Sample) {
	writePopulationSummary(out, p)
	fmt.Fprintf(out, "\nA sample of %d, drawn with the seed %d\n", len(s.Items), s.Plan.Seed)
	for _, stratum := range s.Strata {
		fmt.Fprintf(out, "  %s: %d of %d, numbers %s\n", stratum.Name, stratum.Taken, stratum.Size, numbers(stratum.Drawn))
	}
	for _, c := range p.Checks {
		if c.Status != audit.OK {
			writeCheck(out, c)
		}
	}
}

func numbers(of []int) string {
	var out []string
	for _, n := range of {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, " ")
}

// writeSample writes the sample with the four answers for each change.
func writeSample(out io.Writer, p *audit.Population, s *audit.Sample) error {
	writeDrawn(out, p, s)
	fmt.Fprintf(out, "\nAnswers that are not proven, and the upper limit of their rate in the population (confidence %g)\n", s.Plan.Confidence)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range s.Rates {
		if r.Of == 0 {
			continue
		}
		fmt.Fprintf(t, "  %s\t%d of %d\tat most %.1f %%\t%s\n", r.Question, r.Deviations, r.Tested, r.Limit*100, verdictOf(r, s.Plan))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for n, i := range s.Items {
		writeItem(out, n+1, i)
	}
	return nil
}

// verdictOf says whether a rate supports the plan that determined the size.
func verdictOf(r audit.Rate, plan audit.Plan) string {
	switch {
	case plan.Acceptable == nil:
		return ""
	case r.Deviations <= *plan.Acceptable:
		return fmt.Sprintf("acceptable: at most %d", *plan.Acceptable)
	}
	return fmt.Sprintf("not acceptable: more than %d", *plan.Acceptable)
}

func writeItem(out io.Writer, n int, i audit.Item) {
	by := "by " + i.InitiatedBy
	if i.Agent != "" {
		by = "by agent " + i.Agent
	} else if i.Author != "" {
		by += " " + i.Author
	}
	fmt.Fprintf(out, "\n%d. %s (number %d)\n", n, i.Change, i.Number)
	if i.Title != "" {
		fmt.Fprintf(out, "   %s\n", printable.Line(i.Title))
	}
	fmt.Fprintf(out, "   merged %s %s; %s; %s\n", i.MergedAt.Format("2006-01-02 15:04:05Z"), by, cmp.Or(strings.Join(i.Services, ", "), "no service known"), cmp.Or(i.Class, "no classification"))
	reasons := map[string]string{"trigger": i.Reasons.Trigger, "alternatives": i.Reasons.Alternatives, "authorized": i.Reasons.Authorized, "reviewed": i.Reasons.Reviewed}
	for _, question := range audit.Questions {
		if answer := i.Answer(question); answer != "" {
			fmt.Fprintf(out, "   %-12s  %-12s  %s\n", question, answer, reasons[question])
		}
	}
	if len(i.Gaps) > 0 {
		fmt.Fprintf(out, "   gaps: %s\n", strings.Join(i.Gaps, ", "))
	}
}
