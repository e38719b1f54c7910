package history

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/audit/reconciletest"
)

// far is a time after every history.
var far = reconciletest.Start.AddDate(50, 0, 0)

// written writes the files of an export.
func written(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestExportsOfRandomHistories finds all differences of random histories in exports of both code
// hosts, and nothing else.
func TestExportsOfRandomHistories(t *testing.T) {
	start := uint64(time.Now().UnixNano()) % 1_000_000_000
	for i := range uint64(24) {
		o := reconciletest.Options{Seed: start + i, Commits: 300, Dark: 0.1, Ghosts: 5, Foxtrots: i%3 == 0, GitLab: i%2 == 0}
		w := reconciletest.Make(o)
		ids := w.FakeIDs()
		files, err := w.Export(ids, i%4 < 2)
		if err != nil {
			t.Fatal(err)
		}
		e := Export{Paths: []string{written(t, files)}, Branch: reconciletest.Branch, FetchedAt: far}
		read := e.GitHub
		if o.GitLab {
			read = e.GitLab
		}
		h, err := read()
		if err != nil {
			t.Fatal(err)
		}
		h.Former = []string{"master"}
		h.Gaps = slices.DeleteFunc(h.Gaps, func(gap string) bool { return strings.Contains(gap, "exactly") }) // a history may have as many
		records, pushes := w.Records(ids)
		r := reconcile.Compare(reconcile.Question{From: reconciletest.Start, To: far, History: h, Records: records, Pushes: pushes, Environments: []string{"production"}})
		if diff := cmp.Diff(w.ExpectedOfHost(ids), slices.Compact(reconciletest.Found(r))); diff != "" {
			t.Errorf("seed %d, GitLab %v: %s", o.Seed, o.GitLab, diff)
			want, got := w.ExpectedOfHost(ids), reconciletest.Found(r)
			for _, line := range slices.Concat(want, got) {
				if slices.Contains(want, line) != slices.Contains(got, line) {
					words := strings.Fields(line)
					t.Logf("%s\n%s", line, w.About(ids, words[len(words)-1]))
				}
			}
			return
		}
		if !r.Complete() || r.Repository != w.Repository() || r.Requests == 0 {
			t.Errorf("seed %d: %s, %d requests, %v", o.Seed, r.Repository, r.Requests, r.Unchecked)
		}
	}
}

// TestWhatIsMissingInAnExportIsNamed takes parts of an export away. Each time that is named.
func TestWhatIsMissingInAnExportIsNamed(t *testing.T) {
	w := reconciletest.Make(reconciletest.Options{Seed: 7, Commits: 500})
	ids := w.FakeIDs()
	records, pushes := w.Records(ids)
	whole, err := w.Export(ids, false)
	if err != nil {
		t.Fatal(err)
	}
	pages := func(text []byte) []string { return strings.Split(strings.Trim(string(text), "[]"), "][") }
	without := func(text []byte, n int) []byte {
		all := pages(text)
		n = (n + len(all)) % len(all)
		return []byte("[" + strings.Join(slices.Delete(all, n, n+1), "][") + "]")
	}
	first := func(text []byte) []byte { return []byte("[" + pages(text)[0] + "]") }
	for name, x := range map[string]struct {
		file string
		cut  func([]byte) []byte
		want string
	}{
		"a cut file":                {"requests.json", func(b []byte) []byte { return b[:len(b)/2] }, "requests.json ends in the middle"},
		"cut between two objects":   {"requests.json", func(b []byte) []byte { return b[:strings.LastIndex(string(b), ",{")] }, "requests.json ends in the middle"},
		"a page of commits is gone": {"commits.json", func(b []byte) []byte { return without(b, 1) }, "the history is cut"},
		"the last page is gone":     {"commits.json", func(b []byte) []byte { return without(b, -1) }, "the history is cut"},
		"the first page is gone":    {"commits.json", func(b []byte) []byte { return without(b, 0) }, "lacks its first page"},
		"one page of requests":      {"requests.json", first, "exactly 100 pull requests"},
		"an error instead of a page": {"deployments.json", func([]byte) []byte {
			return []byte(`{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}`)
		}, "an error of GitHub: Not Found"},
		"something else":           {"deployments.json", func([]byte) []byte { return []byte(`[{"name":"x"}]`) }, "neither pull requests"},
		"no states of deployments": {"deployments.json", func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "deployment_url", "other_url")) }, "does not say whether"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for file, text := range whole {
				files[file] = text
			}
			files[x.file] = x.cut(files[x.file])
			h, err := Export{Paths: []string{written(t, files)}, FetchedAt: far}.GitHub()
			if err != nil {
				t.Fatal(err)
			}
			r := reconcile.Compare(reconcile.Question{From: reconciletest.Start, To: far, History: h, Records: records, Pushes: pushes, Environments: []string{"production"}})
			if r.Complete() || !strings.Contains(fmt.Sprint(r.Unchecked, r.Findings), x.want) {
				t.Errorf("%v\n%d findings: %v", r.Unchecked, len(r.Findings), r.Counts)
			}
		})
	}
}

// TestAnExportMayBeOneFile reads lists in lists, objects on lines of their own, and no lists of commits.
func TestAnExportMayBeOneFile(t *testing.T) {
	const pull = `{"number":1,"state":"closed","merged_at":"2026-03-02T00:00:00Z","merge_commit_sha":"aaaaaaaaaa","html_url":"https://github.com/acme/shop/pull/1","head":{"ref":"f","sha":"bbbbbbbbbb"},"base":{"ref":"main","repo":{"default_branch":"main"}},"user":{"login":"claude[bot]","type":"Bot"}}`
	for _, text := range []string{pull, "[" + pull + "]", "[[" + pull + "],[]]", "[][" + pull + "]\n[]", pull + "\n" + strings.ReplaceAll(pull, "1", "2")} {
		h, err := Export{Paths: []string{filepath.Join(written(t, map[string][]byte{"x": []byte(text)}), "x")}}.GitHub()
		if err != nil || h.Repository != "github.com/acme/shop" || h.Branch != "main" || len(h.Requests) == 0 || !h.RequestsRead || len(h.Gaps) > 0 {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
	}
	for text, want := range map[string]string{
		``: "no repository", `[[[1]]]`: "nested", `[1]`: "is no object", `"x"`: "is no object",
		`[{"base":{},"head":{},"html_url":"x"}]`: "not a change", `{"sha":"zz","commit":{"message":""}}`: "not the id",
		pull + strings.ReplaceAll(pull, "acme/shop", "acme/other"): "several repositories",
		`]`: "byte", `[}`: "byte",
	} {
		_, err := Export{Paths: []string{filepath.Join(written(t, map[string][]byte{"x": []byte(text)}), "x")}}.GitHub()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
