//go:build servers

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const (
	// poisons is how many messages of the kill test can never be taken in.
	poisons = 200
	// maxEnriched is less than the documents of such events have, and more than the
	// others of one transaction have together.
	maxEnriched = 700_000
	// poisonHeader marks a message that must become a dead letter. It holds the reason.
	poisonHeader = "poison"
)

// A dose is messages that lie in the topic in this order. The events among them that are
// read make the record: those that anyone sends, and those that say something else under
// the identity of one of them.
type dose struct {
	messages []*stream.Record
	read     []event.Event
}

// doses are events that cannot be read, that conflict with others, and whose processing
// fails, about the changes and repositories of the good ones.
func doses(t *testing.T, p *pipeline) (out []dose) {
	t.Helper()
	limitEnriched(t, p)
	mix := []func(*testing.T, *pipeline, int) dose{malformed, againstTheSchema, brokenReport, conflictInAChange, conflictOfACommit, neverProcessed}
	for i := range poisons {
		out = append(out, mix[i%len(mix)](t, p, i))
	}
	return out
}

const poisonRepo = "github.com/acme/payments"

func poisonChange(i int) string { return fmt.Sprintf("%s/pull/%d", poisonRepo, 1+i%20) }

func malformed(_ *testing.T, p *pipeline, i int) dose {
	r := &stream.Record{Topic: p.topics.Events(), Partition: int32(i % partitions), Value: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d`, i)}
	return dose{messages: []*stream.Record{poisoned(r, schemas.NotJSON)}}
}

func againstTheSchema(t *testing.T, p *pipeline, i int) dose {
	return refusedEvent(t, p, i, &record.Review{Reviewer: "ana", Verdict: "perhaps"}, schemas.SchemaViolation)
}

func brokenReport(t *testing.T, p *pipeline, i int) dose {
	content := record.RawJSON(`"{\"version\":\"2.1.0\",\"runs\":[{"`)
	return refusedEvent(t, p, i, &record.Scan{Tool: record.Tool{Name: "semgrep"}, Report: record.Report{Encoding: "text", Content: content}}, schemas.BadReport)
}

// neverProcessed is an event whose document the broker never takes.
func neverProcessed(t *testing.T, p *pipeline, i int) dose {
	text := make([]byte, 3*maxEnriched/4+60_000) // random: it cannot be compressed to less
	_, _ = rand.Read(text)                       // never fails
	arguments := record.RawJSON(`"` + base64.StdEncoding.EncodeToString(text) + `"`)
	return refusedEvent(t, p, i, &record.Action{Agent: record.Agent{ID: "agent-bot-1"}, Tool: "edit", Arguments: arguments}, schemas.Unprocessable)
}

// limitEnriched has the broker refuse large documents of events.
func limitEnriched(t *testing.T, p *pipeline) {
	t.Helper()
	adm := kafkaAdmin(t, p)
	limit := fmt.Sprint(maxEnriched)
	answers, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, p.topics.Enriched())
	if err != nil || answers[0].Err != nil {
		t.Fatal(err, answers)
	}
}

// conflictInAChange is an event, and another of the same identity with other content.
func conflictInAChange(t *testing.T, p *pipeline, i int) dose {
	change, commit := poisonChange(i), fmt.Sprintf("%040x", i)
	return conflict(t, p, i, change, &record.Review{Reviewer: "ana", Verdict: "commented", CommitSHA: commit}, &record.Review{Reviewer: "ana", Verdict: "approved", CommitSHA: commit})
}

func conflictOfACommit(t *testing.T, p *pipeline, i int) dose {
	said := func(conclusion string) record.Fact {
		return &record.Validation{Name: "unit", CommitSHA: fmt.Sprintf("%040x", i), Conclusion: conclusion, Repository: poisonRepo}
	}
	return conflict(t, p, i, "", said("failure"), said("success"))
}

func conflict(t *testing.T, p *pipeline, i int, change string, first, second record.Fact) dose {
	t.Helper()
	good, bad := poisonEvent(i, change, first), poisonEvent(i, change, second)
	bad.SetTime(good.Time().Add(time.Second)) // of the two the earlier one stands
	return dose{messages: []*stream.Record{message(t, p, good), poisoned(message(t, p, bad), schemas.DuplicateID)}, read: []event.Event{good, bad}}
}

func refusedEvent(t *testing.T, p *pipeline, i int, fact record.Fact, reason schemas.Reason) dose {
	t.Helper()
	return dose{messages: []*stream.Record{poisoned(message(t, p, poisonEvent(i, poisonChange(i), fact)), reason)}}
}

func poisonEvent(i int, change string, fact record.Fact) event.Event {
	e := producer.Event(change, fact)
	e.SetSource("/poison")
	e.SetID(fmt.Sprint(i))
	e.SetTime(time.Now().Add(-time.Hour).UTC())
	e.SetExtension("arrivedat", e.Time().Format(time.RFC3339))
	e.SetExtension("partitionkey", poisonRepo)
	return e
}

func message(t *testing.T, p *pipeline, e event.Event) *stream.Record {
	t.Helper()
	m, err := producer.Encode(t.Context(), e, producer.Binary)
	if err != nil {
		t.Fatal(err)
	}
	r := &stream.Record{Topic: p.topics.Events(), Partition: stream.NewPartitioner(partitions).Of(string(m.Key)), Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}

func poisoned(r *stream.Record, reason schemas.Reason) *stream.Record {
	stream.AddHeader(r, poisonHeader, []byte(reason))
	return r
}

// poison spreads the doses over the time of the kills.
func poison(ctx context.Context, t *testing.T, p *pipeline, doses []dose) {
	w, err := stream.NewWriter(p.kafka)
	if err != nil {
		t.Error(err)
		return
	}
	defer w.Close()
	for _, d := range doses {
		if ctx.Err() != nil {
			return
		}
		for _, r := range d.messages {
			if err := w.Append(ctx, r); err != nil {
				t.Errorf("poison: %v", err)
				return
			}
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// onceInTheDeadLetters reads the dead letters: each message that is poison must be
// there once, with its reason, however often the enrichers were killed, and no other.
func onceInTheDeadLetters(t *testing.T, p *pipeline) {
	t.Helper()
	type place struct{ partition, offset string }
	want := make(map[place]string)
	for _, r := range readTopic(t, p, p.topics.Events()) {
		if reason := stream.Header(r, poisonHeader); reason != nil {
			want[place{fmt.Sprint(r.Partition), fmt.Sprint(r.Offset)}] = string(reason)
		}
	}
	var letters []*stream.Record
	eventually(t, 2*time.Minute, func() error {
		if letters = readTopic(t, p, p.topics.DLQ()); len(letters) < len(want) {
			return fmt.Errorf("%d dead letters of %d", len(letters), len(want))
		}
		return nil
	})
	got := make(map[place]int)
	twice, strange, wrong := 0, 0, 0
	for _, r := range letters {
		at := place{string(stream.Header(r, stream.HeaderPartition)), string(stream.Header(r, stream.HeaderOffset))}
		reason, known := want[at]
		if got[at]++; got[at] > 1 {
			twice++
		}
		switch {
		case !known:
			strange++
			t.Logf("dead letter that nobody meant: %s: %s", stream.Header(r, stream.HeaderReason), stream.Header(r, stream.HeaderDetail))
		case reason != string(stream.Header(r, stream.HeaderReason)):
			wrong++
			t.Logf("dead letter: %s: %s, want %s", stream.Header(r, stream.HeaderReason), stream.Header(r, stream.HeaderDetail), reason)
		}
	}
	missing := len(want) + strange - len(got)
	t.Logf("kafka: %d messages that are poison, %d dead letters; %d missing, %d twice, %d with another reason, %d of good messages", len(want), len(letters), missing, twice, wrong, strange)
	if len(want) < poisons || missing+twice+wrong+strange != 0 {
		t.Errorf("the dead letters are not the %d messages that are poison", poisons)
	}
}

// readTopic reads what is committed in a topic by now.
func readTopic(t *testing.T, p *pipeline, topic string) (out []*stream.Record) {
	t.Helper()
	ends, err := kafkaAdmin(t, p).ListCommittedOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left++
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for left > 0 && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *stream.Record) {
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset == end.Offset-1 {
				left--
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	if left > 0 {
		t.Fatalf("%s: %d partitions were not read to their end within a minute", topic, left)
	}
	return out
}

func kafkaAdmin(t *testing.T, p *pipeline) *kadm.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}
