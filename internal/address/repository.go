package address

import (
	"slices"
	"strings"
)

// OfRemote returns the repository at the address of a remote, or "" if the address is a
// folder: Git reads host/path as a folder.
func OfRemote(remote string) string {
	a, ok := Parse(remote)
	if !ok || a.scheme == "" {
		return ""
	}
	return a.Repository()
}

// Repository returns the repository that contains the address, as host/path, or "".
func (a Address) Repository() string {
	host, path := a.host, slices.DeleteFunc(slices.Clone(a.Path), func(p string) bool { return p == "" })
	if real, ok := hostAliases[host]; ok {
		host = real
	} else if a.ssh() {
		host = withoutAlias(strings.TrimPrefix(host, "altssh."))
	}
	switch {
	case host == "dev.azure.com" || strings.HasSuffix(host, ".visualstudio.com"):
		host, path = azure(host, path)
	case host == "api.github.com" && len(path) > 0 && path[0] == "repos":
		host, path = "github.com", twoParts(path[1:])
	case host == "raw.githubusercontent.com":
		host, path = "github.com", twoParts(path)
	case host == "github.com" || host == "bitbucket.org":
		path = twoParts(path)
	default:
		path = bitbucketServer(a, beforePages(path))
	}
	if len(path) < 2 {
		return ""
	}
	last := &path[len(path)-1]
	for strings.HasSuffix(*last, ".git") {
		*last = strings.TrimSuffix(*last, ".git")
	}
	if !IsPath(path) {
		return ""
	}
	if a.port != "" {
		host += ":" + a.port
	}
	return host + "/" + strings.Join(path, "/")
}

// hostAliases are other names of code hosts: those of their sites, and those under which they
// accept SSH on port 443.
var hostAliases = map[string]string{
	"www.github.com": "github.com", "ssh.github.com": "github.com",
	"www.gitlab.com": "gitlab.com", "altssh.gitlab.com": "gitlab.com",
	"www.bitbucket.org": "bitbucket.org", "altssh.bitbucket.org": "bitbucket.org",
	"ssh.dev.azure.com": "dev.azure.com",
}

// withoutAlias returns the host after which an alias in an SSH configuration is named, such as
// github.com-work of people with two accounts. No top-level domain looks like that.
func withoutAlias(host string) string {
	for _, known := range []string{"github.com", "gitlab.com", "bitbucket.org"} {
		if rest, ok := strings.CutPrefix(host, known+"-"); ok && !strings.Contains(rest, ".") {
			return known
		}
	}
	return host
}

func twoParts(path []string) []string { return path[:min(2, len(path))] }

// azure reads the addresses of Azure DevOps: ORG/PROJECT/_git/REPO, or v3/ORG/PROJECT/REPO by
// SSH, or at ORG.visualstudio.com. The project may be omitted if the repository has the same
// name.
func azure(host string, path []string) (string, []string) {
	if org, ok := strings.CutSuffix(host, ".visualstudio.com"); ok && org != "vs-ssh" {
		if len(path) > 0 && path[0] == "defaultcollection" {
			path = path[1:]
		}
		path = append([]string{org}, path...)
	}
	host = "dev.azure.com"
	if len(path) >= 4 && path[0] == "v3" {
		return host, []string{path[1], path[2], "_git", path[3]}
	}
	i := slices.IndexFunc(path, func(p string) bool { return p == "_git" || p == "_ssh" })
	switch {
	case i == 1 && len(path) > 2:
		return host, []string{path[0], path[2], "_git", path[2]}
	case i == 2 && len(path) > 3:
		return host, []string{path[0], path[1], "_git", path[3]}
	}
	return host, nil
}

// beforePages cuts the part that leads to a page of a repository: /tree/main of GitHub
// Enterprise, /-/blob/main/x of GitLab, where no project may be called "-", /src/branch/main of
// Gitea, /+/main of Gerrit.
func beforePages(path []string) []string {
	for i := 2; i < len(path); i++ {
		switch path[i] {
		case "-", "tree", "blob", "raw", "blame", "edit", "commits", "+":
			return path[:i]
		case "src":
			if i+1 < len(path) && slices.Contains([]string{"branch", "commit", "tag"}, path[i+1]) {
				return path[:i]
			}
		case "_git": // Azure DevOps Server
			return path[:min(i+2, len(path))]
		}
	}
	return path
}

// bitbucketServer gives the repositories of a Bitbucket Server the path under which they are
// cloned by HTTP: scm/PROJECT/REPO. SSH addresses have the port of SSH instead of scm; addresses
// of pages contain projects or users.
func bitbucketServer(a Address, path []string) []string {
	switch {
	case len(path) >= 4 && path[0] == "projects" && path[2] == "repos":
		return []string{"scm", path[1], path[3]}
	case len(path) >= 4 && path[0] == "users" && path[2] == "repos":
		return []string{"scm", "~" + path[1], path[3]}
	case a.sshPort == "7999" && len(path) == 2:
		return []string{"scm", path[0], path[1]}
	}
	return path
}

// IsPath reports whether a repository may have a path of these parts.
func IsPath(parts []string) bool {
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return false
		}
	}
	return len(parts) >= 2
}
