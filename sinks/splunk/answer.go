package splunk

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/endpoint"
)

// causeNoAcks is the cause of an answer to a question about acknowledgements if the token has none.
const causeNoAcks = "code 14"

// What the codes of HEC mean for a request. Where a code is in none of the lists, the HTTP status
// decides.
var (
	accepted  = []int{0, 24, 25}                             // success, also while a queue fills up
	byToken   = []int{1, 2, 3, 4, 7, 10, 11, 14, 16, 21, 22} // the token, the channel or the index
	byAnEvent = []int{6, 12, 13, 15}                         // format, no event, empty event, indexed fields
	whileBusy = []int{8, 9, 18, 19, 20, 23, 26, 27}          // server error, full queues, shutting down
)

// An answer is what HEC says of a request.
type answer struct {
	Text  string `json:"text"`
	Code  int    `json:"code"`
	Event *int   `json:"invalid-event-number"`
	Ack   *int64 `json:"ackId"`
}

// read reads an answer. One that is not from HEC, as that of a proxy, has the code -1.
func read(from *endpoint.Answer) answer {
	a := answer{Code: -1}
	if err := json.Unmarshal(from.Body, &a); err != nil {
		return answer{Code: -1, Text: endpoint.Clip(from.Body)}
	}
	return a
}

// err returns what an answer means for the request; nil if Splunk accepted it.
func (a answer) err(from *endpoint.Answer) error {
	said := &refusal{answer: a, status: from.Status}
	busy := &sinks.BusyError{After: sinks.RetryAfter(from.Header.Get("Retry-After"), time.Now()), Err: said}
	switch {
	case from.Status == http.StatusRequestEntityTooLarge:
		return from.Err(a.Text)
	case a.Code < 0 && from.Status == http.StatusOK:
		return fmt.Errorf("splunk: the answer is not from an HTTP Event Collector: %s", a.Text)
	case a.Code < 0:
		return from.Err(a.Text)
	case slices.Contains(whileBusy, a.Code):
		return busy
	case slices.Contains(byAnEvent, a.Code):
		return said
	case slices.Contains(byToken, a.Code):
		return &sinks.BlockedError{Cause: said.cause(), Reason: said.Error()}
	case from.Status != http.StatusOK:
		return from.Err(said.Error())
	case slices.Contains(accepted, a.Code):
		return nil
	}
	return fmt.Errorf("splunk: an answer with an unknown code: %w", said)
}

// A refusal is an answer that is not a success.
type refusal struct {
	answer
	status int
}

func (r *refusal) Error() string {
	if r.Event != nil {
		return fmt.Sprintf("Splunk answers code %d (HTTP %d): %s, event %d of the request", r.Code, r.status, r.Text, *r.Event)
	}
	return fmt.Sprintf("Splunk answers code %d (HTTP %d): %s", r.Code, r.status, r.Text)
}

// cause is the code, for metrics.
func (r *refusal) cause() string { return "code " + strconv.Itoa(r.Code) }

// ofAnEvent reports whether an event of the request is at fault.
func (r *refusal) ofAnEvent() bool { return slices.Contains(byAnEvent, r.Code) }
