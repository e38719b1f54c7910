package gateway

import (
	"net/http"
	"slices"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/record"
)

// Jira is how webhooks of Jira are known to be its own.
type Jira struct {
	// Secrets with which it signs; several while one takes the place of another.
	Secrets []string
}

// maxRepositories is how many repositories one webhook of Jira may be about.
const maxRepositories = 50

// jira answers POST /v1/webhooks/jira?repository=host/path. Jira knows no repository:
// the address of the webhook says in which ones work on its issues is done. The
// signature is over the body alone, as that of GitHub is
// (https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks).
func (g *Gateway) jira(w http.ResponseWriter, r *http.Request) error {
	if len(g.Jira.Secrets) == 0 {
		return problem.New(http.StatusForbidden, "no secret of Jira's webhooks is set here; set gateway.jira_secret_file")
	}
	body, err := read(w, r, maxWebhook)
	if err != nil {
		return err
	}
	if !signedBy(g.Jira.Secrets, body, r.Header.Get("X-Hub-Signature")) {
		return problem.New(http.StatusUnauthorized, "X-Hub-Signature is not the signature of the body; is the secret of the webhook the one that is set here?")
	}
	repos, err := repositoriesIn(r)
	if err != nil {
		return err
	}
	name, err := platform.JiraType(body)
	if err != nil {
		return problem.New(http.StatusUnprocessableEntity, "%v", err)
	}
	return g.webhook(w, r, webhook{who: identity.Principal{Name: "jira", Platform: "jira", Webhook: true}, eventType: name, delivery: r.Header.Get("X-Atlassian-Webhook-Identifier"), body: body, id: record.Digest(body), about: repos})
}

// repositoriesIn are the repositories that the address of a webhook names.
func repositoriesIn(r *http.Request) (out []record.Repository, err error) {
	for _, text := range r.URL.Query()["repository"] {
		repo, err := record.ParseRepository(text)
		if err != nil {
			return nil, problem.New(http.StatusUnprocessableEntity, "repository: %v", err)
		}
		if !slices.Contains(out, repo) {
			out = append(out, repo)
		}
	}
	if n := len(out); n == 0 || n > maxRepositories {
		return nil, problem.New(http.StatusUnprocessableEntity, "the address of the webhook names %d repositories, and must name 1 to %d, as /v1/webhooks/jira?repository=github.com/acme/payments", n, maxRepositories)
	}
	return out, nil
}
