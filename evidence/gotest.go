package evidence

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// goEvent is one line of go test -json (go doc test2json).
type goEvent struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
}

func readGoTest(file []byte) (Result, bool, error) {
	d := jsontext.NewDecoder(bytes.NewReader(file), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	cases := make(map[string]caseResult)
	broken, finished := 0, 0
	for n := 0; ; n++ {
		var e goEvent
		err := json.UnmarshalDecode(d, &e, lenient)
		if errors.Is(err, io.EOF) {
			break
		}
		if n == 0 && (err != nil || e.Action == "" || e.Package == "" && e.ImportPath == "") {
			return Result{}, false, nil
		}
		if err != nil {
			return Result{}, false, unreadable("go test -json, event %d: %v", n+1, err)
		}
		if len(cases) > maxCases {
			return Result{}, false, unreadable("go test -json: over %d tests", maxCases)
		}
		name := e.Package + " " + e.Test
		switch {
		case e.Action == "build-fail":
			broken++
			cases[e.ImportPath+" [build]"] = failed
		case e.Test == "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
			finished++
		case e.Test == "":
		case e.Action == "run":
			if _, ok := cases[name]; !ok {
				cases[name] = failed // a test that never ends did not pass
			}
		case e.Action == "pass":
			cases[name] = passed
		case e.Action == "skip":
			cases[name] = skipped
		case e.Action == "fail":
			cases[name] = failed
		}
	}
	res := tally("go-test", cases)
	if broken > 0 || finished == 0 {
		res.Conclusion = "failure"
	}
	return res, true, nil
}
