package record

import (
	"fmt"
	"maps"
	"slices"
)

// approvers are the people who gave an approval, sorted for one demand. One person is counted once,
// under whatever accounts.
type approvers struct {
	sure     map[string]string   // whose approval counts: by person, the account that gave it
	doubtful map[string]bool     // whose approval counts unless it is true that they took part, which is only claimed
	given    map[string]bool     // whose approval came from a witness who can know it
	flaws    map[string][]string // why approvals of a person do not count
}

func (j *judge) approversFor(d Demand) approvers {
	out := approvers{make(map[string]string), make(map[string]bool), make(map[string]bool), make(map[string][]string)}
	refused := j.refusals()
	for _, p := range j.record.Judged.approvals {
		if p.Verdict == "refused" || !j.people.isPerson(p.Approver, "") {
			continue
		}
		who := j.people.who(p.Approver)
		if canKnow(p.Tier) {
			out.given[who] = true
		}
		flaws := j.flaws(p, d, refused[who])
		switch {
		case flaws != nil:
		case j.people.mayHave(p.Approver):
			out.doubtful[who], flaws = true, []string{GapUnverifiedSource}
		case out.sure[who] == "":
			out.sure[who] = p.Approver
		}
		out.flaws[who] = append(out.flaws[who], flaws...)
	}
	return out
}

// missingApproval returns the gaps of a demand for the approval of people: why approvals do not
// count, and that there are too few. It returns nil if the demand is met. doubt reports whether it
// would be met if those who are only claimed to have taken part did not.
func (j *judge) missingApproval(d Demand) (gaps []string, doubt bool) {
	if d.Nobody {
		return []string{GapApprovalMissing}, false
	}
	by := j.approversFor(d)
	if len(by.sure) >= d.number() {
		return nil, false
	}
	for who, flaws := range by.flaws {
		if by.sure[who] == "" {
			gaps = append(gaps, flaws...)
		}
	}
	if len(by.given) < d.number() {
		gaps = append(gaps, GapApprovalMissing)
	}
	return gaps, len(by.sure)+len(by.doubtful) >= d.number()
}

// whoApproved returns the accounts whose approval counts for a demand, sorted.
func (j *judge) whoApproved(d Demand) []string {
	if d.Verdict != ApprovalRequired || d.Nobody {
		return nil
	}
	return slices.Sorted(maps.Values(j.approversFor(d).sure))
}

// soFar says how many people have approved, in words for one person and for other numbers. It is
// empty unless several people must.
func (j *judge) soFar(one, others string) string {
	fewest, several := 0, false
	for _, d := range j.record.Judged.Unmet {
		if d.number() > 1 && (!several || len(d.Approved) < fewest) {
			fewest, several = len(d.Approved), true
		}
	}
	switch {
	case !several:
		return ""
	case fewest == 1:
		return ": " + fmt.Sprintf(one, fewest)
	}
	return ": " + fmt.Sprintf(others, fewest)
}

// approvers returns how many different people must approve beforehand, if more than one must;
// otherwise 0.
func (a Authority) approvers() int {
	most := 0
	for _, d := range a.Demands {
		most = max(most, d.People)
	}
	return most
}
