// Package hectest is an HTTP Event Collector for tests, because Splunk itself cannot be installed
// for a test. It is a stub, written from Splunk's manuals ("Format events for HTTP Event Collector",
// "About HTTP Event Collector Indexer Acknowledgment", "Troubleshoot HTTP Event Collector"), and
// stricter than Splunk: it refuses what the manuals do not describe.
//
// It imports no package of changetrail.
package hectest

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Token is a token of the collector.
type Token struct {
	Disabled bool
	Acks     bool     // indexer acknowledgement
	Indexes  []string // that events may name
}

// An Event is an event that is indexed.
type Event struct {
	Time       json.Number       `json:"time"`
	Host       string            `json:"host"`
	Source     string            `json:"source"`
	Sourcetype string            `json:"sourcetype"`
	Index      string            `json:"index"`
	Event      json.RawMessage   `json:"event"`
	Fields     map[string]string `json:"fields"`
}

// A Collector is an HTTP Event Collector. Its fields may be set while Lock is held.
type Collector struct {
	sync.Mutex
	Tokens  map[string]Token
	Largest int // bytes of a request, unpacked; 0 is 800 MiB, as in Splunk
	// Delay is the time after which a request is indexed, and Lose says which requests, counted from
	// 1, never are: Splunk stopped with the events in memory.
	Delay time.Duration
	Lose  func(request int) bool
	// Refuse, if set, says which events have an invalid format. The manuals do not say from what number
	// events are counted.
	Refuse    func(Event) bool
	CountFrom int
	// Before, if set, may answer in place of the collector. It reports whether it did.
	Before func(w http.ResponseWriter, r *http.Request) bool
	// After, if set, says that the answer is lost after the request was done.
	After func(r *http.Request) bool

	requests int
	indexed  []Event
	channels map[string]*channel // by token and channel
}

// A channel counts the requests of one sender.
type channel struct {
	next int64
	acks map[int64]bool // true: indexed and not asked for yet
}

// Events returns all events that are indexed.
func (c *Collector) Events() []Event {
	c.Lock()
	defer c.Unlock()
	return slices.Clone(c.indexed)
}

// Requests returns how many requests with events were accepted.
func (c *Collector) Requests() int {
	c.Lock()
	defer c.Unlock()
	return c.requests
}

// Restart forgets all channels, with the acknowledgements that nobody has asked for.
func (c *Collector) Restart() {
	c.Lock()
	defer c.Unlock()
	c.channels = nil
}

