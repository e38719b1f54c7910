package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// newCluster returns a cluster without topics.
func newCluster(t *testing.T) (*kfake.Cluster, Config) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, Config{Brokers: cluster.ListenAddrs()}
}

// admin returns one that knows nothing yet, as each command has it.
func admin(t *testing.T, conf Config) *Admin {
	t.Helper()
	a, err := NewAdmin(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func ensure(t *testing.T, conf Config, specs []TopicSpec, dryRun bool) (changes []string) {
	t.Helper()
	a := admin(t, conf)
	steps, err := a.Ensure(t.Context(), specs, 1, dryRun)
	if err != nil || len(steps) != len(specs) {
		t.Fatalf("%d steps for %d topics: %v", len(steps), len(specs), err)
	}
	for _, s := range steps {
		if s.Change != "" {
			changes = append(changes, s.What+": "+s.Change)
		}
	}
	return changes
}

func TestEnsureMakesTopicsOnce(t *testing.T) {
	_, conf := newCluster(t)
	topics := Topics{Prefix: "p"}
	specs := topics.Specs(3, 24*time.Hour)
	dry := ensure(t, conf, specs, true)
	if counts, err := admin(t, conf).Counts(t.Context(), topics); err != nil || len(counts) != 0 || len(dry) != 7 {
		t.Errorf("a dry run made %v (%v), and says %q", counts, err, dry)
	}
	if diff := cmp.Diff(dry, ensure(t, conf, specs, false)); diff != "" {
		t.Errorf("what is done is not what a dry run says:\n%s", diff)
	}
	if changes := ensure(t, conf, specs, false); changes != nil {
		t.Errorf("the second run: %q", changes)
	}
	want := map[string]int32{"p.events": 3, "p.enriched": 3, "p.records": 3, "p.state": 3, "p.dlq": 3, "p.policies": 1, "p.approvals": 1}
	if counts, err := admin(t, conf).Counts(t.Context(), topics); err != nil || !cmp.Equal(want, counts) {
		t.Errorf("%v, %v", counts, err)
	}
	if n, err := Partitions(t.Context(), conf, topics); err != nil || n != 3 {
		t.Errorf("%d partitions, %v", n, err)
	}

	// Another retention, and another number of partitions, which stays as it is.
	other := topics.Specs(5, 48*time.Hour)
	wantChange := "p.events (3 partitions)"
	dry = ensure(t, conf, other, true)
	if len(dry) != 3 || !strings.Contains(dry[0], wantChange) || !strings.Contains(dry[0], "5 ") || !strings.Contains(dry[0], "retention.ms=172800000") {
		t.Errorf("another retention: %q", dry)
	}
	if diff := cmp.Diff(dry, ensure(t, conf, other, false)); diff != "" {
		t.Errorf("what is done is not what a dry run says:\n%s", diff)
	}
	if changes := ensure(t, conf, other, false); changes != nil {
		t.Errorf("again: %q", changes)
	}
	if n, err := Partitions(t.Context(), conf, topics); err != nil || n != 3 {
		t.Errorf("%d partitions after that, %v", n, err)
	}
}

// TestEnsureThatFails says which topic, and the next run finishes it.
func TestEnsureThatFails(t *testing.T) {
	specs := Topics{Prefix: "p"}.Specs(1, 24*time.Hour)
	for _, key := range []kmsg.Key{kmsg.CreateTopics, kmsg.DescribeConfigs, kmsg.IncrementalAlterConfigs} {
		cluster, conf := newCluster(t)
		if key != kmsg.CreateTopics {
			ensure(t, conf, Topics{Prefix: "p"}.Specs(1, time.Hour), false)
		}
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.InvalidConfig})
		if _, err := admin(t, conf).Ensure(t.Context(), specs, 1, false); err == nil || !strings.Contains(err.Error(), "p.events") {
			t.Errorf("%s fails: %v", key.Name(), err)
		}
		ensure(t, conf, specs, false)
		if changes := ensure(t, conf, specs, false); changes != nil {
			t.Errorf("%s failed, and after two more runs: %q", key.Name(), changes)
		}
	}
}

