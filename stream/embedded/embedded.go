// Package embedded is the broker of the embedded mode: one that speaks the Kafka
// protocol on a port of this machine and keeps its topics in a folder.
//
// It is franz-go's kfake, made for tests. What it writes survives a kill -9, and
// with each batch synced a loss of power. Killed, it forgets what producers had
// numbered, so that a batch that is sent again after a restart may stand twice.
// Nothing downstream relies on that: events are known by source and id, and
// records by their revision (docs/embedded.md, with its limits).
//
// It imports nothing of ours and alone imports kfake outside of tests.
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
)

// A Broker is running.
type Broker struct {
	cluster *kfake.Cluster
	lock    *flock.Flock
}

// ErrInUse reports a folder that another process works in.
var ErrInUse = errors.New("another changetrail works in this folder")

// Start starts a broker with its data in dir, which no other process may use,
// listening on address, as 127.0.0.1:9092; port 0 is any that is free.
func Start(dir, address string) (_ *Broker, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	// kfake takes no lock of its own: two processes would write one log.
	lock := flock.New(filepath.Join(dir, "lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("broker: %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("broker: %s: %w; stop that one, or take another folder", dir, ErrInUse)
	}
	defer func() {
		if err != nil {
			_ = lock.Unlock()
		}
	}()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("broker: address %q: %w", address, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("broker: address %q has no port", address)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(number), kfake.DataDir(dir), kfake.SyncWrites(), kfake.ClusterID("changetrail-embedded"),
		kfake.ListenFn(func(network, at string) (net.Listener, error) {
			_, port, err := net.SplitHostPort(at)
			if err != nil {
				return nil, err
			}
			return net.Listen(network, net.JoinHostPort(host, port))
		}),
		// Opening after a crash reads the open segment of every partition.
		kfake.BrokerConfigs(map[string]string{"log.segment.bytes": strconv.Itoa(16 << 20)}),
	)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return &Broker{cluster, lock}, nil
}

// Address is where the broker listens.
func (b *Broker) Address() string { return b.cluster.ListenAddrs()[0] }

// Close stops the broker.
func (b *Broker) Close() {
	b.cluster.Close()
	_ = b.lock.Unlock()
}
