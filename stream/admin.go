package stream

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// An Admin creates and inspects topics.
type Admin struct{ adm *kadm.Client }

// NewAdmin returns an Admin of a cluster.
func NewAdmin(c Config) (*Admin, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, kgo.RetryTimeout(10*time.Second))...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Admin{kadm.NewClient(cl)}, nil
}

// Close closes the connection.
func (a *Admin) Close() { a.adm.Close() }

// Ping reports whether a broker answers.
func (a *Admin) Ping(ctx context.Context) error {
	_, err := a.adm.BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("kafka: no broker answers: %w", err)
	}
	return nil
}

// Partitions returns the number of partitions of the events topic. It is an error if a topic that
// is joined with it has another number.
func Partitions(ctx context.Context, c Config, t Topics) (int32, error) {
	a, err := NewAdmin(c)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	counts, err := a.Counts(ctx, t)
	if err != nil {
		return 0, err
	}
	if counts[t.Policies()] == 0 {
		return 0, fmt.Errorf("kafka: topic %s does not exist; run changetrail setup", t.Policies())
	}
	n := counts[t.Events()]
	for _, topic := range t.All() {
		switch {
		case counts[topic] == 0:
			return 0, fmt.Errorf("kafka: topic %s does not exist; run changetrail setup", topic)
		case counts[topic] != n:
			return 0, fmt.Errorf("kafka: topic %s has %d partitions and %s has %d; they must have the same number, because messages about one repository are joined by partition", topic, counts[topic], t.Events(), n)
		}
	}
	return n, nil
}

// Counts returns the number of partitions of each topic that exists.
func (a *Admin) Counts(ctx context.Context, t Topics) (map[string]int32, error) {
	details, err := a.adm.ListTopics(ctx, append(t.All(), t.Policies(), t.Approvals())...)
	if err != nil {
		return nil, explain(err)
	}
	out := make(map[string]int32)
	for _, d := range details {
		if d.Err == nil {
			out[d.Topic] = int32(len(d.Partitions))
		} else if !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("kafka: topic %s: %w", d.Topic, d.Err)
		}
	}
	return out, nil
}

// PartitionsOf returns the number of partitions of a topic; 0 if it does not exist.
func (a *Admin) PartitionsOf(ctx context.Context, topic string) (int32, error) {
	details, err := a.adm.ListTopics(ctx, topic)
	if err != nil {
		return 0, explain(err)
	}
	d := details[topic]
	if d.Err != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
		return 0, fmt.Errorf("kafka: topic %s: %w", topic, d.Err)
	}
	return int32(len(d.Partitions)), nil // #nosec G115 -- a topic has fewer
}

// TopicIDs returns the ids of topics, in hexadecimal. A topic that is deleted and created again has
// another id.
func TopicIDs(ctx context.Context, c Config, topics ...string) (map[string]string, error) {
	a, err := NewAdmin(c)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	details, err := a.adm.ListTopics(ctx, topics...)
	if err != nil {
		return nil, explain(err)
	}
	out := make(map[string]string)
	for _, name := range topics {
		d := details[name]
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) || len(d.Partitions) == 0 {
			return nil, fmt.Errorf("kafka: topic %s does not exist; run changetrail setup", name)
		}
		if d.Err != nil {
			return nil, fmt.Errorf("kafka: topic %s: %w", name, d.Err)
		}
		out[name] = hex.EncodeToString(d.ID[:])
	}
	return out, nil
}

// A Step is one thing that setup found or did.
type Step struct {
	What   string
	Change string // what was or would be done; empty if nothing has to change
}

