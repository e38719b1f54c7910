package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// nameLike are texts that look like the name of a saved query.
var nameLike = regexp.MustCompile(`^[a-z0-9][a-z0-9.]*(-[a-z0-9.]+)+$`)

// checkName refuses a text that looks like a misspelled name of a saved query: as a search it
// would find something else without notice.
func checkName(text string, saved []query.Saved) error {
	if _, ok := query.Find(saved, text); ok || !nameLike.MatchString(text) {
		return nil
	}
	if hint := nearest.Hint(text, namesOf(saved)); hint != "" {
		return fmt.Errorf("there is no saved query %s%s To look for the text, put it in double quotes inside single quotes: '\"%s\"'", text, hint, text)
	}
	return nil
}

func namesOf(saved []query.Saved) []string {
	names := make([]string, len(saved))
	for i, q := range saved {
		names[i] = q.Name
	}
	return names
}

// checkColumns refuses columns that no record has.
func checkColumns(chosen []string) error {
	known, err := query.RecordColumns()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range chosen {
		if _, ok := known[name]; !ok {
			errs = append(errs, fmt.Errorf("--columns: no record has a field %s%s", name, nearest.Hint(name, known.Names())))
		}
	}
	return errors.Join(errs...)
}

// maxValues is how many values of a field are compared with an unknown one.
const maxValues = 1000

// checkFound returns an error if a search finds nothing because of a name that no record has
// and that is close to one that some have: an agent, a service, a gap.
func (x *store) checkFound(ctx context.Context, text string, where query.Node, saved []query.Saved) error {
	if res, err := x.Search(ctx, query.Request{Where: where}); err != nil || res.Total > 0 {
		return err
	}
	if hint := nearest.Hint(text, namesOf(saved)); hint != "" {
		return fmt.Errorf("no record contains %q, and no saved query has this name%s", text, hint)
	}
	for _, term := range termsOf(where) {
		if term.Field.Kind != query.Keyword {
			continue
		}
		res, err := x.Search(ctx, query.Request{Where: query.All{}, Facets: []string{term.Field.Name}, FacetSize: maxValues})
		if err != nil {
			return err
		}
		known := valuesOf(term.Field.Name)
		for _, v := range res.Facets[term.Field.Name] {
			known = append(known, v.Value)
		}
		if hint := unknown(term.Value, known); hint != "" {
			return fmt.Errorf("no change has %s:%s%s", term.Field.Name, term.Value, hint)
		}
	}
	return nil
}

// valuesOf returns the values that a field may have, if they are fixed.
func valuesOf(field string) []string {
	if strings.HasSuffix(field, "gaps") {
		return record.Gaps()
	}
	return nil
}

// unknown returns a hint at the known name that was meant; "" if the name is known, or no known
// name is close.
func unknown(name string, known []string) string {
	if slices.Contains(known, name) {
		return ""
	}
	return nearest.Hint(name, known)
}

// termsOf returns the values that a search looks for in named fields. A text that it looks for
// in all fields is not a name.
func termsOf(n query.Node) (out []query.Term) {
	switch n := n.(type) {
	case query.Term:
		return []query.Term{n}
	case query.Bool:
		if len(n.Should) >= len(query.Defaults)/2 {
			return nil
		}
		for _, list := range [][]query.Node{n.Must, n.Should} {
			for _, child := range list {
				out = append(out, termsOf(child)...)
			}
		}
	}
	return out
}

// noRecord returns an error that says which change may be meant.
func (x *store) noRecord(ctx context.Context, id record.ChangeID) error {
	near := x.near(ctx, id)
	if near != "" {
		return fmt.Errorf("there is no record of %s; did you mean %s?", id, near)
	}
	return fmt.Errorf("there is no record of %s; events take a second or two to arrive; changetrail doctor shows whether some are waiting", id)
}

// near returns the change that is most likely meant: one with the same number in a repository
// with a similar name, or with a similar number in the same repository.
func (x *store) near(ctx context.Context, id record.ChangeID) string {
	fields, err := query.RecordFields()
	if err != nil {
		return ""
	}
	repository, number := splitChange(id)
	for _, where := range []query.Term{{Field: fields["changetrail.change.number"], Value: number}, {Field: fields["changetrail.change.repository"], Value: repository}} {
		res, err := x.Search(ctx, query.Request{Where: where, Size: 500})
		if err != nil {
			return ""
		}
		var ids []string
		for _, h := range res.Hits {
			ids = append(ids, h.ID)
		}
		if name := nearest.Name(string(id), ids); name != "" {
			return name
		}
	}
	return ""
}

// splitChange splits the id of a change into its repository and its number.
func splitChange(id record.ChangeID) (repository, number string) {
	text := string(id)
	last := strings.LastIndexByte(text, '/')
	if last < 0 {
		return text, ""
	}
	kind := strings.LastIndexByte(text[:last], '/')
	return text[:max(kind, 0)], text[last+1:]
}

// completeChange completes ids of changes from the store that commands find.
func (a *app) completeChange(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	const noFiles = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, noFiles
	}
	cmd.SetContext(context.Background()) // completion has no context
	cmd.SetErr(io.Discard)
	s, err := a.settings(cmd)
	if err != nil {
		return nil, noFiles
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	x, err := s.openStore(ctx)
	if err != nil {
		return nil, noFiles
	}
	defer x.close()
	fields, err := query.RecordFields()
	if err != nil {
		return nil, noFiles
	}
	where := query.Node(query.All{})
	if begun != "" {
		where = query.Wildcard{Field: fields["changetrail.change.id"], Pattern: append([]rune(begun), query.AnyMany)}
	}
	res, err := x.Search(ctx, query.Request{Where: where, Size: 50})
	if err != nil {
		return nil, noFiles
	}
	var out []string
	for _, h := range res.Hits {
		out = append(out, h.ID)
	}
	return out, noFiles
}
