package secrets

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// TestOtherSpillsAreCaught checks commands, files and code that were written before their rules: in
// each line the secret begins with S3cret or hunter.
func TestOtherSpillsAreCaught(t *testing.T) {
	file, err := os.Open("testdata/spills.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := redactor(t, Redacted)
	n, missed := 0, 0
	for lines := bufio.NewScanner(file); lines.Scan(); n++ {
		out, _, err := r.Text(t.Context(), lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out, "S3cr") {
			missed++
			t.Logf("missed: %s became %s", lines.Text(), out)
		}
	}
	t.Logf("%d of %d are found", n-missed, n)
	if n < 150 || missed*50 > n {
		t.Errorf("%d of %d are missed", missed, n)
	}
}
