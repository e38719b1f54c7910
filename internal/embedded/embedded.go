// Package embedded is the broker of the embedded mode: it speaks the Kafka protocol and keeps its
// topics in a folder.
//
// The broker itself listens on a socket in that folder, which belongs to the user who runs it; the
// pipeline's own parts connect there. Everybody else uses a [Port], which accepts messages for one
// topic and nothing else: whoever can reach it can neither read messages nor write what an enricher
// writes.
//
// It is franz-go's kfake, which was made for tests. What it writes survives a kill -9, and, since
// each batch is synced, a loss of power. After a kill it has forgotten the sequence numbers of
// producers, so that a batch that is sent again after a restart may be stored twice. Nothing
// downstream relies on that: events are identified by source and id, and records by their revision
// (docs/embedded.md, with its limits).
//
// It imports no other package of changetrail. Outside of tests only this package imports kfake.
package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/changetrail/changetrail/internal/files"
)

// A Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	lock    *flock.Flock
	port    *openPort
	socket  string
}

// ErrInUse reports a folder that another process uses.
var ErrInUse = errors.New("another changetrail works in this folder")

// Start starts a broker with its data in dir, which no other process may use, and opens a port of
// it for others, unless port is nil.
func Start(dir string, others *Port) (_ *Broker, err error) {
	if err := files.Private(dir); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	// kfake takes no lock of its own: two processes would write to one log.
	lock := flock.New(filepath.Join(dir, "lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("broker: %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("broker: %s: %w; stop that process, or use another folder", dir, ErrInUse)
	}
	b := &Broker{lock: lock}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if others == nil {
		if err := b.run(dir, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9092}); err != nil {
			return nil, fmt.Errorf("broker: %w", err)
		}
		return b, nil
	}
	if err := b.runWith(dir, others); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// runWith starts the broker itself behind a port.
func (b *Broker) runWith(dir string, others *Port) error {
	outside, err := others.listen()
	if err != nil {
		return err
	}
	if err := b.run(dir, outside.Addr()); err != nil {
		return errors.Join(err, outside.Close())
	}
	if b.port, err = others.open(outside, b.socket); err != nil {
		return errors.Join(err, outside.Close())
	}
	return nil
}

// run starts the broker itself. It tells clients to connect to address.
func (b *Broker) run(dir string, address net.Addr) (err error) {
	if b.socket, err = freshSocket(dir); err != nil {
		return err
	}
	b.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(1), kfake.DataDir(dir), kfake.SyncWrites(), kfake.ClusterID("changetrail-embedded"),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			inside, err := net.Listen("unix", b.socket)
			if err != nil {
				return nil, err
			}
			return named{inside, address}, os.Chmod(b.socket, 0o600)
		}),
		// Opening after a crash reads the last segment of every partition.
		kfake.BrokerConfigs(map[string]string{"log.segment.bytes": strconv.Itoa(16 << 20)}),
	)
	return err
}

// named is a listener that reports the address of another one.
type named struct {
	net.Listener
	address net.Addr
}

func (n named) Addr() net.Addr { return n.address }

// Address is the address to which others send messages; empty without a port.
func (b *Broker) Address() string {
	if b.port == nil {
		return ""
	}
	return b.port.listener.Addr().String()
}

// Close stops the broker.
func (b *Broker) Close() {
	if b.port != nil {
		b.port.close()
	}
	if b.cluster != nil {
		b.cluster.Close()
	}
	_ = b.lock.Unlock()
}
