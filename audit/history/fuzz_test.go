package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/audit/reconciletest"
)

// seeds adds the files of small exports.
func seeds(f *testing.F) {
	for i := range uint64(4) {
		w := reconciletest.Make(reconciletest.Options{Seed: i, Commits: 8, GitLab: i%2 == 0})
		files, err := w.Export(w.FakeIDs(), i < 2)
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range files {
			f.Add(text)
		}
	}
	for _, text := range []string{"", "[", "[[", "]", "{}", "[{}]", `[{"sha":"abcdefa","commit":{"message":"(#1)"},"parents":[{"sha":"abcdefa"}]}]`, `{"message":"x","documentation_url":"y"}`, `{"id":"abcdefa","author_name":"a","message":"x","parent_ids":["abcdefa"]}`, "\ufeff[]"} {
		f.Add([]byte(text))
	}
}

// FuzzExport reads any text as an export, and compares what was read with nothing: neither fails in
// any other way than with an error, and each merged request in time is a finding.
func FuzzExport(f *testing.F) {
	seeds(f)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		name := filepath.Join(dir, "export.json")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		e := Export{Paths: []string{name}, Branch: "main", FetchedAt: far}
		for _, read := range []func() (*reconcile.History, error){e.GitHub, e.GitLab} {
			h, err := read()
			if err != nil {
				if err.Error() == "" || h != nil && err == nil {
					t.Error("an error without words")
				}
				continue
			}
			r := reconcile.Compare(reconcile.Question{From: reconciletest.Start, To: far, History: h, Environments: []string{"production"}})
			merged := 0
			seen := make(map[string]bool)
			for _, q := range h.Requests {
				if q.State == "merged" && (q.Base == "" || q.Base == "main") && !q.MergedAt.Before(reconciletest.Start) && q.MergedAt.Before(far) && !seen[string(q.ID)] {
					seen[string(q.ID)] = true
					merged++
				}
			}
			dark := make(map[string]bool)
			for _, finding := range r.Findings {
				if finding.What == "change" && finding.Change != "" {
					dark[string(finding.Change)] = true
				}
			}
			if len(dark) < merged {
				t.Errorf("%d merged requests without a record, and %d findings", merged, len(dark))
			}
		}
	})
}

// FuzzDeployments reads any text as a file of deployments. What is read is complete.
func FuzzDeployments(f *testing.F) {
	f.Add("time,environment,repository,commit\n2026-11-12T03:47:00Z,production,github.com/acme/payments,abcdef1\n")
	f.Add(`{"time":"2026-11-12T03:47:00Z","environment":"production","repository":"acme/payments","commit":"abcdef1","outcome":"failure"}` + "\n")
	f.Add("\ufefftime;environment\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readDeployments(strings.NewReader(text))
		if err != nil && len(list) > 0 {
			t.Errorf("%v, and %d deployments", err, len(list))
		}
		for _, d := range list {
			if d.At.IsZero() && !strings.Contains(text, "0001-01-01") || d.Environment == "" || d.Repository == "" || len(d.Commit) < 7 || d.Outcome == "" {
				t.Errorf("%+v", d)
			}
		}
	})
}

// FuzzCommit reads any text as a commit object and its message.
func FuzzCommit(f *testing.F) {
	f.Add("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x> 1700000000 +0000\ncommitter B <b@x> 1700000000 -0700\ngpgsig x\n y\n\nMerge pull request #12 from acme/fix\n\nCo-authored-by: Claude <noreply@anthropic.com>\n")
	f.Add("author <> x\ncommitter\n\nRevert \"A\" (#3)\n\nThis reverts commit abcdef1.\n(cherry picked from commit abcdef1)\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCommit(strings.Repeat("a", 40), text)
		if err != nil {
			return
		}
		for _, p := range c.Parents {
			if len(p) != 40 {
				t.Errorf("parent %q", p)
			}
		}
		if len(c.Subject) > 200 || strings.ContainsAny(c.Subject, "\n") || strings.ToValidUTF8(c.Author+c.Subject, "") != c.Author+c.Subject {
			t.Errorf("%+v", c)
		}
	})
}
