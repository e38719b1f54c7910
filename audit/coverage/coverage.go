package coverage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A Coverage is what the topics say about the time since the beginning of a window. Events of changes
// that were merged in the window may arrive after it.
type Coverage struct {
	From       time.Time
	Partitions []Partition
	Letters    map[string]int // messages that were refused, by reason
	Sequences  []Sequence     // of senders that number their events
	Unnumbered int            // events without a number
}

// A Partition is what is known of one partition of the events.
type Partition struct {
	Topic  string
	Number int32
	// First is the offset of the first event of the window, and End the offset after the last one.
	First, End int64
	// Kept is the offset of the oldest event that is still in the topic, and Oldest when it arrived.
	Kept   int64
	Oldest time.Time
	// Read is how far the enricher has read.
	Read int64
}

// A Sequence is the numbers of the events of a sender.
type Sequence struct {
	Source  string
	Events  int
	Low     *big.Int // the lowest number
	High    *big.Int // the highest
	Missing *big.Int // how many between them are missing
	Gaps    []string // the first gaps, such as 12 or 14-20
	// Foreign is how many numbers are none, so that nobody can say which one should follow.
	Foreign int
}

// Read reads the topics from the beginning of a window up to now.
func Read(ctx context.Context, kafka stream.Config, topics stream.Topics, from time.Time) (*Coverage, error) {
	partitions, err := stream.Partitions(ctx, kafka, topics)
	if err != nil {
		return nil, err
	}
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	c := &Coverage{From: from, Letters: make(map[string]int)}
	numbers := make(map[string]*numbered)
	for i := range partitions {
		if err := c.partition(ctx, kafka.Partition(topics.Events(), i), numbers); err != nil {
			return nil, err
		}
		if err := c.letters(ctx, kafka.Partition(topics.DLQ(), i)); err != nil {
			return nil, err
		}
	}
	read, err := admin.Committed(ctx, enricher.Group(topics), topics.Events()) // after the ends, which it may have passed
	if err != nil {
		return nil, err
	}
	for i := range c.Partitions {
		c.Partitions[i].Read = read[c.Partitions[i].Number]
	}
	for source, n := range numbers {
		c.Sequences = append(c.Sequences, n.sequence(source))
	}
	slices.SortFunc(c.Sequences, func(a, b Sequence) int { return cmp.Compare(a.Source, b.Source) })
	return c, nil
}

