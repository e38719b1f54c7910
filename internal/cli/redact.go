package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/archive"
	"github.com/changetrail/changetrail/internal/masking"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/sinks/local"
)

func (a *app) redact() *cobra.Command {
	return group(&cobra.Command{Use: "redact", Short: "Find secrets in stored data"}, a.redactAgain())
}

// redacting is one run of redact again.
type redacting struct {
	*Settings
	apply, folder    bool
	copyTo, by, form string
	found            []masking.Finding
}

func (a *app) redactAgain() *cobra.Command {
	r := new(redacting)
	cmd := &cobra.Command{
		Use:   "again",
		Short: "Search stored data again with the current rules for secrets",
		Long: `Searches all events and files, and the records of the index, with the current rules for
secrets. It prints where a secret is, never the secret itself. Exit code 1 means that
secrets were found and nothing was changed.

--apply, with --data, replaces all events and files in a folder of the embedded mode with
masked copies. The instance must be stopped; its next start makes the records again. A
Kafka topic cannot be rewritten: --copy writes a masked archive, which import brings to
new topics and a new blob store.

A masked event carries a note about it, signed with signing_key. An answer that rests on
such an event is no longer proven (docs/redaction.md#what-was-stored-before).`,
		Example: `  changetrail redact again --data changetrail-data
  changetrail redact again --data changetrail-data --apply
  changetrail redact again --brokers kafka:9092 --blobs s3://evidence --copy masked.gz`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			r.Settings, r.folder = &s, cmd.Flags().Changed("data")
			if err := r.check(); err != nil {
				return usageError{err}
			}
			if err := r.run(cmd.Context()); err != nil {
				return err
			}
			return r.report(cmd)
		},
	}
	cmd.Flags().BoolVar(&r.apply, "apply", false, "replace everything in --data with masked copies")
	cmd.Flags().StringVar(&r.copyTo, "copy", "", "archive to write, with masked copies")
	cmd.Flags().StringVar(&r.by, "by", "", "who does it, as records will show it (default: account and host)")
	outputFlag(cmd, &r.form, "output format", "text", "json")
	a.flag(cmd.Flags(), "data", "local.data", "folder of the embedded mode, instead of Kafka")
	a.flag(cmd.Flags(), "blobs", "blobs", "where files are stored: a folder, or a URL such as s3://bucket")
	a.flag(cmd.Flags(), "store", "store", "index to search in addition to Kafka: opensearch or elasticsearch")
	return cmd
}

func (r *redacting) check() error {
	if r.apply && !r.folder {
		return errors.New("a Kafka topic cannot be rewritten: write masked copies with --copy FILE, and import them into new topics (docs/redaction.md#what-was-stored-before); --apply needs --data")
	}
	if r.apply && r.copyTo != "" {
		return errors.New("give either --apply or --copy")
	}
	if r.folder {
		if _, err := os.Stat(filepath.Join(r.Local.Data, "broker")); err != nil {
			return fmt.Errorf("--data %s is not a data folder of changetrail up: %w", r.Local.Data, err)
		}
	}
	return nil
}

// run searches for secrets, and replaces or copies what the flags ask for.
func (r *redacting) run(ctx context.Context) error {
	keys, err := r.signingKeys()
	if err == nil && r.folder && !keys.Any() {
		keys, err = localKeys(r.Local.Data)
	}
	if err != nil {
		return usageError{err}
	}
	m, err := r.masker(keys)
	if err != nil {
		return usageError{err}
	}
	if r.folder {
		return r.inFolder(ctx, m, keys)
	}
	return r.inKafka(ctx, m)
}

func (r *redacting) masker(keys signing.Keys) (*masking.Masker, error) {
	key, err := r.redactionKey(keys)
	if err != nil {
		return nil, err
	}
	rules, err := secrets.New(secrets.Redacted, key)
	return &masking.Masker{
		Rules: rules, Keys: keys, By: cmp.Or(r.by, whoami()), At: time.Now().UTC().Truncate(time.Second),
		Found: func(f masking.Finding) { r.found = append(r.found, f) },
	}, err
}

