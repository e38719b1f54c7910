package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

func (a *app) attachRequest() *cobra.Command {
	f := about{anyCommit: true}
	var asked record.Request
	cmd := &cobra.Command{
		Use:   "request FILE…",
		Short: "Send what an agent was asked: a ticket, an issue, a prompt, an alert, an incident",
		Long: `Sends a request for work, where no webhook reports it: an export of a
ticket, the text of a prompt. A decision names it as its trigger by the digest of the
file, by --url or by --id. It proves the trigger if it is sent with the credential of a
platform or of the person who asked. Sent with an agent's credential, it is only that
agent's claim.`,
		Example: `  changetrail attach request --repository github.com/acme/payments --kind ticket --id PAY-12 --author mona ticket.json
  changetrail attach request --change acme/payments#4829 --kind prompt prompt.txt`,
		Args: atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 && (asked.ID != "" || asked.URL != "") {
				return usageError{errors.New("attach request: --id and --url name one request; give exactly one FILE with them")}
			}
			return a.attachFiles(cmd, &f, args, reportKind{read: func(_ string, file []byte) (record.Fact, string, error) {
				if len(file) == 0 {
					return nil, "", errors.New("the file is empty: it asks for nothing")
				}
				r := asked
				r.Digest, r.Repository = digests.Of(file), f.repository
				return &r, fmt.Sprintf("%s %s\ndigest %s", r.Kind, orNone(r.ID), r.Digest), nil
			}})
		},
	}
	cmd.Flags().StringVar(&asked.Kind, "kind", "", "ticket, issue, prompt, alert, incident, request or other")
	cmd.Flags().StringVar(&asked.ID, "id", "", "its id in the system that keeps it, for example PAY-12")
	cmd.Flags().StringVar(&asked.URL, "url", "", "its URL")
	cmd.Flags().StringVar(&asked.Title, "title", "", "its title")
	cmd.Flags().StringVar(&asked.Author, "author", "", "account of the person who asks")
	_ = cmd.MarkFlagRequired("kind") // the flag is there
	a.attachFlags(cmd, &f)
	return cmd
}
