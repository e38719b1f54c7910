// Package standalone is the embedded mode: broker, enricher, sink, index and
// blob store in one process, with all data in one folder.
//
//	broker/        the topics (stream/embedded)
//	state/         the enricher's store
//	gate/          the gate's copy of it
//	index.sqlite   records, events and findings (sinks/local)
//	blobs/         reports and large data
//
// The enricher and the sink are the same as in the services, and speak to the broker over the Kafka
// protocol.
package standalone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/health"
	"github.com/changetrail/changetrail/internal/instances"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/stream"
)

// A Config is the configuration of the embedded mode.
type Config struct {
	Dir       string
	Listen    string // address at which the broker accepts events, for example 127.0.0.1:9092
	TLS       *tls.Config
	Login     func(ctx context.Context, user, password string) error // of Kafka clients; nil means no login
	Topics    stream.Topics
	Namespace string
	Retention time.Duration
	Policy    *policy.Policy   // nil means no policy
	Controls  *controls.Matrix // nil means none
	Keys      signing.Keys     // of the gateway next to it
	Trust     []settings.Trust // which unsigned events are believed
	Memory    int64            // limit of the memory for events in the enricher, in bytes
	Health    time.Duration    // how often the health of the pipeline is written into the index; 0 is never

	Log    *slog.Logger         // nil means no log
	Meter  metric.MeterProvider // nil means no metrics
	Tracer trace.TracerProvider // nil means no traces
}

