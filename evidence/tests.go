package evidence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxCases bounds a report that was made to exhaust a reader.
const maxCases = 500_000

// A verdict is how a test ended; a higher one is worse.
type verdict int

const (
	skipped verdict = iota // did not run, or ran and does not count
	passed
	failed
)

// verdictOf reads the words by which tools say how a test ended, in attributes and as names of
// elements, in any case, with any separator between words, and with an optional reason:
// "Failed(Child)".
func verdictOf(word string) (v verdict, known bool) {
	if end := strings.IndexAny(word, "(:"); end > 0 {
		word = word[:end]
	}
	v, known = words[strings.Map(func(c rune) rune {
		if c == ' ' || c == '-' || c == '_' {
			return -1
		}
		return c
	}, strings.ToLower(word))]
	return v, known
}

var words = wordsOf(map[verdict]string{
	passed: "pass passed passing ok success successful succeeded run completed complete executed finished done fixed warning warned warn flaky",
	skipped: "skip skipped notrun norun notexecuted notrunnable notstarted notapplicable disabled suppressed ignored ignore pending todo inconclusive untested " +
		"filtered deselected excluded blocked quarantined explicit xfail expectedfailure bpass bfail bskip",
	failed: "fail failed failing failure error errored fatal broken exception timeout timedout aborted crashed panicked interrupted killed incomplete unstable regression " +
		"invalid cancelled canceled undefined xpass unexpectedsuccess inprogress disconnected passedbutrunaborted ko rerunfailure rerunerror",
})

func wordsOf(lists map[verdict]string) map[string]verdict {
	out := make(map[string]verdict)
	for v, list := range lists {
		for word := range strings.FieldsSeq(list) {
			out[word] = v
		}
	}
	return out
}

// A testID distinguishes one test from another. The same name in two suites, files or browsers
// means two tests.
type testID struct {
	scope int // the suite, by its position in the report
	place string
	name  string
}

// attempts counts how often a test is in a report, and how it ended.
type attempts struct {
	first, last, worst verdict
	times              int
}

// A testRun collects what a report says about its tests.
type testRun struct {
	tests    map[testID]attempts
	reruns   map[int]bool // scopes with unique names, in which a repeated test was run again
	unlisted int64        // failures that are counted but not listed
	failing  []string     // names for failures outside tests
	partial  []string
}

func newTestRun() *testRun {
	return &testRun{tests: make(map[testID]attempts), reruns: make(map[int]bool)}
}

func (r *testRun) add(id testID, v verdict) {
	a, again := r.tests[id]
	if !again {
		a.first = v
	}
	a.last, a.worst = v, max(a.worst, v)
	a.times++
	r.tests[id] = a
}

// fail records failures that belong to no listed test.
func (r *testRun) fail(name string, count int64) {
	r.unlisted += min(count, maxCases)
	r.failing = append(r.failing, clip(strings.TrimSpace(name), 512))
}

func (r *testRun) doubt(format string, args ...any) {
	if what := clip(fmt.Sprintf(format, args...), 256); len(r.partial) < 20 && !slices.Contains(r.partial, what) {
		r.partial = append(r.partial, what)
	}
}

// result sums the tests up. If a test occurs several times, any failure counts, unless the failed
// test was clearly run again. A run in which no test passed shows nothing: its conclusion is error,
// not success.
func (r *testRun) result() Result {
	res := Result{Conclusion: "success", Failed: r.unlisted, Failing: r.failing, Partial: r.partial}
	plain := r.plainReruns()
	for id, a := range r.tests {
		v := a.worst
		if plain[id.scope] && a.last == passed {
			v = passed
		}
		switch v {
		case passed:
			res.Passed++
		case skipped:
			res.Skipped++
		case failed:
			res.Failed++
			res.Failing = append(res.Failing, clip(id.name, 512))
		}
	}
	slices.Sort(res.Failing)
	switch {
	case res.Failed > 0:
		res.Conclusion = "failure"
	case res.Passed == 0:
		res.Conclusion = "error"
	}
	return res
}

// plainReruns returns the scopes in which only failed tests occur again. It returns none if no test
// occurs only once: with go test -count=2 every test occurs twice, and a failure stays a failure.
func (r *testRun) plainReruns() map[int]bool {
	if len(r.reruns) == 0 {
		return nil
	}
	plain, once := maps.Clone(r.reruns), false
	for id, a := range r.tests {
		root := id
		root.name = rootTest(id.name)
		if a.times == 1 {
			once = true
		} else if a.first != failed && r.tests[root].first != failed {
			delete(plain, id.scope)
		}
	}
	if !once {
		return nil
	}
	return plain
}

// rootTest returns the name, with its package, of the test that contains a Go subtest.
func rootTest(name string) string {
	start := strings.LastIndexByte(name, ' ') + 1
	root, _, _ := strings.Cut(name[start:], "/")
	return cmp.Or(name[:start]+root, name)
}
