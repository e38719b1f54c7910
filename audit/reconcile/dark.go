package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// dark finds the commits of the window that no record explains: one finding for each landing.
func (c *comparison) dark() {
	for i := c.window.start; i < c.window.end; i++ {
		var commits []string
		for _, sha := range c.g.brought[i] {
			if c.covered[sha] == nil && !c.paired[sha] {
				commits = append(commits, sha)
			}
		}
		if len(commits) == 0 {
			continue
		}
		newest := c.g.commits[commits[0]]
		f := Finding{
			Kind: Dark, What: ofChange, Commit: newest.ID, Commits: commits, How: how(newest), At: newest.CommittedAt,
			Title: newest.Subject, Author: person(newest.Author, newest.AuthorMail), Committer: person(newest.Committer, newest.CommitterMail),
		}
		f.Agent, f.AgentBy = c.agentOf(commits)
		f.Reason = fmt.Sprintf("%s reached %s as %s, and no record names it", short(newest.ID), c.History.Branch, f.How)
		if len(commits) > 1 {
			f.Reason += fmt.Sprintf(", nor %d more commits that came with it", len(commits)-1)
		}
		if r := c.byNumber(newest.Number); r != nil {
			f.Change = r.id
			f.Reason += fmt.Sprintf("; its message names %s, which is recorded as %s", r.id, recordedAs(r))
		}
		if r := c.above(newest); r != nil {
			f.MayBelongTo = r.id
			f.Reason += fmt.Sprintf("; it lies directly below %s, and may have come with it: which commits that brought is not known without the events of pushes", r.id)
		}
		c.find(f)
	}
}

func recordedAs(r *recorded) string {
	switch r.state {
	case "merged":
		return "merged with another commit, " + short(r.merge)
	case "":
		return "in no known state"
	}
	return r.state
}

// above returns the record of a push or a rebase that may have brought a commit: the next one on the
// chain, over commits of the same committer; those of a rebase were made together. It is nil if
// pushes are known.
func (c *comparison) above(commit *Commit) *recorded {
	i, landed := c.g.onChain[commit.ID]
	if c.Pushes != nil || !landed || len(commit.Parents) > 1 {
		return nil
	}
	apart := false
	for at := commit; i+1 < len(c.g.chain); i++ {
		next := c.g.commits[c.g.chain[i+1]]
		if len(next.Parents) > 1 || at.Committer != next.Committer || at.CommitterMail != next.CommitterMail {
			return nil
		}
		apart = apart || !together(at, next)
		if r := c.at[next.ID]; r != nil && (r.head == r.merge || !apart) {
			return r
		} else if r != nil {
			return nil
		}
		at = next
	}
	return nil
}

// how says how a commit reached the branch, as far as it shows.
func how(commit *Commit) string {
	switch {
	case commit.Reverts != "":
		return "a revert of " + short(commit.Reverts)
	case commit.Picked != "":
		return "a cherry-pick of " + short(commit.Picked)
	case len(commit.Parents) > 1:
		return "a merge commit"
	case commit.Number != "":
		return "a single commit, which names change " + commit.Number + " (a squash, by its message)"
	}
	return "a single commit (a direct push, a squash, a rebase or a fast-forward)"
}

// agentOf returns the agent that commits show.
func (c *comparison) agentOf(commits []string) (agent string, by []string) {
	if c.Agent == nil {
		return "", nil
	}
	var m record.Marks
	for _, sha := range commits {
		commit := c.g.commits[sha]
		if len(commit.Parents) > 1 { // whoever merges wrote nothing of the change
			if m.Branch == "" {
				m.Branch = commit.Branch
			}
			if len(commits) > 1 {
				continue
			}
		}
		m.Accounts = append(m.Accounts, commit.accounts()...)
		m.Mails = append(m.Mails, commit.AuthorMail)
		m.Trailers = append(m.Trailers, commit.Trailers...)
		m.Bot = m.Bot || commit.Bot
	}
	return c.Agent(m)
}

// accounts returns the names of the author. GitHub puts the account into the address of those who
// hide theirs: 12345+account@users.noreply.github.com.
func (commit *Commit) accounts() (out []string) {
	local, host, _ := strings.Cut(commit.AuthorMail, "@")
	if host == "users.noreply.github.com" {
		out = append(out, local[strings.IndexByte(local, '+')+1:])
	}
	for _, name := range []string{commit.Account, commit.Author} {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func person(name, mail string) string {
	if mail == "" {
		return name
	}
	return strings.TrimSpace(name + " <" + mail + ">")
}

func short(sha string) string { return sha[:min(len(sha), 12)] }
