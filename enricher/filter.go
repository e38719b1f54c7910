package enricher

import (
	"cmp"
	"encoding/binary"
)

// A filter tells of most names under which nothing lies that it is so: a Bloom filter of the
// prefixes of keys. It grows by parts, each four times as large as the one before, and forgets
// nothing. It is for one goroutine.
type filter struct {
	parts []filterPart
	room  int // prefixes that the last part is still for
	first int // prefixes of the first part; firstPart where 0
}

// A filterPart holds blocks of 64 bytes, so that a look touches one line of a cache.
type filterPart [][8]uint64

const (
	firstPart = 1 << 18 // prefixes
	perBlock  = 40      // prefixes: 12.8 bits for each
	probes    = 6
)

// add adds the prefix of a key. Keys that are shorter are those of the store itself.
func (f *filter) add(k key) {
	if len(k) < prefixSize || f.may(k) {
		return
	}
	if f.room == 0 {
		f.room = cmp.Or(f.first, firstPart) << (2 * len(f.parts))
		f.parts = append(f.parts, make(filterPart, f.room/perBlock+1))
	}
	f.room--
	last := f.parts[len(f.parts)-1]
	block, bits := last.place(hashOf(k))
	for range probes {
		block[bits>>6&7] |= 1 << (bits & 63)
		bits >>= 9
	}
}

// may reports whether something may lie under the prefix of a key.
func (f *filter) may(k key) bool {
	if len(k) < prefixSize {
		return true
	}
	h := hashOf(k)
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
	return &p[h%uint64(len(p))], h * 0x9e3779b97f4a7c15 // the hash chose the block already
}

// hashOf returns a hash of the prefix of a key. The names in keys are hashes.
func hashOf(k key) uint64 {
	head := binary.BigEndian.Uint64([]byte(k[:8]))
	return head<<24 ^ binary.BigEndian.Uint64([]byte(k[prefixSize-8:prefixSize]))
}
