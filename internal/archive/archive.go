// Package archive moves events, and the files that they name, from one pipeline to another: from
// the embedded mode to Kafka, or back.
//
// An archive is gzip of JSON lines: a head, one line for each blob and event, and an end that
// states their numbers and the digest of everything before it, so that a cut or changed archive is
// detected. Only events are moved: the records are made from them again at the destination.
//
// It imports blobs, record, schemas and stream.
package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A line of an archive. Kind says which members it uses.
type line struct {
	Kind string `json:"kind"` // head, blob, event or end

	Version int       `json:"version,omitzero"` // head
	Topic   string    `json:"topic,omitzero"`   // head
	At      time.Time `json:"at,omitzero"`      // head, event: when it arrived

	Content []byte `json:"content,omitzero"` // blob

	Partition int32    `json:"partition,omitzero"` // event
	Key       []byte   `json:"key,omitzero"`       // event
	Value     []byte   `json:"value,omitzero"`     // event
	Headers   []header `json:"headers,omitzero"`   // event

	Events int    `json:"events,omitzero"` // end
	Blobs  int    `json:"blobs,omitzero"`  // end
	Digest string `json:"digest,omitzero"` // end
}

type header struct {
	Key   string `json:"k"`
	Value []byte `json:"v"`
}

const version = 1

// Counts says how much was moved.
type Counts struct{ Events, Blobs int }

// A Source is the input of an export.
type Source struct {
	Kafka      stream.Config
	Topic      string
	Partitions int32
	Blobs      *blobs.Store // may be nil
	// Copy, if set, returns what the archive contains instead of a file or an event.
	Copy interface {
		File(ctx context.Context, digest string, file []byte) ([]byte, error)
		Event(ctx context.Context, r *stream.Record) (*stream.Record, error)
	}
}

func (s *Source) file(ctx context.Context, digest string) ([]byte, error) {
	file, err := s.Blobs.Get(ctx, digest)
	if err != nil || s.Copy == nil {
		return file, err
	}
	return s.Copy.File(ctx, digest, file)
}

func (s *Source) event(ctx context.Context, r *stream.Record) (*stream.Record, error) {
	if s.Copy == nil {
		return r, nil
	}
	return s.Copy.Event(ctx, r)
}

// Export writes the events of a topic and all blobs of a store. It calls progress at intervals.
func Export(ctx context.Context, out io.Writer, from Source, progress func(Counts)) (n Counts, err error) {
	z := gzip.NewWriter(out)
	sum := sha256.New()
	write := func(l line) error {
		text, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text = append(text, '\n')
		sum.Write(text)
		_, err = z.Write(text)
		return err
	}
	if err := write(line{Kind: "head", Version: version, Topic: from.Topic, At: time.Now().UTC()}); err != nil {
		return n, err
	}
	if from.Blobs != nil {
		if err := from.Blobs.Each(ctx, func(digest string) error {
			content, err := from.file(ctx, digest)
			if err != nil {
				return err
			}
			n.Blobs++
			return write(line{Kind: "blob", Content: content})
		}); err != nil {
			return n, err
		}
	}
	for p := range from.Partitions {
		if _, err := from.Kafka.Partition(from.Topic, p).Scan(ctx, -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				r, err := from.event(ctx, r)
				if err != nil {
					return err
				}
				l := line{Kind: "event", Partition: p, Key: r.Key, Value: r.Value, At: r.Timestamp.UTC()}
				for _, h := range r.Headers {
					l.Headers = append(l.Headers, header{h.Key, h.Value})
				}
				if err := write(l); err != nil {
					return err
				}
				n.Events++
			}
			progress(n)
			return nil
		}); err != nil {
			return n, err
		}
	}
	digest := digests.Sum(sum)
	if err := write(line{Kind: "end", Events: n.Events, Blobs: n.Blobs, Digest: digest}); err != nil {
		return n, err
	}
	return n, z.Close()
}

// ErrDamaged reports an archive that was cut off or changed.
var ErrDamaged = errors.New("the archive is damaged")

// A Target is where an archive is imported.
type Target struct {
	Kafka      stream.Config
	Topic      string
	Partitions int32
	Blobs      *blobs.Store // may be nil
	// Keys sign when events arrived at their first pipeline. Enrichers with keys believe this only
	// if one of their keys signed it.
	Keys signing.Keys
}

