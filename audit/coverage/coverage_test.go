package coverage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestMissingNumbersAreFound compares with a set of all numbers.
func TestMissingNumbersAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		from, n := r.IntN(1000), 1+r.IntN(60)
		var sent []int
		for i := range n {
			for range r.IntN(4) { // missing, once or repeated
				sent = append(sent, from+i)
			}
		}
		if r.IntN(2) == 0 {
			r.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
		}
		var got numbered
		for _, number := range sent {
			got.add(strconv.Itoa(number))
		}
		s := got.sequence("x")
		if len(sent) == 0 {
			continue
		}
		want := 0
		for number := slices.Min(sent); number < slices.Max(sent); number++ {
			if !slices.Contains(sent, number) {
				want++
			}
		}
		if s.Missing.Int64() != int64(want) || s.Low.Int64() != int64(slices.Min(sent)) || s.High.Int64() != int64(slices.Max(sent)) || s.Events != len(sent) {
			t.Fatalf("%v: %+v, want %d missing", sent, s, want)
		}
	}
}

func TestNumbersOfAnySize(t *testing.T) {
	var n numbered
	for _, text := range []string{"99999999999999999999", "100000000000000000001", "x", "", "-1", "1e3", strings.Repeat("1", 100)} {
		n.add(text)
	}
	if s := n.sequence("x"); s.Missing.String() != "1" || s.Gaps[0] != "100000000000000000000" || s.Foreign != 5 {
		t.Errorf("%+v", s)
	}
}

// An event as kcat sends it.
func event(id, source, sequence string) []byte {
	if sequence != "" {
		sequence = fmt.Sprintf(`"sequence":%q,`, sequence)
	}
	return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":%q,%s"type":"dev.changetrail.review.submitted.v1","subject":"github.com/acme/p/pull/1","data":{"reviewer":"li"}}`, id, source, sequence)
}

func status(checks []audit.Check) (out []audit.Status) {
	for _, c := range checks {
		out = append(out, c.Status)
	}
	return out
}

// TestWhatTheTopicsSay puts events and dead letters into topics, and reads them.
func TestWhatTheTopicsSay(t *testing.T) {
	topics := stream.Topics{Prefix: "audited"}
	conf, w := kafkatest.Pipeline(t, 2, topics)
	from := time.Now().Add(-time.Hour)
	c, err := Read(t.Context(), conf, topics, from)
	if err != nil {
		t.Fatal(err)
	}
	if got := status(c.Checks()); !slices.Equal(got, []audit.Status{audit.OK, audit.OK, audit.OK, audit.NotChecked}) {
		t.Errorf("empty topics: %v", got)
	}
	put := func(topic, key string, value []byte, headers ...string) {
		r := &stream.Record{Topic: topic, Key: []byte(key), Value: value}
		for i := 0; i < len(headers); i += 2 {
			stream.AddHeader(r, headers[i], []byte(headers[i+1]))
		}
		if err := w.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, number := range []int{1, 2, 4, 5, 9} {
		put(topics.Events(), fmt.Sprint("k", number), event(fmt.Sprint(number), "/agent", strconv.Itoa(number)))
	}
	put(topics.Events(), "k", event("a", "/other", ""))
	put(topics.Events(), "k", []byte("no event"))
	put(topics.DLQ(), "k", []byte("no event"), stream.HeaderReason, string(schemas.NotJSON))
	if c, err = Read(t.Context(), conf, topics, from); err != nil {
		t.Fatal(err)
	}
	checks := c.Checks()
	if got := status(checks); !slices.Equal(got, []audit.Status{audit.OK, audit.Deviation, audit.Deviation, audit.Deviation}) {
		t.Errorf("%v\n%+v", got, checks)
	}
	if text := fmt.Sprint(checks[1].Text, checks[2].Details, checks[3].Details); !strings.Contains(text, "up to 7 messages") || !strings.Contains(text, "not-json: 1") || !strings.Contains(text, "of the numbers 1 to 9, 4 are missing: 3, 6-8") {
		t.Error(text)
	}
	// What arrived before the window does not count.
	if c, err = Read(t.Context(), conf, topics, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(c.Sequences) != 0 || len(c.Letters) != 0 || c.Unnumbered != 0 {
		t.Errorf("%+v", c)
	}
}

// TestDeletedEventsAreSaid: a topic whose oldest events were deleted no longer shows the whole window.
func TestDeletedEventsAreSaid(t *testing.T) {
	from := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		p    Partition
		want audit.Status
	}{
		{"nothing was deleted", Partition{First: 0, End: 9, Oldest: from.Add(time.Hour)}, audit.OK},
		{"events before the window were deleted", Partition{Kept: 3, First: 5, End: 9, Oldest: from.Add(-time.Hour)}, audit.OK},
		{"perhaps events of the window", Partition{Kept: 3, First: 3, End: 9, Oldest: from.Add(time.Hour)}, audit.NotChecked},
		{"all events were deleted", Partition{Kept: 9, First: 9, End: 9}, audit.NotChecked},
	} {
		cover := Coverage{From: from, Partitions: []Partition{c.p}}
		if got := cover.keptFrom(); got.Status != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
