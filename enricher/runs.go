package enricher

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// pendingRuns handles pending events: those that name the run of an agent and no repository, such
// as telemetry. A run has several names: its id, its trace, the address of its log. Each name is a
// key, and its pending events are stored in the partition of that key. There
//
//   - the spans of a trace wait for the span of their agent, which ends last and so arrives
//     last; then they become actions;
//   - actions wait for a repository in which something names the run: a decision, a
//     trailer, an action that states its repository. The enricher that reads it
//     announces the repository under the key of the run, and the enricher of that
//     partition sends on the actions that wait and those that arrive later.
//
// Each is sent on as an event like any other, with the identity that it had.
type pendingRuns struct {
	*projection
	keys       signing.Keys
	topics     stream.Topics
	partitions *stream.Partitioner

	// The traces that got spans in the current transaction; true: send what they report again.
	traces map[traceAt]bool
}

type traceAt struct {
	partition int32
	trace     string
}

// Spans are stored as facts of their trace, and pending events as facts of their run. The
// repositories that name a run are stored under it.
func traceName(trace string) name { return nameOf("trace", trace) }
func runName(run string) name     { return nameOf("", record.RunKey(run)) }

func openKey(partition int32, trace string) key {
	return keyOf(partition, kindOpen, traceName(trace), trace)
}

// A storedSpan is a span and who sent it.
type storedSpan struct {
	record.Span
	Arrived     time.Time `json:"-"`
	AuthType    string    `json:"authtype,omitempty"`
	AuthID      string    `json:"authid,omitempty"`
	Trusted     bool      `json:"trusted,omitempty"` // a gateway checked the credential
	ContentMode string    `json:"contentmode,omitempty"`
	Redacted    string    `json:"redacted,omitempty"`
	MaskedAfter string    `json:"maskedafter,omitempty"`
}

func (r *pendingRuns) reset() { r.traces = make(map[traceAt]bool) }

// putJSON writes a fact that is not an event of a repository.
func (p *projection) putJSON(k key, class byte, arrived time.Time, v any) error {
	text, err := json.Marshal(v, json.OmitZeroStructFields(true))
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	p.tx.put(k, p.compress.EncodeAll(text, appendHead(nil, class, arrived, "")))
	return nil
}

// readJSON reads a fact that putJSON wrote.
func (p *projection) readJSON(fact []byte, v any) error {
	text, err := p.decompress.DecodeAll(fact[min(factHead, len(fact)):], nil)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errFact, err)
	}
	return nil
}

// seconds returns an arrival as the value of an entry.
func seconds(arrived time.Time) []byte {
	return appendSeconds(nil, arrived)
}

// settle returns the messages that follow from the transaction: actions made of the spans that
// arrived, and announcements of the runs that a repository names.
func (r *pendingRuns) settle() ([]*stream.Record, error) {
	actions, err := r.settleTraces()
	if err != nil {
		return nil, err
	}
	announced, err := r.announcements()
	return append(actions, announced...), err
}

// handle accepts an event that names no repository, and returns the messages to send. known reports
// whether the event says nothing new.
func (r *pendingRuns) handle(d *decodedEvent) (out []*stream.Record, known bool, err error) {
	switch f := d.event.Fact.(type) {
	case *record.Action:
		return r.handleAction(d)
	case *record.Spans:
		if r.partitions.Of(d.event.Home()) == d.record.Partition {
			known, err = r.handleSpans(d, f)
			return nil, known, err
		}
	case *record.RunNamed:
		if r.partitions.Of(d.event.Home()) == d.record.Partition {
			return r.handleNamed(d, f)
		}
	}
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, d.record.Partition, d.record.Offset)
	return []*stream.Record{r.send(d.env, d.event.Sender != "", d.event.Home(), from)}, false, nil
}

func (r *pendingRuns) handleSpans(d *decodedEvent, f *record.Spans) (known bool, err error) {
	p := d.record.Partition
	known = true
	for _, s := range f.Spans {
		k := keyOf(p, kindFact, traceName(f.Trace), s.ID)
		old, err := r.tx.get(k)
		if err != nil {
			return false, err
		}
		if old != nil {
			continue
		}
		known = false
		stored := storedSpan{Span: s, AuthType: d.env.AuthType, AuthID: d.env.AuthID, Trusted: d.event.Sender != "", ContentMode: d.env.ContentMode, Redacted: d.env.Redacted, MaskedAfter: d.env.MaskedAfter}
		if err := r.putJSON(k, classSpan, d.record.Timestamp, stored); err != nil {
			return false, err
		}
	}
	if t := (traceAt{p, f.Trace}); d.reread || !known {
		r.traces[t] = r.traces[t] || d.reread
	}
	if !known {
		r.tx.put(openKey(p, f.Trace), seconds(d.record.Timestamp))
	}
	return known, nil
}

