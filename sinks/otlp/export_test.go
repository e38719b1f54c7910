package otlp

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	common "go.opentelemetry.io/proto/otlp/common/v1"
)

// Value is what a JSON text is encoded as.
func Value(text string) (*common.AnyValue, error) {
	return value(jsontext.NewDecoder(strings.NewReader(text)))
}

// JSON writes a value as JSON. It is the way back, and shares no code with the way there.
func JSON(v *common.AnyValue) jsontext.Value {
	out := new(strings.Builder)
	e := jsontext.NewEncoder(out)
	write(e, v)
	return jsontext.Value(strings.TrimSpace(out.String()))
}

func write(e *jsontext.Encoder, v *common.AnyValue) {
	switch v := v.GetValue().(type) {
	case nil:
		_ = e.WriteToken(jsontext.Null)
	case *common.AnyValue_StringValue:
		_ = e.WriteToken(jsontext.String(v.StringValue))
	case *common.AnyValue_BoolValue:
		_ = e.WriteToken(jsontext.Bool(v.BoolValue))
	case *common.AnyValue_IntValue:
		_ = e.WriteToken(jsontext.Int(v.IntValue))
	case *common.AnyValue_DoubleValue:
		_ = e.WriteToken(jsontext.Float(v.DoubleValue))
	case *common.AnyValue_ArrayValue:
		_ = e.WriteToken(jsontext.BeginArray)
		for _, w := range v.ArrayValue.Values {
			write(e, w)
		}
		_ = e.WriteToken(jsontext.EndArray)
	case *common.AnyValue_KvlistValue:
		_ = e.WriteToken(jsontext.BeginObject)
		for _, w := range v.KvlistValue.Values {
			_ = e.WriteToken(jsontext.String(w.Key))
			write(e, w.Value)
		}
		_ = e.WriteToken(jsontext.EndObject)
	}
}
