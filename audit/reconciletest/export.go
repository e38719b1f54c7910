package reconciletest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// page is how many objects one page of an API has.
const page = 100

// Export returns the files of an export of the code host, as its command line writes them: pages that
// follow each other, or are in a list.
func (w *World) Export(ids IDs, slurped bool) (map[string][]byte, error) {
	lists := map[string][]any{"requests": w.requests(ids), "commits": w.commits(ids), "deployments": w.deployments(ids)}
	out := make(map[string][]byte)
	for name, list := range lists {
		var pages []any
		var text []byte
		for some := range slices.Chunk(list, page) {
			one, err := json.Marshal(some)
			if err != nil {
				return nil, err
			}
			pages, text = append(pages, some), append(text, one...)
		}
		if slurped {
			var err error
			if text, err = json.Marshal(pages); err != nil {
				return nil, err
			}
		}
		out[name+".json"] = text
	}
	return out, nil
}

type object = map[string]any

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// requests returns the pull requests or merge requests, with some that are open or closed.
func (w *World) requests(ids IDs) (out []any) {
	for i, c := range w.changes {
		if c.number == 0 {
			continue
		}
		author, bot := strings.TrimSuffix(c.author.name, "[bot]"), strings.HasSuffix(c.author.name, "[bot]")
		if w.GitLab {
			one := object{"iid": c.number, "id": 7_000_000 + i, "title": c.title, "state": "merged", "target_branch": c.base, "source_branch": "feature", "sha": ids[c.head], "merged_at": stamp(c.at), "author": object{"username": author, "bot": bot}, "web_url": "https://gitlab.com/acme/payments/-/merge_requests/" + fmt.Sprint(c.number)}
			one["merge_commit_sha"], one["squash_commit_sha"] = ids[c.merge], nil
			if c.shape == "squash" {
				one["merge_commit_sha"], one["squash_commit_sha"] = nil, ids[c.merge]
			}
			out = append(out, one)
			continue
		}
		kind := map[bool]string{true: "Bot", false: "User"}[bot]
		repo := object{"default_branch": Branch}
		out = append(out, object{"number": c.number, "title": c.title, "state": "closed", "merged_at": stamp(c.at), "merge_commit_sha": ids[c.merge], "user": object{"login": c.author.name, "type": kind}, "head": object{"ref": "feature", "sha": ids[c.head]}, "base": object{"ref": c.base, "sha": "", "repo": repo}, "html_url": "https://github.com/acme/payments/pull/" + fmt.Sprint(c.number), "url": "x"})
	}
	return out
}

// commits returns those of the production branch, the newest first.
func (w *World) commits(ids IDs) (out []any) {
	inside := w.inside()
	for i := len(w.nodes) - 1; i >= 0; i-- {
		n := w.nodes[i]
		if !inside[n.mark] {
			continue
		}
		subject, _, _ := strings.Cut(n.message, "\n")
		if w.GitLab {
			out = append(out, object{"id": ids[n.mark], "short_id": ids[n.mark][:8], "parent_ids": named(n.parents, ids), "title": subject, "message": n.message, "author_name": n.author.name, "author_email": n.author.mail, "authored_date": stamp(n.wrote), "committer_name": n.by.name, "committer_email": n.by.mail, "committed_date": stamp(n.at), "created_at": stamp(n.at), "web_url": "https://gitlab.com/acme/payments/-/commit/" + ids[n.mark]})
			continue
		}
		var parents []any
		for _, p := range n.parents {
			parents = append(parents, object{"sha": ids[p]})
		}
		commit := object{"message": n.message, "author": object{"name": n.author.name, "email": n.author.mail, "date": stamp(n.wrote)}, "committer": object{"name": n.by.name, "email": n.by.mail, "date": stamp(n.at)}}
		out = append(out, object{"sha": ids[n.mark], "commit": commit, "author": nil, "committer": nil, "parents": parents, "html_url": "https://github.com/acme/payments/commit/" + ids[n.mark]})
	}
	return out
}

// deployments returns those that happened, and on GitHub their states.
func (w *World) deployments(ids IDs) (out []any) {
	for i, d := range w.Deployments(ids) {
		if w.GitLab {
			out = append(out, object{"id": i, "iid": i, "ref": Branch, "sha": d.Commit, "created_at": stamp(d.At), "updated_at": stamp(d.At), "status": "success", "user": object{"username": "ci"}, "environment": object{"name": "production"}})
			continue
		}
		url := fmt.Sprintf("https://api.github.com/repos/acme/payments/deployments/%d", i)
		out = append(out,
			object{"id": i, "url": url, "sha": d.Commit, "ref": Branch, "environment": "production", "created_at": stamp(d.At), "creator": object{"login": "ci"}, "statuses_url": url + "/statuses"},
			object{"id": i, "state": "success", "created_at": stamp(d.At.Add(time.Minute)), "deployment_url": url, "environment": "production"},
			object{"id": i, "state": "inactive", "created_at": stamp(d.At.Add(time.Hour)), "deployment_url": url, "environment": "production"})
	}
	return out
}
