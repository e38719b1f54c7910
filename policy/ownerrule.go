package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hmarr/codeowners"
)

// An ownerRule is one line of a CODEOWNERS file.
type ownerRule struct {
	pattern  string
	owners   []string // sorted; nobody where empty
	excluded bool     // the section asks for nothing for its files (GitLab)
	// bad says why the line cannot be read: it may be about each file that the matcher
	// takes, and nobody knows whose those are.
	bad   string
	match func(file string) bool // nil: each file
}

func (r ownerRule) matches(file string) bool { return r.match == nil || r.match(file) }

// rule reads one line.
func (r *ownersReader) rule(line string) ownerRule {
	pattern, owners := splitRule(line)
	if owners == "" {
		owners = r.fallback
	}
	out := ownerRule{}
	out.pattern, out.excluded = strings.CutPrefix(pattern, "!")
	var err error
	if out.owners, err = readOwners(owners); err != nil {
		out.bad = err.Error()
	}
	if out.match, err = matcher(out.pattern); err != nil {
		out.bad = err.Error()
	}
	switch {
	case out.bad == "" && strings.ContainsAny(pattern, "[]"):
		out.bad = "nobody can tell what [ and ] mean at this code host"
	case out.excluded && !r.gitlab:
		out.excluded, out.bad = false, "only GitLab reads lines that begin with !"
	case out.excluded:
		out.owners = nil
	}
	return out
}

// splitRule parts a line into its pattern, in which blanks and # may be escaped, and its
// owners, without a comment.
func splitRule(line string) (pattern, owners string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
			continue
		case ' ', '\t', '#':
			end = i
		default:
			continue
		}
		break
	}
	owners, _, _ = strings.Cut(line[end:], "#")
	return line[:end], strings.TrimSpace(owners)
}

// owner is what code hosts take for an owner: an account, a group, nested groups, a role
// (@@maintainers), an address of mail.
var owner = regexp.MustCompile(`^(@{1,2}[\pL\pN][\pL\pN._/-]*(\[bot\])?|[^\s@]+@[^\s@]+\.[^\s@]+)$`)

func readOwners(text string) ([]string, error) {
	owners := strings.Fields(text)
	for _, o := range owners {
		if !owner.MatchString(o) {
			return nil, fmt.Errorf("%q is neither @account, @group/team nor an address", o)
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners), nil
}

// plain are the characters of patterns that the library of patterns reads.
const plain = `*?./@_+-\()`

// matcher returns what tells the files of a pattern. The library knows the rules, and few
// characters: each other one is spelt in letters, in the pattern and in the file alike.
// A part in brackets may be anything within one name.
func matcher(pattern string) (func(string) bool, error) {
	if pattern == "" {
		return nil, fmt.Errorf("it names no files")
	}
	spelt := spell(brackets.ReplaceAllString(unescape(pattern), "*"))
	rules, err := codeowners.ParseFile(strings.NewReader(spelt))
	if err != nil || len(rules) != 1 {
		return nil, fmt.Errorf("%q is no pattern of files", pattern)
	}
	if _, err := rules[0].Match("a"); err != nil {
		return nil, fmt.Errorf("%q is no pattern of files: %w", pattern, err)
	}
	foreign := spelt != pattern
	return func(file string) bool {
		if foreign {
			file = spell(file)
		}
		is, err := rules[0].Match(file)
		return err != nil || is
	}, nil
}

var brackets = regexp.MustCompile(`\[[^\]/]*\]?|\]`)

// unescape returns a pattern without the escapes of what means nothing in it: of blanks
// and of #.
func unescape(pattern string) string {
	return strings.NewReplacer(`\ `, " ", `\#`, "#", "\\\t", "\t").Replace(pattern)
}

// spell writes each character that the library does not read in letters.
func spell(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(plain, r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "_u%Xu_", r)
		}
	}
	return b.String()
}
