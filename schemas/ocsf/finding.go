package ocsf

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// posture makes the finding of one gap.
func (d *document) posture(a *attributes) {
	f := &d.Trail.Finding
	id := schemas.FindingID(d.Trail.Change.ID, f.Kind)
	a.Metadata.UID = revisionOf(id, f.Revision)
	a.Metadata.Sequence = f.Revision
	switch {
	case f.Status == "closed":
		a.is(postureFinding, closing, severityOf(f.Severity))
		a.status(enum{4, "Resolved"})
	case f.Revision == 1:
		a.is(postureFinding, create, severityOf(f.Severity))
		a.status(enum{1, "New"})
	default:
		a.is(postureFinding, update, severityOf(f.Severity))
		a.status(enum{1, "New"})
	}
	a.FindingInfo = &findingInfo{
		UID: id, Title: f.Kind, Desc: d.Message, Types: []string{f.Kind}, SrcURL: d.Trail.Change.URL, ModifiedTime: a.Time,
		Analytic: &analytic{Name: cmp.Or(d.Rule.Name, f.Kind), TypeID: 1, Type: "Rule", Desc: d.Rule.Description},
	}
	a.Application = &application{
		Name: cmp.Or(d.Service.Name, d.repository(), "unknown"), UID: d.repository(),
		Criticality: d.Trail.Service.Classification, Labels: d.Trail.Service.DataClasses,
	}
	if len(d.Tags) > 0 {
		a.Compliance = &compliance{Requirements: d.Tags}
	}
	a.Resources = d.resources()
}

// compliance makes the finding of a record: how far a change meets its controls, and what an
// auditor will ask.
func (d *document) compliance(a *attributes) {
	t := &d.Trail
	id := schemas.RecordID(t.Change.ID)
	a.Metadata.UID = revisionOf(id, t.Revision)
	a.Metadata.Sequence = t.Revision
	a.Metadata.Tags = witnesses(&t.Tier)
	does := update
	if t.Revision == 1 {
		does = create
	}
	a.is(complianceFinding, does, worstOf(t.Gaps))
	a.FindingInfo = &findingInfo{
		UID: id, Title: cmp.Or(d.Message, id), Types: []string{"change"}, SrcURL: t.Change.URL,
		ModifiedTime: a.Time, RelatedEventCount: t.Events,
	}
	if at := t.Change.OpenedAt; !at.IsZero() {
		a.FindingInfo.CreatedTime = at.UnixMilli()
	}
	if rule := t.Authorization.Rule; rule != "" {
		a.FindingInfo.Analytic = &analytic{Name: rule, UID: t.Authorization.PolicyDigest, TypeID: 1, Type: "Rule"}
	}
	checks := append(d.questions(), d.controls()...)
	result := d.result(checks)
	a.Compliance = &compliance{
		Standards: standards(t.Control.Resolved), Requirements: t.Control.Tags, StatusID: &result.id, Status: result.caption,
		StatusDetails: t.Gaps, Checks: checks,
	}
	switch result {
	case pass:
		a.status(enum{4, "Resolved"})
	case pending:
		a.status(enum{2, "In Progress"})
	default:
		a.status(enum{1, "New"})
	}
	a.Resources = d.resources()
	a.Evidences = d.evidences()
}

// Results of a check.
var (
	unknown     = enum{0, "Unknown"}
	pass        = enum{1, "Pass"}
	warning     = enum{2, "Warning"}
	fail        = enum{3, "Fail"}
	pending     = enum{99, record.Pending}
	notRequired = enum{99, record.NotRequired}
	notAsked    = enum{99, "not-asked"}
)

// results lists the results from the worst to the best. The result of a change is the worst of its
// checks.
var results = []enum{fail, warning, unknown, pending, pass, notRequired, notAsked}

// questions returns a check for each of the auditor's four questions that has an answer.
func (d *document) questions() (out []check) {
	said, why := &d.Trail.Answers, &d.Trail.Reasons
	for _, q := range []struct{ name, answer, reason string }{
		{"trigger", said.Trigger, why.Trigger},
		{"alternatives", said.Alternatives, why.Alternatives},
		{"authorized", said.Authorized, why.Authorized},
		{"reviewed", said.Reviewed, why.Reviewed},
	} {
		if q.answer == "" {
			continue
		}
		result := answered(q.answer)
		desc := q.answer
		if q.reason != "" {
			desc += ": " + q.reason
		}
		out = append(out, check{UID: "changetrail.answers." + q.name, Name: q.name, Desc: desc, StatusID: result.id, Status: result.caption})
	}
	return out
}

func answered(answer string) enum {
	switch answer {
	case record.Proven:
		return pass
	case record.Partial:
		return warning
	case record.Unproven, record.Contradicted:
		return fail
	case record.Pending:
		return pending
	case record.NotRequired:
		return notRequired
	}
	return unknown
}

