package schemas

import (
	"bytes"
	"encoding/base64"
	"errors"
	"iter"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/phrase"
)

// Content types of CloudEvents (CloudEvents JSON format 1.0.2, Kafka protocol
// binding 1.0.2).
const (
	ContentTypeEvent = "application/cloudevents+json"
	ContentTypeBatch = "application/cloudevents-batch+json"
	ContentTypeJSON  = "application/json"
)

// A Header is one header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// A Message is a Kafka record as it arrived, without its position in the topic.
type Message struct {
	Key     []byte
	Value   []byte
	Headers []Header
	Time    time.Time // the record's timestamp: when the broker accepted it
}

// An Envelope is the attributes of a CloudEvent, and its data as JSON text.
type Envelope struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	PartitionKey    string    `json:"partitionkey"`
	DataRef         string    `json:"dataref"`
	TraceParent     string    `json:"traceparent"`
	TraceState      string    `json:"tracestate"`
	Sequence        string    `json:"sequence"`
	AuthType        string    `json:"authtype"`
	AuthID          string    `json:"authid"`
	AuthMAC         string    `json:"authmac"`     // set by a gateway; see Sign
	ArrivedAt       string    `json:"arrivedat"`   // when it arrived at a gateway, or elsewhere, RFC 3339
	Imported        string    `json:"imported"`    // set by a gateway: the sender states arrivedat
	ContentMode     string    `json:"contentmode"` // how much content of prompts and tools is kept
	Redacted        string    `json:"redacted"`    // rules that found secrets, separated by commas
	MaskedAfter     string    `json:"maskedafter"` // how it was masked after it was stored (record.Masking)

	Data       jsontext.Value `json:"data"`
	DataBase64 string         `json:"data_base64"`
}

// Open reads the CloudEvent in m, in the binary or the structured mode of the Kafka protocol
// binding. Data that changetrail does not interpret stays unchanged. Its errors are refusals.
func Open(m Message) (Envelope, error) {
	contentType := ""
	binary := false
	for _, h := range m.Headers {
		switch {
		case strings.EqualFold(h.Key, "content-type"):
			contentType = string(h.Value)
		case strings.HasPrefix(h.Key, "ce_"):
			binary = true
		}
	}
	switch media := Media(contentType); {
	case media == ContentTypeBatch:
		return Envelope{}, Refuse(NotCloudEvent, "a batch in one Kafka record; the Kafka binding has no batch mode: send each event in its own record")
	case media == ContentTypeEvent:
		return openStructured(m.Value)
	case strings.HasPrefix(media, "application/cloudevents"):
		return Envelope{}, Refuse(NotCloudEvent, "content type %s; want %s", media, ContentTypeEvent)
	case binary:
		return openBinary(m, contentType)
	}
	return openStructured(m.Value) // as kcat sends it, without headers
}

func openStructured(value []byte) (Envelope, error) {
	if len(bytes.TrimSpace(value)) == 0 {
		return Envelope{}, Refuse(NotJSON, "the message is empty")
	}
	var e Envelope
	value = Whole(value)
	if !readEnvelope(value, &e) {
		e = Envelope{}
		if err := judgeEnvelope(value, &e); err != nil {
			return Envelope{}, err
		}
	}
	if string(e.Data) == "null" {
		e.Data = nil
	}
	if e.DataBase64 != "" {
		if len(e.Data) > 0 {
			return Envelope{}, Refuse(NotCloudEvent, "it has both data and data_base64; send one of them")
		}
		data, err := base64.StdEncoding.DecodeString(e.DataBase64)
		if err != nil {
			return Envelope{}, Refuse(NotCloudEvent, "data_base64: %s", phrase.Error(err))
		}
		e.Data, e.DataBase64 = Whole(data), ""
	}
	return e, e.Check()
}

// readEnvelope reads value into e, whose data is then a part of value. It reports whether it
// succeeded; if not, the general decoder must judge.
func readEnvelope(value []byte, e *Envelope) bool {
	s := scanner{text: value}
	return envelopeReader()(&s, placeOf(reflect.ValueOf(e))) && s.end()
}

