package schemas

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// Facts are read for every event. So readers that are built once from the types and their tags read
// and check in one pass, in a quarter to a half of the time of the general decoder and [Check]. A
// reader accepts only input that is valid beyond doubt. The general decoder judges the rest; tests
// compare the two.

// A reader reads one value into a place, which must be zero. It reports whether the value is valid
// beyond doubt; if not, the place must not be used.
type reader func(s *scanner, to place) bool

// readFact reads data into fact, which is empty, and checks it. It reports whether it succeeded; if
// not, the general decoder must judge. The strings of fact are then parts of text, a copy of data
// that nobody may change; text is nil if each string was copied separately.
func readFact(data []byte, fact record.Fact) (text []byte, ok bool) {
	c := codecOf(fact)
	s := scanner{text: data}
	if c.keeps && len(data) <= maxKept {
		text = bytes.Clone(data)
		s.text, s.keeps = text, true
	}
	ok = c.read(&s, placeOf(reflect.ValueOf(fact))) && s.end()
	return text, ok
}

// ReadStored reads text that [Fingerprint] has stored into fact, which is empty. Its error is that
// of the general decoder.
func ReadStored(text []byte, fact record.Fact) error {
	if _, ok := readFact(text, fact); ok {
		return nil
	}
	reflect.ValueOf(fact).Elem().SetZero()
	return json.Unmarshal(text, fact)
}

// maxKept is the largest text that is copied as a whole: each of its strings keeps all of it in
// memory.
const maxKept = 4 << 10

// A codec reads and writes the facts of one type.
type codec struct {
	read  reader
	write encoder
	keeps bool // nearly all of the text stays in the fact: it has no report, which is removed
}

var codecs sync.Map // reflect.Type of a fact → *codec, built on first use

func codecOf(fact record.Fact) *codec {
	t := reflect.TypeOf(fact).Elem()
	if c, ok := codecs.Load(t); ok {
		return c.(*codec)
	}
	_, report := t.FieldByName("Report")
	c := &codec{structReader(t), encoderOf(t, byField), !report}
	codecs.Store(t, c)
	return c
}

// readerOf returns the reader of values of type t that satisfy r. It panics on a type that no fact
// uses; any use of the package would show that.
func readerOf(t reflect.Type, r rule) reader {
	switch t {
	case timeType:
		return timeReader(r)
	case freeType:
		return readFree
	case reflect.TypeFor[jsontext.Value]():
		return readRaw
	}
	switch t.Kind() {
	case reflect.String:
		return stringReader(r)
	case reflect.Bool:
		return readBool
	case reflect.Int64:
		return intReader(r)
	case reflect.Pointer:
		return pointerReader(t, r)
	case reflect.Slice:
		return sliceReader(t, r)
	case reflect.Struct:
		return structReader(t)
	}
	panic(fmt.Sprintf("schemas: no fact holds a %v", t)) //nolint:forbidigo // at the first event, on a type of our own
}

func stringReader(r rule) reader {
	return func(s *scanner, to place) bool {
		text, ok := s.string()
		if !ok || !r.allows(text) {
			return false
		}
		*to.string() = text
		return true
	}
}

func intReader(r rule) reader {
	return func(s *scanner, to place) bool {
		s.space()
		from := s.at
		if !s.whole() {
			return false
		}
		n, err := strconv.ParseInt(string(s.text[from:s.at]), 10, 64)
		*to.int64() = n
		return err == nil && n >= r.min
	}
}

func readBool(s *scanner, to place) bool {
	yes := s.literal("true")
	*to.bool() = yes
	return yes || s.literal("false")
}

func timeReader(r rule) reader {
	return func(s *scanner, to place) bool {
		text, plain, ok := s.quoted()
		t := to.time()
		return ok && plain && readTime(text, t) && (!r.required || !t.IsZero())
	}
}

// readTime reads an RFC 3339 time. Package time accepts more than that.
func readTime(text []byte, t *time.Time) bool {
	n := len(text)
	if n < len("2006-01-02T15:04:05Z") || text[12] == ':' || text[19] == ',' || t.UnmarshalText(text) != nil {
		return false
	}
	return zoneFits(text) && t.Year() >= 1 && t.Year() <= 9999
}

func readFree(s *scanner, to place) bool {
	text, ok := s.raw()
	if !s.keeps {
		text = bytes.Clone(text)
	}
	*to.bytes() = text
	return ok
}

func readRaw(s *scanner, to place) bool {
	text, ok := s.raw()
	*to.bytes() = text
	return ok
}

func pointerReader(t reflect.Type, r rule) reader {
	read := readerOf(t.Elem(), r)
	return func(s *scanner, to place) bool {
		value := reflect.New(t.Elem())
		to.value(t).Set(value)
		return read(s, placeOf(value))
	}
}

func sliceReader(t reflect.Type, r rule) reader {
	item := r
	item.required = t.Elem().Kind() == reflect.String
	read := readerOf(t.Elem(), item)
	empty := reflect.MakeSlice(t, 0, 0) // not nil
	width := t.Elem().Size()
	return func(s *scanner, to place) bool {
		size, ok := s.count()
		if !ok || r.maxItems >= 0 && size > r.maxItems {
			return false
		}
		v := to.value(t)
		v.Set(empty)
		v.Grow(size)
		v.SetLen(size)
		first, _ := to.elements()
		n := uintptr(0)
		return s.array(func() bool {
			n++
			return read(s, first.field((n-1)*width))
		})
	}
}

// A readMember is one field of a struct and how it is read.
type readMember struct {
	name   string
	offset uintptr
	read   reader
}

func structReader(t reflect.Type) reader {
	var members []readMember
	var required uint64 // a bit for each member that must be there
	for i, r := range rulesOf(t) {
		members = append(members, readMember{r.name, offsetOf(t, r.index), readerOf(r.typ, r)})
		if mustBeThere(r) {
			required |= 1 << i
		}
	}
	if len(members) > 64 {
		return func(*scanner, place) bool { return false }
	}
	return func(s *scanner, to place) bool {
		var seen uint64
		var unknown names
		next := 0 // clients usually write members in order
		return s.object(func(name []byte) bool {
			i := find(members, name, next)
			if i < 0 {
				return unknown.add(name) && s.value(0)
			}
			next = i + 1
			twice := seen&(1<<i) != 0
			seen |= 1 << i
			return !twice && members[i].read(s, to.field(members[i].offset))
		}) && required&^seen == 0
	}
}

// offsetOf returns the offset of the field at index in struct type t, through embedded structs.
func offsetOf(t reflect.Type, index []int) (offset uintptr) {
	for _, i := range index {
		f := t.Field(i)
		offset, t = offset+f.Offset, f.Type
	}
	return offset
}

// find returns the number of the member with a name, -1 if there is none. It tries next first.
func find(members []readMember, name []byte, next int) int {
	for i := range members {
		at := (next + i) % len(members)
		if members[at].name == string(name) {
			return at
		}
	}
	return -1
}

// mustBeThere reports whether a struct without the member breaks the schema.
func mustBeThere(r rule) bool {
	switch r.typ {
	case timeType:
		return r.required
	case freeType:
		return false
	}
	switch r.typ.Kind() {
	case reflect.String, reflect.Pointer, reflect.Slice:
		return r.required
	case reflect.Struct:
		for _, inner := range rulesOf(r.typ) {
			if mustBeThere(inner) {
				return true
			}
		}
	}
	return false
}
