package status

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// GitLab answers external status checks (https://docs.gitlab.com/api/status_checks/, GitLab
// Ultimate). A project has a check with a name; a check of that name is answered for each merge
// request. GitLab shows neither a reason nor a link.
type GitLab struct {
	api   *client
	host  string
	token string
	check string
}

// NewGitLab returns a host. url is that of GitLab, such as https://gitlab.com, and check the name of the
// status check in the settings of each project.
func NewGitLab(url, token, check string) (*GitLab, error) {
	api, err := newClient(url, "gateway.status.gitlab.url")
	if err != nil {
		return nil, err
	}
	host := hostOf(api) + strings.ToLower(api.base.Path) // GitLab may be below a path
	api.base = api.base.JoinPath("api", "v4")
	return &GitLab{api, host, token, check}, nil
}

// Name is the host of the projects.
func (g *GitLab) Name() string { return g.host }

// Place is the merge request with its newest commit: GitLab refuses an answer about another commit.
func (g *GitLab) Place(id record.ChangeID, commit string) (Place, bool) {
	repo, kind, number := id.Split()
	return Place{repo, number, commit}, kind == "merge_requests" && strings.HasPrefix(string(repo), g.host+"/")
}

// A statusCheck is an external status check of a merge request, and what it says.
type statusCheck struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// stateOf returns GitLab's word for a state. A pending check fails after two minutes at GitLab, so
// that it says only that the gate cannot tell.
func (g *GitLab) stateOf(s Status) string {
	switch s.State {
	case Success:
		return "passed"
	case Error:
		return "pending"
	}
	return "failed"
}

// Shows reads the check of a merge request.
func (g *GitLab) Shows(ctx context.Context, at Place, s Status) (bool, error) {
	c, err := g.find(ctx, at)
	if err != nil {
		return false, err
	}
	return c.Status == g.stateOf(s), nil
}

// find returns the check of a merge request.
func (g *GitLab) find(ctx context.Context, at Place) (statusCheck, error) {
	var all []statusCheck
	if err := g.do(ctx, at, call{path: "/status_checks?per_page=100", out: &all}); err != nil {
		return statusCheck{}, before(err)
	}
	for _, c := range all {
		if c.Name == g.check {
			return c, nil
		}
	}
	return statusCheck{}, &RefusedError{Says: fmt.Sprintf("%s has no external status check with the name %q for this branch; add it in Settings, Merge requests", at.Repository, g.check)}
}

// An answer is what is posted about a check.
type answer struct {
	SHA    string `json:"sha"`
	Check  int64  `json:"external_status_check_id"`
	Status string `json:"status"`
}

// Show answers the check of a merge request.
func (g *GitLab) Show(ctx context.Context, at Place, s Status) error {
	c, err := g.find(ctx, at)
	if err != nil {
		return err
	}
	return g.do(ctx, at, call{path: "/status_check_responses", in: answer{at.Commit, c.ID, g.stateOf(s)}})
}

// do sends a request about a merge request.
func (g *GitLab) do(ctx context.Context, at Place, c call) error {
	project := strings.TrimPrefix(string(at.Repository), g.host+"/")
	c.path = "/projects/" + url.PathEscape(project) + "/merge_requests/" + at.Number + c.path
	c.header = http.Header{"Private-Token": {g.token}}
	return g.api.do(ctx, c)
}
