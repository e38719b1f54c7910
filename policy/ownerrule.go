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
	owners   []string // sorted; empty means nobody
	excluded bool     // the section requires no approval for its files (GitLab)
	// bad says why the line cannot be read. The owners of every file that match accepts are then
	// unknown.
	bad   string
	match func(file string) bool // nil means every file
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
		out.bad = "the meaning of [ and ] at this code host is unknown"
	case out.excluded && !r.gitlab:
		out.excluded, out.bad = false, "only GitLab reads lines that begin with !"
	case out.excluded:
		out.owners = nil
	}
	return out
}

// splitRule splits a line into its pattern, in which blanks and # may be escaped, and its owners,
// and drops a comment.
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

// owner matches what code hosts accept as an owner: an account, a group, nested groups, a role
// (@@maintainers), a mail address.
var owner = regexp.MustCompile(`^(@{1,2}[\pL\pN][\pL\pN._/-]*(\[bot\])?|[^\s@]+@[^\s@]+\.[^\s@]+)$`)

func readOwners(text string) ([]string, error) {
	owners := strings.Fields(text)
	for _, o := range owners {
		if !owner.MatchString(o) {
			return nil, fmt.Errorf("%q is not an @account, @group/team or mail address", o)
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners), nil
}

// plain are the characters that the pattern library reads.
const plain = `*?./@_+-\()`

// matcher returns the function that matches the files of a pattern. The library knows the rules but
// only few characters, so every other character is spelled in letters, in the pattern and in the
// file. A part in brackets matches anything within one name.
func matcher(pattern string) (func(string) bool, error) {
	if pattern == "" {
		return nil, fmt.Errorf("it names no files")
	}
	spelt := spell(brackets.ReplaceAllString(unescape(pattern), "*"))
	rules, err := codeowners.ParseFile(strings.NewReader(spelt))
	if err != nil || len(rules) != 1 {
		return nil, fmt.Errorf("%q is not a valid file pattern", pattern)
	}
	if _, err := rules[0].Match("a"); err != nil {
		return nil, fmt.Errorf("%q is not a valid file pattern: %w", pattern, err)
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

// unescape removes the escapes of characters that have no meaning in a pattern: blanks and #.
func unescape(pattern string) string {
	return strings.NewReplacer(`\ `, " ", `\#`, "#", "\\\t", "\t").Replace(pattern)
}

// spell spells in letters each character that the library does not read.
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
