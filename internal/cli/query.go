package cli

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/query"
)

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
