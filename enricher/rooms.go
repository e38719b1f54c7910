package enricher

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Rooms are for what is told of a run of an agent and not of a repository, as
// telemetry is. Each name of a run (its id, its trace, the address of its log) has a
// room, in the partition of that name. There
//
//   - the spans of a trace wait for the agent that they belong to, whose span ends,
//     and so comes, last; they become actions;
//   - actions wait for a repository in which something names the run: a decision, a
//     trailer, an action that knows its repository. The enricher that sees it there
//     sends word to the room, and the room sends on what waits and what comes later.
//
// What is sent on is an event like any other, under the identity that it had.
type rooms struct {
	*projection
	stampKey   []byte
	topics     stream.Topics
	partitions *stream.Partitioner

	// Of the transaction at hand.
	traces map[traceAt]bool    // that have got spans; true: what was told of them is told again
	under  map[string][]string // keys written, by the prefix that they are found under
}

type traceAt struct {
	partition int32
	trace     string
}

// Keys of a room's entries. The values are those of joinSeen.
func spanPrefix(trace string) string  { return "t/" + trace + "\x00" }
func openKey(trace string) string     { return "o/" + trace }
func boundKey(run string) string      { return "r/" + run }
func waitingPrefix(run string) string { return "w/" + run + "\x00" }

// A storedSpan is a span, and who brought it.
type storedSpan struct {
	record.Span
	Settled     bool   `json:"settled,omitempty"`
	AuthType    string `json:"authtype,omitempty"`
	AuthID      string `json:"authid,omitempty"`
	Trusted     bool   `json:"trusted,omitempty"` // a gateway looked at the credential
	ContentMode string `json:"contentmode,omitempty"`
	Redacted    string `json:"redacted,omitempty"`
}

func (r *rooms) reset() {
	r.traces, r.under = make(map[traceAt]bool), make(map[string][]string)
}

func (r *rooms) write(partition int32, prefix, rest string, v any, arrived time.Time) error {
	b, err := json.Marshal(v, json.OmitZeroStructFields(true))
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	r.note(partition, prefix+rest, joinSeen(b, arrived))
	r.under[prefix] = append(r.under[prefix], prefix+rest)
	return nil
}

// all calls f for the entries under a prefix, those of the transaction at hand
// among them, in no order.
func (r *rooms) all(partition int32, prefix string, f func(key string, content []byte, arrived time.Time) error) error {
	var failed error
	visit := func(key string, value []byte) {
		content, arrived := splitSeen(value)
		failed = f(key, content, arrived)
	}
	err := r.store.each(partition, prefix, prefix+"\xff", func(key string, value []byte) bool {
		if _, here := r.work.small[key]; !here {
			visit(key, value)
		}
		return failed == nil
	})
	keys := r.under[prefix]
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if v := r.work.small[key]; v != nil && failed == nil && err == nil {
			visit(key, v)
		}
	}
	return cmp.Or(err, failed)
}

// take takes in an event of a room, and returns what follows from it; known: that it
// says nothing new.
func (r *rooms) take(d *decodedEvent) (out []*stream.Record, known bool, err error) {
	switch f := d.event.Fact.(type) {
	case *record.Action:
		return r.takeAction(d)
	case *record.Spans:
		if r.partitions.Of(d.event.Home()) == d.record.Partition {
			known, err = r.takeSpans(d, f)
			return nil, known, err
		}
	case *record.RunNamed:
		if r.partitions.Of(d.event.Home()) == d.record.Partition {
			return r.takeNamed(d, f)
		}
	}
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, d.record.Partition, d.record.Offset)
	return []*stream.Record{r.send(d.env, d.event.Tier != "", d.event.Home(), from)}, false, nil
}

func (r *rooms) takeSpans(d *decodedEvent, f *record.Spans) (known bool, err error) {
	p, prefix := d.record.Partition, spanPrefix(f.Trace)
	known = true
	for _, s := range f.Spans {
		old, err := r.small(p, prefix+s.ID)
		if err != nil {
			return false, err
		}
		if old != nil {
			continue
		}
		known = false
		stored := storedSpan{Span: s, AuthType: d.env.AuthType, AuthID: d.env.AuthID, Trusted: d.event.Tier != "", ContentMode: d.env.ContentMode, Redacted: d.env.Redacted}
		if err := r.write(p, prefix, s.ID, stored, d.record.Timestamp); err != nil {
			return false, err
		}
	}
	if t := (traceAt{p, f.Trace}); d.reread || !known {
		r.traces[t] = r.traces[t] || d.reread
	}
	if !known {
		r.note(p, openKey(f.Trace), joinSeen(nil, d.record.Timestamp))
	}
	return known, nil
}

