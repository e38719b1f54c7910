package sample

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTheGeneratorIsTheOneOfThePaper: with seed 1, the 10,000th number is 1043618065, by which Park
// and Miller say to test an implementation.
func TestTheGeneratorIsTheOneOfThePaper(t *testing.T) {
	s := &Source{1}
	for range 9_999 {
		s.next()
	}
	if got := s.next(); got != 1043618065 {
		t.Errorf("the 10,000th number is %d", got)
	}
}

// TestASpreadsheetDrawsTheSame draws as a spreadsheet does, with floating-point numbers.
func TestASpreadsheetDrawsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		seed, of := 1+r.Int64N(MaxSeed), 1+r.IntN(1<<(1+r.IntN(22))-1)
		n := r.IntN(min(of, 60) + 1)
		s, err := NewSource(seed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Draw(n, of)
		if err != nil {
			t.Fatal(err)
		}
		a := float64(seed)
		for range 10 {
			a = math.Mod(16807*a, 2147483647)
		}
		var want []int
		for len(want) < n {
			a = math.Mod(16807*a, 2147483647)
			if item := int(math.Floor(a*float64(of)/2147483647)) + 1; !slices.Contains(want, item) {
				want = append(want, item)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %d of %d: %v, a spreadsheet has %v", seed, n, of, got, want)
		}
	}
}

// TestEachItemIsDrawnEquallyOften: chi-squared over items and seeds, and no item is out of reach.
func TestEachItemIsDrawnEquallyOften(t *testing.T) {
	const of, n, draws = 97, 10, 20_000
	var counts [of + 1]int
	r := rand.New(rand.NewPCG(3, 4))
	for range draws {
		s, _ := NewSource(1 + r.Int64N(MaxSeed))
		items, _ := s.Draw(n, of)
		for _, item := range items {
			counts[item]++
		}
	}
	if counts[0] != 0 {
		t.Fatal("item 0 was drawn")
	}
	chi, want := 0.0, float64(draws*n)/of
	for _, c := range counts[1:] {
		chi += (float64(c) - want) * (float64(c) - want) / want
	}
	// 96 degrees of freedom: more than 150 has a probability of about 0.0004 for one seed of this
	// test, which is fixed.
	if chi > 150 {
		t.Errorf("chi-squared is %.0f", chi)
	}
}

func TestAllCanBeDrawn(t *testing.T) {
	s, _ := NewSource(MaxSeed)
	items, err := s.Draw(1000, 1000)
	if slices.Sort(items); err != nil || len(items) != 1000 || items[0] != 1 || items[999] != 1000 || len(slices.Compact(items)) != 1000 {
		t.Error(len(items), err)
	}
}

func TestWhatCannotBeDrawnIsRefused(t *testing.T) {
	for _, seed := range []int64{0, -1, MaxSeed + 1} {
		if _, err := NewSource(seed); err == nil {
			t.Errorf("seed %d is taken", seed)
		}
	}
	s, _ := NewSource(1)
	for _, c := range [][2]int{{2, 1}, {-1, 1}, {1, 0}, {1, MaxPopulation + 1}} {
		if _, err := s.Draw(c[0], c[1]); err == nil {
			t.Errorf("%d of %d are drawn", c[0], c[1])
		}
	}
	if float64(MaxSeed)*float64(MaxPopulation) > 1<<53 {
		t.Error("a spreadsheet does not compute the largest product exactly")
	}
}

func TestSharesAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		sizes := make([]int, 1+r.IntN(8))
		total, filled := 0, 0
		for i := range sizes {
			sizes[i] = r.IntN(1 << r.IntN(12))
			total += sizes[i]
			filled += min(1, sizes[i])
		}
		n := r.IntN(total + 1)
		shares, err := Share(n, sizes)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i, share := range shares {
			if sum += share; share < 0 || share > sizes[i] || n >= filled && sizes[i] > 0 && share == 0 {
				t.Fatalf("%d of %v: %v", n, sizes, shares)
			}
			for j := range sizes { // a larger stratum never gets less
				if sizes[i] > sizes[j] && share < shares[j] {
					t.Fatalf("%d of %v: %v", n, sizes, shares)
				}
			}
		}
		if sum != n {
			t.Fatalf("%d of %v: %v are %d", n, sizes, shares, sum)
		}
	}
	if _, err := Share(3, []int{1, 1}); err == nil {
		t.Error("3 of 2 are shared")
	}
}

