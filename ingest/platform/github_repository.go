package platform

import (
	"cmp"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// githubFormer is the former name or owner of a repository that was renamed or transferred.
type githubFormer struct {
	Repository struct {
		Name struct {
			From string `json:"from"`
		} `json:"name"`
	} `json:"repository"`
	Owner struct {
		From struct {
			User         githubAccount `json:"user"`
			Organization githubAccount `json:"organization"`
		} `json:"from"`
	} `json:"owner"`
}

// former returns the former name of a repository, if the event says that it was renamed or
// transferred.
func (g *githubEvent) former(event string, now record.Repository) record.Repository {
	if event != "repository" || g.Action != "renamed" && g.Action != "transferred" {
		return ""
	}
	var f githubFormer
	_ = decode(g.Changes, &f) // in another form it is ignored
	parts := strings.Split(string(now), "/")
	if len(parts) != 3 {
		return ""
	}
	owner := cmp.Or(f.Owner.From.User.Login, f.Owner.From.Organization.Login, parts[1])
	if former := repositoryAt(parts[0] + "/" + owner + "/" + cmp.Or(f.Repository.Name.From, parts[2])); former != now {
		return former
	}
	return ""
}
