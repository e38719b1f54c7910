//go:build servers

package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestBadInputGoesToTheDeadLettersAndTheRestFlows puts poison first into every
// partition, sends every kind of bad input, and then a good change.
func TestBadInputGoesToTheDeadLettersAndTheRestFlows(t *testing.T) {
	p := newPipeline(t, "bad")
	scan := func(extra, report string) string {
		return `{"specversion":"1.0","id":"` + fmt.Sprint(len(extra)+len(report)) + `","source":"/bad","type":"dev.changetrail.scan.completed.v1","time":"2026-11-12T03:00:00Z","partitionkey":"github.com/acme/payments"` + extra + `,"data":{"tool":{"name":"x"},"report":` + report + `}}`
	}
	text := func(s string) string {
		return `{"encoding":"base64","content":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"}`
	}
	validation := func(report string) string {
		return strings.Replace(strings.Replace(scan("", report), "scan.completed", "validation.completed", 1), `"tool":{"name":"x"}`, `"name":"x"`, 1)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 64<<20))
	_ = z.Close()
	billion := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]><testsuite><testcase name="&lol2;"/></testsuite>`
	opened := func(id, subject, at, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/bad","type":"dev.changetrail.change.opened.v1","subject":%q,"time":%q,"data":%s}`, id, subject, at, data)
	}
	cases := []struct {
		name, value string
		want        schemas.Reason
	}{
		{"not JSON", `hello`, schemas.NotJSON},
		{"nothing at all", ``, schemas.NotJSON},
		{"bytes that are no text", "\xff\xfe\x00\x01", schemas.NotJSON},
		{"JSON cut short", `{"specversion":"1.0","id":"1"`, schemas.NotJSON},
		{"the same member twice", `{"specversion":"1.0","id":"1","id":"2","source":"/x","type":"t"}`, schemas.NotJSON},
		{"JSON that is no CloudEvent", `{"hello":"world"}`, schemas.NotCloudEvent},
		{"an id that is a number", `{"specversion":"1.0","id":7,"source":"/x","type":"t"}`, schemas.NotCloudEvent},
		{"a specversion of tomorrow", `{"specversion":"2.0","id":"7","source":"/x","type":"t"}`, schemas.NotCloudEvent},
		{"an unknown type", `{"specversion":"1.0","id":"7","source":"/x","type":"com.example.thing","partitionkey":"github.com/a/b"}`, schemas.UnknownType},
		{"data that breaks the schema", opened("s1", "github.com/acme/payments/pull/1", "2026-11-12T03:00:00Z", `{"author_type":"martian","head_sha":"xyz"}`), schemas.SchemaViolation},
		{"data of the wrong kind", opened("s2", "github.com/acme/payments/pull/1", "2026-11-12T03:00:00Z", `{"title":[]}`), schemas.SchemaViolation},
		{"no data", `{"specversion":"1.0","id":"n","source":"/bad","type":"dev.changetrail.change.opened.v1","subject":"github.com/acme/payments/pull/1"}`, schemas.SchemaViolation},
		{"a subject that is no change", opened("s3", "somewhere", "2026-11-12T03:00:00Z", `{}`), schemas.NotAChange},
		{"no subject where one is needed", opened("s4", "", "2026-11-12T03:00:00Z", `{}`), schemas.NotAChange},
		{"no repository", strings.Replace(scan("", text("{}")), `"partitionkey":"github.com/acme/payments"`, `"x":"y"`, 1), schemas.NoRepository},
		{"a clock in the future", opened("s5", "github.com/acme/payments/pull/1", "2099-01-01T00:00:00Z", `{}`), schemas.ClockSkew},
		{"a clock in the past", opened("s6", "github.com/acme/payments/pull/1", "1970-01-01T00:00:00Z", `{}`), schemas.ClockSkew},
		{"an empty scan file", scan("", text(" \n")), schemas.BadReport},
		{"a broken scan file", scan("", text(`{"version":"2.1.0","runs":[{`)), schemas.BadReport},
		{"a scan file of no known format", scan("", text(`{"some":"json"}`)), schemas.BadReport},
		{"a gzip bomb", scan("", `{"encoding":"gzip+base64","content":"`+base64.StdEncoding.EncodeToString(bomb.Bytes())+`"}`), schemas.BadReport},
		{"an XML bomb", validation(text(billion)), schemas.BadReport},
		{"XML nested without end", validation(text("<testsuite>" + strings.Repeat("<a>", 100000))), schemas.BadReport},
		{"a digest that does not match", scan("", `{"encoding":"text","content":"{\"results\":[]}","digest":"sha256:`+strings.Repeat("0", 64)+`"}`), schemas.DigestMismatch},
	}
	w, err := stream.NewWriter(p.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var recs []*stream.Record
	for partition := range int32(partitions) {
		recs = append(recs, &stream.Record{Topic: p.topics.Events(), Partition: partition, Value: []byte("\x00poison")})
	}
	home := stream.NewPartitioner(partitions).Of("github.com/acme/payments")
	for _, c := range cases {
		recs = append(recs, &stream.Record{Topic: p.topics.Events(), Partition: home, Key: []byte("no repository"), Value: []byte(c.value), Headers: []kgo.RecordHeader{{Key: "test", Value: []byte(c.name)}}})
	}
	if err := w.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	p.run(t)

	prod := newProducer(t, producer.Kafka(producer.KafkaConfig{Brokers: p.kafka.Brokers, Topic: p.topics.Events()}))
	if err := prod.Publish(t.Context(), seedEvents(t)...); err != nil {
		t.Fatal(err)
	}
	again := seedEvents(t)[2:3] // the same id, another title
	again[0].DataEncoded = bytes.Replace(again[0].DataEncoded, []byte("lodash"), []byte("underscore"), 1)
	if err := prod.Publish(t.Context(), again...); err != nil {
		t.Fatal(err)
	}
	large := seedEvents(t)[2]
	large.SetID("large")
	large.DataEncoded = fmt.Appendf(nil, `{"title":%q}`, strings.Repeat("x", 5<<20))
	if err := prod.Publish(t.Context(), large); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("an event of 5 MB: %v", err)
	}
	for engine := range engines {
		checkSeedRecord(t, seedRecord(t, p, engine))
	}

	got := make(map[string]schemas.Reason)
	poison, conflicts := 0, 0
	for _, r := range deadLetters(t, p, len(recs)+1) {
		reason := schemas.Reason(stream.Header(r, stream.HeaderReason))
		if len(stream.Header(r, stream.HeaderDetail)) < 15 || stream.Header(r, stream.HeaderOffset) == nil || stream.Header(r, stream.HeaderAt) == nil {
			t.Errorf("a dead letter says too little: %s", r.Headers)
		}
		switch name := string(stream.Header(r, "test")); {
		case name != "":
			got[name] = reason
			for _, c := range cases {
				if c.name == name && c.value != string(r.Value) {
					t.Errorf("%s: the dead letter is not what came", name)
				}
			}
		case reason == schemas.DuplicateID:
			conflicts++
		default:
			poison++
		}
	}
	want := make(map[string]schemas.Reason)
	for _, c := range cases {
		want[c.name] = c.want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	if poison != partitions || conflicts != 1 {
		t.Errorf("%d poison messages and %d conflicts among the dead letters, want %d and 1", poison, conflicts, partitions)
	}
}

// deadLetters reads n dead letters, and a while longer for one too many.
func deadLetters(t *testing.T, p *pipeline, n int) []*stream.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Brokers...), kgo.ConsumeTopics(p.topics.DLQ()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var out []*stream.Record
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		wait := time.Until(deadline)
		if len(out) >= n {
			wait = 2 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		fetches := cl.PollFetches(ctx)
		cancel()
		before := len(out)
		fetches.EachRecord(func(r *stream.Record) { out = append(out, r) })
		if len(out) >= n && len(out) == before {
			break
		}
	}
	if len(out) != n {
		t.Errorf("%d dead letters, want %d", len(out), n)
	}
	return out
}
