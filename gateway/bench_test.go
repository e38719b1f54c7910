package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// encoded processes events up to the message for the broker: the gateway's own cost.
type encoded struct{}

func (encoded) Send(ctx context.Context, events []event.Event) []error {
	for _, e := range events {
		if _, err := producer.Encode(ctx, e, producer.Binary); err != nil {
			return []error{err}
		}
	}
	return make([]error, len(events))
}

func (encoded) Close() error { return nil }

// BenchmarkEvents is an action of an agent, of 2 KB, in structured mode.
func BenchmarkEvents(b *testing.B) {
	redactor, err := secrets.New(secrets.Redacted, []byte("k"))
	if err != nil {
		b.Fatal(err)
	}
	p, err := producer.New(encoded{}, producer.Options{Checked: true})
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(Config{Publisher: p, Redactor: redactor, Limits: Limits{Rate: 1e9}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	g.Register(mux)
	body := []byte(fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"/agents/agent-bot-3000","type":"%s","subject":"github.com/acme/payments/pull/7","time":"2026-03-01T03:47:00.123456Z","datacontenttype":"application/json","data":{"agent":{"id":"agent-bot-3000","provider":"anthropic","model":"claude-sonnet-4-5","run":"run-7"},"tool":"Bash","call_id":"toolu_7","outcome":"success","arguments":{"command":"go test ./... -run TestAll -count=1","description":"run the tests"},"result":%q,"files":["internal/ledger/ledger.go"]}}`,
		record.TypeActionPerformed, strings.Repeat("ok  github.com/acme/payments/internal/ledger 0.342s coverage: 81.2% of statements; the authorization module is untouched ", 11)))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/v1/events", io.NopCloser(bytes.NewReader(body)))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Type", "application/cloudevents+json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent {
			b.Fatal(w.Body)
		}
	}
}
