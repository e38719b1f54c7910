package history

import (
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Events is an index of events.
type Events interface {
	Events(ctx context.Context, q schemas.EventQuery, f func(id string, doc jsontext.Value) error) error
}

// Limits of how many events are asked for.
const (
	commitsAtOnce = 200 // commits of one query
	maxRounds     = 100 // pushes of one branch that are followed back
)

// Pushes returns the observed pushes of a repository that name some commits, and those to the branches
// of the recorded changes that these commits may belong to. It never returns nil: no push is an
// answer, too.
func Pushes(ctx context.Context, ix Events, commits []string, records []*record.Record) ([]reconcile.Push, error) {
	s := &pushSearch{ix: ix, asked: make(map[string]bool), out: []reconcile.Push{}}
	for _, r := range records { // events are found under the name that the repository had first
		for _, repo := range []record.Repository{r.Trail.Change.Repository, r.Trail.Change.ID.Repository()} {
			if !slices.Contains(s.repos, repo) {
				s.repos = append(s.repos, repo)
			}
		}
	}
	if err := s.ask(ctx, commits); err != nil {
		return nil, err
	}
	tips := make(map[string]bool)
	for _, p := range s.out {
		tips[strings.ToLower(p.After)] = true
	}
	var heads []string
	for _, r := range records {
		if c := r.Trail.Change; tips[strings.ToLower(c.MergeSHA)] {
			heads = append(heads, c.HeadSHA)
		}
	}
	for range maxRounds {
		before := len(s.out)
		if err := s.ask(ctx, heads); err != nil {
			return nil, err
		}
		heads = nil
		for _, p := range s.out[before:] {
			if p.Change == "" && p.Before != "" {
				heads = append(heads, p.Before)
			}
		}
		if len(heads) == 0 {
			break
		}
	}
	return s.out, nil
}

// A pushSearch collects pushes, each once.
type pushSearch struct {
	ix    Events
	repos []record.Repository
	asked map[string]bool // commits, and ids of documents
	out   []reconcile.Push
}

// ask adds the pushes that name commits.
func (s *pushSearch) ask(ctx context.Context, commits []string) error {
	var refs []record.Ref
	for _, sha := range commits {
		if sha = strings.ToLower(sha); record.IsCommit(sha) && !s.asked[sha] {
			s.asked[sha] = true
			refs = append(refs, record.CommitRef(sha))
		}
	}
	for some := range slices.Chunk(refs, commitsAtOnce) {
		for _, repo := range s.repos {
			if err := s.ix.Events(ctx, schemas.EventQuery{Repository: repo, Refs: some}, s.add); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds an event, if it is a push.
func (s *pushSearch) add(id string, doc jsontext.Value) error {
	if s.asked["#"+id] {
		return nil
	}
	s.asked["#"+id] = true
	p, ok, err := readPush(doc)
	if ok {
		s.out = append(s.out, p)
	}
	return err
}

// An eventOfPush is what is read of the document of an event. The formats of all senders name the
// commits before and after a push alike.
type eventOfPush struct {
	Trail struct {
		Event struct {
			Witness string `json:"witness"`
		} `json:"event"`
		Change *struct {
			ID record.ChangeID `json:"id"`
		} `json:"change"`
		Fact string         `json:"fact"`
		Refs []record.Ref   `json:"refs"`
		Data jsontext.Value `json:"data"`
	} `json:"changetrail"`
}

// readPush reads the document of an event; ok is false if it is not an observed push.
func readPush(doc jsontext.Value) (p reconcile.Push, ok bool, err error) {
	var e eventOfPush
	if err := json.Unmarshal(doc, &e, loosely); err != nil || e.Trail.Fact != "commits-pushed" || e.Trail.Event.Witness != record.Observed {
		return p, false, err
	}
	var data struct {
		Before string `json:"before"`
		After  string `json:"after"`
	}
	if err := json.Unmarshal(e.Trail.Data, &data, loosely); err != nil {
		return p, false, err
	}
	p = reconcile.Push{Before: strings.ToLower(data.Before), After: strings.ToLower(data.After)}
	if strings.Trim(p.Before, "0") == "" { // the push created the branch
		p.Before = ""
	}
	if e.Trail.Change != nil {
		p.Change = e.Trail.Change.ID
	}
	for _, ref := range e.Trail.Refs {
		if sha, isCommit := strings.CutPrefix(string(ref), "commit:"); isCommit {
			p.Commits = append(p.Commits, sha)
		}
	}
	return p, true, nil
}