// TestPlansAreThoseOfTheTables compares with the tables of sample sizes of the AICPA (Audit Guide
// "Audit Sampling", tables; expected deviations in brackets there).
func TestPlansAreThoseOfTheTables(t *testing.T) {
	for _, c := range []struct {
		confidence, tolerable, expected float64
		want                            Plan
	}{
		{0.95, 0.02, 0, Plan{149, 0}},
		{0.95, 0.03, 0, Plan{99, 0}},
		{0.95, 0.04, 0, Plan{74, 0}},
		{0.95, 0.05, 0, Plan{59, 0}},
		{0.95, 0.06, 0, Plan{49, 0}},
		{0.95, 0.07, 0, Plan{42, 0}},
		{0.95, 0.08, 0, Plan{36, 0}},
		{0.95, 0.09, 0, Plan{32, 0}},
		{0.95, 0.10, 0, Plan{29, 0}},
		{0.95, 0.15, 0, Plan{19, 0}},
		{0.95, 0.20, 0, Plan{14, 0}},
		{0.95, 0.05, 0.0025, Plan{93, 1}},
		{0.95, 0.05, 0.01, Plan{93, 1}},
		{0.95, 0.05, 0.015, Plan{124, 2}},
		{0.95, 0.05, 0.02, Plan{181, 4}},
		{0.95, 0.10, 0.01, Plan{46, 1}},
		{0.95, 0.10, 0.02, Plan{46, 1}},
		{0.90, 0.05, 0, Plan{45, 0}},
		{0.90, 0.10, 0, Plan{22, 0}},
		{0.90, 0.05, 0.01, Plan{77, 1}},
		{0.90, 0.10, 0.01, Plan{38, 1}},
		{0.90, 0.20, 0, Plan{11, 0}},
	} {
		if got, err := PlanFor(c.confidence, c.tolerable, c.expected); got != c.want || err != nil {
			t.Errorf("%v %v %v: %v, %v; the table has %v", c.confidence, c.tolerable, c.expected, got, err, c.want)
		}
	}
	for _, c := range [][3]float64{{0.5, 0.1, 0}, {1, 0.1, 0}, {0.95, 0, 0}, {0.95, 1, 0}, {0.95, 0.1, 0.1}, {0.95, 0.1, -0.1}, {0.95, 0.05, 0.049}, {math.NaN(), 0.1, 0}, {0.95, math.NaN(), 0}, {0.95, 0.1, math.NaN()}} {
		if got, err := PlanFor(c[0], c[1], c[2]); err == nil {
			t.Errorf("%v is planned: %v", c, got)
		}
	}
}

// TestLimitsAreThoseOfTheTables compares with the tables for the evaluation of samples of the AICPA
// 95 percent; A-4: 90 percent), which are for large populations and rounded up to tenths of a
// percent.
func TestLimitsAreThoseOfTheTables(t *testing.T) {
	for _, c := range []struct {
		confidence    float64
		n, deviations int
		percent       float64
	}{
		{0.95, 25, 0, 11.3},
		{0.95, 25, 1, 17.6},
		{0.95, 30, 0, 9.5},
		{0.95, 50, 0, 5.9},
		{0.95, 60, 0, 4.9},
		{0.95, 60, 1, 7.7},
		{0.95, 100, 0, 3.0},
		{0.95, 100, 2, 6.2},
		{0.95, 200, 0, 1.5},
		{0.90, 25, 0, 8.8},
		{0.90, 25, 1, 14.7},
		{0.90, 50, 0, 4.6},
		{0.90, 100, 0, 2.3},
	} {
		got, err := UpperLimit(c.deviations, c.n, 10_000_000, c.confidence)
		if err != nil || math.Abs(got*100-c.percent) > 0.1 {
			t.Errorf("%d of %d with %v: %.3f percent, %v; the table has %v", c.deviations, c.n, c.confidence, got*100, err, c.percent)
		}
	}
}

// TestLimitsAreExactForTheSize compares with a count of all samples in whole numbers.
func TestLimitsAreExactForTheSize(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		population := 1 + r.IntN(80)
		n := r.IntN(population + 1)
		deviations := r.IntN(n + 1)
		got, err := UpperLimit(deviations, n, population, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for d := deviations; d <= population-(n-deviations); d++ {
			few := new(big.Int)
			for i := 0; i <= deviations; i++ {
				if i <= d && n-i <= population-d {
					ways := new(big.Int).Binomial(int64(d), int64(i))
					few.Add(few, ways.Mul(ways, new(big.Int).Binomial(int64(population-d), int64(n-i))))
				}
			}
			all := new(big.Int).Binomial(int64(population), int64(n))
			if few.Mul(few, big.NewInt(20)).Cmp(all) > 0 { // more than one of 20
				want = d
			}
		}
		if math.Abs(got-float64(want)/float64(population)) > 1e-9 {
			t.Fatalf("%d deviations of %d of %d: %v, want %d of the population", deviations, n, population, got, want)
		}
	}
}
