package enricher

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/stream"
)

// TestWithResendAKnownEventIsSentAgain applies a batch whose state is kept and whose output is
// lost, and then the batch again. That happens to an enricher that reconnects to a broker which
// was killed in the middle of a commit.
func TestWithResendAKnownEventIsSentAgain(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	events := benchEvents(t, 900)
	for i, r := range events {
		r.Offset = int64(i)
		r.Partition = stream.NewPartitioner(1).Of(string(r.Key))
	}
	apply := func(resend bool) map[string]int {
		e, err := newEnricher(Config{Topics: stream.Topics{Prefix: "b"}, Namespace: "default", Policy: new(policy.Policy), Controls: new(controls.Matrix), Resend: resend, Log: slog.New(slog.DiscardHandler)}, s, 1)
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Apply(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		sent := make(map[string]int)
		for _, r := range out {
			if r.Topic != e.conf.Topics.State() {
				sent[r.Topic+" "+string(r.Key)+" "+string(r.Value)]++
			}
		}
		if err := e.Committed(map[int32]int64{0: int64(len(events))}); err != nil {
			t.Fatal(err)
		}
		return sent
	}
	first := apply(true)
	if len(first) < len(events) {
		t.Fatalf("%d messages for %d events", len(first), len(events))
	}
	if diff := cmp.Diff(first, apply(true)); diff != "" {
		t.Errorf("the second time differs from the first (-first +second):\n%.2000s", diff)
	}
	if n := len(apply(false)); n != 0 {
		t.Errorf("without Resend, %d messages are sent for events that are known", n)
	}
}
