package sample

import (
	"fmt"
	"math"
)

// A Plan is the size of a sample, and how many deviations it may have.
type Plan struct {
	Size int
	// Acceptable is the number of deviations up to which the sample supports, with the confidence
	// that was asked for, that the rate in the population is at most the tolerable one.
	Acceptable int
}

// maxSize bounds a plan: nobody tests more items by hand.
const maxSize = 5000

// PlanFor returns the smallest sample for attribute sampling. confidence, tolerable and expected are
// fractions of 1: how sure the auditor wants to be, the highest rate of deviations that is
// acceptable, and the rate that is expected. It makes the usual tables (AICPA Audit Guide "Audit
// Sampling", appendix A): 0.95, 0.05 and 0 are 59 items, with no deviation.
func PlanFor(confidence, tolerable, expected float64) (Plan, error) {
	switch {
	case !(confidence > 0.5 && confidence < 1):
		return Plan{}, fmt.Errorf("the confidence is %v; it must be more than 0.5 and less than 1, such as 0.95", confidence)
	case !(tolerable > 0 && tolerable < 1):
		return Plan{}, fmt.Errorf("the tolerable rate is %v; it must be more than 0 and less than 1, such as 0.05", tolerable)
	case !(expected >= 0 && expected < tolerable):
		return Plan{}, fmt.Errorf("the expected rate is %v; it must be at least 0 and less than the tolerable rate %v", expected, tolerable)
	}
	size := 1
	for acceptable := 0; ; acceptable++ {
		for size <= maxSize && atMost(acceptable, size, tolerable) > 1-confidence {
			size++
		}
		if size > maxSize {
			return Plan{}, fmt.Errorf("the expected rate %v is too close to the tolerable rate %v: a sample would need more than %d items", expected, tolerable, maxSize)
		}
		// Rates such as 0.1 have no exact form: 10 items of 100 must not become 11.
		if math.Ceil(float64(size)*expected-1e-9) <= float64(acceptable) {
			return Plan{size, acceptable}, nil
		}
	}
}

// atMost returns the probability of at most k deviations among n items if each deviates with
// probability p.
func atMost(k, n int, p float64) float64 {
	sum, log := 0.0, float64(n)*math.Log1p(-p)
	odds := math.Log(p) - math.Log1p(-p)
	for i := 0; i <= min(k, n); i++ {
		sum += math.Exp(log)
		log += math.Log(float64(n-i)) - math.Log(float64(i+1)) + odds
	}
	return min(sum, 1)
}

// UpperLimit returns the upper limit of the rate of deviations in a population of a size, if a
// random sample of n of its items has some deviations: the highest rate at which so few deviations,
// or fewer, are still more likely than 1 - confidence. It is exact for the size of the population
// (hypergeometric); for a large one it is the limit of the usual tables (binomial). If all items
// are tested, it is their rate.
func UpperLimit(deviations, n, population int, confidence float64) (float64, error) {
	switch {
	case deviations < 0 || deviations > n || n > population:
		return 0, fmt.Errorf("%d deviations of %d items of %d are not possible", deviations, n, population)
	case !(confidence > 0.5 && confidence < 1):
		return 0, fmt.Errorf("the confidence is %v; it must be more than 0.5 and less than 1, such as 0.95", confidence)
	case population == 0:
		return 0, nil
	}
	// The probability falls as the population has more deviations: find the last possible number.
	low, high := deviations, population-(n-deviations) // low is possible, high+1 is not
	for low < high {
		middle := (low + high + 1) / 2
		if fewOf(deviations, n, middle, population) > 1-confidence {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return float64(low) / float64(population), nil
}

// fewOf returns the probability of at most k deviations in a sample of n of a population that has
// some deviations.
func fewOf(k, n, deviations, population int) float64 {
	sum := 0.0
	for i := max(0, n-(population-deviations)); i <= min(k, n, deviations); i++ {
		sum += math.Exp(choose(deviations, i) + choose(population-deviations, n-i) - choose(population, n))
	}
	return min(sum, 1)
}

// choose returns the logarithm of the number of ways to choose k of n.
func choose(n, k int) float64 {
	return factorial(n) - factorial(k) - factorial(n-k)
}

func factorial(n int) float64 {
	out, _ := math.Lgamma(float64(n) + 1)
	return out
}
