package detect_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/siem/detect"
	"github.com/changetrail/changetrail/query"
)

const head = `title: A rule
id: 11111111-2222-4333-8444-555555555555
status: test
description: What it finds
author: me
date: 2026-11-30
tags: [attack.initial-access, attack.t1195.002, pci-dss.6.2.3]
logsource: {product: changetrail, category: records}
fields: [changetrail.change.id]
falsepositives: [none]
level: high
x-investigation: Ask.
`

// lucene returns the text of a rule with a detection.
func lucene(t *testing.T, detection string) (string, error) {
	t.Helper()
	r, err := detect.Parse([]byte(head + "detection:\n" + detection))
	if err != nil {
		return "", err
	}
	return detect.Lucene(r.Where), nil
}

func TestTheSubsetOfSigmaThatIsRead(t *testing.T) {
	for _, c := range []struct{ detection, want string }{
		{"  s: {changetrail.gaps: no-review}\n  condition: s", `changetrail.gaps:"no-review"`},
		{"  s: {changetrail.gaps: [a, b]}\n  condition: s", `changetrail.gaps:("a" OR "b")`},
		{"  s: {changetrail.gaps|all: [a, b]}\n  condition: s", ``},
		{"  s: {changetrail.gaps|contains|all: [a, b]}\n  condition: s", `changetrail.gaps:*a* AND changetrail.gaps:*b*`},
		{"  s: {changetrail.gaps: a, tags: b}\n  condition: s", `changetrail.gaps:"a" AND tags:"b"`},
		{"  s: [{changetrail.gaps: a}, {tags: b}]\n  condition: s", `changetrail.gaps:"a" OR tags:"b"`},
		{"  s: {changetrail.change.files|startswith: .github/}\n  condition: s", `changetrail.change.files:.github\/*`},
		{"  s: {changetrail.change.files|endswith: '.a b'}\n  condition: s", `changetrail.change.files:*.a\ b`},
		{"  s: {changetrail.change.files: 'a\\*b*?'}\n  condition: s", `changetrail.change.files:a\*b*?`},
		{"  s: {changetrail.change.files: 'a\\\\b\\c\"'}\n  condition: s", `changetrail.change.files:"a\\b\\c\""`},
		{"  s: {changetrail.gaps: null}\n  condition: s", `*:* AND NOT _exists_:changetrail.gaps`},
		{"  s: {changetrail.gaps|exists: true}\n  condition: not s", `*:* AND NOT _exists_:changetrail.gaps`},
		{"  s: {changetrail.gaps: '*'}\n  condition: s", `_exists_:changetrail.gaps`},
		{"  s: {changetrail.events: 5}\n  condition: s", `changetrail.events:[5 TO 5]`},
		{"  s: {changetrail.events|gt: 5}\n  condition: s", `changetrail.events:{5 TO *]`},
		{"  s: {changetrail.events|lte: -5}\n  condition: s", `changetrail.events:[* TO -5]`},
		{"  s: {changetrail.gate.allowed: false}\n  condition: s", `changetrail.gate.allowed:"false"`},
		{"  a: {tags: a}\n  b: {tags: b}\n  c: {tags: c}\n  condition: a or b and not c", `tags:"a" OR (tags:"b" AND NOT tags:"c")`},
		{"  a: {tags: a}\n  b: {tags: b}\n  c: {tags: c}\n  condition: (a or b) and c", `tags:("a" OR "b") AND tags:"c"`},
		{"  a: {tags: a}\n  b: {tags: b}\n  condition: not (a or b)", `*:* AND NOT tags:("a" OR "b")`},
		{"  x_a: {tags: a}\n  x_b: {changetrail.gaps: b}\n  condition: 1 of x_*", `tags:"a" OR changetrail.gaps:"b"`},
		{"  a: {tags: a}\n  b: {tags: b}\n  condition: all of them", `tags:"a" AND tags:"b"`},
	} {
		got, err := lucene(t, c.detection)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: read as %s", c.detection, got)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s:\n %s, %v; want\n %s", c.detection, got, err, c.want)
		}
	}
}

