package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 15, 30, 45, 0, time.UTC)

func fields(t testing.TB) Fields {
	t.Helper()
	f, err := RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// write writes a tree in one line, fields by their last name.
func write(n Node) string {
	last := func(f Field) string { return f.Name[strings.LastIndexByte(f.Name, '.')+1:] }
	list := func(name string, nodes []Node) string {
		var out []string
		for _, n := range nodes {
			out = append(out, write(n))
		}
		if len(out) == 0 {
			return ""
		}
		return name + "[" + strings.Join(out, " ") + "]"
	}
	bound := func(b *Bound, k Kind) string {
		switch {
		case b == nil:
			return "*"
		case k == Keyword:
			return fmt.Sprintf("%s/%t", b.Text, b.Inclusive)
		case k == Date:
			return fmt.Sprintf("%s/%t", time.UnixMilli(int64(b.Number)).UTC().Format("2006-01-02T15:04:05.000"), b.Inclusive)
		}
		return fmt.Sprintf("%v/%t", b.Number, b.Inclusive)
	}
	switch n := n.(type) {
	case All:
		return "all"
	case Exists:
		return "exists:" + last(n.Field)
	case Term:
		return last(n.Field) + "=" + n.Value
	case Phrase:
		return last(n.Field) + "=" + strings.Join(n.Words, "_")
	case Wildcard:
		return last(n.Field) + "~" + n.Pattern.escaped()
	case Range:
		return fmt.Sprintf("%s in %s..%s", last(n.Field), bound(n.Low, n.Field.Kind), bound(n.Top, n.Field.Kind))
	case Bool:
		return "(" + strings.Join(slices.DeleteFunc([]string{list("must", n.Must), list("should", n.Should), list("not", n.Not)}, func(s string) bool { return s == "" }), " ") + ")"
	}
	return "?"
}

func TestParseReadsWhatLuceneReads(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "all",
		"*":                                   "all",
		"*:*":                                 "all",
		"tags:a":                              "tags=a",
		"tags : a":                            "tags=a",
		`tags:"a b"`:                          "tags=a b",
		`tags:a\:b\ c`:                        "tags=a:b c",
		`tags:\u0041`:                         "tags=A",
		"tags:a-b+c":                          "tags=a-b+c",
		"tags:a tags:b":                       "(should[tags=a tags=b])",
		"tags:a OR tags:b":                    "(should[tags=a tags=b])",
		"tags:a AND tags:b":                   "(must[tags=a tags=b])",
		"tags:a && tags:b":                    "(must[tags=a tags=b])",
		"tags:a AND tags:b OR tags:c":         "(must[tags=a tags=b] should[tags=c])", // AND binds no closer than OR
		"tags:a OR tags:b AND tags:c":         "(must[tags=b tags=c] should[tags=a])",
		"tags:a AND NOT tags:b":               "(must[tags=a] not[tags=b])",
		"tags:a NOT tags:b":                   "(should[tags=a] not[tags=b])",
		"+tags:a -tags:b tags:c":              "(must[tags=a] should[tags=c] not[tags=b])",
		"-tags:a":                             "(not[tags=a])",
		"!tags:a":                             "(not[tags=a])",
		"tags:(a OR b) AND user.name:c":       "(must[(should[tags=a tags=b]) name=c])",
		"tags:(+a -b)":                        "(must[tags=a] not[tags=b])",
		"tags:pci*":                           "tags~pci*",
		`tags:a?c\*d*`:                        `tags~a?c\*d*`,
		"tags:*":                              "exists:tags",
		"_exists_:tags":                       "exists:tags",
		"_exists_:changetrail.gate":           "(should[exists:allowed exists:at exists:commit_sha exists:policy_digest exists:position exists:rule exists:tier exists:verdict])",
		"message:Two":                         "message=two",
		"message:two-words":                   "(should[message=two message=words])",
		`message:"Two words"`:                 "message=two_words",
		"message:Wo*":                         "message~wo*",
		"changetrail.revision:3":              "revision in 3/true..3/true",
		"changetrail.revision:>3":             "revision in 3/false..*",
		"changetrail.revision:<=-3":           "revision in *..-3/true",
		"changetrail.revision:[1 TO 5}":       "revision in 1/true..5/false",
		"changetrail.revision:[* TO *]":       "exists:revision",
		"tags:{a TO c]":                       "tags in a/false..c/true",
		"@timestamp:2026-11-12":               "@timestamp in 2026-11-12T00:00:00.000/true..2026-11-12T23:59:59.999/true",
		"@timestamp:[2026-11 TO 2026-12]":     "@timestamp in 2026-11-01T00:00:00.000/true..2026-12-31T23:59:59.999/true",
		"@timestamp:{2026-11 TO 2026-12}":     "@timestamp in 2026-11-30T23:59:59.999/false..2026-12-01T00:00:00.000/false",
		"@timestamp:[now-90d TO now]":         "@timestamp in 2026-08-26T15:30:45.000/true..2026-11-24T15:30:45.000/true",
		"@timestamp:[now-1M/M TO now/d}":      "@timestamp in 2026-10-01T00:00:00.000/true..2026-11-24T00:00:00.000/false",
		"@timestamp:>=now-1w/w":               "@timestamp in 2026-11-16T00:00:00.000/true..*",
		`@timestamp:"2026-01-31||+1M"`:        "@timestamp in 2026-02-28T00:00:00.000/true..2026-02-28T00:00:00.000/true",
		"@timestamp:1700000000000":            "@timestamp in 2023-11-14T22:13:20.000/true..2023-11-14T22:13:20.000/true",
		"changetrail.review.independent:true": "independent=true",
		"ANDROID":                             "words",
	} {
		n, err := Parse(text, fields(t), now)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := write(n); got != want && want != "words" {
			t.Errorf("%q is read as %s, want %s", text, got, want)
		}
	}
}

