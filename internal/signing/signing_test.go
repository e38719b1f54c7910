package signing

import (
	"fmt"
	"strings"
	"testing"
)

const secretA, secretB = "a-secret-of-thirty-two-characters", "b-secret-of-thirty-two-characters"

func keys(t *testing.T, lines ...string) Keys {
	t.Helper()
	k, err := Parse(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestRotation: while one key replaces another, no signature is refused, whatever the order in
// which processes learn about it.
func TestRotation(t *testing.T) {
	private, public, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	steps := []Keys{keys(t, secretA), keys(t, secretA, public), keys(t, private, secretA), keys(t, public, secretA)}
	for i, from := range steps {
		for j, to := range steps {
			if !from.CanSign() {
				continue
			}
			knows := i != 2 || j != 0 // a process with only the old key learns the new one before it signs
			if got := to.Verify(from.Sign("use", "x"), "use", "x"); got != knows {
				t.Errorf("signed at step %d, verified at step %d: %t", i, j, got)
			}
		}
	}
}

// TestForgery: only the same parts for the same use and key verify.
func TestForgery(t *testing.T) {
	private, public, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []Keys{keys(t, secretA), keys(t, private)} {
		sig := k.Sign("events", "a", "bc", "")
		if !k.Verify(sig, "events", "a", "bc", "") {
			t.Fatal("its own signature does not verify")
		}
		for _, parts := range [][]string{{"ab", "c", ""}, {"a", "bc"}, {"a", "", "bc"}, {"a", "bc", "", ""}, {"a2", "bc", ""}, nil} {
			if k.Verify(sig, "events", parts...) {
				t.Errorf("%q verifies", parts)
			}
		}
		if k.Verify(sig, "records", "a", "bc", "") || k.Verify("", "events", "a", "bc", "") || k.Verify(sig+"A", "events", "a", "bc", "") || k.Verify(strings.ToUpper(sig), "events", "a", "bc", "") {
			t.Error("a signature for another use, none, or another verifies")
		}
		if other := keys(t, secretB); other.Verify(sig, "events", "a", "bc", "") {
			t.Error("another key verifies it")
		}
	}
	only := keys(t, public)
	if only.CanSign() || only.Sign("events", "x") != "" || !only.Verify(keys(t, private).Sign("events", "x"), "events", "x") {
		t.Error("a public key signs, or does not verify")
	}
	if (Keys{}).Verify((Keys{}).Sign("events", "x"), "events", "x") || (Keys{}).VerifyFormer("", "x") {
		t.Error("no keys believe an empty signature")
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"short", "ed25519:AAAA", "ed25519-public:%%", "ed25519:"} {
		if _, err := Parse(bad); err == nil || strings.Contains(err.Error(), "AAAA") || strings.Contains(err.Error(), "short") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if k, err := Parse(" \n"); err != nil || k.Any() {
		t.Errorf("nothing: %v %v", k, err)
	}
	if text := fmt.Sprint(keys(t, secretA)); strings.Contains(text, "secret") {
		t.Errorf("prints %s", text)
	}
}

func BenchmarkSign(b *testing.B) {
	private, _, err := Pair()
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("x", 3000)
	for name, line := range map[string]string{"hmac": secretA, "ed25519": private} {
		k, err := Parse(line)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/sign", func(b *testing.B) {
			for b.Loop() {
				k.Sign("records", body)
			}
		})
		sig := k.Sign("records", body)
		b.Run(name+"/verify", func(b *testing.B) {
			for b.Loop() {
				k.Verify(sig, "records", body)
			}
		})
	}
}
