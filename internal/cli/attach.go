package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// about holds the flags of attach: what a report is about.
type about struct {
	change, repository, commit, tool, name, conclusion, provider, url, scanID, run string
	attempt                                                                        int64 // attempt of that run
	timeout                                                                        time.Duration
	anyCommit                                                                      bool // the repository is enough: no commit is needed
}

func (a *app) attach() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "attach",
		Short: "Send a report, a bill of materials or a request as evidence",
		Long: `Sends the report of a scanner or of a test run as evidence about a change or
a commit. The format is recognized by the content. The file is checked first: a report
that is broken, empty or of an unknown format is an error here, in the CI job,
and not later in the pipeline.

In GitHub Actions, GitLab CI and Jenkins the change and the commit are read from the
job's environment, unless flags name them. In GitHub Actions the job also proves who it
is (OIDC), if no token is configured and the workflow has the permission
id-token: write. Ready-made CI steps are in deploy/ci.`,
	}
	return group(cmd, a.attachScan(), a.attachTests(), a.attachSBOM(), a.attachRequest())
}

func (a *app) attachFlags(cmd *cobra.Command, f *about) {
	cmd.Flags().StringVar(&f.change, "change", "", "the change: acme/payments#4829, group/proj!12, its URL or its id")
	cmd.Flags().StringVar(&f.repository, "repository", "", "the repository, host/path, if no change is known")
	cmd.Flags().StringVar(&f.commit, "commit", "", "the commit that was scanned or tested")
	cmd.Flags().StringVar(&f.url, "job-url", "", "URL of the CI job")
	cmd.Flags().Var(spanOf(&f.timeout, 30*time.Second), "timeout", "how long to try")
	a.producerFlags(cmd)
}

func (f *about) check() error {
	if f.change == "" && f.anyCommit && f.repository == "" {
		return usageError{errors.New("attach: give --change or --repository: a request must name its repository or change, and no CI system that changetrail knows provides one")}
	}
	if f.change == "" && !f.anyCommit && (f.repository == "" || f.commit == "") {
		return usageError{errors.New("attach: give --change, or --repository and --commit: evidence must name its change or commit, and no CI system that changetrail knows provides one")}
	}
	if f.change != "" {
		if _, err := record.ParseChange(f.change); err != nil {
			return usageError{fmt.Errorf("attach: --change: %w", err)}
		}
	}
	return nil
}

func (a *app) attachScan() *cobra.Command {
	var f about
	cmd := &cobra.Command{
		Use:     "scan FILE…",
		Short:   "Send a scanner's report (SARIF, Trivy, Grype, osv-scanner and more)",
		Example: `  osv-scanner scan --format json . > osv.json || true` + "\n" + `  changetrail attach scan --change acme/payments#4829 --commit "$SHA" osv.json`,
		Args:    atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attachFiles(cmd, &f, args, reportKind{other: "attach tests", read: func(_ string, file []byte) (record.Fact, string, error) {
				scan, result, err := evidence.Scan(file)
				if err != nil {
					return nil, "", err
				}
				if scan.Tool.Name = cmp.Or(f.tool, scan.Tool.Name); scan.Tool.Name == "" {
					return nil, "", fmt.Errorf("a report of format %s does not name the tool that wrote it; name it with --tool NAME", result.Format)
				}
				scan.ScanID, scan.CommitSHA, scan.URL, scan.Repository = f.scanID, f.commit, f.url, f.repository
				said := fmt.Sprintf("%s report of %s: %d findings, highest %s\ndigest %s", result.Format, scan.Tool.Name, result.Summary.Findings, orNone(result.Summary.Highest), scan.Report.Digest)
				if result.Tool == "" && f.tool == "" {
					said += "\nthe report does not name the tool that wrote it; name it with --tool NAME"
				}
				return scan, said + notUnderstood(result), nil
			}})
		},
	}
	cmd.Flags().StringVar(&f.tool, "tool", "", "name of the scanner, if the report does not name it")
	cmd.Flags().StringVar(&f.scanID, "scan-id", "", "the scanner's id of the scan")
	a.attachFlags(cmd, &f)
	return cmd
}

func (a *app) attachTests() *cobra.Command {
	var f about
	cmd := &cobra.Command{
		Use:     "tests FILE…",
		Short:   "Send the results of a test run (JUnit, TRX, NUnit, xUnit.net, TAP, go test -json and more)",
		Example: `  go test -json ./... > tests.json` + "\n" + `  changetrail attach tests --change acme/payments#4829 --commit "$SHA" --name unit tests.json`,
		Args:    atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attachFiles(cmd, &f, args, reportKind{other: "attach scan", read: func(name string, file []byte) (record.Fact, string, error) {
				v, result, err := evidence.Validation(file)
				if err != nil {
					return nil, "", err
				}
				v.Name, v.Provider, v.CommitSHA, v.URL, v.Conclusion, v.Repository = f.name, f.provider, f.commit, f.url, f.conclusion, f.repository
				v.RunID, v.Attempt = f.run, max(0, f.attempt)
				if len(args) > 1 { // each file is a check of its own
					v.Name += " (" + filepath.Base(name) + ")"
				}
				return v, fmt.Sprintf("%s: %s, %d passed, %d failed, %d skipped\ndigest %s", result.Format, result.Conclusion, result.Passed, result.Failed, result.Skipped, v.Report.Digest) + notUnderstood(result), nil
			}})
		},
	}
	cmd.Flags().StringVar(&f.name, "name", "", "name of the job (default: its name in CI, or tests)")
	cmd.Flags().StringVar(&f.provider, "provider", "", "the CI system")
	cmd.Flags().StringVar(&f.conclusion, "conclusion", "", "the job's conclusion in the CI system (default: read from the report)")
	a.attachFlags(cmd, &f)
	return cmd
}

