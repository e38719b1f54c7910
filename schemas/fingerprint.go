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

// Fingerprint writes the fact of e into e.Stored and sets e.Digest from it.
// The result is free of how the sender wrote the same thing: order of members,
// white space, escapes. stated is the time that the event states, if it does.
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
	if !bytes.Equal(e.Stored, w.b[head:]) { // most senders write as we do: what Decode read is it already
		e.Stored = bytes.Clone(w.b[head:])
	}
	return nil
}

// appendHead appends what the digest of an event is over beside its fact.
func appendHead(b []byte, e *record.Event, stated time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(stated.UnixNano()))
	b = append(append(b, e.Type...), 0)
	b = append(append(b, e.Change...), 0)
	if kind := CredentialOf(e.Sender); kind != "" { // the same words with another credential are another event
		b = append(append(b, kind...), 0)
	}
	if _, decision := e.Fact.(*record.Decision); decision && e.Trace != "" { // it names its run by it
		b = append(append(b, e.Trace...), 0)
	}
	return b
}

func hexOf(sum []byte) string {
	var digits [2 * sha256.Size]byte
	return string(digits[:hex.Encode(digits[:], sum)])
}

// fact writes fact as it is stored.
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
