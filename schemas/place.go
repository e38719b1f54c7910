package schemas

import (
	"reflect"
	"time"
	"unsafe"
)

// A place is the address of a value whose type the holder knows: the encoders and readers, which
// are built from the types. Reflection would look up the same types again for each field of each
// event. This is the only file that bypasses the type system.
type place struct{ p unsafe.Pointer }

// placeOf returns the place of the value that pointer points to.
func placeOf(pointer reflect.Value) place { return place{pointer.UnsafePointer()} }

// field returns the place of the field at offset bytes in a struct.
func (a place) field(offset uintptr) place { return place{unsafe.Add(a.p, offset)} }

// value returns the value as a reflect.Value of type t.
func (a place) value(t reflect.Type) reflect.Value { return reflect.NewAt(t, a.p).Elem() }

func (a place) string() *string  { return (*string)(a.p) }
func (a place) bool() *bool      { return (*bool)(a.p) }
func (a place) int() *int        { return (*int)(a.p) }
func (a place) int64() *int64    { return (*int64)(a.p) }
func (a place) float() *float64  { return (*float64)(a.p) }
func (a place) time() *time.Time { return (*time.Time)(a.p) }
func (a place) bytes() *[]byte   { return (*[]byte)(a.p) }

// pointer returns the place that a pointer points to; false if it is nil.
func (a place) pointer() (place, bool) {
	to := *(*unsafe.Pointer)(a.p)
	return place{to}, to != nil
}

// elements returns the place of the first element of a slice, and their number.
func (a place) elements() (first place, n int) {
	s := *(*[]struct{})(a.p) // the slice header does not depend on the element type
	return place{unsafe.Pointer(unsafe.SliceData(s))}, len(s)
}

// textOf returns b as a string, without a copy. Nobody may change b from then on.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns the bytes of s, without a copy. Nobody may change them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