var envelopeReader = sync.OnceValue(func() reader { return structReader(reflect.TypeFor[Envelope]()) })

// judgeEnvelope reads value into e and explains what is wrong with it.
func judgeEnvelope(value []byte, e *Envelope) error {
	err := json.Unmarshal(value, e)
	if err == nil {
		return nil
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return Refuse(NotJSON, "%v", phrase.JSON(value, err))
	}
	return Refuse(NotCloudEvent, "%s", semanticError("", err))
}

func openBinary(m Message, contentType string) (Envelope, error) {
	e := Envelope{DataContentType: contentType, Data: m.Value}
	if IsJSON(contentType) {
		e.Data = Whole(m.Value)
	}
	for i, value := range texts(m.Headers) {
		name, ok := strings.CutPrefix(m.Headers[i].Key, "ce_")
		if !ok {
			continue
		}
		if name == "time" {
			t, err := time.Parse(time.RFC3339Nano, value)
			if err != nil {
				return Envelope{}, Refuse(NotCloudEvent, "header ce_time: %q is not an RFC 3339 time", value)
			}
			e.Time = t
		} else if attribute := e.attribute(name); attribute != nil {
			*attribute = value
		}
	}
	return e, e.Check()
}

// texts yields the values of headers as strings. If they are small, all of them share one string.
func texts(headers []Header) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		shared := sharedText(headers)
		for i, h := range headers {
			text := ""
			if n := len(h.Value); n <= len(shared) {
				text, shared = shared[:n], shared[n:]
			} else {
				text = string(h.Value)
			}
			if !yield(i, text) {
				return
			}
		}
	}
}

// sharedText returns the concatenated values of headers, "" if they are large.
func sharedText(headers []Header) string {
	size := 0
	for _, h := range headers {
		size += len(h.Value)
	}
	if size > maxKept {
		return ""
	}
	var all strings.Builder
	all.Grow(size)
	for _, h := range headers {
		all.Write(h.Value)
	}
	return all.String()
}

// attribute returns the field of e for an attribute, if that is a string that this package reads.
func (e *Envelope) attribute(name string) *string {
	switch name {
	case "specversion":
		return &e.SpecVersion
	case "id":
		return &e.ID
	case "source":
		return &e.Source
	case "type":
		return &e.Type
	case "subject":
		return &e.Subject
	case "partitionkey":
		return &e.PartitionKey
	case "dataref":
		return &e.DataRef
	case "traceparent":
		return &e.TraceParent
	case "tracestate":
		return &e.TraceState
	case "sequence":
		return &e.Sequence
	case "authtype":
		return &e.AuthType
	case "authid":
		return &e.AuthID
	case "authmac":
		return &e.AuthMAC
	case "arrivedat":
		return &e.ArrivedAt
	case "imported":
		return &e.Imported
	case "contentmode":
		return &e.ContentMode
	case "redacted":
		return &e.Redacted
	case "maskedafter":
		return &e.MaskedAfter
	}
	return nil
}

// Attributes yields the headers of e in the binary mode of the Kafka protocol binding.
func (e *Envelope) Attributes(yield func(name, value string) bool) {
	at := ""
	if !e.Time.IsZero() {
		at = e.Time.UTC().Format(time.RFC3339Nano)
	}
	for _, a := range [][2]string{
		{"content-type", e.DataContentType},
		{"ce_specversion", e.SpecVersion},
		{"ce_id", e.ID},
		{"ce_source", e.Source},
		{"ce_type", e.Type},
		{"ce_subject", e.Subject},
		{"ce_time", at},
		{"ce_partitionkey", e.PartitionKey},
		{"ce_dataref", e.DataRef},
		{"ce_traceparent", e.TraceParent},
		{"ce_tracestate", e.TraceState},
		{"ce_sequence", e.Sequence},
		{"ce_authtype", e.AuthType},
		{"ce_authid", e.AuthID},
		{"ce_authmac", e.AuthMAC},
		{"ce_arrivedat", e.ArrivedAt},
		{"ce_imported", e.Imported},
		{"ce_contentmode", e.ContentMode},
		{"ce_redacted", e.Redacted},
		{"ce_maskedafter", e.MaskedAfter},
	} {
		if a[1] != "" && !yield(a[0], a[1]) {
			return
		}
	}
}

