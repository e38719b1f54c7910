package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

var from, to = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// change returns the record of a merged change.
func change(n int, by string, answers record.Answers) *record.Record {
	r := new(record.Record)
	r.Trail.Change = record.Change{ID: record.ChangeID(fmt.Sprintf("github.com/acme/p/pull/%05d", n)), Repository: "github.com/acme/p", State: "merged", InitiatedBy: by, MergedAt: from.Add(time.Duration(n) * time.Minute)}
	r.Trail.Environment = []string{"production"}
	r.Trail.Answers = &answers
	r.Trail.EvidenceDigest = fmt.Sprintf("sha256:%064x", n)
	return r
}

func proven() record.Answers {
	return record.Answers{Trigger: record.Proven, Alternatives: record.Proven, Authorized: record.Proven, Reviewed: record.NotRequired}
}

// collect makes a population of records in any order.
func collect(t *testing.T, q Question, records []*record.Record) *Population {
	t.Helper()
	c := NewCollector(q, "a store", to)
	for _, r := range records {
		c.Add(r)
	}
	p, err := c.Population(len(records))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func check(p *Population, name string) Check {
	i := slices.IndexFunc(p.Checks, func(c Check) bool { return c.Name == name })
	return p.Checks[i]
}

// TestAPopulationIsTheSameInAnyOrder: its digest is that of the CSV file, which anybody can compute.
func TestAPopulationIsTheSameInAnyOrder(t *testing.T) {
	var records []*record.Record
	for i := range 200 {
		records = append(records, change(i, "agent", proven()))
	}
	q := Question{From: from, To: to}
	first := collect(t, q, records)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	second := collect(t, q, records)
	if first.Digest != second.Digest || len(first.Items) != 200 {
		t.Errorf("%s and %s", first.Digest, second.Digest)
	}
	var text bytes.Buffer
	if err := second.WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text.Bytes()); "sha256:"+hex.EncodeToString(sum[:]) != first.Digest {
		t.Error("the digest is not that of the file")
	}
	rows, err := csv.NewReader(&text).ReadAll()
	if err != nil || len(rows) != 201 || !slices.Equal(rows[0], Columns) || rows[1][0] != "1" || rows[200][1] != "github.com/acme/p/pull/00199" {
		t.Error(len(rows), err)
	}
	records[7].Trail.EvidenceDigest = "sha256:other"
	if third := collect(t, q, records); third.Digest == first.Digest {
		t.Error("another revision of a record has the same population")
	}
}

