package enricher

import (
	"cmp"
	"encoding/binary"
)

// A filter answers most look-ups for what is not in a store: it is a Bloom filter of the prefixes
// of keys, and of whole keys for kinds that are looked up one by one. It grows by parts, each
// four times as large as the one before, and never forgets a key. One goroutine at a time may use
// it.
type filter struct {
	parts []filterPart
	left  int // how many more hashes the last part is for
	first int // how many hashes the first part is for; firstPart if 0
}

// A filterPart consists of blocks of 64 bytes, so that a look-up touches one cache line.
type filterPart [][8]uint64

const (
	firstPart = 1 << 18
	perBlock  = 40 // 12.8 bits for each hash
	probes    = 6
)

// add adds a key. Keys that are shorter than a prefix belong to the store itself.
func (f *filter) add(k key) {
	if len(k) < prefixSize {
		return
	}
	whole, listed := lookedUp(k[4])
	if whole {
		f.addHash(hashOf(k))
	}
	if listed {
		f.addHash(hashOf(k[:prefixSize]))
	}
}

// lookedUp reports how keys of a kind are looked up: whole, by their prefix, or both.
func lookedUp(kind byte) (whole, prefix bool) {
	switch kind {
	case kindFact:
		return true, true
	case kindIdentity, kindCounted:
		return true, false
	}
	return false, true
}

// may reports whether a key may be in the store.
func (f *filter) may(k key) bool {
	if len(k) < prefixSize {
		return true
	}
	if whole, _ := lookedUp(k[4]); whole {
		return f.hasHash(hashOf(k))
	}
	return f.mayUnder(k[:prefixSize])
}

// mayUnder reports whether a key with this prefix may be in the store. Its kind must be one that
// is looked up by prefix.
func (f *filter) mayUnder(prefix key) bool { return f.hasHash(hashOf(prefix)) }

func (f *filter) addHash(h uint64) {
	if f.hasHash(h) {
		return
	}
	if f.left == 0 {
		f.left = cmp.Or(f.first, firstPart) << (2 * len(f.parts))
		f.parts = append(f.parts, make(filterPart, f.left/perBlock+1))
	}
	f.left--
	last := f.parts[len(f.parts)-1]
	block, bits := last.place(h)
	for range probes {
		block[bits>>6&7] |= 1 << (bits & 63)
		bits >>= 9
	}
}

func (f *filter) hasHash(h uint64) bool {
	for _, p := range f.parts {
		if p.has(h) {
			return true
		}
	}
	return false
}

func (p filterPart) has(h uint64) bool {
	block, bits := p.place(h)
	for range probes {
		if block[bits>>6&7]&(1<<(bits&63)) == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}

// place returns the block of a hash, and the bits that select positions in it.
func (p filterPart) place(h uint64) (block *[8]uint64, bits uint64) {
	return &p[h%uint64(len(p))], h * mix // mixed, since the hash already selected the block
}

const mix = 0x9e3779b97f4a7c15

// hashOf returns a hash of a key or of its prefix. Most names in keys are hashes themselves.
func hashOf(k key) uint64 {
	h := binary.BigEndian.Uint64([]byte(k[:8]))<<24 ^ binary.BigEndian.Uint64([]byte(k[prefixSize-8:prefixSize]))
	for rest := k[prefixSize:]; rest != ""; rest = rest[min(8, len(rest)):] {
		var next [8]byte
		copy(next[:], rest)
		h = (h ^ h>>29 ^ binary.BigEndian.Uint64(next[:])) * mix
	}
	return h
}
