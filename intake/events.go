package intake

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/schemas"
)

// events answers POST /v1/events (CloudEvents HTTP protocol binding 1.0.2).
func (g *Gateway) events(w http.ResponseWriter, r *http.Request, from Sender) error {
	body, err := read(w, r, g.Limits.Body)
	if err != nil {
		return err
	}
	events, err := open(r.Header, body)
	if err != nil {
		return err
	}
	spooled, err := g.Take(r.Context(), from, events)
	if err != nil {
		return err
	}
	return answer(w, spooled)
}

// open reads the CloudEvents of a request, in any of the three modes.
func open(header http.Header, body []byte) ([]event.Event, error) {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil && header.Get("Content-Type") != "" {
		return nil, problem.New(http.StatusUnsupportedMediaType, "Content-Type: %v", err)
	}
	switch {
	case media == schemas.ContentTypeBatch:
		return openBatch(body)
	case media == schemas.ContentTypeEvent:
		e, err := openStructured(body)
		return []event.Event{e}, err
	case strings.HasPrefix(media, "application/cloudevents"):
		return nil, problem.New(http.StatusUnsupportedMediaType, "Content-Type %s is not read; send %s or %s", media, schemas.ContentTypeEvent, schemas.ContentTypeBatch)
	case header.Get("Ce-Specversion") == "":
		return nil, problem.New(http.StatusUnsupportedMediaType, "this is no CloudEvent: send Content-Type %s, or its attributes as headers ce-specversion, ce-id, ce-source, ce-type", schemas.ContentTypeEvent)
	}
	e, err := openBinary(header, body)
	return []event.Event{e}, err
}

func openStructured(body []byte) (e event.Event, err error) {
	// In an object with a member twice two readers would see different ones.
	if !jsontext.Value(body).IsValid() {
		var strict jsontext.Value
		return e, problem.New(http.StatusBadRequest, "the body is not JSON: %v", json.Unmarshal(body, &strict))
	}
	if err := e.UnmarshalJSON(body); err != nil {
		return e, problem.New(http.StatusBadRequest, "the body is no CloudEvent in JSON: %v", err)
	}
	return e, nil
}

func openBatch(body []byte) ([]event.Event, error) {
	var values []jsontext.Value
	if err := json.Unmarshal(body, &values); err != nil {
		return nil, problem.New(http.StatusBadRequest, "the body is no batch of CloudEvents, which is an array: %v", err)
	}
	if len(values) == 0 {
		return nil, problem.New(http.StatusBadRequest, "the batch is empty")
	}
	events := make([]event.Event, len(values))
	p := problem.New(http.StatusBadRequest, "")
	for i, v := range values {
		if err := events[i].UnmarshalJSON(v); err != nil {
			p.Errors = append(p.Errors, problem.Part{Index: i, Detail: fmt.Sprintf("no CloudEvent in JSON: %v", err)})
		}
	}
	return events, batchProblem(p, len(values))
}

// batchProblem says of which events of a batch something is wrong; none of it is
// taken then.
func batchProblem(p *problem.Problem, n int) error {
	if len(p.Errors) == 0 {
		return nil
	}
	first := p.Errors[0]
	if n == 1 {
		p.Detail = first.Detail
	} else {
		p.Detail = fmt.Sprintf("%d of %d events are wrong, and none was taken; mend or leave out those that errors names, and send the batch again. The first, number %d: %s", len(p.Errors), n, first.Index, first.Detail)
	}
	return p
}

// openBinary reads an event whose attributes are headers.
func openBinary(header http.Header, body []byte) (event.Event, error) {
	e := event.New()
	bad := func(name, value string) error {
		return problem.New(http.StatusBadRequest, "header ce-%s: %q cannot be read", name, value)
	}
	for key, values := range header {
		name, ok := strings.CutPrefix(strings.ToLower(key), "ce-")
		if !ok || len(values) == 0 {
			continue
		}
		value, err := url.PathUnescape(values[0]) // HTTP binding 3.1.3.2; a plus is a plus
		if err != nil {
			return e, bad(name, values[0])
		}
		switch name {
		case "specversion":
			if value != "1.0" {
				return e, problem.New(http.StatusBadRequest, "ce-specversion is %q; only 1.0 is read", value)
			}
		case "id":
			e.SetID(value)
		case "source":
			e.SetSource(value)
		case "type":
			e.SetType(value)
		case "subject":
			e.SetSubject(value)
		case "dataschema":
			e.SetDataSchema(value)
		case "time":
			t, err := time.Parse(time.RFC3339Nano, value)
			if err != nil {
				return e, bad(name, value)
			}
			e.SetTime(t)
		default:
			e.SetExtension(name, value)
		}
	}
	if t := header.Get("Content-Type"); t != "" {
		e.SetDataContentType(t)
	}
	if len(body) > 0 {
		e.DataEncoded = body
	}
	return e, nil
}
