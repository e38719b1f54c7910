package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxXMLDepth bounds documents that were made to exhaust a reader. encoding/xml does not expand
// entities that a document defines, so a "billion laughs" is an error.
const maxXMLDepth = 64

// A dialect describes how an XML format writes test runs. All of them are a tree of suites, which
// count failures and may say how they ended, and of tests, which say so in an attribute or in an
// inner element.
type dialect struct {
	tests             []string                                             // elements that are one test
	scopes            []string                                             // elements in which a name means one test
	place             string                                               // attribute of a test that distinguishes it from others of its name
	name              []string                                             // attributes that form a test's name
	verdict           []string                                             // attributes that say how a test or a suite ended
	failures          []string                                             // attributes that count what failed
	within            bool                                                 // elements within a test say how it ended
	silence           verdict                                              // verdict of a test that does not say how it ended
	mustSayVerdict    bool                                                 // a test must say how it ended, otherwise it is not understood
	total             string                                               // attribute of a suite that counts its tests
	whole             []string                                             // elements that describe the whole file, not their content
	outside           []string                                             // elements that may be outside the tests; nil means any
	refuse            func(t xml.StartElement, of *xml.StartElement) error // of: the test that t is within
	override          func(t, of xml.StartElement) (v verdict, said bool)  // what t means within a test of one tool, if not what its name says
	announcesVerdicts func(t xml.StartElement) bool                        // whether t says that each test after it says how it ended
}

// xmlFrame is an open element.
type xmlFrame struct {
	start    xml.StartElement
	scope    int
	test     bool
	verdict  verdict // of a test
	signs    int64   // of failure, in a test
	inner    bool    // the test contains tests
	toDo     bool    // the result of the test does not count
	failed   bool    // the suite says so, or has a failure outside its tests
	declared counts
	before   counts
}

// counts of tests, as a file states them and as they are listed.
type counts struct{ tests, fails int64 }

type xmlWalk struct {
	dialect
	run    *testRun
	open   []*xmlFrame
	scope  int    // the last one
	listed counts // so far
	stated counts // of the whole file
}

// readTests reads a file in that dialect.
func (d dialect) readTests(file []byte) (Result, error) {
	w := xmlWalk{dialect: d, run: newTestRun()}
	tokens := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Result{}, unreadable("%v", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(w.open) >= maxXMLDepth || len(w.run.tests) > maxCases {
				return Result{}, unreadable("XML: nested deeper than %d or over %d test cases", maxXMLDepth, maxCases)
			}
			if err := w.begin(t.Copy()); err != nil {
				return Result{}, err
			}
		case xml.EndElement:
			w.end()
		}
	}
	w.compare("the file", w.stated, w.listed)
	return w.run.result(), nil
}

func (w *xmlWalk) begin(t xml.StartElement) error {
	f := &xmlFrame{start: t, scope: w.scopeOf(), before: w.listed, test: hasFold(w.tests, t.Name.Local)}
	outer := w.testOf()
	w.open = append(w.open, f)
	if w.refuse != nil {
		var of *xml.StartElement
		if outer != nil {
			of = &outer.start
		}
		if err := w.refuse(t, of); err != nil {
			return err
		}
	}
	switch {
	case f.test:
		if outer != nil {
			outer.inner = true
		}
		f.verdict = w.verdictOf(t)
	case outer != nil:
		w.seeWithin(outer, t)
	default:
		w.seeOutside(f)
	}
	return nil
}

// scopeOf returns the scope of the element that begins now.
func (w *xmlWalk) scopeOf() int {
	if len(w.open) == 0 {
		return 0
	}
	return w.open[len(w.open)-1].scope
}

// testOf returns the innermost open test.
func (w *xmlWalk) testOf() *xmlFrame {
	for _, f := range slices.Backward(w.open) {
		if f.test {
			return f
		}
	}
	return nil
}

// verdictOf returns the verdict in the attributes of a test.
func (w *xmlWalk) verdictOf(t xml.StartElement) verdict {
	v, said := skipped, false
	for _, name := range w.verdict {
		word := attr(t, name)
		if word == "" {
			continue
		}
		stated, known := verdictOf(word)
		if !known {
			w.run.doubt("%s=%q of a test", name, word)
		}
		switch { // of two words, such as "run" and "suppressed", the one that claims less counts
		case stated == failed:
			return failed
		case !said:
			v = stated
		default:
			v = min(v, stated)
		}
		said = true
	}
	switch {
	case isTrue(attr(t, "disabled")), isTrue(attr(t, "skipped")), isFalse(attr(t, "executed")), isFalse(attr(t, "enabled")):
		return skipped
	case !said && w.mustSayVerdict:
		w.run.doubt("a test that does not say how it ended")
	case !said:
		v = w.silence
	}
	return v
}

func isTrue(word string) bool {
	b, err := strconv.ParseBool(strings.ToLower(word))
	return err == nil && b
}

func isFalse(word string) bool {
	b, err := strconv.ParseBool(strings.ToLower(word))
	return err == nil && !b
}

