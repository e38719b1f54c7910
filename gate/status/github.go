package status

import (
	"context"
	"net/http"
	"strings"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/record"
)

// Context is the name of the status at GitHub. Branch protection requires it by this name.
const Context = gate.OwnJob

// A Token returns the token for requests about a repository, named owner/name.
type Token func(ctx context.Context, repository string) (string, error)

// Fixed returns a token that never changes.
func Fixed(token string) Token {
	return func(context.Context, string) (string, error) { return token, nil }
}

// GitHub shows commit statuses (https://docs.github.com/en/rest/commits/statuses). All changes with a
// commit share its status.
type GitHub struct {
	api   *client
	host  string
	token Token
}

// NewGitHub returns the host of an API: https://api.github.com, or https://HOST/api/v3 of GitHub
// Enterprise Server.
func NewGitHub(url string, token Token) (*GitHub, error) {
	api, err := newClient(url, "gateway.status.github.url")
	if err != nil {
		return nil, err
	}
	return &GitHub{api, strings.TrimPrefix(hostOf(api), "api."), token}, nil
}

// hostOf returns the host of an API, without a usual port, as the names of repositories contain it.
func hostOf(api *client) string {
	host := api.base.Host
	for _, usual := range []string{":443", ":80"} {
		host = strings.TrimSuffix(host, usual)
	}
	return strings.ToLower(host)
}

// Name is the host of the repositories.
func (g *GitHub) Name() string { return g.host }

// Place is the commit.
func (g *GitHub) Place(id record.ChangeID, commit string) (Place, bool) {
	repo, kind, _ := id.Split()
	path, ok := strings.CutPrefix(string(repo), g.host+"/")
	return Place{Repository: repo, Commit: commit}, ok && kind == "pull" && strings.Count(path, "/") == 1
}

// A commitStatus is a status as GitHub writes it.
type commitStatus struct {
	State       string `json:"state"`
	TargetURL   string `json:"target_url,omitempty"`
	Description string `json:"description"`
	Context     string `json:"context"`
}

// statusesAtOnce is how many statuses of a commit are read, the newest first. If the gate's is not
// among them, it is posted again.
const statusesAtOnce = "100"

// Shows reads the newest status with the context of the gate.
func (g *GitHub) Shows(ctx context.Context, at Place, s Status) (bool, error) {
	var all []commitStatus
	if err := g.do(ctx, at, call{path: "/commits/" + at.Commit + "/statuses?per_page=" + statusesAtOnce, out: &all}); err != nil {
		return false, err
	}
	for _, c := range all {
		if strings.EqualFold(c.Context, Context) {
			return c.State == s.State && c.Description == s.Says && c.TargetURL == s.Target, nil
		}
	}
	return false, nil
}

// Show posts a status.
func (g *GitHub) Show(ctx context.Context, at Place, s Status) error {
	return g.do(ctx, at, call{path: "/statuses/" + at.Commit, in: commitStatus{s.State, s.Target, s.Says, Context}})
}

// do sends a request about a repository.
func (g *GitHub) do(ctx context.Context, at Place, c call) error {
	path := strings.TrimPrefix(string(at.Repository), g.host+"/")
	token, err := g.token(ctx, path)
	if err != nil {
		return err
	}
	c.path, c.header = "/repos/"+path+c.path, githubHeader(token)
	return g.api.do(ctx, c)
}

func githubHeader(token string) http.Header {
	return http.Header{
		"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}, "Authorization": {"Bearer " + token},
	}
}
