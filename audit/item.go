package audit

import (
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// An Item is a change of a population: what its record says.
type Item struct {
	// Number is the place of the change in the population, from 1, in the order of the ids.
	Number      int             `json:"number"`
	Change      record.ChangeID `json:"change"`
	Title       string          `json:"title,omitempty"`
	MergedAt    time.Time       `json:"merged_at"`
	DeployedAt  time.Time       `json:"deployed_at,omitzero"` // first deployment that succeeded
	InitiatedBy string          `json:"initiated_by"`         // agent, human or unknown
	Agent       string          `json:"agent,omitempty"`
	Author      string          `json:"author,omitempty"`
	Services    []string        `json:"services,omitempty"`
	Class       string          `json:"classification,omitempty"` // the highest of the services
	Environment []string        `json:"environment,omitempty"`
	Answers     record.Answers  `json:"answers"`
	Reasons     record.Reasons  `json:"reasons"`
	Gaps        []string        `json:"gaps,omitempty"`
	Controls    []string        `json:"controls,omitempty"`  // tags
	Incomplete  bool            `json:"incomplete,omitzero"` // facts were left out of the record
	Imported    bool            `json:"imported,omitzero"`   // its sender states when events arrived
	// Revision and Digest identify the state of the record that was read.
	Revision int64  `json:"revision"`
	Digest   string `json:"evidence_digest"`
	// Rules are the digests of the policies and of the control matrix by which the change was judged.
	Rules []string `json:"-"`
}

// Unknown says that no evidence shows whether a person or an agent made a change.
const Unknown = "unknown"

func itemOf(r *record.Record) Item {
	t := &r.Trail
	c := t.Change
	i := Item{
		Change: c.ID, Title: c.Title, MergedAt: c.MergedAt.UTC(), DeployedAt: c.DeployedAt.UTC(), InitiatedBy: c.InitiatedBy, Author: c.Author,
		Environment: t.Environment, Gaps: t.Gaps, Revision: t.Revision, Digest: t.EvidenceDigest, Incomplete: t.LeftOut > 0, Imported: t.Imported,
	}
	if i.InitiatedBy == "" {
		i.InitiatedBy = Unknown
	}
	if r.GenAI != nil {
		i.Agent = r.GenAI.Agent.ID
	}
	if s := t.Service; s != nil {
		i.Services, i.Class = s.Names, s.Classification
		i.rule(s.PolicyDigest)
	}
	if a := t.Authorization; a != nil {
		i.rule(a.PolicyDigest)
	}
	if t.Answers != nil {
		i.Answers = *t.Answers
	}
	if t.Reasons != nil {
		i.Reasons = *t.Reasons
	}
	if t.Control != nil {
		i.Controls = t.Control.Tags
		i.rule(t.Control.MatrixDigest)
	}
	return i
}

func (i *Item) rule(digest string) {
	if digest != "" {
		i.Rules = append(i.Rules, digest)
	}
}

// Columns are the columns of [Item.Row].
var Columns = []string{
	"number", "change", "title", "merged_at", "deployed_at", "initiated_by", "agent", "author", "services", "classification", "environments",
	"trigger", "alternatives", "authorized", "reviewed", "gaps", "controls", "incomplete", "imported", "revision", "evidence_digest",
}

// Row is an item as a line of a table. Lists are separated by blanks; times are RFC 3339, in UTC.
func (i Item) Row() []string {
	return []string{
		strconv.Itoa(i.Number), string(i.Change), i.Title, moment(i.MergedAt), moment(i.DeployedAt), i.InitiatedBy, i.Agent, i.Author,
		strings.Join(i.Services, " "), i.Class, strings.Join(i.Environment, " "),
		i.Answers.Trigger, i.Answers.Alternatives, i.Answers.Authorized, i.Answers.Reviewed,
		strings.Join(i.Gaps, " "), strings.Join(i.Controls, " "), yes(i.Incomplete), yes(i.Imported), strconv.FormatInt(i.Revision, 10), i.Digest,
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
