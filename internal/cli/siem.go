package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	siemfiles "github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/siem"
	"github.com/changetrail/changetrail/internal/siem/detect"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/stream"
)

// savedObjects are the objects for the front ends of the search engines.
func (s *Settings) savedObjects() ([]siem.Object, error) {
	saved, err := s.savedQueries()
	if err != nil {
		return nil, usageError{err}
	}
	source, err := siem.Read()
	if err != nil {
		return nil, err
	}
	return source.Objects(siem.Options{Pages: s.SIEM.Pages, Queries: saved})
}

// setupFrontEnds imports the dashboards into the front ends that the settings name.
func setupFrontEnds(cmd *cobra.Command, s *Settings, dryRun bool) (steps []stream.Step, err error) {
	fronts, err := s.frontEnds()
	if err != nil || len(fronts) == 0 {
		return nil, err
	}
	objects, err := s.savedObjects()
	if err != nil {
		return nil, err
	}
	for _, f := range fronts {
		done, err := siem.Install(cmd.Context(), f, objects, dryRun)
		steps = append(steps, done...)
		if err != nil {
			return steps, err
		}
	}
	return steps, nil
}

// frontEnds are those that the settings name. They get the credentials of the search engine.
func (s *Settings) frontEnds() (out []siem.FrontEnd, err error) {
	password, err1 := s.Secret("sink.password")
	apiKey, err2 := s.Secret("sink.api_key")
	transport := bulk.Transport()
	if file := s.Sink.CAFile; file != "" {
		pem, err := os.ReadFile(file)
		roots := x509.NewCertPool()
		if err == nil && !roots.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("CA file %s has no PEM certificate", file)
		}
		if err != nil {
			return nil, usageError{err}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	// A front end that asks to sign in leads on to a page, which would look like an answer.
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for name, at := range map[string]string{siem.OpenSearchDashboards: s.SIEM.DashboardsURL, siem.Kibana: s.SIEM.KibanaURL} {
		if at != "" {
			out = append(out, siem.FrontEnd{Name: name, URL: at, Username: s.Sink.Username, Password: password, APIKey: apiKey, Client: client})
		}
	}
	slices.SortFunc(out, func(a, b siem.FrontEnd) int { return len(b.Name) - len(a.Name) })
	return out, errors.Join(err1, err2)
}

// exportSIEM writes the files for people who import by hand.
func (s *Settings) exportSIEM(cmd *cobra.Command, folder string) error {
	objects, err := s.savedObjects()
	if err != nil {
		return err
	}
	files, err := siem.Export(objects)
	if err != nil {
		return err
	}
	rules, err := detect.Load(siemfiles.Detections())
	if err != nil {
		return err
	}
	made, err := detect.Export(rules, detect.Options{Namespace: s.Namespace, Page: s.SIEM.Pages})
	if err != nil {
		return err
	}
	for name, content := range made {
		files["detections/"+name] = content
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // #nosec G301 -- for others to read
			return err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil { // #nosec G306 -- for others to read
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), path)
	}
	return nil
}
