package schemas

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"reflect"
	"time"

	"github.com/changetrail/changetrail/record"
)

// Fingerprint writes the fact of e into e.Stored and sets e.Digest from it. The result does not
// depend on how the sender wrote the fact: on the order of members, white space or escapes. stated
// is the time that the event states, if it does.
func Fingerprint(e *record.Event, stated time.Time) error {
	w := writers.Get().(*writer)
	defer w.free()
	w.b = appendHead(w.b, e, stated)
	head := len(w.b)
	if err := w.fact(e.Fact); err != nil {
		return Refuse(SchemaViolation, "data: %v", err)
	}
	sum := sha256.Sum256(w.b)
	e.Digest = hexOf(sum[:16])
	if !bytes.Equal(e.Stored, w.b[head:]) { // most senders write as we do: then Stored is already right
		e.Stored = bytes.Clone(w.b[head:])
	}
	return nil
}

// appendHead appends the input of an event's digest other than its fact.
func appendHead(b []byte, e *record.Event, stated time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(stated.UnixNano()))
	b = append(append(b, e.Type...), 0)
	b = append(append(b, e.Change...), 0)
	if kind := CredentialOf(e.Sender); kind != "" { // the same content with another credential is another event
		b = append(append(b, kind...), 0)
	}
	if _, decision := e.Fact.(*record.Decision); decision && e.Trace != "" { // its trace names its run
		b = append(append(b, e.Trace...), 0)
	}
	return b
}

func hexOf(sum []byte) string {
	var digits [2 * sha256.Size]byte
	return string(digits[:hex.Encode(digits[:], sum)])
}

// fact writes fact in its stored form.
func (w *writer) fact(fact record.Fact) error {
	start := len(w.b)
	codecOf(fact).write(w, placeOf(reflect.ValueOf(fact)))
	if !w.doubt {
		return nil
	}
	text, err := Encode(fact)
	w.b = append(w.b[:start], text...)
	return err
}
