package schemas

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// Documents are written for every event and every revision, facts for every event, and digests are
// computed over them. So encoders that are built once from the types write them directly in their
// final form. This takes a quarter of the time of encoding first and canonicalizing afterwards.
// Tests compare them with the general encoder.
//
// Documents are in canonical form (RFC 8785: members by name, shortest
// escapes), facts in the order of their fields.
var (
	recordEncoder = encoderOf(reflect.TypeFor[record.Record](), byName)
	eventEncoder  = encoderOf(reflect.TypeFor[EventDocument](), byName)
)

// Append appends d to b as JSON on one line.
func (d *EventDocument) Append(b []byte) []byte { return eventEncoder.append(b, d) }

// A writer holds the output so far.
type writer struct {
	b     []byte
	doubt bool // something cannot be written, or only the general encoder knows how
}

// Writers are reused.
var writers = sync.Pool{New: func() any { return new(writer) }}

func (w *writer) free() {
	if cap(w.b) <= ClaimCheckSize { // a writer must not keep the memory of one large event for ever
		*w = writer{b: w.b[:0]}
		writers.Put(w)
	}
}

// An encoder writes the value at a place as JSON.
type encoder func(w *writer, at place)

// append appends the value that pointer points to.
func (e encoder) append(b []byte, pointer any) []byte {
	w := writers.Get().(*writer)
	defer w.free()
	own := w.b
	w.b = b
	e(w, placeOf(reflect.ValueOf(pointer)))
	b, w.b = w.b, own
	return b
}

// An order is the order of the members of a struct.
type order func(a, b member) int

func byName(a, b member) int  { return cmp.Compare(a.name, b.name) }
func byField(a, b member) int { return cmp.Compare(a.offset, b.offset) }

// A member is one field of a struct and how it is written.
type member struct {
	name   string // of the member
	text   []byte // "name":
	offset uintptr
	absent func(at place) bool // reports whether it is left out; nil means never
	empty  bool                // omitempty: also left out if its JSON is {}
	value  encoder
}

// encoderOf returns the encoder of t. It panics on a type that no document uses; any use of the
// package would show that.
func encoderOf(t reflect.Type, o order) encoder {
	switch t {
	case timeType:
		return writeTime
	case freeType:
		return writeFree
	case reflect.TypeFor[jsontext.Value]():
		return func(w *writer, at place) { w.b = append(w.b, *at.bytes()...) }
	}
	switch t.Kind() {
	case reflect.String:
		return func(w *writer, at place) { w.b = appendString(w.b, *at.string()) }
	case reflect.Bool:
		return func(w *writer, at place) { w.b = strconv.AppendBool(w.b, *at.bool()) }
	case reflect.Int:
		return func(w *writer, at place) { w.b = strconv.AppendInt(w.b, int64(*at.int()), 10) }
	case reflect.Int64:
		return func(w *writer, at place) { w.b = strconv.AppendInt(w.b, *at.int64(), 10) }
	case reflect.Float64:
		return writeFloat
	case reflect.Pointer:
		return pointerEncoder(encoderOf(t.Elem(), o))
	case reflect.Slice:
		return sliceEncoder(encoderOf(t.Elem(), o), t.Elem().Size())
	case reflect.Struct:
		return structEncoder(t, o)
	}
	panic(fmt.Sprintf("schemas: no document holds a %v", t)) //nolint:forbidigo // at start, on a type of our own
}

func pointerEncoder(value encoder) encoder {
	return func(w *writer, at place) {
		if to, ok := at.pointer(); ok {
			value(w, to)
		} else {
			w.b = append(w.b, "null"...)
		}
	}
}

func sliceEncoder(element encoder, size uintptr) encoder {
	return func(w *writer, at place) {
		first, n := at.elements()
		w.b = append(w.b, '[')
		for i := range n {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			element(w, first.field(uintptr(i)*size))
		}
		w.b = append(w.b, ']')
	}
}

