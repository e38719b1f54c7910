package whatif

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// The beginnings of titles and branches of changes that revert another one, as code hosts and
// people write them: Revert "TITLE", Revert #12, revert: TITLE, revert-12-branch, revert-1a2b3c4d.
var (
	revertTitle  = regexp.MustCompile(`(?i)^\s*(?:reverts?|rollback|roll back|back out)(?:\s+of)?(?:\s*:\s*|\s+)(\S.*)$`)
	revertBranch = regexp.MustCompile(`^revert-(\d+)-|^revert-([0-9a-f]{7,40})$`)
	quoted       = regexp.MustCompile(`^["“'](.*)["”'](?:\s*\([#!]\d+\))?$`)
	numbered     = regexp.MustCompile(`\s*\(([#!]\d+)\)$`)
)

// revertedBy returns what the title of a reverting change names; empty if it reverts nothing.
func revertedBy(title string) string {
	m := revertTitle.FindStringSubmatch(title)
	if m == nil {
		return ""
	}
	return strings.TrimSpace(m[1])
}

// revertedByBranch returns the number or the commit that the branch of a reverting change names.
func revertedByBranch(branch string) string {
	m := revertBranch.FindStringSubmatch(branch)
	switch {
	case m == nil:
		return ""
	case m[1] != "":
		return "#" + m[1]
	}
	return m[2]
}

// names finds merged changes by what texts call them.
type names struct {
	keys   map[string][]int // index of changes by id, by repository and number, title or beginning of a commit
	merges []merge
}

// A merge is what finding a change needs of it.
type merge struct {
	id      record.ChangeID
	at      time.Time
	commits []string
}

// shortest is the length of the shortest abbreviation of a commit that counts.
const shortest = 7

// add adds a merged change, and returns its index.
func (n *names) add(c record.Change) int {
	i := len(n.merges)
	known := func(attribute string) bool { return !slices.Contains(c.Claimed, attribute) }
	m := merge{id: c.ID, at: c.MergedAt}
	keys := []string{string(c.ID)}
	for _, id := range c.OtherIDs {
		keys = append(keys, string(id))
	}
	for _, commit := range []struct{ name, sha string }{{"merge_sha", c.MergeSHA}, {"head_sha", c.HeadSHA}} {
		if len(commit.sha) >= shortest && known(commit.name) && !slices.Contains(m.commits, commit.sha) {
			m.commits = append(m.commits, commit.sha)
			keys = append(keys, "@"+commit.sha[:shortest])
		}
	}
	for _, repo := range append([]record.Repository{c.Repository}, c.OtherNames...) {
		if c.Number != "" {
			keys = append(keys, string(repo)+"#"+c.Number)
		}
		if c.Title != "" && known("title") {
			keys = append(keys, titleKey(repo, c.Title))
		}
	}
	for _, k := range keys {
		if !slices.Contains(n.keys[k], i) {
			n.keys[k] = append(n.keys[k], i)
		}
	}
	n.merges = append(n.merges, m)
	return i
}

func titleKey(repo record.Repository, title string) string {
	return string(repo) + "\x00" + strings.ToLower(strings.TrimSpace(title))
}

// find returns the changes that a report is about. An incident may name several. A revert names one:
// of changes with the same title, the newest that was merged before.
func (n *names) find(r report) []int {
	if r.kind == Incident {
		var out []int
		for _, token := range tokens(r.text) {
			if i, ok := n.called(token, r); ok && !slices.Contains(out, i) {
				out = append(out, i)
			}
		}
		return out
	}
	i, ok := n.reverted(r)
	if !ok {
		return nil
	}
	return []int{i}
}

func (n *names) reverted(r report) (int, bool) {
	text := r.text
	if m := quoted.FindStringSubmatch(text); m != nil {
		text = m[1]
	} else {
		for _, token := range tokens(text) {
			if i, ok := n.called(token, r); ok {
				return i, true
			}
		}
	}
	if i, ok := n.newest(titleKey(r.repository, text), r); ok {
		return i, true
	}
	m := numbered.FindStringSubmatchIndex(text) // a title with the number that a squash adds
	if m == nil {
		return 0, false
	}
	if i, ok := n.called(text[m[2]:m[3]], r); ok {
		return i, true
	}
	return n.newest(titleKey(r.repository, text[:m[0]]), r)
}

// called returns the change that one word names: #12, an id, an address, a commit.
func (n *names) called(word string, r report) (int, bool) {
	if number := strings.TrimLeft(word, "#!"); r.repository != "" && len(number) == len(word)-1 {
		return n.newest(string(r.repository)+"#"+number, r)
	}
	if isHash(word, r.repository != "") {
		return n.commit(strings.ToLower(word), r)
	}
	if !strings.Contains(word, "/") {
		return 0, false
	}
	id, err := record.ParseChange(word)
	if err != nil {
		return 0, false
	}
	return n.newest(string(id), r)
}

// newest returns the newest change with a key that was merged before the report.
func (n *names) newest(key string, r report) (found int, ok bool) {
	for _, i := range n.keys[key] {
		m := n.merges[i]
		if m.id != r.by && m.at.Before(r.at) && (!ok || m.at.After(n.merges[found].at)) {
			found, ok = i, true
		}
	}
	return found, ok
}

// commit returns the change with a commit that begins with sha. If several have one, none is meant.
func (n *names) commit(sha string, r report) (found int, ok bool) {
	for _, i := range n.keys["@"+sha[:shortest]] {
		m := n.merges[i]
		in := r.repository == "" || m.id.Repository() == r.repository
		if !in || m.id == r.by || !m.at.Before(r.at) || !slices.ContainsFunc(m.commits, func(c string) bool { return strings.HasPrefix(c, sha) }) {
			continue
		}
		if ok {
			return 0, false
		}
		found, ok = i, true
	}
	return found, ok
}

// isHash reports whether a word may be a commit. Outside a repository a number is none.
func isHash(word string, inRepository bool) bool {
	hex := strings.Trim(strings.ToLower(word), "0123456789abcdef") == ""
	return hex && len(word) >= shortest && (inRepository || strings.ContainsAny(strings.ToLower(word), "abcdef"))
}

// tokens splits a text into words without the marks around them.
func tokens(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'“”()[]<>,;", r) })
	for i, w := range words {
		words[i] = strings.TrimRight(w, ".:?")
	}
	return words
}
