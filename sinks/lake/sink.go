package lake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/stream"
)

// Name is the sink's name in metrics, dead letters and the consumer group.
const Name = settings.Lake

// A Config is what a sink needs.
type Config struct {
	Kafka     stream.Config
	Topics    stream.Topics
	Namespace string
	Instance  string // stable name among the sinks; may be empty
	// Keys are the enrichers' keys. If there are any, a message that none of them signed is refused.
	Keys signing.Keys

	Bucket blobs.Bucket
	Where  string // the bucket, as messages name it
	Layout Layout
	Format Format

	FileBytes int           // documents of a batch, in bytes before compression; 16 MiB if 0
	FileAge   time.Duration // how long a document waits at most for its batch to fill; 5 minutes if 0
	MaxMemory int           // bytes of all documents that wait; 64 MiB if 0
	InFlight  int           // batches that are written at a time; 2 if 0
	// New says that the bucket has no files of this sink, so that it need not be listed when the
	// group has no offsets.
	New bool

	// Grace is how long a stopping sink goes on writing batches that it has begun; 20 s if 0.
	Grace time.Duration

	Log   *slog.Logger
	Meter metric.MeterProvider
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.FileBytes, 16 << 20}, {&c.MaxMemory, 64 << 20}, {&c.InFlight, 2}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.FileAge <= 0 {
		c.FileAge = 5 * time.Minute
	}
	if c.Grace <= 0 {
		c.Grace = 20 * time.Second
	}
	return c
}

// Group returns the consumer group of the sinks that write files of a format.
func (c Config) Group() string {
	kind, _, _ := strings.Cut(c.Format.Extension(), ".")
	return sinks.Group(c.Topics, Name) + "-" + kind
}

// settings names the settings that decide which documents a file has and where it is.
func (c Config) settings() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%+v\n%s", c.Where, c.Layout, c.Format.Extension()))
	return fmt.Sprintf("%x", sum[:6])
}

// A sink is a running sink. One goroutine reads and decides what is due; batches of different
// partitions are written at the same time.
type sink struct {
	Config
	ids     map[string]string // of the topics
	reader  *stream.Reader
	letters *stream.Writer
	meter   *sinks.Meter
	deliver context.Context // of writing; it outlives that of reading
	now     func() time.Time

	mu     sync.Mutex // guards what follows
	parts  map[stream.Place]*part
	failed error // the error that ends the sink
}

const (
	pollRecords = 2000
	pollWait    = time.Second // how long reading may delay a batch that is due
)

// Run writes files until ctx is done. What is not written then is read again by the next sink. If ctx
// ends while the sink starts, the error is that of ctx.
func Run(ctx context.Context, c Config) error {
	c = c.withDefaults()
	if err := c.Layout.Check(); err != nil {
		return fmt.Errorf("lake: %w", err)
	}
	s := &sink{Config: c, parts: make(map[stream.Place]*part), now: time.Now}
	topics := []string{c.Topics.Enriched(), c.Topics.Records()}
	var err error
	if s.ids, err = stream.TopicIDs(ctx, c.Kafka, topics...); err != nil {
		return err
	}
	if s.meter, err = sinks.NewMeter(c.Meter, c.Log, Name); err != nil {
		return err
	}
	if s.letters, err = stream.NewWriter(c.Kafka); err != nil {
		return err
	}
	defer s.letters.Close()
	deliver, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.deliver = deliver
	defer context.AfterFunc(ctx, func() { time.AfterFunc(c.Grace, stop) })()
	s.reader, err = stream.NewReader(stream.ReaderConfig{
		Config: c.Kafka, Group: c.Group(), Instance: c.Instance, Topics: topics, Gained: s.gained, Drain: s.drain,
	})
	if err != nil {
		return err
	}
	defer s.reader.Close()
	for ctx.Err() == nil {
		s.read(ctx)
		if err := s.write(); err != nil {
			return err
		}
	}
	return nil
}

