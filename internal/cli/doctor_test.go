package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestDoctorCountsDeadLettersOnly writes dead letters in transactions, whose markers have
// offsets, too.
func TestDoctorCountsDeadLettersOnly(t *testing.T) {
	topics := stream.Topics{Prefix: "t"}
	conf, _ := kafkatest.Pipeline(t, 2, topics)
	cl, err := kgo.NewClient(kgo.SeedBrokers(conf.Brokers...), kgo.TransactionalID("enricher"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for letters, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		was := &stream.Record{Topic: topics.Events(), Value: []byte("x")}
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		letter := stream.DeadLetter(topics.DLQ(), was, stream.Refusal{Stage: "enricher", Reason: schemas.NotJSON, At: time.Now()})
		if err := cl.ProduceSync(t.Context(), letter).FirstErr(); err != nil {
			t.Fatal(letters, err)
		}
		if err := cl.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	var out, errOut strings.Builder
	environ := []string{"CHANGETRAIL_KAFKA_BROKERS=" + strings.Join(conf.Brokers, ","), "CHANGETRAIL_KAFKA_PREFIX=t", "CHANGETRAIL_SINK_ADDRESSES=http://127.0.0.1:1"}
	Run(t.Context(), []string{"doctor"}, strings.NewReader(""), &out, &errOut, environ)
	if said := out.String(); !strings.Contains(said, "2 messages could not be processed") {
		t.Errorf("it says %s%s", said, errOut.String())
	}
}

// TestDoctorFindsForeignApprovals: what nobody with the key of the gateways wrote.
func TestDoctorFindsForeignApprovals(t *testing.T) {
	topics := stream.Topics{Prefix: "t"}
	conf, w := kafkatest.Pipeline(t, 1, topics)
	environ := []string{"CHANGETRAIL_KAFKA_BROKERS=" + strings.Join(conf.Brokers, ","), "CHANGETRAIL_KAFKA_PREFIX=t", "CHANGETRAIL_SINK_ADDRESSES=http://127.0.0.1:1", "CHANGETRAIL_GATEWAY_GATE_DIR=" + t.TempDir(), "CHANGETRAIL_SIGNING_KEY=the key of the gateways"}
	for _, want := range []string{"0 entries, each signed", "1 of 1 entries have no valid signature"} {
		var out, errOut strings.Builder
		Run(t.Context(), []string{"doctor"}, strings.NewReader(""), &out, &errOut, environ)
		if said := out.String(); !strings.Contains(said, want) {
			t.Errorf("it says %s%s, not %s", said, errOut.String(), want)
		}
		if err := w.Append(t.Context(), &stream.Record{Topic: topics.Approvals(), Key: []byte("x"), Value: []byte(`{"grant":{}}`)}); err != nil {
			t.Fatal(err)
		}
	}
}
