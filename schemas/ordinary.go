package schemas

import (
	"encoding/binary"
	"math/bits"
)

// ordinary returns how many bytes at the start of b need no escape in a JSON string: ASCII without
// quotes, backslashes and control characters. It checks eight bytes at a time, since most text is
// ordinary.
func ordinary(b []byte) int {
	const (
		each = 0x0101010101010101
		high = 0x80 * each
	)
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, backslash := x^'"'*each, x^'\\'*each
		// The high bit of the first byte that is not ordinary, and perhaps of later ones.
		odd := ((x-' '*each)&^x | (quote-each)&^quote | (backslash-each)&^backslash | x) & high
		if odd != 0 {
			return n + bits.TrailingZeros64(odd)/8
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] < 0x80 && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}
