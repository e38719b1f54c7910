package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/gate/api"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/web"
)

func (a *app) web() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "web",
		Short: "Serve the web page over an index",
		Long: `Serves search, the story of each change and its evidence. It reads OpenSearch,
Elasticsearch, or a folder of the embedded mode. To show reports it needs --blobs, which
names the store in which the enricher keeps them.

People sign in at an OpenID Connect provider or a proxy if sign_in is set (docs/sign-in.md).
Otherwise, with --credentials people enter their token. Programs send a token in either case.
Without both everybody may read, and it listens on this machine only.

With web.gateway people decide in its inbox what waits for them (docs/inbox.md).`,
		Example: `  changetrail web --store opensearch --url http://localhost:9200 --blobs s3://evidence
  changetrail web --store changetrail-demo --listen 127.0.0.1:8090`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			saved, err := s.savedQueries()
			if err != nil {
				return err
			}
			return s.service(cmd, "web", func(context.Context) error { return nil }, func(ctx context.Context, log *slog.Logger, _ *telemetry.Providers) error {
				known, err := s.credentials()
				if err != nil {
					return err
				}
				protection, err := s.gatewayTLS()
				if err != nil {
					return err
				}
				door, err := s.pagesDoor(known, protection, log)
				if err != nil {
					return err
				}
				l, err := s.listen(ctx, s.pagesAt(known, protection))
				if err != nil {
					return err
				}
				defer func() { _ = l.Close() }() // serving closes it, too
				x, err := s.openStore(ctx)
				if err != nil {
					return err
				}
				defer x.close()
				site := web.Config{Access: door, Index: x, Blobs: x.files, Saved: saved, Store: x.name, Log: log, Now: time.Now}
				if site.Desk, err = s.deskElsewhere(); err != nil {
					return err
				}
				pages, err := web.New(site)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s://%s/\n", schemeOf(protection), l.Addr())
				return webServer{door.Guard(pages), protection, log}.serve(ctx, l)
			})
		},
	}
	a.storeFlags(cmd)
	a.guardFlags(cmd)
	a.flag(cmd.Flags(), "listen", "web.listen", "address of the page")
	return cmd
}

// deskTime is how long a gateway may need for an answer about what waits, or to a decision.
const deskTime = 20 * time.Second

// deskElsewhere returns where people decide: at the gate of another process; nil if none is configured.
func (s *Settings) deskElsewhere() (web.Desk, error) {
	if s.Web.Gateway == "" {
		return nil, nil
	}
	token, err := s.Secret("web.gateway_token")
	switch {
	case err != nil:
		return nil, usageError{err}
	case token == "":
		return nil, usageError{errors.New("web.gateway_token_file is missing: the token of a platform that may state approvals, for " + s.Web.Gateway)}
	}
	return &api.Client{URL: s.Web.Gateway, Token: token, HTTP: &http.Client{Timeout: deskTime}}, nil
}
