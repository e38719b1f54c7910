// Package splunk sends documents to the HTTP Event Collector (HEC) of Splunk.
//
// HEC appends: it knows no ids. Each event has the id, the index and the revision of its document as
// indexed fields, so that a repeat can be recognized in a search. A record of changetrail is sent
// again with each revision.
//
// With indexer acknowledgement a document counts as delivered only when Splunk says that it is
// indexed. Splunk answers that once: if the answer is lost, or indexing takes longer than the
// deadline, the documents are sent again with the same ids. Without indexer acknowledgement a
// document counts as delivered when Splunk has received it, and Splunk may still lose it.
//
// Source: Splunk's manuals "Format events for HTTP Event Collector", "About HTTP Event Collector
// Indexer Acknowledgment" and "Troubleshoot HTTP Event Collector".
package splunk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/endpoint"
	"github.com/changetrail/changetrail/sinks/outline"
)

// Config is how to reach an HTTP Event Collector.
type Config struct {
	endpoint.Config
	Token  string // of the collector
	Index  string // of Splunk; the token's default index if empty
	Source string // "changetrail" if empty
	Host   string // this machine's name if empty
	// NoAcknowledgement says that the token has no indexer acknowledgement.
	NoAcknowledgement bool
	// Deadline is how long Splunk may take to index a request before it is sent again; 5 minutes if 0.
	Deadline time.Duration
}

// Pauses between questions whether a request is indexed. Splunk recommends 10 seconds; the first
// ones are shorter, because the next documents wait.
const (
	firstPoll = 100 * time.Millisecond
	longPoll  = 10 * time.Second
)

// deadline is the time that Splunk recommends to wait for an acknowledgement.
const deadline = 5 * time.Minute

const (
	pathEvents = "/services/collector/event"
	pathAcks   = "/services/collector/ack"
	mediaType  = "application/json"
)

// An Engine sends documents to one collector. It implements [sinks.Engine].
type Engine struct {
	Config
	at *endpoint.Endpoint
}

// New returns an engine. It does not connect.
func New(c Config) (*Engine, error) {
	c.Name = settings.Splunk
	if c.Token == "" {
		return nil, errors.New("splunk: no token; set sink.token_file to a file with the token of the HTTP Event Collector")
	}
	if c.Host == "" {
		c.Host, _ = os.Hostname() // empty: Splunk fills in the sender's address
	}
	if c.Source == "" {
		c.Source = "changetrail"
	}
	if c.Deadline == 0 {
		c.Deadline = deadline
	}
	// A channel belongs to one sender: the numbers of acknowledgements count from 0 in each.
	c.Headers = http.Header{"Authorization": {"Splunk " + c.Token}, "X-Splunk-Request-Channel": {uuid.NewString()}}
	at, err := endpoint.New(c.Config)
	if err != nil {
		return nil, err
	}
	return &Engine{Config: c, at: at}, nil
}

// Name implements [sinks.Engine].
func (*Engine) Name() string { return settings.Splunk }

// Ready implements [sinks.Engine]: it checks the token, and that it has indexer acknowledgement
// unless that is off.
func (e *Engine) Ready(ctx context.Context, _ string) error {
	_, err := e.indexed(ctx, 0)
	if blocked, is := errors.AsType[*sinks.BlockedError](err); is && blocked.Cause == causeNoAcks {
		if e.NoAcknowledgement {
			return nil
		}
		return errors.New("splunk: the token has no indexer acknowledgement; turn it on for the token, or set sink.splunk.acknowledge to false and accept that Splunk may lose what it has received")
	}
	return err
}

// Put implements [sinks.Engine].
func (e *Engine) Put(ctx context.Context, docs []sinks.Document) ([]sinks.Outcome, error) {
	outcomes := make([]sinks.Outcome, len(docs))
	var body []byte
	sent := make([]int, 0, len(docs))
	for i, d := range docs {
		event, err := e.event(d)
		if err != nil {
			outcomes[i] = sinks.Outcome{Kind: sinks.Refused, Reason: err.Error()}
			continue
		}
		body, sent = append(append(body, event...), '\n'), append(sent, i)
	}
	if len(sent) == 0 {
		return outcomes, nil
	}
	err := e.deliver(ctx, body)
	r, is := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		return outcomes, nil
	case !is || !r.ofAnEvent():
		return nil, err
	case len(sent) == 1:
		outcomes[sent[0]] = sinks.Outcome{Kind: sinks.Refused, Cause: r.cause(), Reason: r.Error()}
		return outcomes, nil
	case r.Event == nil || *r.Event < 0 || *r.Event >= len(sent):
		return nil, errors.Join(sinks.ErrWhole, err)
	}
	return outcomes, e.isolate(ctx, request{docs, sent, outcomes}, r)
}

