package controls

import (
	"maps"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// The status of a control in a record.
const (
	Shown        = "shown"         // all required evidence is there
	Missing      = "missing"       // some evidence is not
	Pending      = record.Pending  // some evidence is not, but the change is open: it may still arrive
	NotEvaluated = "not-evaluated" // no required evidence is defined
	NotAsked     = "not-asked"     // all its evidence is required of agents only, and a person made the change
)

// A kind is a kind of evidence.
type kind struct {
	ofAgents bool // not required of changes by people
	holds    func(*record.Record) bool
}

// shows reports for each kind of evidence whether a record contains it.
var shows = map[string]kind{
	"trigger":       {true, func(r *record.Record) bool { return r.Trail.Answers.Trigger == record.Proven }},
	"decision":      {true, func(r *record.Record) bool { return r.Trail.Answers.Alternatives == record.Proven }},
	"authorization": {true, func(r *record.Record) bool { return r.Trail.Answers.Authorized == record.Proven }},
	"delegator":     {true, delegated},
	"review": {false, func(r *record.Record) bool {
		return r.Trail.Answers != nil && r.Trail.Answers.Reviewed == record.Proven
	}},
	"validation":   {false, validated},
	"scan-at-head": {false, scannedAtHead},
	"sbom-delta": {false, func(r *record.Record) bool {
		return r.Trail.Change.SBOMDigest != "" && !claimed(r, "sbom_digest", "dependencies")
	}},
	"approval":            {false, approved},
	"deployment":          {false, deployed},
	"deployer-not-author": {false, deployedByAnother},
	"stream":              {false, func(*record.Record) bool { return true }}, // the record itself shows it
}

// EvidenceNames returns the kinds of evidence that a control can require, sorted.
func EvidenceNames() []string { return slices.Sorted(maps.Keys(shows)) }

func validated(r *record.Record) bool {
	v := r.Trail.Validation
	return v != nil && v.Current && v.Conclusion == "success" && (r.Trail.Tier == nil || r.Trail.Tier.Validation != record.Claimed)
}

func scannedAtHead(r *record.Record) bool {
	c := r.Trail.Change
	return slices.ContainsFunc(r.Trail.Scans, func(s record.ScanFact) bool {
		return s.Tier != record.Claimed && s.Scanned && s.CommitSHA != "" && (s.CommitSHA == c.HeadSHA || s.CommitSHA == c.MergeSHA)
	})
}

func approved(r *record.Record) bool {
	return slices.ContainsFunc(r.Trail.Approvals, func(a record.ApprovalFact) bool { return a.Tier != record.Claimed && a.Verdict != "refused" })
}

func deployedByAnother(r *record.Record) bool {
	return deployedWhere(r, func(d record.DeploymentFact) bool {
		return d.Deployer != "" && !strings.EqualFold(d.Deployer, r.Trail.Change.Author)
	}) && !claimed(r, "author")
}

func deployed(r *record.Record) bool {
	return deployedWhere(r, func(record.DeploymentFact) bool { return true })
}

// deployedWhere reports whether a deployment that satisfies is was observed to succeed.
func deployedWhere(r *record.Record, is func(record.DeploymentFact) bool) bool {
	return slices.ContainsFunc(r.Trail.Deployments, func(d record.DeploymentFact) bool {
		return d.Tier != record.Claimed && d.Outcome == "success" && is(d)
	})
}

func delegated(r *record.Record) bool {
	return r.Trail.Decision != nil && r.Trail.Decision.DelegatedBy != "" && (r.Trail.Tier == nil || r.Trail.Tier.Decision != record.Claimed)
}

// claimed reports whether one of these attributes of the change is only claimed: no source that
// observes the change states it.
func claimed(r *record.Record, attributes ...string) bool {
	return slices.ContainsFunc(attributes, func(a string) bool { return slices.Contains(r.Trail.Change.Claimed, a) })
}

// asked returns the evidence that is required of the change. A change that no agent made needs only
// what is required of people.
func asked(r *record.Record, evidence []string) (out []string) {
	byAgent := r.Trail.Change.InitiatedBy == "agent" && r.Trail.Answers != nil
	for _, name := range evidence {
		if byAgent || !shows[name].ofAgents {
			out = append(out, name)
		}
	}
	return out
}

// missing returns the evidence that r does not contain.
func missing(r *record.Record, evidence []string) (out []string) {
	for _, name := range evidence {
		if !shows[name].holds(r) {
			out = append(out, name)
		}
	}
	return out
}

// status returns the status of a control that requires evidence; c has the part of it that is
// required of the change.
func status(r *record.Record, evidence []string, c record.ResolvedControl) string {
	change := r.Trail.Change
	switch {
	case len(evidence) == 0:
		return NotEvaluated
	case len(c.Evidence) == 0:
		return NotAsked
	case len(c.Missing) == 0:
		return Shown
	case change.MergedAt.IsZero() && change.ClosedAt.IsZero():
		return Pending
	}
	return Missing
}

// Means describes the status of a control in words.
func Means(status string) string {
	switch status {
	case Shown:
		return "all required evidence is there"
	case Missing:
		return "the evidence named here is missing"
	case Pending:
		return "the evidence named here is not there yet, and the change is open"
	case NotAsked:
		return "its evidence is required only of changes by agents"
	}
	return "neither the matrix nor the catalogue names evidence for it"
}
