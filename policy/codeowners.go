package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// A codeOwners is a parsed CODEOWNERS file. A GitHub file has no sections; in a GitLab file each
// section has its own owners for a file.
type codeOwners []section

// A section is a part of a CODEOWNERS file of GitLab
// (https://docs.gitlab.com/user/project/codeowners/reference/).
type section struct {
	name     string // in lower case; empty before the first heading
	optional bool   // its owners need not approve
	rules    []ownerRule
}

// heading is the first line of a section: ^ if it is optional, its name, how many must approve, and
// the owners of files for which a line names none.
var heading = regexp.MustCompile(`^(\^)?\[([^\]]+)\](?:\[\d+\])?(?:\s+(.*))?$`)

// An ownersReader reads a CODEOWNERS file.
type ownersReader struct {
	file     string // its name
	gitlab   bool   // read lines that exclude files
	out      codeOwners
	current  int    // section
	fallback string // owners for lines of the section that name none
}

// readCodeOwners reads the CODEOWNERS file of a repository. A line that cannot be read is no error:
// code hosts skip it, too. It is kept as a line that makes the owners of the files it may match
// unknown. A file of several lines, none of which can be read, is not a CODEOWNERS file.
func readCodeOwners(file string, repo record.Repository, text []byte) (codeOwners, error) {
	lines := slices.Collect(strings.Lines(strings.TrimPrefix(string(text), "\ufeff")))
	host, _, _ := strings.Cut(string(repo), "/")
	sections := slices.ContainsFunc(lines, func(l string) bool { return heading.MatchString(strings.TrimSpace(l)) })
	r := ownersReader{file: file, gitlab: sections || strings.Contains(host, "gitlab"), out: codeOwners{{}}}
	for i, line := range lines {
		r.line(i+1, strings.TrimSpace(line))
	}
	if bad := r.out.bad(); len(bad) > 1 && len(r.out) == 1 && len(bad) == len(r.out[0].rules) {
		return nil, fmt.Errorf("%s is not a CODEOWNERS file: no line can be read, for example %s", file, bad[0])
	}
	return r.out, nil
}

func (r *ownersReader) line(number int, line string) {
	if line == "" || line[0] == '#' {
		return
	}
	if m := heading.FindStringSubmatch(line); m != nil {
		r.heading(m)
		return
	}
	rule := r.rule(line)
	if rule.bad != "" {
		rule.bad = fmt.Sprintf("line %d of %s (%s)", number, r.file, rule.bad)
	}
	r.out[r.current].rules = append(r.out[r.current].rules, rule)
}

func (r *ownersReader) heading(m []string) {
	name := strings.ToLower(m[2])
	if r.current = slices.IndexFunc(r.out, func(s section) bool { return s.name == name }); r.current < 0 {
		r.current = len(r.out)
		r.out = append(r.out, section{name: name, optional: m[1] != ""})
	}
	r.fallback, _, _ = strings.Cut(m[3], "#")
}

// of returns the owners of a file: one sorted set for each section that requires a review. unsure
// are the unreadable lines that may match the file.
func (c codeOwners) of(file string) (sets [][]string, unsure []string) {
	for _, s := range c {
		if s.optional {
			continue
		}
		owners, bad := s.of(file)
		if len(owners) > 0 {
			sets = append(sets, owners)
		}
		unsure = append(unsure, bad...)
	}
	return sets, unsure
}

// of returns the owners of a file in one section: those of the last line that matches. Later lines
// that cannot be read may match the file, too.
func (s section) of(file string) (owners, unsure []string) {
	for _, r := range s.rules {
		if r.excluded && r.matches(file) {
			return nil, nil // later lines cannot change that
		}
	}
	for _, r := range slices.Backward(s.rules) {
		switch {
		case r.excluded, !r.matches(file):
		case r.bad != "":
			unsure = append(unsure, r.bad)
		default:
			return r.owners, unsure
		}
	}
	return nil, unsure
}

// all returns all sets of owners that a file may have. fallback applies to a file without an owner.
func (c codeOwners) all(fallback []string) (sets [][]string) {
	owned := false // whether each file has an owner
	for _, s := range c {
		if s.optional {
			continue
		}
		each := false // whether each file has one in this section
		for _, rule := range s.rules {
			switch {
			case rule.bad != "":
				sets = append(sets, []string{rule.bad})
			case len(rule.owners) == 0:
				each = false
			default:
				each = each || rule.pattern == "*"
				sets = append(sets, rule.owners)
			}
		}
		owned = owned || each
	}
	if !owned {
		sets = append(sets, fallback)
	}
	return sets
}

// bad returns the lines that cannot be read, and why.
func (c codeOwners) bad() (lines []string) {
	for _, s := range c {
		for _, r := range s.rules {
			if r.bad != "" {
				lines = append(lines, r.bad)
			}
		}
	}
	return lines
}