func TestWhatIsNotReadIsAnError(t *testing.T) {
	for detection, want := range map[string]string{
		"  s: {changetrail.gapz: a}\n  condition: s":                           "line 14, column 7: there is no field changetrail.gapz; did you mean changetrail.gaps?",
		"  s: {changetrail.gaps|re: a}\n  condition: s":                        `line 14, column 28: changetrail.gaps: the modifier "re" is not read here`,
		"  s: {changetrail.gaps|contains|base64: a}\n  condition: s":           "the modifiers are not of use together",
		"  s: {changetrail.gaps: []}\n  condition: s":                          "values are missing",
		"  s: {changetrail.gaps: 5}\n  condition: s":                           "does not fit the field",
		"  s: {changetrail.events: five}\n  condition: s":                      "is not a whole number",
		"  s: {changetrail.events|gte: 1.5}\n  condition: s":                   "is not a whole number",
		"  s: {changetrail.gaps|gte: 5}\n  condition: s":                       "only numbers are compared",
		"  s: {changetrail.events|contains: 5}\n  condition: s":                "a field of texts and a text are wanted",
		"  s: {changetrail.gate.allowed: maybe}\n  condition: s":               "does not fit the field",
		"  s: {changetrail.decision.options.id: a}\n  condition: s":            "is in a list of objects",
		"  s: {message: a}\n  condition: s":                                    "is searched word by word",
		"  s: {changetrail.change.files: 'a>b'}\n  condition: s":               `cannot have the character '>'`,
		"  s: {changetrail.gaps|exists: a}\n  condition: s":                    "is true or false",
		"  s: {changetrail.gaps: {a: b}}\n  condition: s":                      "a value is wanted",
		"  s: {tags: a, tags: b}\n  condition: s":                              "tags",
		"  s: a\n  condition: s":                                               "a map of fields and values, or a list",
		"  s: [a]\n  condition: s":                                             "a map of fields and values is wanted",
		"  s: {tags: a}":                                                       "one condition is wanted",
		"  s: {tags: a}\n  condition: [s]":                                     "one condition is wanted",
		"  s: {tags: a}\n  condition: t":                                       `there is no search "t"`,
		"  s: {tags: a}\n  t: {tags: b}\n  condition: s":                       "does not use the search t",
		"  s: {tags: a}\n  condition: s and":                                   "missing at the end",
		"  s: {tags: a}\n  condition: s s":                                     `"s" is not expected`,
		"  s: {tags: a}\n  condition: (s":                                      "not closed",
		"  s: {tags: a}\n  condition: s | count() > 5":                         `"|" is not expected`,
		"  s: {tags: a}\n  condition: 2 of them":                               `no search "2"`,
		"  s: {tags: a}\n  condition: 1 of t*":                                 "no search has a name like t*",
		"  s: {tags: a}\n  condition: 1 of s":                                  "write them or the beginning of names",
		"  s: {tags: a}\n  condition: " + strings.Repeat("(", 30):              "nested deeper",
		"  s: {tags: a}\n  condition: s" + strings.Repeat(" or s", 200):        "more than 200 words",
		"  all: {tags: a}\n  condition: all":                                   "is not the name of a search",
		"  s: {tags: a}\n  condition: s\nextra: 1":                             "extra",
		"  s: {tags: a}\n  condition: s\ncorrelation: {type: event_count}":     "second document",
		"  s: {tags: a}\n  timeframe: 5m\n  condition: s":                      "timeframe",
		"  s: {tags: a}\n  condition: s\n---\ntitle: Another\n---\ntitle: One": "3 documents",
	} {
		if got, err := lucene(t, detection); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want an error with %q", detection, got, err, want)
		}
	}
}

func TestWhatARuleMustSay(t *testing.T) {
	const rest = "detection: {s: {tags: a}, condition: s}\n"
	for _, c := range []struct{ from, to, want string }{
		{"id: 1", "id: x", "is not a UUID"},
		{"status: test", "status: new", "is none of stable"},
		{"level: high", "level: bad", "level"},
		{"date: 2026-11-30", "date: 30.11.2026", "is not a day"},
		{"attack.t1195.002", "attack.t9999", "no tactic or technique"},
		{"attack.t1195.002", "attack.t1556", "belongs to none of the tactics"},
		{"pci-dss.6.2.3", "nothing", "is not a namespace and a name"},
		{"product: changetrail", "product: windows", `is "windows"`},
		{"category: records", "category: files", "no category"},
		{"fields: [changetrail.change.id]", "fields: [nothing]", "no field nothing"},
		{"falsepositives: [none]\n", "", "falsepositives"},
		{"x-investigation: Ask.\n", "", "x-investigation"},
		{"title: A rule", `title: "a: b"`, "title"},
	} {
		text := strings.Replace(head, c.from, c.to, 1) + rest
		if _, err := detect.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.to, err, c.want)
		}
	}
	folder := fstest.MapFS{"a.yml": {Data: []byte(head + rest)}, "b.yml": {Data: []byte(head + rest)}}
	if _, err := detect.Load(folder); err == nil || !strings.Contains(err.Error(), "b.yml: a.yml has the same id or title") {
		t.Errorf("two rules with one id: %v", err)
	}
	_, err := detect.Load(fstest.MapFS{"a.yml": {Data: []byte("title: [")}})
	var m *mistake.Mistake
	if !errors.As(err, &m) || m.File != "a.yml" {
		t.Errorf("the file is not named: %v", err)
	}
	if _, err := detect.Load(fstest.MapFS{}); err == nil {
		t.Error("an empty folder is no error")
	}
}

