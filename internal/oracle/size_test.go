package oracle

import (
	"os"
	"strings"
	"testing"
)

// TestTheReadingIsShort checks that those who doubt the reading can read it in an hour. The code
// that looks through events, what policies say (docs/policy.md) and what is kept of a flood are
// counted separately.
func TestTheReadingIsShort(t *testing.T) {
	for _, part := range []struct {
		files []string
		lines int
	}{
		{[]string{"facts_test.go", "judge_test.go", "demands_test.go", "reviews_test.go", "decisions_test.go"}, 1000},
		{[]string{"events_test.go", "policy_test.go", "held_test.go"}, 300},
	} {
		n := 0
		for _, name := range part.files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
					n++
				}
			}
		}
		if t.Logf("%v: %d lines", part.files, n); n >= part.lines {
			t.Errorf("%v have %d lines, blank ones and comments aside: fewer than %d are wanted", part.files, n, part.lines)
		}
	}
}
