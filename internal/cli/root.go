package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/instances"
	"github.com/changetrail/changetrail/internal/phrase"
	terminal "github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/internal/telemetry"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the command was tried and failed
	exitMisuse = 2 // the command line or the configuration is wrong
)

// A usageError is a mistake in the command line or the configuration.
type usageError struct{ error }

func (m usageError) Unwrap() error { return m.error }

// misconfigured makes an error of a setting, or of a file that a setting names, a usageError.
func misconfigured(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// Run executes a command line and returns its exit code.
func Run(ctx context.Context, args []string, in io.Reader, stdout, stderr io.Writer, environ []string) int {
	out, errOut := terminal.NewWriter(stdout), terminal.NewWriter(stderr)
	defer func() { _ = errors.Join(out.Flush(), errOut.Flush()) }() // there is nowhere to report it
	root := newRoot(environ)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := noSuchCommandIn(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitOK
	}
	var end outcome
	if errors.As(err, &end) && end.error == nil {
		return end.code
	}
	fmt.Fprintf(errOut, "changetrail: %s\n", config.Shown(phrase.Error(err)))
	if end.code != 0 {
		return end.code
	}
	var wrong usageError
	if errors.As(err, &wrong) {
		return exitMisuse
	}
	return exitFailed
}

// noSuchCommandIn refuses an unknown command before its flags are parsed, since they belong to
// the command that was meant.
func noSuchCommandIn(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err == nil && cmd.HasSubCommands() && cmd.Args != nil && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !strings.HasPrefix(rest[0], "__") {
		return cmd.Args(cmd, rest[:1]) // gate has subcommands and an argument
	}
	return nil
}

// overwrite writes a line that the next call overwrites.
func overwrite(w io.Writer, format string, args ...any) {
	if p, ok := w.(*terminal.Writer); ok {
		w = p.Raw()
	}
	fmt.Fprintf(w, format, args...)
}

// An app holds what all commands share.
type app struct {
	environ []string
	file    string
}

// getenv is [os.Getenv] for the environment of the command.
func (a *app) getenv(name string) (value string) {
	for _, e := range a.environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// settingKey is the annotation of a flag that names its key of the settings.
const settingKey = "key"

func newRoot(environ []string) *cobra.Command {
	a := &app{environ: environ}
	root := &cobra.Command{
		Use:   "changetrail",
		Short: "Record why code was changed, and who approved it",
		Long: `changetrail joins what AI agents, scanners, CI systems and people report about a
change into one record, and forwards it to a SIEM (OpenSearch or Elasticsearch).

Settings come from flags, the environment (CHANGETRAIL_…), a file and defaults, in
this order. The file is the one that --config or CHANGETRAIL_CONFIG names; else
changetrail/changetrail.yaml in your configuration folder (~/.config). A
changetrail.yaml in the working folder is read only if you name it, because somebody
else may have written it. Relative paths in a file start at its folder.`,
		Example: `  changetrail demo                          # ninety days of a made-up company
  changetrail up                            # the same for your own events
  changetrail attach scan --change acme/payments#4829 osv.json
  changetrail show acme/payments#4829
  changetrail query not-reviewed --since 90d`,
		Version:       thisBuild().version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&a.file, "config", "", "configuration file (default: ~/.config/changetrail/changetrail.yaml)")
	a.flag(root.PersistentFlags(), "brokers", "kafka.brokers", "Kafka brokers, host:port, separated by commas")
	a.flag(root.PersistentFlags(), "prefix", "kafka.prefix", "first part of the topic names")
	a.flag(root.PersistentFlags(), "namespace", "namespace", "part of every index name")
	a.flag(root.PersistentFlags(), "log-level", "log.level", "debug, info, warn or error")
	root.SetFlagErrorFunc(flagError)
	group(root, a.up(), a.demo(), a.web(), a.query(), a.replay(), a.export(), a.importing(), a.redact(), a.setup(), a.publish(), a.attach(), a.gateway(), a.gate(), a.approvals(), a.hook(), a.mcp(), a.enrich(), a.sink(), a.health(), a.letters(), a.show(), a.doctor(), a.policy(), a.controls(), a.audit(), a.config(), a.version())
	arrange(root)
	completeFlags(root)
	return root
}

// flag makes a flag that sets a key of the settings.
func (a *app) flag(set *pflag.FlagSet, name, key, usage string) {
	set.String(name, "", usage+" ("+key+")")
	_ = set.SetAnnotation(name, settingKey, []string{key}) // the flag was just made
}

// engineFlags adds the flags of commands that use the search engine.
func (a *app) engineFlags(set *pflag.FlagSet) {
	a.flag(set, "engine", "sink.engine", "opensearch or elasticsearch")
	a.flag(set, "url", "sink.addresses", "URLs of the engine, separated by commas")
}

// receiverFlags adds the flags of commands that use any receiver.
func (a *app) receiverFlags(set *pflag.FlagSet) {
	a.flag(set, "engine", "sink.engine", "opensearch, elasticsearch, splunk, otlp, syslog, lake or ocsf-topic")
	a.flag(set, "url", "sink.addresses", "URLs of the search engine, separated by commas, or the URL of another receiver")
}

// settings returns the effective settings of a command.
func (a *app) settings(cmd *cobra.Command) (Settings, error) {
	c, err := config.Source{File: a.file, Environ: a.environ, Folder: "."}.Load()
	s := Settings{Config: c, state: instances.Folder(a.getenv)}
	if file := s.File(); file != "" && audienceOf(cmd) == operators {
		fmt.Fprintf(cmd.ErrOrStderr(), "configuration: %s\n", config.Shown(file))
	}
	for _, warning := range s.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), warning)
	}
	if err != nil {
		return s, usageError{err}
	}
	errs := []error{s.fromFlags(cmd), s.Validate()}
	if audienceOf(cmd) != operators {
		errs = append(errs, s.CheckSecrets())
	}
	if err := errors.Join(errs...); err != nil {
		return s, usageError{err}
	}
	return s, nil
}

// fromFlags applies the flags to the settings.
func (s *Settings) fromFlags(cmd *cobra.Command) error {
	var errs []error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		for _, key := range f.Annotations[settingKey] {
			errs = append(errs, s.Set(key, f.Value.String()))
		}
	})
	return errors.Join(errs...)
}

func (s *Settings) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.Log.Level))
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: config.ShownAttr}
	if s.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// service runs a long-lived service with its telemetry.
func (s *Settings) service(cmd *cobra.Command, name string, ready func(context.Context) error, body func(context.Context, *slog.Logger, *telemetry.Providers) error) error {
	log := s.logger(cmd.ErrOrStderr())
	if s.Telemetry.Listen != "" {
		if err := s.metricsAt(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	p, err := telemetry.Start(ctx, "changetrail-"+name, thisBuild().version)
	if err != nil {
		return err
	}
	if s.Telemetry.Listen != "" {
		guard := s.door(nil, nil, log).Guard
		if s.Telemetry.Open {
			guard = func(next http.Handler) http.Handler { return next }
		}
		if err := p.Serve(ctx, telemetry.Port{Address: s.Telemetry.Listen, Ready: ready, Guard: guard, Log: log}); err != nil {
			return err
		}
	}
	err = unlessStopped(ctx, body(ctx, log, p))
	return errors.Join(err, p.Close())
}

// unlessStopped returns what failed other than by the end of ctx. A service that is stopped has not
// failed, even while it starts and waits for another service.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var left []error
		for _, e := range several.Unwrap() {
			left = append(left, unlessStopped(ctx, e))
		}
		return errors.Join(left...)
	}
	return nil
}