// perform makes actions of the spans that came in this transaction, as far as they
// are settled.
func (r *rooms) perform() (out []*stream.Record, err error) {
	touched := slices.SortedFunc(maps.Keys(r.traces), func(a, b traceAt) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), strings.Compare(a.trace, b.trace))
	})
	for _, t := range touched {
		actions, err := r.performTrace(t, false, r.traces[t])
		if err != nil {
			return nil, err
		}
		out = append(out, actions...)
	}
	return out, nil
}

// performTrace makes actions of the calls of a trace that are settled now; with again
// of those settled before, too.
func (r *rooms) performTrace(t traceAt, over, again bool) (out []*stream.Record, err error) {
	stored, arrived := make(map[string]storedSpan), make(map[string]time.Time)
	err = r.all(t.partition, spanPrefix(t.trace), func(_ string, content []byte, at time.Time) error {
		var s storedSpan
		if err := json.Unmarshal(content, &s); err != nil {
			return fmt.Errorf("state: spans of trace %s: %w", t.trace, err)
		}
		stored[s.ID], arrived[s.ID] = s, at
		return nil
	})
	if err != nil {
		return nil, err
	}
	spans, calls := make(map[string]record.Span, len(stored)), []string(nil)
	for id, s := range stored {
		spans[id] = s.Span
		if s.Kind == record.SpanTool && (!s.Settled || again) {
			calls = append(calls, id)
		}
	}
	performed, settled := record.Performed(t.trace, spans, calls, over)
	for _, p := range performed {
		told, err := r.tell(t, p, stored[p.Span])
		if err != nil {
			return nil, err
		}
		out = append(out, told...)
	}
	for _, id := range settled {
		s := stored[id]
		if s.Settled {
			continue
		}
		s.Settled = true
		if err := r.write(t.partition, spanPrefix(t.trace), id, s, arrived[id]); err != nil {
			return nil, err
		}
	}
	if len(settled) == len(calls) {
		r.note(t.partition, openKey(t.trace), nil)
	}
	return out, nil
}

// tell returns an action as an event, where its repository is, or in the rooms of its
// run.
func (r *rooms) tell(t traceAt, p record.Performance, s storedSpan) (out []*stream.Record, err error) {
	data, err := json.Marshal(&p.Action, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("trace %s: span %s: %w", t.trace, p.Span, err)
	}
	env := schemas.Envelope{
		SpecVersion: "1.0", ID: p.ID, Source: p.Source, Type: record.TypeActionPerformed, Subject: string(p.Change), Time: p.At,
		DataContentType: schemas.ContentTypeJSON, Data: data, AuthType: s.AuthType, AuthID: s.AuthID, ContentMode: s.ContentMode, Redacted: s.Redacted,
	}
	if len(t.trace) == 32 && len(p.Span) == 16 {
		env.TraceParent = "00-" + t.trace + "-" + p.Span + "-01"
	}
	from := "trace:" + t.trace
	if p.Repository != "" {
		return []*stream.Record{r.send(env, s.Trusted, string(p.Repository), from)}, nil
	}
	for _, run := range record.RunNames(record.Event{Fact: &p.Action, Trace: t.trace}) {
		out = append(out, r.send(env, s.Trusted, record.RoomKey(run), from))
	}
	return out, nil
}

// send returns env as a message to where key is at home.
func (r *rooms) send(env schemas.Envelope, trusted bool, key, from string) *stream.Record {
	env.PartitionKey, env.AuthMAC = key, ""
	if env.DataRef != "" { // it is fetched from there again
		env.Data = nil
	}
	if trusted {
		env.AuthMAC = schemas.Stamp(r.stampKey, env)
	}
	out := &stream.Record{Topic: r.topics.Events(), Partition: r.partitions.Of(key), Key: []byte(key), Value: env.Data}
	for name, value := range env.Attributes {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	stream.AddHeader(out, stream.HeaderRerouted, []byte(from))
	return out
}

// takeAction lets an action wait for a repository, and sends it to those that are
// known.
func (r *rooms) takeAction(d *decodedEvent) (out []*stream.Record, known bool, err error) {
	p, run := d.record.Partition, d.event.Room
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, p, d.record.Offset)
	trusted := d.event.Tier != ""
	if stream.Header(d.record, stream.HeaderRerouted) == nil { // as a client sent it: under one name
		elsewhere := r.partitions.Of(record.RoomKey(run)) != p
		for _, name := range record.RunNames(d.event) {
			if name != run || elsewhere {
				out = append(out, r.send(d.env, trusted, record.RoomKey(name), from))
			}
		}
		if elsewhere {
			return out, false, nil
		}
	}
	sum := sha256.Sum256([]byte(d.event.Account()))
	prefix, rest := waitingPrefix(run), hex.EncodeToString(sum[:16])
	old, err := r.small(p, prefix+rest)
	if err != nil || old != nil && !d.reread {
		return out, true, err
	}
	waits := d.env
	if waits.DataRef != "" {
		waits.Data = nil
	}
	if err := r.write(p, prefix, rest, waits, d.record.Timestamp); err != nil {
		return nil, false, err
	}
	bound, err := r.bound(p, run)
	for _, repo := range bound {
		out = append(out, r.send(d.env, trusted, repo, from))
	}
	return out, old != nil, err
}

