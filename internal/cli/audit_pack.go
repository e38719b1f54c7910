package cli

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/audit/pack"
)

func (a *app) auditPack() *cobra.Command {
	var p population
	var d drawing
	var name string
	cmd := &cobra.Command{
		Use:   "pack -n SIZE --seed NUMBER --out FILE",
		Short: "Write a sample with all its evidence to one file that opens without changetrail and without a network",
		Long: `Draws a sample as audit sample does, and writes a zip: index.html with the cover page, the
sample, the four answers and the time line of each change; the population and the sample
as CSV; the records, events, reports and logs; the policies and control matrices by which
the changes were judged; and the digest of every file.

The same population, seed and evidence give the same bytes.`,
		Example: `  changetrail audit pack -n 25 --seed 4829 --environment production --from 2026-09-01 --to 2026-11-29 --by initiator --take agent=12 --out q4.zip`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := d.plan(cmd)
			switch {
			case err != nil:
				return usageError{fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
			case name == "":
				return usageError{fmt.Errorf("%s: name the file with --out, such as --out evidence.zip", cmd.CommandPath())}
			case p.records != "":
				return usageError{fmt.Errorf("%s: --records has no events and no evidence; name a store with --store", cmd.CommandPath())}
			}
			found, s, err := drawn(cmd, a, &p, plan)
			if err != nil {
				return err
			}
			return a.writePack(cmd, &pack.Pack{Population: found, Sample: s}, name)
		},
	}
	p.flags(a, cmd)
	d.flags(cmd)
	cmd.Flags().StringVar(&name, "out", "", "the file to write; an existing one is not overwritten")
	return cmd
}

// writePack writes a pack to a new file, and says what it does not contain.
func (a *app) writePack(cmd *cobra.Command, p *pack.Pack, name string) (err error) {
	s, err := a.settings(cmd)
	if err != nil {
		return err
	}
	x, err := s.openStore(cmd.Context())
	if err != nil {
		return err
	}
	defer x.close()
	p.Rules, p.Absent = a.rulesOf(cmd, p.Sample)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- the file that the user names
	if errors.Is(err, os.ErrExist) {
		return usageError{fmt.Errorf("%s exists; name another file with --out, or remove it", name)}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(name) // it is not whole
		}
	}()
	sum, buffer := sha256.New(), bufio.NewWriter(f)
	lacks, err := p.Write(cmd.Context(), pack.Source{Index: x, Files: x.files}, io.MultiWriter(buffer, sum))
	if err != nil {
		return err
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	writePopulationSummary(out, p.Population)
	fmt.Fprintf(out, "%d of them are in %s: unpack it and open index.html.\nSHA-256 of the file: %s\n", len(p.Sample.Items), name, hex.EncodeToString(sum.Sum(nil)))
	for _, lack := range lacks[:min(len(lacks), mostDetails)] {
		fmt.Fprintf(out, "Not in it: %s\n", lack)
	}
	if more := len(lacks) - mostDetails; more > 0 {
		fmt.Fprintf(out, "and %d more; index.html lists them\n", more)
	}
	return nil
}

// rulesOf returns the policies and matrices by which the changes of a sample were judged, and says
// which cannot be read.
func (a *app) rulesOf(cmd *cobra.Command, s *audit.Sample) (rules []pack.Rule, absent []string) {
	var wanted []string
	for _, item := range s.Items {
		wanted = append(wanted, item.Rules...)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	stored, err := a.storedRules(cmd)
	if err != nil && len(wanted) > 0 {
		return nil, append(absent, fmt.Sprintf("the policies and control matrices: %v", err))
	}
	for _, v := range versionsOf(stored) {
		if i := slices.Index(wanted, v.Digest); i >= 0 && v.Error == "" {
			wanted = slices.Delete(wanted, i, i+1)
			rules = append(rules, pack.Rule{Kind: v.Kind, Digest: v.Digest, Content: v.content})
		}
	}
	for _, digest := range wanted {
		absent = append(absent, fmt.Sprintf("the policy or matrix %s, which was not recorded or cannot be read", digest))
	}
	slices.SortFunc(rules, func(a, b pack.Rule) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Digest, b.Digest)) })
	return rules, absent
}
