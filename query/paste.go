package query

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/changetrail/changetrail/record"
)

// pasted recognizes a word that was copied from somewhere: the address or id of a change, a
// repository, a commit, a digest, or the name of a vulnerability. It returns a search for it in
// Lucene's syntax.
func pasted(word string) (lucene string, ok bool) {
	word = strings.TrimRight(strings.TrimSpace(word), ",;.…")
	for _, read := range []func(string) string{pastedVulnerability, pastedDigest, pastedCommit, pastedChange, pastedRepository} {
		if lucene := read(word); lucene != "" {
			return lucene, true
		}
	}
	return "", false
}

var vulnerabilityForm = regexp.MustCompile(`(?i)^(CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4}){3}|PYSEC-\d{4}-\d+|RUSTSEC-\d{4}-\d{4,}|GO-\d{4}-\d{4,})$`)

// pastedVulnerability finds a vulnerability by any of its names, and in the texts of a change.
func pastedVulnerability(word string) string {
	if !vulnerabilityForm.MatchString(word) {
		return ""
	}
	name := strings.ToUpper(word)
	if scheme, rest, _ := strings.Cut(name, "-"); scheme == "GHSA" {
		name = scheme + "-" + strings.ToLower(rest)
	}
	return anyOf(name, "vulnerability.id", "changetrail.trigger.finding", "message")
}

// digestFields are the digests of files on which a record is based, and of the record itself.
var digestFields = []string{
	"changetrail.trigger.digest", "changetrail.scans.digest", "changetrail.validation.jobs.digest", "changetrail.change.sbom_digest", "changetrail.trailers.value",
	"changetrail.authorization.policy_digest", "changetrail.control.matrix_digest", "changetrail.evidence_digest",
}

// pastedDigest finds the digest of a file, in full or abbreviated as on pages.
func pastedDigest(word string) string {
	hex, ok := strings.CutPrefix(strings.ToLower(word), "sha256:")
	if !ok && len(word) == 64 && record.IsCommit(word) {
		hex, ok = strings.ToLower(word), true
	}
	switch {
	case !ok || !record.IsCommit(hex):
		return ""
	case len(hex) == 64:
		return anyOf("sha256:"+hex, digestFields...)
	}
	return beginning(`sha256\:`+hex, digestFields...)
}

// commitFields are the commits of a change.
var commitFields = []string{
	"changetrail.change.head_sha", "changetrail.change.merge_sha", "changetrail.review.verdicts.commit_sha", "changetrail.scans.commit_sha", "changetrail.validation.commit_sha", "changetrail.deployments.commit_sha",
}

// pastedCommit finds a commit, in full or by its first digits. It ignores a word that may be a
// number or an ordinary word.
func pastedCommit(word string) string {
	if !record.IsCommit(word) || len(word) > 40 || len(word) < 40 && (!strings.ContainsAny(word, "0123456789") || !strings.ContainsAny(strings.ToLower(word), "abcdef")) {
		return ""
	}
	word = strings.ToLower(word)
	if len(word) == 40 {
		return anyOf(word, commitFields...)
	}
	return beginning(word, commitFields...)
}

// pastedChange finds a change by its id, its address or its short form.
func pastedChange(word string) string {
	if number, ok := strings.CutPrefix(word, "#"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		return `changetrail.change.number:"` + number + `"`
	}
	if !isAddress(word) && !strings.ContainsAny(word, "#!") {
		return ""
	}
	id, err := record.ParseChange(word)
	if err != nil {
		return ""
	}
	found := anyOf(string(id), "changetrail.change.id", "changetrail.change.other_ids", "changetrail.change.part_of")
	if _, kind, sha := id.Split(); kind == "commit" { // it may be a commit of a pull request
		if commit := pastedCommit(sha); commit != "" {
			found = "(" + found + " OR " + commit + ")"
		}
	}
	return found
}

// repositoryFields are the names of the repository of a change, including former ones.
var repositoryFields = []string{"changetrail.change.repository", "changetrail.change.other_names"}

