package web

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

var functions = template.FuncMap{
	"time": func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format("2006-01-02 15:04:05Z")
	},
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"short":  short,
	"change": func(id record.ChangeID) string { return changePath(string(id)) },
	"lines":  func(s string) []string { return strings.Split(s, "\n") },
	"evidence": func(digest, finding string) string {
		u := "/evidence/" + url.PathEscape(digest)
		if finding != "" {
			u += "?find=" + url.QueryEscape(finding)
		}
		return u
	},
	"search": func(field, value string) string {
		return "/?" + url.Values{"q": {field + ":" + quote(value)}, "since": {""}}.Encode()
	},
	"query":      func(q string) string { return "/?" + url.Values{"q": {q}}.Encode() },
	"symbol":     symbol,
	"gap":        record.WordsOf,
	"legend":     record.AllAnswers,
	"controlled": controls.Means,
	"witness":    func(tier string) string { return witnesses[tier] },
	// tie says in short what of a change an event names.
	"tie": func(names string) string {
		at := strings.LastIndex(names, " ") + 1
		return names[:at] + short(names[at:])
	},
	"words": func(field string) string { return strings.ReplaceAll(field, "_", " ") },
	"plain": func(s string) string { return strings.ReplaceAll(s, "-", " ") },
}

// symbol is what an answer is in a table; a dot where it was not asked.
func symbol(answer string) string {
	for _, a := range record.AllAnswers() {
		if a.Answer == answer {
			return a.Symbol
		}
	}
	return "·"
}

// witnesses say what each witness is.
var witnesses = map[string]string{
	record.Observed: "a platform that sees it says so: by a verified webhook, or with its credential",
	record.Human:    "a person says so, with a credential of their own",
	record.Signed:   "the agent says so, with a credential of its own",
	record.Claimed:  "nobody says so who can prove it",
}

// short cuts a digest or a commit to what people compare.
func short(s string) string {
	switch {
	case record.IsDigest(s):
		return s[:19] + "…"
	case record.IsCommit(s):
		return s[:10]
	}
	return s
}

// An answer of the four.
type answer struct{ Question, Name, Answer, Reason, AtMerge string }

func answersOf(r *record.Record) []answer {
	a, why := r.Trail.Answers, r.Trail.Reasons
	if a == nil {
		return nil
	}
	if why == nil {
		why = new(record.Reasons)
	}
	then := new(record.Answers)
	if k := r.Trail.AtMerge; k != nil && k.Answers != nil {
		then = k.Answers
	}
	all := []answer{
		{"Which scan output triggered the agent?", "trigger", a.Trigger, why.Trigger, then.Trigger},
		{"Which alternatives did it consider and reject?", "alternatives", a.Alternatives, why.Alternatives, then.Alternatives},
		{"Was it authorized to change that service?", "authorized", a.Authorized, why.Authorized, then.Authorized},
		{"Who reviewed before merge?", "reviewed", a.Reviewed, why.Reviewed, then.Reviewed},
	}
	all = slices.DeleteFunc(all, func(a answer) bool { return a.Answer == "" }) // of changes by people only the review is asked
	for i := range all {
		if all[i].AtMerge == all[i].Answer {
			all[i].AtMerge = "" // the same is not said twice
		}
	}
	return all
}

// A stage of the time line.
type stage struct {
	Name  string
	Steps []replay.Step
}

func (s *server) story(r *http.Request, text string) (*replay.Story, error) {
	id, err := record.ParseChange(text)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	if err := s.mayRead(r, id); err != nil {
		return nil, err
	}
	story, err := replay.Tell(r.Context(), s.Index, id)
	if err == nil {
		s.Access.Note(r, "record", string(id))
	}
	return story, err
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
	return s.render(w, http.StatusOK, "change.html", map[string]any{
		"Title": cmp.Or(story.Record.Trail.Change.Title, string(story.Record.Trail.Change.ID)),
		"R":     story.Record, "T": story.Record.Trail, "C": story.Record.Trail.Change, "Answers": answersOf(story.Record), "Stages": stages, "Raw": string(raw), "Events": events,
		"JSON": "/v1" + changePath(string(story.Record.Trail.Change.ID)),
	})
}

// maxShown is how much of a file the page shows; the rest is in the file.
const maxShown = 256 << 10

// A mark is a part of a file, found or not.
type mark struct {
	Number int
	Text   string
	Hit    bool
}

// evidence shows a file that proves something, and what is to be looked for.
func (s *server) evidence(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	file, masked, err := s.blob(r, digest)
	if err != nil {
		return err
	}
	find := r.URL.Query().Get("find")
	data := map[string]any{"Title": "Evidence", "Digest": digest, "Size": len(file), "Find": find, "Masked": masked, "Raw": "/v1/blobs/" + url.PathEscape(digest)}
	if res, err := evidence.Read(file); err == nil {
		data["Report"] = res
		var rest []record.Finding
		for _, f := range res.Findings {
			if slices.Contains(f.Names(), find) {
				data["Finding"] = f
			} else {
				rest = append(rest, f)
			}
		}
		data["Rest"] = rest[:min(len(rest), 200)]
		data["More"] = max(0, len(rest)-200)
	}
	switch {
	case !utf8.Valid(file):
		data["Binary"] = true
	default:
		data["Marks"], data["Cut"] = marks(string(file), find)
	}
	return s.render(w, http.StatusOK, "evidence.html", data)
}

// marks returns the lines of a file, those marked in which find stands. Of a
// long file it is what surrounds the first of them.
func marks(file, find string) (out []mark, cut bool) {
	lines := strings.Split(strings.TrimRight(file, "\n"), "\n")
	first := 0
	if len(file) > maxShown {
		cut = true
		if find != "" {
			first = max(0, slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, find) })-40)
		}
	}
	size := 0
	for i, l := range lines[first:] {
		if size += len(l); size > maxShown {
			break
		}
		out = append(out, mark{first + i + 1, l, find != "" && strings.Contains(l, find)})
	}
	return out, cut
}

// blob returns a file as it is shown, and whether secrets are hidden in it.
func (s *server) blob(r *http.Request, digest string) (file []byte, masked bool, err error) {
	if s.Blobs == nil {
		return nil, false, refuse(http.StatusNotFound, "No blob store is configured, so that no file can be shown: set blobs, as --blobs DIR.")
	}
	if err := s.mayReadFile(r, digest); err != nil {
		return nil, false, err
	}
	if file, err = s.Blobs.Get(r.Context(), digest); err != nil {
		return nil, false, refuse(http.StatusNotFound, "The file %s cannot be shown: %v.", digest, err)
	}
	s.Access.Note(r, "file", digest)
	return s.secrets.Shown(r.Context(), file)
}

// queries lists the saved queries.
func (s *server) queries(w http.ResponseWriter, r *http.Request) error {
	type counted struct {
		query.Saved
		N int
	}
	var list []counted
	for _, q := range s.Saved {
		n, err := query.Parse(q.Query, s.fields, s.Now())
		if err != nil {
			return err
		}
		res, err := s.Index.Search(r.Context(), query.Request{Where: n})
		if err != nil {
			return err
		}
		list = append(list, counted{q, res.Total})
	}
	return s.render(w, http.StatusOK, "queries.html", map[string]any{"Title": "Saved queries", "List": list, "Only": access.Of(r.Context()).Only()})
}

// audit says what an auditor can do here today.
func (s *server) audit(w http.ResponseWriter, _ *http.Request) error {
	return s.render(w, http.StatusOK, "audit.html", map[string]any{"Title": "Audit", "Saved": s.Saved})
}
