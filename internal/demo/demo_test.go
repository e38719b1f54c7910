package demo_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// company folds the records of a demo that ends at a time.
func company(t *testing.T, seed uint64, end time.Time) []*record.Record {
	t.Helper()
	p, m, err := demo.Rules(end)
	if err != nil {
		t.Fatal(err)
	}
	key := signing.Of([]byte("a stamp key of the tests"))
	heard := make(map[record.Repository][]record.Event)
	err = demo.New(seed, end).Each(func(_ int, events []event.Event) error {
		for _, e := range events {
			gateway.Sign(&e, key, demo.Sender(e), end)
			value, err := json.Marshal(e)
			if err != nil {
				return err
			}
			d, err := enricher.DecodeSigned(&stream.Record{Value: value, Timestamp: end}, key)
			if err != nil {
				return err
			}
			if !d.Imported || d.Arrived.Before(d.Time) || d.Sender == "" {
				return fmt.Errorf("%s of %s at %s: of %q, arrived %s, imported %t", d.Type, d.Source, d.Time, d.Sender, d.Arrived, d.Imported)
			}
			heard[d.Repository] = append(heard[d.Repository], d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []*record.Record
	for _, events := range heard {
		seen := make(map[record.ChangeID]bool)
		for _, e := range events {
			if e.Change != "" && !seen[e.Change] {
				seen[e.Change] = true
				out = append(out, enricher.Fold(e.Change, events, p, m))
			}
		}
	}
	return out
}

// TestWheneverItIsStartedTheDemoShowsEachGapAndAnswersItsCommands: the days end now, so that
// weekends and nights fall differently each time.
func TestWheneverItIsStartedTheDemoShowsEachGapAndAnswersItsCommands(t *testing.T) {
	ends := []time.Time{
		time.Date(2026, 11, 23, 16, 40, 0, 0, time.UTC), // a Monday: much of the weekend waits for its review
		time.Date(2026, 11, 28, 0, 5, 0, 0, time.UTC),   // a Saturday
	}
	for _, end := range ends {
		t.Run(end.Format("Monday 15:04"), func(t *testing.T) {
			t.Parallel()
			records := company(t, 4829, end)
			if n := len(records); n < demo.Changes*95/100 || n > demo.Changes {
				t.Errorf("%d changes", n)
			}
			count := func(has func(*record.Record) bool) (n int) {
				for _, r := range records {
					if has(r) {
						n++
					}
				}
				return n
			}
			for _, gap := range record.Gaps() {
				n := count(func(r *record.Record) bool { return slices.Contains(r.Trail.Gaps, gap) })
				if n < 3 && gap != record.GapNoPolicy && gap != record.GapEvidenceMasked { // a company without a policy would have that one alone; nobody masked anything
					t.Errorf("gap %s stands in %d changes", gap, n)
				}
			}
			// Most agents' changes are in order.
			agents := count(mergedByAgent)
			good := count(func(r *record.Record) bool { return mergedByAgent(r) && allGood(r.Trail.Answers) })
			whole := count(func(r *record.Record) bool { return mergedByAgent(r) && len(r.Trail.Gaps) == 0 })
			t.Logf("of %d merged changes by agents %d (%.1f %%) have four good answers, %d no gap at all", agents, good, 100*float64(good)/float64(agents), whole)
			if share := float64(good) / float64(agents); share < 0.84 || share > 0.91 {
				t.Errorf("%d of %d merged changes by agents have four good answers", good, agents)
			}
			if n := count(func(r *record.Record) bool {
				return r.Trail.Change.State == "open" && r.Trail.Trigger != nil && r.Trail.Trigger.Found
			}); n < 3 {
				t.Errorf("%d fixes of findings are open", n)
			}
			// The gate applies the policy, except where a person broke the glass.
			if n := count(func(r *record.Record) bool {
				gate, a := r.Trail.Gate, r.Trail.Authorization
				return gate != nil && gate.Rule != record.RuleBreakGlass && a != nil && a.Verdict != "" && (gate.Verdict != a.Verdict || gate.Allowed == (a.Verdict == record.Forbidden))
			}); n > 0 {
				t.Errorf("of %d changes the gate says something else than the policy", n)
			}
			// The fifth of the commands that the demo prints.
			if n := count(func(r *record.Record) bool {
				return r.Trail.Service != nil && r.Trail.Service.Classification == "critical" && r.Timestamp.After(end.AddDate(0, 0, -30)) &&
					slices.ContainsFunc(r.Trail.Gaps, func(g string) bool { return strings.HasSuffix(g, "-contradicted") })
			}); n < 3 {
				t.Errorf("%d critical changes of the last 30 days contradict their agent", n)
			}
		})
	}
}

func mergedByAgent(r *record.Record) bool {
	return r.Trail.Change.InitiatedBy == "agent" && r.Trail.Change.State == "merged"
}

func allGood(a *record.Answers) bool {
	return a.Trigger == record.Proven && a.Alternatives == record.Proven && a.Authorized == record.Proven && (a.Reviewed == record.Proven || a.Reviewed == record.NotRequired)
}

func TestTheSameSeedAndEndGiveTheSameEvents(t *testing.T) {
	end := time.Date(2026, 11, 23, 16, 40, 0, 0, time.UTC)
	generate := func(seed uint64) []byte {
		var out bytes.Buffer
		g := demo.New(seed, end)
		g.Changes = 100
		if err := g.Each(func(_ int, events []event.Event) error {
			return json.MarshalWrite(&out, events)
		}); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if !bytes.Equal(generate(1), generate(1)) {
		t.Error("one seed told two stories")
	}
	if bytes.Equal(generate(1), generate(2)) {
		t.Error("two seeds told one story")
	}
}

// TestTheDemoHasTheChangeOfTheStory, whenever it is started and whatever the seed: once, by the
// agent, decided at 03:47, and no two changes have one number.
func TestTheDemoHasTheChangeOfTheStory(t *testing.T) {
	for seed := range uint64(12) {
		end := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seed) * 41 * time.Hour)
		opened := make(map[string]int)
		decided := 0
		if err := demo.New(4829-seed, end).Each(func(_ int, events []event.Event) error {
			for _, e := range events {
				switch {
				case e.Type() == record.TypeChangeOpened:
					opened[e.Subject()]++
				case e.Type() == record.TypeDecisionRecorded && e.Subject() == "github.com/acme/payments/pull/4829":
					if decided++; e.Time().Hour() != 3 || e.Time().Minute() != 47 || !strings.Contains(string(e.Data()), `"agent-bot-3000"`) {
						t.Errorf("seed %d: decided at %s: %s", 4829-seed, e.Time(), e.Data())
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if decided != 1 || opened["github.com/acme/payments/pull/4829"] != 1 {
			t.Errorf("seed %d: %d decisions", 4829-seed, decided)
		}
		for id, n := range opened {
			if n > 1 {
				t.Errorf("seed %d: %s is opened %d times", 4829-seed, id, n)
			}
		}
	}
}