// withDefaults returns c with what Start needs and c does not have.
func (c Config) withDefaults() (Config, error) {
	var err1, err2 error
	if c.Policy == nil {
		c.Policy, err1 = policy.Parse(nil)
	}
	if c.Controls == nil {
		c.Controls, err2 = controls.Parse(nil)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(err1, err2)
}

// Partitions of each topic: as many as one process can use.
const Partitions = 4

// An Instance is a running embedded mode.
type Instance struct {
	Kafka stream.Config
	Index *local.Index
	Blobs *blobs.Store
	View  *enricher.View // for the gate
	// Approvals are those that people give before the work of agents; nil without a key that can sign.
	Approvals *approvals.Book
	Open      *pending.Follower // the open changes, and what waits for a person

	broker *embedded.Broker
	ctx    context.Context // of all parts
	stop   context.CancelFunc
	group  *errgroup.Group
}

// Desk returns where people decide, with decisions recorded by r.
func (i *Instance) Desk(r gate.Recorder, merges desk.Gate) *desk.Desk {
	return &desk.Desk{View: i.View, Gate: merges, Recorder: r, Book: i.Approvals, Open: i.Open, Now: time.Now}
}

// A recorder puts what changetrail itself states on the stream.
type recorder interface {
	gate.Recorder
	desk.Notes
}

// Sweep returns what brings approvals before work to open changes.
func (i *Instance) Sweep(r recorder, merges desk.Gate, log *slog.Logger) *desk.Sweep {
	return &desk.Sweep{Desk: i.Desk(r, merges), Changes: i.Open, Books: i.Approvals, Notes: r, Log: log}
}

// BlobDir is the folder of the blob store in a data folder.
func BlobDir(dir string) string { return filepath.Join(dir, "blobs") }

// parts are the subfolders of a data folder.
var parts = []string{"broker", "state", "gate", "blobs"}

// private makes a data folder private, or logs that it contains other files, too. The files of
// changetrail in it are private in any case.
func private(dir string, log *slog.Logger) error {
	others, err := files.PrivateIfOurs(dir, func(name string) bool {
		return slices.Contains(parts, name) || strings.HasPrefix(name, local.FileName) || slices.Contains([]string{"gateway.key", "credentials.yaml", instances.FileName, "demo.json", "policy.yaml", "controls.yaml", "masked", "masking.lock"}, name)
	})
	if err != nil {
		return err
	}
	if others {
		log.Warn("other users of this machine can list the data folder; it also contains other files, so its permissions are not changed: run chmod 700 on it, or give changetrail its own folder", "dir", dir)
	}
	for _, part := range parts {
		if err := files.Private(filepath.Join(dir, part)); err != nil {
			return err
		}
	}
	return files.Narrow(filepath.Join(dir, "gateway.key"), 0o077)
}

// Start starts all parts. When it returns, the broker accepts events and the index answers. Wait
// returns the error that ends it.
func Start(ctx context.Context, c Config) (_ *Instance, err error) {
	i := new(Instance)
	defer func() {
		if err != nil {
			i.close()
		}
	}()
	if c, err = c.withDefaults(); err != nil {
		return nil, err
	}
	if err := private(c.Dir, c.Log); err != nil {
		return nil, err
	}
	dir := filepath.Join(c.Dir, "broker")
	if i.broker, err = embedded.Start(dir, &embedded.Port{Address: c.Listen, Topic: c.Topics.Events(), TLS: c.TLS, Login: c.Login, Log: c.Log}); err != nil {
		return nil, err
	}
	if i.Index, err = local.Open(ctx, c.Dir, true); err != nil {
		return nil, err
	}
	if i.Blobs, err = blobs.Open(BlobDir(c.Dir)); err != nil {
		return nil, err
	}
	i.Kafka = Broker(c.Dir)
	admin, err := stream.NewAdmin(i.Kafka)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	if _, err := admin.Ensure(ctx, c.Topics.Specs(Partitions, c.Retention), 1, false); err != nil {
		return nil, err
	}
	for _, content := range [][]byte{c.Policy.Content(), c.Controls.Content()} { // so that each digest in a record leads to the text
		if len(content) > 0 {
			if _, err := i.Blobs.Put(ctx, content); err != nil {
				return nil, err
			}
		}
	}
	if i.View, err = enricher.OpenView(ctx, i.Kafka, c.Topics, filepath.Join(c.Dir, "gate"), c.Log.With("part", "gate")); err != nil {
		return nil, err
	}
	if c.Keys.CanSign() {
		if i.Approvals, err = approvals.Open(i.Kafka, c.Topics, c.Keys, c.Log.With("part", "approvals")); err != nil {
			return nil, err
		}
	}
	ctx, i.stop = context.WithCancel(ctx)
	i.group, ctx = errgroup.WithContext(ctx)
	i.ctx = ctx
	i.group.Go(func() error {
		return part("enricher", enricher.Run(ctx, enricher.Config{
			Kafka: i.Kafka, Topics: c.Topics, Namespace: c.Namespace, StateDir: filepath.Join(c.Dir, "state"), Instance: "standalone",
			Policy: c.Policy, Controls: c.Controls, Keys: c.Keys, Trust: c.Trust, Blobs: i.Blobs, EvidenceAge: 180 * 24 * time.Hour, MaxBatch: 2000, Memory: c.Memory, Linger: 50 * time.Millisecond,
			Compression: "lz4", Resend: true, Log: c.Log.With("part", "enricher"), Meter: c.Meter, Tracer: c.Tracer,
		}))
	})
	i.group.Go(func() error { return part("gate", i.View.Run(ctx)) })
	i.Open = pending.New(i.View, c.Log.With("part", "open changes"))
	i.group.Go(func() error { return part("open changes", i.Open.Run(ctx)) })
	if i.Approvals != nil {
		i.group.Go(func() error { return part("approvals", i.Approvals.Run(ctx)) })
	}
	i.group.Go(func() error {
		return part("sink", sinks.Run(ctx, sinks.Config{
			Kafka: i.Kafka, Topics: c.Topics, Namespace: c.Namespace, Instance: "standalone", Engine: i.Index,
			MaxDocs: 500, InFlight: 1, Linger: 50 * time.Millisecond, Log: c.Log.With("part", "sink"), Meter: c.Meter, Tracer: c.Tracer,
		}))
	})
	if c.Health > 0 {
		i.group.Go(func() error {
			return part("health", health.Run(ctx, health.Config{Kafka: i.Kafka, Topics: c.Topics, Namespace: c.Namespace, Index: i.Index, Interval: c.Health, Log: c.Log.With("part", "health")}))
		})
	}
	return i, nil
}

// Go runs another part, which ends with the others. An error of it ends all of them.
func (i *Instance) Go(name string, f func(context.Context) error) {
	i.group.Go(func() error { return part(name, f(i.ctx)) })
}

func part(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Broker returns how the user who runs an instance in a data folder reaches its broker: with read
// and write access to all topics.
func Broker(dir string) stream.Config {
	return stream.Config{Brokers: []string{embedded.Seed}, Dial: embedded.Dial(filepath.Join(dir, "broker"))}
}

// Broker is the address to which Kafka clients publish.
func (i *Instance) Broker() string { return i.broker.Address() }

// Behind is how many messages have not reached the index yet.
func (i *Instance) Behind(ctx context.Context, t stream.Topics) (int64, error) {
	admin, err := stream.NewAdmin(i.Kafka)
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	sum := int64(0)
	for _, group := range []string{enricher.Group(t), sinks.Group(t, local.Name)} {
		lag, members, err := admin.Group(ctx, group)
		if err != nil {
			return 0, err
		}
		if members == 0 {
			sum++ // the sink has not started
		}
		for _, n := range lag {
			sum += n
		}
	}
	return sum, nil
}

// Wait waits until the context of Start is done or a part fails, and then closes everything.
func (i *Instance) Wait() error {
	err := i.group.Wait()
	i.close()
	return err
}

// Close stops all parts.
func (i *Instance) Close() error {
	i.stop()
	return i.Wait()
}

func (i *Instance) close() {
	if i.Blobs != nil {
		_ = i.Blobs.Close()
	}
	if i.Index != nil {
		_ = i.Index.Close()
	}
	if i.broker != nil {
		i.broker.Close()
	}
}
