package otlp

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/outline"
)

// Attributes of each log record.
const (
	attributeIndex    = "changetrail.document.index"
	attributeID       = "changetrail.document.id"
	attributeRevision = "changetrail.document.revision" // of a record or a finding
)

// severities are the numbers and names of the log data model.
var severities = map[outline.Severity]logs.SeverityNumber{
	outline.Info: logs.SeverityNumber_SEVERITY_NUMBER_INFO, outline.Low: logs.SeverityNumber_SEVERITY_NUMBER_INFO2,
	outline.Medium: logs.SeverityNumber_SEVERITY_NUMBER_WARN, outline.High: logs.SeverityNumber_SEVERITY_NUMBER_ERROR,
	outline.Critical: logs.SeverityNumber_SEVERITY_NUMBER_ERROR2,
}

// encode makes the log record of a document. now is the observed time of a document that does not
// say when the pipeline received it.
func encode(d sinks.Document, now time.Time) (*logs.LogRecord, error) {
	o, err := outline.Of(d)
	if err != nil {
		return nil, err
	}
	body, err := value(jsontext.NewDecoder(strings.NewReader(string(o.Body))))
	if err != nil {
		return nil, fmt.Errorf("the document cannot be encoded: %w", err)
	}
	observed := o.Created
	if observed.IsZero() {
		observed = now
	}
	severity := severities[o.Severity]
	r := &logs.LogRecord{
		TimeUnixNano: nanoseconds(o.Time), ObservedTimeUnixNano: nanoseconds(observed),
		SeverityNumber: severity, SeverityText: strings.TrimPrefix(severity.String(), "SEVERITY_NUMBER_"),
		EventName: o.Type, Body: body, Attributes: []*common.KeyValue{text(attributeIndex, d.Index), text(attributeID, d.ID)},
	}
	if d.Version > 0 {
		r.Attributes = append(r.Attributes, &common.KeyValue{Key: attributeRevision, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: d.Version}}})
	}
	if o.Change != "" {
		r.Attributes = append(r.Attributes, text("changetrail.change.id", o.Change))
	}
	if id, err := hex.DecodeString(o.TraceID); err == nil && len(id) == 16 {
		r.TraceId = id
	}
	return r, nil
}

// nanoseconds is a time as OTLP has it; 0, which means unknown, for one that it cannot express.
func nanoseconds(t time.Time) uint64 {
	if t.Year() < 1970 || t.Year() > 2261 {
		return 0
	}
	return uint64(t.UnixNano()) // #nosec G115 -- after 1970
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.ToValidUTF8(value, "\uFFFD")}}}
}

// value reads the next JSON value. Objects keep the order of their members. A number that neither
// an int64 nor a float64 has exactly is kept as a string.
func value(d *jsontext.Decoder) (*common.AnyValue, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '"':
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: token.String()}}, nil
	case 't', 'f':
		return &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: token.Bool()}}, nil
	case '0':
		return number(token.String()), nil
	case '[':
		list := &common.ArrayValue{}
		for d.PeekKind() != ']' {
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			list.Values = append(list.Values, v)
		}
		_, err := d.ReadToken()
		return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: list}}, err
	case '{':
		return object(d)
	case 'n':
		return &common.AnyValue{}, nil
	}
	return nil, io.ErrUnexpectedEOF
}

// object reads an object after its brace.
func object(d *jsontext.Decoder) (*common.AnyValue, error) {
	list := &common.KeyValueList{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String() // valid only until the next token is read
		v, err := value(d)
		if err != nil {
			return nil, err
		}
		list.Values = append(list.Values, &common.KeyValue{Key: key, Value: v})
	}
	_, err := d.ReadToken()
	return &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: list}}, err
}

func number(text string) *common.AnyValue {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !exact(text, f) {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: text}}
	}
	return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: f}}
}

// exact reports whether a float64 leads back to the number in a text: its shortest decimal form has
// the same digits.
func exact(text string, f float64) bool {
	return digits(strconv.FormatFloat(f, 'e', -1, 64)) == digits(text)
}

// digits is a number without zeros that do not count, and without its exponent.
func digits(text string) string {
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		text = text[:i]
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "-"), ".", "")
	return strings.Trim(text, "0")
}
