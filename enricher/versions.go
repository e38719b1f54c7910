package enricher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/stream"
)

// The kinds of versions in the topic of policies.
const (
	kindPolicy = "policy"
	kindMatrix = "matrix"
)

// A version is a message of the topic of policies: a policy or a matrix with which an enricher
// started, and which was not the newest one. It is in force from its arrival at the broker, or as
// [policy.History] says.
type version struct {
	Kind   string          `json:"kind"`
	Digest string          `json:"digest"`
	Since  time.Time       `json:"since,omitzero"` // the time that the policy states
	Files  []policy.Source `json:"files"`          // its files, the main one first
}

// ReadRules returns the policies and matrices in the topic of policies, and the offset after
// them.
func ReadRules(ctx context.Context, c stream.Config, t stream.Topics) (rules Rules, next int64, err error) {
	_, err = c.Partition(t.Policies(), 0).Scan(ctx, -1, func(recs []*stream.Record) error {
		for _, r := range recs {
			next = r.Offset + 1
			rules = rules.add(r)
		}
		return nil
	})
	return rules, next, err
}

// add returns rules with the version in a message.
func (rules Rules) add(r *stream.Record) Rules {
	var v version
	if err := json.Unmarshal(r.Value, &v); err != nil {
		rules.Unreadable = append(slices.Clone(rules.Unreadable), fmt.Errorf("%s: offset %d: %w", r.Topic, r.Offset, err))
		return rules
	}
	switch v.Kind {
	case kindPolicy:
		p, err := policy.FromSources(v.Files)
		rules.Policies, _ = rules.Policies.Add(policy.Version[*policy.Policy]{Digest: v.Digest, Arrived: r.Timestamp, Content: p, Err: err}, v.Since)
	case kindMatrix:
		var m *controls.Matrix
		err := errors.New("its message has no file")
		if len(v.Files) > 0 {
			m, err = controls.Parse(v.Files[0].Content)
		}
		rules.Controls, _ = rules.Controls.Add(policy.Version[*controls.Matrix]{Digest: v.Digest, Arrived: r.Timestamp, Content: m, Err: err}, time.Time{})
	default:
		rules.Unreadable = append(slices.Clone(rules.Unreadable), fmt.Errorf("%s: offset %d: kind %q is neither %s nor %s", r.Topic, r.Offset, v.Kind, kindPolicy, kindMatrix))
	}
	return rules
}

// missing returns messages with the policy and the matrix of c if they are not the newest of
// rules. An empty one gives no message: it does not end the one in force.
func (c Config) missing(rules Rules, now time.Time) ([]*stream.Record, error) {
	var out []*stream.Record
	for _, v := range []struct {
		version
		newest  string
		content []byte
	}{
		{version{kindPolicy, c.Policy.Digest(), c.Policy.Since, c.Policy.Sources()}, rules.Policies.Newest(), c.Policy.Content()},
		{version{kindMatrix, digests.Of(c.Controls.Content()), time.Time{}, []policy.Source{{Name: "controls", Content: c.Controls.Content()}}}, rules.Controls.Newest(), c.Controls.Content()},
	} {
		if len(v.content) == 0 || v.Digest == v.newest {
			continue
		}
		value, err := json.Marshal(v.version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Kind, err)
		}
		// Each version has a key of its own, so that compaction keeps it: one that comes into
		// force again is another version.
		key := v.Kind + " " + now.UTC().Format(time.RFC3339Nano) + " " + v.Digest
		out = append(out, &stream.Record{Topic: c.Topics.Policies(), Key: []byte(key), Value: value, Timestamp: now})
	}
	return out, nil
}

// with returns the rules as they will be after c has started, without writing anything.
func (rules Rules) with(c Config, now time.Time) (Rules, error) {
	recs, err := c.missing(rules, now)
	for _, r := range recs {
		if err == nil {
			rules = rules.add(r)
		}
	}
	return rules, err
}

// recordRules records the policy and the matrix of c if they are not the newest ones. It returns
// all recorded rules and the offset after them.
func (c Config) recordRules(ctx context.Context, now func() time.Time) (Rules, int64, error) {
	for written := false; ; {
		rules, next, err := ReadRules(ctx, c.Kafka, c.Topics)
		if err != nil || written { // of two writers with different policies, the later one wins
			return rules, next, err
		}
		recs, err := c.missing(rules, now())
		if err != nil || len(recs) == 0 {
			return rules, next, err
		}
		// Writers take over the id from each other: if two start at once, one writes first and
		// the other reads what it wrote.
		w, err := stream.NewTransactionWriter(ctx, c.Kafka, Group(c.Topics)+"-policies")
		if err != nil {
			return Rules{}, 0, err
		}
		err = w.Append(ctx, recs)
		w.Close()
		written = err == nil
		if err != nil && !errors.Is(err, stream.ErrTakenOver) {
			return Rules{}, 0, fmt.Errorf("recording the policy: %w", err)
		}
	}
}

// followRules reads what other enrichers record, until ctx is done. An open change is judged by a
// new version at its next event.
func (e *Enricher) followRules(ctx context.Context, next int64) {
	const pause = 5 * time.Second
	for ctx.Err() == nil {
		err := e.conf.Kafka.Partition(e.conf.Topics.Policies(), 0).Follow(ctx, next, func(r *stream.Record) error {
			before := e.rules.Load()
			rules := before.add(r)
			next = r.Offset + 1
			e.rules.Store(&rules)
			if n := len(before.Unreadable); len(rules.Unreadable) > n {
				e.conf.Log.Error("a message of the topic of policies cannot be read; it changes nothing", "err", rules.Unreadable[n])
				return nil
			}
			if err := rules.unread(); err != nil {
				e.conf.Log.Error("this release cannot read a recorded policy or control matrix; the one before it stays in force", "err", err)
				return nil
			}
			e.conf.Log.Info("another policy or control matrix is recorded", "policy", rules.Policies.Newest(), "controls", rules.Controls.Newest())
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		e.conf.Log.Warn("the topic of policies cannot be followed; trying again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
