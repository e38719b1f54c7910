package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/admission"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/record"
)

// admissionTime is how long the gate has for an answer. It is less than the timeoutSeconds of the
// webhook in deploy/kubernetes, so that the denial says why.
const admissionTime = 8 * time.Second

// An admissionServer is where the API server asks.
type admissionServer struct{ listen, cert, key string }

func (a *app) gateAdmission() *cobra.Command {
	var at admissionServer
	cmd := &cobra.Command{
		Use:   "admission",
		Short: "Answer Kubernetes whether a workload may be deployed",
		Long: `Serves a validating webhook for Kubernetes (AdmissionReview v1 at /admission, over TLS).
It allows an object if the gate lets the commit be deployed that the annotations of its
pods name: changetrail.dev/repository and changetrail.dev/commit. It denies what names no
commit or an unknown one, and everything while the gate cannot tell.

It asks the gateway that --gateway names, with the token of producer.token. The files of
--cert and --key are read again at each connection, so that they can be renewed.
deploy/kubernetes contains the manifests.`,
		Example: `  changetrail gate admission --gateway https://changetrail.example.com --cert tls.crt --key tls.key`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			if s.Producer.Gateway == "" || at.cert == "" || at.key == "" {
				return usageError{errors.New("gate admission: give --gateway, --cert and --key")}
			}
			return s.service(cmd, "admission", func(context.Context) error { return nil }, func(ctx context.Context, log *slog.Logger, _ *telemetry.Providers) error {
				return s.admit(ctx, at, log)
			})
		},
	}
	cmd.Flags().StringVar(&at.listen, "listen", ":8443", "address of the webhook")
	cmd.Flags().StringVar(&at.cert, "cert", "", "certificate (PEM)")
	cmd.Flags().StringVar(&at.key, "key", "", "key of the certificate (PEM)")
	a.flag(cmd.Flags(), "gateway", "producer.gateway", "URL of the gateway")
	a.flag(cmd.Flags(), "metrics", "telemetry.listen", "address of /metrics")
	return cmd
}

// admit serves the webhook until ctx is done.
func (s *Settings) admit(ctx context.Context, at admissionServer, log *slog.Logger) error {
	pair := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(at.cert, at.key)
		return &c, err
	}
	if _, err := pair(nil); err != nil {
		return usageError{fmt.Errorf("gate admission: --cert and --key: %w", err)}
	}
	var where gateQuestion
	if err := where.find(ctx, s); err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", at.listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/admission", admission.Handler{Log: log, Deployable: func(ctx context.Context, commit record.ChangeID) (gate.Decision, error) {
		ctx, cancel := context.WithTimeout(ctx, admissionTime)
		defer cancel()
		q := where
		q.change, q.deploy = commit, true
		d, _, err := q.ask(ctx, 0, "")
		return d, err
	}})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	log.Info("the webhook for Kubernetes starts", "address", "https://"+l.Addr().String()+"/admission", "gateway", where.server)
	return webServer{mux, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair}, log}.serve(ctx, l)
}
