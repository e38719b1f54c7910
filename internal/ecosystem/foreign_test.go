//go:build servers

package ecosystem

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/changetrail/changetrail/internal/foreign"
)

// TestAskTheTools runs the tool of each ecosystem with 10,000 new pairs of versions, and compares
// the order and the fixes.
func TestAskTheTools(t *testing.T) {
	foreign.Debian(t, "ruby", "rpm", "php-cli", "php-composer-semver")
	seed, dir := fmt.Sprint(rand.Uint64()), t.TempDir()
	t.Log("seed", seed)
	for name, c := range tools {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(filepath.Join(foreign.Python(t, "packaging==26.4"), "python"), "testdata/generate.py", "--count", "10000", "--seed", seed, "--to", dir, name)
			cmd.Env = append(os.Environ(), "COMPOSER_SEMVER=/usr/share/php/Composer/Semver")
			switch name {
			case "npm":
				cmd.Env = append(cmd.Env, "NODE_PATH="+nodePath(t))
			case "maven":
				cmd.Env = append(cmd.Env, "MAVEN_ARTIFACT="+foreign.Maven(t, "org.apache.maven:maven-artifact:3.9.11"))
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if pairs, refused := asTheToolDoes(t, c.eco, filepath.Join(dir, name+".txt")); pairs != 10000 || refused > (c.refused*10000)*3/2/600 {
				t.Errorf("%d pairs, of which %d were refused", pairs, refused)
			}
		})
	}
}

// nodePath is a folder in which Node.js finds the package semver.
func nodePath(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Symlink(foreign.NPM(t, "semver@7.8.0"), filepath.Join(dir, "semver")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFixturesOfOSV reads the pairs with which osv-scalibr tests its own order, among them the
// tests of apk-tools and versions of real advisories. For Packagist it compares versions that
// Composer has not normalized; the test above runs Composer itself.
func TestFixturesOfOSV(t *testing.T) {
	dir := filepath.Join(foreign.Module(t, "github.com/google/osv-scalibr", "v0.5.3"), "semantic", "testdata")
	for name, c := range map[string]struct {
		eco     string
		refused int // what no release of a package is called
	}{
		"alpine-versions": {Alpine, 33}, "alpine-versions-generated": {Alpine, 0}, // 0..1
		"cran-versions": {CRAN, 0}, "cran-versions-generated": {CRAN, 0}, "hackage-versions": {Hackage, 0},
		"debian-versions": {Debian, 0}, "debian-versions-generated": {Debian, 0},
		"maven-versions": {Maven, 4}, "maven-versions-generated": {Maven, 20}, // words alone; releases of Maven differ
		"nuget-versions": {NuGet, 2},                                        // numbers of thirty digits
		"pub-versions":   {Pub, 48},                                         // a v before the version
		"pypi-versions":  {PyPI, 11}, "pypi-versions-generated": {PyPI, 69}, // before PEP 440
		"redhat-versions":   {RPM, 37},                                                   // an epoch of letters, an empty release
		"rubygems-versions": {RubyGems, 2}, "rubygems-versions-generated": {RubyGems, 0}, // 1beta
		"semver-versions": {Swift, 2}, // five numbers, numbers alone of thirty digits
	} {
		t.Run(name, func(t *testing.T) {
			if pairs, refused := asTheToolDoes(t, c.eco, filepath.Join(dir, name+".txt")); pairs == 0 || refused > c.refused {
				t.Errorf("%d pairs, of which %d were refused, want %d at most", pairs, refused, c.refused)
			}
		})
	}
}
