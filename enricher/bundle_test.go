package enricher

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// changelog returns copies of the messages of the changelog in out, which are valid for one
// transaction.
func changelog(t *testing.T, out []*stream.Record) (state []*stream.Record) {
	t.Helper()
	for _, r := range out {
		if r.Topic == "b.state" {
			state = append(state, &stream.Record{Topic: r.Topic, Partition: r.Partition, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)})
		}
	}
	return state
}

// TestABundleHoldsItsEntries reads the messages of a load back into the entries from which they
// were made.
func TestABundleHoldsItsEntries(t *testing.T) {
	var entries, written int
	for _, s := range shapes {
		e := loadedEnricher(t, time.Now())
		events := newLoad(t).make(s, min(s.quick, 12))
		for len(events) > 0 {
			n := min(len(events), 7)
			out, err := e.Apply(t.Context(), events[:n])
			if err != nil {
				t.Fatal(err)
			}
			state := changelog(t, out)
			var got []entry
			for _, r := range state {
				if got, err = appendEntries(got, ownKey(r.Partition, string(r.Key)), r.Value); err != nil {
					t.Fatal(err)
				}
			}
			want := slices.Clone(e.pending)
			for _, list := range [][]entry{got, want} {
				slices.SortStableFunc(list, func(a, b entry) int { return bytes.Compare([]byte(a.key), []byte(b.key)) })
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); diff != "" {
				t.Fatalf("%s (-entries +read back):\n%s", s.name, diff)
			}
			entries, written = entries+len(want), written+len(state)
			if err := e.Committed(nil); err != nil {
				t.Fatal(err)
			}
			events = events[n:]
		}
	}
	if t.Logf("%d entries in %d messages", entries, written); written >= entries {
		t.Error("nothing is bundled")
	}
}

