package cli

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFolderGetsItsTokensOnce(t *testing.T) {
	dir := t.TempDir()
	_, fresh, err := issueCredentials(dir)
	if err != nil || len(fresh) != 4 {
		t.Fatalf("%d tokens: %v", len(fresh), err)
	}
	file := filepath.Join(dir, ownCredentials)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v lie in the folder: %v", entries, err)
	}
	later, again, err := issueCredentials(dir)
	if err != nil || again != nil {
		t.Fatalf("at the next start there are %d new tokens: %v", len(again), err)
	}
	var printed bytes.Buffer
	if err := printIssued(&printed, dir, "http://127.0.0.1:8080/", fresh); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, one := range fresh {
		if strings.Contains(string(text), one.token) {
			t.Errorf("the token of %s lies in the file", one.who)
		}
		if n := strings.Count(printed.String(), one.token); n != 1 || !strings.Contains(printed.String(), one.states) {
			t.Errorf("the token of %s is printed %d times:\n%s", one.who, n, printed.String())
		}
		r := httptest.NewRequest("POST", "/v1/events", nil)
		r.Header.Set("Authorization", "Bearer "+one.token)
		who, err := later.Authenticate(r)
		if err != nil || who.History {
			t.Errorf("%s: %+v, %v", one.who, who, err)
		}
		kinds = append(kinds, who.Platform+strings.Join(who.May, "+")+who.Agent+who.Person)
	}
	if got, want := strings.Join(kinds, " "), "code-hostchanges+pushes+reviews+requests citests+scans+deployments agent-bot-3000 mira.s"; got != want {
		t.Errorf("they are %s, want %s", got, want)
	}
	if err := os.WriteFile(file, []byte("tokens: [{}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := issueCredentials(dir); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is wrong: %v", err)
	}
	printed.Reset()
	if err := printIssued(&printed, dir, "http://127.0.0.1:8080/", nil); err != nil || printed.Len() > 0 {
		t.Errorf("%q: %v", printed.String(), err)
	}
}
