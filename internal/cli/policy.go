package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// policy groups the commands that try a policy.
func (a *app) policy() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Test, explain and compare policies"}
	return group(cmd, a.policyTest(), a.policyExplain(), a.policyDiff(), a.policyWhatIf(), a.policyHistory())
}

func (a *app) readPolicy(cmd *cobra.Command) (*policy.Policy, error) {
	s, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	if s.Enricher.Policy == "" {
		if err := s.policyOfInstance(cmd); err != nil {
			return nil, err
		}
	}
	p, _, err := s.policyAndControls()
	if err != nil {
		return nil, err
	}
	for _, w := range p.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), w)
	}
	return p, nil
}

// policyOfInstance uses the policy and the matrix of the instance that commands find.
func (s *Settings) policyOfInstance(cmd *cobra.Command) error {
	at, err := s.look(cmd.Context())
	if err == nil && at.instance.Policy != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "policy %s of %s\n", config.Shown(at.instance.Policy), config.Shown(at.String()))
		s.Enricher.Policy, s.Enricher.Controls = at.instance.Policy, at.instance.Controls
		return nil
	}
	return usageError{errors.New("no policy is given: name one with --policy policy.yaml, or set enricher.policy in the configuration")}
}

func (a *app) policyTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test CASES",
		Short:   "Test the policy against a table of cases",
		Example: "  changetrail policy test --policy policy.yaml policy_cases.yaml",
		Args:    exactlyOne("CASES"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readPolicy(cmd)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return usageError{err}
			}
			cases, err := policy.ParseCases(text)
			if err != nil {
				return usageError{mistake.In(args[0], err)}
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
			fmt.Fprintf(cmd.OutOrStdout(), "All %d cases passed.\n", len(cases))
			return nil
		},
	}
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml")
	return cmd
}