// Import publishes the events of an archive, except those that enrichers sent to each other about
// names of repositories: another pipeline may see another name first. Importing twice changes
// nothing: events are identified by sender, source and id. The archive must be checked before, with
// [Check].
func Import(ctx context.Context, in io.Reader, to Target, progress func(Counts)) (n Counts, err error) {
	c, topic, partitions, store := to.Kafka, to.Topic, to.Partitions, to.Blobs
	w, err := stream.NewWriter(c)
	if err != nil {
		return n, err
	}
	defer w.Close()
	place := stream.NewPartitioner(partitions)
	var recs []*stream.Record
	flush := func() error {
		if len(recs) == 0 {
			return nil
		}
		err := w.Append(ctx, recs...)
		n.Events += len(recs)
		recs = nil
		progress(n)
		return err
	}
	size := 0
	err = read(in, func(l line) error {
		switch l.Kind {
		case "blob":
			if store == nil {
				return errors.New("the archive contains files, but no blob store is configured: set blobs, for example with --blobs DIR")
			}
			n.Blobs++
			_, _, err := store.PutFrom(ctx, bytes.NewReader(l.Content)) // the file is on disk when PutFrom returns
			return err
		case "event":
			r := &stream.Record{Topic: topic, Partition: l.Partition % partitions, Key: l.Key, Value: l.Value}
			if len(l.Key) > 0 {
				r.Partition = place.Of(string(l.Key))
			}
			for _, h := range l.Headers {
				if h.Key != stream.HeaderRoute { // names are determined again
					stream.AddHeader(r, h.Key, h.Value)
				}
			}
			if ofNames(l) {
				return nil
			}
			to.carry(r, l.At)
			recs = append(recs, r)
			if size += len(l.Value); len(recs) < 1000 && size < 4<<20 {
				return nil
			}
			size = 0
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	return n, err
}

// ofNames reports whether enrichers made a message because of the names of repositories: an event
// that announces a name, or a copy that was sent from the partition of a run to another key. The
// original event, which waits there, is a separate message.
func ofNames(l line) bool {
	values := make(map[string]string)
	for _, h := range l.Headers {
		values[h.Key] = string(h.Value)
	}
	switch values["ce_type"] {
	case record.TypeRepositoryNamed:
		return true
	case record.TypeActionPerformed:
		route := values[stream.HeaderRoute]
		return route != "" && strings.HasSuffix(route, " "+values["ce_partitionkey"])
	}
	return false
}

// carry adds to an event the time at which it arrived at its first pipeline: at, or an earlier time
// that the event states and a signature proves.
func (t *Target) carry(r *stream.Record, at time.Time) {
	env, err := schemas.Open(stream.Message(r))
	if err != nil || at.IsZero() {
		return // it will be refused, whenever it arrived
	}
	for i, h := range r.Headers {
		if h.Key != stream.HeaderArrived {
			continue
		}
		if earlier, ok := schemas.ReadArrival(t.Keys, env, h.Value); ok && earlier.Before(at) {
			at = earlier
		}
		r.Headers[i].Value = schemas.Arrival(t.Keys, env, at)
		return
	}
	stream.AddHeader(r, stream.HeaderArrived, schemas.Arrival(t.Keys, env, at))
}

// Check reads an archive to its end and returns what it contains.
func Check(in io.Reader) (n Counts, err error) {
	err = read(in, func(l line) error {
		switch l.Kind {
		case "event":
			n.Events++
		case "blob":
			n.Blobs++
		}
		return nil
	})
	return n, err
}

// read passes each line to f, and compares the end with the lines before it.
func read(in io.Reader, f func(line) error) error {
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%w: it is not a gzip file: %w", ErrDamaged, err)
	}
	b := bufio.NewReaderSize(z, 1<<20)
	sum := sha256.New()
	var n Counts
	for number := 1; ; number++ {
		text, err := readLine(b)
		if err != nil {
			return fmt.Errorf("%w: line %d, before its end: %w", ErrDamaged, number, err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrDamaged, number, err)
		}
		switch {
		case number == 1 && (l.Kind != "head" || l.Version != version):
			return fmt.Errorf("%w: line 1 is not a head of version %d", ErrDamaged, version)
		case l.Kind == "event":
			n.Events++
		case l.Kind == "blob":
			n.Blobs++
		case l.Kind == "end":
			return ends(l, n, sum)
		}
		sum.Write(text)
		if err := f(l); err != nil {
			return err
		}
	}
}

// Bounds of a line. No export writes larger lines, but a small archive may decompress to large
// ones.
const (
	maxLine   = blobs.MaxSize/3*4 + 1<<20 // a file in base64
	maxValues = 10_000                    // headers, and what else has members
)

// readLine reads a line. It allocates memory as bytes arrive.
func readLine(in *bufio.Reader) (text []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if text = append(text, part...); len(text) > maxLine {
			return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == nil && bytes.Count(text, []byte("{")) > maxValues {
			return nil, fmt.Errorf("it has more than %d values", maxValues)
		}
		return text, err
	}
}

func ends(l line, n Counts, sum hash.Hash) error {
	if digest := digests.Sum(sum); l.Digest != digest || l.Events != n.Events || l.Blobs != n.Blobs {
		return fmt.Errorf("%w: it contains %d events and %d blobs with digest %s, but states %d, %d and %s", ErrDamaged, n.Events, n.Blobs, digest, l.Events, l.Blobs, l.Digest)
	}
	return nil
}
