package web

import (
	"regexp"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// TestEveryWordHasALook: answers, severities, witnesses and states of controls are told apart
// on the pages.
func TestEveryWordHasALook(t *testing.T) {
	css, err := static.ReadFile("static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	words := []string{controls.Shown, controls.Missing, controls.Pending, controls.NotEvaluated, controls.NotAsked, record.SeverityHigh, record.SeverityMedium, "low", record.Claimed}
	for _, a := range record.AllAnswers() {
		words = append(words, a.Answer)
		if symbol(a.Answer) != a.Symbol {
			t.Errorf("%s is shown as %s", a.Answer, symbol(a.Answer))
		}
	}
	for _, w := range words {
		if !regexp.MustCompile(`\.` + regexp.QuoteMeta(w) + `[ ,.{]`).Match(css) {
			t.Errorf("style.css says nothing of .%s", w)
		}
	}
	for _, w := range []string{record.Observed, record.Human, record.Signed, record.Claimed} {
		if witnesses[w] == "" {
			t.Errorf("nothing says what %s is", w)
		}
	}
}

// TestFacetsAreOfWords: the engines count the values of other fields as numbers.
func TestFacetsAreOfWords(t *testing.T) {
	fields, err := query.RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facets {
		if k, ok := fields[f.Field]; !ok || k.Kind != query.Keyword {
			t.Errorf("%s is no field of words", f.Field)
		}
	}
}

func TestEachKindOfEvidenceHasWords(t *testing.T) {
	for _, name := range controls.EvidenceNames() {
		if words := say.Evidence(name); !strings.Contains(words, " ") || words == strings.ReplaceAll(name, "-", " ") {
			t.Errorf("%s is shown as %q", name, words)
		}
	}
}
