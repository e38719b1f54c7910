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

// Documents are written for every event and every revision, facts for every
// event, and there are digests over them. So they are written in their final
// form at once, by encoders made once from the types: a quarter of the time of
// encoding first and bringing into canonical form then. Tests hold them against
// the general encoder.
//
// Documents are in canonical form (RFC 8785: members by name, shortest
// escapes), facts in the order of their fields.
var (
	recordEncoder = encoderOf(reflect.TypeFor[record.Record](), byName)
	eventEncoder  = encoderOf(reflect.TypeFor[EventDocument](), byName)
)

// Append appends d to b as JSON on one line.
func (d *EventDocument) Append(b []byte) []byte { return eventEncoder.append(b, d) }

// A writer holds what is written so far.
type writer struct {
	b     []byte
	doubt bool // something cannot be written, or only the general encoder knows how
}

// A writer that served one event serves another.
var writers = sync.Pool{New: func() any { return new(writer) }}

func (w *writer) free() {
	if cap(w.b) <= ClaimCheckSize { // one large event must not hold its memory for ever
		*w = writer{b: w.b[:0]}
		writers.Put(w)
	}
}

// An encoder writes the value at a place as JSON.
type encoder func(w *writer, at place)

// append appends what pointer points to.
func (e encoder) append(b []byte, pointer any) []byte {
	w := writers.Get().(*writer)
	defer w.free()
	own := w.b
	w.b = b
	e(w, placeOf(reflect.ValueOf(pointer)))
	b, w.b = w.b, own
	return b
}

// An order sorts the members of a struct.
type order func(a, b member) int

func byName(a, b member) int  { return cmp.Compare(a.name, b.name) }
func byField(a, b member) int { return cmp.Compare(a.offset, b.offset) }

// A member is one field of a struct, as it is written.
type member struct {
	name   string // of the member
	text   []byte // "name":
	offset uintptr
	absent func(at place) bool // left out there; nil: never
	empty  bool                // omitempty: left out where its JSON is {}, too
	value  encoder
}

// encoderOf returns the encoder of t. It panics on a type that no document
// uses, which every use of the package then shows.
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
			if m.empty && len(w.b) == value+2 && w.b[value] == '{' { // a struct of which nothing is set
				w.b = w.b[:start]
			}
		}
		w.b = append(w.b, '}')
	}
}

// membersOf returns the members of struct type t, those of embedded structs
// among them.
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

// absence returns what tells that a field of type t is left out: one with
// omitempty where its JSON is empty, one with omitzero where it is zero.
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
		w.doubt = true // of years and zones RFC 3339 has fewer than Go
	}
	w.b = append(w.b, '"')
}

// zoneFits tells whether the zone of a time that is written in the form of RFC
// 3339 is one of RFC 3339.
func zoneFits(text []byte) bool {
	n := len(text)
	return text[n-1] == 'Z' || (text[n-6] == '+' || text[n-6] == '-') && string(text[n-5:n-3]) <= "23" && string(text[n-2:]) <= "59"
}

func writeFloat(w *writer, at place) {
	f := *at.float()
	if f >= 1e-6 && f < 1e21 { // as ECMAScript, for which RFC 8785 asks
		w.b = strconv.AppendFloat(w.b, f, 'f', -1, 64)
		return
	}
	text, err := json.Marshal(f)
	if err != nil {
		text = []byte("0") // not a number: no JSON has it
	}
	w.b = append(w.b, text...)
}

// writeFree writes JSON that nobody reads here without white space and needless
// escapes. Most of it has none.
func writeFree(w *writer, at place) {
	text := *at.bytes()
	s := scanner{text: text}
	if !s.value(0) || s.at < len(text) || s.loose {
		short, err := Encode(record.Free(text))
		w.doubt = w.doubt || err != nil
		text = short
	}
	w.b = append(w.b, text...)
}

// appendString appends s quoted. Nearly all strings are plain.
func appendString(b []byte, s string) []byte {
	if ordinary(bytesOf(s)) < len(s) {
		b, _ = jsontext.AppendQuote(b, s) // what is no UTF-8 becomes U+FFFD
		return b
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
