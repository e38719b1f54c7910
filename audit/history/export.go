package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/record"
)

// Limits of what is read of an export.
const (
	maxFiles   = 10_000
	maxItem    = 16 << 20 // bytes of one object
	maxItems   = 5_000_000
	fullPage   = 100 // the most that an API lists at once
	usualPage  = 30
	gitlabPage = 20
)

// An Export is what an API of a code host listed: JSON files as gh api --paginate or glab api write them,
// with lists of pull requests, commits and deployments in any order. Lists may follow each other,
// or be in a list (--slurp).
type Export struct {
	Paths      []string // files, and folders of files that end in .json
	Branch     string   // empty for the default branch
	Repository record.Repository
	FetchedAt  time.Time // zero for when the oldest of the files was written
}

// An export is an export while it is read.
type export struct {
	Export
	h       *reconcile.History
	lists   []list
	main    string // the default branch
	unknown int
	items   int
	repos   map[record.Repository]int
	deploys map[string]*reconcile.Deployment // by the id that their states name
	states  map[string]state
}

// A list is one list of the API, which may be one page of several.
type list struct {
	file, what string
	items      int
}

// A state is the newest state of a deployment.
type state struct {
	outcome string
	at      time.Time
}

// GitHub reads an export of GitHub.
func (e Export) GitHub() (*reconcile.History, error) { return e.read("GitHub", (*export).github) }

// GitLab reads an export of GitLab.
func (e Export) GitLab() (*reconcile.History, error) { return e.read("GitLab", (*export).gitlab) }

func (e Export) read(host string, item func(*export, jsontext.Value) (what string, err error)) (*reconcile.History, error) {
	x := &export{
		Export: e, h: &reconcile.History{Repository: e.Repository, Branch: e.Branch, ReadAt: e.FetchedAt, Commits: make(map[string]*reconcile.Commit)},
		repos: make(map[record.Repository]int), deploys: make(map[string]*reconcile.Deployment), states: make(map[string]state),
	}
	names, err := x.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := x.file(name, item); err != nil {
			return nil, err
		}
		x.h.Sources = append(x.h.Sources, "the export of "+host+" in "+name)
	}
	return x.h, x.finish(host)
}

// names returns the files of the export.
func (x *export) names() (out []string, err error) {
	for _, path := range x.Paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, path)
			continue
		}
		found, err := filepath.Glob(filepath.Join(escapeGlob(path), "*.json"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s has no file that ends in .json", path)
		}
		out = append(out, found...)
	}
	if len(out) > maxFiles {
		return nil, fmt.Errorf("the export has %d files; at most %d are read", len(out), maxFiles)
	}
	return out, nil
}

// escapeGlob makes a path a pattern that matches only itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`[`, `[[]`, `*`, `[*]`, `?`, `[?]`).Replace(path)
}

// file reads the objects of one file. A file that ends early is a gap: what it has is read.
func (x *export) file(name string, item func(*export, jsontext.Value) (string, error)) error {
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && x.FetchedAt.IsZero() && (x.h.ReadAt.IsZero() || info.ModTime().Before(x.h.ReadAt)) {
		x.h.ReadAt = info.ModTime()
	}
	before := x.items
	err = x.values(name, f, item)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		x.gap("%s ends in the middle of an object or a list; it was cut, and %d objects of it were read", name, x.items-before)
		return nil
	}
	return err
}

func (x *export) gap(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(x.h.Gaps, text) {
		x.h.Gaps = append(x.h.Gaps, text)
	}
}

// values reads the objects of lists that follow each other, that are in a list, or that are on
// lines of their own.
func (x *export) values(name string, r io.Reader, item func(*export, jsontext.Value) (string, error)) error {
	d := jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	at := func(err error) error { return endsEarly(fmt.Errorf("%s: byte %d: %w", name, d.InputOffset(), err)) }
	current, depth := list{file: name}, 0
	end := func() {
		if current.items > 0 {
			x.lists = append(x.lists, current)
		}
		current = list{file: name}
	}
	for {
		switch d.PeekKind() {
		case '[', ']':
			token, err := d.ReadToken()
			if err != nil {
				return at(err)
			}
			depth++
			if token.Kind() == ']' {
				depth -= 2
			}
			if depth > 2 {
				return at(errors.New("lists are nested more than twice"))
			}
			end()
		default:
			v, err := d.ReadValue()
			if errors.Is(err, io.EOF) && depth == 0 {
				end()
				return nil
			}
			if err == nil {
				err = x.one(&current, v, item)
			}
			if err != nil {
				return at(err)
			}
		}
	}
}

// endsEarly marks an error that the end of the text caused.
func endsEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	return err
}

