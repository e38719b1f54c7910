package health

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// An Index is where events are, and where the documents are written.
type Index interface {
	sinks.Engine
	// Heard returns on which days events of each source arrived, from a time on.
	Heard(ctx context.Context, namespace string, since time.Time) ([]schemas.Heard, error)
}

// A Config is what a reporter needs.
type Config struct {
	Kafka     stream.Config
	Topics    stream.Topics
	Namespace string
	Index     Index
	Interval  time.Duration // between two measurements
	Log       *slog.Logger
}

// A reporter writes documents about the pipeline.
type reporter struct{ Config }

// Run writes documents until ctx is done: those about parts and sources once in every interval, those
// about dead letters when they come. What fails is logged and tried again.
func Run(ctx context.Context, c Config) error {
	r := &reporter{c}
	letters, err := stream.NewReader(stream.ReaderConfig{
		Config: c.Kafka, Group: Group(c.Topics, c.Index.Name()), Topics: []string{c.Topics.DLQ()}, Drain: func(context.Context, []stream.Place) {},
	})
	if err != nil {
		return err
	}
	defer letters.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.measureAlways(ctx) })
	group.Go(func() error { return r.followLetters(ctx, letters) })
	return group.Wait()
}

// Group returns the consumer group that reads dead letters for an index.
func Group(t stream.Topics, index string) string { return t.Prefix + "-health-" + index }

func (r *reporter) measureAlways(ctx context.Context) error {
	tick := time.NewTicker(r.Interval)
	defer tick.Stop()
	for {
		if err := r.measure(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.Log.Warn("the health of the pipeline is not complete in the index; it is measured again after the interval", "interval", r.Interval, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// measure writes the documents of the interval in which now is.
func (r *reporter) measure(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, max(r.Interval, 30*time.Second))
	defer cancel()
	at := now.Truncate(r.Interval)
	docs := r.lags(ctx, at)
	heard, err := r.Index.Heard(ctx, r.Namespace, now.Add(-2*window))
	m := moment{now: now, at: at, known: now}
	if !r.indexed(docs) {
		m.known = newest(heard, now)
	}
	docs = append(docs, m.sources(heard, err)...)
	return r.put(ctx, docs)
}

// A document is a statement and what identifies it.
type document struct {
	schemas.Health
	id []string
}

// about returns the document of a statement that is made once for each time.
func about(at time.Time, message string, facts schemas.HealthFacts) document {
	return document{
		Health: schemas.Health{Timestamp: at.UTC(), Message: message, Trail: schemas.HealthTrail{Health: facts}},
		id:     []string{facts.Kind, facts.Name, at.UTC().Format(time.RFC3339Nano)},
	}
}

// put stores documents. It is an error if one of them may be stored later. One that the index refuses is
// logged, and does not stop the others.
func (r *reporter) put(ctx context.Context, docs []document) error {
	if len(docs) == 0 {
		return nil
	}
	list, now := make([]sinks.Document, len(docs)), time.Now()
	for i := range docs {
		d := &docs[i]
		d.Describe(now)
		list[i] = sinks.Document{Index: schemas.HealthIndex(r.Namespace, d.Timestamp), ID: schemas.HealthID(d.id...), Body: d.Append(nil)}
	}
	outcomes, err := r.Index.Put(ctx, list)
	if err != nil {
		return err
	}
	for i, o := range outcomes {
		switch o.Kind {
		case sinks.Done, sinks.Stale:
		case sinks.Refused:
			r.Log.Error("the index refuses a document about the health of the pipeline; it is missing there", "index", list[i].Index, "message", docs[i].Message, "reason", o.Reason)
		default:
			return fmt.Errorf("%s: document %s for %s: %s: %s", r.Index.Name(), list[i].ID, list[i].Index, o.Kind, o.Reason)
		}
	}
	return nil
}
