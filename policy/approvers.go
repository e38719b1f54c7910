package policy

import (
	"errors"
	"maps"
	"slices"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/record"
)

// maxApprovers is the largest number of people that approvers may require.
const maxApprovers = 9

func (p *Policy) checkApprovers() error {
	var errs []error
	for _, class := range slices.Sorted(maps.Keys(p.Approvers)) {
		switch n := p.Approvers[class]; {
		case !slices.Contains(Classifications, class):
			errs = append(errs, mistake.At("approvers."+class, "approvers: classification %s", nearest.NotOne(class, Classifications)))
		case n < 1 || n > maxApprovers:
			errs = append(errs, mistake.At("approvers."+class, "approvers: %s: %d is not a number of people from 1 to %d", class, n, maxApprovers))
		}
	}
	return errors.Join(errs...)
}

// requirePeople sets how many people must meet each demand for an approval in a service. Nobody can
// meet it if the group has fewer members.
func (p *Policy) requirePeople(s Service, demands []Demand) []Demand {
	n := p.Approvers[s.Classification]
	if n < 2 {
		return demands
	}
	out := slices.Clone(demands)
	for i, d := range out {
		if d.Verdict != record.ApprovalRequired {
			continue
		}
		out[i].People = n
		out[i].Nobody = d.Nobody || len(d.By) > 0 && p.fewer(n, d.By)
	}
	return out
}

// Number returns how many different people must meet d.
func (d Demand) Number() int { return max(d.People, 1) }

// Approvers returns how many different people must approve beforehand, if more than one must;
// otherwise 0.
func (v Verdict) Approvers() int {
	n := 0
	for _, d := range v.Demands {
		if v.Verdict == record.ApprovalRequired {
			n = max(n, d.People)
		}
	}
	return n
}
