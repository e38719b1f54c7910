package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/changetrail/changetrail/internal/budget"
)

// packings compress a text with each codec, by its number in Kafka; one is that of Java.
func packings(t *testing.T, text []byte) map[string]struct {
	codec  int16
	packed []byte
} {
	t.Helper()
	var gz, lz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, err1 := w.Write(text)
	l := lz4.NewWriter(&lz)
	_, err2 := l.Write(text)
	z, err3 := zstd.NewWriter(nil)
	if err := errors.Join(err1, w.Close(), err2, l.Close(), err3); err != nil {
		t.Fatal(err)
	}
	java := bytes.Clone(xerial)
	for rest := text; len(rest) > 0; {
		n := min(len(rest), 32<<10)
		block := snappy.Encode(nil, rest[:n])
		java, rest = append(binary.BigEndian.AppendUint32(java, uint32(len(block))), block...), rest[n:]
	}
	type packing = struct {
		codec  int16
		packed []byte
	}
	return map[string]packing{"gzip": {1, gz.Bytes()}, "snappy": {2, snappy.Encode(nil, text)}, "snappy of Java": {2, java}, "lz4": {3, lz.Bytes()}, "zstd": {4, z.EncodeAll(text, nil)}}
}

func TestWhatIsPackedIsUnpackedWithinALimit(t *testing.T) {
	text := []byte(strings.Repeat("an event of an agent, ", 10_000))
	for name, k := range packings(t, text) {
		memory := budget.New(1<<20, time.Millisecond)
		share := memory.Share(t.Context())
		got, err := decompress(k.codec, k.packed, int64(len(text)), share)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if share.Held() < int64(len(text)) {
			t.Errorf("%s: %d bytes are counted", name, share.Held())
		}
		share.Release()
		if _, err := decompress(k.codec, k.packed, int64(len(text))-1, nil); !isTooLarge(err) {
			t.Errorf("%s over the limit: %v", name, err)
		}
		held := memory.Share(t.Context())
		if err := held.Grow(1<<20 - 1000); err != nil {
			t.Fatal(err)
		}
		if _, err := decompress(k.codec, k.packed, maxFrame, memory.Share(t.Context())); !errors.Is(err, budget.ErrFull) {
			t.Errorf("%s without memory: %v", name, err)
		}
		for _, broken := range [][]byte{nil, k.packed[:len(k.packed)/2], []byte("nonsense"), append(bytes.Clone(xerial), 0xff, 0xff, 0xff, 0xff), {0xff, 0xff, 0xff, 0xff, 0x0f}} {
			if out, err := decompress(k.codec, broken, maxFrame, nil); err == nil && len(out) > 0 {
				t.Errorf("%s: %q becomes %d bytes", name, broken[:min(10, len(broken))], len(out))
			}
		}
	}
	if _, err := decompress(7, []byte("x"), maxFrame, nil); err == nil {
		t.Error("an unknown codec is taken")
	}
}

// FuzzUnpackBatches: whatever a request contains, there is no panic, and never more output than the
// limit.
func FuzzUnpackBatches(f *testing.F) {
	f.Add([]byte("nonsense"))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, text []byte) {
		const limit = 1 << 16
		out, packed, err := unpackBatches(text, limit, nil)
		if err == nil && (!packed && !bytes.Equal(out, text) || len(out) > limit+len(text)) {
			t.Errorf("%d bytes become %d", len(text), len(out))
		}
	})
}
