package audit

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/audit/sample"
	"github.com/changetrail/changetrail/record"
)

// A Plan says how a sample is drawn.
type Plan struct {
	Size int   `json:"size"`
	Seed int64 `json:"seed"`
	// By is the property by which the population is divided into strata; empty for none. See
	// [Strata].
	By string `json:"by,omitempty"`
	// Take is how many items each stratum gets. Strata that are not in it share the rest in
	// proportion to their sizes.
	Take map[string]int `json:"take,omitempty"`
	// Confidence of the limits of the rates, such as 0.95.
	Confidence float64 `json:"confidence"`
	// Acceptable is the number of deviations up to which the sample supports the rate from which its
	// size was determined; nil if the size was chosen.
	Acceptable *int `json:"acceptable,omitempty"`
}

// A Sample is the items that are examined.
type Sample struct {
	Plan       Plan      `json:"plan"`
	Population string    `json:"population"` // its digest
	Of         int       `json:"of"`         // items of the population
	Strata     []Stratum `json:"strata"`
	Items      []Item    `json:"items"` // in the order in which they were drawn, stratum after stratum
	Rates      []Rate    `json:"rates"`
}

// A Stratum is a part of the population.
type Stratum struct {
	Name  string `json:"name"`
	Size  int    `json:"size"`
	Taken int    `json:"taken"`
	// Drawn are the numbers that were drawn: the places in the stratum, whose items are in the order
	// of the population.
	Drawn []int `json:"drawn"`
}

// strata are the properties that divide a population.
var strata = map[string]func(Item) string{
	"initiator": func(i Item) string { return i.InitiatedBy },
	"class":     func(i Item) string { return cmp.Or(i.Class, Unknown) },
	"service":   func(i Item) string { return cmp.Or(strings.Join(i.Services, "+"), Unknown) },
	"month":     func(i Item) string { return i.MergedAt.UTC().Format("2006-01") },
}

// Strata are the names of the properties by which a population can be divided: who made the change
// (agent, human or unknown), the highest classification of its services, its services, and the month
// of its merge (UTC).
func Strata() []string { return []string{"initiator", "class", "service", "month"} }

// Draw draws a sample. The same population and the same plan give the same sample: the items of each
// stratum are numbered in the order of their ids, one source of numbers draws from the strata in the
// order of their names, and [sample.Source] says how.
func (p *Population) Draw(plan Plan) (*Sample, error) {
	source, err := sample.NewSource(plan.Seed)
	if err != nil {
		return nil, err
	}
	names, members, err := p.divide(plan.By)
	if err != nil {
		return nil, err
	}
	shares, err := plan.shares(names, members)
	if err != nil {
		return nil, err
	}
	s := &Sample{Plan: plan, Population: p.Digest, Of: len(p.Items)}
	var sampled, all [][]Item
	for i, name := range names {
		of := members[name]
		drawn, err := source.Draw(shares[i], len(of))
		if err != nil {
			return nil, err
		}
		s.Strata = append(s.Strata, Stratum{name, len(of), len(drawn), drawn})
		var items []Item
		for _, n := range drawn {
			items = append(items, of[n-1])
		}
		s.Items = append(s.Items, items...)
		sampled, all = append(sampled, items), append(all, of)
	}
	for _, question := range Questions {
		r, err := rate(question, plan.Confidence, sampled, all)
		if err != nil {
			return nil, err
		}
		s.Rates = append(s.Rates, r)
	}
	return s, nil
}

// divide returns the names of the strata in order, and their items.
func (p *Population) divide(by string) (names []string, members map[string][]Item, err error) {
	of := func(Item) string { return "all" }
	if by != "" {
		known := false
		if of, known = strata[by]; !known {
			return nil, nil, fmt.Errorf("a population is divided by %s, not by %q", strings.Join(Strata(), ", "), by)
		}
	}
	members = make(map[string][]Item)
	for _, i := range p.Items {
		name := of(i)
		members[name] = append(members[name], i)
	}
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, members, nil
}

