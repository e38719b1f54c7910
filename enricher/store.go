package enricher

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/google/uuid"
)

// A store is the local copy of the changelog. The changelog is the truth, so
// nothing here is synced: after a crash the store holds a prefix of what was
// written, position included, and the rest is read again.
//
// Keys are the partition (4 bytes) and the changelog's key. The position of a
// partition lies under the key "@", the incarnation of its topic under "#".
type store struct {
	db  *pebble.DB
	dir string
	// reader sees what was written so far; nil after a write. A transaction reads
	// before it writes, so that one serves for all of its look-ups. Unlike
	// DB.Get it asks the filters of the last level too: most look-ups are for what
	// is not there, and each would read a block of it.
	reader *pebble.Iterator
}

const (
	positionKey = "@"
	topicKey    = "#"
)

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	// Memtables are counted against the cache: with less than this nothing would be
	// left for filters and indexes, and each look-up would read them anew.
	const memtable, memtables, blocks = 64 << 20, 3, 64 << 20
	cache := pebble.NewCache(memtables*memtable + blocks)
	defer cache.Unref()
	options := &pebble.Options{
		Cache: cache, DisableWAL: true, Logger: quiet{}, FormatMajorVersion: pebble.FormatNewest,
		// The same keys are written again and again: what a large memtable
		// overwrites is never flushed, and never compacted.
		MemTableSize: memtable, MemTableStopWritesThreshold: memtables, L0CompactionThreshold: 4,
	}
	for i := range options.Levels { // most look-ups are for what is not there
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(filepath.Join(dir, "pebble"), options)
	if err != nil {
		if strings.Contains(err.Error(), "lock") || errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("state folder %s: %w; another enricher uses it, or it is not yours: give each enricher a folder of its own", dir, err)
		}
		return nil, fmt.Errorf("state folder %s: %w; if it is damaged delete it, and it is restored from the changelog", dir, err)
	}
	return &store{db: db, dir: dir}, nil
}

// quiet drops what Pebble says of its own work.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) } //nolint:forbidigo // Pebble calls it where the files below it cannot be trusted any more

// instance returns the stable name of the enricher that owns the folder. It
// names its transactions, so that a restart ends what its former self left
// open.
func (s *store) instance() (string, error) {
	path := filepath.Join(s.dir, "instance")
	if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	host, _ := os.Hostname()
	name := host + "-" + uuid.NewString()[:8]
	if err := os.WriteFile(path, []byte(name+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("state folder: %w", err)
	}
	return name, nil
}

func storeKey(partition int32, key string) []byte {
	b := make([]byte, 4, 4+len(key))
	binary.BigEndian.PutUint32(b, uint32(partition))
	return append(b, key...)
}

// get returns the value of key, or nil. The value is the caller's.
func (s *store) get(partition int32, key string) ([]byte, error) {
	if s.reader == nil {
		var err error
		if s.reader, err = s.db.NewIter(&pebble.IterOptions{UseL6Filters: true}); err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
	}
	k := storeKey(partition, key)
	if !s.reader.SeekPrefixGE(k) || !bytes.Equal(s.reader.Key(), k) {
		if err := s.reader.Error(); err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
		return nil, nil
	}
	v, err := s.reader.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return append(make([]byte, 0, len(v)), v...), nil // never nil: an empty value is one
}

// written ends the reader, which does not see what came after it.
func (s *store) written() error {
	if s.reader == nil {
		return nil
	}
	err := s.reader.Close()
	s.reader = nil
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// each calls f for the entries of a partition with keys from first to below
// last, in their order, until f says no. Values hold during the call.
func (s *store) each(partition int32, first, last string, f func(key string, value []byte) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: storeKey(partition, first), UpperBound: storeKey(partition, last)})
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	for ok := it.First(); ok && f(string(it.Key()[4:]), it.Value()); ok = it.Next() {
	}
	if err := it.Close(); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// An entry is one of the changelog. No value deletes.
type entry struct {
	partition int32
	key       string
	value     []byte
}

// write applies entries and positions together.
func (s *store) write(entries []entry, next map[int32]int64) error {
	size := 1 << 10
	for _, e := range entries {
		size += len(e.key) + len(e.value) + 16
	}
	b := s.db.NewBatchWithSize(size, pebble.WithMaxRetainedSizeBytes(32<<20))
	defer func() { _ = b.Close() }() // only gives memory back
	for _, e := range entries {
		var err error
		if k := storeKey(e.partition, e.key); e.value == nil {
			err = b.Delete(k, nil)
		} else {
			err = b.Set(k, e.value, nil)
		}
		if err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	for p, n := range next {
		if err := b.Set(storeKey(p, positionKey), binary.BigEndian.AppendUint64(nil, uint64(n)), nil); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return s.written()
}

// position returns the changelog offset up to which a partition is complete.
// A partition of another incarnation of the topic is emptied first.
func (s *store) position(partition int32, topic string) (int64, error) {
	have, err := s.get(partition, topicKey)
	if err != nil {
		return 0, err
	}
	if string(have) != topic {
		if err := s.db.DeleteRange(storeKey(partition, ""), storeKey(partition+1, ""), pebble.NoSync); err != nil {
			return 0, fmt.Errorf("state: %w", err)
		}
		return 0, s.write([]entry{{partition, topicKey, []byte(topic)}}, nil)
	}
	v, err := s.get(partition, positionKey)
	if err != nil || len(v) != 8 {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

func (s *store) close() error { return errors.Join(s.written(), s.db.Close()) }
