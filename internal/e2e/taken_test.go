//go:build servers

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/corpus"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestWhatIsAcceptedIsIndexed: an agent cannot keep what it did out of an index by a value that
// the gateway takes and the engine does not. Each odd value that is taken, wherever any may
// stand, is in the events of both engines, its change has a record, and there is no dead
// letter.
func TestWhatIsAcceptedIsIndexed(t *testing.T) {
	p := newPipeline(t, "taken")
	g, err := gateway.New(gateway.Config{
		Publisher: newProducer(t, producer.Kafka(producer.KafkaConfig{Brokers: p.kafka.Brokers, Topic: p.topics.Events()})),
		Limits:    gateway.Limits{Rate: 1e6}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	g.Register(mux)
	taken, changes := 0, make(map[string]string) // a change, and what is odd about it
	for k, odd := range corpus.Oddities() {
		for i, data := range []string{`"arguments":{"x":%s}`, `"result":%s`, `"x":%s`} {
			change := fmt.Sprintf("github.com/acme/odd-%d/pull/%d", k, i+1)
			body := fmt.Sprintf(`{"specversion":"1.0","id":"%d-%d","source":"/agents/a","type":%q,"subject":%q,"datacontenttype":"application/json","data":{"agent":{"id":"a"},"tool":"T","call_id":"c%d","outcome":"success",`+data+`}}`, k, i, record.TypeActionPerformed, change, k, odd)
			r := httptest.NewRequest(http.MethodPost, "/v1/events", bytes.NewReader([]byte(body)))
			r.Header.Set("Content-Type", schemas.ContentTypeEvent)
			w := httptest.NewRecorder()
			if mux.ServeHTTP(w, r); w.Code >= 500 {
				t.Errorf("%.60s: %d %s", odd, w.Code, w.Body)
			}
			if w.Code < 300 {
				taken++
				changes[change] = fmt.Sprintf("%.60s in %.11s", odd, data)
			}
		}
	}
	if taken < 50 {
		t.Fatalf("%d events were taken, which is too few to say anything", taken)
	}
	p.run(t)
	for name, engine := range p.engines {
		eventually(t, 2*time.Minute, func() error {
			for change, odd := range changes {
				if doc, err := engine.Record(t.Context(), change); err != nil || doc == nil {
					return errors.Join(fmt.Errorf("%s has no record of %s (%s)", name, change, odd), err)
				}
			}
			status, answer, err := engine.Request(t.Context(), http.MethodGet, "/"+schemas.EventIndex(p.namespace)+"/_count", nil)
			var found struct{ Count int }
			if err == nil {
				err = json.Unmarshal(answer, &found)
			}
			if err != nil || status != http.StatusOK || found.Count != taken {
				return errors.Join(fmt.Errorf("%s has %d of %d events: %d", name, found.Count, taken, status), err)
			}
			return nil
		})
	}
	deadLetters(t, p, 0)
	t.Logf("%d events were taken", taken)
}
