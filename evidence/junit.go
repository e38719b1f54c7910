package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
)

// Bounds against documents that are made to exhaust a reader. encoding/xml
// expands no entities of a document's own, so a "billion laughs" is an error.
const (
	maxXMLDepth = 64
	maxCases    = 500_000
)

// caseResult is how one test ended. A test that was run again stands several
// times in a report, or carries the attempts as children: passing at last, it
// passed.
type caseResult int

const (
	passed caseResult = iota
	skipped
	failed
)

// readJUnit reads the JUnit XML that Surefire, pytest, jest, gotestsum and
// others write. There is no standard; the counts in the attributes are often
// wrong, so the test cases are counted.
func readJUnit(file []byte) (Result, bool, error) {
	d := xml.NewDecoder(bytes.NewReader(file))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	cases := make(map[string]caseResult)
	suites, depth, suiteErrors := 0, 0, 0
	var current string
	var result caseResult
	inCase := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Result{}, false, unreadable("XML: %v", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if depth > maxXMLDepth || len(cases) > maxCases {
				return Result{}, false, unreadable("XML: nested deeper than %d or over %d test cases", maxXMLDepth, maxCases)
			}
			name := t.Name.Local
			switch {
			case depth == 1 && name != "testsuite" && name != "testsuites":
				return Result{}, false, unreadable("XML of <%s>; of XML reports JUnit is read", name)
			case name == "testsuite" || name == "testsuites":
				suites++
			case name == "testcase":
				current, result, inCase = attr(t, "classname")+" "+attr(t, "name"), passed, depth
			case inCase > 0 && depth == inCase+1 && (name == "failure" || name == "error"):
				result = failed
			case inCase > 0 && depth == inCase+1 && name == "skipped":
				result = max(result, skipped)
			case inCase == 0 && name == "error":
				suiteErrors++
			}
		case xml.EndElement:
			if depth == inCase {
				if old, ok := cases[current]; !ok || result == passed || old == skipped {
					cases[current] = result
				}
				inCase = 0
			}
			depth--
		}
	}
	if suites == 0 {
		return Result{}, false, unreadable("XML without a <testsuite>")
	}
	res := tally("junit", cases)
	if suiteErrors > 0 {
		res.Conclusion = "error"
	}
	return res, true, nil
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// tally sums up test cases. A run without a single test shows nothing, so its
// conclusion is error, not success.
func tally(format string, cases map[string]caseResult) Result {
	res := Result{Format: format, Conclusion: "success"}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		switch cases[name] {
		case passed:
			res.Passed++
		case skipped:
			res.Skipped++
		case failed:
			res.Failed++
			res.Failing = append(res.Failing, clip(name, 512))
		}
	}
	switch {
	case res.Failed > 0:
		res.Conclusion = "failure"
	case res.Passed == 0:
		res.Conclusion = "error"
	}
	return res
}