// Bounds of attributes, in bytes: of those that are part of the identity, and of others.
const (
	maxIdentity  = 1024
	maxAttribute = 4096
)

// Check refuses an envelope that is not a CloudEvent 1.0.2, and attributes that two readers could
// interpret differently: a NUL or invalid UTF-8 would make two identities look like one. It
// normalizes the source. Open calls it.
func (e *Envelope) Check() error {
	if strings.TrimSpace(e.Subject) == "" {
		e.Subject = ""
	}
	var missing []string
	for _, a := range [...]struct{ name, value string }{{"specversion", e.SpecVersion}, {"id", e.ID}, {"source", e.Source}, {"type", e.Type}} {
		if strings.TrimSpace(a.value) == "" {
			missing = append(missing, a.name)
		}
	}
	if missing != nil {
		return Refuse(NotCloudEvent, "attribute %s is missing; a CloudEvent needs specversion, id, source and type", strings.Join(missing, ", "))
	}
	if e.SpecVersion != "1.0" {
		return Refuse(NotCloudEvent, "specversion %q is not supported; send 1.0", e.SpecVersion)
	}
	for _, a := range [...]struct {
		name, value string
		limit       int
	}{
		{"id", e.ID, maxIdentity},
		{"source", e.Source, maxIdentity},
		{"type", e.Type, maxIdentity},
		{"subject", e.Subject, maxAttribute},
		{"datacontenttype", e.DataContentType, maxIdentity},
		{"partitionkey", e.PartitionKey, maxAttribute},
		{"dataref", e.DataRef, maxAttribute},
		{"traceparent", e.TraceParent, maxAttribute},
		{"tracestate", e.TraceState, maxAttribute},
		{"sequence", e.Sequence, maxAttribute},
		{"authtype", e.AuthType, maxAttribute},
		{"authid", e.AuthID, maxAttribute},
		{"authmac", e.AuthMAC, maxAttribute},
		{"arrivedat", e.ArrivedAt, maxAttribute},
		{"imported", e.Imported, maxAttribute},
		{"contentmode", e.ContentMode, maxAttribute},
		{"redacted", e.Redacted, maxAttribute},
		{"maskedafter", e.MaskedAfter, maxAttribute},
	} {
		if len(a.value) > a.limit || strings.IndexByte(a.value, 0) >= 0 || !utf8.ValidString(a.value) {
			return Refuse(NotCloudEvent, "attribute %s is longer than %d bytes, or contains a NUL or bytes that are not UTF-8", a.name, a.limit)
		}
	}
	if year := e.Time.UTC().Year(); year < 1 || year > 9999 {
		return Refuse(NotCloudEvent, "attribute time is in the year %d, which RFC 3339 cannot express", year)
	}
	return e.cleanSource()
}

// cleanSource brings the source into the form that every sender and library writes: a URI
// reference, which has no spaces.
func (e *Envelope) cleanSource() error {
	if plain(e.Source) {
		return nil
	}
	u, err := url.Parse(e.Source)
	if err != nil {
		return Refuse(NotCloudEvent, "source %q is not a URI reference, for example /agents/agent-bot-3000", e.Source)
	}
	if e.Source = u.String(); strings.TrimSpace(e.Source) == "" || len(e.Source) > maxIdentity {
		return Refuse(NotCloudEvent, "source %q is not a URI reference of up to %d bytes, for example /agents/agent-bot-3000", e.Source, maxIdentity)
	}
	return nil
}

// plain reports quickly whether a URI reference is in its normal form; false means that it may not
// be.
func plain(source string) bool {
	source = strings.TrimPrefix(source, "https://")
	for i := range len(source) {
		c := source[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '/' && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// semanticError explains in JSON terms what does not fit.
func semanticError(prefix string, err error) string {
	var s *json.SemanticError
	if !errors.As(err, &s) {
		return prefix + phrase.Error(err)
	}
	path, dot := phrase.Error(err), "."
	if s.JSONPointer == "" {
		dot = ": "
	}
	if prefix == "" {
		return path
	}
	return prefix + dot + path
}
