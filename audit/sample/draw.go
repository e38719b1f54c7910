package sample

import (
	"cmp"
	"fmt"
	"slices"
)

// The generator of Park and Miller, "Random number generators: good ones are hard to find",
// Communications of the ACM 31 (1988). Each number is multiplier times the one before it, modulo
// modulus. All products are below 2^53, so that a spreadsheet computes them exactly:
//
//	=MOD(16807*A1; 2147483647)
const (
	multiplier = 16807
	modulus    = 1<<31 - 1
	// skipped is how many numbers are skipped at the beginning: the first numbers of small seeds are
	// small.
	skipped = 10
)

// MaxSeed is the largest seed. The smallest is 1.
const MaxSeed = modulus - 1

// MaxPopulation is the largest population for which a spreadsheet computes the number of each drawn
// item exactly.
const MaxPopulation = 1<<53/modulus - 1

// A Source draws numbers. One seed always draws the same ones.
type Source struct{ x int64 }

// NewSource returns the source of a seed between 1 and [MaxSeed].
func NewSource(seed int64) (*Source, error) {
	if seed < 1 || seed > MaxSeed {
		return nil, fmt.Errorf("the seed is %d; it must be a number from 1 to %d", seed, MaxSeed)
	}
	s := &Source{seed}
	for range skipped {
		s.next()
	}
	return s, nil
}

func (s *Source) next() int64 {
	s.x = multiplier * s.x % modulus
	return s.x
}

// Draw returns n different numbers from 1 to of, in the order in which they were drawn. The next
// number x draws the item x·of/2147483647, rounded down, plus 1:
//
//	=INT(A2*N/2147483647)+1
//
// An item that was drawn before is skipped.
func (s *Source) Draw(n, of int) ([]int, error) {
	switch {
	case n < 0 || n > of:
		return nil, fmt.Errorf("%d items cannot be drawn from %d", n, of)
	case of > MaxPopulation:
		return nil, fmt.Errorf("the population has %d items; the method is exact up to %d: divide the population", of, int64(MaxPopulation))
	}
	drawn := make([]int, 0, n)
	taken := make(map[int]bool, n)
	for len(drawn) < n {
		item := int(s.next()*int64(of)/modulus) + 1
		if !taken[item] {
			taken[item] = true
			drawn = append(drawn, item)
		}
	}
	return drawn, nil
}

// Share divides n among strata in proportion to their sizes, by largest remainders (the method of
// Hamilton); of equal remainders the earlier stratum comes first. Each stratum with items gets at
// least one if n is large enough. It returns how many each gets, never more than it has.
func Share(n int, sizes []int) ([]int, error) {
	total, filled := 0, 0
	for _, size := range sizes {
		total += size
		if size > 0 {
			filled++
		}
	}
	if n > total || n < 0 {
		return nil, fmt.Errorf("%d items cannot be drawn from %d", n, total)
	}
	shares := make([]int, len(sizes))
	if n >= filled { // one for each stratum, the rest in proportion to what is left
		rest := make([]int, len(sizes))
		for i, size := range sizes {
			if size > 0 {
				shares[i], rest[i] = 1, size-1
			}
		}
		for i, more := range hamilton(n-filled, rest) {
			shares[i] += more
		}
		return shares, nil
	}
	return hamilton(n, sizes), nil
}

// hamilton divides n, at most the sum of the sizes. No share exceeds its size: the quota is at
// most the size, and it is rounded up only if it is not a whole number.
func hamilton(n int, sizes []int) []int {
	total := 0
	for _, size := range sizes {
		total += size
	}
	shares := make([]int, len(sizes))
	if total == 0 {
		return shares
	}
	order := make([]int, len(sizes))
	left := n
	for i, size := range sizes {
		order[i] = i
		shares[i] = n * size / total
		left -= shares[i]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(n*sizes[b]%total, n*sizes[a]%total)
	})
	for _, i := range order[:left] {
		shares[i]++
	}
	return shares
}
