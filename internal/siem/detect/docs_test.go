package detect_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/internal/siem/detect"
)

var update = flag.Bool("update", false, "write the tables in docs/detections.md")

// TestTheTableOfDetections compares docs/detections.md with the rules.
func TestTheTableOfDetections(t *testing.T) {
	const name = "../../../docs/detections.md"
	rules := load(t)
	levels := []string{"critical", "high", "medium", "low", "informational"}
	slices.SortStableFunc(rules, func(a, b detect.Rule) int { return slices.Index(levels, a.Level) - slices.Index(levels, b.Level) })
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(text), "rules", tableOf(rules))
	want = between(t, want, "guides", guidesOf(rules))
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("docs/detections.md does not match the rules; go test ./internal/siem/detect -update writes it")
	}
	if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// between replaces what is between the marks of a section.
func between(t *testing.T, text, section, content string) string {
	t.Helper()
	begin, end := "<!-- "+section+": written by go test ./internal/siem/detect -update -->\n", "<!-- end of "+section+" -->\n"
	head, rest, found := strings.Cut(text, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("docs/detections.md has no section %s", section)
	}
	return head + begin + content + end + tail
}

func tableOf(rules []detect.Rule) string {
	var b strings.Builder
	b.WriteString("| rule | level | what it finds | ATT&CK | controls | reads |\n|---|---|---|---|---|---|\n")
	for _, r := range rules {
		var attack []string
		for _, tag := range r.Tags {
			name, isAttack := strings.CutPrefix(tag, "attack.")
			if isAttack && name[0] == 't' && name[1] >= '0' && name[1] <= '9' {
				attack = append(attack, strings.ToUpper(name))
			}
		}
		fmt.Fprintf(&b, "| [%s](../deploy/siem/detections/%s) | %s | %s | %s | %s | %s |\n",
			r.Title, r.File, r.Level, r.Description, strings.Join(attack, ", "), strings.Join(r.Controls(), ", "), r.Source.Category)
	}
	return b.String()
}

func guidesOf(rules []detect.Rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "### %s\n\n%s\n\nHarmless if: %s.\n\n", r.Title, r.Investigation, strings.Join(r.FalsePositives, "; "))
	}
	return b.String()
}
