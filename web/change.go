package web

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

// kindOf says what kind of change it is.
func kindOf(kind string) string { return cmp.Or(kinds[kind], plain(kind)) }

// tie abbreviates what links an event to a change.
func tie(names string) string {
	at := strings.LastIndex(names, " ") + 1
	return names[:at] + short(names[at:])
}

// plain is a name from a record in plain words.
func plain(name string) string { return strings.ReplaceAll(name, "-", " ") }

// count writes a number and its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "x") {
		noun += "e"
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// grouped writes a number with a narrow space between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// symbol is the sign of an answer in a table; a dot if it was not asked.
func symbol(answer string) string {
	for _, a := range record.AllAnswers() {
		if a.Answer == answer {
			return a.Symbol
		}
	}
	return "·"
}

// witnesses explains each witness.
var witnesses = map[string]string{
	record.Observed: "reported by a platform that saw it, through a verified webhook or with its credential",
	record.Human:    "stated by a person with their own credential",
	record.Signed:   "stated by the agent with its own credential",
	record.Claimed:  "stated by nobody who can prove it",
}

// saidBy are the witnesses in visible words.
var saidBy = map[string]string{
	record.Observed: "seen by a platform",
	record.Human:    "said by a person",
	record.Signed:   "said by the agent, signed",
	record.Claimed:  "only claimed",
}

// kinds are the words for those kinds of changes whose names alone are not clear.
var kinds = map[string]string{"code": "code change", "configuration": "configuration change", "test": "change of tests", "documentation": "change of documentation"}

// short cuts a digest or a commit to what people compare.
func short(s string) string {
	switch {
	case digests.Is(s):
		return s[:19] + "…"
	case record.IsCommit(s):
		return s[:min(len(s), 10)]
	}
	return s
}

// A stage of the story.
type stage struct {
	Name  string
	Steps []replay.Step
}

// record returns the record of a change, if the reader may read it.
func (s *server) record(r *http.Request, text string) (jsontext.Value, *record.Record, error) {
	id, err := record.ParseChange(text)
	if err != nil {
		return nil, nil, refuse(http.StatusBadRequest, "%v", err)
	}
	raw, found, err := replay.Find(r.Context(), s.Index, id)
	of := id.Repository()
	if err == nil { // it may be of a repository that had this name
		of = found.Trail.Change.Repository
	}
	if err := s.mayRead(r, id, of); err != nil {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	s.Access.Note(r, "record", string(found.Trail.Change.ID))
	return raw, found, nil
}

// story returns the story of a change, if the reader may read it.
func (s *server) story(r *http.Request, text string) (*replay.Story, error) {
	raw, found, err := s.record(r, text)
	if err != nil {
		return nil, err
	}
	return replay.LoadFound(r.Context(), s.Index, raw, found)
}

// titleOfChange is the browser title of the page of a change.
func titleOfChange(c record.Change) string {
	if c.Title == "" {
		return string(c.ID)
	}
	return string(c.ID) + ": " + c.Title
}

// change is the page of one change.
func (s *server) change(w http.ResponseWriter, r *http.Request) error {
	story, err := s.story(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	var stages []stage
	for _, name := range replay.Stages {
		if steps := story.Of(name); len(steps) > 0 {
			stages = append(stages, stage{string(name), steps})
		}
	}
	raw := jsontext.Value(bytes.Clone(story.Raw))
	if err := raw.Indent(); err != nil {
		return fmt.Errorf("the record of %s: %w", story.Record.Trail.Change.ID, err)
	}
	events, err := list(story, r.URL.Query())
	if err != nil {
		return err
	}
	p := changePage{
		Record: story.Record, Answers: say.Answers(story.Record), Gaps: say.Gaps(story.Record), Line: newTimeline(story), Stages: stages, Events: events,
		Ruled: say.RuledAtMerge(story.Record), Raw: string(raw), JSON: "/v1" + changePath(string(story.ID())),
	}
	p.Needs, p.Grants = s.needs(r.Context(), story.ID()), grantsIn(story.Record)
	return s.render(w, r, http.StatusOK, p.page())
}

// needs says that a change waits for a person; nil if it does not, or if that is not known.
func (s *server) needs(ctx context.Context, id record.ChangeID) *needs {
	waiting := s.recently(ctx)
	if waiting == nil {
		return nil
	}
	for _, c := range waiting.Changes {
		if c.Change != id {
			continue
		}
		_, cannot := s.mayDecide(ctx)
		out := &needs{Yours: cannot == "", Link: inboxPath("change", string(id)), Waits: waitsFor(c.Since, s.Now())}
		for _, m := range c.Decision.Missing {
			out.Missing = append(out.Missing, m.Give())
		}
		return out
	}
	return nil
}

// grantsIn returns the approvals before work that count for a change.
func grantsIn(r *record.Record) (out []usedGrant) {
	for _, a := range r.Trail.Approvals {
		if id, ok := grantIn(a.Reference); ok && (a.Tier == record.Observed || a.Tier == record.Human) {
			out = append(out, usedGrant{Person: a.Approver, Link: "/approvals#" + anchorOf("approval", id), At: a.GrantedAt, Withdrawn: a.Verdict == "refused"})
		}
	}
	return out
}

// queries lists the saved queries.
func (s *server) queries(w http.ResponseWriter, r *http.Request) error {
	var list []answeredQuery
	for _, q := range s.Saved {
		n, err := query.Parse(q.Query, s.fields, s.Now())
		if err != nil {
			return err
		}
		res, err := s.Index.Search(r.Context(), query.Request{Where: n})
		if err != nil {
			return err
		}
		list = append(list, answeredQuery{q, res.Total})
	}
	return s.render(w, r, http.StatusOK, queriesPage(list, access.Of(r.Context()).Only()))
}
