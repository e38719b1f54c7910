package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// A memory is an index that keeps documents, and fails as often as it has faults: before a request is
// done, or after.
type memory struct {
	mu     sync.Mutex
	docs   map[string]string
	faults []string
	heard  []schemas.Heard
}

func (*memory) Name() string                        { return "memory" }
func (*memory) Ready(context.Context, string) error { return nil }

func (m *memory) Heard(context.Context, string, time.Time) ([]schemas.Heard, error) {
	return m.heard, nil
}

func (m *memory) Put(_ context.Context, docs []sinks.Document) ([]sinks.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fault := ""
	if len(m.faults) > 0 {
		fault, m.faults = m.faults[0], m.faults[1:]
	}
	out := make([]sinks.Outcome, len(docs))
	switch fault {
	case "not done":
		return nil, errors.New("no connection")
	case "busy":
		for i := range out {
			out[i].Kind = sinks.Retry
		}
		return out, nil
	}
	for i, d := range docs {
		if m.docs[d.ID] != "" {
			out[i].Kind = sinks.Stale
			continue
		}
		m.docs[d.ID] = string(d.Body)
	}
	if fault == "done, and no answer" {
		return nil, errors.New("no answer")
	}
	return out, nil
}

// of returns the documents of a kind.
func (m *memory) of(t *testing.T, kind string) (out []schemas.Health) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, body := range m.docs {
		var h schemas.Health
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			t.Fatal(err)
		}
		if h.Trail.Health.Kind == kind {
			out = append(out, h)
		}
	}
	return out
}

// run runs reporters until the condition is true.
func run(t *testing.T, n int, c Config, until func() bool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, n)
	for range n {
		go func() { done <- Run(ctx, c) }()
	}
	for end := time.Now().Add(time.Minute); !until(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Error("it does not become true within a minute")
			break
		}
	}
	stop()
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestEachDeadLetterIsOneDocument: whichever request fails, done or not, with two reporters and after a
// restart; and without the message itself. A part without a process has stopped.
func TestEachDeadLetterIsOneDocument(t *testing.T) {
	for _, fault := range []string{"", "not done", "busy", "done, and no answer"} {
		t.Run(fault, func(t *testing.T) {
			topics := stream.Topics{Prefix: "t"}
			conf, writer := kafkatest.Pipeline(t, 2, topics)
			send := func(from, to int64) {
				for i := from; i < to; i++ {
					message := &stream.Record{Topic: topics.Events(), Partition: int32(i % 2), Offset: i, Value: []byte("secret content")}
					letter := stream.DeadLetter(topics.DLQ(), message, stream.Refusal{Stage: "enricher", Reason: schemas.NotAChange, Detail: "a detail", At: time.Now()})
					if err := writer.Append(t.Context(), letter); err != nil {
						t.Fatal(err)
					}
				}
			}
			m := &memory{docs: make(map[string]string), faults: slices.Repeat([]string{fault}, 3)}
			c := Config{Kafka: conf, Topics: topics, Namespace: "default", Index: m, Interval: time.Hour, Log: slog.New(slog.DiscardHandler)}
			send(0, 5)
			run(t, 2, c, func() bool { return len(m.of(t, schemas.HealthLetter)) >= 5 })
			send(5, 8)
			run(t, 1, c, func() bool { return len(m.of(t, schemas.HealthLetter)) >= 8 && len(m.of(t, schemas.HealthLag)) > 0 })
			var offsets []int64
			for _, h := range m.of(t, schemas.HealthLetter) {
				l := h.Trail.Health
				if l.Status != "refused" || l.Name != string(schemas.NotAChange) || l.Stage != "enricher" || l.Topic != topics.Events() || l.Detail != "a detail" || h.Event.Outcome != "failure" {
					t.Errorf("%+v", h)
				}
				offsets = append(offsets, *l.Offset)
			}
			if slices.Sort(offsets); !slices.Equal(offsets, []int64{0, 1, 2, 3, 4, 5, 6, 7}) {
				t.Errorf("letters %v", offsets)
			}
			for id, body := range m.docs {
				if strings.Contains(body, "secret") {
					t.Errorf("%s has the message: %s", id, body)
				}
			}
			lags := m.of(t, schemas.HealthLag)
			i := slices.IndexFunc(lags, func(h schemas.Health) bool { return h.Trail.Health.Name == enricher.Group(topics) })
			if i < 0 || lags[i].Trail.Health.Status != schemas.HealthStopped || lags[i].Trail.Health.Behind != nil || lags[i].Event.Outcome != "failure" {
				t.Errorf("an enricher that never ran: %+v", lags)
			}
		})
	}
}

