package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// with returns s with a prefix, or "" if s is empty.
func with(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// claimed lists the attributes of a change that are only claimed.
func claimed(c record.Change) string {
	return strings.ReplaceAll(strings.Join(c.Claimed, ", "), "_", " ")
}

// recognized says by what an agent was recognized, in words.
func recognized(by []string) string {
	words := map[string]string{
		"account": "the account %s is an agent's", "mail": "a commit has the address %s", "trailer": "a commit has the trailer %s", "branch": "the branch %s is an agent's",
		"decision": "an agent recorded a decision for this change", "actions": "actions of an agent name this change", "stated": "a sender says that an agent made it",
	}
	out := make([]string, len(by))
	for i, mark := range by {
		kind, name, named := strings.Cut(mark, " ")
		switch text := words[kind]; {
		case text == "":
			out[i] = mark
		case named:
			out[i] = fmt.Sprintf(text, name)
		default:
			out[i] = text
		}
	}
	return strings.Join(out, "; ")
}

func stale(v record.ReviewVerdict, c record.Change) string {
	if v.Verdict == "approved" && v.CommitSHA != "" && c.HeadSHA != "" && v.CommitSHA != c.HeadSHA {
		return "this is not the commit that was merged"
	}
	return ""
}

// other returns s, unless it equals said.
func other(s, said string) string {
	if s == said {
		return ""
	}
	return s
}

func failed(conclusion string) bool {
	return slices.Contains([]string{"failure", "error", "timed-out"}, conclusion)
}

// tests describes the counts of tests, if the CI system gave any.
func tests(v *record.ValidationFacts) string {
	if v.Passed+v.Failed+v.Skipped == 0 {
		return "without counts of tests"
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", v.Passed, v.Failed, v.Skipped)
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func tier(r *record.Record, of func(*record.Tiers) string) string {
	if r.Trail.Tier == nil {
		return ""
	}
	return of(r.Trail.Tier)
}

func dependency(d record.DependencyUpdate) string {
	return join(" ", d.Name, join(" → ", orNone(d.From), orNone(d.To)), d.Ecosystem)
}

// free returns JSON of a tool in a readable form: a text unchanged, an object of plain values with
// one on each line, anything else as JSON.
func free(f record.RawJSON) string {
	var text string
	if json.Unmarshal(f, &text) == nil {
		return text
	}
	var object map[string]any
	if json.Unmarshal(f, &object) != nil || len(object) == 0 {
		return string(f)
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(object)) {
		switch v := object[name].(type) {
		case string, float64, bool:
			lines = append(lines, fmt.Sprintf("%s: %v", name, v))
		default:
			return string(f)
		}
	}
	return strings.Join(lines, "\n")
}

func join(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), separator)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// link returns s if it is an address that a browser may open, otherwise "".
func link(s string) string {
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return s
	}
	return ""
}
