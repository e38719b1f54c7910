package history

import (
	"fmt"

	"github.com/changetrail/changetrail/audit/reconcile"
)

// Combine adds what another source says about the same branch: commits of the first one that has
// any, and the requests and deployments of all.
func Combine(h, more *reconcile.History) error {
	if more.Repository != "" && h.Repository != "" && h.Repository != more.Repository {
		return fmt.Errorf("the sources are about different repositories, %s and %s; name one with --repository", h.Repository, more.Repository)
	}
	if h.Repository == "" {
		h.Repository = more.Repository
	}
	if h.Branch == "" {
		h.Branch = more.Branch
	}
	if h.Tip == "" {
		h.Tip, h.Commits, h.Branches = more.Tip, more.Commits, more.Branches
	}
	h.Requests, h.RequestsRead = append(h.Requests, more.Requests...), h.RequestsRead || more.RequestsRead
	h.Deployments, h.DeploymentsRead = append(h.Deployments, more.Deployments...), h.DeploymentsRead || more.DeploymentsRead
	h.Gaps, h.Sources = append(h.Gaps, more.Gaps...), append(h.Sources, more.Sources...)
	if !more.ReadAt.IsZero() && (h.ReadAt.IsZero() || more.ReadAt.Before(h.ReadAt)) {
		h.ReadAt = more.ReadAt
	}
	return nil
}
