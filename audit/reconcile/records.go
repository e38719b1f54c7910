package reconcile

import (
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A recorded is what a record says of the merge of its change.
type recorded struct {
	id       record.ChangeID
	ids      []record.ChangeID // with its other names
	kind     string            // pull, merge_requests or commit
	number   string
	state    string
	partOf   record.ChangeID
	merge    string // as recorded, in lower case
	head     string
	base     string
	title    string
	mergedAt time.Time
	observed bool // a platform saw the merge
	agent    string

	deployments []record.DeploymentFact
	cut         bool // there may be more deployments

	request *Request // a request of the code host that has no record; nil for a record
	at      string   // the commit of the branch that is its merge; empty if there is none
	moved   bool     // at is not the commit that the record names
	listed  bool     // the code host lists it as merged
	settled bool     // findings say everything about it
}

// maxDeployments is how many deployments a record lists.
const maxDeployments = 50

func recordedOf(r *record.Record) *recorded {
	c := r.Trail.Change
	_, kind, number := c.ID.Split()
	out := &recorded{
		id: c.ID, ids: append([]record.ChangeID{c.ID}, c.OtherIDs...), kind: kind, number: number,
		state: c.State, partOf: c.PartOf, merge: strings.ToLower(c.MergeSHA), head: strings.ToLower(c.HeadSHA), base: c.BaseRef, title: c.Title,
		mergedAt: c.MergedAt, observed: !slices.Contains(c.Claimed, "merged_at") && !slices.Contains(c.Claimed, "state"),
		deployments: r.Trail.Deployments, cut: len(r.Trail.Deployments) >= maxDeployments,
	}
	if kind == "commit" {
		out.merge, out.head = strings.ToLower(number), strings.ToLower(number)
	}
	if c.InitiatedBy == "agent" && r.GenAI != nil {
		out.agent = r.GenAI.Agent.ID
	}
	return out
}

// direct reports whether the record is of a push without a pull request.
func (r *recorded) direct() bool { return r.kind == "commit" }

// Concerns reports whether a record is of a change of a repository, under any of its names.
func Concerns(r *record.Record, repo record.Repository) bool {
	c := r.Trail.Change
	return c.Repository == repo || c.ID.Repository() == repo || slices.Contains(c.OtherNames, repo)
}

// CommitsOf returns the commits that records of a repository name as their heads and merges. A
// reader of a clone looks for them outside the branch, too.
func CommitsOf(records []*record.Record) []string {
	var out []string
	for _, r := range records {
		if w := recordedOf(r); w.state == "merged" {
			out = append(out, w.merge, w.head)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(sha string) bool { return !record.IsCommit(sha) })
}

// unrecorded returns a request of a code host in the place of the record that it does not have. It
// explains commits, so that one finding says everything about them.
func unrecorded(q *Request) *recorded {
	_, kind, number := q.ID.Split()
	return &recorded{
		id: q.ID, kind: kind, number: number, state: "merged", merge: strings.ToLower(q.MergeSHA), head: strings.ToLower(q.HeadSHA),
		base: q.Base, title: q.Title, mergedAt: q.MergedAt, observed: true, request: q,
	}
}