// seeWithin reads an element within a test that says how the test ended. An attempt that failed and
// was run again (flakyFailure) does not count: the test passed.
func (w *xmlWalk) seeWithin(test *xmlFrame, t xml.StartElement) {
	for _, name := range w.verdict {
		if v, known := verdictOf(attr(t, name)); known && v == failed {
			test.verdict = failed
		}
	}
	v, known := verdictOf(t.Name.Local)
	if w.override != nil {
		if meant, said := w.override(t, test.start); said {
			v, known, test.toDo = meant, true, test.toDo || meant == skipped
		}
	}
	switch {
	case !w.within || !known || v == passed:
	case v == failed:
		test.verdict = failed
		if !strings.HasPrefix(t.Name.Local, "rerun") {
			test.signs++
		}
	case test.verdict != failed:
		test.verdict = skipped
	}
}

func (w *xmlWalk) seeOutside(f *xmlFrame) {
	name := f.start.Name.Local
	if hasFold(w.scopes, name) {
		w.scope++
		f.scope = w.scope
	}
	f.failed = w.saysFailed(f.start)
	f.declared = counts{tests: w.sum(f.start, w.total), fails: w.sum(f.start, w.failures...)}
	if hasFold(w.whole, name) {
		if f.failed {
			f.declared.fails = max(f.declared.fails, 1)
		}
		w.stated.tests, w.stated.fails = max(w.stated.tests, f.declared.tests), max(w.stated.fails, f.declared.fails)
		f.failed, f.declared = false, counts{}
	}
	if strings.EqualFold(name, "property") && attr(f.start, "name") == "go.version" {
		w.run.reruns[f.scope] = true // gotestsum, go-junit-report: names are unique in a package
	}
	if w.announcesVerdicts != nil && w.announcesVerdicts(f.start) {
		w.silence = skipped
	}
	if w.outside != nil && !hasFold(w.outside, name) && !f.failed && w.inSuite() {
		w.run.doubt("<%s> outside the tests", name)
	}
}

// inSuite reports whether the last element is directly in the root or in a suite, not in properties
// or output.
func (w *xmlWalk) inSuite() bool {
	return len(w.open) <= 2 || hasFold(w.scopes, w.open[len(w.open)-2].start.Name.Local)
}

// saysFailed reports whether an element outside the tests is a failure, or says that something
// failed.
func (w *xmlWalk) saysFailed(t xml.StartElement) bool {
	v, known := verdictOf(t.Name.Local)
	fails := known && v == failed
	for _, a := range w.verdict {
		word := attr(t, a)
		v, known := verdictOf(word)
		if word != "" && !known {
			w.run.doubt("%s=%q of <%s>", a, word, t.Name.Local)
		}
		fails = fails || known && v == failed
	}
	return fails
}

// sum adds up counting attributes.
func (w *xmlWalk) sum(t xml.StartElement, attributes ...string) int64 {
	var sum int64
	for _, name := range attributes {
		text := strings.TrimSpace(attr(t, name))
		if text == "" {
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n < 0 || n != n {
			w.run.doubt("%s=%q of <%s>", name, text, t.Name.Local)
			continue
		}
		sum += int64(min(n, maxCases))
	}
	return sum
}

func (w *xmlWalk) end() {
	f := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if f.test {
		w.endTest(f)
		return
	}
	if f.failed && w.listed.fails == f.before.fails {
		f.declared.fails = max(f.declared.fails, 1)
	}
	w.compare(suiteName(f.start, w.open), f.declared, counts{w.listed.tests - f.before.tests, w.listed.fails - f.before.fails})
}

// compare compares the declared counts with the listed tests: a failure that is not listed still
// counts, and tests that are not listed may have failed.
func (w *xmlWalk) compare(name string, declared, listed counts) {
	if missing := declared.fails - listed.fails; missing > 0 {
		w.run.fail(name+" [counted but not listed]", missing)
		w.listed.fails += missing
	}
	if declared.tests > listed.tests {
		w.run.doubt("%s counts %d tests but lists %d", name, declared.tests, listed.tests)
	}
}

// endTest counts a test. A test that contains others counts if it failed and none of them did.
func (w *xmlWalk) endTest(f *xmlFrame) {
	w.listed.tests++
	some := w.listed.fails > f.before.fails
	if f.verdict == failed {
		w.listed.fails += max(f.signs, 1)
	}
	if f.toDo {
		f.verdict = skipped
	}
	if f.inner && (f.verdict != failed || some) {
		return
	}
	parts := make([]string, 0, len(w.name))
	for _, a := range w.name {
		parts = append(parts, attr(f.start, a))
	}
	name := strings.TrimSpace(strings.Join(parts, " "))
	if name == "" && f.verdict == passed { // pytest writes an interrupted test this way
		w.run.doubt("a test without a name")
		return
	}
	w.run.add(testID{scope: f.scope, place: attr(f.start, w.place), name: name}, f.verdict)
}

// suiteName returns the name of the suite that an element is or is in.
func suiteName(t xml.StartElement, open []*xmlFrame) string {
	if name := attr(t, "name"); name != "" {
		return name
	}
	for _, f := range slices.Backward(open) {
		if name := attr(f.start, "name"); name != "" {
			return name
		}
	}
	return t.Name.Local
}

func hasFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