// A request is what was sent: of docs those at the places in sent.
type request struct {
	docs     []sinks.Document
	sent     []int
	outcomes []sinks.Outcome // of docs
}

// isolate sends the event that Splunk blames alone, and fills in the outcomes. Only an event that
// was refused alone is at fault: whether Splunk counts from 0 is not documented, nor whether events
// before the one that it blames are indexed. All others are put again.
func (e *Engine) isolate(ctx context.Context, q request, r *refusal) error {
	for _, i := range q.sent {
		q.outcomes[i] = sinks.Outcome{Kind: sinks.Retry, Cause: r.cause(), Reason: "another event of the request was refused: " + r.Error()}
	}
	blamed := q.sent[*r.Event]
	out, err := e.Put(ctx, q.docs[blamed:blamed+1])
	if err != nil {
		return err
	}
	q.outcomes[blamed] = out[0]
	return nil
}

// event is a document as an event of HEC.
func (e *Engine) event(d sinks.Document) ([]byte, error) {
	o, err := outline.Of(d)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{"changetrail_index": d.Index, "changetrail_id": d.ID}
	if d.Version > 0 {
		fields["changetrail_revision"] = strconv.FormatInt(d.Version, 10)
	}
	return json.Marshal(struct {
		Time       jsontext.Value    `json:"time"` // seconds
		Host       string            `json:"host,omitempty"`
		Source     string            `json:"source"`
		Sourcetype string            `json:"sourcetype"`
		Index      string            `json:"index,omitempty"`
		Fields     map[string]string `json:"fields"`
		Event      jsontext.Value    `json:"event"`
	}{
		strconv.AppendFloat(nil, float64(o.Time.UnixMilli())/1000, 'f', 3, 64),
		e.Host, e.Source, "changetrail:" + o.Class, e.Index, fields, o.Body,
	}, json.Deterministic(true))
}

// deliver sends events and returns once Splunk has indexed them.
func (e *Engine) deliver(ctx context.Context, events []byte) error {
	answer, err := e.at.Send(ctx, endpoint.Request{Path: pathEvents, ContentType: mediaType, Body: events})
	if err != nil {
		return err
	}
	r := read(answer)
	if err := r.err(answer); err != nil {
		return err
	}
	if e.NoAcknowledgement {
		return nil
	}
	if r.Ack == nil {
		return &sinks.BlockedError{Cause: "no acknowledgement", Reason: "Splunk accepts events without an ackId; turn on indexer acknowledgement for the token, or set sink.splunk.acknowledge to false"}
	}
	return e.await(ctx, *r.Ack)
}

// await returns once Splunk says that a request is indexed. An error means that this is not known.
func (e *Engine) await(ctx context.Context, ack int64) error {
	limit := time.Now().Add(e.Deadline)
	for pause := firstPoll; ; pause = min(2*pause, longPoll) {
		left := time.Until(limit)
		if left <= 0 {
			return fmt.Errorf("splunk: request %d is not indexed after %s; its events are sent again", ack, e.Deadline)
		}
		select {
		case <-time.After(min(pause, left)):
		case <-ctx.Done():
			return ctx.Err()
		}
		done, err := e.indexed(ctx, ack)
		if done {
			return nil
		}
		if _, blocked := errors.AsType[*sinks.BlockedError](err); blocked || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		// Any other error may go away before the deadline. A request that is not indexed yet, one that
		// is lost and one that Splunk has forgotten have the same answer.
		if busy, is := errors.AsType[*sinks.BusyError](err); is {
			pause = max(pause, min(busy.After, longPoll))
		}
	}
}

// indexed asks whether a request is indexed.
func (e *Engine) indexed(ctx context.Context, ack int64) (bool, error) {
	answer, err := e.at.Send(ctx, endpoint.Request{Path: pathAcks, ContentType: mediaType, Body: fmt.Appendf(nil, `{"acks":[%d]}`, ack)})
	if err != nil {
		return false, err
	}
	if answer.Status != http.StatusOK {
		return false, read(answer).err(answer)
	}
	var said struct {
		Acks map[string]bool `json:"acks"`
	}
	if err := json.Unmarshal(answer.Body, &said); err != nil || said.Acks == nil {
		return false, fmt.Errorf("splunk: the answer to %s is not from an HTTP Event Collector: %s", pathAcks, endpoint.Clip(answer.Body))
	}
	return said.Acks[strconv.FormatInt(ack, 10)], nil
}