// partition reads the events of a partition.
func (c *Coverage) partition(ctx context.Context, of stream.Partition, numbers map[string]*numbered) error {
	p := Partition{Topic: of.Topic, Number: of.Number, First: -1}
	kept, err := of.Scan(ctx, -1, func(recs []*stream.Record) error {
		for _, r := range recs {
			if stream.IsMarker(r) {
				continue
			}
			if p.Oldest.IsZero() {
				p.Oldest = r.Timestamp.UTC()
			}
			p.End = r.Offset + 1
			if r.Timestamp.Before(c.From) {
				continue
			}
			if p.First < 0 {
				p.First = r.Offset
			}
			c.event(r, numbers)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s/%d: %w", of.Topic, of.Number, err)
	}
	if p.Kept = kept; p.First < 0 {
		p.First = max(p.End, kept)
	}
	p.End = max(p.End, p.First)
	c.Partitions = append(c.Partitions, p)
	return nil
}

// event notes the number of an event. What is no event is a dead letter.
func (c *Coverage) event(r *stream.Record, numbers map[string]*numbered) {
	e, err := schemas.Open(stream.Message(r))
	if err != nil {
		return
	}
	if e.Sequence == "" {
		c.Unnumbered++
		return
	}
	n := numbers[e.Source]
	if n == nil {
		n = new(numbered)
		numbers[e.Source] = n
	}
	n.add(e.Sequence)
}

func (c *Coverage) letters(ctx context.Context, of stream.Partition) error {
	_, err := of.Scan(ctx, -1, func(recs []*stream.Record) error {
		for _, r := range recs {
			if !stream.IsMarker(r) && !r.Timestamp.Before(c.From) {
				c.Letters[cmp.Or(string(stream.LastHeader(r, stream.HeaderReason)), "no reason")]++
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s/%d: %w", of.Topic, of.Number, err)
	}
	return nil
}

// Checks says what this means for a population.
func (c *Coverage) Checks() []audit.Check {
	return []audit.Check{c.keptFrom(), c.processed(), c.refused(), c.numbered()}
}

func (c *Coverage) keptFrom() audit.Check {
	k := audit.Check{Name: "events kept", Status: audit.OK, Text: "No partition lost an event that arrived since the beginning of the window."}
	lost := 0
	for _, p := range c.Partitions {
		line := fmt.Sprintf("%s/%d: offsets %d to %d", p.Topic, p.Number, p.First, p.End-1)
		if p.First == p.End {
			line = fmt.Sprintf("%s/%d: no event since the beginning of the window", p.Topic, p.Number)
		}
		if p.Kept > 0 && (p.Oldest.IsZero() || !p.Oldest.Before(c.From)) {
			lost++
			line += fmt.Sprintf("; events before offset %d were deleted, and may belong to the window", p.Kept)
		}
		k.Details = append(k.Details, line)
	}
	if lost > 0 {
		k.Status = audit.NotChecked
		k.Text = fmt.Sprintf("In %d of %d partitions the oldest events were deleted after their retention, so that the topic no longer shows all events of the window. Their records and documents stay in the index.", lost, len(c.Partitions))
	}
	return k
}

func (c *Coverage) processed() audit.Check {
	k := audit.Check{Name: "events processed", Status: audit.OK, Text: "The enricher has read every event of the topic."}
	var behind int64
	for _, p := range c.Partitions {
		if p.Read < p.End && p.First < p.End {
			behind += p.End - max(p.Read, p.Kept)
			k.Details = append(k.Details, fmt.Sprintf("%s/%d is read up to offset %d of %d", p.Topic, p.Number, p.Read, p.End))
		}
	}
	if behind > 0 {
		k.Status = audit.Deviation
		k.Text = fmt.Sprintf("The enricher still has to read up to %d messages. Changes that they report may be missing.", behind)
	}
	return k
}

func (c *Coverage) refused() audit.Check {
	k := audit.Check{Name: "refused messages", Status: audit.OK, Text: "There is no dead letter since the beginning of the window."}
	n := 0
	for _, reason := range slices.Sorted(maps.Keys(c.Letters)) {
		n += c.Letters[reason]
		k.Details = append(k.Details, fmt.Sprintf("%s: %d", reason, c.Letters[reason]))
	}
	if n > 0 {
		k.Status = audit.Deviation
		k.Text = fmt.Sprintf("%d messages were refused since the beginning of the window. changetrail letters lists them; each may be evidence about a change of the population, or about one that is missing.", n)
	}
	return k
}

func (c *Coverage) numbered() audit.Check {
	k := audit.Check{Name: "missing numbers", Status: audit.OK}
	events, missing := 0, new(big.Int)
	for _, s := range c.Sequences {
		events += s.Events
		missing.Add(missing, s.Missing)
		switch {
		case s.Missing.Sign() > 0:
			k.Details = append(k.Details, fmt.Sprintf("%s: of the numbers %s to %s, %s are missing: %s", s.Source, s.Low, s.High, s.Missing, s.gaps()))
		case s.Foreign > 0:
			k.Details = append(k.Details, fmt.Sprintf("%s: %d events have a sequence that is not a number", s.Source, s.Foreign))
		}
	}
	k.Total = len(k.Details)
	switch {
	case len(c.Sequences) == 0:
		k.Status = audit.NotChecked
		k.Text = fmt.Sprintf("No sender numbers its events (CloudEvents attribute sequence), so that numbers do not show whether one of %d events is missing.", c.Unnumbered)
	case missing.Sign() > 0:
		k.Status = audit.Deviation
		k.Text = fmt.Sprintf("%d senders number their events, and %s numbers are missing.", len(c.Sequences), missing)
	default:
		k.Text = fmt.Sprintf("%d senders numbered %d events, and no number is missing; %d events of other senders have no number.", len(c.Sequences), events, c.Unnumbered)
	}
	return k
}
