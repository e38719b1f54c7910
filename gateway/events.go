package gateway

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
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
	events, err := open(r.Header, body, g.limiter.burst(from.key))
	if err != nil {
		return err
	}
	spooled, err := g.Accept(r.Context(), from, events)
	if err != nil {
		return err
	}
	return answer(w, spooled)
}

// open reads the CloudEvents of a request, in any of the three modes. most is how many events its
// sender may send at once.
func open(header http.Header, body []byte, most int) ([]event.Event, error) {
	contentType := header.Get("Content-Type")
	switch media := schemas.Media(contentType); {
	case media == "" && contentType != "":
		return nil, problem.New(http.StatusUnsupportedMediaType, "Content-Type %q is not a media type", contentType)
	case media == schemas.ContentTypeBatch:
		return openBatch(schemas.Whole(body), most)
	case media == schemas.ContentTypeEvent:
		return openAll(schemas.Whole(body))
	case strings.HasPrefix(media, "application/cloudevents"):
		return nil, problem.New(http.StatusUnsupportedMediaType, "Content-Type %s is not supported; send %s or %s", media, schemas.ContentTypeEvent, schemas.ContentTypeBatch)
	case header.Get("Ce-Specversion") == "":
		return nil, problem.New(http.StatusUnsupportedMediaType, "this is not a CloudEvent: send Content-Type %s, or its attributes as headers ce-specversion, ce-id, ce-source, ce-type", schemas.ContentTypeEvent)
	}
	return openBinary(header, body)
}

func openBatch(body []byte, most int) ([]event.Event, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body)) // its values are parts of body
	noBatch := func(err error) error {
		return problem.New(http.StatusBadRequest, "the body is not a batch of CloudEvents, which is a JSON array: %v", err)
	}
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, noBatch(cmp.Or(err, errors.New("it does not begin with [")))
	}
	var texts [][]byte
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, noBatch(err)
		}
		if len(texts) == most {
			return nil, problem.New(http.StatusTooManyRequests, "the batch has more than %d events, the number that its sender may send in one second; send smaller batches", most).Later(time.Second)
		}
		texts = append(texts, v)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, noBatch(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, noBatch(errors.New("there is something after its end"))
	}
	if len(texts) == 0 {
		return nil, problem.New(http.StatusBadRequest, "the batch is empty")
	}
	return openAll(texts...)
}

// openAll reads events that are JSON, as schemas reads them from Kafka.
func openAll(texts ...[]byte) ([]event.Event, error) {
	events := make([]event.Event, len(texts))
	p := problem.New(http.StatusUnprocessableEntity, "")
	for i, text := range texts {
		env, err := schemas.Open(schemas.Message{Value: text})
		if err == nil {
			events[i] = eventOf(env, extensions(text, env.Data))
			continue
		}
		refusal := schemas.AsRefusal(err)
		if refusal.Reason == schemas.NotJSON {
			return nil, problem.New(http.StatusBadRequest, "the body cannot be read: %s", refusal.Detail)
		}
		p.Errors = append(p.Errors, problem.Part{Index: i, ID: env.ID, Reason: string(refusal.Reason), Detail: refusal.Detail})
	}
	return events, batchProblem(p, len(texts))
}

// extensions returns the attributes of an event in JSON that its envelope has no field for, as text.
// It skips data, which may be long.
func extensions(text, data []byte) map[string]string {
	if before, after, found := bytes.Cut(text, data); found && len(data) > 256 {
		text = slices.Concat(before, []byte("0"), after)
	}
	out := make(map[string]string)
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() == '"' {
		quoted, _ := d.ReadValue()
		name := quoted[1 : len(quoted)-1]
		if inEnvelope(string(name)) || d.PeekKind() == '{' || d.PeekKind() == '[' || d.PeekKind() == 'n' {
			err = d.SkipValue()
			continue
		}
		key := string(name) // before the next token takes its place
		var value jsontext.Token
		value, err = d.ReadToken()
		out[key] = value.String()
	}
	return out // no error is possible: the text was read before
}

// inEnvelope reports whether an envelope has a field for an attribute.
func inEnvelope(name string) bool {
	switch name {
	case "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "data_base64", "partitionkey", "dataref", "traceparent", "tracestate", "sequence", extensionArrived:
		return true
	}
	return slices.Contains(ownAttributes, name)
}

// batchProblem returns an error that says which events of a batch are wrong, so that none is
// accepted; nil if none is wrong.
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
func openBinary(header http.Header, body []byte) ([]event.Event, error) {
	m := schemas.Message{Value: body}
	others := make(map[string]string)
	for key, values := range header {
		name, ok := strings.CutPrefix(strings.ToLower(key), "ce-")
		if !ok || len(values) == 0 {
			continue
		}
		value, err := url.PathUnescape(values[0]) // HTTP binding 3.1.3.2; a plus is a plus
		if err == nil && name == "time" {
			_, err = time.Parse(time.RFC3339Nano, value)
		}
		if err != nil || !utf8.ValidString(value) {
			return nil, problem.New(http.StatusBadRequest, "header ce-%s: %q cannot be read", name, values[0])
		}
		if !inEnvelope(name) {
			others[name] = value
		}
		m.Headers = append(m.Headers, schemas.Header{Key: "ce_" + name, Value: []byte(value)})
	}
	m.Headers = append(m.Headers, schemas.Header{Key: "content-type", Value: []byte(header.Get("Content-Type"))})
	env, err := schemas.Open(m)
	if refusal := schemas.AsRefusal(err); refusal != nil {
		p := problem.New(http.StatusUnprocessableEntity, "")
		p.Errors = []problem.Part{{ID: env.ID, Reason: string(refusal.Reason), Detail: refusal.Detail}}
		return nil, batchProblem(p, 1)
	}
	return []event.Event{eventOf(env, others)}, nil
}

// eventOf returns the event of an envelope; others are the attributes that are not in the envelope.
// It drops the attributes that only the gateway sets.
func eventOf(env schemas.Envelope, others map[string]string) event.Event {
	c := event.EventContextV1{ID: env.ID, Type: env.Type, Extensions: make(map[string]any)} // the setters of the SDK would trim them
	if source := types.ParseURIRef(env.Source); source != nil {
		c.Source = *source
	}
	if env.Subject != "" {
		c.Subject = &env.Subject
	}
	if !env.Time.IsZero() {
		c.Time = &types.Timestamp{Time: env.Time}
	}
	if env.DataContentType != "" {
		c.DataContentType = &env.DataContentType
	}
	for _, a := range [][2]string{{"partitionkey", env.PartitionKey}, {"dataref", env.DataRef}, {"traceparent", env.TraceParent}, {"tracestate", env.TraceState}, {"sequence", env.Sequence}, {extensionArrived, env.ArrivedAt}} {
		if a[1] != "" {
			c.Extensions[a[0]] = a[1]
		}
	}
	for name, value := range others {
		switch {
		case name == "dataschema":
			c.DataSchema = types.ParseURI(value) // nil if it is not a URI: nobody reads it
		case event.IsExtensionNameValid(name) && strings.ToLower(name) == name && value != "":
			c.Extensions[name] = value
		}
	}
	return event.Event{Context: &c, DataEncoded: env.Data}
}
