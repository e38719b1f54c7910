package enricher

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

func TestRefuse(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	e, err := newEnricher(Config{Topics: stream.Topics{Prefix: "b"}, Log: slog.New(slog.DiscardHandler)}, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	e.now = func() time.Time { return time.Date(2026, 11, 12, 4, 0, 0, 0, time.UTC) }
	r := &stream.Record{Topic: "b.events", Partition: 0, Offset: 7, Key: []byte("k"), Value: []byte("as it came")}
	counted := func() int64 { return e.metrics.letters[schemas.Unprocessable] }
	for _, committed := range []bool{false, true} {
		out, err := e.Refuse(t.Context(), r, strings.Repeat("é", 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != 1 || out[0].Topic != "b.dlq" || !bytes.Equal(out[0].Value, r.Value) || string(stream.Header(out[0], stream.HeaderReason)) != "cannot-be-processed" {
			t.Errorf("Refuse returned %v", out)
		}
		if n := len(stream.Header(out[0], stream.HeaderDetail)); n < 1000 || n > 10_000 {
			t.Errorf("the reason has %d bytes", n)
		}
		if counted() != 1 {
			t.Errorf("%d are counted", counted())
		}
		if committed {
			err = e.Committed(nil)
		} else {
			e.Aborted()
		}
		if err != nil || counted() != 0 {
			t.Errorf("after the end of the transaction: %v, %d to be counted", err, counted())
		}
	}
}

// TestParallelPanic checks that a panic on a goroutine becomes an error that names the place.
func TestParallelPanic(t *testing.T) {
	for _, n := range []int{40, 1000} {
		err := parallel(n, func(i int) error {
			if i == n-1 {
				panic(fmt.Sprint("at ", i))
			}
			return nil
		})
		var bad *stream.BadRecord
		if !errors.As(err, &bad) || !strings.Contains(bad.Reason, fmt.Sprint("at ", n-1)) || !bytes.Contains(bad.Stack, []byte("TestParallelPanic")) {
			t.Errorf("%d: %v", n, err)
		}
	}
}