// settleTraces makes actions of the settled spans among those that arrived in this transaction.
func (r *pendingRuns) settleTraces() (out []*stream.Record, err error) {
	touched := slices.SortedFunc(maps.Keys(r.traces), func(a, b traceAt) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), strings.Compare(a.trace, b.trace))
	})
	for _, t := range touched {
		actions, err := r.settleTrace(t, false, r.traces[t])
		if err != nil {
			return nil, err
		}
		out = append(out, actions...)
	}
	return out, nil
}

// settleTrace makes actions of the calls of a trace that are settled now; if again, also of
// those settled before. If over, no more spans are expected.
func (r *pendingRuns) settleTrace(t traceAt, over, again bool) (out []*stream.Record, err error) {
	entries, err := r.tx.list(keyOf(t.partition, kindFact, traceName(t.trace)), "")
	if err != nil {
		return nil, err
	}
	stored := make(map[string]storedSpan)
	for _, x := range entries {
		var s storedSpan
		if err := r.readJSON(x.value, &s); err != nil {
			return nil, fmt.Errorf("spans of trace %s: %w", t.trace, err)
		}
		s.Arrived = arrivalOf(x.value[arrivalAt:])
		stored[s.ID] = s
	}
	done, err := r.settledSpans(t)
	if err != nil {
		return nil, err
	}
	spans, calls := make(map[string]record.Span, len(stored)), []string(nil)
	for id, s := range stored {
		spans[id] = s.Span
		if s.Kind == record.SpanTool && (!done[id] || again) {
			calls = append(calls, id)
		}
	}
	performed, settled := record.Performed(t.trace, spans, calls, over)
	for _, p := range performed {
		sent, err := r.actionMessages(t, p, stored[p.Span])
		if err != nil {
			return nil, err
		}
		out = append(out, sent...)
	}
	for _, id := range settled {
		if !done[id] {
			r.tx.put(keyOf(t.partition, kindSettled, traceName(t.trace), id), seconds(stored[id].Arrived))
		}
	}
	if len(settled) == len(calls) {
		r.tx.put(openKey(t.partition, t.trace), nil)
	}
	return out, nil
}

// settledSpans returns the spans of a trace whose actions were sent.
func (r *pendingRuns) settledSpans(t traceAt) (map[string]bool, error) {
	entries, err := r.tx.list(keyOf(t.partition, kindSettled, traceName(t.trace)), "")
	done := make(map[string]bool, len(entries))
	for _, x := range entries {
		done[x.key[prefixSize:]] = true
	}
	return done, err
}

// actionMessages returns an action as an event, sent to its repository if that is known, or else
// to its run.
func (r *pendingRuns) actionMessages(t traceAt, p record.Performance, s storedSpan) (out []*stream.Record, err error) {
	data, err := json.Marshal(&p.Action, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("trace %s: span %s: %w", t.trace, p.Span, err)
	}
	env := schemas.Envelope{
		SpecVersion: "1.0", ID: p.ID, Source: p.Source, Type: record.TypeActionPerformed, Subject: string(p.Change), Time: p.At,
		DataContentType: schemas.ContentTypeJSON, Data: data, AuthType: s.AuthType, AuthID: s.AuthID, ContentMode: s.ContentMode, Redacted: s.Redacted, MaskedAfter: s.MaskedAfter,
	}
	if len(t.trace) == 32 && len(p.Span) == 16 {
		env.TraceParent = "00-" + t.trace + "-" + p.Span + "-01"
	}
	from := "trace:" + t.trace
	if p.Repository != "" {
		return []*stream.Record{r.send(env, s.Trusted, string(p.Repository), from)}, nil
	}
	run := record.RunNames(record.Event{Fact: &p.Action, Trace: t.trace})[0] // never empty: the trace is one
	return []*stream.Record{r.send(env, s.Trusted, record.RunKey(run), from)}, nil
}

// send returns env as a message to the home partition of key.
func (r *pendingRuns) send(env schemas.Envelope, trusted bool, key, from string) *stream.Record {
	return r.sendAs(env, trusted, destination{key: key, from: from})
}

