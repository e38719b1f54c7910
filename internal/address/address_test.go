package address

import (
	"regexp"
	"testing"
)

// FuzzHosts holds what is a host against an expression.
func FuzzHosts(f *testing.F) {
	host := regexp.MustCompile(`^([\pL\pN_][\pL\pN\pM._-]*|\[[0-9a-f:.]+\])$`)
	for _, s := range []string{"", "github.com", "-a", ".a", "_a", "a-", "[::1]", "[", "[]", "[g]", "[::1", "[a]b", "b\u00fccher.de", "\u0301a", "a\u0301", "a\xff", "\ufffd", "a\ufffd", "a b", "a/b", "a\n", "[::1]\n", "\u0663.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := isHost(s), host.MatchString(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	})
}