// ServeHTTP implements [http.Handler].
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Lock()
	before, after := c.Before, c.After
	c.Unlock()
	body, err := unpack(r)
	if before != nil && before(w, r) {
		return
	}
	status, answer := http.StatusBadRequest, map[string]any{"text": "Invalid data format", "code": 6}
	if err == nil {
		status, answer = c.answer(r, body)
	}
	if after != nil && after(r) {
		panic(http.ErrAbortHandler) //nolint:forbidigo // this is how a handler ends the connection without an answer
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func unpack(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func failure(status, code int, text string) (int, map[string]any) {
	return status, map[string]any{"text": text, "code": code}
}

// answer checks the token and the channel, and does what is asked.
func (c *Collector) answer(r *http.Request, body []byte) (int, map[string]any) {
	c.Lock()
	defer c.Unlock()
	given := r.Header.Get("Authorization")
	name, scheme := strings.CutPrefix(given, "Splunk ")
	token, known := c.Tokens[name]
	id := r.Header.Get("X-Splunk-Request-Channel")
	switch {
	case r.Method != http.MethodPost:
		return failure(http.StatusMethodNotAllowed, 404, "The requested URL was not found on this server.")
	case given == "":
		return failure(http.StatusUnauthorized, 2, "Token is required")
	case !scheme:
		return failure(http.StatusUnauthorized, 3, "Invalid authorization")
	case !known:
		return failure(http.StatusForbidden, 4, "Invalid token")
	case token.Disabled:
		return failure(http.StatusForbidden, 1, "Token disabled")
	case c.Largest > 0 && len(body) > c.Largest:
		return failure(http.StatusRequestEntityTooLarge, 27, "Content-Length of "+strconv.Itoa(len(body))+" too large (maximum is "+strconv.Itoa(c.Largest)+")")
	case token.Acks && id == "":
		return failure(http.StatusBadRequest, 10, "Data channel is missing")
	case id != "" && !guid.MatchString(id):
		return failure(http.StatusBadRequest, 11, "Invalid data channel")
	}
	switch r.URL.Path {
	case "/services/collector/event":
		return c.accept(token, c.channel(name, id), body)
	case "/services/collector/ack":
		if !token.Acks {
			return failure(http.StatusBadRequest, 14, "ACK is disabled")
		}
		return c.acks(c.channel(name, id), body)
	}
	return failure(http.StatusNotFound, 404, "The requested URL was not found on this server.")
}

func (c *Collector) channel(token, id string) *channel {
	if c.channels == nil {
		c.channels = make(map[string]*channel)
	}
	key := token + " " + id
	if c.channels[key] == nil {
		c.channels[key] = &channel{acks: make(map[int64]bool)}
	}
	return c.channels[key]
}

// accept reads the events of a request. If one cannot be read, those before it are indexed, as
// Splunk does it in some versions.
func (c *Collector) accept(token Token, ch *channel, body []byte) (int, map[string]any) {
	events, code, text := c.parse(token, body)
	if code == 0 && len(events) == 0 {
		return failure(http.StatusBadRequest, 5, "No data")
	}
	c.requests++
	lost := c.Lose != nil && c.Lose(c.requests)
	ack := ch.next
	ch.next++
	index := func() {
		c.indexed = append(c.indexed, events...)
		ch.acks[ack] = code == 0
	}
	switch {
	case lost:
	case c.Delay == 0:
		index()
	default:
		time.AfterFunc(c.Delay, func() {
			c.Lock()
			defer c.Unlock()
			index()
		})
	}
	if code != 0 {
		_, said := failure(0, code, text)
		said["invalid-event-number"] = len(events) + c.CountFrom
		return http.StatusBadRequest, said
	}
	said := map[string]any{"text": "Success", "code": 0}
	if token.Acks {
		said["ackId"] = ack
	}
	return http.StatusOK, said
}

// parse reads events up to the first that is refused.
func (c *Collector) parse(token Token, body []byte) (events []Event, code int, text string) {
	in := json.NewDecoder(strings.NewReader(string(body)))
	in.DisallowUnknownFields()
	for {
		var e Event
		err := in.Decode(&e)
		switch event := strings.TrimSpace(string(e.Event)); {
		case errors.Is(err, io.EOF):
			return events, 0, ""
		case err != nil && strings.Contains(err.Error(), "fields"):
			return events, 15, "Error in handling indexed fields"
		case err != nil:
			return events, 6, "Invalid data format"
		case event == "":
			return events, 12, "Event field is required"
		case event == "null", event == `""`:
			return events, 13, "Event field cannot be blank"
		case e.Index != "" && !slices.Contains(token.Indexes, e.Index):
			return events, 7, "Incorrect index"
		case c.Refuse != nil && c.Refuse(e):
			return events, 6, "Invalid data format"
		}
		events = append(events, e)
	}
}

// acks answers which requests are indexed. What is answered with true is forgotten.
func (c *Collector) acks(ch *channel, body []byte) (int, map[string]any) {
	var asked struct {
		Acks []int64 `json:"acks"`
	}
	if err := json.Unmarshal(body, &asked); err != nil || len(asked.Acks) == 0 {
		return failure(http.StatusBadRequest, 6, "Invalid data format")
	}
	said := make(map[string]bool)
	for _, id := range asked.Acks {
		said[strconv.FormatInt(id, 10)] = ch.acks[id]
		delete(ch.acks, id)
	}
	return http.StatusOK, map[string]any{"acks": said}
}
