package web

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/query"
)

// A column of the table.
type column struct {
	Field, Label string
	Default      bool
}

// columns to choose from; the default ones are shown if none is chosen.
var columns = []column{
	{"@timestamp", "Last event", true},
	{"changetrail.change.id", "Change", true},
	{"changetrail.change.title", "Title", true},
	{"service.name", "Service", true},
	{"gen_ai.agent.id", "Agent", true},
	{"answers", "Answers", true},
	{"changetrail.gaps", "Gaps", true},
	{"changetrail.change.author", "Author", false},
	{"changetrail.change.state", "State", false},
	{"changetrail.change.kind", "Kind", false},
	{"changetrail.change.opened_at", "Opened", false},
	{"changetrail.change.merged_at", "Merged", false},
	{"changetrail.change.merged_by", "Merged by", false},
	{"changetrail.change.merge_sha", "Merge commit", false},
	{"changetrail.change.deployed_at", "Deployed", false},
	{"changetrail.change.files_total", "Files", false},
	{"changetrail.environment", "Environment", false},
	{"changetrail.service.classification", "Classification", false},
	{"tags", "Controls", false},
	{"changetrail.trigger.finding", "Finding", false},
	{"changetrail.trigger.severity", "Severity", false},
	{"changetrail.decision.chosen", "Chosen", false},
	{"changetrail.decision.delegated_by", "Asked by", false},
	{"changetrail.authorization.verdict", "Policy says", false},
	{"changetrail.review.approvers", "Approvers", false},
	{"changetrail.validation.conclusion", "Tests", false},
	{"changetrail.validation.failed", "Failed tests", false},
	{"changetrail.revision", "Revision", false},
	{"changetrail.evidence_digest", "Evidence digest", false},
}

var answers = []string{"changetrail.answers.trigger", "changetrail.answers.alternatives", "changetrail.answers.authorized", "changetrail.answers.reviewed"}

func (v *view) shown() []string {
	if len(v.Columns) > 0 {
		return v.Columns
	}
	var out []string
	for _, c := range columns {
		if c.Default {
			out = append(out, c.Field)
		}
	}
	return out
}

// inTable are the columns that are shown, in their order.
func (v *view) inTable() []column {
	shown := v.shown()
	return slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return !slices.Contains(shown, c.Field) })
}

type choice struct {
	Field, Label string
	Chosen       bool
}

func columnChoice(v *view) []choice {
	var out []choice
	shown := v.shown()
	for _, c := range columns {
		out = append(out, choice{c.Field, c.Label, slices.Contains(shown, c.Field)})
	}
	return out
}

// A heading of a column, and how to sort by it, if that is possible.
type heading struct {
	Label, Link string
	Order       string // of the column now: ascending, descending or empty
}

// headings label the columns that are shown.
func (s *server) headings(v *view) []heading {
	var out []heading
	for _, c := range v.inTable() {
		h := heading{Label: c.Label}
		if f := s.fields[c.Field]; f.Name != "" && (f.Kind == query.Date || f.Kind == query.Number) {
			now := v.Sort
			if now == "" {
				now = "-@timestamp"
			}
			next := "-" + c.Field // the newest and the greatest first
			switch now {
			case next:
				h.Order, next = "descending", c.Field
			case c.Field:
				h.Order = "ascending"
			}
			h.Link = v.with(func(v *view) {
				if v.Sort = next; next == "-@timestamp" {
					v.Sort = ""
				}
			}).here()
		}
		out = append(out, h)
	}
	return out
}

// A cell of the table.
type cell struct {
	Field, Label string
	Values       []string
	Link         string
	Time         time.Time
}

func rows(v *view, hits []query.Hit) [][]cell {
	var out [][]cell
	shown := v.inTable()
	for _, h := range hits {
		doc, _ := query.ReadDoc(h.Doc) // what cannot be read is shown empty, by its id
		var row []cell
		for _, c := range shown {
			row = append(row, cellOf(c, h.ID, doc))
		}
		out = append(out, row)
	}
	return out
}

func cellOf(col column, id string, doc query.Doc) cell {
	c := cell{Field: col.Field, Label: col.Label}
	switch col.Field {
	case "answers":
		for _, a := range answers {
			c.Values = append(c.Values, doc.Text(a))
		}
	case "changetrail.change.id":
		if v := doc.Values(col.Field); len(v) > 0 {
			id = v[0]
		}
		c.Values, c.Link = []string{id}, changePath(id)
	default:
		c.Values = doc.Values(col.Field)
		if (strings.HasSuffix(col.Field, "_at") || col.Field == "@timestamp") && len(c.Values) > 0 {
			c.Time, _ = time.Parse(time.RFC3339Nano, c.Values[0])
		}
	}
	return c
}

// changePath is the address of the page of a change.
func changePath(id string) string {
	return (&url.URL{Path: "/changes/" + id}).EscapedPath()
}
