package standalone_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// TestLargeUpdatesStopNobody sends updates of 317 KB each, which together exceed the size of a
// message, and then opens another pull request of the same repository.
func TestLargeUpdatesStopNobody(t *testing.T) {
	i, err := standalone.Start(t.Context(), standalone.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Topics: topics, Namespace: "default", Retention: 400 * 24 * time.Hour,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}()
	publisher, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: []string{i.Broker()}}), producer.Options{SendTimeout: time.Minute, Source: "/host"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = publisher.Close(t.Context()) }()
	const updates = 16
	for n := range updates {
		f := &record.Updated{Revision: record.Revision{HeadSHA: fmt.Sprintf("%040x", n+1)}}
		for k := range 3000 {
			f.Files = append(f.Files, fmt.Sprintf("services/%s/internal/handlers/v%d/file_%d.go", strings.Repeat("x", 60), k%10, k))
		}
		e := producer.Event("acme/p#1", f)
		e.SetTime(time.Now().Add(time.Duration(n-updates) * time.Minute))
		if err := publisher.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := publisher.Publish(t.Context(), producer.Event("acme/p#2", &record.Opened{Revision: record.Revision{Title: "another"}})); err != nil {
		t.Fatal(err)
	}
	for _, id := range []record.ChangeID{"github.com/acme/p/pull/2", "github.com/acme/p/pull/1"} {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			doc, err := i.Index.Record(t.Context(), string(id))
			if err != nil {
				t.Fatal(err)
			}
			if doc != nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not indexed after a minute", id)
			}
		}
	}
}
