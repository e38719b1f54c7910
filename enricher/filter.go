package enricher

import (
	"cmp"
	"encoding/binary"
)

// A filter tells of most of what does not lie in a store that it does not: a Bloom filter of
// the prefixes of keys, and of whole keys where many have one prefix and each is asked for. It
// grows by parts, each four times as large as the one before, and forgets nothing. It is for
// one goroutine.
type filter struct {
	parts []filterPart
	room  int // what the last part is still for
	first int // what the first part is for; firstPart where 0
}

// A filterPart holds blocks of 64 bytes, so that a look touches one line of a cache.
type filterPart [][8]uint64

const (
	firstPart = 1 << 18
	perBlock  = 40 // 12.8 bits for each
	probes    = 6
)

// add adds a key. Those that are shorter than a prefix are of the store itself.
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

// lookedUp tells how keys of a kind are looked up: whole, and by their prefix.
func lookedUp(kind byte) (whole, prefix bool) {
	switch kind {
	case kindFact:
		return true, true
	case kindIdentity, kindCounted:
		return true, false
	}
	return false, true
}

// may reports whether a key may be there.
func (f *filter) may(k key) bool {
	if len(k) < prefixSize {
		return true
	}
	if whole, _ := lookedUp(k[4]); whole {
		return f.hasHash(hashOf(k))
	}
	return f.mayUnder(k[:prefixSize])
}

// mayUnder reports whether anything may be there whose key goes on with a prefix, of a kind
// that is looked up by it.
func (f *filter) mayUnder(prefix key) bool { return f.hasHash(hashOf(prefix)) }

func (f *filter) addHash(h uint64) {
	if f.hasHash(h) {
		return
	}
	if f.room == 0 {
		f.room = cmp.Or(f.first, firstPart) << (2 * len(f.parts))
		f.parts = append(f.parts, make(filterPart, f.room/perBlock+1))
	}
	f.room--
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

// place returns the block of a hash, and the bits that choose places in it.
func (p filterPart) place(h uint64) (block *[8]uint64, bits uint64) {
	return &p[h%uint64(len(p))], h * mix // the hash chose the block already
}

const mix = 0x9e3779b97f4a7c15

// hashOf returns a hash of a key or of its prefix. Most of what names things in keys are hashes
// themselves.
func hashOf(k key) uint64 {
	h := binary.BigEndian.Uint64([]byte(k[:8]))<<24 ^ binary.BigEndian.Uint64([]byte(k[prefixSize-8:prefixSize]))
	for rest := k[prefixSize:]; rest != ""; rest = rest[min(8, len(rest)):] {
		var next [8]byte
		copy(next[:], rest)
		h = (h ^ h>>29 ^ binary.BigEndian.Uint64(next[:])) * mix
	}
	return h
}
