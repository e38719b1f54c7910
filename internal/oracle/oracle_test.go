package oracle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/record"
)

// histories is how many are generated: 2,000, or as many as CHANGETRAIL_ORACLE says.
func histories(t *testing.T) int {
	n := 2000
	if s := os.Getenv("CHANGETRAIL_ORACLE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("CHANGETRAIL_ORACLE: %v", err)
		}
	}
	if testing.Short() {
		n /= 10
	}
	return n
}

// seeds yields the seeds of the first n histories, and of all that ever showed a difference.
func seeds(n int) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for seed := range uint64(n) {
			if !yield(seed) {
				return
			}
		}
		for _, seed := range []uint64{6605, 10855, 19017, 20919, 23828} {
			if seed >= uint64(n) && !yield(seed) {
				return
			}
		}
	}
}

// product returns what changetrail says about a history, or nil if it has no record. It finds the
// policy of the time by itself.
func product(h *history, events []record.Event) (*record.Record, error) {
	held, err := h.World.parse()
	if err != nil {
		return nil, err
	}
	limit := cmp.Or(h.World.Limit, record.MaxFacts)
	return enricher.FoldFacts(h.ID, record.GatherWithin(h.ID, events, limit), *held), nil
}

// compared are the gaps that docs/trust.md decides.
var compared = map[string]bool{
	record.GapToldAfterMerge: true, record.GapEvidenceIncomplete: true, record.GapUnverifiedSource: true, record.GapChosenNotComparable: true, record.GapAuthorUnknown: true, record.GapEventAltered: true, record.GapSourceShared: true, record.GapChangeContradicted: true,
	record.GapNoTrigger: true, record.GapTriggerNotHeld: true, record.GapTriggerFromAgent: true, record.GapDigestNotStated: true, record.GapFindingNotStated: true,
	record.GapFindingNotInReport: true, record.GapNoDecision: true, record.GapDecisionAfterMerge: true, record.GapNothingChosen: true, record.GapNoAlternatives: true,
	record.GapRejectionNoReason: true, record.GapChosenNotDone: true, record.GapPolicyNotOfTheTime: true, record.GapServiceUnknown: true, record.GapAgentUnknown: true,
	record.GapOutOfScope: true, record.GapForbidden: true, record.GapReviewMissing: true, record.GapApprovalMissing: true, record.GapApprovalExpired: true,
	record.GapApprovalAfterMerge: true, record.GapNoReview: true, record.GapSelfApproval: true, record.GapApprovedByBot: true, record.GapStaleApproval: true,
	record.GapApprovedUnknownHead: true, record.GapChangesRequested: true, record.GapOutsideGroup: true, record.GapApprovalOutOfScope: true, record.GapIdentityContradicted: true,
}

// differences lists where the product differs from what is right.
func differences(r *record.Record, j judgement) (out []string) {
	if r == nil {
		return []string{"no record"}
	}
	said := record.Answers{}
	if r.Trail.Answers != nil {
		said = *r.Trail.Answers
	}
	answer := func(name, said, right string) {
		if said != right {
			out = append(out, fmt.Sprintf("%s: said %q, right %q", name, said, right))
		}
	}
	answer("trigger", said.Trigger, j.Trigger)
	answer("alternatives", said.Alternatives, j.Alternatives)
	answer("authorized", said.Authorized, j.Authorized)
	answer("reviewed", said.Reviewed, j.Reviewed)
	for _, g := range slices.Sorted(maps.Keys(j.Gaps)) {
		if !slices.Contains(r.Trail.Gaps, g) {
			out = append(out, "gap missing: "+g)
		}
	}
	for _, any := range j.Any {
		if !slices.ContainsFunc(any, func(g string) bool { return slices.Contains(r.Trail.Gaps, g) }) {
			slices.Sort(any)
			out = append(out, fmt.Sprintf("gap missing: one of %v", any))
		}
	}
	for _, g := range r.Trail.Gaps {
		if compared[g] && !j.Gaps[g] && !j.May[g] {
			out = append(out, "gap too many: "+g)
		}
	}
	return out
}

// A score counts answers and gaps over histories.
type score struct {
	answers, right       int
	said, true_          map[string]int // for each answer: how often given, and how often rightly
	gaps, found, tooMany int
	kinds                map[string]int
	example              map[string]uint64
}

func newScore() *score {
	return &score{said: make(map[string]int), true_: make(map[string]int), kinds: make(map[string]int), example: make(map[string]uint64)}
}

