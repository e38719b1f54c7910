package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A Population is the complete list of the changes that a question selects, and what is known about
// its completeness.
type Population struct {
	Question Question  `json:"question"`
	ReadAt   time.Time `json:"read_at"`
	Source   string    `json:"source"` // the store that was read
	Items    []Item    `json:"items"`  // in the order of their ids
	// Digest is the SHA-256 digest of the population as CSV (see [Population.WriteCSV]).
	Digest string `json:"digest"`
	// Found is how many records the index found, and Read how many it returned.
	Found int `json:"found"`
	Read  int `json:"read"`
	// Elsewhere counts, by repository, the changes that were merged in the window and have no reported
	// deployment to the environment. They are not in the population.
	Elsewhere []Count `json:"elsewhere,omitempty"`
	// Parts is how many records were left out because they belong to another change.
	Parts int `json:"parts,omitzero"`
	// Checks say what is known about the completeness of the population.
	Checks []Check `json:"checks"`
}

// A Count is how often a value occurs.
type Count struct {
	Value string `json:"value"`
	N     int    `json:"n"`
}

// A Check is one thing that an auditor asks about the completeness of a population.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Text   string `json:"text"` // one or two sentences
	// Details are one line each; Total is how many there are if not all of them are listed.
	Details []string `json:"details,omitempty"`
	Total   int      `json:"total,omitzero"`
}

// A Status says how a check ended.
type Status string

// States of a check. What could not be checked is unknown, which is not ok.
const (
	OK         Status = "ok"
	Deviation  Status = "deviation"
	NotChecked Status = "unknown"
)

// A Collector makes a population from records.
type Collector struct {
	p         Population
	elsewhere map[string]int
	seen      map[record.ChangeID]bool
	twice     []string
}

// NewCollector returns a collector for a question. readAt is when the records are read, and source
// names the store.
func NewCollector(q Question, source string, readAt time.Time) *Collector {
	return &Collector{
		p:         Population{Question: q, Source: source, ReadAt: readAt.UTC()},
		elsewhere: make(map[string]int), seen: make(map[record.ChangeID]bool),
	}
}

// Add adds a record that the search of the question found.
func (c *Collector) Add(r *record.Record) {
	c.p.Read++
	at := r.Trail.Change.MergedAt
	switch {
	case r.Trail.Change.PartOf != "":
		c.p.Parts++
	case at.Before(c.p.Question.From) || !at.Before(c.p.Question.To): // searches compare milliseconds
	case c.p.Question.Environment != "" && !slices.Contains(r.Trail.Environment, c.p.Question.Environment):
		c.elsewhere[string(r.Trail.Change.Repository)]++
	case c.seen[r.Trail.Change.ID]:
		c.twice = append(c.twice, string(r.Trail.Change.ID))
	default:
		c.seen[r.Trail.Change.ID] = true
		c.p.Items = append(c.p.Items, itemOf(r))
	}
}

// Population returns what was collected. found is how many records the index found.
func (c *Collector) Population(found int, more ...Check) (*Population, error) {
	p := &c.p
	p.Found = found
	slices.SortFunc(p.Items, func(a, b Item) int { return cmp.Compare(a.Change, b.Change) })
	for i := range p.Items {
		p.Items[i].Number = i + 1
	}
	p.Elsewhere = counts(c.elsewhere)
	h := sha256.New()
	if err := p.WriteCSV(h); err != nil {
		return nil, err
	}
	p.Digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	p.Checks = append([]Check{c.read(), c.once(), p.incomplete(), p.elsewhere()}, more...)
	return p, nil
}

func (c *Collector) read() Check {
	k := Check{Name: "records read", Status: OK, Text: fmt.Sprintf("The index found %d records and returned %d, as they were at one moment.", c.p.Found, c.p.Read)}
	if c.p.Found != c.p.Read {
		k.Status = Deviation
	}
	return k
}

func (c *Collector) once() Check {
	if len(c.twice) == 0 {
		return Check{Name: "changes listed twice", Status: OK, Text: "No two records are about the same change."}
	}
	return Check{Name: "changes listed twice", Status: Deviation, Text: fmt.Sprintf("%d changes have a second record, perhaps in another namespace; only one of each is listed.", len(c.twice)), Details: listed(c.twice), Total: len(c.twice)}
}

// incomplete names the changes whose records lack facts.
func (p *Population) incomplete() Check {
	k := Check{Name: "records that were cut", Status: OK, Text: "No record says that facts were left out."}
	var cut []string
	for _, i := range p.Items {
		if i.Incomplete {
			cut = append(cut, string(i.Change))
		}
	}
	if len(cut) > 0 {
		k.Status, k.Text, k.Details, k.Total = Deviation, fmt.Sprintf("Facts were left out of %d records because there were more than a record may contain.", len(cut)), listed(cut), len(cut)
	}
	return k
}

// elsewhere says what the environment left out.
func (p *Population) elsewhere() Check {
	k := Check{Name: "deployments", Status: OK}
	n := 0
	for _, c := range p.Elsewhere {
		n += c.N
		k.Details = append(k.Details, fmt.Sprintf("%s: %d", c.Value, c.N))
	}
	k.Total = len(k.Details)
	k.Details = listed(k.Details)
	switch {
	case p.Question.Environment == "":
		k.Text = "The question does not ask for an environment."
	case n == 0:
		k.Text = fmt.Sprintf("Of every change that was merged in the window, a deployment to %s was reported.", p.Question.Environment)
	default:
		k.Status = NotChecked
		k.Text = fmt.Sprintf("%d changes were merged in the window, and no deployment of them to %s was reported. They are not in the population. Whether they were deployed is not known; changetrail audit reconcile --deployments compares with the deployments themselves.", n, p.Question.Environment)
	}
	return k
}

// maxDetails is how many details a check lists.
const maxDetails = 100

func listed(all []string) []string { return all[:min(len(all), maxDetails)] }

// By counts the items by a property. An item may have several values; one without a value counts as
// none.
func (p *Population) By(none string, values func(Item) []string) []Count {
	n := make(map[string]int)
	for _, i := range p.Items {
		v := values(i)
		if len(v) == 0 {
			v = []string{none}
		}
		for _, value := range v {
			n[value]++
		}
	}
	return counts(n)
}

// Days counts the items by the day (UTC) of their merge, in order of time.
func (p *Population) Days() []Count {
	out := p.By("", func(i Item) []string { return []string{i.MergedAt.Format(time.DateOnly)} })
	slices.SortFunc(out, func(a, b Count) int { return cmp.Compare(a.Value, b.Value) })
	return out
}

// counts returns the counts, the highest first.
func counts(n map[string]int) []Count {
	var out []Count
	for value, n := range n {
		out = append(out, Count{value, n})
	}
	slices.SortFunc(out, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Value, b.Value)) })
	return out
}

// WriteCSV writes the population as a table, whose SHA-256 digest is that of the population. A
// spreadsheet reads none of its texts as a formula.
func (p *Population) WriteCSV(w io.Writer) error {
	return writeRows(w, p.Items)
}

func writeRows(w io.Writer, items []Item) error {
	out := csv.NewWriter(w)
	if err := out.Write(Columns); err != nil {
		return err
	}
	for _, i := range items {
		row := i.Row()
		for k, text := range row {
			row[k] = query.EscapeFormula(text)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