// whoami returns the account and the host.
func whoami() string {
	name, host := "somebody", "this machine"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

func (r *redacting) inFolder(ctx context.Context, m *masking.Masker, keys signing.Keys) (err error) {
	f := &masking.Folder{Dir: r.Local.Data, Topics: r.topics(), Retention: time.Duration(r.Retention)}
	from, err := f.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	m.Blobs = from.Blobs
	if _, err := os.Stat(filepath.Join(r.Local.Data, local.FileName)); err == nil {
		r.Store = r.Local.Data
	}
	if err := r.look(ctx, m, from); err != nil || !r.apply || len(r.found) == 0 {
		return errors.Join(err, r.copy(ctx, m, from))
	}
	from.Copy = m
	return f.Replace(ctx, archive.Target{Keys: keys}, from)
}

func (r *redacting) inKafka(ctx context.Context, m *masking.Masker) error {
	kafka, err := r.kafka()
	if err != nil {
		return err
	}
	partitions, store, err := r.ends(ctx, kafka)
	if err != nil {
		return err
	}
	from := archive.Source{Kafka: kafka, Topic: r.topics().Events(), Partitions: partitions, Blobs: store}
	if store != nil {
		defer func() { _ = store.Close() }()
		m.Blobs = store
	}
	return errors.Join(r.look(ctx, m, from), r.copy(ctx, m, from))
}

// look searches for secrets. Copies that are made afterwards report nothing again.
func (r *redacting) look(ctx context.Context, m *masking.Masker, from archive.Source) error {
	err := m.Look(ctx, from)
	if err == nil && r.Store != "" {
		var x *store
		if x, err = r.openStore(ctx); err == nil {
			err = m.LookIn(ctx, x, x.name)
			x.close()
		}
	}
	m.Found = nil
	return err
}

// copy writes the archive of --copy.
func (r *redacting) copy(ctx context.Context, m *masking.Masker, from archive.Source) error {
	if r.copyTo == "" {
		return nil
	}
	out, err := os.OpenFile(r.copyTo, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640) // #nosec G302 -- the group may read it, to carry it elsewhere
	if err != nil {
		return err
	}
	from.Copy = m
	_, err = archive.Export(ctx, out, from, func(archive.Counts) {})
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(r.copyTo)) // half an archive is of no use
	}
	return nil
}

// errFound is returned by a run that found secrets and changed nothing.
var errFound = errors.New("stored data contain secrets; nothing was changed. Rotate the secrets, then mask them with --data DIR --apply, or with a masked copy (--copy FILE)")

func (r *redacting) report(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	if r.form == "json" {
		if err := printJSON(cmd, map[string]any{"found": r.found, "masked": r.apply && len(r.found) > 0, "copy": r.copyTo}); err != nil {
			return err
		}
	} else if err := r.table(out); err != nil {
		return err
	}
	switch {
	case len(r.found) == 0, r.apply, r.copyTo != "":
		return nil
	}
	return errFound
}

func (r *redacting) table(out io.Writer) error {
	if len(r.found) == 0 {
		_, err := fmt.Fprintln(out, "No secrets were found in stored data.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tWHERE\tABOUT\tRULES\tDIGEST")
	for _, f := range r.found {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Kind, f.Where, orNone(f.About), strings.Join(f.Rules, ","), orNone(f.Digest))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case r.apply:
		fmt.Fprintf(out, "\nAll events and files of %s were replaced with masked copies. Start changetrail up: it makes the records again.\n", r.Local.Data)
	case r.copyTo != "":
		fmt.Fprintf(out, "\n%s contains masked copies of all events and files. The stored data were not changed.\n", r.copyTo)
	}
	return nil
}

var _ masking.Rules = (*secrets.Redactor)(nil)
