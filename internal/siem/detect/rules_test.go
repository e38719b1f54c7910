package detect_test

import (
	"slices"
	"testing"

	"github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/siem/detect"
	"github.com/changetrail/changetrail/internal/siem/detecttest"
	"github.com/changetrail/changetrail/query"
)

func load(t *testing.T) []detect.Rule {
	t.Helper()
	rules, err := detect.Load(siem.Detections())
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestEachRuleFindsWhatItMustAndNothingElse evaluates every rule on the documents that the embedded
// mode makes of the events beside the rules. The embedded index, which searches records, must find
// the same records for the text of the rule.
func TestEachRuleFindsWhatItMustAndNothingElse(t *testing.T) {
	rules := load(t)
	found := detecttest.Run(t, detecttest.Folder("../../.."))
	t.Logf("%d rules, %d stories, %d documents", len(rules), len(found.Stories), len(found.Documents))
	records := 0
	for i := range rules {
		r := &rules[i]
		found.Check(t, r, found.Hits(r))
		fields, err := query.FieldsOf(r.Source.Document)
		if err != nil {
			t.Fatal(err)
		}
		where, err := query.Parse(detect.Lucene(r.Where), fields, found.Now)
		if err != nil {
			t.Errorf("%s: %v", r.File, err)
			continue
		}
		again := *r
		again.Where = where
		want := found.Matches(r)
		if got := found.Matches(&again); !slices.Equal(got, want) {
			t.Errorf("%s: read again, its text finds %v, not %v", r.File, got, want)
		}
		if r.Source.Document != "record" {
			continue
		}
		records++
		res, err := found.Index.Search(t.Context(), query.Request{Where: where, Size: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]string, len(res.Hits))
		for i, h := range res.Hits {
			ids[i] = h.ID
		}
		slices.Sort(ids)
		if !slices.Equal(ids, want) {
			t.Errorf("%s: the embedded index finds %v, not %v", r.File, ids, want)
		}
	}
	if len(rules) < 24 || records < 8 {
		t.Errorf("there are %d rules, %d of them over records", len(rules), records)
	}
}
