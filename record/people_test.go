package record

import (
	"slices"
	"strings"
	"testing"
)

// A renamed account stays the same account: for who made the change, who belongs to a group and
// who is not a person.
func TestARenamedAccountIsTheSame(t *testing.T) {
	authority := Authority{
		Verdict: ReviewRequired,
		Demands: []Demand{{Verdict: ReviewRequired, InGroup: func(account string) bool { return account == "id:4" || account == "ben" }}},
		Person: func(account string) (string, bool) {
			who, listed := map[string]string{"id:4": "ana.p", "ben": "ben.k"}[account]
			if !listed {
				who = account
			}
			return who, listed
		},
		IsPerson: func(account string) bool { return account != "id:1" && !strings.HasSuffix(account, "[bot]") },
	}
	review := func(minute int, who, number string) Event {
		return said(minute, &Review{Reviewer: who, ReviewerID: number, Verdict: "approved", CommitSHA: sha(1)})
	}
	for _, c := range []struct {
		name, author string
		reviews      []Event
		answer, gap  string
	}{
		{"listed by number", "eve", []Event{review(2, "ana-now", "4")}, Proven, ""},
		{"listed by a former name", "eve", []Event{review(2, "ben", "5"), review(3, "ben-now", "5")}, Proven, ""},
		{"the author, under another name", "eve", []Event{review(2, "eve-now", "7")}, Unproven, GapSelfApproval},
		{"an agent, under another name", "mo", []Event{review(2, "autofix", "1")}, Unproven, GapApprovedByBot},
		{"somebody else", "eve", []Event{review(2, "carl", "9")}, Partial, GapOutsideGroup},
	} {
		opened := Revision{Author: c.author, AuthorID: map[string]string{"eve": "7"}[c.author], HeadSHA: sha(1), Files: []string{"x.go"}}
		r := fold(append(c.reviews, said(1, &Opened{opened}), said(9, &Merged{MergeSHA: sha(2), Revision: Revision{HeadSHA: sha(1)}}))...)
		r.Judge(authority)
		if r.Trail.Answers.Reviewed != c.answer || c.gap != "" && !slices.Contains(r.Trail.Gaps, c.gap) {
			t.Errorf("%s: %s %v", c.name, r.Trail.Answers.Reviewed, r.Trail.Gaps)
		}
	}
}

// The account of an agent shows that it made the change, under any of its names.
func TestMarksHaveAllNamesOfAnAccount(t *testing.T) {
	r := fold(said(1, &Opened{Revision{Author: "fixer[bot]", AuthorID: "1"}}), said(2, &Updated{Revision{Author: "autofix", AuthorID: "1"}}))
	if got := strings.Join(r.Marks.Accounts, " "); got != "autofix id:1 fixer[bot]" {
		t.Errorf("accounts: %s", got)
	}
	if r.Recognize("fixer", []string{"account fixer[bot]"}, func(a string) string { return a }); !r.Judged.AgentSeen {
		t.Error("nobody saw the agent")
	}
}

// The environments of a change are judged by observed deployments of its commits, and by all of
// them.
func TestEnvironmentsThatAreJudged(t *testing.T) {
	deployed := func(minute int, environment, outcome, commit string) Event {
		return about(minute, &Deployment{Environment: environment, Outcome: outcome, CommitSHA: commit})
	}
	claimed := deployed(5, "claimed", "success", sha(1))
	claimed.Witness = Claimed
	lie := said(3, &Updated{Revision{HeadSHA: sha(7)}})
	lie.Witness = Claimed
	events := []Event{
		said(1, &Opened{Revision{HeadSHA: sha(1)}}), lie, claimed, deployed(6, "failed", "failure", sha(1)),
		deployed(7, "of another commit", "success", sha(7)), said(8, &Merged{MergeSHA: sha(2)}),
	}
	if got := fold(events...).Judged.Environments; got != nil {
		t.Errorf("no deployment was observed, and it is judged as deployed to %v", got)
	}
	for i := range 80 {
		events = append(events, deployed(10+i, "site-"+strings.Repeat("i", i), "success", sha(2)))
	}
	if got := fold(append(events, deployed(99, "zone", "success", sha(1)))...).Judged.Environments; len(got) != 81 || got[80] != "zone" {
		t.Errorf("%d environments are judged: %v", len(got), got)
	}
}

// A refused identity is reported for every change, including one that a person made.
func TestARefusedIdentityIsAGap(t *testing.T) {
	r := fold(said(1, &Opened{Revision{Author: "ana", HeadSHA: sha(1)}}), said(2, &IdentityRefused{Agent: "a", Credential: "ci"}))
	r.Judge(Authority{})
	if !slices.Contains(r.Trail.Gaps, GapIdentityContradicted) || r.Trail.Answers.Authorized != "" {
		t.Errorf("%v, gaps %v", r.Trail.Answers, r.Trail.Gaps)
	}
}

// The answer that no review is required needs all facts too.
func TestNothingIsCertainOfWhatWasLeftOut(t *testing.T) {
	r := fold(said(1, &Opened{Revision{Author: "a[bot]", Agent: "a", HeadSHA: sha(1), Files: []string{"x"}}}), said(2, &Merged{MergeSHA: sha(2)}))
	for leftOut, want := range []string{NotRequired, Partial} {
		r.Trail.LeftOut, r.Judged.AgentSeen = int64(leftOut), true
		r.Judge(Authority{Verdict: Autonomous, Least: Autonomous})
		if got := r.Trail.Answers.Reviewed; got != want {
			t.Errorf("%d left out: %s, want %s", leftOut, got, want)
		}
	}
}

// If not all files are known, it is also unknown whether an approval covers them.
func TestAnApprovalMayCoverWhatIsNotKnown(t *testing.T) {
	demand := func(covers bool) []Demand {
		return []Demand{{Verdict: ApprovalRequired, Covers: func(_, _ []string) bool { return covers }}}
	}
	authority := Authority{Verdict: ApprovalRequired, Least: ApprovalRequired, Demands: demand(false), LeastDemands: demand(true), Ways: [][]Way{{{Verdict: ApprovalRequired, Demands: demand(true)}}}}
	for files, want := range map[string]string{"": Unproven, "x": Contradicted} {
		opened := Revision{Author: "a[bot]", Agent: "a", HeadSHA: sha(1)}
		if files != "" {
			opened.Files = []string{files}
			authority.Ways[0][0].Demands = demand(false)
		}
		r := fold(said(1, &Opened{opened}), said(2, &Approval{Approver: "ana", Scope: []string{"docs/**"}}), said(3, &Merged{MergeSHA: sha(2), Revision: Revision{HeadSHA: sha(1)}}))
		r.Trail.Change.InitiatedBy = "agent"
		r.Judge(authority)
		authority.Ways[0][0].Demands = demand(true)
		if got := r.Trail.Answers.Authorized; got != want {
			t.Errorf("files %q: %s, want %s: %v", files, got, want, r.Trail.Gaps)
		}
	}
}
