package reconcile

import (
	"time"

	"github.com/changetrail/changetrail/record"
)

// A History is what a clone or a code host says about one branch of a repository.
type History struct {
	Repository record.Repository
	Branch     string // the production branch
	// Tip is the newest commit of the branch; empty if no commits were read.
	Tip string
	// Commits are all commits that were read, by id: those of the branch, and others that records
	// name.
	Commits map[string]*Commit
	// Former are former names of the branch, as far as somebody states them.
	Former []string
	// Branches are the other branches that exist. An older name of the production branch is not
	// among them. nil if unknown.
	Branches []string
	// Requests are the pull requests or merge requests that the code host lists, open and closed
	// ones included. RequestsRead says that the list was read.
	Requests     []Request
	RequestsRead bool
	// Deployments are those to production. DeploymentsRead says that a list of them was read.
	Deployments     []Deployment
	DeploymentsRead bool
	// ReadAt is when the clone was fetched or the list was made. A commit that states a later time is
	// wrong. Zero if it is unknown.
	ReadAt time.Time
	// Gaps say in sentences what is incomplete.
	Gaps []string
	// Sources name what was read.
	Sources []string
}

// A Commit is a commit of Git. Times and people are what the commit states.
type Commit struct {
	ID            string
	Parents       []string
	Author        string
	AuthorMail    string
	AuthoredAt    time.Time
	Committer     string
	CommitterMail string
	CommittedAt   time.Time
	Account       string // of the author at the code host, if it says so
	Bot           bool   // the code host says that the author is not human
	Message
}

// A Request is a pull request or merge request, as its code host lists it.
type Request struct {
	ID       record.ChangeID
	State    string // open, merged or closed
	MergeSHA string
	HeadSHA  string
	// SquashSHA is the commit that the host made of all commits, if it merged that one.
	SquashSHA string
	Base      string
	Branch    string
	Author    string
	Bot       bool
	Title     string
	MergedAt  time.Time
}

// A Deployment is one deployment of a commit to production.
type Deployment struct {
	Repository  record.Repository
	Environment string
	Commit      string
	At          time.Time
	// Outcome is success, failure or empty if it is not known.
	Outcome  string
	Deployer string
}

// A Push is a push that a platform saw.
type Push struct {
	// Change is the id of a push to a branch into which changes are merged, which is a change of its
	// own; empty for a push to another branch.
	Change record.ChangeID
	// Before and After are the newest commits of the branch before and after it. Before is empty if
	// the push created the branch.
	Before, After string
	Commits       []string // that it brought
}
