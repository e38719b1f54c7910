package evidence

import "strings"

// goEvent is one line of go test -json (go doc test2json).
type goEvent struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	FailedBuild string
}

// goPackage is one package of the run. The verdict of go test is the verdict of its packages: a
// package fails although all its tests passed if TestMain fails, if the race detector or a leak
// check reports at exit, or if it does not build.
type goPackage struct {
	scope  int
	open   map[string]bool // tests that are running
	begun  bool            // it has not ended
	failed bool            // a test failed since it began
}

type goTests struct {
	run      *testRun
	packages map[string]*goPackage
}

// readGoTest reads the output of go test -json, and what gotestsum --jsonfile writes.
func readGoTest(file []byte) (Result, error) {
	g := goTests{run: newTestRun(), packages: make(map[string]*goPackage)}
	for e, err := range values[goEvent](file) {
		if err != nil {
			return Result{}, err
		}
		if len(g.run.tests) > maxCases {
			return Result{}, unreadable("go test -json: over %d tests", maxCases)
		}
		g.see(e)
	}
	g.end()
	return g.run.result(), nil
}

func (g *goTests) see(e goEvent) {
	switch {
	case e.Action == "build-fail":
		g.run.add(testID{name: e.ImportPath + " [build]"}, failed)
	case e.Action == "build-output":
	case e.Test == "":
		g.seePackage(g.packageOf(e), e)
	default:
		g.seeTest(g.packageOf(e), e)
	}
}

func (g *goTests) packageOf(e goEvent) *goPackage {
	p := g.packages[e.Package]
	if p == nil {
		p = &goPackage{scope: len(g.packages) + 1, open: make(map[string]bool)}
		g.packages[e.Package], g.run.reruns[p.scope] = p, true
	}
	return p
}

func (g *goTests) seePackage(p *goPackage, e goEvent) {
	switch e.Action {
	case "pass", "skip", "fail":
		g.closeTests(p, e.Package, e.Action == "pass")
		switch {
		case e.Action != "fail" || p.failed:
		case e.FailedBuild != "":
			g.run.add(testID{name: e.FailedBuild + " [build]"}, failed)
		default:
			g.run.fail(e.Package+" [package]", 1)
		}
		p.begun, p.failed = false, false
	default:
		p.begun = true
	}
}

func (g *goTests) seeTest(p *goPackage, e goEvent) {
	p.begun = true
	id := testID{scope: p.scope, name: e.Package + " " + e.Test}
	switch e.Action {
	case "run":
		p.open[e.Test] = true
		return
	case "pass", "bench":
		g.run.add(id, passed)
	case "skip":
		g.run.add(id, skipped)
	case "fail":
		g.run.add(id, failed)
		p.failed = true
	default:
		return
	}
	delete(p.open, e.Test)
}

// closeTests ends a package's tests. A test that never ended did not pass. No event says that a
// benchmark ended, unless it failed or was skipped.
func (g *goTests) closeTests(p *goPackage, name string, passes bool) {
	some := p.failed
	for test := range p.open {
		v := failed
		switch benchmark := strings.HasPrefix(test, "Benchmark"); {
		case benchmark && passes:
			v = passed
		case benchmark && some:
			v = skipped
		}
		g.run.add(testID{scope: p.scope, name: name + " " + test}, v)
		p.failed = p.failed || v == failed
	}
	clear(p.open)
}

// end closes what is still open: the stream or the run was cut off.
func (g *goTests) end() {
	for name, p := range g.packages {
		g.closeTests(p, name, false)
		if p.begun && !p.failed {
			g.run.fail(name+" [did not end]", 1)
		}
	}
}