func (a *app) policyExplain() *cobra.Command {
	var r policy.Request
	var repository, change, output string
	var updates []string
	cmd := &cobra.Command{
		Use:   "explain --change CHANGE | --repository REPOSITORY PATH…",
		Short: "Show which rules apply to a recorded change or to a list of paths, and which one decides",
		Example: `  changetrail policy explain --policy policy.yaml --change acme/payments#4829
  changetrail policy explain --policy policy.yaml --agent agent-bot-3000 --repository github.com/acme/payments src/auth/session.js
  git diff --name-only main | xargs changetrail policy explain --agent agent-bot-3000 --repository github.com/acme/payments`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.readPolicy(cmd)
			if err != nil {
				return err
			}
			switch {
			case change != "":
				if err := describedTwice(cmd, args); err != nil {
					return err
				}
				if r, err = a.recordedRequest(cmd, change); err != nil {
					return err
				}
			case repository == "":
				return usageError{errors.New("policy explain: name a recorded change with --change, or a repository with --repository HOST/PATH and the paths that change")}
			default:
				if r.Repository, err = record.ParseRepository(repository); err != nil {
					return usageError{fmt.Errorf("--repository: %w", err)}
				}
				r.Paths = args
			}
			for _, u := range updates {
				name, versions, ok := strings.Cut(u, "=")
				from, to, both := strings.Cut(versions, "..")
				if !ok || !both {
					return usageError{fmt.Errorf("--dependency %q: write NAME=FROM..TO, for example lodash=4.17.20..4.17.21", u)}
				}
				r.Dependencies = append(r.Dependencies, record.DependencyUpdate{Name: name, From: from, To: to})
			}
			v := p.Decide(r)
			if v.Rule == policy.RuleUnknownAgent && change == "" {
				return usageError{fmt.Errorf("--agent %s: the policy has no such agent, so it forbids the change%s", r.Agent, agentMeant(p, r.Agent))}
			}
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
			fmt.Fprintf(cmd.OutOrStdout(), "%s, by rule %s: %s\n", v.Verdict, v.Rule, v.Reason)
			if v.Least != v.Verdict {
				fmt.Fprintf(cmd.OutOrStdout(), "Not everything about the change is known: the verdict may be as mild as %s.\n", v.Least)
			}
			for _, d := range v.Demands {
				fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", needs(d))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&change, "change", "", "a recorded change: acme/payments#4829, group/proj!12, its URL or its id")
	cmd.Flags().StringVar(&repository, "repository", "", "host/path, for example github.com/acme/payments")
	cmd.Flags().StringVar(&r.Agent, "agent", "", "id or account of the agent; if empty, a person makes the change")
	cmd.Flags().StringVar(&r.DelegatedBy, "delegated-by", "", "account of the person who asked the agent")
	cmd.Flags().StringVar(&r.Kind, "kind", "", "kind of the change, for example dependency-update")
	cmd.Flags().StringSliceVar(&r.Environments, "environment", nil, "environment to which it will be deployed")
	cmd.Flags().StringSliceVar(&updates, "dependency", nil, "a dependency that it updates: NAME=FROM..TO")
	outputFlag(cmd, &output, "output format", "text", "json")
	a.flag(cmd.Flags(), "policy", "enricher.policy", "policy.yaml")
	a.storeFlags(cmd)
	return cmd
}

// describedTwice returns an error if the arguments describe a change beside the recorded one of
// --change.
func describedTwice(cmd *cobra.Command, paths []string) error {
	for _, flag := range []string{"repository", "agent", "delegated-by", "kind", "environment", "dependency"} {
		if cmd.Flags().Changed(flag) {
			return usageError{fmt.Errorf("policy explain: the record of --change has its own %s: leave out --%s, or leave out --change and describe a change with --repository and paths", flag, flag)}
		}
	}
	if len(paths) > 0 {
		return usageError{fmt.Errorf("policy explain: the record of --change has its own paths: leave out %s, or leave out --change and describe a change with --repository and paths", strings.Join(paths, " "))}
	}
	return nil
}

// agentMeant returns a hint at the agent of the policy that was meant.
func agentMeant(p *policy.Policy, name string) string {
	var known []string
	for _, a := range p.Agents {
		known = append(append(known, a.ID), a.Accounts...)
	}
	return nearest.Hint(name, known)
}

// recordedRequest returns the policy request for a recorded change.
func (a *app) recordedRequest(cmd *cobra.Command, change string) (policy.Request, error) {
	id, x, err := a.changeIn(cmd, change)
	if err != nil {
		return policy.Request{}, err
	}
	defer x.close()
	doc, err := x.find(cmd.Context(), id)
	if err != nil {
		return policy.Request{}, err
	}
	var r record.Record
	if err := json.Unmarshal(doc, &r); err != nil {
		return policy.Request{}, fmt.Errorf("the record of %s cannot be read: %w", id, err)
	}
	return policy.RequestOfDocument(&r), nil
}

// difference is a change that another policy decides differently.
type difference struct {
	Change       record.ChangeID `json:"change"`
	Agent        string          `json:"agent"`
	Was          string          `json:"was"`
	WasRule      string          `json:"was_rule"`
	WasApprovers int             `json:"was_approvers,omitempty"` // if more than one person had to approve
	Is           string          `json:"is"`
	Rule         string          `json:"rule"`
	Reason       string          `json:"reason"`
	Approvers    int             `json:"approvers,omitempty"`
}

func (a *app) policyDiff() *cobra.Command {
	var file, at, output string
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "diff --policy NEW | --at TIME | --at DIGEST",
		Short: "Show for which recorded changes of agents another policy would decide differently",
		Example: `  changetrail policy diff --policy new.yaml --since 90d
  changetrail policy diff --policy new.yaml --records records.jsonl -o json
  changetrail policy diff --at 2026-11-12 --since 30d`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			read := a.readPolicy
			if at != "" {
				if cmd.Flags().Changed("policy") {
					return usageError{errors.New("policy diff: give --policy, or --at for a policy that was in force")}
				}
				read = func(cmd *cobra.Command) (*policy.Policy, error) { return a.policyAt(cmd, at) }
			}
			p, err := read(cmd)
			if err != nil {
				return err
			}
			var differ []difference
			asked := 0
			each := func(r *record.Record) {
				q := policy.RequestOfDocument(r)
				if q.Agent == "" {
					return
				}
				asked++
				d := difference{Change: r.Trail.Change.ID, Agent: q.Agent, Was: "undecided"}
				if f := r.Trail.Authorization; f != nil && f.Verdict != "" {
					d.Was, d.WasRule, d.WasApprovers = f.Verdict, f.Rule, int(f.Approvers)
				}
				v := p.Decide(q)
				d.Is, d.Rule, d.Reason, d.Approvers = v.Verdict, v.Rule, v.Reason, v.Approvers()
				if d.Is != d.Was || d.Approvers != d.WasApprovers {
					differ = append(differ, d)
				}
			}
			if file != "" {
				err = recordsOfFile(file, each)
			} else {
				err = a.recordsOfStore(cmd, since, each)
			}
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(cmd, differ)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, d := range differ {
				fmt.Fprintf(w, "%s\t%s%s%s\t→ %s%s by %s\t%s\n", d.Change, d.Was, ofPeople(d.WasApprovers), with(" by ", d.WasRule), d.Is, ofPeople(d.Approvers), d.Rule, d.Reason)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d of %d changes of agents are decided differently.\n", len(differ), asked)
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "records", "", "a file of records, one JSON object per line (default: the records of the index)")
	cmd.Flags().StringVar(&at, "at", "", "compare with the policy that was in force at this time, or that has this digest, instead of --policy")
	cmd.Flags().Var(spanOf(&since, 90*24*time.Hour), "since", "only changes with an event in this time span")
	outputFlag(cmd, &output, "output format", "text", "json")
	a.flag(cmd.Flags(), "policy", "enricher.policy", "the other policy")
	a.flag(cmd.Flags(), "data", "local.data", "with --at: folder of the embedded mode, if it is not running")
	a.storeFlags(cmd)
	return cmd
}

// recordsOfFile reads records in the format of the topic changetrail.records.
func recordsOfFile(name string, each func(*record.Record)) error {
	f, err := os.Open(name)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	d := jsontext.NewDecoder(f)
	for n := 1; ; n++ {
		var r record.Record
		err := json.UnmarshalDecode(d, &r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: record %d: %w", name, n, err)
		}
		each(&r)
	}
}

// recordsOfStore reads the records of the index with an event in a time span.
func (a *app) recordsOfStore(cmd *cobra.Command, since time.Duration, each func(*record.Record)) error {
	where, err := parseQuery("", since.String(), nil)
	if err != nil {
		return usageError{err}
	}
	return a.recordsWhere(cmd, where, each)
}

// recordsWhere reads the records of the index that a query finds.
func (a *app) recordsWhere(cmd *cobra.Command, where query.Node, each func(*record.Record)) error {
	s, err := a.settings(cmd)
	if err != nil {
		return err
	}
	x, err := s.openFor(cmd)
	if err != nil {
		return err
	}
	defer x.close()
	return x.each(cmd.Context(), where, each)
}

// each reads the records that a query finds, at one point in time.
func (x *store) each(ctx context.Context, where query.Node, each func(*record.Record)) error {
	return x.All(ctx, where, func(h query.Hit) error {
		var r record.Record
		if err := json.Unmarshal(h.Doc, &r); err != nil {
			return fmt.Errorf("%s: the record of %s cannot be read: %w", x.name, h.ID, err)
		}
		each(&r)
		return nil
	})
}

// needs describes what a demand requires.
func needs(d policy.Demand) string {
	what := map[string]string{record.ReviewRequired: "a review", record.ApprovalRequired: "an approval"}[d.Verdict]
	who := "a person who neither made the change nor asked for it"
	if n := d.Number(); n > 1 {
		what, who = fmt.Sprintf("%d approvals", n), "different people who neither made the change nor asked for it"
	}
	switch {
	case d.Nobody && d.Number() > 1 && len(d.By) > 0:
		who = strings.Join(d.By, " or ") + ", who are fewer people, so it can never be met"
	case d.Nobody:
		who = "nobody: " + orNobody(d.By) + ", so it can never be met"
	case len(d.By) > 0:
		who = strings.Join(d.By, " or ")
	}
	return fmt.Sprintf("%s needs %s by %s (%s)", cmp.Or(d.Service, "the change"), what, who, d.Rule)
}

// ofPeople says how many people must approve, if more than one.
func ofPeople(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" of %d people", n)
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "there are no owners"
	}
	return strings.Join(names, " and ") + " have no members"
}

func outcomeOf(t policy.Trial) string {
	switch {
	case t.Error != "":
		return "cannot be evaluated: " + t.Error
	case t.Held:
		return "applies"
	case t.May:
		return "may apply: not everything about the change is known"
	}
	return "does not apply"
}