// A destination is where an event is sent on to.
type destination struct {
	key   string // its home partition is the one that gets the event
	from  string // where the event was
	route string // empty means none
}

// sendAs is send with a route.
func (r *pendingRuns) sendAs(env schemas.Envelope, trusted bool, to destination) *stream.Record {
	key := to.key
	env.PartitionKey, env.AuthMAC = key, ""
	if env.DataRef != "" { // the data are fetched again
		env.Data = nil
	}
	if trusted {
		env.AuthMAC = schemas.Sign(r.keys, env)
	}
	out := &stream.Record{Topic: r.topics.Events(), Partition: r.partitions.Of(key), Key: []byte(key), Value: env.Data}
	for name, value := range env.Attributes {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	stream.AddHeader(out, stream.HeaderRerouted, []byte(to.from))
	if to.route != "" && r.keys.CanSign() {
		stream.AddHeader(out, stream.HeaderRoute, schemas.Route(r.keys, env, to.route, key))
	}
	return out
}

// sendTo is send for the key of a repository that names the run.
func (r *pendingRuns) sendTo(env schemas.Envelope, key, from string) *stream.Record {
	return r.sendAs(env, schemas.SenderOf(r.keys, env) != "", destination{key, from, routeAt})
}

// handleAction stores an action until a repository names its run, and sends it to the repositories
// that do so already.
func (r *pendingRuns) handleAction(d *decodedEvent) (out []*stream.Record, known bool, err error) {
	p, run, names := d.record.Partition, d.event.Run, record.RunNames(d.event)
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, p, d.record.Offset)
	trusted := d.event.Sender != ""
	if stream.Header(d.record, stream.HeaderRerouted) == nil && (run != names[0] || r.partitions.Of(record.RunKey(run)) != p) {
		return []*stream.Record{r.send(d.env, trusted, record.RunKey(names[0]), from)}, false, nil // a client sent it under another key
	}
	k := keyOf(p, kindFact, runName(run), suffix(d.event))
	old, err := r.tx.get(k)
	if err != nil || old != nil && !d.reread {
		return out, true, err
	}
	waits := d.env
	if waits.DataRef != "" {
		waits.Data = nil
	}
	if err := r.putJSON(k, classWaiting, d.record.Timestamp, pending{run, waits}); err != nil {
		return nil, false, err
	}
	bound, err := r.bound(p, run)
	if err != nil {
		return nil, false, err
	}
	for _, repo := range bound {
		out = append(out, r.sendTo(d.env, repo, from))
		if err := r.keepBound(d, run, repo); err != nil {
			return nil, false, err
		}
	}
	return out, old != nil, r.announceAliases(d, names)
}

// keepBound records that a run is still in use, so that its entry does not expire: the repository
// would not name the run again.
func (r *pendingRuns) keepBound(d *decodedEvent, run, repo string) error {
	k := keyOf(d.record.Partition, kindRef, runName(run), refSubscriber, repo)
	v, err := r.tx.get(k)
	if err == nil && len(v) == 4 && arrivalOf(v).Before(d.record.Timestamp.Add(-24*time.Hour)) {
		r.tx.put(k, seconds(d.record.Timestamp))
	}
	return err
}

// announceAliases announces, under each other name of a run, under which name its actions are
// pending.
func (r *pendingRuns) announceAliases(d *decodedEvent, names []string) error {
	p, run := d.record.Partition, d.event.Run
	for _, other := range names {
		k := keyOf(p, kindRef, runName(run), refLink, other)
		known, err := r.tx.get(k)
		if err != nil {
			return err
		}
		if other == run || known != nil && !d.reread {
			continue
		}
		r.tx.put(k, seconds(d.record.Timestamp))
		r.named[record.RunNamed{Run: other, Repository: record.RunKey(run)}] = true
	}
	return nil
}

// A pending event names only its run.
type pending struct {
	Run   string           `json:"run"`
	Event schemas.Envelope `json:"event"`
}

// bound returns the repositories that name a run.
func (r *pendingRuns) bound(partition int32, run string) (repos []string, err error) {
	repos, _, err = r.subscribers(partition, run)
	return repos, err
}

// subscribers returns the repositories that name a run, and the other names of the run under which
// its actions are pending.
func (r *pendingRuns) subscribers(partition int32, run string) (repos, runs []string, err error) {
	entries, err := r.tx.list(keyOf(partition, kindRef, runName(run)), "")
	for _, x := range entries {
		who, ok := strings.CutPrefix(x.key[prefixSize:], refSubscriber)
		if !ok {
			continue
		}
		if other := record.RunOf(who); other != "" {
			runs = append(runs, other)
		} else {
			repos = append(repos, who)
		}
	}
	return repos, runs, err
}

