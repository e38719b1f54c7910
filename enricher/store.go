package enricher

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/google/uuid"

	"github.com/changetrail/changetrail/internal/files"
)

// A store is the local copy of the changelog. The changelog is authoritative, so nothing here is
// synced: after a crash the store contains a prefix of what was written, including the position,
// and the rest is read again.
//
// The position of a partition is under its number and "@", the incarnation of its topic under
// "#".
type store struct {
	db  *pebble.DB
	dir string
	// reader sees what was written so far; it is nil after a write. A transaction reads before it
	// writes, so one reader serves all its look-ups. Unlike DB.Get it also uses the filters of
	// the last level: most look-ups find nothing, and each would read a block of that level.
	reader *pebble.Iterator

	// Most look-ups find nothing, and these filters in memory show it. before covers what was in
	// the store when it was opened, and is nil until it is complete. since covers what was
	// written afterwards.
	before   atomic.Pointer[filter]
	since    filter
	scanning sync.WaitGroup
	closing  atomic.Bool
}

const (
	positionKey = "@"
	topicKey    = "#"
)

// storeName is the folder of the store, named after the form of its keys. A store in another
// folder was written by another version, and is restored from the changelog.
const storeName = "facts"

func openStore(dir string) (*store, error) {
	// Memtables count against the cache: with a smaller cache no space would remain for filters
	// and indexes, and each look-up would read them again.
	return openStoreWithin(dir, storeMemory{memtable: 48 << 20, memtables: 3, blocks: 64 << 20})
}

// A storeMemory is the memory of a store in bytes: of one table of new entries, how many of them
// there may be, and of what was read.
type storeMemory struct{ memtable, memtables, blocks int }

func openStoreWithin(dir string, m storeMemory) (*store, error) {
	if err := os.MkdirAll(dir, files.PrivateFolder); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := files.Private(filepath.Join(dir, storeName)); err != nil { // the folder around it may be the user's choice
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "pebble")); err != nil { // of the former version
		return nil, fmt.Errorf("state folder: %w", err)
	}
	cache := pebble.NewCache(int64(m.memtables*m.memtable + m.blocks))
	defer cache.Unref()
	options := &pebble.Options{
		Cache: cache, DisableWAL: true, Logger: quiet{}, FormatMajorVersion: pebble.FormatNewest, Comparer: byPrefix(),
		MemTableSize: uint64(m.memtable), MemTableStopWritesThreshold: m.memtables, L0CompactionThreshold: 4,
	}
	for i := range options.Levels { // most look-ups find nothing
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(filepath.Join(dir, storeName), options)
	if err != nil {
		if strings.Contains(err.Error(), "lock") || errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("state folder %s: %w; another enricher uses it, or you may not write to it: give each enricher a folder of its own", dir, err)
		}
		return nil, fmt.Errorf("state folder %s: %w; if it is damaged, delete it: it is restored from the changelog", dir, err)
	}
	s := &store{db: db, dir: dir}
	s.scanning.Go(s.scan)
	return s, nil
}

// scan builds the filter of what was in the store when it was opened. If that fails the store
// works without it.
func (s *store) scan() {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return
	}
	f := new(filter)
	for ok := it.First(); ok; ok = it.Next() {
		if s.closing.Load() {
			break
		}
		f.add(string(it.Key()))
	}
	if err := it.Close(); err == nil && !s.closing.Load() {
		s.before.Store(f)
	}
}

// may reports whether a key may be in the store.
func (s *store) may(k key) bool {
	before := s.before.Load()
	return before == nil || before.may(k) || s.since.may(k)
}

// mayUnder reports whether something may lie under a prefix.
func (s *store) mayUnder(prefix key) bool {
	before := s.before.Load()
	return before == nil || before.mayUnder(prefix) || s.since.mayUnder(prefix)
}

// byPrefix orders keys by their bytes. Filters are built from prefixes, so that one look-up shows
// whether there is any entry with a prefix.
func byPrefix() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "changetrail.prefix"
	c.Split = func(k []byte) int { return min(len(k), prefixSize) }
	return &c
}

// quiet drops what Pebble logs.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) } //nolint:forbidigo // Pebble calls it where the files below it cannot be trusted any more

// instance returns the stable name of the enricher that owns the folder. Its transactions have
// that name, so that after a restart the enricher ends those that it left open.
func (s *store) instance() (string, error) {
	path := filepath.Join(s.dir, "instance")
	if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	host, _ := os.Hostname()
	name := host + "-" + uuid.NewString()[:8]
	if err := os.WriteFile(path, []byte(name+"\n"), files.PrivateFile); err != nil {
		return "", fmt.Errorf("state folder: %w", err)
	}
	return name, nil
}

