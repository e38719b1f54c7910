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
	"github.com/changetrail/changetrail/internal/gittest"
	"github.com/changetrail/changetrail/record"
)

// A shop is a repository on a server and a clone of it, made by the commands that people type.
type shop struct {
	t               *testing.T
	server, at      string
	records         []*record.Record
	pushes          []reconcile.Push
	want            []string
	number, written int
}

const shopRepository = record.Repository("github.com/acme/shop")

func newShop(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	s := &shop{t: t, server: filepath.Join(dir, "server.git"), at: filepath.Join(dir, "work")}
	gittest.Run(t, dir, "init", "-q", "--bare", "-b", "master", "server.git")
	gittest.Run(t, dir, "clone", "-q", s.server, "work")
	s.git("checkout", "-q", "-b", "master")
	return s
}

func (s *shop) git(args ...string) string { s.t.Helper(); return gittest.Run(s.t, s.at, args...) }

// write changes a file and commits it.
func (s *shop) write(message string) string {
	s.t.Helper()
	s.written++
	name := fmt.Sprintf("file%d", s.written)
	if err := os.WriteFile(filepath.Join(s.at, name), []byte(message), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.git("add", name)
	s.git("commit", "-q", "-m", message)
	return s.git("rev-parse", "HEAD")
}

// branch makes a branch with some commits, and returns its head.
func (s *shop) branch(name string, commits int) (head string) {
	s.t.Helper()
	s.git("checkout", "-q", "-b", name)
	for i := range commits {
		head = s.write(fmt.Sprintf("%s, part %d", name, i))
	}
	s.git("checkout", "-q", "-")
	return head
}

// recorded adds the record of a merged pull request.
func (s *shop) recorded(head, merge, base string) record.ChangeID {
	s.number++
	id := shopRepository.Change(fmt.Sprintf("/pull/%d", s.number))
	r := new(record.Record)
	r.Trail.Change = record.Change{ID: id, Repository: shopRepository, Number: fmt.Sprint(s.number), State: "merged", HeadSHA: head, MergeSHA: merge, BaseRef: base, MergedAt: time.Now().UTC()}
	s.records = append(s.records, r)
	return id
}

// pushed adds the record of a direct push of the newest commits.
func (s *shop) pushed(commits int) {
	s.t.Helper()
	list := strings.Fields(s.git("rev-list", "-n", fmt.Sprint(commits), "HEAD"))
	id := shopRepository.Change("/commit/" + list[0])
	r := new(record.Record)
	r.Trail.Change = record.Change{ID: id, Repository: shopRepository, State: "merged", HeadSHA: list[0], MergeSHA: list[0], BaseRef: "main", MergedAt: time.Now().UTC()}
	s.records = append(s.records, r)
	s.pushes = append(s.pushes, reconcile.Push{Change: id, After: list[0], Commits: list})
}

func (s *shop) head() string { s.t.Helper(); return s.git("rev-parse", "HEAD") }

// expect adds what must be found.
func (s *shop) expect(format string, args ...any) {
	s.want = append(s.want, fmt.Sprintf(format, args...))
}

// TestWhatPeopleType makes each way of a change with the commands that people type: once recorded, and
// once not.
func TestWhatPeopleType(t *testing.T) {
	s := newShop(t)
	s.write("the beginning")
	s.pushed(1)
	// A merge commit.
	head := s.branch("one", 2)
	s.git("merge", "-q", "--no-ff", "-m", "Merge pull request #1 from acme/one", "one")
	s.recorded(head, s.head(), "master")
	s.branch("two", 2)
	s.git("merge", "-q", "--no-ff", "-m", "Merge branch 'two'", "two")
	for _, sha := range strings.Fields(s.git("rev-list", "HEAD^1..HEAD")) {
		s.expect("dark %s", sha)
	}
	s.git("branch", "-q", "-m", "master", "main")
	// A squash.
	head = s.branch("three", 3)
	s.git("merge", "-q", "--squash", "three")
	s.git("commit", "-q", "-m", "Three (#2)")
	s.recorded(head, s.head(), "main")
	s.branch("four", 2)
	s.git("merge", "-q", "--squash", "four")
	s.git("commit", "-q", "-m", "Four (#77)")
	s.expect("dark %s", s.head())
	// A rebase.
	head = s.branch("five", 3)
	s.git("branch", "-q", "kept-five", "five")
	s.write("between")
	s.pushed(1)
	s.git("rebase", "-q", "main", "five")
	s.git("checkout", "-q", "main")
	s.git("merge", "-q", "--ff-only", "five")
	s.recorded(head, s.head(), "main")
	s.branch("six", 2)
	s.write("between again")
	s.pushed(1)
	s.git("rebase", "-q", "main", "six")
	s.git("checkout", "-q", "main")
	s.git("merge", "-q", "--ff-only", "six")
	s.expect("dark %s", s.head())
	s.expect("dark %s", s.git("rev-parse", "HEAD^"))
	// A revert and a cherry-pick, recorded and not.
	s.git("revert", "--no-edit", "HEAD")
	s.pushed(1)
	s.git("revert", "--no-edit", "HEAD~2")
	s.expect("dark %s", s.head())
	s.git("checkout", "-q", "-b", "release")
	fix := s.write("a fix on the release")
	fix2 := s.write("another fix on the release")
	s.git("checkout", "-q", "main")
	s.write("main goes on")
	s.pushed(1)
	s.git("cherry-pick", "-x", fix)
	s.pushed(1)
	s.git("cherry-pick", "-x", fix2)
	s.expect("dark %s", s.head())
	s.noise()
	s.rewrite()
	// A ghost, and a wrong head.
	s.expect("ghost %s ", s.recorded(strings.Repeat("a", 40), strings.Repeat("b", 40), "main"))
	s.branch("seven", 2)
	s.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from acme/seven", "seven")
	s.expect("wrong-head %s %s", s.recorded(s.git("rev-parse", "seven~1"), s.head(), "main"), s.git("rev-parse", "seven"))
	s.git("push", "-q", "--force", "origin", "main")
	s.check()
}

// noise adds a submodule, tags and a merge of several branches, all recorded.
func (s *shop) noise() {
	s.git("push", "-q", "origin", "main")
	s.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "-b", "main", s.server, "vendor/sub")
	s.git("commit", "-q", "-m", "Add a submodule")
	s.pushed(1)
	s.git("tag", "-a", "v1", "-m", "one")
	s.git("tag", "light")
	s.branch("left", 1)
	s.branch("right", 1)
	s.git("merge", "-q", "-m", "Merge left and right", "left", "right")
	s.pushed(3)
}