func TestACorrelationCountsTheRuleOfItsFile(t *testing.T) {
	const base = "title: Base\nname: base\nlogsource: {product: changetrail, category: events}\ndetection: {s: {event.action: a}, condition: s}\nlevel: informational\n---\n"
	meta := strings.Replace(strings.Replace(head, "logsource: {product: changetrail, category: records}\n", "", 1), "changetrail.change.id", "changetrail.tool", 1)
	const good = "correlation: {type: event_count, rules: [base], group-by: [user.name], timespan: 15m, condition: {gte: 5}}\n"
	r, err := detect.Parse([]byte(base + meta + good))
	if err != nil || r.Threshold == nil || *r.Threshold != (detect.Threshold{GroupBy: "user.name", AtLeast: 5, Within: 15 * time.Minute}) || r.Title != "A rule" || detect.Lucene(r.Where) != `event.action:"a"` {
		t.Fatalf("%+v, %v", r, err)
	}
	for from, to := range map[string]string{
		"event_count": "value_count", "[base]": "[other]", "[user.name]": "[user.name, tags]", "user.name": "message", "15m": "15s", "gte: 5": "gte: 1", "{gte": "{lte", "[user": "[nothing.user",
	} {
		if r, err := detect.Parse([]byte(base + meta + strings.Replace(good, from, to, 1))); err == nil {
			t.Errorf("%s is read: %+v", to, r.Threshold)
		}
	}
	if _, err := detect.Parse([]byte(base + meta + "detection: {s: {tags: a}, condition: s}\n" + good)); err == nil {
		t.Error("a correlation with a detection is read")
	}
	if _, err := detect.Parse([]byte(base + strings.Replace(meta, "level: high", "level: bad", 1) + good)); err == nil || !strings.Contains(err.Error(), "level") {
		t.Errorf("a mistake in the second document: %v", err)
	}
}

// FuzzParse: what is read can be written, and the text is read as the same tree by package query.
func FuzzParse(f *testing.F) {
	names, err := fs.ReadDir(siem.Detections(), ".")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(siem.Detections(), name.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(head + "detection: {a: {tags: 'a\\\\*?\"'}, b: [{changetrail.events|gte: -3}, {changetrail.gaps|exists: false}], condition: not (a or not b) and 1 of a*}")
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := detect.Parse([]byte(text))
		if err != nil {
			return
		}
		fields, err := query.FieldsOf(r.Source.Document)
		if err != nil {
			t.Fatal(err)
		}
		written := detect.Lucene(r.Where)
		again, err := query.Parse(written, fields, now)
		if err != nil {
			var limit *query.Error
			if errors.As(err, &limit) && (strings.Contains(limit.What, "at most") || strings.Contains(limit.What, "more than") || strings.Contains(limit.What, "deeper")) {
				return
			}
			t.Fatalf("%s\nis not read: %v", written, err)
		}
		if twice := detect.Lucene(again); !same(r.Where, again) {
			t.Fatalf("%s\nis read as\n%s", written, twice)
		}
		if _, err := detect.Export([]detect.Rule{*r}, detect.Options{Namespace: "default"}); err != nil {
			t.Fatal(err)
		}
	})
}

// same reports whether two trees mean the same, by the conditions that they consist of.
func same(a, b query.Node) bool { return fmt.Sprint(flat(a)) == fmt.Sprint(flat(b)) }

// flat writes a tree without the ways in which the two readers differ: groups of one, and *:*.
func flat(n query.Node) string {
	b, ok := n.(query.Bool)
	if r, isRange := n.(query.Range); isRange {
		return fmt.Sprint(r.Field, pointee(r.Low), pointee(r.Top))
	}
	if !ok {
		return fmt.Sprintf("%T%v", n, n)
	}
	parts := func(nodes []query.Node) (out []string) {
		for _, n := range nodes {
			if _, all := n.(query.All); !all {
				out = append(out, flat(n))
			}
		}
		return out
	}
	must, should, not := parts(b.Must), parts(b.Should), parts(b.Not)
	switch {
	case len(must) == 1 && len(should)+len(not) == 0:
		return must[0]
	case len(should) == 1 && len(must) == 0:
		must, should = should, nil
	}
	return fmt.Sprintf("(must %q should %q not %q)", must, should, not)
}

func pointee(b *query.Bound) any {
	if b == nil {
		return nil
	}
	return *b
}
