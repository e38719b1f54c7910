package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// maxLate is how far the times of one deployment may differ: one system states when it began,
// another when it ended.
const maxLate = 24 * time.Hour

// A deployed is a recorded deployment.
type deployed struct {
	by *recorded
	record.DeploymentFact
	found bool
}

// deployments compares lists of deployments with the records, in both directions.
func (c *comparison) deployments() {
	recorded := c.recordedDeployments()
	others, unknown := make(map[string]bool), 0
	for _, d := range c.History.Deployments {
		if d.Repository != "" && d.Repository != c.History.Repository {
			continue
		}
		if !containsFold(c.Environments, d.Environment) {
			others[d.Environment] = true
			continue
		}
		if d.Outcome == "failure" || !c.inTime(d.At) {
			continue
		}
		c.report.Deployments++
		if d.Outcome == "" {
			unknown++
		}
		if !c.matchDeployment(d, recorded) {
			c.darkDeployment(d)
		}
	}
	if c.report.Deployments == 0 && len(others) > 0 {
		c.leave(fmt.Sprintf("no deployment to %s is in the list; it has %s; name production with --environment", strings.Join(c.Environments, " or "), strings.Join(slices.Sorted(maps.Keys(others)), ", ")))
		return
	}
	if unknown > 0 {
		c.leave(fmt.Sprintf("the list does not say whether %d deployments succeeded; they are compared as if they had", unknown))
	}
	for _, d := range recorded {
		c.ghostDeployment(d)
	}
}

func (c *comparison) recordedDeployments() (out []*deployed) {
	seen := make(map[string]bool)
	for _, r := range c.records {
		if r.cut {
			c.leave(fmt.Sprintf("records that list only their newest %d deployments", maxDeployments), string(r.id))
		}
	}
	for _, r := range slices.Concat(c.records, c.parts) { // a deployment is that of the change, if a part of it has it, too
		for _, d := range r.deployments {
			key := strings.ToLower(d.Environment) + "\x00" + strings.ToLower(d.CommitSHA) + "\x00" + d.At.UTC().String()
			if containsFold(c.Environments, d.Environment) && !seen[key] {
				seen[key] = true
				out = append(out, &deployed{by: r, DeploymentFact: d})
			}
		}
	}
	slices.SortFunc(out, func(a, b *deployed) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(string(a.by.id), string(b.by.id)))
	})
	return out
}

// matchDeployment finds the record of a deployment: the nearest one of the same commit that is not the
// record of another.
func (c *comparison) matchDeployment(d Deployment, recorded []*deployed) bool {
	var best *deployed
	first, _ := slices.BinarySearchFunc(recorded, d.At.Add(-maxLate), func(r *deployed, t time.Time) int { return r.At.Compare(t) })
	for _, r := range recorded[first:] {
		late := r.At.Sub(d.At)
		if late > maxLate {
			break
		}
		if late = late.Abs(); r.found || r.CommitSHA == "" || differ(r.CommitSHA, d.Commit) {
			continue
		}
		if best == nil || late < best.At.Sub(d.At).Abs() {
			best = r
		}
	}
	if best != nil {
		best.found = true
	}
	return best != nil
}

func (c *comparison) darkDeployment(d Deployment) {
	sha := c.g.find(d.Commit)
	f := Finding{Kind: Dark, What: ofDeployment, Commit: sha, Environment: d.Environment, At: d.At, Author: d.Deployer}
	f.Reason = fmt.Sprintf("%s was deployed to %s, and no record names this deployment", short(sha), d.Environment)
	if commit := c.g.commits[sha]; commit != nil {
		f.Title = commit.Subject
		f.Agent, f.AgentBy = c.agentOf([]string{sha})
	}
	if r := c.covered[sha]; r != nil && r.request == nil {
		f.Change = r.id
	} else if c.History.Tip != "" && !c.g.in(sha) {
		f.Reason += fmt.Sprintf("; its commit is not in %s", c.History.Branch)
	}
	c.find(f)
}

func (c *comparison) ghostDeployment(d *deployed) {
	if d.found || d.Outcome != "success" || !c.inTime(d.At) {
		return
	}
	if len(c.History.Gaps) > 0 {
		c.leave("recorded as deployed, and not in the list of deployments, which is incomplete", string(d.by.id))
		return
	}
	f := c.about(d.by, Ghost)
	f.What, f.Environment, f.At, f.Commit, f.Recorded = ofDeployment, d.Environment, d.At, strings.ToLower(d.CommitSHA), strings.ToLower(d.CommitSHA)
	f.Reason = fmt.Sprintf("%s is recorded as deployed to %s with %s, and the list does not have this deployment", d.by.id, d.Environment, short(cmp.Or(d.CommitSHA, "no commit")))
	c.find(f)
}

// agentOfRequest returns the agent that a request and its commits show.
func (c *comparison) agentOfRequest(q *Request, commits []string) (agent string, by []string) {
	if c.Agent == nil {
		return "", nil
	}
	m := record.Marks{Accounts: []string{q.Author}, Bot: q.Bot, Branch: q.Branch}
	for _, sha := range commits {
		if commit := c.g.commits[sha]; len(commit.Parents) < 2 {
			m.Accounts = append(m.Accounts, commit.accounts()...)
			m.Mails = append(m.Mails, commit.AuthorMail)
			m.Trailers = append(m.Trailers, commit.Trailers...)
		}
	}
	return c.Agent(m)
}
