package policy

import (
	"slices"

	"github.com/changetrail/changetrail/record"
)

// A Request describes the change for which a verdict is wanted.
type Request struct {
	Agent        string // id, or account; empty if a person made the change
	DelegatedBy  string
	Askers       []string // everybody who asked for the work
	Claimed      []string // those who only by a claim asked for it
	Repository   record.Repository
	OtherNames   []record.Repository // of the repository, present or past: the policy applies under each of them
	Kind         string              // of the change
	Paths        []string
	Environments []string
	Dependencies []record.DependencyUpdate
	Unseen       Unseen
	// Names returns all names of an account, itself first: others that its code host uses or used
	// for it, and its number. nil means that there are no others.
	Names func(account string) []string `json:"-"`
}

// repositories returns the names of the repository, the current one first.
func (r Request) repositories() []record.Repository {
	return append([]record.Repository{r.Repository}, r.OtherNames...)
}

// named reports whether patterns name the repository, by any of its names.
func (r Request) named(patterns []string) bool {
	return matchNames(patterns, string(r.Repository)) ||
		slices.ContainsFunc(r.OtherNames, func(n record.Repository) bool { return matchNames(patterns, string(n)) })
}

// Unseen says which lists of a request may be incomplete. Kind means that the kind is unknown.
type Unseen struct{ Paths, Dependencies, Kind, Environments bool }

// RequestOf returns the request for a change that was folded from its events.
func RequestOf(r *record.Record) Request {
	q := about(r)
	j := &r.Judged
	q.Paths, q.Dependencies, q.Kind, q.Environments, q.Names = j.Files, j.Dependencies, j.Kind, j.Environments, j.Names
	q.Askers, q.Claimed = j.Askers, j.ClaimedAskers
	q.Unseen = Unseen{Paths: j.FilesIncomplete, Dependencies: !j.DependenciesKnown, Kind: !j.KindKnown}
	return q
}

// RequestOfDocument returns the request for a record that was read from an index or a file, which
// holds only some of the paths of a large change.
func RequestOfDocument(r *record.Record) Request {
	q := about(r)
	c := r.Trail.Change
	claimed := func(field string) bool { return slices.Contains(c.Claimed, field) }
	paths := claimed("files") || c.FilesUnknown || c.FilesTotal > int64(len(c.Files)) || slices.Contains(r.Trail.Gaps, record.GapEvidenceIncomplete)
	q.Unseen = Unseen{
		Paths: paths,
		Dependencies: claimed("dependencies") || len(c.Dependencies) >= record.MaxDependencies ||
			len(c.Dependencies) == 0 && (paths || slices.ContainsFunc(c.Files, record.IsManifest)),
		Kind: claimed("kind") || c.Kind == "",
	}
	for _, d := range r.Trail.Deployments {
		if d.Tier == record.Observed && d.Outcome == "success" {
			q.Environments = append(q.Environments, d.Environment)
		}
	}
	if t := r.Trail.Tier; t != nil && t.Decision == record.Claimed {
		q.Claimed = []string{q.DelegatedBy}
	}
	if !claimed("files") {
		q.Paths = c.Files
	}
	if !claimed("dependencies") {
		q.Dependencies = c.Dependencies
	}
	if !claimed("kind") {
		q.Kind = c.Kind
	}
	return q
}

// about returns the part of a request that is the same for a record and its document.
func about(r *record.Record) Request {
	c := r.Trail.Change
	q := Request{Repository: c.Repository, OtherNames: c.OtherNames}
	if r.GenAI != nil && c.InitiatedBy == "agent" {
		q.Agent = r.GenAI.Agent.ID
	}
	if d := r.Trail.Decision; d != nil {
		q.DelegatedBy = d.DelegatedBy
	}
	return q
}

func names(updates []record.DependencyUpdate) []string {
	out := make([]string, len(updates))
	for i, u := range updates {
		out[i] = u.Name
	}
	return out
}