// relay announces the repositories that name a run to the other names of the run.
func (r *pendingRuns) relay(repos, runs []string) {
	for _, run := range runs {
		for _, repo := range repos {
			r.named[record.RunNamed{Run: run, Repository: repo}] = true
		}
	}
}

// handleNamed records a repository that names a run, and sends it the events that wait. Or it
// records another name of the run, and relays the repositories to it.
func (r *pendingRuns) handleNamed(d *decodedEvent, f *record.RunNamed) (out []*stream.Record, known bool, err error) {
	p := d.record.Partition
	k := keyOf(p, kindRef, runName(f.Run), refSubscriber, f.Repository)
	old, err := r.tx.get(k)
	if known = old != nil; err != nil || known && !d.reread {
		return nil, known, err
	}
	r.tx.put(k, seconds(d.record.Timestamp))
	repos, runs, err := r.subscribers(p, f.Run)
	if err != nil {
		return nil, known, err
	}
	if other := record.RunOf(f.Repository); other != "" {
		r.relay(repos, []string{other})
		return nil, known, nil
	}
	r.relay([]string{f.Repository}, runs)
	from := fmt.Sprintf("%s/%d/%d", d.record.Topic, p, d.record.Offset)
	waiting, err := r.tx.list(keyOf(p, kindFact, runName(f.Run)), "")
	if err != nil {
		return nil, known, err
	}
	for _, x := range waiting {
		var w pending
		if err := r.readJSON(x.value, &w); err != nil {
			return nil, known, err
		}
		out = append(out, r.sendTo(w.Event, f.Repository, from))
	}
	return out, known, nil
}

// announcements returns the announcements of the repositories that name runs. They go to the
// partitions of the runs.
func (r *pendingRuns) announcements() (out []*stream.Record, err error) {
	for _, n := range slices.SortedFunc(maps.Keys(r.named), func(a, b record.RunNamed) int {
		return cmp.Or(strings.Compare(a.Run, b.Run), strings.Compare(a.Repository, b.Repository))
	}) {
		data, err := json.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", n.Run, err)
		}
		out = append(out, r.send(schemas.Envelope{
			SpecVersion: "1.0", ID: digests.Of([]byte(n.Run + "\x00" + n.Repository)), Source: "/changetrail/enricher", Type: record.TypeRunNamed,
			DataContentType: schemas.ContentTypeJSON, Data: data,
		}, false, record.RunKey(n.Run), "enricher"))
	}
	return out, nil
}

// stalledTraces makes actions of the traces that have got no span since limit: their agents may have
// died.
func (r *pendingRuns) stalledTraces(partition int32, limit time.Time) (out []*stream.Record, err error) {
	var late []traceAt
	for x, err := range r.store.each(prefixOf(partition, kindOpen), prefixOf(partition, kindOpen+1)) {
		if err != nil {
			return nil, err
		}
		if !r.tx.has(x.key) && len(x.key) > prefixSize && arrivalOf(x.value).Before(limit) {
			late = append(late, traceAt{partition, x.key[prefixSize:]})
		}
		if len(late) == sweepEntries {
			break
		}
	}
	for _, t := range late {
		actions, err := r.settleTrace(t, true, false)
		if err != nil {
			return nil, err
		}
		out = append(out, actions...)
	}
	return out, nil
}

// expiredLetter returns the dead letter of an event that waited for a repository until now, or
// nil if the event was sent to one.
func (r *pendingRuns) expiredLetter(partition int32, fact []byte, at time.Time) (*stream.Record, error) {
	var w pending
	if err := r.readJSON(fact, &w); err != nil {
		return nil, err
	}
	if bound, err := r.bound(partition, w.Run); bound != nil || err != nil {
		return nil, err
	}
	m := r.send(w.Event, schemas.SenderOf(r.keys, w.Event) != "", record.RunKey(w.Run), "room")
	return stream.DeadLetter(r.topics.DLQ(), m, stream.Refusal{
		Stage: "enricher", Reason: schemas.RunUnknown, At: at,
		Detail: fmt.Sprintf("nothing named its run %s in any repository since it arrived; let the sender state vcs.repository.url.full or partitionkey, or name the run in a decision or a commit's trailer", w.Run),
	}), nil
}
