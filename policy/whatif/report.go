package whatif

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/policy"
)

// A Report answers a question.
type Report struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Threshold string    `json:"threshold,omitempty"`
	Mode      string    `json:"mode,omitempty"`
	Policy    string    `json:"policy,omitempty"` // digest of the other policy, before its threshold or mode was moved
	InForceBy []string  `json:"in_force_by"`      // digests of the policies that were in force

	Decided   int     `json:"decided"`   // merged changes of agents that both policies decide
	Undecided []Count `json:"undecided"` // the others, by reason
	People    int     `json:"people"`    // merged changes of people, about which no policy decides
	NotMerged int     `json:"not_merged"`

	InForce Totals `json:"in_force"`
	Instead Totals `json:"instead"`

	// Requests to people, by class of the service, by who is asked, and by hour and day (UTC) of the
	// opening. Hours and days without requests are included.
	Classes []Row `json:"classes"`
	Teams   []Row `json:"teams"`
	Hours   []Row `json:"hours"`
	Days    []Row `json:"days"`

	Bad          Effects `json:"bad"`           // changes that turned out bad
	Others       Effects `json:"others"`        // changes of which nothing bad is known
	UndecidedBad int     `json:"undecided_bad"` // bad changes that cannot be decided

	Changes []*Change `json:"changes"` // the oldest merge first
}

// A Count is how many changes have a reason.
type Count struct {
	Reason  string `json:"reason"`
	Changes int    `json:"changes"`
}

// Totals sum up what one policy requires.
type Totals struct {
	Free     int     `json:"free"`     // changes that need no person
	Asked    int     `json:"asked"`    // changes that need a person
	Stopped  int     `json:"stopped"`  // changes that no person can allow
	Requests int     `json:"requests"` // to people; a change may need several
	ADay     float64 `json:"a_day"`    // requests, on average
	Busiest  string  `json:"busiest,omitempty"`
	Most     int     `json:"most"` // requests on the busiest day
}

// A Row counts requests to people under both policies.
type Row struct {
	Name    string `json:"name"`
	InForce int    `json:"in_force"`
	Instead int    `json:"instead"`
}

// Effects count changes by the effect of the other policy.
type Effects struct {
	Stopped int `json:"stopped"` // no person could have allowed them
	Waiting int `json:"waiting"` // somebody more is asked, and no independent person had approved them
	Seen    int `json:"seen"`    // somebody more is asked, and an independent person had approved them anyway
	Freed   int `json:"freed"`   // nobody is asked any more, or a person may allow what nobody could
	Same    int `json:"same"`
}

func (e *Effects) add(c *Change) {
	switch {
	case c.Effect == Stopped:
		e.Stopped++
	case c.Effect == Asked && c.Reviewed:
		e.Seen++
	case c.Effect == Asked:
		e.Waiting++
	case c.Effect == Freed:
		e.Freed++
	default:
		e.Same++
	}
}

// NoClass is the row of changes whose service is not known.
const NoClass = "service unknown"

// Report answers the question from the records that were added.
func (s *Study) Report() *Report {
	for _, r := range s.reports {
		for _, i := range s.names.find(r) {
			if c, sign := s.at[i], r.sign(); c != nil && !slices.Contains(c.Signs, sign) {
				c.Signs = append(c.Signs, sign)
			}
		}
	}
	s.reports = nil
	slices.SortFunc(s.changes, func(a, b *Change) int {
		return cmp.Or(a.MergedAt.Compare(b.MergedAt), strings.Compare(string(a.ID), string(b.ID)))
	})
	q := s.question
	out := &Report{
		From: q.From.UTC(), To: q.To.UTC(), Threshold: q.Threshold, Mode: q.Mode, InForceBy: slices.Sorted(maps.Keys(s.used)),
		People: s.people, NotMerged: s.notMerged, Changes: s.changes,
	}
	if q.Other != nil {
		out.Policy = q.Other.Digest()
	}
	undecided := make(map[string]int)
	t := newTables(q.From, q.To)
	for _, c := range s.changes {
		if c.Undecided != "" {
			undecided[c.Undecided]++
			if c.Bad() {
				out.UndecidedBad++
			}
			continue
		}
		out.Decided++
		t.add(c)
		out.InForce.add(c.InForce)
		out.Instead.add(c.Instead)
		if c.Bad() {
			out.Bad.add(c)
		} else {
			out.Others.add(c)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(undecided)) {
		out.Undecided = append(out.Undecided, Count{reason, undecided[reason]})
	}
	t.fill(out)
	return out
}

func (t *Totals) add(o Outcome) {
	switch {
	case o.Stopped:
		t.Stopped++
	case len(o.Requests) > 0:
		t.Asked++
	default:
		t.Free++
	}
	t.Requests += len(o.Requests)
}

// tables count requests by name.
type tables struct{ classes, teams, hours, days map[string]*Row }

const hour, day = "15", time.DateOnly // layouts

func newTables(from, to time.Time) tables {
	t := tables{make(map[string]*Row), make(map[string]*Row), make(map[string]*Row), make(map[string]*Row)}
	for h := range 24 {
		row(t.hours, time.Date(2000, 1, 1, h, 0, 0, 0, time.UTC).Format(hour))
	}
	for d := from.UTC().Truncate(24 * time.Hour); d.Before(to); d = d.AddDate(0, 0, 1) {
		row(t.days, d.Format(day))
	}
	return t
}

func row(in map[string]*Row, name string) *Row {
	if in[name] == nil {
		in[name] = &Row{Name: name}
	}
	return in[name]
}

func (t tables) add(c *Change) {
	for _, r := range []*Row{row(t.classes, cmp.Or(c.Class, NoClass)), row(t.hours, c.AskedAt.Format(hour)), row(t.days, c.AskedAt.Format(day))} {
		r.InForce += len(c.InForce.Requests)
		r.Instead += len(c.Instead.Requests)
	}
	for _, r := range c.InForce.Requests {
		row(t.teams, r.By).InForce++
	}
	for _, r := range c.Instead.Requests {
		row(t.teams, r.By).Instead++
	}
}

// fill sets the rows of a report: classes from the most critical one, teams from the one that is
// asked most, hours and days in order.
func (t tables) fill(r *Report) {
	classes := append(slices.Clone(policy.Classifications), NoClass)
	r.Classes = sorted(t.classes, func(a, b Row) int {
		return cmp.Compare(slices.Index(classes, a.Name), slices.Index(classes, b.Name))
	})
	r.Teams = sorted(t.teams, func(a, b Row) int {
		return cmp.Or(cmp.Compare(max(b.InForce, b.Instead), max(a.InForce, a.Instead)), strings.Compare(a.Name, b.Name))
	})
	byName := func(a, b Row) int { return strings.Compare(a.Name, b.Name) }
	r.Hours, r.Days = sorted(t.hours, byName), sorted(t.days, byName)
	days := r.To.Sub(r.From).Hours() / 24
	r.InForce.ADay, r.Instead.ADay = float64(r.InForce.Requests)/days, float64(r.Instead.Requests)/days
	for _, d := range r.Days {
		if d.InForce > r.InForce.Most {
			r.InForce.Busiest, r.InForce.Most = d.Name, d.InForce
		}
		if d.Instead > r.Instead.Most {
			r.Instead.Busiest, r.Instead.Most = d.Name, d.Instead
		}
	}
}

func sorted(rows map[string]*Row, by func(a, b Row) int) []Row {
	out := make([]Row, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, by)
	return out
}
