package record

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnionIsThatOfSets compares the union with sorting everything, for facts of which many are
// in both parts.
func TestUnionIsThatOfSets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var own, evidence []Event
		for i := range rnd.IntN(30) {
			e := said(rnd.IntN(8), &Scan{Findings: []Finding{{Fingerprint: fmt.Sprint(rnd.IntN(3))}}})
			e.ID = fmt.Sprint(i / 2)
			if rnd.IntN(2) == 0 {
				own = append(own, e)
			}
			if rnd.IntN(2) == 0 {
				evidence = append(evidence, e)
			}
		}
		slices.SortFunc(own, compareFull)
		slices.SortFunc(evidence, compareFull)
		want := slices.Concat(own, evidence)
		slices.SortFunc(want, compareFull)
		want = slices.CompactFunc(want, sameFact)
		var got []Event
		for _, e := range union(own, evidence) {
			got = append(got, *e)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-sorted +merged:\n%s", diff)
		}
	}
}