// TestAMessageWithOneEntryIsReadAsItIs covers changelogs that were written before there were
// bundles.
func TestAMessageWithOneEntryIsReadAsItIs(t *testing.T) {
	n := nameOf("a")
	for _, x := range []entry{
		{keyOf(1, kindFact, n, string(n[:])), []byte{classOwn, 1, 2}},
		{keyOf(1, kindRef, n, refPosting, string(n[:])), []byte{0}},
		{keyOf(1, kindRef, n, refSubscriber, "/pull/1"), []byte{}},
		{keyOf(1, kindHead, n), []byte{bundled, 1, 'x'}}, // the id of a change may be as long
		{keyOf(1, kindFact, n, string(n[:])), nil},
	} {
		got, err := appendEntries(nil, x.key, x.value)
		if diff := cmp.Diff([]entry{x}, got, cmp.AllowUnexported(entry{})); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

func TestABundleThatIsCutIsAnError(t *testing.T) {
	n := nameOf("a")
	first := entry{keyOf(1, kindFact, n, string(n[:])), []byte{classEvidence, 1, 2}}
	posted := entry{keyOf(1, kindRef, nameOf("ref"), refPosting, string(n[:]), "rest"), []byte{0, 'x'}}
	m := messages("b.state", []entry{first, posted}, make([]stream.Record, 2), new(arena))
	if len(m) != 1 {
		t.Fatalf("%d messages", len(m))
	}
	for cut := 1; cut < len(m[0].Value); cut++ {
		got, err := appendEntries(nil, first.key, m[0].Value[:cut])
		if beforeMembers := len(got) == 1 && bytes.Equal(got[0].value, first.value); err == nil && !beforeMembers {
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
}

// mixed sends a mill everything that is posted, counted, superseded and expired, in a random
// order, with half a year between.
func (m *mill) mixed() {
	m.t.Helper()
	sha := func() string { return fmt.Sprintf("%07x", 0xabcdef0+m.rnd.IntN(5)) }
	change := func() record.ChangeID {
		return record.ChangeID(fmt.Sprintf("github.com/acme/shop-%d/pull/%d", m.rnd.IntN(3), 1+m.rnd.IntN(3)))
	}
	for i := range 60 {
		id, c := fmt.Sprint(m.rnd.IntN(12)), change()
		repo, agent := string(c.Repository()), record.Agent{ID: "coder", Run: fmt.Sprintf("run-%d", m.rnd.IntN(3))}
		report := fmt.Sprintf(`{"results": [{"source": {"path": "package-lock.json", "type": "lockfile"}, "packages": [{"package": {"name": "m", "version": "1", "ecosystem": "npm"}, "vulnerabilities": [{"id": "CVE-2026-%d", "summary": "s"}]}]}]}`, i%4)
		switch m.rnd.IntN(9) {
		case 0:
			m.put("/ci", id, repo, &record.Validation{Name: "unit", CommitSHA: sha(), Conclusion: "success"})
		case 1:
			m.put("/scan", id, repo, &record.Scan{Tool: record.Tool{Name: "osv-scanner"}, CommitSHA: sha(), Report: record.Report{Format: "osv-scanner", Encoding: "json", Content: record.RawJSON(report)}})
		case 2:
			m.put("/coder", id, repo, decision(agent.Run))
		case 3:
			m.put("/coder", id, repo, &record.Action{Agent: agent, Tool: "edit", CommitSHA: sha()})
		case 4:
			m.put("/coder", id, repo, &record.Action{Agent: agent, Tool: "edit"}, subject(c))
		case 5:
			m.put("/host", id, repo, &record.Review{Reviewer: "ana", Verdict: "commented"}, subject(c))
		case 6:
			m.put("/host", id, repo, &record.Opened{Revision: record.Revision{HeadSHA: sha()}}, subject(c))
		case 7:
			m.put("/host", id, repo, &record.Merged{MergeSHA: sha(), MergedBy: "bob"}, subject(c))
		case 8:
			m.put("/host", id, repo, &record.Pushed{Branch: "b", After: sha() + sha() + sha() + sha() + sha() + "abcde", Commits: []record.Commit{{SHA: sha() + sha() + sha() + sha() + sha() + "abcde"}}})
		}
		if m.rnd.IntN(4) == 0 {
			m.run()
		}
		if m.rnd.IntN(20) == 0 {
			m.idle(200 * 24 * time.Hour)
		}
	}
	m.run()
}

// compacted returns a changelog as Kafka may have it after a while: the last message of each key,
// and no deletions.
func compacted(log []*stream.Record) (out []*stream.Record) {
	last := make(map[string]int)
	key := func(r *stream.Record) string { return ownKey(r.Partition, string(r.Key)) }
	for i, r := range log {
		last[key(r)] = i
	}
	for i, r := range log {
		if last[key(r)] == i && r.Value != nil {
			out = append(out, r)
		}
	}
	return out
}

// restored returns a store that an enricher has restored from messages.
func restored(t *testing.T, log []*stream.Record) *store {
	t.Helper()
	s := openTestStore(t)
	for p := range int32(millPartitions) {
		entries, err := unbundle(p, slices.DeleteFunc(slices.Clone(log), func(r *stream.Record) bool { return r.Partition != p }))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.write(entries, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func contentOf(t *testing.T, s *store) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for x, err := range s.each(ownKey(0, ""), ownKey(millPartitions, "")) {
		if err != nil {
			t.Fatal(err)
		}
		if ofThisVersion(x.key) {
			out[x.key] = string(x.value)
		}
	}
	return out
}

// TestACompactedChangelogRestoresTheState compacts a changelog up to each position.
func TestACompactedChangelogRestoresTheState(t *testing.T) {
	for seed := range uint64(6) {
		m := newMill(t, openTestStore(t), seed, false)
		m.mixed()
		want := contentOf(t, m.store)
		for range 4 {
			cut := m.rnd.IntN(len(m.state) + 1)
			got := contentOf(t, restored(t, append(compacted(m.state[:cut]), m.state[cut:]...)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, compacted up to message %d of %d (-state +restored):\n%s", seed, cut, len(m.state), diff)
			}
		}
	}
}

// TestARebuiltStateRestores writes a state that was rebuilt from other events over one that lies
// in bundles.
func TestARebuiltStateRestores(t *testing.T) {
	for seed := range uint64(6) {
		former, fresh := newMill(t, openTestStore(t), seed, false), newMill(t, openTestStore(t), seed+100, false)
		former.mixed()
		fresh.mixed()
		b := &rebuild{}
		log := slices.Clone(former.state)
		o := &outbox{write: func(recs []*stream.Record) error { log = append(log, recs...); return nil }}
		for p := range int32(millPartitions) {
			r := replacement{rebuild: b, partition: p, former: restored(t, former.state), state: &projection{store: fresh.store}, whole: true, out: o}
			if err := r.sendState(); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.flush(); err != nil {
			t.Fatal(err)
		}
		for i := range log {
			log[i].Topic = "b.state"
		}
		got, want := contentOf(t, restored(t, compacted(log))), contentOf(t, fresh.store)
		for _, content := range []map[string]string{got, want} {
			for k, v := range content {
				if !rebuilt(entry{k, []byte(v)}) {
					delete(content, k)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-rebuilt +restored):\n%s", seed, diff)
		}
	}
}
