package cli

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/internal/telemetry"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/web"
)

// A store is an index with the files beside it.
type store struct {
	web.Index
	files blobs.Getter // nil if none is configured
	name  string
	at    place
	close func()
}

func (a *app) storeFlags(cmd *cobra.Command) {
	a.flag(cmd.Flags(), "store", "store", "where the records are: a folder of the embedded mode, opensearch or elasticsearch")
	a.engineFlags(cmd.Flags())
	a.flag(cmd.Flags(), "blobs", "blobs", "where files are stored: a folder, or a URL such as s3://bucket")
}

// openStore opens the index that commands read, and the files beside it.
func (s *Settings) openStore(ctx context.Context) (*store, error) {
	at, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	files, err := s.blobStore(ctx)
	if err != nil {
		return nil, usageError{err}
	}
	if at.engine != "" {
		s.Sink.Engine = at.engine
		engine, err := s.engine()
		if err != nil {
			return nil, err
		}
		out := &store{Index: engine, name: at.engine, at: at, close: func() {}}
		if files != nil {
			out.files, out.close = files, func() { _ = files.Close() }
		}
		return out, nil
	}
	folder := at.instance.Data
	if err := inFolder(at.short(), local.FileName); err != nil {
		return nil, err
	}
	x, err := local.Open(ctx, folder, false)
	if err != nil {
		return nil, err
	}
	if files == nil {
		s.Blobs = standalone.BlobDir(folder)
		if files, err = s.blobStore(ctx); err != nil {
			return nil, errors.Join(err, x.Close())
		}
	}
	return &store{Index: x, files: files, name: "embedded, " + at.short(), at: at, close: func() {
		_ = files.Close()
		_ = x.Close()
	}}, nil
}

// openFor opens the store that a command reads, and prints which one it is if the user did not
// name it.
func (s *Settings) openFor(cmd *cobra.Command) (*store, error) {
	x, err := s.openStore(cmd.Context())
	if err == nil && !x.at.given {
		fmt.Fprintf(cmd.ErrOrStderr(), "reading %s\n", config.Shown(x.at.String()))
	}
	return x, err
}

// mayReadFile returns a function that reports whether a change that a reader may see rests on a
// file; nil if no store is set.
func (s *Settings) mayReadFile() func(context.Context, string, identity.Principal) (bool, error) {
	if s.Store == "" {
		return nil
	}
	return func(ctx context.Context, digest string, who identity.Principal) (bool, error) {
		x, err := s.openStore(ctx)
		if err != nil {
			return false, err
		}
		defer x.close()
		return web.MayReadFile(ctx, x, digest, who)
	}
}

var _ web.Index = (*bulk.Server)(nil)

// changeIn parses the name of a change and opens the store to find it.
func (a *app) changeIn(cmd *cobra.Command, name string) (record.ChangeID, *store, error) {
	id, err := record.ParseChange(name)
	if err != nil {
		return "", nil, usageError{err}
	}
	s, err := a.settings(cmd)
	if err != nil {
		return "", nil, err
	}
	x, err := s.openFor(cmd)
	return id, x, err
}

// savedQueries returns the built-in queries, one for each framework and control of the matrix, and
// those of the file that the setting queries names.
func (s *Settings) savedQueries() ([]query.Saved, error) {
	saved, err := query.BuiltIn()
	if err != nil {
		return nil, err
	}
	matrix, err := s.matrix()
	if err != nil {
		return nil, err
	}
	saved = append(saved, query.OfControls(matrix.Resolved())...)
	if s.Queries == "" {
		return saved, nil
	}
	text, err := os.ReadFile(s.Queries)
	if err != nil {
		return nil, usageError{fmt.Errorf("queries: %w", err)}
	}
	own, err := query.ParseSaved(text)
	if err != nil {
		return nil, usageError{mistake.In(s.Queries, err)}
	}
	for _, q := range own { // they may replace built-in ones
		saved = slices.DeleteFunc(saved, func(o query.Saved) bool { return o.Name == q.Name })
	}
	return append(own, saved...), nil
}

func (a *app) web() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "web",
		Short: "Serve the web page over an index",
		Long: `Serves search, the story of each change and its evidence. It reads OpenSearch,
Elasticsearch, or a folder of the embedded mode. To show reports it needs --blobs, which
names the store in which the enricher keeps them.

With --credentials readers must sign in: programs send a token, people enter theirs.
Without --credentials everybody may read, and it listens on this machine only.`,
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
				l, err := s.listen(ctx, s.gatewayAt("web.listen", s.Web.Listen, known, protection))
				if err != nil {
					return err
				}
				defer func() { _ = l.Close() }() // serving closes it, too
				x, err := s.openStore(ctx)
				if err != nil {
					return err
				}
				defer x.close()
				door := s.door(known, protection, log)
				pages, err := web.New(web.Config{Access: door, Index: x, Blobs: x.files, Saved: saved, Store: x.name, Log: log, Now: time.Now})
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