func (s *score) add(seed uint64, r *record.Record, j judgement) {
	diff := differences(r, j)
	said := record.Answers{}
	if r != nil && r.Trail.Answers != nil {
		said = *r.Trail.Answers
	}
	for _, a := range [][2]string{{said.Trigger, j.Trigger}, {said.Alternatives, j.Alternatives}, {said.Authorized, j.Authorized}, {said.Reviewed, j.Reviewed}} {
		s.answers++
		s.said[a[0]]++
		if a[0] == a[1] {
			s.right++
			s.true_[a[0]]++
		}
	}
	s.gaps += len(j.Gaps) + len(j.Any)
	s.found += len(j.Gaps) + len(j.Any)
	for _, d := range diff {
		s.kinds[d]++
		if _, ok := s.example[d]; !ok {
			s.example[d] = seed
		}
		switch {
		case strings.HasPrefix(d, "gap missing"):
			s.found--
		case strings.HasPrefix(d, "gap too many"):
			s.tooMany++
		}
	}
}

func (s *score) String() string {
	percent := func(a, b int) float64 { return 100 * float64(a) / float64(max(b, 1)) }
	var b strings.Builder
	fmt.Fprintf(&b, "answers right: %d of %d (%.2f %%)\n", s.right, s.answers, percent(s.right, s.answers))
	for _, a := range []string{record.Proven, record.Contradicted, record.Partial, record.Unproven, record.NotRequired, record.Pending} {
		fmt.Fprintf(&b, "precision of %s: %d of %d (%.2f %%)\n", a, s.true_[a], s.said[a], percent(s.true_[a], s.said[a]))
	}
	fmt.Fprintf(&b, "gaps found: %d of %d (%.2f %%), and %d too many\n", s.found, s.gaps, percent(s.found, s.gaps), s.tooMany)
	kinds := slices.SortedFunc(maps.Keys(s.kinds), func(a, b string) int { return s.kinds[b] - s.kinds[a] })
	for _, k := range kinds {
		fmt.Fprintf(&b, "%6d  %s (seed %d)\n", s.kinds[k], k, s.example[k])
	}
	return b.String()
}

// TestOracle compares the product with the oracle over many histories. With
// CHANGETRAIL_ORACLE_SEED it tries one history and, for the differences whose text contains
// CHANGETRAIL_ORACLE_DIFFERENCE, prints the smallest set of its events that still fails in the
// same way.
func TestOracle(t *testing.T) {
	if s := os.Getenv("CHANGETRAIL_ORACLE_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		explain(t, seed)
		return
	}
	s := newScore()
	for seed := range seeds(histories(t)) {
		h := generate(seed)
		r, err := product(h, h.Events)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		s.add(seed, r, judge(h.Events, h.ID, h.World))
	}
	t.Log("\n" + s.String())
	if len(s.kinds) > 0 {
		t.Error("answers and gaps differ")
	}
}

// explain prints the smallest history of a seed for each of its differences.
func explain(t *testing.T, seed uint64) {
	h := generate(seed)
	differ := func(events []record.Event) []string {
		r, err := product(h, events)
		if err != nil {
			t.Fatal(err)
		}
		return differences(r, judge(events, h.ID, h.World))
	}
	for _, d := range differ(h.Events) {
		if !strings.Contains(d, os.Getenv("CHANGETRAIL_ORACLE_DIFFERENCE")) {
			continue
		}
		events := shrink(h.Events, func(events []record.Event) bool { return slices.Contains(differ(events), d) })
		tr := newTrial(events, h.ID, h.World)
		j := judge(events, h.ID, h.World)
		r, _ := product(h, events)
		t.Errorf("seed %d: %s\n%s\nchange %s, merged %v at %s, policy of the time %v\nsaid %+v %v\nright %+v %v (may %v)\n%s", seed, d, lines(events), h.ID, tr.merged, tr.mergedAt.Format("15:04:05"), tr.ofTime,
			r.Trail.Answers, r.Trail.Gaps, j.Answers, slices.Sorted(maps.Keys(j.Gaps)), slices.Sorted(maps.Keys(j.May)), tr.rules.yaml())
		if rs := r.Trail.Reasons; rs != nil {
			t.Logf("%+v", *rs)
		}
	}
}

// shrink removes events as long as the rest still fails.
func shrink(events []record.Event, fails func([]record.Event) bool) []record.Event {
	events = slices.Clone(events)
	slices.SortStableFunc(events, record.Event.Compare)
	for i := 0; i < len(events); {
		less := slices.Delete(slices.Clone(events), i, i+1)
		if fails(less) {
			events, i = less, 0
			continue
		}
		i++
	}
	return events
}

// lines writes events as JSON, one per line.
func lines(events []record.Event) string {
	var b strings.Builder
	for _, e := range events {
		fact, err := json.Marshal(e.Fact)
		if err != nil {
			fact = []byte(strconv.Quote(err.Error()))
		}
		text, err := json.Marshal(map[string]any{
			"sender": e.Sender, "witness": e.Witness, "source": e.Source, "id": e.ID, "type": e.Type, "change": e.Change, "time": e.Time.Format("01-02T15:04:05"),
			"arrived": e.Arrived.Format("01-02T15:04:05"), "data": json.RawMessage(fact),
		})
		if err != nil {
			text = []byte(err.Error())
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}
