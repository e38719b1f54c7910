package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestTrustIsReadStrictly: from the file as from the environment.
func TestTrustIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		`[{source: /jenkins/*, as: observed, may: [tests, scans], history: true}]`: "",
		`[{source: /jenkins/*, as: yes}]`:                                          `trust.unsigned[0]: as is "yes"`,
		`[{source: /jenkins/*, as: observed, may: [merges]}]`:                      `"merges" is not one of changes, pushes`,
		`[{source: /jenkins/*, as: observed, kinds: [tests]}]`:                     "there is no key kinds",
		`/jenkins/*`: "trust",
	} {
		file := filepath.Join(t.TempDir(), "changetrail.yaml")
		if err := os.WriteFile(file, []byte("trust: {unsigned: "+text+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		ofFile, err1 := Source{File: file, Folder: t.TempDir()}.Load()
		ofEnvironment, err2 := Source{File: os.DevNull, Environ: []string{"CHANGETRAIL_TRUST_UNSIGNED=" + text}, Folder: t.TempDir()}.Load()
		for where, err := range map[string]error{"file": errors.Join(err1, ofFile.Validate()), "environment": errors.Join(err2, ofEnvironment.Validate())} {
			if (err == nil) != (want == "") || err != nil && !strings.Contains(strings.ToLower(err.Error()), want) {
				t.Errorf("%s in the %s: %v, want %q", text, where, err, want)
			}
		}
		if want == "" && (!reflect.DeepEqual(ofFile.Trust, ofEnvironment.Trust) || len(ofFile.Trust.Unsigned) != 1 || !ofFile.Trust.Unsigned[0].History) {
			t.Errorf("%+v, %+v", ofFile.Trust, ofEnvironment.Trust)
		}
	}
}

// TestFormerNames: a key by its former name is read, from the file as from the environment,
// and one is told of the new name.
func TestFormerNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "changetrail.yaml")
	if err := os.WriteFile(file, []byte("stamp_key: a key of thirty-two characters\ntrust: {unstamped: [{source: /ci, as: observed}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ofFile, err1 := Source{File: file, Folder: t.TempDir()}.Load()
	ofEnvironment, err2 := Source{File: os.DevNull, Environ: []string{"CHANGETRAIL_STAMP_KEY=a key of thirty-two characters", "CHANGETRAIL_TRUST_UNSTAMPED=[{source: /ci, as: observed}]"}, Folder: t.TempDir()}.Load()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Config{ofFile, ofEnvironment} {
		said := strings.Join(s.warnings, "\n")
		if s.SigningKey != "a key of thirty-two characters" || len(s.Trust.Unsigned) != 1 || len(s.warnings) != 2 ||
			!strings.Contains(strings.ToLower(said), "signing_key") || strings.Contains(said, "thirty-two") {
			t.Errorf("%q %v, told %q", s.SigningKey, s.Trust.Unsigned, said)
		}
	}
	if err := os.WriteFile(file, []byte("stamp_key: a\nsigning_key: b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Source{File: file, Folder: t.TempDir()}).Load(); err == nil {
		t.Error("two names of one key are taken")
	}
}

// TestEveryPathBeginsWhereTheFileLies fails for a key of a file or a folder without the tag.
func TestEveryPathBeginsWhereTheFileLies(t *testing.T) {
	s := Defaults()
	s.Keys(func(path string, _ reflect.Value, tags reflect.StructTag) {
		names := strings.HasSuffix(path, "_file") || strings.HasSuffix(path, "dir") || strings.Contains(tags.Get("doc"), "folder") || strings.Contains(tags.Get("doc"), ".yaml")
		if names != (tags.Get("path") != "") {
			t.Errorf("%s: a path %v, with the tag %v", path, names, tags.Get("path") != "")
		}
	})
}

func TestTimeSpansHaveAnEnd(t *testing.T) {
	for text, want := range map[string]bool{"90d": true, "0": true, "24h": true, "106751d": true, "106752d": false, "213503982334602d": false, "-1d": false, "99999999999999999999d": false, "9999999h": false, "d": false} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); (err == nil) != want || d < 0 {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
}
