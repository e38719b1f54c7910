package record

import (
	"regexp"
	"strings"

	"github.com/changetrail/changetrail/internal/ecosystem"
)

// about reports whether the package that a decision names is the package of f. A decision uses
// its own spelling, mostly without the ecosystem; a decision that names none is about all.
func (t *Trigger) about(f Finding) ecosystem.Match {
	if t.Package == "" {
		return ecosystem.Same
	}
	return ecosystem.SamePackage(ecosystem.Package{Name: t.Package}, ecosystem.Package{Ecosystem: f.Ecosystem, Name: f.Package, PURL: f.PURL})
}

// closer returns which of two scans of the finding that t names is more likely meant: the one
// whose package it certainly names, or else the [nearer] one.
func (t *Trigger) closer(decision, a, b *Event) *Event {
	if a == nil {
		return b
	}
	if (a.Witness == Observed) != (b.Witness == Observed) {
		return nearer(decision, a, b)
	}
	switch x, y := t.about(a.Fact.(*Scan).Findings[0]), t.about(b.Fact.(*Scan).Findings[0]); {
	case x > y:
		return a
	case x < y:
		return b
	}
	return nearer(decision, a, b)
}

// compareChosen compares the version that an option names for its package with what was done.
// If the package was updated to another version, want and got are the two versions and name is
// the package. If a lock file has the package more than once, one entry with the chosen version
// is enough.
//
// comparable is false if there is nothing to compare: the option names no package or no version,
// the package is not listed, or its entry is not a version of its ecosystem but, for example, a
// range.
func compareChosen(o Option, done []DependencyUpdate) (want, got, name string, comparable bool) {
	if o.Package == "" || o.To == "" || len(done) == 0 {
		return "", "", "", false
	}
	comparable = true
	found := false
	for _, d := range done {
		switch matchUpdate(o, d) {
		case ecosystem.Different:
			continue
		case ecosystem.Unknown:
			comparable = false
			continue
		}
		found = true
		if d.To == o.To {
			return "", "", "", true
		}
		order, ok := compareVersions(ecosystemOf(o, d), o.To, d.To)
		switch {
		case !ok:
			comparable = false
		case order == 0:
			return "", "", "", true
		default:
			want, got, name = o.To, d.To, d.Name
		}
	}
	if !comparable || !found {
		return "", "", "", false
	}
	return want, got, name, true
}

// compareVersions compares as the ecosystem does. It also accepts what agents write: v1.0.200 of
// a crate, ==2.31.0 of a Python package.
func compareVersions(eco, a, b string) (order int, ok bool) {
	if order, ok := ecosystem.Compare(eco, a, b); ok {
		return order, ok
	}
	return ecosystem.Compare(eco, strings.TrimLeft(a, "=v "), strings.TrimLeft(b, "=v "))
}

func matchUpdate(o Option, d DependencyUpdate) ecosystem.Match {
	return ecosystem.SamePackage(ecosystem.Package{Name: o.Package}, ecosystem.Package{Ecosystem: d.Ecosystem, Name: d.Name})
}

// ecosystemOf returns the ecosystem of a package from the option's package URL, or else from the
// update.
func ecosystemOf(o Option, d DependencyUpdate) string {
	if eco, _, _, ok := ecosystem.SplitPURL(o.Package); ok {
		return eco
	}
	return d.Ecosystem
}

// Pins of one package to one version, alone on a line: requests==2.31.0 (PEP 508), lodash@4.17.21
// and @types/node@20.1.0 (npm and others).
var (
	pythonPin = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[A-Za-z0-9,._ -]*\])?\s*==\s*([0-9][A-Za-z0-9.!+_-]*)$`)
	atPin     = regexp.MustCompile(`^(@?[A-Za-z0-9][A-Za-z0-9._/-]*)@(v?[0-9][A-Za-z0-9.+_-]*)$`)
)

// pin reads a text that is a pin, or a package URL with a version, as an option with both package
// and version.
func pin(text string) (o Option, ok bool) {
	text = strings.TrimSpace(text)
	if eco, name, version, ok := ecosystem.SplitPURL(text); ok && version != "" {
		return Option{Package: ecosystem.PURL(eco, name, ""), To: version}, true
	}
	for _, form := range []*regexp.Regexp{pythonPin, atPin} {
		if m := form.FindStringSubmatch(text); m != nil {
			return Option{Package: m[1], To: m[2]}, true
		}
	}
	return Option{}, false
}