// TestWhatIsNotInAPopulation says what was left out, and why.
func TestWhatIsNotInAPopulation(t *testing.T) {
	early, late, staging, part, cut := change(1, "agent", proven()), change(2, "agent", proven()), change(3, "agent", proven()), change(4, "agent", proven()), change(5, "", proven())
	early.Trail.Change.MergedAt, late.Trail.Change.MergedAt = from.Add(-time.Nanosecond), to
	staging.Trail.Environment = []string{"staging"}
	part.Trail.Change.PartOf = "github.com/acme/p/pull/00003"
	cut.Trail.LeftOut = 3
	cut.Trail.Change.MergedAt = from
	p := collect(t, Question{From: from, To: to, Environment: "production"}, []*record.Record{early, late, staging, part, cut, cut})
	if len(p.Items) != 1 || p.Items[0].InitiatedBy != Unknown || p.Read != 6 || p.Parts != 1 {
		t.Errorf("%+v", p)
	}
	for name, want := range map[string]Check{
		"records read":          {Status: OK, Text: "found 6 records and returned 6"},
		"changes listed twice":  {Status: Deviation, Text: "1 changes have a second record"},
		"records that were cut": {Status: Deviation, Text: "left out of 1 records"},
		"deployments":           {Status: NotChecked, Text: "1 changes were merged in the window, and no deployment"},
	} {
		if got := check(p, name); got.Status != want.Status || !strings.Contains(got.Text, want.Text) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	c := NewCollector(Question{From: from, To: to}, "a store", to)
	c.Add(cut)
	p, err := c.Population(2)
	if err != nil || check(p, "records read").Status != Deviation {
		t.Errorf("a record that the index found was not returned: %+v, %v", p.Checks, err)
	}
}

func TestQuestionsThatHaveNoAnswer(t *testing.T) {
	for _, q := range []Question{{}, {From: from}, {From: to, To: from}, {From: from, To: from}, {From: from, To: to.Add(time.Second)}} {
		if err := q.Check(to); err == nil {
			t.Errorf("%s is asked", q)
		}
	}
	if err := (Question{From: from, To: to}).Check(to); err != nil {
		t.Error(err)
	}
}

// mixed returns a population of agents and people.
func mixed(t *testing.T, agents, people int) *Population {
	var records []*record.Record
	for i := range agents + people {
		by, a := "agent", proven()
		if i >= agents {
			by, a = "human", record.Answers{Reviewed: record.Proven}
		}
		if i%10 == 0 {
			a.Reviewed = record.Contradicted
		}
		records = append(records, change(i, by, a))
	}
	return collect(t, Question{From: from, To: to}, records)
}

// TestTwelveOfTwentyFive: the sample of the auditor, twice the same.
func TestTwelveOfTwentyFive(t *testing.T) {
	p := mixed(t, 300, 400)
	plan := Plan{Size: 25, Seed: 4829, By: "initiator", Take: map[string]int{"agent": 12}, Confidence: 0.95}
	s, err := p.Draw(plan)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := p.Draw(plan)
	if fmt.Sprint(s) != fmt.Sprint(again) {
		t.Error("the same seed draws another sample")
	}
	if len(s.Items) != 25 || s.Strata[0].Taken != 12 || s.Strata[0].Name != "agent" || s.Strata[1].Taken != 13 || s.Population != p.Digest || s.Of != 700 {
		t.Errorf("%+v", s.Strata)
	}
	agents := slices.DeleteFunc(slices.Clone(p.Items), func(i Item) bool { return i.InitiatedBy != "agent" })
	for k, n := range s.Strata[0].Drawn {
		if s.Items[k].Change != agents[n-1].Change {
			t.Errorf("the number %d is %s, drawn is %s", n, agents[n-1].Change, s.Items[k].Change)
		}
	}
	trigger, reviewed := s.Rates[0], s.Rates[3]
	if trigger.Tested != 12 || trigger.Of != 300 || reviewed.Tested != 25 || reviewed.Of != 700 || reviewed.DeviationsOf != 70 {
		t.Errorf("%+v", s.Rates)
	}
}

// TestALimitHolds: over many samples, the rate of the population exceeds the limit in at most one of
// twenty, however the strata are divided.
func TestALimitHolds(t *testing.T) {
	p := mixed(t, 300, 400)
	r := rand.New(rand.NewPCG(9, 10))
	for _, plan := range []Plan{{Size: 25}, {Size: 25, By: "initiator"}, {Size: 25, By: "initiator", Take: map[string]int{"agent": 20}}, {Size: 40, By: "month"}} {
		const draws = 500
		exceeded := 0
		for range draws {
			plan.Seed, plan.Confidence = 1+r.Int64N(1<<31-2), 0.95
			s, err := p.Draw(plan)
			if err != nil {
				t.Fatal(err)
			}
			for _, rate := range s.Rates[3:] {
				if float64(rate.DeviationsOf)/float64(rate.Of) > rate.Limit {
					exceeded++
				}
			}
		}
		if share := float64(exceeded) / draws; share > 0.05+3*math.Sqrt(0.05*0.95/draws) {
			t.Errorf("%+v: %.3f of the limits are too low", plan, share)
		}
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	p := mixed(t, 5, 5)
	for _, plan := range []Plan{
		{Size: 11, Seed: 1, Confidence: 0.95},
		{Size: 0, Seed: 1, Confidence: 0.95},
		{Size: 2, Seed: 0, Confidence: 0.95},
		{Size: 2, Seed: 1, Confidence: 2},
		{Size: 2, Seed: 1, By: "moon", Confidence: 0.95},
		{Size: 2, Seed: 1, By: "initiator", Take: map[string]int{"robot": 1}, Confidence: 0.95},
		{Size: 7, Seed: 1, By: "initiator", Take: map[string]int{"agent": 6}, Confidence: 0.95},
		{Size: 3, Seed: 1, By: "initiator", Take: map[string]int{"agent": 4}, Confidence: 0.95},
		{Size: 9, Seed: 1, By: "initiator", Take: map[string]int{"agent": 1}, Confidence: 0.95},
		{Size: 3, Seed: 1, By: "initiator", Take: map[string]int{"agent": -1}, Confidence: 0.95},
	} {
		if s, err := p.Draw(plan); err == nil {
			t.Errorf("%+v draws %+v", plan, s.Strata)
		}
	}
}
