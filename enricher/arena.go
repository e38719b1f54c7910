package enricher

import "sync"

// chunkSize is how much memory an arena allocates at a time.
const chunkSize = 1 << 20

// An arena is memory that one transaction writes into and the next one uses again. Memory
// that is touched for the first time costs more than what is written into it.
type arena struct {
	mu   sync.Mutex
	free [][]byte // with space left
	full [][]byte
}

// append returns what f appends. The arena reserves about size bytes for it. Several goroutines
// may call append.
func (s *arena) append(size int, f func(b []byte) []byte) []byte {
	b := s.alloc(size)
	start := len(b)
	b = f(b)
	s.mu.Lock()
	s.free = append(s.free, b)
	s.mu.Unlock()
	return b[start:len(b):len(b)]
}

func (s *arena) alloc(size int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.free) > 0 {
		b := s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		if cap(b)-len(b) >= size {
			return b
		}
		s.full = append(s.full, b)
	}
	return make([]byte, 0, max(size, chunkSize))
}

// reset makes all memory free again. What append returned is no longer valid.
func (s *arena) reset() {
	for _, b := range s.full {
		s.free = append(s.free, b[:0])
	}
	s.full = s.full[:0]
	for i, b := range s.free {
		s.free[i] = b[:0]
	}
}