func structEncoder(t reflect.Type, o order) encoder {
	members := membersOf(t, o)
	return func(w *writer, at place) {
		w.b = append(w.b, '{')
		first := len(w.b)
		for i := range members {
			m := &members[i]
			field := at.field(m.offset)
			if m.absent != nil && m.absent(field) {
				continue
			}
			start := len(w.b)
			if start > first {
				w.b = append(w.b, ',')
			}
			w.b = append(w.b, m.text...)
			value := len(w.b)
			m.value(w, field)
			if m.empty && len(w.b) == value+2 && w.b[value] == '{' { // an empty struct
				w.b = w.b[:start]
			}
		}
		w.b = append(w.b, '}')
	}
}

// membersOf returns the members of struct type t, including those of embedded structs.
func membersOf(t reflect.Type, o order) []member {
	var members []member
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			for _, m := range membersOf(f.Type, o) {
				m.offset += f.Offset
				members = append(members, m)
			}
		default:
			members = append(members, member{
				name: name, text: []byte(`"` + name + `":`), offset: f.Offset, value: encoderOf(f.Type, o),
				absent: absence(f.Type, options), empty: strings.Contains(options, "omitempty"),
			})
		}
	}
	slices.SortFunc(members, o)
	return members
}

// absence returns the function that reports whether a field of type t is left out: with omitempty
// if its JSON is empty, with omitzero if it is zero.
func absence(t reflect.Type, options string) func(at place) bool {
	empty, zero := strings.Contains(options, "omitempty"), strings.Contains(options, "omitzero")
	switch {
	case zero && t == timeType:
		return func(at place) bool { return at.time().IsZero() }
	case zero && t == freeType, empty && t.Kind() == reflect.Slice:
		return func(at place) bool { _, n := at.elements(); return n == 0 }
	case zero:
		return func(at place) bool { return at.value(t).IsZero() }
	case empty && t.Kind() == reflect.String:
		return func(at place) bool { return *at.string() == "" }
	case empty && t.Kind() == reflect.Pointer:
		return func(at place) bool { _, ok := at.pointer(); return !ok }
	}
	return nil // numbers and booleans have no empty form
}

func writeTime(w *writer, at place) {
	start := len(w.b) + 1
	w.b = append(w.b, '"')
	w.b = at.time().AppendFormat(w.b, time.RFC3339Nano)
	if text := w.b[start:]; text[len("2006")] != '-' || !zoneFits(text) {
		w.doubt = true // RFC 3339 has fewer years and zones than Go
	}
	w.b = append(w.b, '"')
}

// zoneFits reports whether RFC 3339 allows the zone of a formatted time.
func zoneFits(text []byte) bool {
	n := len(text)
	return text[n-1] == 'Z' || (text[n-6] == '+' || text[n-6] == '-') && string(text[n-5:n-3]) <= "23" && string(text[n-2:]) <= "59"
}

func writeFloat(w *writer, at place) {
	f := *at.float()
	if f >= 1e-6 && f < 1e21 { // the format of ECMAScript, as RFC 8785 requires
		w.b = strconv.AppendFloat(w.b, f, 'f', -1, 64)
		return
	}
	text, err := json.Marshal(f)
	if err != nil {
		text = []byte("0") // NaN and infinity do not exist in JSON
	}
	w.b = append(w.b, text...)
}

// writeFree writes JSON that this package does not interpret, without white space and needless
// escapes. Most of it has neither.
func writeFree(w *writer, at place) {
	text := *at.bytes()
	s := scanner{text: text}
	if !s.value(0) || s.at < len(text) || s.loose {
		short, err := Encode(record.RawJSON(text))
		w.doubt = w.doubt || err != nil
		text = short
	}
	w.b = append(w.b, text...)
}

// appendString appends s quoted. Nearly all strings are plain.
func appendString(b []byte, s string) []byte {
	if ordinary(bytesOf(s)) < len(s) {
		b, _ = jsontext.AppendQuote(b, s) // invalid UTF-8 becomes U+FFFD
		return b
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