// tableColumns are the fields that a table shows of each change that a query finds.
func tableColumns(name string, saved []query.Saved) []string {
	columns := query.Columns()
	if q, ok := query.Find(saved, name); ok && q.Columns != nil {
		columns = q.Columns
	}
	return append([]string{"@timestamp"}, columns...)
}

func (a *app) query() *cobra.Command {
	var output, since string
	var chosen []string
	var limit int
	cmd := &cobra.Command{
		Use:   "query [NAME|QUERY]",
		Short: "Run a saved query by name, or a query in Lucene's syntax",
		Long: `Finds change records, the newest first. Without a query it lists the saved queries.
A query is the name of a saved query; or a change, URL, commit, digest or CVE, pasted as
it is; or Lucene's syntax as in Kibana (docs/query.md).`,
		Example: `  changetrail query
  changetrail query pci-6.3.2-agents --since 90d
  changetrail query 'changetrail.gaps:self-approval AND service.name:payments' -o csv > self.csv
  changetrail query not-reviewed -o json --limit 0`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w; put a query with spaces in quotes", err)}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			saved, _ := query.BuiltIn()
			var names []string
			for _, q := range saved {
				names = append(names, q.Name+"\t"+q.Title)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.settings(cmd)
			if err != nil {
				return err
			}
			saved, err := s.savedQueries()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, q := range saved {
					fmt.Fprintf(w, "%s\t%s\n", q.Name, q.Question)
				}
				return w.Flush()
			}
			where, err := parseQuery(args[0], since, saved)
			if err := errors.Join(err, checkName(args[0], saved), checkColumns(chosen)); err != nil {
				return usageError{err}
			}
			x, err := s.openFor(cmd)
			if err != nil {
				return err
			}
			defer x.close()
			if err := x.checkFound(cmd.Context(), args[0], where, saved); err != nil {
				return err
			}
			if len(chosen) == 0 {
				chosen = tableColumns(args[0], saved)
			}
			if output == "table" && !cmd.Flags().Changed("limit") {
				limit = 50
			}
			if err := x.misnamed(cmd.Context(), args[0], where, saved); err != nil {
				return err
			}
			return listing{where, output, chosen, limit}.print(cmd, x)
		},
	}
	outputFlag(cmd, &output, "output format; json writes one record per line", "table", "json", "csv")
	cmd.Flags().StringVar(&since, "since", "", "only changes with an event in this time span, for example 90d or 24h")
	cmd.Flags().StringSliceVar(&chosen, "columns", nil, "fields to show, separated by commas")
	cmd.Flags().IntVar(&limit, "limit", 0, "maximum number of records, 0 for all; a table shows 50 by default")
	a.storeFlags(cmd)
	return cmd
}

// parseQuery reads a query by its name or as text.
func parseQuery(text, since string, saved []query.Saved) (query.Node, error) {
	fields, err := query.RecordFields()
	if err != nil {
		return nil, err
	}
	n, err := query.Parse(query.Named(text, saved), fields, time.Now())
	if bad := new(query.Error); errors.As(err, &bad) && bad.Suggest != "" {
		return nil, fmt.Errorf("%w: %s", err, bad.Suggest)
	}
	if err != nil || since == "" {
		return n, err
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(since)); err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	from := float64(time.Now().Add(-time.Duration(d)).UnixMilli())
	return query.Bool{Must: []query.Node{n, query.Range{Field: fields["@timestamp"], Low: &query.Bound{Number: from, Inclusive: true}}}}, nil
}

// misnamed returns an error if a text is close to the name of a saved query and finds nothing:
// an empty table would look as if there was nothing.
func (x *store) misnamed(ctx context.Context, text string, where query.Node, saved []query.Saved) error {
	meant := query.Closest(text, saved)
	if _, named := query.Find(saved, text); named || meant == "" {
		return nil
	}
	res, err := x.Search(ctx, query.Request{Where: where})
	if err != nil || res.Total > 0 {
		return err
	}
	return usageError{fmt.Errorf("no saved query is named %s, and no change contains that word; did you mean %s?", text, meant)}
}

var errEnough = errors.New("enough")

// A listing says which records are printed, and how.
type listing struct {
	where  query.Node
	output string   // table, csv or json
	fields []string // columns of table and csv
	limit  int      // 0 means all
}

