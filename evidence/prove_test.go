//go:build servers

package evidence

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTAPAgainstProve compares our verdict on generated TAP with prove, the reference harness: what
// prove fails is no success.
func TestTAPAgainstProve(t *testing.T) {
	if _, err := exec.LookPath("prove"); err != nil {
		t.Fatal("install perl, which brings prove")
	}
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	agreed := 0
	for i := range 400 {
		text := madeTAP(rnd)
		write(t, dir, "a.tap", text)
		passes := exec.Command("prove", "-q", "--exec", "cat", filepath.Join(dir, "a.tap")).Run() == nil
		r, err := Read([]byte(text))
		green := err == nil && r.Conclusion == "success"
		switch {
		case green && !passes:
			t.Fatalf("%d: a success, and prove says no:\n%s", i, text)
		case passes && err == nil && r.Conclusion == "failure":
			t.Fatalf("%d: a failure (%v), and prove says yes:\n%s", i, r.Failing, text)
		case green:
			agreed++
		}
	}
	if agreed < 20 {
		t.Errorf("only %d of them passed", agreed)
	}
}

// madeTAP generates a file that is often valid and sometimes slightly wrong.
func madeTAP(rnd *rand.Rand) string {
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	n := rnd.IntN(4)
	plan := fmt.Sprintf("1..%d\n", max(0, n+[]int{0, 0, 0, 0, 1, -1}[rnd.IntN(6)]))
	text := pick("TAP version 13\n", "")
	first := rnd.IntN(2) == 0
	if first {
		text += plan
	}
	for i := range n {
		text += pick("ok", "ok", "ok", "ok", "ok", "not ok") + pick(fmt.Sprintf(" %d", i+1), "") + pick("", " - a", " a") +
			pick("", "", " # SKIP x", " # TODO y") + "\n" + pick("", "", "# said\n", "  ---\n  k: not ok\n  ...\n")
	}
	if !first {
		text += plan
	}
	return text + pick("", "", "", "", "", "Bail out!\n")
}