// one reads one object.
func (x *export) one(in *list, v jsontext.Value, item func(*export, jsontext.Value) (string, error)) error {
	if x.items++; x.items > maxItems {
		return fmt.Errorf("there are more than %d objects", maxItems)
	}
	if v.Kind() != '{' {
		return fmt.Errorf("%.40s is no object of an API", v)
	}
	if len(v) > maxItem {
		return fmt.Errorf("an object has %d bytes; at most %d are read", len(v), maxItem)
	}
	what, err := item(x, v)
	if err != nil {
		return err
	}
	if what == "" {
		x.unknown++
	}
	in.what = what
	in.items++
	return nil
}

// loosely are the options for objects of others, which have members that are of no use here.
var loosely = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// add adds a commit of the export.
func (x *export) add(c *reconcile.Commit) error {
	if !record.IsCommit(c.ID) {
		return fmt.Errorf("%.80q is not the id of a commit", c.ID)
	}
	c.ID = strings.ToLower(c.ID)
	for i, p := range c.Parents {
		if !record.IsCommit(p) {
			return fmt.Errorf("the commit %s has the parent %.80q, which is not an id", c.ID, p)
		}
		c.Parents[i] = strings.ToLower(p)
	}
	if len(x.h.Commits) == 0 {
		x.h.Tip = c.ID
	}
	x.h.Commits[c.ID] = c
	return nil
}

// finish names what is missing.
func (x *export) finish(host string) error {
	h := x.h
	if x.unknown > 0 {
		x.gap("%d objects of the export are neither pull requests or merge requests, nor commits, nor deployments", x.unknown)
	}
	for _, l := range x.lists {
		if alone := x.pagesOf(l); alone && (l.items == fullPage || l.items == usualPage || host == "GitLab" && l.items == gitlabPage) {
			x.gap("%s has exactly %d %s in one list, as many as one page of the API; if there are more pages, export them all (--paginate)", l.file, l.items, l.what)
		}
	}
	if err := x.repository(); err != nil {
		return err
	}
	if h.Branch == "" {
		if h.Branch = x.main; h.Branch == "" {
			return errors.New("the export does not say which branch is the default; name the production branch with --branch")
		}
	}
	x.tip()
	x.deployments()
	if len(h.Requests) > 0 && !slices.ContainsFunc(h.Requests, func(q reconcile.Request) bool { return q.State != "open" }) {
		x.gap("the export lists only open requests; list them with state=all")
	}
	x.missing()
	return nil
}

// pagesOf reports whether a list is the only one of its kind.
func (x *export) pagesOf(l list) bool {
	n := 0
	for _, other := range x.lists {
		if other.what == l.what {
			n++
		}
	}
	return n == 1
}

// repository determines the repository, and keeps what is of that one.
func (x *export) repository() error {
	h := x.h
	if h.Repository == "" {
		var names []string
		for repo := range x.repos {
			names = append(names, string(repo))
		}
		slices.Sort(names)
		switch len(names) {
		case 0:
			return errors.New("the export names no repository; name it with --repository, such as github.com/acme/payments")
		case 1:
			h.Repository = record.Repository(names[0])
		default:
			return fmt.Errorf("the export has several repositories (%s); choose one with --repository", strings.Join(names[:min(len(names), 5)], ", "))
		}
	}
	h.Requests = slices.DeleteFunc(h.Requests, func(q reconcile.Request) bool { return q.ID.Repository() != h.Repository })
	return nil
}

// tip checks that the first commit of the export is the newest of its list.
func (x *export) tip() {
	for _, c := range x.h.Commits {
		if slices.Contains(c.Parents, x.h.Tip) {
			x.gap("the first commit of the export, %s, is not the newest one; export the list of commits of one branch, as the API lists it", x.h.Tip[:min(12, len(x.h.Tip))])
			return
		}
	}
}

// deployments adds the deployments with their newest states.
func (x *export) deployments() {
	for id, d := range x.deploys {
		if s, ok := x.states[id]; ok {
			d.Outcome = s.outcome
		}
		x.h.Deployments = append(x.h.Deployments, *d)
	}
	slices.SortFunc(x.h.Deployments, func(a, b reconcile.Deployment) int { return a.At.Compare(b.At) })
}

// missing names requests that commits name and the list does not have.
func (x *export) missing() {
	if !x.h.RequestsRead {
		return
	}
	listed := make(map[string]bool)
	for _, q := range x.h.Requests {
		_, _, number := q.ID.Split()
		listed[number] = true
	}
	var numbers []string
	for _, c := range x.h.Commits {
		if c.Number != "" && !listed[c.Number] && len(c.Parents) > 1 {
			numbers = append(numbers, c.Number)
		}
	}
	slices.Sort(numbers)
	if numbers = slices.Compact(numbers); len(numbers) > 0 {
		x.gap("merge commits name requests that the export does not list: %s; pages may be missing", strings.Join(numbers[:min(len(numbers), 10)], ", "))
	}
}
