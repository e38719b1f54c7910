package schemas

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// The two documents are written for every event and every revision, and the
// digest of a record is over its canonical form. So they are written in that
// form at once (RFC 8785: members by name, shortest escapes), by encoders made
// once from the types: a quarter of the time of encoding first and bringing
// into canonical form then. Tests hold them against the general encoder.
var (
	recordEncoder = encoderOf(reflect.TypeFor[record.Record]())
	eventEncoder  = encoderOf(reflect.TypeFor[EventDocument]())
)

// Append appends d to b as JSON on one line.
func (d *EventDocument) Append(b []byte) []byte { return eventEncoder(b, reflect.ValueOf(d).Elem()) }

// An encoder appends a value as JSON.
type encoder func(b []byte, v reflect.Value) []byte

// A member is one field of a struct, as it is written.
type member struct {
	name  string // of the member
	text  []byte // "name":
	index int
	empty bool // omitempty: left out where its JSON is empty
	zero  bool // omitzero: left out where the field is zero
	value encoder
}

// encoderOf returns the encoder of t. It panics on a type that no document
// uses, which every use of the package then shows.
func encoderOf(t reflect.Type) encoder {
	switch t {
	case timeType:
		return appendTime
	case reflect.TypeFor[jsontext.Value]():
		return func(b []byte, v reflect.Value) []byte { return append(b, v.Bytes()...) }
	}
	switch t.Kind() {
	case reflect.String:
		return func(b []byte, v reflect.Value) []byte { return appendString(b, v.String()) }
	case reflect.Bool:
		return func(b []byte, v reflect.Value) []byte { return strconv.AppendBool(b, v.Bool()) }
	case reflect.Int, reflect.Int64:
		return func(b []byte, v reflect.Value) []byte { return strconv.AppendInt(b, v.Int(), 10) }
	case reflect.Float64:
		return appendFloat
	case reflect.Pointer:
		to := encoderOf(t.Elem())
		return func(b []byte, v reflect.Value) []byte {
			if v.IsNil() {
				return append(b, "null"...)
			}
			return to(b, v.Elem())
		}
	case reflect.Slice:
		return sliceEncoder(encoderOf(t.Elem()))
	case reflect.Struct:
		return structEncoder(t)
	}
	panic(fmt.Sprintf("schemas: no document holds a %v", t)) //nolint:forbidigo // at start, on a type of our own
}

func sliceEncoder(element encoder) encoder {
	return func(b []byte, v reflect.Value) []byte {
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = element(b, v.Index(i))
		}
		return append(b, ']')
	}
}

func structEncoder(t reflect.Type) encoder {
	members := make([]member, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		members = append(members, member{
			name: name, text: []byte(`"` + name + `":`), index: i, value: encoderOf(f.Type),
			empty: strings.Contains(options, "omitempty"), zero: strings.Contains(options, "omitzero"),
		})
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	return func(b []byte, v reflect.Value) []byte {
		b = append(b, '{')
		first := len(b)
		for i := range members {
			m := &members[i]
			field := v.Field(m.index)
			if m.zero && field.IsZero() || m.empty && isEmpty(field) {
				continue
			}
			start := len(b)
			if start > first {
				b = append(b, ',')
			}
			b = append(b, m.text...)
			value := len(b)
			b = m.value(b, field)
			if m.empty && len(b) == value+2 && b[value] == '{' { // a struct of which nothing is set
				b = b[:start]
			}
		}
		return append(b, '}')
	}
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice:
		return v.Len() == 0
	case reflect.Pointer:
		return v.IsNil()
	}
	return false // numbers and booleans have no empty form
}

func appendTime(b []byte, v reflect.Value) []byte {
	b = append(b, '"')
	b = v.Addr().Interface().(*time.Time).AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendFloat(b []byte, v reflect.Value) []byte {
	text, err := json.Marshal(v.Float()) // the form of ECMAScript, which RFC 8785 asks for
	if err != nil {
		return append(b, '0') // not a number: no JSON has it
	}
	return append(b, text...)
}

// appendString appends s quoted. Nearly all strings are plain.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			b, _ = jsontext.AppendQuote(b, s) // what is no UTF-8 becomes U+FFFD
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
