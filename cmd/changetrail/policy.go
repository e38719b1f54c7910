package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// policy groups the commands that try a policy.
func (a *app) policy() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Try the policy on changes", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.policyTest(), a.policyExplain())
	return cmd
}

func (a *app) readPolicy(cmd *cobra.Command) (*policy.Policy, error) {
	s, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	if s.Enricher.Policy == "" {
		return nil, misuse{errors.New("no policy is given: set --policy, or enricher.policy in the configuration")}
	}
	p, _, err := s.policyAndControls()
	if err != nil {
		return nil, misuse{err}
	}
	return p, nil
}

func (a *app) policyTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test CASES",
		Short:   "Hold the policy against a table of cases that ships beside it",
		Example: "  changetrail policy test --policy policy.yaml policy_cases.yaml",
		Args:    exactlyOne("CASES"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readPolicy(cmd)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return misuse{err}
			}
			cases, err := policy.ParseCases(text)
			if err != nil {
				return misuse{fmt.Errorf("%s: %w", args[0], err)}
			}
			failed := 0
			for _, c := range cases {
				v := p.Decide(c.Request())
				if v.Verdict == c.Want && (c.Rule == "" || c.Rule == v.Rule) {
					fmt.Fprintf(cmd.OutOrStdout(), "ok      %s: %s\n", c.Name, v.Verdict)
					continue
				}
				failed++
				want := c.Want
				if c.Rule != "" {
					want += " by " + c.Rule
				}
				fmt.Fprintf(cmd.OutOrStdout(), "FAILED  %s: %s by %s (%s), want %s\n", c.Name, v.Verdict, v.Rule, v.Reason, want)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d cases failed; changetrail policy explain shows which rules were tried", failed, len(cases))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "All %d cases hold.\n", len(cases))
			return nil
		},
	}
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml")
	return cmd
}

func (a *app) policyExplain() *cobra.Command {
	var r policy.Request
	var repository, output string
	var updates []string
	cmd := &cobra.Command{
		Use:   "explain --repository REPOSITORY PATH…",
		Short: "Show which rules are tried on a change of these paths, and what decides",
		Example: `  changetrail policy explain --policy policy.yaml --agent agent-bot-3000 --repository github.com/acme/payments src/auth/session.js
  git diff --name-only main | xargs changetrail policy explain --agent agent-bot-3000 --repository github.com/acme/payments`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readPolicy(cmd)
			if err != nil {
				return err
			}
			if r.Repository, err = record.ParseRepository(repository); err != nil {
				return misuse{fmt.Errorf("--repository: %w", err)}
			}
			for _, u := range updates {
				name, versions, ok := strings.Cut(u, "=")
				from, to, both := strings.Cut(versions, "..")
				if !ok || !both {
					return misuse{fmt.Errorf("--dependency %q: write NAME=FROM..TO, as lodash=4.17.20..4.17.21", u)}
				}
				r.Dependencies = append(r.Dependencies, record.DependencyUpdate{Name: name, From: from, To: to})
			}
			r.Paths = args
			v := p.Decide(r)
			if output == "json" {
				return printJSON(cmd, v)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, t := range v.Trials {
				fmt.Fprintf(w, "%s\t%s\t%s\n", t.Service, t.Rule, outcomeOf(t))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s, by %s: %s\n", v.Verdict, v.Rule, v.Reason)
			return nil
		},
	}
	cmd.Flags().StringVar(&repository, "repository", "", "host/path, as github.com/acme/payments")
	cmd.Flags().StringVar(&r.Agent, "agent", "", "id or account of the agent; a person makes the change where empty")
	cmd.Flags().StringVar(&r.DelegatedBy, "delegated-by", "", "account of the person who asked the agent")
	cmd.Flags().StringVar(&r.Kind, "kind", "", "kind of the change, as dependency-update")
	cmd.Flags().StringSliceVar(&r.Environments, "environment", nil, "where it will be deployed")
	cmd.Flags().StringSliceVar(&updates, "dependency", nil, "NAME=FROM..TO")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml")
	return cmd
}

func outcomeOf(t policy.Trial) string {
	switch {
	case t.Error != "":
		return "cannot be tried: " + t.Error
	case t.Held:
		return "holds"
	}
	return "does not hold"
}