var shortRepository = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)+$`)

// pastedRepository finds the changes of a repository, with or without its host.
func pastedRepository(word string) string {
	if isAddress(word) {
		repo, err := record.ParseRepository(word)
		if err != nil {
			return ""
		}
		return anyOf(string(repo), repositoryFields...)
	}
	if !shortRepository.MatchString(word) {
		return ""
	}
	name := `*\/` + strings.NewReplacer("/", `\/`, "-", `\-`).Replace(strings.ToLower(word))
	return inAny(name, repositoryFields...)
}

// isAddress reports whether a word begins with a host.
func isAddress(word string) bool {
	if strings.Contains(word, "://") || strings.HasPrefix(word, "git@") {
		return true
	}
	host, _, ok := strings.Cut(word, "/")
	dot := strings.IndexByte(host, '.')
	return ok && !strings.Contains(host, ":") && dot > 0 && dot < len(host)-1
}

func anyOf(value string, fields ...string) string { return inAny(Quote(value), fields...) }

func beginning(value string, fields ...string) string { return inAny(value+"*", fields...) }

// inAny searches for a word, in Lucene's syntax, in any of several fields.
func inAny(word string, fields ...string) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f + ":" + word
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// Quote returns a text as a search for exactly that text.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// A rewrite is a pasted word and the search that replaces it.
type rewrite struct {
	from, to int // characters of the text
	lucene   string
}

// pastedHere parses the next word, with or without quotes, if it was pasted.
func (p *parser) pastedHere() (Node, bool, error) {
	word, end := p.wordHere()
	if name, _, ok := strings.Cut(word, ":"); ok && (name == "_exists_" || p.fields[name].Name != "") {
		return nil, false, nil
	}
	lucene, ok := pasted(word)
	if !ok {
		return nil, false, nil
	}
	inner := &parser{text: []rune(lucene), fields: p.fields, now: p.now}
	n, err := inner.clauses(nil, 0)
	if err != nil {
		return nil, false, p.fail(p.at, "%q is read as %s: %v", word, lucene, err)
	}
	p.rewrites = append(p.rewrites, rewrite{p.at, end, lucene})
	p.at = end
	return n, true, nil
}

// wordHere returns the next word, and where it ends.
func (p *parser) wordHere() (word string, end int) {
	if p.peek() == '"' {
		at := p.at
		defer func() { p.at = at }()
		text, err := p.quoted()
		if err != nil || !p.done() && !isSpace(p.peek()) && p.peek() != ')' {
			return "", at
		}
		return text, p.at
	}
	end = p.at
	for end < len(p.text) && !isSpace(p.text[end]) && !strings.ContainsRune(`()"`, p.text[end]) {
		end++
	}
	if end < len(p.text) && (p.text[end] == '"' || p.text[end] == '(') {
		return "", p.at
	}
	return string(p.text[p.at:end]), end
}

// lucene returns the text with pasted words rewritten.
func (p *parser) lucene() string {
	var b strings.Builder
	at := 0
	for _, r := range p.rewrites {
		b.WriteString(string(p.text[at:r.from]) + r.lucene)
		at = r.to
	}
	b.WriteString(string(p.text[at:]))
	return b.String()
}

// valid returns an error if text is too long or not text.
func valid(text string) error {
	if len(text) > maxText {
		return &Error{At: maxText, What: fmt.Sprintf("the search is longer than %d bytes", maxText)}
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r == 0 || r == utf8.RuneError }); i >= 0 {
		return &Error{At: i, What: "this character is not valid text"}
	}
	return nil
}

// unknown returns the error for a name that is not a field.
func (p *parser) unknown(start int, name string) error {
	err := &Error{At: start, What: p.fields.Unknown(name)}
	if meant := p.fields.closest(name); meant != "" {
		err.Suggest = string(p.text[:start]) + meant + string(p.text[start+utf8.RuneCountInString(name):])
	}
	return err
}

// quotedHere returns the text with quotes around the value at the current position.
func (p *parser) quotedHere() string {
	from, to := p.at, p.at
	for from > 0 && !isSpace(p.text[from-1]) && p.text[from-1] != '(' {
		from--
	}
	for to < len(p.text) && !isSpace(p.text[to]) && p.text[to] != ')' {
		to++
	}
	if name, _, ok := strings.Cut(string(p.text[from:to]), ":"); ok && p.fields[name].Name != "" {
		from += utf8.RuneCountInString(name) + 1
	}
	value := string(p.text[from:to])
	if strings.ContainsAny(value, `"\`) {
		return ""
	}
	return string(p.text[:from]) + `"` + value + `"` + string(p.text[to:])
}