// TestEnsureBesideAnother: a topic that somebody else makes meanwhile is no error.
func TestEnsureBesideAnother(t *testing.T) {
	cluster, conf := newCluster(t)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAlreadyExists})
	ensure(t, conf, []TopicSpec{{"one", 1, nil}}, false)
}

func TestPartitionsThatDoNotFit(t *testing.T) {
	topics := Topics{Prefix: "p"}
	for name, c := range map[string]struct {
		change func([]TopicSpec) []TopicSpec
		want   []string
	}{
		"no topics":    {func([]TopicSpec) []TopicSpec { return nil }, []string{"run changetrail setup"}},
		"no policies":  {func(s []TopicSpec) []TopicSpec { return s[:5] }, []string{"p.policies", "run changetrail setup"}},
		"no events":    {func(s []TopicSpec) []TopicSpec { return s[1:] }, []string{"p.events", "run changetrail setup"}},
		"no state":     {func(s []TopicSpec) []TopicSpec { return append(s[:3:3], s[4:]...) }, []string{"p.state", "run changetrail setup"}},
		"another many": {func(s []TopicSpec) []TopicSpec { s[2].Partitions = 2; return s }, []string{"p.records", "2", "p.events", "3"}},
	} {
		_, conf := newCluster(t)
		if specs := c.change(topics.Specs(3, time.Hour)); len(specs) > 0 {
			ensure(t, conf, specs, false)
		}
		n, err := Partitions(t.Context(), conf, topics)
		for _, part := range c.want {
			if n != 0 || err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %d, %v, want %q", name, n, err, part)
			}
		}
	}
}

// TestCountsOfWhatMayNotBeRead is an error, and no topic that is not there.
func TestCountsOfWhatMayNotBeRead(t *testing.T) {
	cluster, conf := newCluster(t)
	ensure(t, conf, []TopicSpec{{"p.events", 1, nil}}, false)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "p.events", Err: kerr.TopicAuthorizationFailed})
	if counts, err := admin(t, conf).Counts(t.Context(), Topics{Prefix: "p"}); err == nil {
		t.Errorf("%v", counts)
	}
}

func TestLagAndClear(t *testing.T) {
	w := newWorld(t, 2)
	w.send(0, fine, fine, fine)
	w.send(1, fine)
	a := admin(t, w.conf)
	if err := a.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if lag, members, err := a.Group(t.Context(), "nobody"); err != nil || members != 0 || len(lag) != 0 {
		t.Errorf("a group that does not exist: %v, %d members, %v", lag, members, err)
	}
	r := reader(t, w, "readers", "")
	got := poll(t, r, 4)
	if err := r.Commit(t.Context(), got[3:]); err != nil {
		t.Fatal(err)
	}
	lag, members, err := a.Group(t.Context(), "readers")
	if want := map[int32]int64{0: 3, 1: 1}[1-got[3].Partition]; err != nil || members != 1 || lag[testIn] != want {
		t.Errorf("a group that committed partition %d: %v, %d members, %v, want %d to read", got[3].Partition, lag, members, err, want)
	}
	if err := a.Clear(t.Context()); err == nil || !strings.Contains(err.Error(), "readers") {
		t.Errorf("a group that somebody reads for is deleted: %v", err)
	}
	r.Close()
	if err := a.Clear(t.Context(), testIn, "not there"); err != nil {
		t.Fatal(err)
	}
	if _, members, err := a.Group(t.Context(), "readers"); err != nil || members != 0 {
		t.Errorf("after Clear: %d members, %v", members, err)
	}
	if at, err := a.Committed(t.Context(), "readers", testIn); err == nil && len(at) > 0 {
		t.Errorf("after Clear the group is at %v", at)
	}
	if counts, err := admin(t, w.conf).adm.ListTopics(t.Context(), testIn); err != nil || counts[testIn].Err == nil {
		t.Errorf("after Clear the topic is there: %v, %v", counts, err)
	}
}
