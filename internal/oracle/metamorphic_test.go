package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

// An outcome is what a reader of a history says about its change.
type outcome struct {
	answers [4]string
	gaps    []string
	maybe   []string          // gaps that it may have
	facts   map[string]string // facts of the change, as the reader states them
	whole   string            // everything, in one text
}

var questions = [4]string{"trigger", "alternatives", "authorized", "reviewed"}

func answersOf(a record.Answers) [4]string {
	return [4]string{a.Trigger, a.Alternatives, a.Authorized, a.Reviewed}
}

// A reader makes an outcome of a history. There are two: the oracle and the product.
type reader func(*testing.T, *history) outcome

func readOracle(_ *testing.T, h *history) outcome {
	j := judge(h.Events, h.ID, h.World)
	tr := newTrial(h.Events, h.ID, h.World)
	files, _ := tr.files()
	o := outcome{answers: answersOf(j.Answers), gaps: slices.Sorted(maps.Keys(j.Gaps)), maybe: slices.Sorted(maps.Keys(j.May))}
	o.facts = map[string]string{"head": tr.head, "author": tr.author, "merged at": tr.mergedAt.String(), "files": fmt.Sprint(files)}
	o.whole = fmt.Sprint(o.answers, o.gaps, o.facts)
	return o
}

func readProduct(t *testing.T, h *history) outcome {
	r, err := product(h, h.Events)
	if err != nil {
		t.Fatal(err)
	}
	if r == nil {
		return outcome{}
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{gaps: r.Trail.Gaps, whole: string(text)}
	if r.Trail.Answers != nil {
		o.answers = answersOf(*r.Trail.Answers)
	}
	c := r.Trail.Change
	o.facts = map[string]string{"head": c.HeadSHA, "author": c.Author, "merged at": c.MergedAt.String(), "merged by": c.MergedBy, "merge commit": c.MergeSHA, "files": strings.Join(c.Files, " ")}
	if v := r.Trail.Review; v != nil {
		o.facts["approvers"] = strings.Join(v.Approvers, " ")
		o.facts["changes requested by"] = strings.Join(v.ChangesRequested, " ")
	}
	return o
}

// proof returns how near an answer is to proven; -1 if the question does not apply.
func proof(answer string) int {
	switch answer {
	case "":
		return -1
	case record.Contradicted:
		return 0
	case record.Unproven, record.Pending:
		return 1
	case record.Partial:
		return 2
	}
	return 3
}

// properties checks each law on many histories, for the oracle and for the product.
func properties(t *testing.T, law func(t *testing.T, h *history, read reader) string) {
	for name, read := range map[string]reader{"oracle": readOracle, "product": readProduct} {
		t.Run(name, func(t *testing.T) {
			kinds, example := make(map[string]int), make(map[string]uint64)
			n := histories(t)
			if os.Getenv("CHANGETRAIL_ORACLE") == "" {
				n /= 4
			}
			for seed := range seeds(n) {
				if broken := law(t, generate(seed), read); broken != "" {
					kinds[broken]++
					if _, ok := example[broken]; !ok {
						example[broken] = seed
					}
				}
			}
			for _, k := range slices.Sorted(maps.Keys(kinds)) {
				t.Logf("%5d  %s (seed %d)", kinds[k], k, example[k])
			}
			if len(kinds) > 0 {
				t.Error("the law does not hold")
			}
		})
	}
}

// with returns h with other events.
func (h *history) with(events []record.Event) *history {
	g := *h
	g.Events = events
	return &g
}

// without returns h without some of its events.
func (h *history) without(drop func(record.Event) bool) *history {
	return h.with(slices.DeleteFunc(slices.Clone(h.Events), drop))
}

// TestOrderAndRepeats checks that the record depends only on the set of events.
func TestOrderAndRepeats(t *testing.T) {
	properties(t, func(t *testing.T, h *history, read reader) string {
		random := rand.New(rand.NewPCG(h.Seed, 1))
		events := slices.Clone(h.Events)
		for range 3 {
			events = append(events, events[random.IntN(len(h.Events))])
		}
		random.Shuffle(len(events), func(i, k int) { events[i], events[k] = events[k], events[i] })
		if a, b := read(t, h), read(t, h.with(events)); a.whole != b.whole {
			return "another order, or a repeat, makes another record"
		}
		return ""
	})
}

// TestAdversary checks that what comes with the agent's credential, or without any, moves no
// answer towards proven, removes no gap, and changes no observed fact. What a decision says about
// trigger and alternatives is excepted: signed it is the agent's own statement, and claimed it
// makes them partial.
func TestAdversary(t *testing.T) {
	properties(t, func(t *testing.T, h *history, read reader) string {
		if !h.Adversary {
			return ""
		}
		lies := func(e record.Event) bool { return h.Attack[e.Key()+e.Digest] }
		honest := read(t, h.without(lies))
		attacked := read(t, h)
		own, asks := false, false
		for _, e := range h.Events {
			if d, ok := e.Fact.(*record.Decision); ok && lies(e) {
				own, asks = true, asks || d.Agent.DelegatedBy != ""
			}
		}
		if honest.whole != "" && attacked.whole == "" {
			return "the record is gone"
		}
		for i, q := range questions {
			if own && i < 2 || proof(honest.answers[i]) < 0 {
				continue
			}
			if proof(attacked.answers[i]) > proof(honest.answers[i]) {
				return fmt.Sprintf("%s moves from %s to %s", q, honest.answers[i], attacked.answers[i])
			}
		}
		for _, g := range honest.gaps {
			if asks || attacked.answers[2] != honest.answers[2] || attacked.answers[3] != honest.answers[3] {
				break // they are worse, or as bad for other reasons: whoever asked is no longer independent
			}
			if g == record.GapTriggerNotHeld && slices.ContainsFunc([]string{record.GapTriggerFromAgent, record.GapUnverifiedSource, record.GapFindingNotInReport}, func(other string) bool { return slices.Contains(attacked.gaps, other) }) {
				continue // evidence of the agent or of no sender is received, and proves as little
			}
			if !slices.Contains(attacked.gaps, g) && !slices.Contains(attacked.maybe, g) && (!own || !ofDecisions[g]) {
				return "a gap is gone: " + g
			}
		}
		tr := newTrial(h.without(lies).Events, h.ID, h.World)
		for _, name := range slices.Sorted(maps.Keys(honest.facts)) {
			was := honest.facts[name]
			if was == "" || name == "files" && tr.head == "" || name == "author" && tr.author == "" || strings.Contains("head merged at merged by merge commit", name) && !tr.merged {
				continue // nobody observed it
			}
			if attacked.facts[name] != was {
				return "a fact is changed: " + name
			}
		}
		return ""
	})
}

// accusing are the gaps that say what somebody did or failed to do.
var accusing = []string{
	record.GapFindingNotInReport, record.GapChosenNotDone, record.GapOutOfScope, record.GapForbidden, record.GapReviewMissing, record.GapApprovalMissing, record.GapApprovalExpired,
	record.GapSelfApproval, record.GapApprovedByBot, record.GapChangesRequested, record.GapOutsideGroup, record.GapApprovalOutOfScope, record.GapApprovalAfterMerge,
}

// TestClaims checks that claims accuse nobody: they make no answer contradicted, and open none of
// the gaps that say what somebody did. (That a claim differs from an observation is a gap of that
// claim.)
func TestClaims(t *testing.T) {
	properties(t, func(t *testing.T, h *history, read reader) string {
		claim := func(e record.Event) bool { // an agent's own report may contradict what the agent says about it
			return h.Attack[e.Key()+e.Digest] && e.Witness == record.Claimed && (e.Sender == anyone || !is[*record.Scan](e))
		}
		if !slices.ContainsFunc(h.Events, claim) {
			return ""
		}
		honest, attacked := read(t, h.without(claim)), read(t, h)
		for i, q := range questions {
			if attacked.answers[i] == record.Contradicted && honest.answers[i] != record.Contradicted {
				return fmt.Sprintf("a claim moves %s from %q to contradicted", q, honest.answers[i])
			}
		}
		refused := func(e record.Event) bool { return is[*record.IdentityRefused](e) && claim(e) }
		if slices.Contains(attacked.gaps, record.GapIdentityContradicted) && !slices.Contains(read(t, h.without(refused)).gaps, record.GapIdentityContradicted) {
			return "a claim that an identity was refused opens a gap"
		}
		for _, g := range accusing {
			if slices.Contains(attacked.gaps, g) && !slices.Contains(honest.gaps, g) && !slices.Contains(honest.maybe, g) && !slices.Contains(attacked.gaps, record.GapEvidenceIncomplete) {
				return "a claim opens the gap " + g
			}
		}
		return ""
	})
}

// ofDecisions are the gaps that a decision of the agent may rightly close.
var ofDecisions = map[string]bool{
	record.GapNoTrigger: true, record.GapTriggerNotHeld: true, record.GapTriggerFromAgent: true, record.GapDigestNotStated: true, record.GapFindingNotStated: true,
	record.GapFindingNotInReport: true, record.GapNoDecision: true, record.GapDecisionAfterMerge: true, record.GapNothingChosen: true, record.GapNoAlternatives: true,
	record.GapRejectionNoReason: true, record.GapChosenNotDone: true, record.GapChosenNotComparable: true, record.GapUnverifiedSource: true, record.GapToldAfterMerge: true, record.GapSeverityContradicted: true,
	record.GapVerdictContradicted: true, record.GapTestsContradicted: true, record.GapFilesContradicted: true,
}

// TestBesides checks that comments, checks of other commits and reports of other packages change
// no answer and no gap, whether there are a few or hundreds.
func TestBesides(t *testing.T) {
	properties(t, func(t *testing.T, h *history, read reader) string {
		g := &generator{Rand: rand.New(rand.NewPCG(h.Seed, 2)), h: h.with(slices.Clone(h.Events)), now: start, prefix: "besides-"}
		n := 6
		if h.Seed%40 == 0 {
			n = 900
		}
		for i := range n {
			g.now = start.Add(time.Duration(g.IntN(90*60)) * time.Second)
			switch i % 3 {
			case 0:
				g.report(codeHost, &record.Review{Reviewer: pick(g, reviewers...), Verdict: "commented", CommitSHA: h.head()})
			case 1:
				g.evidence(ci, &record.Validation{Name: "unit", Provider: "github-actions", CommitSHA: commit(1 << 40), Conclusion: "failure", Failed: 7})
			case 2:
				g.evidence(scanner, report(7, "CVE-1999-1", "another"))
			}
		}
		a, b := read(t, h), read(t, g.h)
		if a.answers != b.answers {
			return fmt.Sprintf("answers change from %v to %v", a.answers, b.answers)
		}
		if !slices.Equal(a.gaps, b.gaps) {
			return fmt.Sprintf("gaps change from %v to %v", a.gaps, b.gaps)
		}
		return ""
	})
}

func (h *history) head() string { return newTrial(h.Events, h.ID, h.World).head }

// TestLess checks that an answer is never better without a piece of supporting evidence.
func TestLess(t *testing.T) {
	properties(t, func(t *testing.T, h *history, read reader) string {
		whole, head := read(t, h), h.head()
		for i, e := range h.Events {
			if h.Attack[e.Key()+e.Digest] || !supports(e, head) {
				continue
			}
			less := read(t, h.without(func(o record.Event) bool { return o.Key() == e.Key() }))
			for k, q := range questions {
				_, isScan := h.Events[i].Fact.(*record.Scan)
				if proof(whole.answers[k]) >= 0 && proof(less.answers[k]) > proof(whole.answers[k]) && (!isScan || whole.answers[k] != record.Contradicted) {
					return fmt.Sprintf("without a %s of %s %s moves from %s to %s", strings.Split(e.Type, ".")[2], e.Witness, q, whole.answers[k], less.answers[k])
				}
			}
		}
		if tr := newTrial(h.Events, h.ID, h.World); tr.merged { // the policy of that time is lost
			later := tr.rules
			later.Since = tr.mergedAt.Add(time.Hour)
			g := *h
			g.World = world{Versions: []rules{later}, Limit: h.World.Limit}
			if less := read(t, &g); less.answers[2] == record.Proven {
				return "authorized is proven by a policy of later"
			}
		}
		return ""
	})
}

// supports reports whether an event can only support a change.
func supports(e record.Event, head string) bool {
	if !counts(e) || e.Named != "" && e.Named != repository { // it may be the only event with the name that a policy uses for the repository
		return false
	}
	switch f := e.Fact.(type) {
	case *record.Review:
		return f.Verdict == "approved" && f.CommitSHA == head && f.ReviewerID == "" // a number identifies an account
	case *record.Approval:
		return f.Verdict != "refused"
	case *record.Scan:
		return true
	}
	return false
}