// controls returns a check for each control that applies to the change.
func (d *document) controls() (out []check) {
	for _, c := range d.Trail.Control.Resolved {
		result := unknown
		switch c.Status {
		case "shown":
			result = pass
		case "missing":
			result = fail
		case "pending":
			result = pending
		case "not-asked":
			result = notAsked
		}
		k := check{UID: c.Tag, Name: cmp.Or(c.Title, c.ID, c.Tag), Version: c.Version, StatusID: result.id, Status: result.caption}
		if c.Framework != "" {
			k.Standards = []string{c.Framework}
		}
		if len(c.Missing) > 0 {
			k.Desc = "missing: " + strings.Join(c.Missing, ", ")
		}
		out = append(out, k)
	}
	return out
}

// result returns the result of all checks: the worst one. A change with gaps does not pass.
func (d *document) result(checks []check) enum {
	worst := len(results)
	for _, c := range checks {
		worst = min(worst, slices.Index(results, enum{c.StatusID, c.Status}))
	}
	switch {
	case worst == len(results):
		return unknown
	case results[worst] == pass && len(d.Trail.Gaps) > 0:
		return warning
	}
	return results[worst]
}

func standards(controls []record.ResolvedControl) (out []string) {
	for _, c := range controls {
		if c.Framework != "" && !slices.Contains(out, c.Framework) {
			out = append(out, c.Framework)
		}
	}
	return out
}

// evidences returns the record and the files that it is based on, by their digests.
func (d *document) evidences() []evidence {
	t := &d.Trail
	text, _ := jsontext.AppendQuote(nil, t.EvidenceDigest)
	out := []evidence{{Name: "record", UID: t.EvidenceDigest, Data: text}}
	add := func(name, digest string) {
		same := func(e evidence) bool { return e.UID == digest }
		if digest == "" || slices.ContainsFunc(out, same) {
			return
		}
		f := &file{Name: digest, TypeID: 1, Type: "Regular File", Desc: name}
		if digests.Is(digest) {
			_, sum, _ := strings.Cut(digest, ":")
			f.Hashes = []fingerprint{{3, "SHA-256", sum}}
		}
		out = append(out, evidence{Name: name, UID: digest, File: f})
	}
	add("report that triggered the agent", t.Trigger.Digest)
	for _, s := range t.Scans {
		add("report of "+s.Scanner, s.Digest)
	}
	for _, j := range t.Validation.Jobs {
		add("test report of "+j.Name, j.Digest)
	}
	add("bill of materials", t.Change.SBOMDigest)
	return out
}

// resources returns the change and the service that it changes; without a change, the repository.
func (d *document) resources() (out []resource) {
	c := &d.Trail.Change
	target := resource{UID: string(c.ID), Name: c.Title, Type: "change", Namespace: d.repository(), Version: cmp.Or(c.MergeSHA, c.HeadSHA), RoleID: 1, Role: "Target"}
	if c.ID == "" {
		target.UID, target.Type, target.Namespace = d.repository(), "repository", ""
	} else if author := cmp.Or(c.Author, d.author()); author != "" {
		target.Owner = &user{author}
	}
	if target.UID != "" {
		out = append(out, target)
	}
	if d.Service.Name != "" {
		out = append(out, resource{
			Name: d.Service.Name, Type: "service", Criticality: d.Trail.Service.Classification, Labels: d.Trail.Service.DataClasses,
			RoleID: 3, Role: "Affected",
		})
	}
	return out
}

// author returns who opened the change, if the document says that: the user of an event is who did
// what the event reports.
func (d *document) author() string {
	if d.Event.Dataset == schemas.EventDataset {
		return ""
	}
	return d.User.Name
}

// witnesses returns who vouches for each part of a record.
func witnesses(t *record.Tiers) (out []tag) {
	for _, p := range []tag{
		{"witness.change", t.Change},
		{"witness.trigger", t.Trigger},
		{"witness.decision", t.Decision},
		{"witness.actions", t.Actions},
		{"witness.validation", t.Validation},
		{"witness.review", t.Review},
		{"witness.approval", t.Approval},
		{"witness.deployment", t.Deployment},
	} {
		if p.Value != "" {
			out = append(out, p)
		}
	}
	return out
}

// severityOf returns the severity of a gap.
func severityOf(s string) enum {
	switch s {
	case record.SeverityCritical:
		return critical
	case record.SeverityHigh:
		return high
	case record.SeverityMedium:
		return medium
	case record.SeverityLow:
		return low
	}
	return enum{0, "Unknown"}
}

// worstOf returns the severity of the worst gap; informational if there is none.
func worstOf(gaps []string) enum {
	worst := informational
	for _, g := range gaps {
		if s := severityOf(record.WordsOf(g).Severity); s.id > worst.id {
			worst = s
		}
	}
	return worst
}

// revisionOf names one revision of a document.
func revisionOf(id string, revision int64) string { return id + "@" + strconv.FormatInt(revision, 10) }