// print writes the records one by one as they are found.
func (l listing) print(cmd *cobra.Command, x *store) error {
	res, err := x.Search(cmd.Context(), query.Request{Where: l.where})
	if err != nil {
		return err
	}
	out, n := cmd.OutOrStdout(), 0
	write, flush := tableWriter(out, l.fields)
	switch l.output {
	case "csv":
		w := csv.NewWriter(out)
		write = func(d query.Doc) error { return w.Write(line(d, l.fields, query.EscapeFormula)) }
		flush = func() error { w.Flush(); return w.Error() }
		if err := w.Write(l.fields); err != nil {
			return err
		}
	case "json":
		flush = func() error { return nil }
	}
	err = x.All(cmd.Context(), l.where, func(h query.Hit) error {
		if l.limit > 0 && n == l.limit {
			return errEnough
		}
		if n++; n%1000 == 0 && l.output != "table" {
			overwrite(cmd.ErrOrStderr(), "\r%d of %d", n, res.Total)
		}
		if l.output == "json" {
			_, err := fmt.Fprintf(out, "%s\n", h.Doc)
			return err
		}
		d, err := query.ReadDoc(h.Doc)
		if err != nil {
			return fmt.Errorf("the record of %s cannot be read: %w", h.ID, err)
		}
		return write(d)
	})
	if n >= 1000 && l.output != "table" {
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	if err != nil && !errors.Is(err, errEnough) {
		return errors.Join(err, flush())
	}
	if err := flush(); err != nil {
		return err
	}
	if l.output == "table" {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d changes\n", n, res.Total)
	}
	return nil
}

func line(d query.Doc, fields []string, each func(string) string) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = each(d.Text(f))
	}
	return out
}

func tableWriter(out io.Writer, fields []string) (write func(query.Doc) error, flush func() error) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := make([]string, len(fields))
	for i, f := range fields {
		head[i] = strings.ToUpper(f[strings.LastIndexByte(f, '.')+1:])
		if f == "@timestamp" {
			head[i] = "LAST EVENT"
		}
		if f == "changetrail.change.id" {
			head[i] = "CHANGE"
		}
		if f == "service.name" {
			head[i] = "SERVICE"
		}
		if f == "gen_ai.agent.id" {
			head[i] = "AGENT"
		}
	}
	fmt.Fprintln(w, strings.Join(head, "\t"))
	return func(d query.Doc) error {
		_, err := fmt.Fprintln(w, strings.Join(line(d, fields, func(s string) string { return cmp.Or(strings.Join(strings.Fields(s), " "), "–") }), "\t"))
		return err
	}, w.Flush
}

func (a *app) replay() *cobra.Command {
	var dir, check string
	cmd := &cobra.Command{
		Use:   "replay CHANGE",
		Short: "Show the story of a change: saw, decided, did, validated, approved, merged, deployed",
		Long: `Shows the story of a change with its evidence. --save writes the record, the events and
every stored report and log to a folder, with a manifest of digests, and verifies what
it wrote. --check verifies such a folder again, at any time and offline.`,
		Example: `  changetrail replay acme/payments#4829
  changetrail replay acme/payments#4829 --save evidence/pr-4829
  changetrail replay --check evidence/pr-4829`,
		Args: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return noArgs(cmd, args)
			}
			return exactlyOne("CHANGE")(cmd, args)
		},
		ValidArgsFunction: a.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return checkSaved(cmd, check)
			}
			id, x, err := a.changeIn(cmd, args[0])
			if err != nil {
				return err
			}
			defer x.close()
			story, err := replay.Load(cmd.Context(), x, id)
			if err != nil {
				return err
			}
			if dir == "" {
				return story.Print(cmd.OutOrStdout())
			}
			if _, err := story.Save(cmd.Context(), dir, x.files, time.Now()); err != nil {
				return err
			}
			return checkSaved(cmd, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "save", "", "write all evidence to this folder, with a manifest of digests")
	cmd.Flags().StringVar(&check, "check", "", "verify a folder that --save wrote")
	a.storeFlags(cmd)
	return cmd
}

// checkSaved verifies what was saved, and lists it.
func checkSaved(cmd *cobra.Command, dir string) error {
	root, err := os.OpenRoot(dir) // no link may lead out of a folder that others saved
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	m, err := replay.Check(root.FS())
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, f := range m.Files {
		fmt.Fprintf(w, "  ok\t%s\t%d bytes\t%s\n", f.Path, f.Size, f.What)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s, revision %d, in %s: %d files, each with the digest in %s; the record has the digest that it states.\n", m.Change, m.Revision, dir, len(m.Files), replay.ManifestName)
	fmt.Fprintf(out, "The record is made from %d events; %d are here.\n", m.Made, m.Events)
	if len(m.Absent) == 0 {
		fmt.Fprintln(out, "Complete: every event and every file that the events name is here.")
		return nil
	}
	fmt.Fprintln(out, "INCOMPLETE:")
	for _, lack := range m.Absent {
		fmt.Fprintln(out, "  "+lack)
	}
	return nil
}
