package secrets

import (
	"bytes"
	"context"
	"encoding/csv"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// scannerReport is the rule that hides secrets found by a scanner.
const scannerReport = "scanner-report"

// A form is a kind of report of a secret scanner: the texts that identify such a file, and the
// members that contain secrets. The same members occur in JSON, in JSON within XML, and in text
// that is JSON.
type form struct {
	signs   []string
	members func() *regexp.Regexp
}

func members(names string) func() *regexp.Regexp {
	return lazy(`(\\?"|&#34;|&quot;)(?:` + names + `)(?:\\?"|&#34;|&quot;)\s*:\s*(?:\\?"|&#34;|&quot;)`)
}

var (
	snippets = lazy(`(")snippet"\s*:\s*\{\s*"text"\s*:\s*"`)
	forms    = []form{
		{[]string{"RuleID", "Secret"}, members("Secret|Match|Line")},                   // gitleaks
		{[]string{`"Secrets"`, `"Match"`}, members("Match|Content|Highlighted")},       // trivy
		{[]string{`"hashed_secret"`}, members("hashed_secret")},                        // detect-secrets
		{[]string{`"SourceMetadata"`}, members("Raw|RawV2|Redacted")},                  // trufflehog
		{[]string{`secret_detection`}, members("raw_source_code_extract|source_code")}, // GitLab
		{[]string{`"is_vault"`}, members("match")},                                     // ggshield
		{[]string{`"secret_type`, `"push_protection`}, members("secret")},              // GitHub secret scanning
		{[]string{`gitleaks`, `"snippet"`}, snippets},
		{[]string{`rufflehog`, `"snippet"`}, snippets}, // SARIF
		{[]string{`ggshield`, `"snippet"`}, snippets},
		{[]string{`detect-secrets`, `"snippet"`}, snippets},
		{[]string{`"Trivy"`, `"snippet"`}, snippets},
		{[]string{`oseyparker`, `"snippet"`}, snippets},
		{[]string{`ingfisher`, `"snippet"`}, snippets},
	}
)

// Reported returns the number of unmasked secrets in a report of a secret scanner.
func Reported(file []byte) int {
	n := 0
	_ = inReport(file, func([]byte) []byte { n++; return nil })
	return n
}

// Shown returns a file in a form that may be shown: secrets that a scanner or the rules found are
// hidden. It reports whether the result differs from the stored file, whose digest is evidence.
func (r *Redactor) Shown(ctx context.Context, file []byte) (out []byte, masked bool, err error) {
	out, _, err = r.File(ctx, file)
	return out, !bytes.Equal(out, file), err
}

// File returns a file with the secrets hidden that a scanner or the rules found, and the names of
// the rules. A file without secrets is returned unchanged.
func (r *Redactor) File(ctx context.Context, file []byte) (out []byte, rules []string, err error) {
	if out = inReport(file, func(secret []byte) []byte { return []byte(r.mark(scannerReport, string(secret))) }); out == nil {
		out = file
	} else {
		rules = append(rules, scannerReport)
	}
	var more []string
	switch {
	case jsontext.Value(out).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)):
		out, more, err = r.JSON(ctx, out, nil)
	case utf8.Valid(out):
		var text string
		text, more, err = r.Text(ctx, string(out))
		out = []byte(text)
	}
	return out, append(rules, more...), err
}

// inReport replaces each secret in a report of a secret scanner. It returns nil if there is none.
func inReport(file []byte, hide func(secret []byte) []byte) []byte {
	if bytes.HasPrefix(file, []byte("RuleID,Commit,")) {
		return inTable(file, hide)
	}
	var out []byte
	for _, f := range forms {
		if slices.ContainsFunc(f.signs, func(s string) bool { return !bytes.Contains(file, []byte(s)) }) {
			continue
		}
		if done := inMembers(file, f.members(), hide); done != nil {
			file, out = done, done
		}
	}
	return out
}

// inMembers replaces the values of the given members.
func inMembers(file []byte, members *regexp.Regexp, hide func(secret []byte) []byte) []byte {
	var out []byte
	at := 0
	for _, m := range members.FindAllSubmatchIndex(file, -1) {
		if m[0] < at {
			continue
		}
		quote := file[m[2]:m[3]]
		end := m[1]
		for end < len(file) && (!bytes.HasPrefix(file[end:], quote) || file[end-1] == '\\' && quote[0] != '\\') {
			end++
		}
		if secret := file[m[1]:end]; !hiddenAlready(secret) {
			out = append(append(out, file[at:m[1]]...), hide(secret)...)
			at = end
		}
	}
	if at == 0 {
		return nil
	}
	return append(out, file[at:]...)
}

// hiddenAlready reports whether a scanner already masked a secret.
func hiddenAlready(text []byte) bool {
	return len(text) < 3 || len(bytes.Trim(text, "*xX")) == 0 || bytes.Contains(text, []byte("REDACTED")) || marker().Match(text)
}

// inTable replaces columns of a CSV report of gitleaks.
func inTable(file []byte, hide func(secret []byte) []byte) []byte {
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		return hide(file) // any part of it may be secret
	}
	changed := false
	for _, row := range rows[1:] {
		for i, title := range rows[0] {
			if (title == "Secret" || title == "Match") && !hiddenAlready([]byte(row[i])) {
				row[i], changed = string(hide([]byte(row[i]))), true
			}
		}
	}
	if !changed {
		return nil
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.WriteAll(rows); err != nil {
		return hide(file)
	}
	return out.Bytes()
}
