package evidence

// goEvent is one line of go test -json (go doc test2json).
type goEvent struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
}

func readGoTest(file []byte) (Result, error) {
	cases := make(map[string]caseResult)
	broken, finished := 0, 0
	for e, err := range values[goEvent](file) {
		if err != nil {
			return Result{}, err
		}
		if len(cases) > maxCases {
			return Result{}, unreadable("go test -json: over %d tests", maxCases)
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
	res := tally(cases)
	if broken > 0 || finished == 0 {
		res.Conclusion = "failure"
	}
	return res, nil
}
