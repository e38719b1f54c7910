package generated

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A File is a file, or a part of one, that a test generates.
type File struct {
	Path string
	// Part is the name of the part. It lies between "<!-- PART: written by COMMAND -->" and
	// "<!-- end of PART -->", each on its own line. Empty means the whole file.
	Part string
	// Command writes it, for example "go test ./schemas -update".
	Command string
}

// Check fails the test if the file does not have want. If update is set, it writes want instead.
func (f File) Check(t testing.TB, want []byte, update bool) {
	t.Helper()
	if err := f.check(want, update); err != nil {
		t.Error(err)
	}
}

func (f File) check(want []byte, update bool) error {
	text, err := os.ReadFile(f.Path)
	if err != nil && (f.Part != "" || !os.IsNotExist(err)) {
		return err
	}
	whole, err := f.within(string(text), string(want))
	switch {
	case err != nil:
		return err
	case whole == string(text):
		return nil
	case !update:
		return fmt.Errorf("%s is not what the code generates; %s writes it", f.Path, f.Command)
	}
	return os.WriteFile(f.Path, []byte(whole), 0o600)
}

// within returns the text of the whole file with want in its place.
func (f File) within(text, want string) (string, error) {
	if f.Part == "" {
		return want, nil
	}
	begin, end := fmt.Sprintf("<!-- %s: written by %s -->\n", f.Part, f.Command), fmt.Sprintf("<!-- end of %s -->\n", f.Part)
	head, rest, found := strings.Cut(text, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", fmt.Errorf("%s has no place for the generated part: add the lines\n%s%s", f.Path, begin, end)
	}
	return head + begin + want + end + tail, nil
}
