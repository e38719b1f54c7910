package detecttest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/stream"
)

// Folder is the folder of the rules, from the folder of a test in root or below.
func Folder(root string) string { return filepath.Join(root, "deploy", "siem", "detections") }

// A Document is a document of one of the indexes.
type Document struct {
	sinks.Document
	Kind  string // event, finding, health or record
	Doc   query.Doc
	Story *Story
}

// Found is what the embedded mode made of all stories.
type Found struct {
	Stories   []Story
	Documents []Document
	Index     *local.Index
	Now       time.Time // when all of them were stored
}

// Namespace is the namespace of the indexes.
const Namespace = "detect"

// Run runs all stories in the folder of the rules.
func Run(t *testing.T, folder string) *Found {
	t.Helper()
	dir := filepath.Join(folder, "testdata")
	out, now := &Found{Stories: stories(t, dir)}, time.Now()
	key := signing.Of([]byte("a key of the tests of detections"))
	topics := stream.Topics{Prefix: "detect"}
	i := start(t, dir, topics, key)
	out.Index = i.Index
	redactor, err := secrets.New(secrets.Redacted, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := producer.New(producer.Kafka(producer.KafkaConfig{Brokers: []string{i.Broker()}, Topic: topics.Events()}), producer.Options{Source: "/tests"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = publisher.Close(t.Context()) }()
	var events []event.Event
	for n := range out.Stories {
		for _, e := range out.Stories[n].tell(t, now) {
			if err := producer.Redact(t.Context(), &e.Event, redactor); err != nil {
				t.Fatal(err)
			}
			gateway.Sign(&e.Event, key, e.from, e.arrives)
			events = append(events, e.Event)
		}
	}
	if err := publisher.Publish(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, i, topics)
	out.Now = time.Now()
	out.read(t)
	for i := range out.Stories {
		out.state(t, &out.Stories[i])
	}
	if n := len(out.events()); n < len(events)-len(out.Stories) {
		t.Fatalf("%d events were sent, and %d are in the index: some were refused", len(events), n)
	}
	return out
}

func start(t *testing.T, dir string, topics stream.Topics, key signing.Keys) *standalone.Instance {
	t.Helper()
	file := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	p, err := policy.Parse(file("policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := controls.Parse(file("controls.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	i, err := standalone.Start(context.WithoutCancel(t.Context()), standalone.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Topics: topics, Namespace: Namespace, Retention: 400 * 24 * time.Hour, Policy: p, Controls: m, Keys: key,
		Log: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider(), Tracer: tracenoop.NewTracerProvider(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	return i
}

func caughtUp(t *testing.T, i *standalone.Instance, topics stream.Topics) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		behind, err := i.Behind(t.Context(), topics)
		if err == nil && behind == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d messages behind: %v", behind, err)
		}
	}
}

// read reads all documents of the index.
func (f *Found) read(t *testing.T) {
	t.Helper()
	of := make(map[string]*Story)
	for i := range f.Stories {
		for _, repository := range f.Stories[i].changes {
			of[repository] = &f.Stories[i]
		}
	}
	err := f.Index.Each(t.Context(), func(d sinks.Document) error {
		doc, err := query.ReadDoc(d.Body)
		if err != nil {
			return err
		}
		repository := doc.Text("changetrail.repository") + doc.Text("changetrail.change.repository")
		if of[repository] == nil {
			return fmt.Errorf("%s is of no story: %s", d.ID, d.Body)
		}
		f.Documents = append(f.Documents, Document{Document: d, Kind: kind(d.Index), Doc: doc, Story: of[repository]})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// state adds the documents of a story about the pipeline.
func (f *Found) state(t *testing.T, s *Story) {
	t.Helper()
	for n, statement := range s.health {
		for i := range max(1, statement.Times) {
			written := f.Now.Add(-time.Duration(statement.At * float64(time.Minute)))
			h := schemas.Health{Timestamp: written.UTC(), Trail: schemas.HealthTrail{Health: statement.Facts}}
			h.Describe(written)
			d := sinks.Document{Index: schemas.HealthIndex(Namespace, f.Now), ID: schemas.HealthID(s.Rule, s.Name, fmt.Sprint(n), fmt.Sprint(i)), Body: h.Append(nil)}
			doc, err := query.ReadDoc(d.Body)
			if err != nil {
				t.Fatal(err)
			}
			f.Documents = append(f.Documents, Document{Document: d, Kind: "health", Doc: doc, Story: s})
		}
	}
}

func (f *Found) events() (out []Document) {
	for _, d := range f.Documents {
		if d.Kind == "event" {
			out = append(out, d)
		}
	}
	return out
}

func kind(index string) string {
	for _, k := range []string{"record", "finding"} {
		if strings.HasPrefix(index, "changetrail-"+k) {
			return k
		}
	}
	return "event"
}
