package cloud

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	for where, want := range map[string]string{
		filepath.Join(t.TempDir(), "blobs"): "",
		"s3://evidence?regoin=x":            `unknown parameter "regoin"`,
		"ftp://host/blobs":                  "unknown scheme ftp://",
	} {
		_, err := Open(t.Context(), where)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", where, err, want)
		}
	}
}
