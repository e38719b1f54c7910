package enricher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

const senderRepo, senderChange = record.Repository("github.com/acme/payments"), record.ChangeID("github.com/acme/payments/pull/1")

// stated returns a fact as one sender states it, about a change or, if it names none, a commit.
func stated(t *testing.T, sender, id string, change record.ChangeID, arrived int, f record.Fact) record.Event {
	t.Helper()
	at := time.Date(2026, 3, 1, 3, 47, 0, 0, time.UTC)
	e := record.Event{
		Sender: sender, Source: "/ci", ID: id, Type: record.TypeOf(f), Repository: senderRepo, Change: change, Time: at,
		Arrived: at.Add(time.Duration(arrived) * time.Second), Witness: record.Observed, Fact: f,
	}
	if err := schemas.Fingerprint(&e, at); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestSendersOfOneIdentity checks that the same source and id from two senders are two events. If
// one sender states something else under them, the first event is kept, and marked.
func TestSendersOfOneIdentity(t *testing.T) {
	head := fmt.Sprintf("%040x", 1)
	opened := stated(t, "platform:github", "0", senderChange, 0, &record.Opened{Revision: record.Revision{HeadSHA: head}})
	for name, about := range map[string]record.ChangeID{"about the change": senderChange, "about a commit": ""} {
		result := func(sender, conclusion string, arrived int) record.Event {
			return stated(t, sender, "build-4711", about, arrived, &record.Validation{Name: "unit", CommitSHA: head, Conclusion: conclusion})
		}
		for what, c := range map[string]struct {
			in              []record.Event
			stand           []string // sender and conclusion
			altered, shared int
		}{
			"two senders":                  {[]record.Event{result("platform:ci", "failure", 1), result("agent:a", "success", 2)}, []string{"agent:a success", "platform:ci failure"}, 0, 2},
			"two senders, the other first": {[]record.Event{result("agent:a", "success", 1), result("platform:ci", "failure", 2)}, []string{"agent:a success", "platform:ci failure"}, 0, 2},
			"nobody and a sender":          {[]record.Event{result("", "success", 1), result("platform:ci", "failure", 2)}, []string{" success", "platform:ci failure"}, 0, 2},
			"one sender":                   {[]record.Event{result("platform:ci", "failure", 1), result("platform:ci", "success", 2), result("platform:ci", "success", 3)}, []string{"platform:ci failure"}, 1, 0},
			"one sender, the same":         {[]record.Event{result("platform:ci", "failure", 1), result("platform:ci", "failure", 2)}, []string{"platform:ci failure"}, 0, 0},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				for seed := range uint64(6) {
					in := append([]record.Event{opened}, c.in...)
					p := replay(t, openTestStore(t), rand.New(rand.NewPCG(seed, 1)), in)
					for _, f := range []record.Facts{factsOf(t, p, 0, senderChange), record.Gather(senderChange, in)} {
						var stand []string
						for _, e := range slices.Concat(f.Own, f.Evidence) {
							if v, ok := e.Fact.(*record.Validation); ok {
								stand = append(stand, e.Sender+" "+v.Conclusion)
							}
						}
						slices.Sort(stand)
						if diff := cmp.Diff(c.stand, stand); diff != "" || len(f.Altered()) != c.altered || len(f.SharedSource()) != c.shared {
							t.Errorf("altered %d, shared %d, want %d, %d; kept (-want +got):\n%s", len(f.Altered()), len(f.SharedSource()), c.altered, c.shared, diff)
						}
					}
				}
			})
		}
	}
}

// TestTheEarlierArrivalStands checks that the earlier arrival is kept, whichever event comes
// first, for example if one was sent on to another partition.
func TestTheEarlierArrivalStands(t *testing.T) {
	head := fmt.Sprintf("%040x", 1)
	opened := stated(t, "platform:github", "0", senderChange, 0, &record.Opened{Revision: record.Revision{HeadSHA: head}})
	for name, f := range map[string]record.Fact{
		"a decision": &record.Decision{Agent: record.Agent{ID: "a"}},
		"a test":     &record.Validation{Name: "unit", CommitSHA: head},
		"a scan":     &record.Scan{Tool: record.Tool{Name: "x"}, CommitSHA: head, Findings: []record.Finding{{ID: "CVE-1", Fingerprint: "f"}}},
	} {
		for _, change := range []record.ChangeID{senderChange, ""} {
			if _, decision := f.(*record.Decision); decision && change == "" {
				continue
			}
			early, late := stated(t, "agent:a", "1", change, 5, f), stated(t, "agent:a", "1", change, 90, f)
			early.Imported = true
			for _, in := range [][]record.Event{{opened, early, late}, {opened, late, early}, {late, opened, early, late}} {
				p := replay(t, openTestStore(t), rand.New(rand.NewPCG(1, 1)), in)
				facts := factsOf(t, p, 0, senderChange)
				for _, e := range slices.Concat(facts.Own, facts.Evidence) {
					if e.ID == "1" && (!e.Arrived.Equal(early.Arrived) || !e.Imported || e.Sender != "agent:a") {
						t.Errorf("%s: it arrived %s, imported %t", name, e.Arrived, e.Imported)
					}
				}
				if len(facts.Own)+len(facts.Evidence) < 2 {
					t.Errorf("%s: %d facts", name, len(facts.Own)+len(facts.Evidence))
				}
			}
		}
	}
}
