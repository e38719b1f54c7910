package digests

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestDigestsHaveOneForm(t *testing.T) {
	content := []byte("a report")
	h := sha256.New()
	h.Write(content)
	if Of(content) != Sum(h) || !Is(Of(content)) {
		t.Errorf("%s, %s", Of(content), Sum(h))
	}
	for _, s := range []string{"", "sha256:", "sha256:abc", strings.ToUpper(Of(nil)), "sha256:" + strings.ToUpper(Of(nil)[7:]), "sha256:" + strings.Repeat("g", 64), Of(nil) + "0", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("../", 21) + "a"} {
		if Is(s) {
			t.Errorf("%q is taken for a digest", s)
		}
	}
}