// rewrite merges a recorded change, and another one, and replaces both by a forced push. The first
// comes back as another commit.
func (s *shop) rewrite() {
	s.git("push", "-q", "origin", "main")
	head := s.branch("gone", 1)
	s.git("merge", "-q", "--no-ff", "-m", "Merge it", "gone")
	gone := s.recorded(head, s.head(), "main")
	again := s.write("Comes again")
	back := s.recorded(again, again, "main")
	s.git("push", "-q", "origin", "main")
	s.git("reset", "-q", "--hard", "HEAD~2")
	s.git("cherry-pick", again)
	s.git("push", "-q", "--force", "origin", "main")
	s.expect("rewritten-history %s ", gone)
	s.expect("rewritten-history %s %s", back, s.head())
}

// check compares the clone, which keeps what the forced push removed.
func (s *shop) check() {
	s.t.Helper()
	s.git("fetch", "-q")
	h, err := Clone{Folder: s.at, Branch: "main", Repository: shopRepository, Named: reconcile.CommitsOf(s.records)}.Read(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	r := reconcile.Compare(reconcile.Question{From: time.Now().Add(-24 * time.Hour), To: time.Now().Add(time.Hour), History: h, Records: s.records, Pushes: s.pushes})
	var got []string
	for _, f := range r.Findings {
		if f.Kind == reconcile.Dark {
			for _, sha := range f.Commits {
				got = append(got, "dark "+sha)
			}
			continue
		}
		got = append(got, fmt.Sprintf("%s %s %s", f.Kind, f.Change, f.Found))
	}
	slices.Sort(got)
	slices.Sort(s.want)
	if diff := cmp.Diff(s.want, got); diff != "" {
		s.t.Error(diff)
		for _, f := range r.Findings {
			s.t.Log(f.Kind, f.Reason, f.Title)
		}
	}
	if !r.Complete() || !slices.Equal(r.Former, []string{"master"}) {
		s.t.Errorf("%v, formerly %v", r.Unchecked, r.Former)
	}
}
