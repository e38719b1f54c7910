package cli

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/replay"
)

func (a *app) replay() *cobra.Command {
	var dir, check string
	cmd := &cobra.Command{
		Use:   "replay CHANGE",
		Short: "Show the story of a change: saw, decided, did, validated, approved, merged, deployed",
		Long: `Shows the story of a change with its evidence. --save writes the record, the events and
every stored report and log to a folder, with a manifest of digests, and verifies what
it wrote. --check verifies such a folder again, at any time and offline.`,
		Example: `  changetrail replay acme/payments#4829
  changetrail replay acme/payments#4829 --save evidence/pr-4829
  changetrail replay --check evidence/pr-4829`,
		Args: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return noArgs(cmd, args)
			}
			return exactlyOne("CHANGE")(cmd, args)
		},
		ValidArgsFunction: a.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return checkSaved(cmd, check)
			}
			id, x, err := a.changeIn(cmd, args[0])
			if err != nil {
				return err
			}
			defer x.close()
			story, err := replay.Load(cmd.Context(), x, id)
			if err != nil {
				return err
			}
			if dir == "" {
				return story.Print(cmd.OutOrStdout())
			}
			if _, err := story.Save(cmd.Context(), dir, x.files, time.Now()); err != nil {
				return err
			}
			return checkSaved(cmd, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "save", "", "write all evidence to this folder, with a manifest of digests")
	cmd.Flags().StringVar(&check, "check", "", "verify a folder that --save wrote")
	a.storeFlags(cmd)
	return cmd
}

// checkSaved verifies what was saved, and lists it.
func checkSaved(cmd *cobra.Command, dir string) error {
	root, err := os.OpenRoot(dir) // no link may lead out of a folder that others saved
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	m, err := replay.Check(root.FS())
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, f := range m.Files {
		fmt.Fprintf(w, "  ok\t%s\t%d bytes\t%s\n", f.Path, f.Size, f.What)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s, revision %d, in %s: %d files, each with the digest in %s; the record has the digest that it states.\n", m.Change, m.Revision, dir, len(m.Files), replay.ManifestName)
	fmt.Fprintf(out, "The record is made from %d events; %d are here.\n", m.Made, m.Events)
	if len(m.Absent) == 0 {
		fmt.Fprintln(out, "Complete: every event and every file that the events name is here.")
		return nil
	}
	fmt.Fprintln(out, "INCOMPLETE:")
	for _, lack := range m.Absent {
		fmt.Fprintln(out, "  "+lack)
	}
	return nil
}
