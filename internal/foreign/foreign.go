// Package foreign fetches third-party code and data that tests need, with the ordinary clients of
// the package registries: Go modules, npm packages, Python programs, Maven artifacts and Debian
// packages.
//
// It is only for tests and imports no other package of changetrail.
package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Module returns the folder of a Go module, with its tests and their data.
func Module(t *testing.T, path, version string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", path+"@"+version)
	cmd.Dir = t.TempDir() // outside this module: the fetched one must not become its dependency
	out, err := cmd.Output()
	var m struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &m); err != nil || jsonErr != nil || m.Error != "" {
		t.Fatalf("go mod download %s@%s: %v %s", path, version, err, m.Error)
	}
	return m.Dir
}

// Program returns the folder of a program from a Go module, which is built here. It is kept between
// runs.
func Program(t *testing.T, path, version string) string {
	t.Helper()
	dir := kept(t, "go", path, version)
	defer lock(t, dir)()
	if complete(dir) {
		return dir
	}
	cmd := exec.Command("go", "install", path+"@"+version)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	finish(t, dir)
	return dir
}

// NPM returns the folder into which an npm package is unpacked. It is kept between
// runs.
func NPM(t *testing.T, spec string) string {
	t.Helper()
	dir := kept(t, "npm", spec)
	defer lock(t, dir)()
	if complete(dir) {
		return filepath.Join(dir, "package")
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "npm", "pack", "--silent", spec)
	run(t, dir, "sh", "-c", "tar xzf *.tgz && rm *.tgz")
	finish(t, dir)
	return filepath.Join(dir, "package")
}

// kept returns a folder for things of one kind that are kept between runs.
func kept(t *testing.T, kind string, what ...string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(what, "\n")))
	return filepath.Join(cache, "changetrail-servers", fmt.Sprintf("%s-%016x", kind, h.Sum64()))
}

// lock keeps other tests, of this process and of others, from installing into dir at the same time.
func lock(t *testing.T, dir string) (unlock func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockedfile.MutexAt(dir + ".lock").Lock()
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

// complete reports whether the installation in dir was finished.
func complete(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "complete"))
	return err == nil
}

func finish(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "complete"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Python returns the folder of the programs of a virtual environment with the given packages. It is
// kept between runs.
func Python(t *testing.T, packages ...string) string {
	t.Helper()
	dir := kept(t, "python", packages...)
	defer lock(t, dir)()
	bin := filepath.Join(dir, "bin")
	if complete(dir) && exec.Command(filepath.Join(bin, "python"), "-V").Run() == nil {
		return bin
	}
	run(t, ".", "python3", "-m", "venv", "--clear", dir)
	run(t, ".", filepath.Join(bin, "python"), append([]string{"-m", "pip", "install", "-q", "--disable-pip-version-check"}, packages...)...)
	finish(t, dir)
	return bin
}

// Maven returns an artifact, "group:artifact:version", as a jar. It is kept between
// runs.
func Maven(t *testing.T, artifact string) string {
	t.Helper()
	dir := kept(t, "maven", artifact)
	defer lock(t, dir)()
	find := func() []string {
		jars, _ := filepath.Glob(filepath.Join(dir, "*.jar"))
		return jars
	}
	if len(find()) == 0 {
		run(t, t.TempDir(), "mvn", "-B", "-q", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy", "-Dartifact="+artifact, "-DoutputDirectory="+dir)
	}
	jars := find()
	if len(jars) != 1 {
		t.Fatalf("%s: one jar is wanted in %s, not %v", artifact, dir, jars)
	}
	return jars[0]
}

// Debian installs packages, as root or with sudo.
func Debian(t *testing.T, packages ...string) {
	t.Helper()
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		cmd := exec.Command("apt-get", args...)
		if os.Getuid() != 0 {
			cmd = exec.Command("sudo", append([]string{"-n", "apt-get"}, args...)...)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v cannot be installed; install them by hand: %v\n%s", packages, err, out)
		}
	}
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// Node returns the folder node_modules with npm packages and their dependencies, installed without
// running their scripts. It is kept between runs.
func Node(t *testing.T, packages ...string) string {
	t.Helper()
	dir := kept(t, "node", packages...)
	defer lock(t, dir)()
	if complete(dir) {
		return filepath.Join(dir, "node_modules")
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "npm", append([]string{"install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"}, packages...)...)
	finish(t, dir)
	return filepath.Join(dir, "node_modules")
}

// A GitHubEvent is a kind of event of GitHub's webhooks, with the example bodies that GitHub
// publishes.
type GitHubEvent struct {
	Name     string            `json:"name"`
	Examples []json.RawMessage `json:"examples"`
}

// GitHubExamples returns the examples of its webhooks that GitHub publishes.
func GitHubExamples(t *testing.T) (kinds []GitHubEvent) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(NPM(t, "@octokit/webhooks-examples@7.6.1"), "api.github.com", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &kinds); err != nil {
		t.Fatal(err)
	}
	return kinds
}
