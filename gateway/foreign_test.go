//go:build servers

package gateway

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
)

// TestEveryExampleOfGitHubIsAccepted: no event is an error, used or not, and the
// enricher accepts what the gateway accepted.
func TestEveryExampleOfGitHubIsAccepted(t *testing.T) {
	kinds := foreign.GitHubExamples(t)
	s := newSite(t, hooked)
	sent := 0
	for _, k := range kinds {
		for _, body := range k.Examples {
			sent++
			s.platform(t, "github", k.Name, string(body))
		}
	}
	t.Logf("%d examples of %d events, %d of them put on the stream", sent, len(kinds), s.taken)
	if sent < 300 || s.taken < sent/2 {
		t.Errorf("%d examples, %d taken", sent, s.taken)
	}
	s.read(t)
}

// TestEveryExampleOfGitLabIsAccepted, those in the tests of GitLab's own client.
func TestEveryExampleOfGitLabIsAccepted(t *testing.T) {
	dir := filepath.Join(foreign.Module(t, "gitlab.com/gitlab-org/api/client-go", "v1.46.0"), "testdata")
	files, err := filepath.Glob(filepath.Join(dir, "*hooks", "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	s := newSite(t, hooked)
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { s.platform(t, "gitlab", "", string(body)) })
	}
	t.Logf("%d examples, %d of them put on the stream", len(files), s.taken)
	s.read(t)
}
