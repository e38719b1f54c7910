package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/api"
)

func (a *app) gateBreakGlass() *cobra.Command {
	var output, reason string
	var asked gateFlags
	cmd := &cobra.Command{
		Use:   "break-glass CHANGE --commit SHA --reason TEXT",
		Short: "Order in an emergency that one commit may be merged although the gate denies it",
		Long: `Orders that the newest commit of a change may be merged although the gate denies it.
The policy says who may give such an order and by when an independent person must
review the commit (gate.break_glass). The order makes a finding at once, which becomes
graver if that review does not come. Nothing that was missing counts as given.

It needs the credential of a person (changetrail gateway token --person). Exit code 0:
the gate allows the commit now. 1: it does not. 2: nothing is known; do not merge.`,
		Example: `  changetrail gate break-glass acme/payments#4829 --commit 9f2c1ab --reason "INC-17: customers cannot pay"`,
		Args:    exactlyOne("CHANGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asked.commit == "" || reason == "" {
				return usageError{errors.New("gate break-glass: name the commit with --commit and say why with --reason")}
			}
			q, err := a.question(cmd, args, asked)
			if err != nil {
				return outcome{exitUnknown, err}
			}
			d, err := q.order(cmd.Context(), reason)
			if err != nil {
				return outcome{exitUnknown, err}
			}
			if err := printDecision(cmd, d, output); err != nil {
				return outcome{exitUnknown, err}
			}
			if !d.Allowed {
				return outcome{code: exitDenied}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&asked.commit, "commit", "", "the newest commit, which may be merged then; required")
	cmd.Flags().StringVar(&reason, "reason", "", "why it cannot wait; required")
	outputFlag(cmd, &output, "output format", "text", "json")
	a.flag(cmd.Flags(), "gateway", "producer.gateway", "URL of the gateway")
	a.storeFlags(cmd)
	return cmd
}

// order gives an order about the change and the commit of q.
func (q gateQuestion) order(ctx context.Context, reason string) (gate.Decision, error) {
	at, err := url.Parse(q.server)
	if err != nil {
		return gate.Decision{}, fmt.Errorf("gate break-glass: %s is not a URL: %w", q.server, err)
	}
	body, err := json.Marshal(api.Order{Commit: q.commit, Reason: reason})
	if err != nil {
		return gate.Decision{}, fmt.Errorf("gate break-glass: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.JoinPath("v1", "changes", string(q.change), "break-glass").String(), bytes.NewReader(body))
	if err != nil {
		return gate.Decision{}, fmt.Errorf("gate break-glass: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	d, _, err := q.send(r)
	return d, err
}
