package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/policy"
)

// storedVersion is one line of the history of policies and matrices.
type storedVersion struct {
	Kind     string    `json:"kind"` // policy or matrix
	Digest   string    `json:"digest"`
	Since    time.Time `json:"since,omitzero"` // in force since then; zero means always
	Recorded time.Time `json:"recorded"`
	Holds    string    `json:"holds"`
	Error    string    `json:"error,omitempty"` // why this release cannot read it
	content  []byte
}

func (a *app) policyHistory() *cobra.Command {
	var output, show string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the policies and control matrices that were in force, and since when",
		Long: `Lists every policy and control matrix that an enricher has started with. A change
is judged by the versions that were in force when it was merged.`,
		Example: `  changetrail policy history
  changetrail policy history --data changetrail-data -o json
  changetrail policy history --show sha256:3f1a9c02`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rules, err := a.storedRules(cmd)
			if err != nil {
				return err
			}
			versions := versionsOf(rules)
			switch {
			case show != "":
				i := slices.IndexFunc(versions, func(v storedVersion) bool { return len(show) > len("sha256:") && strings.HasPrefix(v.Digest, show) })
				if i < 0 {
					return usageError{fmt.Errorf("no policy or matrix has the digest %s; changetrail policy history lists them", show)}
				}
				_, err := cmd.OutOrStdout().Write(versions[i].content)
				return err
			case output == "json":
				return printJSON(cmd, versions)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SINCE\tKIND\tDIGEST\tCONTENTS\tRECORDED")
			for _, v := range versions {
				since := "always"
				if !v.Since.IsZero() {
					since = v.Since.UTC().Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", since, v.Kind, v.Digest, v.Holds+with("cannot be read: ", v.Error), v.Recorded.UTC().Format(time.RFC3339))
			}
			return w.Flush()
		},
	}
	outputFlag(cmd, &output, "output format", "text", "json")
	cmd.Flags().StringVar(&show, "show", "", "print the policy or matrix with this digest; its beginning is enough")
	a.flag(cmd.Flags(), "data", "local.data", "folder of the embedded mode, if it is not running")
	return cmd
}

// storedRules reads the policies and matrices that the pipeline has stored.
func (a *app) storedRules(cmd *cobra.Command) (enricher.Rules, error) {
	s, err := a.settings(cmd)
	if err != nil {
		return enricher.Rules{}, err
	}
	kafka, end, err := s.kafkaOrFolder(cmd)
	if err != nil {
		return enricher.Rules{}, err
	}
	defer end()
	rules, _, err := enricher.ReadRules(cmd.Context(), kafka, s.topics())
	return rules, err
}

// versionsOf lists all versions, the newest first.
func versionsOf(rules enricher.Rules) []storedVersion {
	out := []storedVersion{}
	for _, v := range rules.Policies.Versions() {
		held := storedVersion{Kind: "policy", Digest: v.Digest, Since: v.Since, Recorded: v.Arrived}
		if v.Err != nil {
			held.Error = v.Err.Error()
		} else {
			held.Holds, held.content = fmt.Sprintf("services %d, agents %d, rules %d", len(v.Content.Services), len(v.Content.Agents), len(v.Content.Rules)), v.Content.Content()
		}
		out = append(out, held)
	}
	for _, v := range rules.Controls.Versions() {
		held := storedVersion{Kind: "matrix", Digest: v.Digest, Since: v.Since, Recorded: v.Arrived}
		if v.Err != nil {
			held.Error = v.Err.Error()
		} else {
			held.Holds, held.content = fmt.Sprintf("controls %d", len(v.Content.Controls)), v.Content.Content()
		}
		out = append(out, held)
	}
	slices.SortStableFunc(out, func(a, b storedVersion) int { return b.Recorded.Compare(a.Recorded) })
	return out
}

// policyAt returns the policy that was in force at a time or has a digest.
func (a *app) policyAt(cmd *cobra.Command, at string) (*policy.Policy, error) {
	rules, err := a.storedRules(cmd)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(at, "sha256:") {
		v, ok := rules.Policies.ByDigest(at)
		if !ok {
			return nil, usageError{fmt.Errorf("--at: no policy has the digest %s; changetrail policy history lists them", at)}
		}
		return v.Content, v.Err
	}
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		if when, err = time.Parse(time.DateOnly, at); err != nil {
			return nil, usageError{fmt.Errorf("--at %q: write a time, such as 2026-11-12T03:47:00Z or 2026-11-12, or a digest, such as sha256:3f1a9c02", at)}
		}
	}
	v, held := rules.Policies.At(when)
	if !held {
		return nil, usageError{errors.New("--at: no policy of that time is stored; changetrail policy history lists those that are")}
	}
	return v.Content, nil
}
