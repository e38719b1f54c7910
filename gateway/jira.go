package gateway

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/record"
)

// Jira is how webhooks of Jira are verified, and which repositories they are about.
type Jira struct {
	// Secrets with which it signs; several while one replaces another.
	Secrets []string
	// Projects name the repositories in which work on their issues is done. Webhooks about other
	// projects are dropped.
	Projects []settings.JiraProject
}

// maxRepositories is how many repositories one webhook of Jira may be about.
const maxRepositories = 50

// repositories returns the repositories of each project.
func (j Jira) repositories() (map[string][]record.Repository, error) {
	out := make(map[string][]record.Repository)
	for _, p := range j.Projects {
		switch n := len(p.Repositories); {
		case p.Project == "":
			return nil, fmt.Errorf("jira_projects: a project has no key, as {project: PAY, repositories: [github.com/acme/payments]}")
		case out[p.Project] != nil:
			return nil, fmt.Errorf("jira_projects: the project %s is listed twice", p.Project)
		case n == 0 || n > maxRepositories:
			return nil, fmt.Errorf("jira_projects: the project %s has %d repositories, but must have 1 to %d", p.Project, n, maxRepositories)
		}
		for _, text := range p.Repositories {
			repo, err := record.ParseRepository(text)
			if err != nil {
				return nil, fmt.Errorf("jira_projects: %s: %w", p.Project, err)
			}
			if !slices.Contains(out[p.Project], repo) {
				out[p.Project] = append(out[p.Project], repo)
			}
		}
	}
	return out, nil
}

// jira answers POST /v1/webhooks/jira. The key of an issue names its project, and the settings name
// the repositories of the project. The signature covers only the body, as at GitHub
// (https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks).
func (g *Gateway) jira(w http.ResponseWriter, r *http.Request) error {
	if len(g.Jira.Secrets) == 0 {
		return problem.New(http.StatusForbidden, "this gateway has no secret for webhooks of Jira; set gateway.jira_secret_file")
	}
	body, err := read(w, r, maxWebhook)
	if err != nil {
		return err
	}
	if !signedBy(g.Jira.Secrets, body, r.Header.Get("X-Hub-Signature")) {
		return problem.New(http.StatusUnauthorized, "X-Hub-Signature is not the signature of the body; does the webhook have the secret of gateway.jira_secret_file?")
	}
	name, project, err := platform.JiraType(body)
	if err != nil {
		return problem.New(http.StatusUnprocessableEntity, "%v", err)
	}
	repos := g.projects[project]
	if len(repos) == 0 {
		g.metrics.note("jira", "no-repository")
		g.Log.Info("a webhook is about a project of Jira that gateway.jira_projects does not name", "type", name, "project", project)
		return writeJSON(w, map[string]any{"detail": fmt.Sprintf("gateway.jira_projects does not say in which repositories work on the project %q is done; nothing of it is kept", project)})
	}
	return g.webhook(w, r, webhook{who: identity.Principal{Name: "jira", Platform: "jira", Webhook: true}, eventType: name, delivery: r.Header.Get("X-Atlassian-Webhook-Identifier"), body: body, id: digests.Of(body), about: repos})
}
