package approvals

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A message is an entry with the time at which the broker received it.
type message struct {
	entry
	at time.Time
}

// history returns a random topic: few ids, so that entries meet, and many repetitions.
func history(rnd *rand.Rand) []message {
	began := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	id := func(of string, n int) string { return fmt.Sprint(of, rnd.IntN(n)) }
	var out []message
	for n := range 5 + rnd.IntN(40) {
		at := began.Add(time.Duration(n) * time.Minute)
		if n > 0 && rnd.IntN(4) == 0 { // a retry, or a copy that somebody with access to the topic made
			out = append(out, message{out[rnd.IntN(n)].entry, at})
			continue
		}
		var e entry
		switch rnd.IntN(10) {
		case 0, 1:
			g := grantOf(id("g", 4), rnd.IntN(4))
			g.Until = at.Add(time.Duration(rnd.IntN(40)) * time.Minute)
			if rnd.IntN(3) == 0 {
				g.Request = id("q", 4)
			}
			e.Grant = &g
		case 2:
			e.Request = &Request{ID: id("q", 4), Agent: "fixer", Repository: repository}
		case 3:
			e.Refusal = &Refusal{ID: id("n", 9), Request: id("q", 4), Person: "ben"}
		case 4:
			e.Revocation = &Revocation{ID: id("r", 9), Grant: id("g", 4), Person: "ben"}
		default:
			e.Use = &Use{id("g", 4), record.ChangeID(id("c", 6))}
		}
		out = append(out, message{e, at})
	}
	return out
}

// users is what the rules say about a grant, read from the whole topic: the first entry with its id is
// the grant; until it is revoked or over, the first changes use it, as many as it allows.
func users(topic []message, id string) (out []record.ChangeID, revoked bool) {
	first := slices.IndexFunc(topic, func(m message) bool { return m.Grant != nil && m.Grant.ID == id })
	if first < 0 {
		return nil, false
	}
	end := len(topic)
	for i := len(topic) - 1; i > first; i-- {
		if r := topic[i].Revocation; r != nil && r.Grant == id {
			end, revoked = i, true
		}
	}
	g := topic[first].Grant
	for _, m := range topic[first:end] {
		if m.Use != nil && m.Use.Grant == id && !m.at.After(g.Until) && !slices.Contains(out, m.Use.Change) {
			out = append(out, m.Use.Change)
		}
	}
	if g.Uses > 0 {
		out = out[:min(len(out), g.Uses)]
	}
	return out, revoked
}

// waiting is what the rules say about requests: those that no grant names and no refusal.
func waiting(topic []message) (out []string) {
	grants := make(map[string]bool)
	for _, m := range topic {
		answers := func(o message) bool {
			if o.Grant != nil && o.Grant.Request == m.Request.ID {
				first := slices.IndexFunc(topic, func(p message) bool { return p.Grant != nil && p.Grant.ID == o.Grant.ID })
				return topic[first].Grant.Request == m.Request.ID
			}
			return o.Refusal != nil && o.Refusal.Request == m.Request.ID
		}
		if m.Request != nil && !grants[m.Request.ID] && !slices.ContainsFunc(topic, answers) {
			grants[m.Request.ID] = true
			out = append(out, m.Request.ID)
		}
	}
	slices.Sort(out)
	return out
}

// TestALedgerIsWhatTheRulesSay: after each entry of 10,000 random topics, with entries in any order and
// repeated at random, the ledger agrees with another reading of the whole topic. More distinct changes
// than it allows never use a grant, and no change loses a use that it has.
func TestALedgerIsWhatTheRulesSay(t *testing.T) {
	for seed := range uint64(10_000) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		topic := history(rnd)
		l := newLedger()
		before := make(map[string][]record.ChangeID)
		for n, m := range topic {
			l.add(m.entry, m.at)
			for id, s := range l.grants {
				want, revoked := users(topic[:n+1], id)
				switch used := s.at(m.at).UsedBy; {
				case !slices.Equal(used, want), revoked != (s.Revocation != nil):
					t.Fatalf("seed %d, entry %d: %s is used by %v, revoked %v; want %v, %v", seed, n, id, used, s.Revocation != nil, want, revoked)
				case s.Uses > 0 && len(used) > s.Uses:
					t.Fatalf("seed %d, entry %d: %s is used by %d changes of %d", seed, n, id, len(used), s.Uses)
				case !slices.Equal(before[id], used[:len(before[id])]):
					t.Fatalf("seed %d, entry %d: a change lost the use of %s", seed, n, id)
				default:
					before[id] = used
				}
			}
			var open []string
			for _, r := range l.open(m.at) {
				open = append(open, r.ID)
			}
			if slices.Sort(open); !slices.Equal(open, waiting(topic[:n+1])) {
				t.Fatalf("seed %d, entry %d: %v wait, not %v", seed, n, open, waiting(topic[:n+1]))
			}
		}
	}
}

// FuzzRead: whatever is in a message, it is read as an entry that this package writes, or refused; and
// what is read is written as the same entry again.
func FuzzRead(f *testing.F) {
	g := grantOf("g1", 2)
	g.Kinds, g.Change, g.Request = []string{"code"}, "github.com/acme/shop/pull/7", "q1"
	for _, e := range []entry{
		{Grant: &g},
		{Request: &Request{ID: "q1", Agent: "fixer", Repository: repository, Services: []string{"payments"}, Paths: []string{"a/b"}, Does: "push"}},
		{Refusal: &Refusal{ID: "n1", Request: "q1", Person: "ben", Reason: "no"}},
		{Revocation: &Revocation{ID: "r1", Grant: "g1", Person: "ben", Reason: "no"}},
		{Use: &Use{"g1", "github.com/acme/shop/pull/7"}},
	} {
		text, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"grant":{},"use":{}}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := read(keys, "t", text, sign(keys, "u", text)); err == nil {
			t.Fatal("an entry of another topic counts")
		}
		e, err := read(keys, "t", text, sign(keys, "t", text))
		if err != nil {
			return
		}
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		other, err := read(keys, "t", again, sign(keys, "t", again))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v: %s", err, again)
		}
		if last, _ := json.Marshal(other); string(last) != string(again) {
			t.Fatalf("%s became %s", again, last)
		}
		newLedger().add(e, time.Now())
	})
}