// gained notes partitions that this sink now reads, and the batches that were begun in them.
func (s *sink) gained(marks map[stream.Place]stream.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for place, m := range marks {
		begun, err := parsePlan(m.Note)
		if err != nil {
			s.failed = errors.Join(s.failed, fmt.Errorf("lake: %s: %w", place, err))
			continue
		}
		if begun.next > 0 && begun.settings != s.settings() {
			s.Log.Warn("a batch was begun with other settings; if some of its files were written, their documents are in files of both settings",
				"partition", place.String(), "from", m.Offset, "to", begun.next)
		}
		p := &part{place: place, first: m.Offset, read: m.Offset, planned: begun.next, lost: m.Offset < 0 && !s.New}
		p.ctx, p.cancel = context.WithCancel(s.deliver)
		s.parts[place] = p
	}
}

// drain forgets partitions; it returns once none of their batches is being written.
func (s *sink) drain(_ context.Context, places []stream.Place) {
	var gone []*part
	s.mu.Lock()
	for _, place := range places {
		if p := s.parts[place]; p != nil {
			p.cancel()
			delete(s.parts, place)
			gone = append(gone, p)
		}
	}
	s.mu.Unlock()
	for _, p := range gone {
		p.work.Wait()
	}
}

// read adds messages to the batches.
func (s *sink) read(ctx context.Context) {
	wait, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	polled, err := s.reader.Poll(wait, pollRecords)
	if err != nil {
		s.Log.Warn("reading failed; it is tried again", "err", err)
		time.Sleep(time.Second)
	}
	s.meter.Read(polled)
	now := s.now()
	s.mu.Lock()
	for _, r := range polled.Records {
		if p := s.parts[stream.Place{Topic: r.Topic, Partition: r.Partition}]; p != nil {
			p.add(r, now)
		}
	}
	s.mu.Unlock()
	s.reader.AllowRebalance()
}

// write writes the batches that are due.
func (s *sink) write() error {
	if err := s.resume(); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(s.InFlight)
	for _, p := range s.due() {
		g.Go(func() error {
			defer p.work.Done()
			if err := s.batch(p); err != nil && p.ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// due returns the partitions whose batches are to be written, and marks each as busy until the caller
// says that it is done.
func (s *sink) due() []*part {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, total := s.now(), 0
	var out []*part
	var largest *part
	for _, p := range s.parts {
		total += p.size
		switch {
		case p.isDue(now, s.FileBytes, s.FileAge):
			out = append(out, p)
		case p.planned == 0 && (largest == nil || p.size > largest.size):
			largest = p
		}
	}
	if len(out) == 0 && total > s.MaxMemory && largest != nil {
		out = append(out, largest)
	}
	for _, p := range out {
		p.work.Add(1)
	}
	return out
}

// resume finds out where to go on in partitions for which the group has no offset. This may be the
// first start, or the offsets were lost: then the files show how far the sink had come.
func (s *sink) resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	lost := false
	for _, p := range s.parts {
		lost = lost || p.lost
	}
	if !lost {
		return nil
	}
	found, err := s.files()
	if err != nil {
		s.Log.Warn("the group has no offsets, and the files cannot be listed to see how far they go; allow the sink to list them, or, if it has never written there, set sink.lake.new to true", "store", s.Where, "err", err)
		return nil // no batch is due before the position is known
	}
	for _, p := range s.parts {
		if p.lost {
			if last, ok := found[p.place]; ok {
				s.Log.Warn("the group has no offset for a partition, but there are files of it; it goes on after the last one", "partition", p.place.String(), "offset", last.next)
				p.from(last)
			}
			p.lost = false
		}
	}
	return nil
}

// files returns the last batch of each partition that has a file.
func (s *sink) files() (map[stream.Place]span, error) {
	ctx, cancel := context.WithTimeout(s.deliver, 10*time.Minute)
	defer cancel()
	out := make(map[stream.Place]span)
	return out, s.Bucket.Each(ctx, "", func(key string) error {
		if f, ok := parseName(key); ok && f.topic == s.ids[f.Topic] && f.next > out[f.Place].next {
			out[f.Place] = f
		}
		return nil
	})
}
