package enricher

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// A fact in the state is its head, which has one form for all classes, and a part that depends on
// its class:
//
//	class      1 byte
//	arrival    4 bytes, Unix seconds
//	digest     16 bytes
//	about      the change or the repository of the fact
//	source, id, type, witness, trace
//	time       8 bytes, Unix nanoseconds
//	fact       JSON
//	reading    what was read from a report: JSON, compressed with zstd; empty where there is none
//	sender     and the flags of the event, 1 byte; a former version wrote neither
//	masked     when secrets in it were masked after it was stored, if a flag says so
//	named      what the code host called the repository, if a flag says so
//
// Each string and byte string follows its length. A later version may add parts at the end, and
// must not change the meaning of a part: facts of former versions are still read.
const (
	classOwn      = 'o' // a fact about a change
	classEvidence = 'e' // a fact that names a commit, a report or a run, and no change
	classAction   = 'a' // an action that names no change, without the parts that a record never shows
	classWaiting  = 'w' // an event that names only its run, as an envelope
	classSpan     = 't' // a span of a trace
)

const (
	arrivalAt    = 1
	digestAt     = arrivalAt + 4
	factHead     = digestAt + 16
	identitySize = 4 + 16
)

func appendHead(b []byte, class byte, arrived time.Time, digest string) []byte {
	b = append(b, class)
	return appendIdentity(b, arrived, digest)
}

// appendIdentity appends the arrival of an event and the digest of its content.
func appendIdentity(b []byte, arrived time.Time, digest string) []byte {
	b = appendSeconds(b, arrived)
	sum := sumOf(digest)
	return append(b, sum[:]...)
}

func sumOf(digest string) (sum [16]byte) {
	_, _ = hex.Decode(sum[:], []byte(digest[:min(len(digest), 32)])) // 32 digits, or an empty digest
	return sum
}

// appendSeconds appends an arrival in 4 bytes.
func appendSeconds(b []byte, arrived time.Time) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(max(arrived.Unix(), 0)))
}

func arrivalOf(b []byte) time.Time { return time.Unix(int64(binary.BigEndian.Uint32(b)), 0).UTC() }

// sameDigest reports whether b is the identity of content with this digest.
func sameDigest(b []byte, digest string) bool {
	sum := sumOf(digest)
	return bytes.Equal(b[4:identitySize], sum[:])
}

// A reading is what was read from the report of a fact and is not part of the fact itself.
type reading struct {
	Summary  *record.ScanSummary `json:"m,omitempty"`
	Findings []record.Finding    `json:"n,omitempty"`
	Failing  []string            `json:"l,omitempty"`
}

// A codec encodes and decodes facts. Several goroutines may use it.
type codec struct {
	compress   *zstd.Encoder
	decompress *zstd.Decoder
}

func newCodec() (*codec, error) {
	in, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	out, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return &codec{out, in}, nil
}

// appendFact appends e as a fact of a class.
func (c *codec) appendFact(b []byte, class byte, e record.Event) ([]byte, error) {
	b = appendHead(b, class, e.Arrived, e.Digest)
	about := string(e.Change)
	if about == "" {
		about = string(e.Repository)
	}
	for _, s := range []string{about, e.Source, e.ID, e.Type, e.Witness, e.Trace} {
		b = appendString(b, s)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixNano()))
	b = appendString(b, e.Stored)
	r, err := c.readingOf(e.Fact)
	b = append(appendString(appendString(b, r), e.Sender), notesOf(e))
	if e.Masked != "" {
		b = appendString(b, e.Masked)
	}
	if e.Named != "" {
		named := e.Named
		if named == e.Repository.Name() {
			named = "" // the usual case
		}
		b = appendString(b, named)
	}
	return b, err
}

// Flags of an event.
const (
	noteImported = 1 << iota
	noteAltered
	noteMasked // the masking follows the flags
	noteNamed  // the name follows the masking
)

func notesOf(e record.Event) (notes byte) {
	if e.Imported {
		notes |= noteImported
	}
	if e.Altered {
		notes |= noteAltered
	}
	if e.Masked != "" {
		notes |= noteMasked
	}
	if e.Named != "" {
		notes |= noteNamed
	}
	return notes
}

func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (c *codec) readingOf(f record.Fact) ([]byte, error) {
	var r reading
	switch f := f.(type) {
	case *record.Scan:
		r.Summary, r.Findings = &f.Summary, f.Findings
	case *record.Validation:
		r.Failing = f.Failing
	}
	if r.Summary == nil && r.Failing == nil {
		return nil, nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, &unfitError{err}
	}
	return c.compress.EncodeAll(text, nil), nil
}

// An unfitError reports an event that the state cannot represent.
type unfitError struct{ err error }

func (u *unfitError) Error() string { return "state: " + u.err.Error() }

// Unwrap returns what the encoder said.
func (u *unfitError) Unwrap() error { return u.err }

// errFact reports a fact that is cut off or was written by a newer version.
var errFact = errors.New("state: a fact cannot be read; delete the state folder to restore it, or run the version that wrote it")

