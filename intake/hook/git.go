package hook

import (
	"bufio"
	"compress/zlib"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// Git is where in git work stood.
type Git struct {
	Root       string            `json:"root,omitempty"`       // of the work tree
	Repository record.Repository `json:"repository,omitempty"` // of the remote origin, or of the only remote
	Branch     string            `json:"branch,omitempty"`
	Head       string            `json:"head,omitempty"` // commit
	// When it was committed, as it says itself; not known of a commit that is packed
	// away, which none is that was just made.
	HeadAt time.Time `json:"head_at,omitzero"`
}

// Look reads where the work tree stands that a folder lies in, from git's own
// files: starting git would take a hook most of its time. What cannot be read is
// left out.
func Look(folder string) Git {
	for dir := folder; dir != "" && filepath.IsAbs(dir); dir = filepath.Dir(dir) {
		if private, common := gitDir(dir); private != "" {
			g := Git{Root: dir, Repository: remote(filepath.Join(common, "config"))}
			g.Branch, g.Head = head(private, common)
			g.HeadAt = committed(common, g.Head)
			return g
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return Git{}
}

// gitDir returns the folder of git for a work tree, and the one that it shares with
// other work trees.
func gitDir(dir string) (private, common string) {
	private = filepath.Join(dir, ".git")
	info, err := os.Stat(private)
	if err != nil {
		return "", ""
	}
	if !info.IsDir() { // of a work tree or a submodule: "gitdir: PATH"
		text, err := os.ReadFile(private)
		path, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
		if err != nil || !ok {
			return "", ""
		}
		if private = path; !filepath.IsAbs(path) {
			private = filepath.Join(dir, path)
		}
	}
	common = private
	if text, err := os.ReadFile(filepath.Join(private, "commondir")); err == nil {
		if common = strings.TrimSpace(string(text)); !filepath.IsAbs(common) {
			common = filepath.Join(private, common)
		}
	}
	return private, common
}

func head(private, common string) (branch, commit string) {
	text, err := os.ReadFile(filepath.Join(private, "HEAD"))
	if err != nil {
		return "", ""
	}
	ref, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: ")
	if !ok {
		return "", strings.TrimSpace(string(text)) // no branch
	}
	branch = strings.TrimPrefix(ref, "refs/heads/")
	if text, err := os.ReadFile(filepath.Join(common, filepath.FromSlash(ref))); err == nil {
		return branch, strings.TrimSpace(string(text))
	}
	packed, err := os.Open(filepath.Join(common, "packed-refs"))
	if err != nil {
		return branch, ""
	}
	defer packed.Close()
	for lines := bufio.NewScanner(packed); lines.Scan(); {
		if sha, name, ok := strings.Cut(lines.Text(), " "); ok && name == ref {
			return branch, sha
		}
	}
	return branch, ""
}

// committer is the line of a commit object that says when it was committed.
var committer = regexp.MustCompile(`(?m)^committer .* (\d+) [+-]\d{4}$`)

// committed reads the time of a commit that lies in a file of its own.
func committed(common, sha string) time.Time {
	if !record.IsCommit(sha) || len(sha) < 40 {
		return time.Time{}
	}
	f, err := os.Open(filepath.Join(common, "objects", sha[:2], sha[2:]))
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	z, err := zlib.NewReader(f)
	if err != nil {
		return time.Time{}
	}
	text, _ := io.ReadAll(io.LimitReader(z, 64<<10)) // what can be read of it will do
	m := committer.FindSubmatch(text)
	if m == nil {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// remote returns the repository of the remote origin, or of the only remote.
func remote(config string) record.Repository {
	f, err := os.Open(config)
	if err != nil {
		return ""
	}
	defer f.Close()
	name, only, n := "", record.Repository(""), 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			name = ""
			if section, ok := strings.CutPrefix(line, `[remote "`); ok {
				name = strings.TrimSuffix(section, `"]`)
			}
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		if name == "" || strings.TrimSpace(key) != "url" {
			continue
		}
		repo := record.RepositoryAt(strings.TrimSpace(value))
		if name == "origin" {
			return repo
		}
		only = repo
		n++
	}
	if n > 1 {
		return ""
	}
	return only
}