func notUnderstood(r evidence.Result) string {
	if len(r.Partial) == 0 {
		return ""
	}
	return "\nnot understood: " + strings.Join(r.Partial, "; ")
}

// A reportKind is a kind of files that attach reads.
type reportKind struct {
	// read turns a file into a fact and describes it.
	read  func(name string, file []byte) (record.Fact, string, error)
	other string // the command for files of another kind
}

// attachFiles sends all files, or none if one of them cannot be read.
func (a *app) attachFiles(cmd *cobra.Command, f *about, names []string, kind reportKind) error {
	f.fill(ciJobOf(os.Getenv))
	if err := f.check(); err != nil {
		return err
	}
	var events []event.Event
	var said []string
	var errs []error
	for _, name := range names {
		file, err := readReport(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fact, text, err := kind.read(name, file)
		if errors.Is(err, evidence.ErrOtherKind) {
			err = fmt.Errorf("%w; use %s", err, kind.other)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if n := secrets.Reported(file); n > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s contains %d secrets in plain text. Pages and /v1/blobs mask them, but the file is stored as the scanner wrote it, because its digest is evidence; make the scanner redact them, as gitleaks --redact does\n", name, n)
		}
		e := producer.Event(f.change, fact)
		if f.repository != "" && f.change == "" {
			e.SetExtension("partitionkey", f.repository)
		}
		events, said = append(events, e), append(said, text)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := a.send(cmd, *f, events...); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\nabout %s\n", strings.Join(said, "\n"), f.what())
	return nil
}

// readReport reads a report from a file or a pipe, up to the maximum size of a report.
func readReport(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, evidence.MaxReport+1))
	if err == nil && len(text) > evidence.MaxReport {
		err = fmt.Errorf("%s: the file has more than %d MiB, which is the maximum", name, evidence.MaxReport>>20)
	}
	return text, err
}

func (a *app) attachSBOM() *cobra.Command {
	var f about
	var before string
	cmd := &cobra.Command{
		Use:   "sbom --change CHANGE --before OLD NEW",
		Short: "Send what changed between two bills of materials (CycloneDX, SPDX)",
		Example: `  git worktree add base origin/main && (cd base && npm sbom --sbom-format=cyclonedx) > old.json
  npm sbom --sbom-format=cyclonedx > new.json
  changetrail attach sbom --change acme/payments#4829 --before old.json new.json`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.fill(ciJobOf(os.Getenv))
			if f.change == "" || before == "" {
				return usageError{errors.New("attach sbom: give --change, and the earlier bill of materials with --before: their difference is attached")}
			}
			if err := f.check(); err != nil {
				return err
			}
			old, err := readReport(before)
			if err != nil {
				return err
			}
			now, err := readReport(args[0])
			if err != nil {
				return err
			}
			updates, err := evidence.Delta(old, now)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", before, args[0], err)
			}
			update := &record.Updated{Revision: record.Revision{Dependencies: updates, SBOMDigest: digests.Of(now)}}
			if len(updates) > 500 {
				return fmt.Errorf("attach sbom: %d packages differ, and one change can have at most 500; are both bills of materials from the same project?", len(updates))
			}
			if err := a.send(cmd, f, producer.Event(f.change, update)); err != nil {
				return err
			}
			for _, u := range updates {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s → %s\n", u.Name, orNone(u.From), orNone(u.To))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d packages differ\ndigest %s\n", len(updates), update.SBOMDigest)
			return nil
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "the bill of materials before the change")
	a.attachFlags(cmd, &f)
	return cmd
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("give exactly one %s, not %d; see %s --help", what, len(args), cmd.CommandPath())}
		}
		return nil
	}
}

func (a *app) send(cmd *cobra.Command, f about, events ...event.Event) error {
	s, err := a.settings(cmd)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := checkEvent(e); err != nil {
			return usageError{err}
		}
	}
	if s.Producer.Gateway != "" && s.Producer.Token == "" && s.Producer.TokenFile == "" {
		if s.Producer.Token, err = ciToken(cmd.Context(), os.Getenv, s.Producer.Gateway); err != nil {
			return err
		}
	}
	return s.send(cmd, producer.Binary, f.timeout, events)
}
