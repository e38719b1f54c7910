package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/gate/api"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/record"
)

func (a *app) approvals() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "List, give and revoke approvals before the work of agents",
		Long: `Approvals that people give before an agent works (docs/approvals.md). It asks the
gateway with a gate that --gateway names, or the running instance of changetrail up, with
the token of a person (producer.token_file): the person approves in their own name.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.approvalsList(), a.approvalsGrant(), a.approvalsRevoke())
	return cmd
}

// approvalsClient returns a client with the credential of whoever runs the command.
func (a *app) approvalsClient(cmd *cobra.Command) (*api.Client, error) {
	s, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	var q gateQuestion
	if err := q.find(cmd.Context(), &s); err != nil {
		return nil, err
	}
	token, err := q.token(cmd.Context())
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, usageError{errors.New("approvals: no token is configured, so that nobody knows who you are; set producer.token_file to the token of a person")}
	}
	return &api.Client{URL: q.server, Token: token, HTTP: http.DefaultClient}, nil
}

func (a *app) approvalsList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List approvals before work, the newest first",
		Example: `  changetrail approvals list -o json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.approvalsClient(cmd)
			if err != nil {
				return err
			}
			all, err := client.Grants(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(cmd, all)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "ID\tSTATUS\tPERSON\tAGENT\tREPOSITORY\tSCOPE\tUSED\tUNTIL\tREASON")
			for _, s := range all {
				cells := []string{s.ID, s.Status, s.Person, s.Agent, string(s.Repository), strings.Join(s.Scope, ","), usedOf(s), s.Until.Format(time.RFC3339), s.Reason}
				for i := range cells {
					cells[i] = printable.Line(cells[i])
				}
				fmt.Fprintln(t, strings.Join(cells, "\t"))
			}
			return t.Flush()
		},
	}
	outputFlag(cmd, &output, "output format", "text", "json")
	a.flag(cmd.Flags(), "gateway", "producer.gateway", "URL of the gateway")
	a.storeFlags(cmd)
	return cmd
}

// usedOf says how many changes use a grant, of how many.
func usedOf(s approvals.Standing) string {
	if s.Uses == 0 {
		return strconv.Itoa(len(s.UsedBy))
	}
	return fmt.Sprintf("%d of %d", len(s.UsedBy), s.Uses)
}

func (a *app) approvalsGrant() *cobra.Command {
	var g approvals.Grant
	var lasts time.Duration
	var change string
	cmd := &cobra.Command{
		Use:   "grant REPOSITORY",
		Short: "Approve that an agent works in a repository",
		Long: `Gives an approval before work, in the name of the person whose token is configured, and
prints its id. The same --id again is the same approval, so that a command that failed may
be repeated.`,
		Example: `  changetrail approvals grant github.com/acme/payments --agent fixer --scope payments --lasts 7d --uses 3 --reason "PAY-812: rounding"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.approvalsClient(cmd)
			if err != nil {
				return err
			}
			g.Repository, g.Change, g.Until = record.Repository(args[0]), record.ChangeID(change), time.Now().Add(lasts).UTC().Truncate(time.Second)
			s, err := client.Grant(cmd.Context(), g)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), s.ID)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&g.Agent, "agent", "", "id of the agent in the policy")
	f.StringSliceVar(&g.Scope, "scope", nil, "services, and globs of paths")
	f.StringSliceVar(&g.Kinds, "kinds", nil, "kinds of changes: "+strings.Join(record.Kinds(), ", ")+" (default: all)")
	f.Var(spanOf(&lasts, 24*time.Hour), "lasts", "how long it lasts, at most 90d")
	f.IntVar(&g.Uses, "uses", 1, "how many changes may use it; 0: no limit")
	f.StringVar(&g.Reason, "reason", "", "why; auditors read it")
	f.StringVar(&change, "change", "", "the only change that may use it")
	f.StringVar(&g.Request, "request", "", "id of the request of an agent that it answers")
	f.StringVar(&g.ID, "id", "", "id of the approval (default: a new one)")
	a.flag(f, "gateway", "producer.gateway", "URL of the gateway")
	a.storeFlags(cmd)
	return cmd
}

func (a *app) approvalsRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End an approval before work, also for the open changes that use it",
		Example: `  changetrail approvals revoke 4QX7… --reason "the plan was wrong"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.approvalsClient(cmd)
			if err != nil {
				return err
			}
			s, err := client.Revoke(cmd.Context(), approvals.Revocation{Grant: args[0], Reason: reason})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s; changes that use it: %d\n", s.ID, s.Status, len(s.UsedBy))
			return err
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; auditors read it")
	a.flag(cmd.Flags(), "gateway", "producer.gateway", "URL of the gateway")
	a.storeFlags(cmd)
	return cmd
}
