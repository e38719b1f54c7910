package policy

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/hmarr/codeowners"
)

// A codeOwners is a CODEOWNERS file: of GitHub, which has no sections, or of GitLab,
// where each section has owners of its own for a file.
type codeOwners []section

// A section is a part of a CODEOWNERS file of GitLab
// (https://docs.gitlab.com/user/project/codeowners/reference/).
type section struct {
	name     string // without case; empty before the first heading
	optional bool   // its owners are asked for nothing
	rules    codeowners.Ruleset
}

// heading is the first line of a section: ^ where it is optional, its name, how many
// must approve, and the owners of files that it gives to nobody else.
var heading = regexp.MustCompile(`^(\^)?\[([^\]]+)\](?:\[\d+\])?\s*(.*)$`)

// readCodeOwners reads a CODEOWNERS file. A line that no code host could read is left
// out, as code hosts do: the lines before it count for its files. A file of which no line
// can be read is another file.
func readCodeOwners(text []byte) (codeOwners, error) {
	out := codeOwners{{}}
	current, fallback := 0, "" // section, and owners of its lines without any
	read, skipped := 0, 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		line = strings.TrimSpace(line)
		if m := heading.FindStringSubmatch(line); m != nil {
			name := strings.ToLower(m[2])
			if current = slices.IndexFunc(out, func(s section) bool { return s.name == name }); current < 0 {
				current = len(out)
				out = append(out, section{name: name, optional: m[1] != ""})
			}
			fallback, _, _ = strings.Cut(m[3], "#")
			read++
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, excluded := strings.CutPrefix(line, "!")
		rule, ok := readOwnerRule(pattern)
		if ok && len(rule.Owners) == 0 && fallback != "" {
			pattern, _, _ = strings.Cut(pattern, "#")
			rule, ok = readOwnerRule(pattern + " " + fallback)
		}
		if excluded {
			rule.Owners = nil
		}
		if !ok {
			skipped++
			continue
		}
		read++
		out[current].rules = append(out[current].rules, rule)
	}
	if read == 0 && skipped > 0 {
		return nil, errors.New("no line is one of a CODEOWNERS file")
	}
	return out, nil
}

// readOwnerRule reads one line of a CODEOWNERS file.
func readOwnerRule(line string) (codeowners.Rule, bool) {
	rules, err := codeowners.ParseFile(strings.NewReader(line), codeowners.WithOwnerMatchers(slices.Concat(codeowners.DefaultOwnerMatchers, []codeowners.OwnerMatcher{codeowners.OwnerMatchFunc(matchHostOwner)})))
	if err != nil || len(rules) == 0 {
		return codeowners.Rule{}, false
	}
	return rules[0], true
}

// matchHostOwner matches what code hosts take beside: nested groups, accounts with dots,
// roles, as @@maintainers, and addresses at any host.
func matchHostOwner(s string) (codeowners.Owner, error) {
	name, ok := strings.CutPrefix(s, "@")
	switch {
	case isMail(s):
		return codeowners.Owner{Value: s, Type: codeowners.EmailOwner}, nil
	case !ok || name == "":
		return codeowners.Owner{}, codeowners.ErrNoMatch
	case strings.Contains(name, "/"):
		return codeowners.Owner{Value: name, Type: codeowners.TeamOwner}, nil
	}
	return codeowners.Owner{Value: name, Type: codeowners.UsernameOwner}, nil
}

// of returns the owners of a file: one set for each section that asks for a review of it,
// each sorted.
func (c codeOwners) of(file string) (sets [][]string) {
	for _, s := range c {
		rule, err := s.rules.Match(file)
		if s.optional || err != nil || rule == nil || len(rule.Owners) == 0 {
			continue
		}
		sets = append(sets, setOf(*rule))
	}
	return sets
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
			if len(rule.Owners) > 0 {
				sets = append(sets, setOf(rule))
			}
			each = len(rule.Owners) > 0 && (each || rule.RawPattern() == "*")
		}
		owned = owned || each
	}
	if !owned {
		sets = append(sets, fallback)
	}
	return sets
}

func setOf(rule codeowners.Rule) []string {
	set := make([]string, len(rule.Owners))
	for i, o := range rule.Owners {
		set[i] = o.String()
	}
	slices.Sort(set)
	return slices.Compact(set)
}
