//go:build servers

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/segmentio/kafka-go"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/producer/kafkago"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestEveryClientGivesTheSameRecord publishes the events of PR 4829 with four
// client libraries, each with its own way of choosing partitions and of
// writing JSON, and finds the same record by its control tag in both engines.
func TestEveryClientGivesTheSameRecord(t *testing.T) {
	events := seedEvents(t)
	clients := []struct {
		name string
		send func(t *testing.T, topic string, events []event.Event)
	}{
		{"franz-go-binary", sendFranz(producer.Binary)},
		{"franz-go-structured", sendFranz(producer.Structured)},
		{"kafka-go", sendKafkaGo},
		{"kcat", sendKcat},
		{"python", sendPython},
	}
	var first *record.Record
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			p := newPipeline(t, "clients_"+c.name[:4]+c.name[max(4, len(c.name)-2):])
			p.run(t)
			c.send(t, p.topics.Events(), events)
			for engine := range engines {
				r := seedRecord(t, p, engine)
				if first == nil {
					first = r
					checkSeedRecord(t, r)
				}
				if diff := cmp.Diff(first, r, cmpopts.IgnoreUnexported(record.Judged{})); diff != "" {
					t.Errorf("%s, %s: the record differs (-first +this):\n%s", c.name, engine, diff)
				}
				eventually(t, 30*time.Second, func() error {
					if n := len(search(t, engine, schemas.EventIndex(p.namespace), "*")); n != len(events) {
						return fmt.Errorf("%s holds %d events, want %d", engine, n, len(events))
					}
					return nil
				})
			}
		})
	}
}

// seedRecord searches for the record as an analyst would, until all events are
// in it.
func seedRecord(t *testing.T, p *pipeline, engine string) *record.Record {
	t.Helper()
	var r record.Record
	eventually(t, 60*time.Second, func() error {
		hits := search(t, engine, "changetrail-record-"+p.namespace+"-*", `changetrail.control.tags:"pci-dss-6.3.2"`)
		if len(hits) != 1 {
			return fmt.Errorf("%s: %d records have the tag pci-dss-6.3.2, want 1", engine, len(hits))
		}
		r = record.Record{}
		if err := json.Unmarshal(hits[0], &r); err != nil {
			return err
		}
		if r.Trail.Events != 8 {
			return fmt.Errorf("%s: the record is made from %d events, want 8", engine, r.Trail.Events)
		}
		return nil
	})
	r.Trail.Revision = 0 // how often it was sent depends on how the events were cut into transactions
	return &r
}

// checkSeedRecord holds the record against what the story says.
func checkSeedRecord(t *testing.T, r *record.Record) {
	t.Helper()
	got := map[string]any{
		"change":      string(r.Trail.Change.ID),
		"state":       r.Trail.Change.State,
		"kind":        r.Trail.Change.Kind,
		"initiated":   r.Trail.Change.InitiatedBy,
		"merged at":   r.Trail.Change.MergedAt.Format(time.RFC3339),
		"agent":       r.GenAI.Agent.ID,
		"finding":     r.Vulnerability.ID[0] + " " + r.Vulnerability.Severity + " " + r.Package.Name + " " + r.Package.Version + " → " + r.Package.FixedVersion,
		"held, found": []bool{r.Trail.Trigger.Held, r.Trail.Trigger.Found},
		"scanner":     r.Trail.Trigger.Scanner,
		"aliases":     r.Trail.Trigger.Aliases,
		"chosen":      r.Trail.Decision.Chosen,
		"options":     len(r.Trail.Decision.Options),
		"tests":       []int64{r.Trail.Validation.Passed, r.Trail.Validation.Failed, r.Trail.Validation.Skipped},
		"conclusion":  r.Trail.Validation.Conclusion,
		"approvers":   r.Trail.Review.Approvers,
		"approved":    r.Trail.Review.ApprovedSHA,
		"environment": r.Trail.Environment,
		"service":     r.Trail.Service.Classification,
		"tags":        r.Tags,
	}
	want := map[string]any{
		"change":      seedChange,
		"state":       "merged",
		"kind":        "vulnerability-fix",
		"initiated":   "agent",
		"merged at":   "2026-11-12T03:47:03Z",
		"agent":       "agent-bot-3000",
		"finding":     "GHSA-35jh-r3h4-6jhm high lodash 4.17.15 → 4.17.21",
		"held, found": []bool{true, true},
		"scanner":     "osv-scanner",
		"aliases":     []string{"GHSA-35jh-r3h4-6jhm", "CVE-2021-23337"},
		"chosen":      "upgrade",
		"options":     3,
		"tests":       []int64{10, 2, 1},
		"conclusion":  "failure",
		"approvers":   []string{"jonas.k"},
		"approved":    seedHead,
		"environment": []string{"production"},
		"service":     "critical",
		"tags":        []string{"pci-dss-6.2.3", "pci-dss-6.3.2", "pci-dss-6.3.3", "pci-dss-6.5.1", "soc2-cc8.1", "iso27001-a.8.32"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the record of PR 4829 (-want +got):\n%s", diff)
	}
}

func sendFranz(mode producer.Mode) func(*testing.T, string, []event.Event) {
	return func(t *testing.T, topic string, events []event.Event) {
		p := newProducer(t, producer.Kafka(producer.KafkaConfig{Brokers: []string{broker.Address}, Topic: topic, Mode: mode}))
		if err := p.Publish(t.Context(), events...); err != nil {
			t.Fatal(err)
		}
	}
}

func sendKafkaGo(t *testing.T, topic string, events []event.Event) {
	// The default balancer is round robin: every event lies in a partition of
	// its own, which the enricher has to put right.
	w := &kafka.Writer{Addr: kafka.TCP(broker.Address), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond}
	defer w.Close()
	transport, err := kafkago.Transport(w, producer.Binary)
	if err != nil {
		t.Fatal(err)
	}
	p := newProducer(t, transport)
	for _, e := range events {
		if err := p.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func jsonLines(t *testing.T, events []event.Event) string {
	t.Helper()
	var b bytes.Buffer
	for _, e := range events {
		text, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// sendKcat uses librdkafka's default partitioner (CRC32, not murmur2) and no
// headers at all.
func sendKcat(t *testing.T, topic string, events []event.Event) {
	if _, err := exec.LookPath("kcat"); err != nil {
		foreign.Debian(t, "kcat")
	}
	output(t, exec.Command("kcat", "-P", "-b", broker.Address, "-t", topic, "-k", "github.com/acme/payments", "-l", jsonLines(t, events)))
}

func sendPython(t *testing.T, topic string, events []event.Event) {
	cmd := exec.Command(python(t), "testdata/publish.py", broker.Address, topic, jsonLines(t, events))
	t.Log(output(t, cmd))
}

// python returns an interpreter with the packages that testdata/publish.py
// needs, installed once into the user's cache.
func python(t *testing.T) string {
	t.Helper()
	return filepath.Join(foreign.Python(t, "cloudevents==2.2.0", "confluent-kafka"), "python")
}
