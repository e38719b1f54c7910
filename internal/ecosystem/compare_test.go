package ecosystem

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tools are the tools that testdata/generate.py runs: the ecosystem of each, and how many of the
// 600 pairs that the tool compares are refused here.
var tools = map[string]struct {
	eco     string
	refused int
}{
	"npm":       {NPM, 0},
	"cargo":     {Cargo, 0},
	"pypi":      {PyPI, 0},
	"rubygems":  {RubyGems, 0},
	"packagist": {Packagist, 67}, // a date in one number: 20240131
	"maven":     {Maven, 12},     // 1.foo and 1-foo
	"debian":    {Debian, 0},
	"rpm":       {RPM, 0},
}

// TestAsTheToolsDo compares order and fixes with the answers of each ecosystem's own tool for pairs
// of versions (testdata/generate.py).
func TestAsTheToolsDo(t *testing.T) {
	for name, c := range tools {
		t.Run(name, func(t *testing.T) {
			pairs, refused := asTheToolDoes(t, c.eco, filepath.Join("testdata", name+".txt"))
			if pairs < 500 || refused != c.refused {
				t.Errorf("%d pairs, of which %d were refused, want %d", pairs, refused, c.refused)
			}
		})
	}
}

// asTheToolDoes checks Compare and LowestFix with the pairs of a file: the second version of a pair
// is the fix for the first if the tool says that it is later, otherwise there is no fix. A pair
// that the tool refuses must not be compared. It returns the number of pairs, and how many are
// refused here although the tool compares them.
func asTheToolDoes(t *testing.T, eco, file string) (pairs, refused int) {
	t.Helper()
	pairs = eachPair(t, file, func(a, said, b string) {
		order, ok := Compare(eco, a, b)
		switch {
		case !ok && said != "?":
			refused++
			t.Logf("refused: %s %s %s", a, said, b)
			return
		case ok && said == "?":
			t.Errorf("%s and %s were compared (%d); the tool refuses them", a, b, order)
			return
		case ok && said != string("<=>"[order+1]):
			t.Errorf("%s %s %s; got %d", a, said, b, order)
		case !ok:
			return
		}
		for _, p := range []struct{ installed, fix, below string }{{a, b, "<"}, {b, a, ">"}} {
			want := ""
			if said == p.below {
				want = p.fix
			}
			for _, requirement := range []string{p.fix, ">= " + p.fix, p.fix + ", " + p.installed, "[" + p.fix + ",)"} {
				if got := LowestFix(eco, []string{requirement}, p.installed); got != want && got != whole(eco, want) {
					t.Errorf("%s %s %s: the fix of %q above %s is %q, want %q", a, said, b, requirement, p.installed, got, want)
				}
			}
		}
	})
	return pairs, refused
}

// eachPair calls f for the lines of a file and returns how many there are.
func eachPair(t testing.TB, name string, f func(a, said, b string)) int {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for s := bufio.NewScanner(file); s.Scan(); {
		if p := strings.Fields(s.Text()); len(p) == 3 && strings.Trim(p[0], "#/") != "" {
			f(p[0], p[1], p[2])
			n++
		}
	}
	return n
}

