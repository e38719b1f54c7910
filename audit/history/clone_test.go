package history

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/audit/reconciletest"
	"github.com/changetrail/changetrail/internal/gittest"
)

// TestAHistoryOfFiveThousandCommits finds every seeded difference of a large history, and nothing else.
func TestAHistoryOfFiveThousandCommits(t *testing.T) {
	w := reconciletest.Make(reconciletest.Options{Seed: 20, Commits: 5000, Dark: 0.05, Ghosts: 40, Foxtrots: true})
	dir, ids := w.Import(t)
	records, pushes := w.Records(ids)
	start := time.Now()
	h, err := Clone{Folder: dir, Repository: w.Repository(), Named: reconcile.CommitsOf(records)}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	read := time.Since(start)
	if head := gittest.Run(t, dir, "rev-parse", reconciletest.Branch); h.Tip != head || h.Branch != reconciletest.Branch {
		t.Errorf("%s at %s, want %s", h.Branch, h.Tip, head)
	}
	h.Deployments, h.DeploymentsRead = w.Deployments(ids), true
	start = time.Now()
	r := reconcile.Compare(reconcile.Question{
		From: reconciletest.Start, To: reconciletest.Start.AddDate(50, 0, 0), History: h, Records: records, Pushes: pushes, Environments: []string{"production"},
	})
	want, got := w.Expected(ids), slices.Compact(reconciletest.Found(r))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if n := gittest.Run(t, dir, "rev-list", "--count", reconciletest.Branch); n != strconv.Itoa(r.Commits) || r.Commits < 5000 {
		t.Errorf("%d commits, and git counts %s", r.Commits, n)
	}
	if !r.Complete() || r.Counts[reconcile.Dark] < 50 || r.Counts[reconcile.Ghost] < 40 || r.Counts[reconcile.WrongHead] < 20 || r.Counts[reconcile.Rewritten] < 3 {
		t.Errorf("%v, %v", r.Counts, r.Unchecked)
	}
	t.Logf("commits %d, records %d, landings %d, findings %v; read in %s, compared in %s", r.Commits, len(records), r.Landings, r.Counts, read, time.Since(start))
}
