package access

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/query"
)

// A Finder finds records.
type Finder interface {
	Search(ctx context.Context, q query.Request) (*query.Result, error)
	All(ctx context.Context, where query.Node, f func(query.Hit) error) error
	// Values returns values of a field that begin with a prefix.
	Values(ctx context.Context, field, prefix string, limit int) ([]string, error)
}

// Narrow returns a Finder in which each reader (see [Reader.With]) finds, counts and completes only
// the records of the repositories that it may read.
func Narrow(all Finder, fields query.Fields) Finder {
	return narrowed{all, fields, fields["changetrail.change.repository"]}
}

type narrowed struct {
	all        Finder
	fields     query.Fields
	repository query.Field
}

func (n narrowed) Search(ctx context.Context, q query.Request) (*query.Result, error) {
	where, err := n.where(ctx, q.Where)
	if err != nil {
		return nil, err
	}
	q.Where = where
	return n.all.Search(ctx, q)
}

func (n narrowed) All(ctx context.Context, where query.Node, f func(query.Hit) error) error {
	where, err := n.where(ctx, where)
	if err != nil {
		return err
	}
	return n.all.All(ctx, where, f)
}

// countedValues bounds how many values are counted to complete a word.
const countedValues = 1000

// Values counts the values in the records that a reader may read, unless it may read all: the list
// of all values does not say which records they are in.
func (n narrowed) Values(ctx context.Context, field, prefix string, limit int) ([]string, error) {
	if Of(ctx).ReadsAll() {
		return n.all.Values(ctx, field, prefix, limit)
	}
	begins := query.Wildcard{Field: n.fields[field], Pattern: append([]rune(prefix), query.AnyMany)}
	res, err := n.Search(ctx, query.Request{Where: begins, Facets: []string{field}, FacetSize: countedValues})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range res.Facets[field] {
		if strings.HasPrefix(c.Value, prefix) {
			out = append(out, c.Value)
		}
	}
	slices.Sort(out)
	return out[:min(limit, len(out))], nil
}

// where narrows a search to the records that the reader in ctx may read.
func (n narrowed) where(ctx context.Context, where query.Node) (query.Node, error) {
	reader := Of(ctx)
	if reader.ReadsAll() {
		return where, nil
	}
	if len(reader.Repositories) == 0 {
		return nil, problem.New(http.StatusForbidden, "The credential %s lists no repositories, so it cannot read any change.", reader.Name)
	}
	var may query.Bool
	for _, pattern := range reader.Repositories {
		node, ok := n.like(strings.ToLower(pattern))
		if !ok {
			return nil, problem.New(http.StatusForbidden, "The credential %s cannot search: its repository pattern %q contains a character that searches do not support. It can open single changes: /changes/REPOSITORY/pull/NUMBER.", reader.Name, pattern)
		}
		may.Should = append(may.Should, node)
	}
	return query.Bool{Must: []query.Node{may, where}}, nil
}

// like matches the repositories that [identity.Principal.MaySpeakOf] allows by a pattern. ok is
// false if a search cannot express the pattern.
func (n narrowed) like(pattern string) (node query.Node, ok bool) {
	glob, ok := n.glob(pattern)
	if group, below := strings.CutSuffix(pattern, "/**"); below && ok {
		return query.Bool{Should: []query.Node{glob, query.Wildcard{Field: n.repository, Pattern: append([]rune(group+"/"), query.AnyMany)}}}, true
	}
	return glob, ok
}

// glob translates a pattern of [path.Match], in which a star does not match a slash: a match has as
// many slashes as the pattern.
func (n narrowed) glob(pattern string) (node query.Node, ok bool) {
	var p query.Pattern
	more := query.Pattern{query.AnyMany, '/', query.AnyMany} // at least one slash more than the pattern has
	escaped := false
	for _, r := range pattern {
		switch {
		case r == query.AnyOne || r == '[' && !escaped:
			return nil, false
		case r == '\\' && !escaped:
			escaped = true
			continue
		case r == '*' && !escaped:
			r = query.AnyMany
		case r == '?' && !escaped:
			r = query.AnyOne
		case r == '/':
			more = append(more, '/', query.AnyMany)
		}
		p, escaped = append(p, r), false
	}
	return query.Bool{
		Must: []query.Node{query.Wildcard{Field: n.repository, Pattern: p}},
		Not:  []query.Node{query.Wildcard{Field: n.repository, Pattern: more}},
	}, true
}
