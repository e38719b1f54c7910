package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

const (
	maxShown    = 256 << 10 // how much of a file the page shows; the rest is in the file
	maxFindings = 200       // that the page lists
	maxUses     = 20        // changes that the page lists for each use of a file
)

// A fileLine is a line of a file; Hit if it contains what is looked for.
type fileLine struct {
	Number int
	Text   string
	Hit    bool
}

// evidence shows a file that is evidence, the finding to look for in it, and the changes that
// rest on it.
func (s *server) evidence(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	file, masked, err := s.blob(r, digest)
	if err != nil {
		return err
	}
	uses, err := s.uses(r, digest)
	if err != nil {
		return err
	}
	p := evidencePage{Digest: digest, Size: len(file), Find: r.URL.Query().Get("find"), Masked: masked, Uses: uses, Binary: !utf8.Valid(file)}
	if res, err := evidence.Read(file); err == nil {
		p.Report = &res
		p.Finding, p.Rest = sorted(res.Findings, p.Find)
		p.More = max(0, len(p.Rest)-maxFindings)
		p.Rest = p.Rest[:len(p.Rest)-p.More]
	}
	if !p.Binary {
		p.Marks, p.Cut = linesOf(string(file), p.Find)
	}
	return s.render(w, r, http.StatusOK, p.page())
}

// severities, the most severe first.
var severities = []string{"critical", "high", "medium", "low", "none", "unknown"}

// sorted returns the finding with a name, or nil, and the others, the most severe first.
func sorted(findings []record.Finding, name string) (named *record.Finding, rest []record.Finding) {
	for i, f := range findings {
		if named == nil && name != "" && f.Is(name) {
			named = &findings[i]
			continue
		}
		rest = append(rest, f)
	}
	slices.SortStableFunc(rest, func(a, b record.Finding) int {
		return cmp.Or(slices.Index(severities, a.Severity)-slices.Index(severities, b.Severity), cmp.Compare(b.Score, a.Score), strings.Compare(a.ID, b.ID))
	})
	return named, rest
}

// titleOf describes a file by its content, else by its use.
func titleOf(res *evidence.Result, uses []use) string {
	switch {
	case res != nil && res.Scan && res.Tool != "":
		return fmt.Sprintf("Scan report of %s: %s", res.Tool, count(len(res.Findings), "finding"))
	case res != nil && res.Scan:
		return "Scan report: " + count(len(res.Findings), "finding")
	case res != nil:
		return fmt.Sprintf("Test report: %d passed, %d failed", res.Passed, res.Failed)
	case len(uses) > 0:
		return uses[0].Title
	}
	return "File"
}

// A use is what changes use a file for.
type use struct {
	Title   string // what the file is, then
	Label   string
	Changes []usedBy
	Total   int
	Link    string // to all of them
}

type usedBy struct {
	ID    record.ChangeID
	Title string
}

// fileUses are the fields that name a file, by what it is for.
var fileUses = []struct {
	title, label string
	fields       []string
}{
	{"Scan report", "It made the agent start", []string{"changetrail.trigger.digest"}},
	{"Scan report", "It is a scan of a commit of the change", []string{"changetrail.scans.digest"}},
	{"Test report", "It contains the results of its tests", []string{"changetrail.validation.jobs.digest"}},
	{"Bill of materials", "Its dependencies were read from this file", []string{"changetrail.change.sbom_digest"}},
	{"Policy", "It was judged by this policy", []string{"changetrail.authorization.policy_digest", "changetrail.service.policy_digest"}},
	{"Control matrix", "Its controls come from this matrix", []string{"changetrail.control.matrix_digest"}},
	{"Log of an agent's run", "It is the log of the run that made the change", []string{"changetrail.trailers.value"}},
}

// uses finds the changes that use a file and that the reader may read.
func (s *server) uses(r *http.Request, digest string) ([]use, error) {
	if !digests.Is(digest) {
		return nil, nil
	}
	var out []use
	for _, u := range fileUses {
		text := anyOf(query.Quote(digest), u.fields)
		where, err := query.Parse(text, s.fields, s.Now())
		if err != nil {
			return nil, err
		}
		res, err := s.Index.Search(r.Context(), query.Request{Where: where, Size: maxUses})
		if err != nil {
			return nil, err
		}
		found := use{Title: u.title, Label: u.label, Total: res.Total, Link: searchPath(text)}
		for _, h := range res.Hits {
			doc, err := query.ReadDoc(h.Doc)
			if err != nil {
				return nil, fmt.Errorf("the record %s cannot be read: %w", h.ID, err)
			}
			found.Changes = append(found.Changes, usedBy{record.ChangeID(doc.Text("changetrail.change.id")), doc.Text("changetrail.change.title")})
		}
		if len(found.Changes) > 0 {
			out = append(out, found)
		}
	}
	return out, nil
}

// linesOf returns the lines of a file, and marks those that contain find. Of a long file it returns
// the part around the first of them.
func linesOf(file, find string) (out []fileLine, cut bool) {
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
		out = append(out, fileLine{first + i + 1, l, find != "" && strings.Contains(l, find)})
	}
	return out, cut
}

// blob returns a file as it is shown, and whether secrets are hidden in it.
func (s *server) blob(r *http.Request, digest string) (file []byte, masked bool, err error) {
	if s.Blobs == nil {
		return nil, false, refuse(http.StatusNotFound, "No blob store is configured, so no file can be shown: set blobs, for example --blobs DIR.")
	}
	if err := s.mayReadFile(r, digest); err != nil {
		return nil, false, err
	}
	if file, err = s.Blobs.Get(r.Context(), digest); errors.Is(err, blobs.ErrNotFound) {
		return nil, false, refuse(http.StatusNotFound, "There is no file with the digest %s: it was never received, or it was deleted.", digest)
	}
	if err != nil {
		return nil, false, refuse(http.StatusNotFound, "The file %s cannot be shown: %v.", digest, err)
	}
	s.Access.Note(r, "file", digest)
	return s.secrets.Shown(r.Context(), file)
}
