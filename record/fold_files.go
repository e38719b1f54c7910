package record

import (
	"slices"
	"strings"
)

// A listing is the files and the dependencies that observed revisions state for each head.
type listing struct {
	files        map[string]*Revision // by head; "" if none is stated
	dependencies map[string]*Revision
	total        map[string]int64 // number of files of a head, as the code host counts them
	headless     bool             // no observed revision states a head
}

// listingOf reads what observed revisions state. For one head a better witness and a newer
// statement come first. A revision that states no head is about the previous head.
func listingOf(own []Event, s *statement) listing {
	l := listing{files: make(map[string]*Revision), dependencies: make(map[string]*Revision), total: make(map[string]int64), headless: true}
	ranks := make(map[attribute]int)
	head := ""
	for _, e := range own {
		f, rank := revisionOf(e.Fact), s.rank(e)
		if f == nil || rank == rankClaim {
			continue
		}
		if f.HeadSHA != "" {
			head, l.headless = strings.ToLower(f.HeadSHA), false
		}
		better := func(what string) bool {
			a := attribute{what, head}
			if rank < ranks[a] {
				return false
			}
			ranks[a] = rank
			return true
		}
		if len(f.Files) > 0 && better(attrFiles) {
			l.files[head] = f
		}
		if len(f.Dependencies) > 0 && better(attrDependencies) {
			l.dependencies[head] = f
		}
		if f.FilesTotal > 0 && better("total") {
			l.total[head] = f.FilesTotal
		}
	}
	return l
}

// foldFiles collects the observed files of the head that counts, and whether the list is
// complete. See docs/trust.md.
func foldFiles(r *Record, f Facts) {
	c, j := &r.Trail.Change, &r.Judged
	l := listingOf(f.Own, j.stated)
	head, _ := r.commits()
	files, complete := l.filesOf(head, j.branch)
	if _, kind, _ := c.ID.Split(); kind == "commit" && j.stated.known(attrMerge) {
		files, complete = filesOfPushes(j.branch.pushes), !j.branch.cut && !slices.ContainsFunc(j.branch.pushes, func(p *Pushed) bool { return p.Forced || !p.listed() })
	}
	slices.Sort(files)
	j.Files = slices.Compact(files)
	j.FilesIncomplete = !complete || l.total[head] > int64(len(j.Files)) || f.Lost > 0
	if len(j.Files) > 0 {
		j.stated.accept(attrFiles, "", rankObserved)
		c.Files, c.FilesTotal = j.Files[:min(len(j.Files), MaxFiles)], max(int64(len(j.Files)), l.total[head])
	} else {
		foldShownFiles(r, f)
		c.FilesTotal = max(c.FilesTotal, l.total[head])
	}
	c.FilesUnknown = j.FilesIncomplete
	foldDependencies(r, l, head)
}

// filesOf returns the files of a head, and whether the list is complete: what a revision states
// for it; or else what a revision states for an earlier head, plus the pushes since; or else what
// all pushes brought since the branch was created.
func (l listing) filesOf(head string, b *branch) (files []string, complete bool) {
	if f := l.files[head]; f != nil {
		return slices.Clone(f.Files), true
	}
	if f := l.files[""]; f != nil && l.headless {
		return slices.Clone(f.Files), true
	}
	complete = true
	for i, at := range b.heads {
		if f := l.files[at]; f != nil {
			return append(files, f.Files...), complete && l.total[at] <= int64(len(f.Files))
		}
		if i == len(b.pushes) {
			break // unknown how the branch got there
		}
		p := b.pushes[i]
		files = append(files, p.Files...)
		complete = complete && !p.Partial && !p.Forced && p.listed()
	}
	return files, complete && b.created
}

// listed reports whether a push says which files it brings. A push without commits of its own
// brings none.
func (p *Pushed) listed() bool {
	return len(p.Files) > 0 || p.NoFiles || !slices.ContainsFunc(p.Commits, func(c Commit) bool { return !c.Merge })
}

func filesOfPushes(pushes []*Pushed) (files []string) {
	for _, p := range pushes {
		files = append(files, p.Files...)
	}
	return files
}

// foldShownFiles shows files that are not used for answers: what the best witness states for
// another head, or what is only claimed.
func foldShownFiles(r *Record, f Facts) {
	c, s := &r.Trail.Change, r.Judged.stated
	var files []string
	for _, e := range f.Own {
		if rev := revisionOf(e.Fact); rev != nil && len(rev.Files) > 0 && s.accept(attrFiles, "", s.rank(e)) {
			files = slices.Clone(rev.Files)
		}
	}
	if files == nil {
		for _, e := range pushes(f) {
			if p := e.Fact.(*Pushed); e.Witness != Observed && (!p.Default || e.Change == c.ID) {
				files = append(files, p.Files...)
			}
		}
		if len(files) > 0 {
			s.accept(attrFiles, "", rankClaim)
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	c.Files, c.FilesTotal = smallestStrings(nil, files, MaxFiles), int64(len(files))
}

// foldDependencies sets the known dependencies of the head, and the kind of the change if that is
// known.
func foldDependencies(r *Record, l listing, head string) {
	c, j := &r.Trail.Change, &r.Judged
	f := l.dependencies[head]
	if f == nil && l.headless {
		f = l.dependencies[""]
	}
	if f != nil {
		j.Dependencies, j.DependenciesKnown = f.Dependencies, true
	} else {
		j.DependenciesKnown = !j.FilesIncomplete && !slices.ContainsFunc(j.Files, IsManifest)
	}
	switch {
	case j.stated.known(attrKind):
		j.Kind, j.KindKnown = c.Kind, true
	case len(j.Dependencies) > 0:
		j.Kind, j.KindKnown = "dependency-update", true
	case !j.FilesIncomplete:
		j.Kind, j.KindKnown = KindOfFiles(j.Files), true
	}
}

// IsManifest reports whether a file lists dependencies for a package manager.
func IsManifest(path string) bool {
	base := strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	switch base {
	case "package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.json", "deno.lock",
		"go.mod", "go.sum", "go.work", "go.work.sum", "cargo.toml", "cargo.lock",
		"pyproject.toml", "setup.py", "setup.cfg", "pipfile", "pipfile.lock", "poetry.lock", "uv.lock", "pdm.lock", "environment.yml", "environment.yaml",
		"gemfile", "gemfile.lock", "composer.json", "composer.lock", "pom.xml", "build.gradle", "build.gradle.kts", "gradle.lockfile", "libs.versions.toml", "build.sbt",
		"packages.config", "packages.lock.json", "directory.packages.props", "mix.exs", "mix.lock", "pubspec.yaml", "pubspec.lock", "podfile", "podfile.lock",
		"package.swift", "package.resolved", "dockerfile", "chart.yaml", "chart.lock", "conanfile.txt", "conanfile.py", "vcpkg.json", "flake.nix", "flake.lock", ".gitmodules":
		return true
	}
	for _, suffix := range []string{".csproj", ".fsproj", ".vbproj", ".gemspec", ".cabal"} {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	return strings.HasPrefix(base, "requirements") && (strings.HasSuffix(base, ".txt") || strings.HasSuffix(base, ".in"))
}
