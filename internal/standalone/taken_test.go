package standalone_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/corpus"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestWhatTheGatewayTakesIsIndexed sends events with every mistake, and odd values wherever they
// are allowed, through the gateway. No accepted event may become a dead letter of the enricher or
// of the index. The gateway cannot know that another event has the same source and id.
func TestWhatTheGatewayTakesIsIndexed(t *testing.T) {
	asked, matrix, err := demo.Rules(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	i, err := standalone.Start(t.Context(), standalone.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Topics: topics, Namespace: "default", Retention: 400 * 24 * time.Hour, Policy: asked, Controls: matrix, Keys: standaloneKeys,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = i.Close() }() // everything was read
	p, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: []string{i.Broker()}}), producer.Options{Checked: true, Blobs: i.Blobs})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(t.Context()) }()
	g, err := gateway.New(gateway.Config{Publisher: p, Blobs: i.Blobs, Keys: standaloneKeys, Limits: gateway.Limits{Rate: 1e6}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	g.Register(mux)

	taken := 0
	send := func(name string, header http.Header, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/v1/events", bytes.NewReader(body))
		r.Header = header
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		switch {
		case w.Code >= 500:
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		case w.Code < 300:
			taken++

		}
	}
	structured := http.Header{"Content-Type": {"application/cloudevents+json"}}
	for k, odd := range corpus.Oddities() {
		for name, data := range map[string]string{
			"arguments":                  `{"agent":{"id":"a"},"tool":"T","call_id":"c%d","outcome":"success","arguments":{"x":` + odd + `}}`,
			"result":                     `{"agent":{"id":"a"},"tool":"T","call_id":"c%d","outcome":"success","result":` + odd + `}`,
			"a member that nobody knows": `{"agent":{"id":"a"},"tool":"T","call_id":"c%d","outcome":"success","x":` + odd + `}`,
		} {
			id := fmt.Sprintf("%s-%d", strings.Fields(name)[0], k)
			body := fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/a","type":%q,"subject":"github.com/acme/odd/pull/%d","datacontenttype":"application/json","data":`, id, record.TypeActionPerformed, k) + strings.Replace(data, "%d", fmt.Sprint(k), 1) + `}`
			send(fmt.Sprintf("%s of %.60s", name, odd), structured, []byte(body))
		}
	}
	for _, id := range []string{"a\\u0000b", "\\u001b[2J", "\\u202e", "\\ud800", strings.Repeat("i", 1024), strings.Repeat("\u00e9", 512), ".", "..", "_x", "a/b?c#d", " "} {
		for _, source := range []string{"/s", "/s%00", "urn:" + strings.Repeat("s", 900)} {
			send("id "+id, structured, fmt.Appendf(nil, `{"specversion":"1.0","id":"%s","source":%q,"type":%q,"subject":"github.com/acme/odd/pull/1","datacontenttype":"application/json","data":{"agent":{"id":"a"},"tool":"T","call_id":"c","outcome":"success"}}`, id, source, record.TypeActionPerformed))
		}
	}
	good := fmt.Appendf(nil, `{"specversion":"1.0","id":"good","source":"/x","type":%q,"partitionkey":%q,"data":{}}`, record.TypeEventNoted, corpus.Docs)
	for _, c := range corpus.New(11, 1200, 1, time.Now().UTC()) {
		header, body := c.HTTP(good)
		send(c.Name, header, body)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		behind, err := i.Behind(t.Context(), topics)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d messages are behind, %v", behind, err)
		}
		if behind == 0 {
			break
		}
	}
	partitions, err := stream.Partitions(t.Context(), i.Kafka, topics)
	if err != nil {
		t.Fatal(err)
	}
	for partition := range partitions {
		if _, err := i.Kafka.Partition(topics.DLQ(), partition).Scan(t.Context(), -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				if !stream.IsMarker(r) && string(stream.LastHeader(r, stream.HeaderReason)) != string(schemas.DuplicateID) {
					t.Errorf("taken, and a dead letter: %s %s: %.300s", stream.LastHeader(r, stream.HeaderReason), stream.LastHeader(r, stream.HeaderDetail), r.Value)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if taken < 300 {
		t.Errorf("%d events were taken, which is too few to say anything", taken)
	}
	t.Logf("%d events were taken", taken)
}