// get returns the value of a key, or nil. The caller owns the value.
func (s *store) get(k key) ([]byte, error) {
	if !s.may(k) {
		return nil, nil
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	if !s.reader.SeekPrefixGE([]byte(k)) || string(s.reader.Key()) != k {
		if err := s.reader.Error(); err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
		return nil, nil
	}
	v, err := s.reader.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return append(make([]byte, 0, len(v)), v...), nil // never nil: an empty value is a value
}

// holds reports whether an entry is in the store with the same value.
func (s *store) holds(x entry) (bool, error) {
	v, err := s.get(x.key)
	return v != nil && bytes.Equal(v, x.value), err
}

// list returns the entries with a prefix of prefixSize bytes in order, for kinds that are listed.
// If until is given, it stops at the first key whose rest is not below until.
func (s *store) list(prefix key, until string) ([]entry, error) {
	if !s.mayUnder(prefix) {
		return nil, nil
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	var out []entry
	for ok := s.reader.SeekPrefixGE([]byte(prefix)); ok && bytes.HasPrefix(s.reader.Key(), []byte(prefix)); ok = s.reader.Next() {
		if until != "" && string(s.reader.Key()[len(prefix):]) >= until {
			break
		}
		v, err := s.reader.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
		out = append(out, entry{string(s.reader.Key()), append(make([]byte, 0, len(v)), v...)})
	}
	if err := s.reader.Error(); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return out, nil
}

func (s *store) open() error {
	if s.reader != nil {
		return nil
	}
	var err error
	if s.reader, err = s.db.NewIter(&pebble.IterOptions{UseL6Filters: true}); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// written closes the reader, which does not see later writes.
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

// each yields the entries from first to below last, in order. Key and value are valid until the
// next entry. An error is yielded last.
func (s *store) each(first, last key) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte(first), UpperBound: []byte(last)})
		if err != nil {
			yield(entry{}, fmt.Errorf("state: %w", err))
			return
		}
		more := true
		for ok := it.First(); ok && more; ok = it.Next() {
			more = yield(entry{string(it.Key()), it.Value()}, nil)
		}
		if err := it.Close(); err != nil && more {
			yield(entry{}, fmt.Errorf("state: %w", err))
		}
	}
}

// An entry is an entry of the changelog, with its partition before the key. A nil value deletes.
type entry struct {
	key   key
	value []byte
}

// write applies entries and positions together.
func (s *store) write(entries []entry, next map[int32]int64) error {
	size := 1 << 10
	for _, e := range entries {
		size += len(e.key) + len(e.value) + 16
	}
	b := s.db.NewBatchWithSize(size, pebble.WithMaxRetainedSizeBytes(32<<20))
	defer func() { _ = b.Close() }() // it only frees memory
	for _, e := range entries {
		var err error
		if e.value == nil {
			err = b.Delete([]byte(e.key), nil)
		} else {
			s.since.add(e.key)
			err = b.Set([]byte(e.key), e.value, nil)
		}
		if err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	for p, n := range next {
		if err := b.Set([]byte(ownKey(p, positionKey)), binary.BigEndian.AppendUint64(nil, uint64(n)), nil); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return s.written()
}

// ownKey returns a key of the store itself, which is not in the changelog.
func ownKey(partition int32, mark string) key {
	return string(binary.BigEndian.AppendUint32(nil, uint32(partition))) + mark
}

// position returns the changelog offset up to which a partition is complete. It empties a
// partition of another incarnation of the topic first.
func (s *store) position(partition int32, topic string) (int64, error) {
	have, err := s.get(ownKey(partition, topicKey))
	if err != nil {
		return 0, err
	}
	if string(have) != topic {
		if err := s.db.DeleteRange([]byte(ownKey(partition, "")), []byte(ownKey(partition+1, "")), pebble.NoSync); err != nil {
			return 0, fmt.Errorf("state: %w", err)
		}
		return 0, s.write([]entry{{ownKey(partition, topicKey), []byte(topic)}}, nil)
	}
	return s.storedPosition(partition)
}

// storedPosition is position without the check of the topic.
func (s *store) storedPosition(partition int32) (int64, error) {
	v, err := s.get(ownKey(partition, positionKey))
	if err != nil || len(v) != 8 {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

func (s *store) close() error {
	s.closing.Store(true)
	s.scanning.Wait()
	return errors.Join(s.written(), s.db.Close())
}
