package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// A codeOwners is a CODEOWNERS file: of GitHub, which has no sections, or of GitLab,
// where each section has owners of its own for a file.
type codeOwners []section

// A section is a part of a CODEOWNERS file of GitLab
// (https://docs.gitlab.com/user/project/codeowners/reference/).
type section struct {
	name     string // without case; empty before the first heading
	optional bool   // its owners are asked for nothing
	rules    []ownerRule
}

// heading is the first line of a section: ^ where it is optional, its name, how many
// must approve, and the owners of files that it gives to nobody else.
var heading = regexp.MustCompile(`^(\^)?\[([^\]]+)\](?:\[\d+\])?(?:\s+(.*))?$`)

// An ownersReader reads a CODEOWNERS file.
type ownersReader struct {
	file     string // its name
	gitlab   bool   // lines that exclude files are read
	out      codeOwners
	current  int    // section
	fallback string // owners of its lines that have none
}

// readCodeOwners reads the CODEOWNERS file of a repository. A line that cannot be read
// stops nothing: code hosts leave it out, too. It stays in the file as one of which it is
// not known whose the files are that it may be about. A file of several lines of which none
// can be read is another file.
func readCodeOwners(file string, repo record.Repository, text []byte) (codeOwners, error) {
	lines := slices.Collect(strings.Lines(strings.TrimPrefix(string(text), "\ufeff")))
	host, _, _ := strings.Cut(string(repo), "/")
	sections := slices.ContainsFunc(lines, func(l string) bool { return heading.MatchString(strings.TrimSpace(l)) })
	r := ownersReader{file: file, gitlab: sections || strings.Contains(host, "gitlab"), out: codeOwners{{}}}
	for i, line := range lines {
		r.line(i+1, strings.TrimSpace(line))
	}
	if bad := r.out.bad(); len(bad) > 1 && len(r.out) == 1 && len(bad) == len(r.out[0].rules) {
		return nil, fmt.Errorf("%s is no CODEOWNERS file: no line is one of it, as %s", file, bad[0])
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

// of returns the owners of a file: one set for each section that asks for a review of it,
// each sorted. unsure are the lines that may be about it and cannot be read.
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

// of returns the owners of a file in one section: those of the last line that matches.
// The lines behind that which cannot be read may be about the file, too.
func (s section) of(file string) (owners, unsure []string) {
	for _, r := range s.rules {
		if r.excluded && r.matches(file) {
			return nil, nil // for good, whatever comes later
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

// all returns all sets of owners that a file may have; fallback where it has none.
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