// TestEachPartIsMeasured, also one that has stopped, with what it still has to read.
func TestEachPartIsMeasured(t *testing.T) {
	topics := stream.Topics{Prefix: "t"}
	conf, writer := kafkatest.Pipeline(t, 1, topics)
	group := enricher.Group(topics)
	reader, err := stream.NewReader(stream.ReaderConfig{Config: conf, Group: group, Topics: []string{topics.Events()}, Drain: func(context.Context, []stream.Place) {}})
	if err != nil {
		t.Fatal(err)
	}
	send := func() {
		if err := writer.Append(t.Context(), &stream.Record{Topic: topics.Events(), Value: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	send()
	b, err := reader.Poll(t.Context(), 1)
	if err == nil {
		err = reader.Commit(t.Context(), b.Records)
	}
	if err != nil {
		t.Fatal(err)
	}
	reader.AllowRebalance()
	r := &reporter{Config{Kafka: conf, Topics: topics, Index: &memory{}}}
	check := func(status string, behind, members int64) {
		t.Helper()
		docs := r.lags(t.Context(), time.Now())
		i := slices.IndexFunc(docs, func(d document) bool { return d.Trail.Health.Name == group })
		if i < 0 {
			t.Fatalf("%+v", docs)
		}
		if f := docs[i].Trail.Health; f.Status != status || *f.Behind != behind || *f.Members != members {
			t.Errorf("%s: %d behind, %d members", f.Status, *f.Behind, *f.Members)
		}
	}
	check(schemas.HealthOK, 0, 1)
	send()
	send()
	check(schemas.HealthOK, 2, 1)
	reader.Close()
	check(schemas.HealthStopped, 2, 0)
}

// TestWhatCannotBeMeasuredIsUnknown, and not ok.
func TestWhatCannotBeMeasuredIsUnknown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r := &reporter{Config{Kafka: stream.Config{Brokers: []string{"127.0.0.1:1"}}, Topics: stream.Topics{Prefix: "t"}}}
	docs := append(r.lags(ctx, time.Now()), moment{}.sources(nil, errors.New("no index"))...)
	if len(docs) != 2 {
		t.Fatalf("%+v", docs)
	}
	for _, d := range docs {
		d.Describe(time.Now())
		if f := d.Trail.Health; f.Status != schemas.HealthUnknown || f.Behind != nil || f.Error == "" || d.Event.Outcome != "unknown" {
			t.Errorf("%+v", d.Health)
		}
	}
}

// heardOn makes a source that is heard at an hour of days before now.
func heardOn(now time.Time, source string, days ...int) (out []schemas.Heard) {
	for _, d := range days {
		at := now.AddDate(0, 0, -d)
		out = append(out, schemas.Heard{Source: source, Day: at.UTC().Truncate(day), Last: at})
	}
	return out
}

// TestSilence: a source is silent once its silence is longer, in days, than any before it.
func TestSilence(t *testing.T) {
	now := time.Date(2026, 3, 31, 10, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		days   []int
		status string // "" if it is not reported
	}{
		{"every day", []int{4, 3, 2, 1, 0}, "ok"},
		{"every day, today not yet", []int{4, 3, 2, 1}, "ok"},
		{"every day, the day before yesterday", []int{5, 4, 3, 2}, "silent"},
		{"a weekend", []int{11, 10, 7, 6, 5, 4, 3}, "ok"}, // 3 days from Friday to Monday
		{"more than a weekend", []int{11, 10, 7, 6, 5, 4}, "silent"},
		{"two days only", []int{9, 8}, "unknown"},
		{"a silence of weeks", []int{32, 31, 30, 29}, "silent"},
		{"a source that is gone", []int{34, 33, 32, 31}, ""},
		{"in the future", []int{-1, -2, -3}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			heard := heardOn(now, "/ci", test.days...)
			docs := moment{now, now, now}.sources(heard, nil)
			var got []string
			for _, d := range docs {
				got = append(got, d.Trail.Health.Kind+" "+d.Trail.Health.Status)
			}
			want := map[string][]string{"ok": {"source ok"}, "unknown": {"source unknown"}, "silent": {"source silent", "silence silent"}}[test.status]
			if !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
			if test.status != "silent" {
				return
			}
			// The same silence is the same document, whenever it is looked at, until the source speaks.
			silence := docs[1]
			for later := now; later.Before(now.AddDate(0, 0, 20)); later = later.Add(7 * time.Hour) {
				for _, d := range (moment{later, later, later}).sources(heard, nil) {
					if d.Trail.Health.Kind == schemas.HealthSilence && (!slices.Equal(d.id, silence.id) || !d.Timestamp.Equal(silence.Timestamp)) {
						t.Fatalf("%s: %v at %s, was %v at %s", later, d.id, d.Timestamp, silence.id, silence.Timestamp)
					}
				}
			}
			if silence.Timestamp.After(now) || !silence.Timestamp.After(silence.Trail.Health.LastAt) {
				t.Errorf("silent since %s", silence.Timestamp)
			}
		})
	}
}

// TestASourceIsNotSilentWhileTheIndexIsBehind: its events may have arrived and not be indexed.
func TestASourceIsNotSilentWhileTheIndexIsBehind(t *testing.T) {
	now := time.Date(2026, 3, 31, 10, 0, 0, 0, time.UTC)
	heard := append(heardOn(now, "/ci", 9, 8, 7, 6), heardOn(now, "/gate", 9, 8, 7, 6, 5)...)
	for _, test := range []struct{ behindDays, silent, unknown int }{{0, 2, 0}, {5, 0, 2}, {1, 0, 2}, {4, 0, 2}} {
		docs := moment{now, now, now.AddDate(0, 0, -test.behindDays)}.sources(heard, nil)
		n := map[string]int{}
		for _, d := range docs {
			n[d.Trail.Health.Kind+" "+d.Trail.Health.Status]++
		}
		if n["silence silent"] != test.silent || n["source silent"] != test.silent || n["source unknown"] != test.unknown || n["source ok"] != 0 {
			t.Errorf("%d days behind: %v", test.behindDays, n)
		}
	}
	if got := newest(heard, now); !got.Equal(now.AddDate(0, 0, -5)) {
		t.Errorf("the newest event arrived at %s", got)
	}
}

// TestManySourcesAreNotCutInSilence: what is not reported is said.
func TestManySourcesAreNotCutInSilence(t *testing.T) {
	now := time.Now()
	var heard []schemas.Heard
	for i := range maxSources + 5 {
		heard = append(heard, heardOn(now, fmt.Sprintf("/%04d", i), 1)...)
	}
	heard = append(heard, heardOn(now, "/zz-often", 0, 1, 2)...)
	docs := moment{now, now, now}.sources(heard, nil)
	if len(docs) != maxSources+1 || docs[0].Trail.Health.Status != schemas.HealthUnknown || !strings.Contains(docs[0].Message, "1006") || docs[1].Trail.Health.Name != "/zz-often" {
		t.Errorf("%d documents; %+v; %+v", len(docs), docs[0].Health, docs[1].Health)
	}
}
