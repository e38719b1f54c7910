package reconcile_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/audit/reconciletest"
)

// TestRandomHistories finds all differences of random histories, and nothing else.
func TestRandomHistories(t *testing.T) {
	start := uint64(time.Now().UnixNano()) % 1_000_000_000
	if text := os.Getenv("CHANGETRAIL_SEED"); text != "" { // to look at one that failed
		var err error
		if start, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(60) {
		o := reconciletest.Options{Seed: start + i, Commits: 150, Dark: 0.12, Ghosts: 6, Foxtrots: i%2 == 0}
		w := reconciletest.Make(o)
		ids := w.FakeIDs()
		records, pushes := w.Records(ids)
		r := reconcile.Compare(reconcile.Question{
			From: reconciletest.Start, To: reconciletest.Start.AddDate(10, 0, 0), History: w.History(ids), Records: records, Pushes: pushes, Environments: []string{"production"},
		})
		if diff := cmp.Diff(w.Expected(ids), slices.Compact(reconciletest.Found(r))); diff != "" {
			t.Errorf("seed %d: %s", o.Seed, diff)
			explain(t, w, ids, r)
			return
		}
		rnd := rand.New(rand.NewPCG(o.Seed, 2))
		rnd.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		rnd.Shuffle(len(pushes), func(i, j int) { pushes[i], pushes[j] = pushes[j], pushes[i] })
		again := reconcile.Compare(reconcile.Question{
			From: reconciletest.Start, To: reconciletest.Start.AddDate(10, 0, 0), History: w.History(ids), Records: records, Pushes: pushes, Environments: []string{"production"},
		})
		if diff := cmp.Diff(r, again, cmpopts.IgnoreUnexported(reconcile.Report{})); diff != "" {
			t.Errorf("seed %d: in another order: %s", o.Seed, diff)
		}
		if !r.Complete() {
			t.Errorf("seed %d: %v", o.Seed, r.Unchecked)
		}
	}
}

// explain prints what is known of the commits on which the two differ.
func explain(t *testing.T, w *reconciletest.World, ids reconciletest.IDs, r *reconcile.Report) {
	t.Helper()
	want, got := w.Expected(ids), reconciletest.Found(r)
	for _, line := range slices.Concat(want, got) {
		if slices.Contains(want, line) != slices.Contains(got, line) {
			words := strings.Fields(line)
			t.Logf("%s\n%s", line, w.About(ids, words[len(words)-1]))
		}
	}
}
