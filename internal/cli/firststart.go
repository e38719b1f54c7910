package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/mistake"
)

// ownCredentials is the file of a data folder in which the embedded mode keeps its own
// credentials: the digests of tokens, never the tokens.
const ownCredentials = "credentials.yaml"

// An issued token was just made.
type issued struct{ who, token, states string }

// firstSet are the credentials that a data folder gets: one for each kind of sender, with the
// names that the examples use.
var firstSet = []struct{ name, who, may, states string }{
	{"code-host", "platform: code-host", "[changes, pushes, reviews, requests]", "changes, pushes, reviews, requests"},
	{"ci", "platform: ci", "[tests, scans, deployments]", "tests, scans, deployments"},
	{"agent", "agent: agent-bot-3000", "", "its own decisions and actions"},
	{"person", "person: mira.s", "", "their own reviews and approvals"},
}

// issueCredentials returns the credentials of a data folder and makes them at the first start.
// fresh are the tokens that were just made: nobody can read them again later.
func issueCredentials(dir string) (c *identity.Credentials, fresh []issued, err error) {
	file := filepath.Join(dir, ownCredentials)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text, fresh = newCredentials()
		err = writeOnce(file, text)
	}
	if err != nil {
		return nil, nil, err
	}
	if c, err = identity.Parse(text); err != nil {
		return nil, nil, mistake.In(file, err)
	}
	return c, fresh, nil
}

// newCredentials makes the tokens of the first set.
func newCredentials() (text []byte, fresh []issued) {
	var b strings.Builder
	b.WriteString("# Who may send, and as whom (docs/gateway.md). Delete this file for new tokens at the\n# next start.\ntokens:\n")
	for _, one := range firstSet {
		token, digest := identity.NewToken()
		may := ""
		if one.may != "" {
			may = ", may: " + one.may
		}
		fmt.Fprintf(&b, "  - {name: %s, %s%s, sha256: %s}\n", one.name, one.who, may, digest)
		fresh = append(fresh, issued{one.who, token, one.states})
	}
	return []byte(b.String()), fresh
}

// writeOnce writes a file that does not exist yet, completely or not at all.
func writeOnce(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), file)
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// printIssued prints tokens that were just made, and what each may state.
func printIssued(out io.Writer, dir, page string, fresh []issued) error {
	if len(fresh) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\nThe tokens of this folder. They are shown only once; %s stores their digests:\n\n", filepath.Join(dir, ownCredentials))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range fresh {
		fmt.Fprintf(w, "  %s\t%s\tstates %s\n", one.who, one.token, one.states)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, `
Send a token as "Authorization: Bearer TOKEN", or use changetrail:

  export CHANGETRAIL_PRODUCER_GATEWAY=%s
  CHANGETRAIL_PRODUCER_TOKEN=TOKEN %s publish FILE

An event that is accepted without a token is a claim and proves nothing (docs/trust.md).
`, strings.TrimSuffix(page, "/"), thisStart().command())
	return err
}

// firstKeys makes for services what the embedded mode makes for itself.
func firstKeys() *cobra.Command {
	return &cobra.Command{
		Use:   "init FOLDER",
		Short: "Make the first credentials and the key of a pipeline",
		Long: `Makes what FOLDER does not have yet: ` + ownCredentials + `, with one token each for a code
host, a CI system, an agent and a person, and ` + ownKey + `, with which gateways sign
and enrichers and sinks verify. The tokens are shown only once and stored nowhere. Configure
the files in the services as gateway.credentials and signing_key_file.`,
		Example: "  changetrail gateway init /var/lib/changetrail",
		Args:    exactlyOne("FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[0]
			if _, err := localKeys(dir); err != nil {
				return err
			}
			_, fresh, err := issueCredentials(dir)
			if err == nil && len(fresh) == 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s exists; delete it to get new tokens.\n", filepath.Join(dir, ownCredentials))
			}
			return errors.Join(err, printIssued(cmd.OutOrStdout(), dir, "http://"+config.Defaults().Gateway.Listen, fresh))
		},
	}
}
