package record

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEveryGapHasWords checks that each gap has a meaning and a severity, and is in the
// documentation.
func TestEveryGapHasWords(t *testing.T) {
	var named []string
	for _, w := range gapWords {
		named = append(named, w.Gap)
		if !slices.Contains([]string{SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow}, w.Severity) || !strings.HasSuffix(w.Means, ".") {
			t.Errorf("%+v", w)
		}
	}
	if !slices.Equal(named, Gaps()) {
		t.Errorf("words are there of %v\ngaps are %v", named, Gaps())
	}
	text, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, gap := range Gaps() {
		if !strings.Contains(string(text), "| `"+gap+"` | "+WordsOf(gap).Severity+" | "+WordsOf(gap).Means+" |") {
			t.Errorf("docs/policy.md does not say what %s means", gap)
		}
	}
}

// TestEveryAnswerIsAllowed checks that the schema allows each answer and no other, and that the
// documentation explains each.
func TestEveryAnswerIsAllowed(t *testing.T) {
	text, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range AllAnswers() {
		all = append(all, a.Answer)
		if a.Symbol == "" || !strings.Contains(string(text), "| `"+a.Answer+"` | "+a.Means+" |") {
			t.Errorf("docs/policy.md does not say what %s means", a.Answer)
		}
	}
	slices.Sort(all)
	for f := range reflect.TypeFor[Answers]().Fields() {
		tag := strings.TrimPrefix(f.Tag.Get("schema"), "enum=")
		allowed := strings.Split(tag, "|")
		if f.Name != "Reviewed" { // the other questions are about agents, and cannot be waived
			allowed = append(allowed, NotRequired)
		}
		slices.Sort(allowed)
		if !slices.Equal(allowed, all) {
			t.Errorf("%s: the schema takes %v, answers are %v", f.Name, allowed, all)
		}
	}
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 119 * time.Minute: "119 min",
		2 * time.Hour: "2 h", 47 * time.Hour: "47 h", 48 * time.Hour: "2 days", 432 * time.Hour: "18 days",
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
