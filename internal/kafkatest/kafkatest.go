// Package kafkatest starts a Kafka broker for tests, in their own process.
package kafkatest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/changetrail/changetrail/stream"
)

// Cluster starts a broker whose topics all have the same number of partitions. It ends with the
// test.
func Cluster(t testing.TB, partitions int32, topics ...string) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Pipeline starts a broker with the topics of a pipeline, and returns its configuration and a
// writer.
func Pipeline(t testing.TB, partitions int32, topics stream.Topics) (stream.Config, *stream.Writer) {
	t.Helper()
	conf := stream.Config{Brokers: Cluster(t, partitions, append(topics.All(), topics.Policies(), topics.Approvals())...).ListenAddrs()}
	w, err := stream.NewWriter(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return conf, w
}
