package secrets

import (
	"encoding/json"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// caught reports whether nothing of a secret remains in a text: none of its lines, and no part of
// them that would reveal it.
func caught(out, secret string) bool {
	for line := range strings.SplitSeq(strings.ReplaceAll(secret, `\n`, "\n"), "\n") {
		if len(line) >= 3 && !strings.HasPrefix(line, "-----") && strings.Contains(out, line) {
			return false
		}
		if n := len(line) * 2 / 3; n >= 8 && !strings.HasPrefix(line, "-----") && (strings.Contains(out, line[:n]) || strings.Contains(out, line[len(line)-n:])) {
			return false
		}
	}
	return true
}

// TestSecretsAreCaught prints how many secrets of the corpus are found in plain text.
func TestSecretsAreCaught(t *testing.T) {
	r := redactor(t, Redacted)
	all := spills()
	kinds := make(map[string]bool)
	missed := 0
	for _, s := range all {
		kinds[s.kind] = true
		out, _, err := r.Text(t.Context(), s.text)
		if err != nil {
			t.Fatal(err)
		}
		if !caught(out, s.secret) {
			missed++
			t.Logf("missed, %s: %q became %q", s.kind, s.text, out)
		}
	}
	t.Logf("%d of %d secrets of %d kinds are found (%.1f %%)", len(all)-missed, len(all), len(kinds), 100*float64(len(all)-missed)/float64(len(all)))
	if len(all) < 200 || len(kinds) < 50 || missed*100 > len(all)*5 {
		t.Errorf("%d of %d secrets of %d kinds are missed", missed, len(all), len(kinds))
	}
}

// everywhere is an event with a %s in every place that may contain text.
const everywhere = `{"agent":{"id":"%s","name":"%s","model":"%s","run":"%s","logs_url":"%s","unknown":"%s"},"tool":"%s","call_id":"%s","arguments":{"command":"%s","env":["%s"],"deep":{"a":[{"b":"%s"}]},"%s":1},"result":"%s","files":["%s"],"dependencies":[{"name":"%s","from":"%s"}],"trigger":{"id":"%s","finding":"%s","summary":"%s"},"options":[{"id":"%s","title":"%s"}],"scope":["%s"],"branch":"%s","name":"%s","title":"%s","rationale":"%s","commits":[{"subject":"%s","trailers":[{"key":"Note","value":"%s"}]}],"customData":{"x":"%s"},"x_unknown":"%s"}`

// TestSecretsAreCaughtInEveryMember prints the same for each place in the data of an event,
// including names of members.
func TestSecretsAreCaughtInEveryMember(t *testing.T) {
	r := redactor(t, Redacted)
	places := strings.Split(everywhere, "%s")
	all, missed, n := spills(), 0, 0
	for i, s := range all {
		if i%4 != 0 { // a quarter of the corpus in each place
			continue
		}
		quoted, _ := json.Marshal(s.text)
		for at := 1; at < len(places); at++ {
			data := strings.Join(places[:at], "x") + string(quoted[1:len(quoted)-1]) + strings.Join(places[at:], "x")
			out, _, err := r.JSON(t.Context(), []byte(data), nil)
			if err != nil || !jsontext.Value(out).IsValid() {
				t.Fatalf("%s: %v in %s", out, err, data)
			}
			n++
			inside := ""
			for d := jsontext.NewDecoder(strings.NewReader(string(out))); ; {
				token, err := d.ReadToken()
				if err != nil {
					break
				}
				inside += token.String() + "\n"
			}
			if !caught(inside, s.secret) {
				missed++
			}
		}
	}
	t.Logf("%d of %d secrets in %d places are found (%.1f %%)", n-missed, n, len(places)-1, 100*float64(n-missed)/float64(n))
	if n == 0 || missed*100 > n*5 {
		t.Errorf("%d of %d are missed", missed, n)
	}
}

// ordinary returns n texts without secrets: lines of the source of Go, and of the
// demo and the testdata here, and names, paths and ids.
func ordinary(t *testing.T, n int) []string {
	rnd := rand.New(rand.NewPCG(3, 5))
	var all []string
	lines := func(root string, share int, want func(path string) bool) {
		var found []string
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !want(path) || rnd.IntN(4) > 0 {
				return err
			}
			text, err := os.ReadFile(path)
			for line := range strings.SplitSeq(string(text), "\n") {
				if line = strings.TrimSpace(line); len(line) > 3 && len(line) < 600 {
					found = append(found, line)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		rnd.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		all = append(all, found[:min(len(found), share)]...)
	}
	source := func(path string) bool {
		return strings.HasSuffix(path, ".go") && !strings.Contains(path, "/crypto/") && !strings.Contains(path, "_test.go")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines(filepath.Join(strings.TrimSpace(string(root)), "src"), n/2, source)
	lines(filepath.Join("..", "demo"), n/8, func(string) bool { return true })
	lines(filepath.Join("..", "..", "docs"), n/8, func(path string) bool { return strings.HasSuffix(path, ".md") })
	lines(filepath.Join("..", "..", "evidence", "testdata"), n/8, func(path string) bool {
		return strings.HasSuffix(path, "json") && !strings.Contains(path, "gitleaks") && !strings.Contains(path, "bandit") && !strings.Contains(path, "gosec")
	})
	m := maker{rnd}
	for len(all) < n {
		all = append(all, []string{
			"commit " + m.of(hexes, 40), "sha256:" + m.of(hexes, 64), m.of(hexes, 8) + "-" + m.of(hexes, 4) + "-4" + m.of(hexes, 3) + "-a" + m.of(hexes, 3) + "-" + m.of(hexes, 12),
			"Idempotency-Key: " + m.of(hexes, 8) + "-" + m.of(hexes, 4) + "-4" + m.of(hexes, 3) + "-a" + m.of(hexes, 3) + "-" + m.of(hexes, 12),
			"toolu_01" + m.of(alnum, 22), "lodash@4.17." + m.of(digits, 2), "go test ./... -run TestAll -count=1", "src/api/keys/tokens_" + m.of(hexes, 4) + ".go:12:3",
			"2026-03-01T03:47:00Z level=info msg=\"read 12 events\" took=3ms run=run-" + m.of(hexes, 8), "public_key: ssh-ed25519", "key: value", "PASSWORD=$DB_PASSWORD ./run", "password: ${{ secrets.DB }}", "--token <token>",
			"PASS src/api/keys.test.js (5.211 s)", "h1:" + m.of(alnum, 43) + "=", "pkg:npm/%40acme/auth@1.2." + m.of(digits, 2), "traceparent 00-" + m.of(hexes, 32) + "-" + m.of(hexes, 16) + "-01",
		}[rnd.IntN(18)])
	}
	return all[:n]
}

// TestOrdinaryTextStaysAsItIs prints how much of text without secrets is changed.
func TestOrdinaryTextStaysAsItIs(t *testing.T) {
	r := redactor(t, Redacted)
	all := ordinary(t, 10_000)
	changed := 0
	for _, text := range all {
		out, _, err := r.Text(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if out != text {
			changed++
			t.Logf("changed: %.300q became %.300q", text, out)
		}
	}
	t.Logf("%d of %d ordinary texts are changed (%.2f %%)", changed, len(all), 100*float64(changed)/float64(len(all)))
	if len(all) < 10_000 || changed*100 > len(all) {
		t.Errorf("%d of %d are changed", changed, len(all))
	}
}
