package imports

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	attackCase = regexp.MustCompile("`(red team|(?:Test|Fuzz)[A-Za-z0-9]+)(?:: ([^`]+))?`")
	// The moves that send one type of event each have their names from the types.
	claimMove = regexp.MustCompile(`^it says [a-z]+\.[a-z]+ (.+)$`)
)

// TestEachAttackHasVariants: each row of docs/security-cases.md names at least three cases that
// exist: a test, a part of a test by its name, or a move of the red team.
func TestEachAttackHasVariants(t *testing.T) {
	text, err := os.ReadFile("../../docs/security-cases.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, moves := testSources(t), redTeam(t)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| attack") {
			continue
		}
		cases := attackCase.FindAllStringSubmatch(line, -1)
		if len(cases) < 3 {
			t.Errorf("only %d cases: %s", len(cases), line)
		}
		for _, c := range cases {
			name, part := c[1], c[2]
			source := tests[name]
			if name == "red team" {
				source = moves
				if m := claimMove.FindStringSubmatch(part); m != nil {
					part = m[1]
				}
			}
			if source == "" || part != "" && !strings.Contains(source, `"`+part+`"`) {
				t.Errorf("%s does not exist: %s", c[0], line)
			}
		}
	}
}

// testSources returns, for each test, the file that contains it.
func testSources(t *testing.T) map[string]string {
	t.Helper()
	sources := make(map[string]string)
	for _, text := range testFiles(t) {
		for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
			if other, twice := sources[m[1]]; twice { // tests of one name in several packages
				text += other
			}
			sources[m[1]] = text
		}
	}
	return sources
}

func redTeam(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	files, err := filepath.Glob("../e2e/redteam/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}