// Ensure creates the topics as specified; with dryRun it only reports what it would do. It never
// removes a topic and never changes the number of partitions, since that would separate messages
// that are joined.
func (a *Admin) Ensure(ctx context.Context, specs []TopicSpec, replication int16, dryRun bool) ([]Step, error) {
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	details, err := a.adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, explain(err)
	}
	var steps []Step
	for _, s := range specs {
		d, ok := details[s.Name]
		if !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			step := Step{"topic " + s.Name, fmt.Sprintf("create with %d partitions, %s", s.Partitions, describe(s.Config))}
			steps = append(steps, step)
			if !dryRun {
				if _, err := a.adm.CreateTopic(ctx, s.Partitions, replication, pointers(s.Config), s.Name); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
					return steps, fmt.Errorf("kafka: create topic %s: %w", s.Name, err)
				}
			}
			continue
		}
		if d.Err != nil {
			return steps, fmt.Errorf("kafka: topic %s: %w", s.Name, d.Err)
		}
		step, err := a.adjust(ctx, s, int32(len(d.Partitions)), dryRun)
		if err != nil {
			return steps, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func (a *Admin) adjust(ctx context.Context, s TopicSpec, partitions int32, dryRun bool) (Step, error) {
	step := Step{What: fmt.Sprintf("topic %s (%d partitions)", s.Name, partitions)}
	if partitions != s.Partitions {
		step.What += fmt.Sprintf("; %d are configured, but the number stays as it is: a change would separate messages that are joined", s.Partitions)
	}
	configs, err := a.adm.DescribeTopicConfigs(ctx, s.Name)
	if err != nil {
		return step, fmt.Errorf("kafka: describe topic %s: %w", s.Name, err)
	}
	have := make(map[string]string)
	for _, rc := range configs {
		if rc.Err != nil {
			return step, fmt.Errorf("kafka: describe topic %s: %w", s.Name, rc.Err)
		}
		for _, c := range rc.Configs {
			have[c.Key] = c.MaybeValue()
		}
	}
	differ := make(map[string]string)
	var alter []kadm.AlterConfig
	for k, v := range s.Config {
		if have[k] != v {
			differ[k] = v
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
		}
	}
	if len(differ) == 0 {
		return step, nil
	}
	step.Change = "set " + describe(differ)
	if dryRun {
		return step, nil
	}
	results, err := a.adm.AlterTopicConfigs(ctx, alter, s.Name)
	if err == nil {
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
	}
	if err != nil {
		return step, fmt.Errorf("kafka: alter topic %s: %w", s.Name, err)
	}
	return step, nil
}

func describe(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+m[k])
	}
	return strings.Join(parts, " ")
}

func pointers(m map[string]string) map[string]*string {
	out := make(map[string]*string, len(m))
	for k, v := range m {
		out[k] = &v
	}
	return out
}

// Group returns, for each topic, how many messages a group still has to read, and how many members
// the group has. A group that does not exist has none.
func (a *Admin) Group(ctx context.Context, group string) (lag map[string]int64, members int, err error) {
	lags, err := a.adm.Lag(ctx, group)
	if err != nil {
		return nil, 0, fmt.Errorf("kafka: lag of %s: %w", group, err)
	}
	lag = make(map[string]int64)
	for _, l := range lags {
		members += len(l.Members)
		for topic, ps := range l.Lag {
			for _, p := range ps {
				lag[topic] += max(p.Lag, 0)
			}
		}
	}
	return lag, members, nil
}

// Groups returns the names of the consumer groups that begin with a prefix, sorted.
func (a *Admin) Groups(ctx context.Context, prefix string) ([]string, error) {
	groups, err := a.adm.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("kafka: list groups: %w", err)
	}
	return slices.DeleteFunc(groups.Groups(), func(name string) bool { return !strings.HasPrefix(name, prefix) }), nil
}

// Clear deletes topics with all their messages, and all consumer groups with their offsets.
func (a *Admin) Clear(ctx context.Context, topics ...string) error {
	deleted, err := a.adm.DeleteTopics(ctx, topics...)
	if err == nil {
		for _, d := range deleted {
			if d.Err != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
				err = errors.Join(err, fmt.Errorf("topic %s: %w", d.Topic, d.Err))
			}
		}
	}
	groups, listing := a.adm.ListGroups(ctx)
	if err = errors.Join(err, listing); err == nil && len(groups) > 0 {
		var gone kadm.DeleteGroupResponses
		gone, err = a.adm.DeleteGroups(ctx, groups.Groups()...)
		for _, g := range gone {
			if g.Err != nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
				err = errors.Join(err, fmt.Errorf("group %s: %w", g.Group, g.Err))
			}
		}
	}
	if err != nil {
		return fmt.Errorf("kafka: delete topics and groups: %w", err)
	}
	return nil
}