func TestParseRefusesWhatItDoesNotRead(t *testing.T) {
	for text, want := range map[string]string{
		"tagz:a":                             "no field tagz",
		"gaps:x":                             "did you mean changetrail.gaps?",
		"tags:(a":                            "not closed",
		"tags:a)":                            "closes nothing",
		"()":                                 "there is nothing between",
		`tags:"a`:                            "not closed",
		"tags:":                              "a word was expected",
		"AND tags:a":                         "there is nothing before AND",
		"tags:a AND":                         "there is nothing after AND",
		"tags:a OR NOT +tags:b":              "two signs",
		"tags:a AND OR tags:b":               "operator",
		"tags:roam~":                         "fuzzy",
		"tags:a^2":                           "boosts",
		"tags:/a.*/":                         "regular expression",
		"changetrail.change.id:a/b/c":        "regular expression",
		"tags:a:b":                           "second colon",
		"tags:[a TO":                         "missing",
		"tags:[a b]":                         "TO was expected",
		"[1 TO 2]":                           "needs a field",
		"message:[a TO b]":                   "no order",
		"changetrail.revision:abc":           "must be a number",
		"changetrail.revision:1*":            "is not a text",
		"changetrail.review.independent:yes": "true or false",
		"@timestamp:yesterday":               "is not a date",
		"@timestamp:[now-1q TO now]":         "date math",
		"tags:(user.name:a)":                 "within the group",
		`tags:a\`:                            "at the end",
		"tags:=5":                            "is not an operator by itself",
		"\x00":                               "not valid text",
		strings.Repeat("(", 100) + "a":       "nested deeper",
		strings.Repeat("a ", 2000):           "more than 1024",
	} {
		_, err := Parse(text, fields(t), now)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestAPatternMatchesTheWholeOfAValue(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"a*c", "abbc", true}, {"a*c", "abbcd", false}, {"*", "", true}, {"?", "", false}, {"?", "ü", true}, {"a**b*c", "axbxbc", true}, {`a\*b`, "a*b", true}, {`a\*b`, "axb", false}, {"*-contradicted", "files-contradicted", true},
	} {
		n, err := Parse("tags:"+c.pattern, fields(t), now)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		switch n := n.(type) {
		case Wildcard:
			got = n.Pattern.Match(c.value)
		case Term:
			got = n.Value == c.value
		case Exists:
			got = true
		}
		if got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.value, got)
		}
	}
}

func TestWordsAreThoseOfTheStandardAnalyzer(t *testing.T) {
	// As Elasticsearch's _analyze answers for its standard analyzer.
	for text, want := range map[string]string{
		"The QUICK brown-fox's bone.": "the quick brown fox's bone",
		"foo_bar node.js 1.2.3 a.b":   "foo_bar node.js 1.2.3 a.b",
		"C++ & C#":                    "c c",
		"Änderung straße":             "änderung straße",
		"…—!":                         "",
		"fix: 🐛 crash":                "fix 🐛 crash",
		"👩‍💻 dev":                     "👩‍💻 dev",
		"ไทยภาษา":                     "ไทยภาษา",
		"ไทย5ไa":                      "ไทย 5 ไ a",
		"ab🐛cd":                       "ab 🐛 cd",
		"🇩🇪🇫 👍🏽👍 1️⃣ a1️⃣": "🇩🇪 👍🏽 👍 1️⃣ a1️⃣",
		"© 2020 ℹ info":    "© 2020 ℹ info",
	} {
		if got := strings.Join(Words(text), " "); got != want {
			t.Errorf("%q has the words %q, want %q", text, got, want)
		}
	}
}

func TestTheSavedQueriesAreReadAndMistakesNamed(t *testing.T) {
	saved, err := BuiltIn()
	if err != nil || len(saved) < 15 {
		t.Errorf("%d queries, %v", len(saved), err)
	}
	for _, q := range saved {
		if q.Title == "" || q.Question == "" {
			t.Errorf("%s has no title or no question", q.Name)
		}
	}
	_, err = ParseSaved([]byte("queries: [{name: A, query: x}, {name: b, query: 'nope:x'}, {name: b, query: ''}]"))
	for _, want := range []string{`"A"`, "b: character 1: there is no field nope", "another query has the name b"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if _, err := ParseSaved([]byte("queries: [{nam: x}]")); err == nil || !strings.Contains(err.Error(), "nam") {
		t.Errorf("an unknown key: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`a AND (b OR "c d") -tags:[x TO y}`, `changetrail.revision:>=3 @timestamp:[now-1d/d TO *]`, `_exists_:tags \u0041*?`, `tags:(+a -b !c && d || e)`} {
		f.Add(s)
	}
	all, err := RecordFields()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(text, all, now)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.At < 0 || e.At > len(text)+1 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if _, err := json.Marshal(DSL(n)); err != nil {
			t.Errorf("%q: its query cannot be written: %v", text, err)
		}
		finite(t, n)
	})
}

func finite(t *testing.T, n Node) {
	switch n := n.(type) {
	case Bool:
		for _, c := range slices.Concat(n.Must, n.Should, n.Not) {
			finite(t, c)
		}
	case Range:
		for _, b := range []*Bound{n.Low, n.Top} {
			if b != nil && (math.IsNaN(b.Number) || math.IsInf(b.Number, 0)) {
				t.Errorf("a bound is %v", b.Number)
			}
		}
	}
}
