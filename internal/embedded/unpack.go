package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/changetrail/changetrail/internal/budget"
)

// Messages are stored uncompressed: a client could pack gigabytes of zeros into a message that fits
// the topic, and every reader of the topic would have to unpack them. So the uncompressed size
// counts, for the limits of the topic as for readers.

// unpack decompresses the messages of a request, and reports whether any were compressed.
func unpack(req *kmsg.ProduceRequest, share *budget.Share) (changed bool, err error) {
	left := int64(maxFrame)
	for i := range req.Topics {
		for k := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[k]
			records, packed, err := unpackBatches(p.Records, left, share)
			if err != nil {
				return false, err
			}
			if packed {
				p.Records, changed = records, true
			}
			left -= int64(len(p.Records))
		}
	}
	return changed, nil
}

// Parts of a batch of messages (https://kafka.apache.org/documentation/#recordbatch).
const (
	batchHead  = 12 // before the bytes that its length counts
	crcAt      = 17
	crcFrom    = 21
	codecBits  = 7
	batchMagic = 2
)

// unpackBatches decompresses batches, which follow each other. Bytes that are not a batch are left
// for the broker to refuse.
func unpackBatches(text []byte, limit int64, share *budget.Share) (out []byte, packed bool, err error) {
	for rest := text; len(rest) > 0; {
		var b kmsg.RecordBatch
		size := int64(batchHead)
		if len(rest) >= batchHead {
			size += int64(binary.BigEndian.Uint32(rest[8:])) // of a negative length, more than there is
		}
		if size <= crcFrom || size > int64(len(rest)) || b.ReadFrom(rest[:size]) != nil || b.Magic != batchMagic {
			return append(out, rest...), packed, nil
		}
		if codec := b.Attributes & codecBits; codec == 0 {
			out = append(out, rest[:size]...)
		} else {
			if b.Records, err = decompress(codec, b.Records, limit-int64(len(out)), share); err != nil {
				return nil, false, err
			}
			b.Attributes &^= codecBits
			out, packed = append(out, sealed(b)...), true
		}
		rest = rest[size:]
	}
	return out, packed, nil
}

// sealed returns a batch with its length and its checksum.
func sealed(b kmsg.RecordBatch) []byte {
	text := b.AppendTo(nil)
	binary.BigEndian.PutUint32(text[8:], uint32(len(text)-batchHead))
	binary.BigEndian.PutUint32(text[crcAt:], crc32.Checksum(text[crcFrom:], crc32.MakeTable(crc32.Castagnoli)))
	return text
}

// decompress decompresses at most limit bytes. Kafka identifies the codec by a number.
func decompress(codec int16, packed []byte, limit int64, share *budget.Share) ([]byte, error) {
	var in io.Reader
	switch codec {
	case 1:
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, fmt.Errorf("messages compressed with gzip: %w", err)
		}
		in = r
	case 2:
		in = &snappyReader{rest: bytes.TrimPrefix(packed, xerial), framed: bytes.HasPrefix(packed, xerial), limit: limit}
	case 3:
		in = lz4.NewReader(bytes.NewReader(packed))
	case 4:
		r, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, fmt.Errorf("messages compressed with zstd: %w", err)
		}
		defer r.Close()
		in = r
	default:
		return nil, fmt.Errorf("messages compressed with the unknown codec number %d", codec)
	}
	out, err := budget.ReadAll(in, max(0, limit), share.Grow)
	if err != nil {
		return nil, fmt.Errorf("compressed messages: %w", err)
	}
	return out, nil
}

// xerial is the beginning of the framing of Java's snappy: its name, version and compatible
// version.
var xerial = []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")

// A snappyReader reads blocks of snappy: one block, or several that are framed by their lengths.
type snappyReader struct {
	rest   []byte
	framed bool
	limit  int64
	block  []byte // unread rest of the current block
}

func (s *snappyReader) Read(b []byte) (int, error) {
	for len(s.block) == 0 {
		if len(s.rest) == 0 {
			return 0, io.EOF
		}
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.block)
	s.block = s.block[n:]
	return n, nil
}

func (s *snappyReader) next() error {
	block := s.rest
	if s.framed {
		if len(s.rest) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(s.rest))
		if n > int64(len(s.rest)-4) {
			return io.ErrUnexpectedEOF
		}
		block, s.rest = s.rest[4:4+n], s.rest[4+n:]
	} else {
		s.rest = nil
	}
	size, err := snappy.DecodedLen(block)
	if err != nil {
		return err
	}
	if int64(size) > s.limit || size > 64*len(block)+64 { // every 3 bytes of a block expand to at most 64
		return &budget.TooLargeError{Limit: s.limit}
	}
	s.block, err = snappy.Decode(nil, block)
	return err
}

// isTooLarge distinguishes messages that are too large from those that cannot be read.
func isTooLarge(err error) bool {
	var tooLarge *budget.TooLargeError
	return errors.As(err, &tooLarge)
}
