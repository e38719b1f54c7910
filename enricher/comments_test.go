package enricher

import (
	"fmt"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

// TestWhatAChangeRestsOnDoesNotGrowWithComments compares the state of a change with 5,000
// comments with that of a change with 50: judging both reads the same amount. Each comment leaves
// its identity, a few bytes that are only read by key, until evidence expires.
func TestWhatAChangeRestsOnDoesNotGrowWithComments(t *testing.T) {
	const maxIdentity = 80 // key and value
	read := make(map[int]int)
	for _, n := range []int{50, 5000} {
		m := newMill(t, openTestStore(t), 1, false)
		const id = record.ChangeID("github.com/acme/shop/pull/1")
		m.put("/host", "opened", "github.com/acme/shop", &record.Opened{Revision: record.Revision{HeadSHA: "abcdef0", Files: []string{"a.go"}}}, subject(id))
		m.put("/host", "approved", "github.com/acme/shop", &record.Review{Reviewer: "ana", Verdict: "approved", CommitSHA: "abcdef0"}, subject(id))
		for i := range n {
			m.at = m.at.Add(time.Second)
			m.put("/host", fmt.Sprint("comment-", i), "github.com/acme/shop", &record.Review{Reviewer: fmt.Sprint("person-", i%20), Verdict: "commented"}, subject(id))
			if i%500 == 499 {
				m.run()
			}
		}
		m.run()
		identities := 0
		for k, v := range contentOf(t, m.store) {
			if k[4] == kindIdentity {
				identities++
				if len(k)+len(v) > maxIdentity {
					t.Fatalf("an identity takes %d bytes", len(k)+len(v))
				}
				continue
			}
			read[n] += len(k) + len(v)
		}
		if identities != n-20 {
			t.Errorf("%d comments leave %d identities", n, identities)
		}
		facts := factsOf(t, m.e.state, m.e.partitions.Of("github.com/acme/shop"), id)
		if len(facts.Own) != 22 || facts.Superseded != int64(n-20) {
			t.Errorf("%d comments: %d facts are read, %d were superseded", n, len(facts.Own), facts.Superseded)
		}
	}
	if read[5000] > read[50]+100 {
		t.Errorf("with 5,000 comments %d bytes are read, with 50 %d", read[5000], read[50])
	}
}