// shares returns how many items are drawn from each stratum.
func (plan Plan) shares(names []string, members map[string][]Item) ([]int, error) {
	shares, rest := make([]int, len(names)), make([]int, len(names))
	left, total := plan.Size, 0
	for name := range plan.Take {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("no stratum is named %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	for i, name := range names {
		size := len(members[name])
		total += size
		n, set := plan.Take[name]
		switch {
		case n < 0 || n > size:
			return nil, fmt.Errorf("%d items cannot be drawn from stratum %s, which has %d", n, name, size)
		case set:
			shares[i] = n
			left -= n
		default:
			rest[i] = size
		}
	}
	if plan.Size > total || plan.Size < 1 {
		return nil, fmt.Errorf("a sample of %d cannot be drawn from a population of %d", plan.Size, total)
	}
	if left < 0 {
		return nil, fmt.Errorf("the strata take %d items more than the sample has", -left)
	}
	more, err := sample.Share(left, rest)
	if err != nil {
		return nil, fmt.Errorf("the strata do not have the %d items that are left: %w", left, err)
	}
	for i, n := range more {
		shares[i] += n
	}
	return shares, nil
}

// A Rate is how often the answer to a question is not proven.
type Rate struct {
	Question   string `json:"question"` // trigger, alternatives, authorized or reviewed
	Tested     int    `json:"tested"`   // items of the sample to which the question applies
	Deviations int    `json:"deviations"`
	// Limit is the upper limit of the rate among the items of the population to which the question
	// applies, as a fraction of 1, with the confidence of the plan. Of several strata it is the sum
	// of their limits, weighted by their sizes, each with a confidence so high that all of them hold
	// together with that of the plan (Bonferroni): higher than necessary, and right for any division.
	Limit float64 `json:"limit"`
	// Of is how many items of the population the question applies to, and DeviationsOf how many of
	// them deviate by their records.
	Of           int `json:"of"`
	DeviationsOf int `json:"deviations_of"`
}

// Questions are the four questions, by the names of their answers.
var Questions = []string{"trigger", "alternatives", "authorized", "reviewed"}

// Answer returns the answer to one of the [Questions]. It is empty if the question does not apply.
func (i Item) Answer(question string) string {
	switch question {
	case "trigger":
		return i.Answers.Trigger
	case "alternatives":
		return i.Answers.Alternatives
	case "authorized":
		return i.Answers.Authorized
	}
	return i.Answers.Reviewed
}

// Deviates reports whether the answer to a question is a deviation: whatever is not proven. What was
// not required is none.
func (i Item) Deviates(question string) bool {
	switch i.Answer(question) {
	case "", record.Proven, record.NotRequired:
		return false
	}
	return true
}

// A part is what is known of one question in one stratum.
type part struct{ tested, deviations, of, deviationsOf int }

func count(question string, items []Item) (tested, deviations int) {
	for _, i := range items {
		if i.Answer(question) == "" {
			continue
		}
		if tested++; i.Deviates(question) {
			deviations++
		}
	}
	return tested, deviations
}

// rate returns the rate of a question. Each stratum is its items in the sample and in the
// population.
func rate(question string, confidence float64, sampled, all [][]Item) (Rate, error) {
	r := Rate{Question: question}
	var parts []part
	for i := range all {
		var p part
		p.tested, p.deviations = count(question, sampled[i])
		p.of, p.deviationsOf = count(question, all[i])
		if p.of == 0 {
			continue
		}
		parts = append(parts, p)
		r.Tested += p.tested
		r.Deviations += p.deviations
		r.Of += p.of
		r.DeviationsOf += p.deviationsOf
	}
	each := 1 - (1-confidence)/float64(max(1, len(parts)))
	for _, p := range parts {
		limit, err := sample.UpperLimit(p.deviations, p.tested, p.of, each)
		if err != nil {
			return r, err
		}
		r.Limit += limit * float64(p.of) / float64(r.Of)
	}
	return r, nil
}

// Rates counts the deviations of the population itself, by its records. No limit is higher than the
// rate, because all items are known.
func (p *Population) Rates() []Rate {
	var out []Rate
	for _, question := range Questions {
		r := Rate{Question: question}
		r.Of, r.DeviationsOf = count(question, p.Items)
		r.Tested, r.Deviations = r.Of, r.DeviationsOf
		if r.Of > 0 {
			r.Limit = float64(r.Deviations) / float64(r.Of)
		}
		out = append(out, r)
	}
	return out
}

// WriteCSV writes the items of the sample as a table, in the order in which they were drawn.
func (s *Sample) WriteCSV(w io.Writer) error {
	return writeRows(w, s.Items)
}
