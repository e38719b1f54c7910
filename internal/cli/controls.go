package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// controls shows what the tags of the control matrix mean.
func (a *app) controls() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "controls",
		Short: "Show what each tag of the control matrix means, and which evidence it requires",
		Example: `  changetrail controls --controls controls.yaml
  changetrail controls --controls matrix.csv -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if s.Enricher.Controls == "" {
				_ = s.policyOfInstance(cmd) // without one the matrix is empty, which is reported below
			}
			_, m, err := s.policyAndControls()
			if err != nil {
				return err
			}
			resolved := m.Resolved()
			if output == "json" {
				return printJSON(cmd, resolved)
			}
			if len(resolved) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "The matrix has no controls: no change will be tagged. Give one with --controls, or enricher.controls in the configuration.")
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, c := range resolved {
				where := strings.TrimSpace(c.Framework + " " + c.Version)
				if len(c.Related) > 0 {
					where += ", see " + strings.Join(c.Related, ", ")
				}
				needs := "not evaluated: the matrix names no evidence for it"
				if len(c.Evidence) > 0 {
					needs = "requires " + strings.Join(c.Evidence, ", ")
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Tag, c.Match, where, needs)
				if c.Title != "" {
					fmt.Fprintf(w, "\t\t\t%s\n", c.Title)
				}
				if c.Note != "" {
					fmt.Fprintf(w, "\t\t\t%s\n", c.Note)
				}
				if !c.Verified && (c.Match == "exact" || c.Match == "renumbered") {
					fmt.Fprintf(w, "\t\t\tnot verified: check the number against the standard before you rely on it\n")
				}
			}
			return w.Flush()
		},
	}
	outputFlag(cmd, &output, "output format", "text", "json")
	a.flag(cmd.Flags(), "controls", "enricher.controls", "the control matrix: YAML, CSV, or an OSCAL component definition")
	return cmd
}
