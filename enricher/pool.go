package enricher

// A pool holds values that one transaction uses and the next one uses again.
type pool[T any] struct {
	all  []T
	used int
}

// get returns n zero values.
func (s *pool[T]) get(n int) []T {
	if len(s.all)-s.used < n {
		s.all, s.used = make([]T, max(n, 2*len(s.all))), 0 // slices returned earlier stay valid
	}
	out := s.all[s.used : s.used+n : s.used+n]
	s.used += n
	return out
}

// reset makes all values free again. It drops the memory of a very large transaction.
func (s *pool[T]) reset() {
	clear(s.all[:s.used])
	if s.used = 0; len(s.all) > 1<<16 {
		s.all = nil
	}
}