// A factReader reads the parts of a fact one after another.
type factReader struct {
	rest []byte
	err  error
}

func (r *factReader) bytes() []byte {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || uint64(len(r.rest)-size) < n {
		r.rest, r.err = nil, errFact
		return nil
	}
	out := r.rest[size : size+int(n)]
	r.rest = r.rest[size+int(n):]
	return out
}

func (r *factReader) string() string { return string(r.bytes()) }

func (r *factReader) time() time.Time {
	if len(r.rest) < 8 {
		r.rest, r.err = nil, errFact
		return time.Time{}
	}
	t := time.Unix(0, int64(binary.BigEndian.Uint64(r.rest))).UTC()
	r.rest = r.rest[8:]
	return t
}

// kindOf returns the type of a fact and its witness, without reading the rest.
func kindOf(v []byte) (typ, witness string, err error) {
	if len(v) < factHead {
		return "", "", errFact
	}
	r := &factReader{rest: v[factHead:]}
	for range 3 { // about, source, id
		r.bytes()
	}
	typ, witness = r.string(), r.string()
	return typ, witness, r.err
}

// decodeFact reads a fact. The caller must not modify v afterwards.
func (c *codec) decodeFact(v []byte) (record.Event, error) {
	if len(v) < factHead {
		return record.Event{}, errFact
	}
	r := &factReader{rest: v[factHead:]}
	about := r.string()
	e := record.Event{
		Source: r.string(), ID: r.string(), Type: r.string(), Witness: r.string(), Trace: r.string(), Time: r.time(), Stored: r.bytes(),
		Arrived: arrivalOf(v[arrivalAt:]), Digest: hex.EncodeToString(v[digestAt:factHead]),
	}
	read := r.bytes()
	known := len(r.rest) > 0 // whether sender and flags are there
	if known {
		e.Sender = r.string()
	}
	if r.err != nil || known && len(r.rest) == 0 {
		return e, errFact
	}
	if v[0] == classOwn {
		e.Change = record.ChangeID(about)
		e.Repository = e.Change.Repository()
	} else {
		e.Repository = record.Repository(about)
	}
	if known {
		notes := r.rest[0]
		e.Imported, e.Altered = notes&noteImported != 0, notes&noteAltered != 0
		if r.rest = r.rest[1:]; notes&noteMasked != 0 {
			e.Masked = r.string()
		}
		if notes&noteNamed != 0 {
			if e.Named = record.Repository(r.string()); e.Named == "" {
				e.Named = e.Repository.Name()
			}
		}
		if r.err != nil {
			return e, errFact
		}
	}
	if e.Fact = record.NewFact(e.Type); e.Fact == nil {
		return e, fmt.Errorf("state: event type %q is unknown to this version", e.Type)
	}
	if err := schemas.ReadStored(e.Stored, e.Fact); err != nil {
		return e, fmt.Errorf("state: %s: %w", e.Type, err)
	}
	if !known { // that version stored one witness for everything that came with a credential
		e.Witness = ingest.WitnessOf(e.Witness, e.Fact)
	}
	return e, c.addReading(e.Fact, read)
}

// addReading puts what was read from a report back into its fact.
func (c *codec) addReading(f record.Fact, compressed []byte) error {
	if len(compressed) == 0 {
		return nil
	}
	text, err := c.decompress.DecodeAll(compressed, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errFact, err)
	}
	var r reading
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%w: %w", errFact, err)
	}
	switch f := f.(type) {
	case *record.Scan:
		f.Findings = r.Findings
		if r.Summary != nil {
			f.Summary = *r.Summary
		}
	case *record.Validation:
		f.Failing = r.Failing
	}
	return nil
}

// brief returns an action without the parts that a record never shows.
func brief(e record.Event) (record.Event, error) {
	a := *e.Fact.(*record.Action)
	a.Arguments, a.Result = nil, nil
	e.Fact = &a
	var err error
	if e.Stored, err = json.Marshal(&a); err != nil {
		return e, &unfitError{err}
	}
	return e, nil
}

// namesOf returns the names of all findings of a scan as a sorted list of 4 bytes each. It shows
// which reports may contain a finding.
func namesOf(f *record.Scan) []byte {
	var marks []uint32
	for _, finding := range f.Findings {
		for _, n := range finding.Names() {
			marks = append(marks, markOf(n))
		}
	}
	slices.Sort(marks)
	var b []byte
	for _, m := range slices.Compact(marks) {
		b = binary.BigEndian.AppendUint32(b, m)
	}
	return b
}

func markOf(finding string) uint32 {
	n := nameOf(strings.ToUpper(finding))
	return binary.BigEndian.Uint32(n[:])
}

// mayName reports whether a list of [namesOf] may contain a finding.
func mayName(list []byte, finding string) bool {
	mark := markOf(finding)
	for i := 0; i+4 <= len(list); i += 4 {
		if binary.BigEndian.Uint32(list[i:]) == mark {
			return true
		}
	}
	return false
}