// bound returns the repositories that name a run.
func (r *rooms) bound(partition int32, run string) (repos []string, err error) {
	v, err := r.small(partition, boundKey(run))
	if v == nil || err != nil {
		return nil, err
	}
	content, _ := splitSeen(v)
	if err := json.Unmarshal(content, &repos); err != nil {
		return nil, fmt.Errorf("state: run %s: %w", run, err)
	}
	return repos, nil
}

// maxBound is how many repositories one run belongs to.
const maxBound = 64

// takeNamed notes a repository that names a run, and sends it what waits.
func (r *rooms) takeNamed(d *decodedEvent, f *record.RunNamed) (out []*stream.Record, known bool, err error) {
	p := d.record.Partition
	repos, err := r.bound(p, f.Run)
	known = slices.Contains(repos, f.Repository)
	if err != nil || known && !d.reread || !known && len(repos) == maxBound {
		return nil, known, err
	}
	if !known {
		repos = append(repos, f.Repository)
	}
	if err := r.write(p, boundKey(f.Run), "", repos, d.record.Timestamp); err != nil {
		return nil, false, err
	}
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, p, d.record.Offset)
	err = r.all(p, waitingPrefix(f.Run), func(_ string, content []byte, _ time.Time) error {
		env, err := decodeWaiting(content)
		if err == nil {
			out = append(out, r.send(env, schemas.TierOf(r.stampKey, env) != "", f.Repository, from))
		}
		return err
	})
	return out, known, err
}

func decodeWaiting(content []byte) (env schemas.Envelope, err error) {
	if err := json.Unmarshal(content, &env); err != nil {
		return env, fmt.Errorf("state: what waits: %w", err)
	}
	return env, nil
}

// word returns the messages that tell rooms in which repository their runs are named.
func (r *rooms) word() (out []*stream.Record, err error) {
	for n := range r.work.named {
		data, err := json.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", n.Run, err)
		}
		out = append(out, r.send(schemas.Envelope{
			SpecVersion: "1.0", ID: record.Digest([]byte(n.Run + "\x00" + n.Repository)), Source: "/changetrail/enricher", Type: record.TypeRunNamed,
			DataContentType: schemas.ContentTypeJSON, Data: data,
		}, false, record.RoomKey(n.Run), "enricher"))
	}
	return out, nil
}

// overdue makes actions of traces that have got no span since limit: their agents
// have died, perhaps.
func (r *rooms) overdue(partition int32, limit time.Time) (out []*stream.Record, err error) {
	var late []traceAt
	err = r.store.each(partition, "o/", "o0", func(key string, value []byte) bool {
		if _, here := r.work.small[key]; !here {
			if _, at := splitSeen(value); at.Before(limit) {
				late = append(late, traceAt{partition, key[2:]})
			}
		}
		return len(late) < sweepEntries
	})
	for _, t := range late {
		if err != nil {
			return nil, err
		}
		var actions []*stream.Record
		actions, err = r.performTrace(t, true, false)
		out = append(out, actions...)
	}
	return out, err
}

// lost returns the dead letter of what waited for a repository until now, or nil
// where it was sent to one.
func (r *rooms) lost(partition int32, key string, value []byte, at time.Time) (*stream.Record, error) {
	run, _, _ := strings.Cut(key[2:], "\x00")
	if bound, err := r.bound(partition, run); bound != nil || err != nil {
		return nil, err
	}
	content, _ := splitSeen(value)
	env, err := decodeWaiting(content)
	if err != nil {
		return nil, err
	}
	m := r.send(env, schemas.TierOf(r.stampKey, env) != "", record.RoomKey(run), "room")
	return stream.DeadLetter(r.topics.DLQ(), "enricher", m, schemas.RunUnknown,
		fmt.Sprintf("nothing named its run %s in any repository since it came; state vcs.repository.url.full or partitionkey where it is sent, or name the run in a decision or a commit's trailer", run), at), nil
}
