package say

import (
	"strings"

	"github.com/changetrail/changetrail/record"
)

// reviewed says who reviewed the change, and when.
func (s explainer) reviewed() string {
	reason := s.why.Reviewed
	v := s.counted()
	if v == nil {
		return reason
	}
	t := s.r.Trail
	switch at := on(v.SubmittedAt) + s.fromMerge(v.SubmittedAt) + "."; {
	case t.Answers.Reviewed == record.Proven:
		return v.Reviewer + " approved " + s.version(v.CommitSHA) + at
	case t.Answers.Reviewed == record.Contradicted && v.Verdict == "changes-requested":
		return v.Reviewer + " asked for changes" + on(v.SubmittedAt) + " and did not withdraw the request before the merge."
	case t.Answers.Reviewed == record.Partial && v.CommitSHA != "" && t.Change.HeadSHA != "" && !s.counts(v.CommitSHA):
		return v.Reviewer + " approved " + Short(v.CommitSHA) + at + " Another commit, " + Short(t.Change.HeadSHA) + ", was merged."
	case t.Answers.Reviewed == record.Partial && v.CommitSHA == "":
		return v.Reviewer + " approved" + at + " Nothing says which commit was approved."
	case t.Answers.Reviewed == record.Pending:
		return reason
	default:
		return sentences(reason, "The review was submitted"+at)
	}
}

// version names the commit that counts, which was approved.
func (s explainer) version(commit string) string {
	if s.r.Trail.Change.State == "merged" {
		return "the merged version (" + Short(commit) + ")"
	}
	return "the newest version (" + Short(commit) + ")"
}

// counted returns the review that the record's reason names, on which the answer is based.
func (s explainer) counted() (found *record.ReviewVerdict) {
	t := s.r.Trail
	if t.Review == nil {
		return nil
	}
	want := "approved"
	if t.Answers.Reviewed == record.Contradicted {
		want = "changes-requested"
	}
	for i, v := range t.Review.Verdicts {
		if v.Verdict != want || !names(s.why.Reviewed, v.Reviewer) {
			continue
		}
		if t.Answers.Reviewed == record.Proven && (!s.counts(v.CommitSHA) || s.afterMerge(v.SubmittedAt)) {
			continue
		}
		found = &t.Review.Verdicts[i]
	}
	return found
}

// counts reports whether an approval of a commit is one of what was merged, or of the newest version.
func (s explainer) counts(commit string) bool {
	c := s.r.Trail.Change
	return record.SameCommit(commit, c.HeadSHA) || record.SameCommit(commit, c.MergeSHA)
}

// names reports whether a sentence contains an account.
func names(sentence, account string) bool {
	if account == "" {
		return false
	}
	for _, word := range strings.Fields(sentence) {
		if strings.Trim(word, ",;:.") == account || word == account {
			return true
		}
	}
	return false
}