// TestCompareBySpecification checks examples of the specifications, which are named beside them.
// Each list is in order, the lowest first.
func TestCompareBySpecification(t *testing.T) {
	for _, c := range []struct{ eco, ordered string }{
		// https://semver.org/#spec-item-11
		{"npm", "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0 2.1.0 2.1.1"},
		{"cargo", "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0"},
		// https://go.dev/ref/mod#pseudo-versions
		{"golang", "v0.0.0-20191109021931-daa7c04131f5 v1.2.3-pre v1.2.3-pre.0.20191109021931-daa7c04131f5 1.2.3 v1.2.4-0.20191109021931-daa7c04131f5 v1.2.4"},
		{"Go", "go1.20 go1.21rc2 go1.21.0 go1.21.8"},
		{"gobinary", "go1.21.13 1.22.0-0 go1.22beta1 go1.22rc1 1.22.0-rc.2 1.22.0"},
		// https://pub.dev/documentation/pub_semver/latest/pub_semver/Version-class.html
		{"pub", "1.0.0-pre 1.0.0-pre+build 1.0.0 1.0.0+1 1.0.0+2 1.0.0+10 1.0.0+a 1.0.1"},
		// https://hexdocs.pm/elixir/Version.html
		{"hex", "1.0.0-alpha 1.0.0-alpha.1 1.0.0-rc.1 1.0.0 1.0.1 1.0.10"},
		// https://hackage.haskell.org/package/Cabal-syntax/docs/Distribution-Types-Version.html
		{"hackage", "0.9 1.0 1.0.0 1.0.1 1.0.10 1.1"},
		// https://stat.ethz.ch/R-manual/R-devel/library/base/html/numeric_version.html
		{"cran", "0.1-9 0.1-10 0.1.10.1 0.2 0.9 0.75"},
		{"cocoapods", "5.4.rc1 5.4 5.4.9 5.4.10"},
		{"swift", "1.0.0-beta.2 v1.0.0-beta.11 1.0.0 v1.0.1"},
		// in an unknown ecosystem only numbers decide
		{"bitnami", "1.2.3-4 1.2.4-0 1.2.10.Final 1.3"},
		// https://peps.python.org/pep-0440/#summary-of-permitted-suffixes-and-relative-ordering
		{"pip", "1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 1.0rc1 1.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0.post456.dev34 1.0.post456 1.0.15 1.1.dev1 1!0.1"},
		// https://docs.ruby-lang.org/en/master/Gem/Version.html
		{"bundler", "1.0.a.2 1.0.b1 1.0.rc1 1.0 1.0.1 1.9 1.9.1 1.10"},
		// https://maven.apache.org/pom.html#version-order-specification
		{"pom", "1-alpha10-SNAPSHOT 1-alpha10 1-alpha11 1-beta-SNAPSHOT 1-beta 1-m11 1-rc 1-SNAPSHOT 1 1-sp 1-abc 1-1-snapshot 1-1 1-2"},
		// https://learn.microsoft.com/nuget/concepts/package-versioning#pre-release-versions
		{"NuGet", "1.0.1-aaa 1.0.1-alpha 1.0.1-alpha10 1.0.1-alpha2 1.0.1-beta 1.0.1-open 1.0.1-rc 1.0.1-zzz 1.0.1 1.0.1.1 1.0.2"},
		// https://getcomposer.org/doc/04-schema.md#version
		{"composer", "1.0-dev 1.0-alpha3 1.0-beta2 1.0-RC5 v2.0.3 v2.0.4-p1 2.0.5"},
		// https://manpages.debian.org/deb-version.7: the tilde before all, even the end
		{"Debian:12", "1.0~~ 1.0~~a 1.0~ 1.0 1.0-1 1.0-1+deb12u1 1.0-1+deb12u10 1.0a 1.0+dfsg-1 1:0.1"},
		// https://wiki.alpinelinux.org/wiki/APKBUILD_Reference#pkgver
		{"alpine", "1.31.1_alpha1 1.31.1_beta 1.31.1_pre2 1.31.1_rc1 1.31.1-r9 1.31.1-r10 1.31.1_git20240101 1.31.1_p1-r0 1.31.1_p2-r0 1.31.2 1.31.2a 1.31.10"},
		{"apk", "1.8.31-r1 1.8.31p1-r1 1.8.31p2-r0 1.8.32-r0"},
		// https://rpm-software-management.github.io/rpm/manual/dependencies.html#versioning
		{"rocky", "1.0~beta2-1 1.0~rc1-1 1.0-1 1.0-1.el9 1.0-2 1.0^20240101-1 1.0.1-1 1:0.1-1"},
	} {
		versions := strings.Fields(c.ordered)
		for i, a := range versions {
			for j, b := range versions {
				want := sign(i - j)
				if got, ok := Compare(c.eco, a, b); !ok || got != want {
					t.Errorf("%s: %s and %s: %d, %v; want %d", c.eco, a, b, got, ok, want)
				}
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// TestCompareTheSame checks versions that are spelled differently and are equal.
func TestCompareTheSame(t *testing.T) {
	for _, c := range [][3]string{
		{"npm", "v1.2.3", "1.2.3"},
		{"npm", "1.2.3+a", "1.2.3"},
		{"Go", "v1.2.3", "1.2.3"},
		{"Go", "v2.0.0+incompatible", "2.0.0"},
		{"Go", "go1.21.3", "1.21.3"},
		{"Go", "go1.21.3 X:nocoverageredesign", "1.21.3"},
		{"Go", "go1.22rc1", "1.22.0-rc.1"},
		{"CRAN", "0.1-2", "0.1.2"},
		{"SwiftURL", "v1.0.0", "1.0.0"},
		{"RubyGems", "1.13.3-java", "1.13.3"},
		{"RubyGems", "1.13.3-x86_64-linux", "1.13.3-arm64-darwin-22"},
		{"PyPI", "1.0", "1.0.0"},
		{"PyPI", "1.0-RC.1", "1.0rc1"},
		{"PyPI", "v1.0", "1.0"},
		{"PyPI", "01.2", "1.2"},
		{"Maven", "1", "1.0.0"},
		{"Maven", "1.0-ga", "1.0"},
		{"Maven", "1.0.Final", "1"},
		{"Maven", "1-a1", "1-alpha-1"},
		{"NuGet", "1.0", "1.0.0.0"},
		{"NuGet", "1.0.0-RC", "1.0.0-rc"},
		{"RubyGems", "1", "1.0.0"},
		{"RubyGems", "1-1", "1.pre.1"},
		{"Packagist", "v1.0", "1.0.0.0"},
		{"Packagist", "1.0-b2", "1.0.0-beta2"},
		{"deb", "0:1.0-0", "1.0"},
		{"rpm", "0:0.7-21.el8", "0.7-21.el8"},
		{"apk", "1.2.3~abcdef-r0", "1.2.3-r0"},
		{"", "1.2.3", "1.2.3"},
		{"conan", "1.0.0-a", "1.0.0-a"},
	} {
		if order, ok := Compare(c[0], c[1], c[2]); order != 0 || !ok {
			t.Errorf("%s: %s and %s: %d, %v", c[0], c[1], c[2], order, ok)
		}
	}
}

// TestCompareRefuses checks texts that are not single versions, and versions of an unknown
// ecosystem that ecosystems order differently.
func TestCompareRefuses(t *testing.T) {
	for eco, refused := range map[string]string{
		"npm":       "4.17.x 4.17 ^4.17.0 ~4.17.1 >=4.17.21 4 * latest 01.2.3 git+https://a/b",
		"crates.io": "1.2 ^1.2.3 v1.2.3 1.2.* =1.2.3",
		"Go":        "latest v1.2 master (devel) 1.2.x",
		"PyPI":      "==2.31.0 >=2 2.* ~=2.2 2.31.x 0.1-bulbasaur",
		"Maven":     "[1.0,2.0) LATEST RELEASE 1.+ ${v} latest.release 1.2.x 1.2,1.3",
		"RubyGems":  "~>5.2.4 >=1 v1.0 1.x.* 1..2",
		"NuGet":     "[1.0,2.0) 1.* v1.0 1.0.0.0.0",
		"Packagist": "dev-main 2.x-dev ^2.0 2.* 2.0|3.0 2024-01-02",
		"Debian":    "<1.0 1.0_1 v1.0",
		"Alpine":    "1.0-1 1.0A <1.0 1.0_foo 1.0-r",
		"rpm":       ">=1.0 1.0-1-2 a:1",
		"swift":     "^1.0 1.2.x >=1 1.0",
		"pub":       "^1.0.0 1.2 v1.2.3",
		"CRAN":      "1.2a v1.2",
		"conan":     "^1.0 1.2.x >=1 1.2.0-rc1 1.2+1 v1.2-1 1:1.2",
		"":          "^1.0 * latest 1.2.x >=1 1.2.0 1.2.0.0",
	} {
		for _, v := range append(strings.Fields(refused), "", strings.Repeat("1", 300)) {
			good := "1.2"
			if eco == "npm" || eco == "crates.io" || eco == "Go" || eco == "swift" || eco == "pub" {
				good = "1.2.3"
			}
			if order, ok := Compare(eco, v, good); ok {
				t.Errorf("%s: %q was compared with %s: %d", eco, v, good, order)
			}
			if order, ok := Compare(eco, good, v); ok {
				t.Errorf("%s: %s was compared with %q: %d", eco, good, v, order)
			}
		}
	}
}

func TestCompareNumbersAnywhere(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"1.2", "1.10", -1}, {"v3", "v4.1.2", -1}, {"2.0.1", "2.0.1.1", -1}, {"v2", "1.9", 1}, {"99999999999999999999", "100000000000000000000", -1},
	} {
		if got, ok := Compare("", c.a, c.b); got != c.want || !ok {
			t.Errorf("%s and %s: %d, %v; want %d", c.a, c.b, got, ok, c.want)
		}
	}
}

// TestCompareAsDpkg runs the dpkg of this machine, if there is one, with versions that are in no
// file.
func TestCompareAsDpkg(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Skip("no dpkg here")
	}
	for _, p := range [][2]string{{"2.36-9+deb12u7", "2.36-9+deb12u10"}, {"1:9.18.24-1", "1:9.18.28-1~deb12u2"}, {"3.0.11-1~deb12u2", "3.0.11-1"}, {"7.88.1-10+deb12u5", "8.0"}} {
		order, ok := Compare("deb", p[0], p[1])
		if !ok || order != -1 || exec.Command(dpkg, "--compare-versions", p[0], "lt", p[1]).Run() != nil {
			t.Errorf("%s and %s: %d, %v", p[0], p[1], order, ok)
		}
	}
}

func TestSortDoesNotDependOnTheOrderGiven(t *testing.T) {
	for _, c := range []struct{ eco, in, want string }{
		{"alpine", "1.31.1-r10 1.31.1-r9 1.31.1-r2", "1.31.1-r2 1.31.1-r9 1.31.1-r10"},
		{"PyPI", "1.0.0 1.0 0.9", "0.9 1.0 1.0.0"},
		{"npm", "latest 2.0.0 10.0.0 beta", "2.0.0 10.0.0 beta latest"},
	} {
		in := strings.Fields(c.in)
		for range len(in) {
			in = append(in[1:], in[0])
			got := append([]string(nil), in...)
			Sort(c.eco, got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s %v: %v, want %s", c.eco, in, got, c.want)
			}
		}
	}
}

// TestOrderHoldsTogether checks the versions of the tools' files with [holdsTogether]: each of some
// with all of them.
func TestOrderHoldsTogether(t *testing.T) {
	for name, c := range tools {
		var versions []string
		eachPair(t, filepath.Join("testdata", name+".txt"), func(a, _, b string) { versions = append(versions, a, b) })
		versions = versions[:24]
		for _, a := range versions {
			for _, b := range versions {
				for _, z := range versions {
					holdsTogether(t, c.eco, a, b, z)
				}
			}
		}
	}
}

// holdsTogether checks the laws of an order: a version equals itself, swapping a pair swaps the
// answer, and the order is transitive.
func holdsTogether(t *testing.T, eco, a, b, c string) {
	t.Helper()
	ab, okAB := Compare(eco, a, b)
	ba, okBA := Compare(eco, b, a)
	if okAB != okBA || ab != -ba {
		t.Fatalf("%q: %q to %q is %d, %v, and back %d, %v", eco, a, b, ab, okAB, ba, okBA)
	}
	if aa, ok := Compare(eco, a, a); aa != 0 || okAB && !ok {
		t.Fatalf("%q: %q to itself is %d, %v", eco, a, aa, ok)
	}
	bc, okBC := Compare(eco, b, c)
	ac, okAC := Compare(eco, a, c)
	if okAB && okBC && okAC && ab <= 0 && bc <= 0 && (ac > 0 || ac == 0 && (ab < 0 || bc < 0)) {
		t.Fatalf("%q: %q, %q, %q: %d, %d, and %d", eco, a, b, c, ab, bc, ac)
	}
}

func FuzzCompare(f *testing.F) {
	for _, eco := range []string{NPM, Cargo, Go, PyPI, RubyGems, Packagist, NuGet, Maven, Debian, Alpine, RPM, ""} {
		f.Add(eco, "1.0.0", "1.0.0-rc1", "1.0")
		f.Add(eco, "1.0_p1-r1", "1:1.0~rc1-1", "1.0a1.post2.dev3")
		f.Add(eco, "2.0.a.0", "1-sp-1", "v1.0-RC2-dev")
	}
	f.Fuzz(func(t *testing.T, eco, a, b, c string) {
		holdsTogether(t, eco, a, b, c)
		SamePackage(Package{eco, a, b}, Package{Name: c})
	})
}

func BenchmarkLowestFix(b *testing.B) {
	for _, c := range [][3]string{{NPM, "4.17.20", ">=4.17.21"}, {PyPI, "2.31.0", "2.32.0"}, {RubyGems, "5.2.3", "~> 5.2.4, >= 5.2.4.3, >= 6.0.3.1"}, {Alpine, "1.31.1-r9", "1.31.1-r10"}, {Debian, "2.36-9+deb12u7", "2.36-9+deb12u10"}} {
		b.Run(c[0], func(b *testing.B) {
			for range b.N {
				LowestFix(c[0], []string{c[2]}, c[1])
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	for _, c := range [][3]string{{NPM, "4.17.20", "4.17.21"}, {PyPI, "2.31.0", "2.32.0"}, {Maven, "2.17.0", "2.17.1"}, {Debian, "2.36-9+deb12u7", "2.36-9+deb12u10"}} {
		b.Run(c[0], func(b *testing.B) {
			for range b.N {
				Compare(c[0], c[1], c[2])
			}
		})
	}
}
