package gitleaks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lucasjones/reggen"
	"github.com/zricethezav/gitleaks/v8/cmd/generate/config/utils"
	"github.com/zricethezav/gitleaks/v8/detect"

	"github.com/changetrail/changetrail/internal/secrets"
)

// Assembled here, so that scanners of this repository find nothing in it.
var (
	githubToken  = "ghp" + "_" + "x7Kq2mVbT9sLw4RzNf1YcHp8DgJeA3uB6iOt"
	awsKey       = "AKIA" + "Q3EGRBLGY5XEX2MP"
	somePassword = "hunter7" + "Zq81kVx0Lw93"
	privateKey   = "-----BEGIN " + "RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEA1c7z5Pad7OejecsQ0buwv\n", 4) + "-----END " + "RSA PRIVATE KEY-----"
)

// marker is what stands for a secret; identity is what is joined by, and stays.
var (
	marker   = regexp.MustCompile(`\[redacted:[a-z0-9-]{1,60}:[0-9a-f]{16}\]`)
	identity = regexp.MustCompile(`^([a-z0-9]+:)?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$|^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

func redactor(t *testing.T) *secrets.Redactor {
	t.Helper()
	r, err := secrets.New(secrets.Redacted, []byte("a key of the test"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gitleaks itself, as it is set up by default.
func gitleaks(t *testing.T) *detect.Detector {
	whole, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		t.Fatal(err)
	}
	whole.IgnoreGitleaksAllow = true
	return whole
}

// TestWhatGitleaksFindsInItsOwnCorpusIsFound goes through the texts with which gitleaks
// tests its rules: those in its source, and those that it makes from each expression.
func TestWhatGitleaksFindsInItsOwnCorpusIsFound(t *testing.T) {
	whole, r := gitleaks(t), redactor(t)
	texts := literals(t)
	for id, rule := range whole.Config.Rules {
		if rule.Regex == nil || id == "private-key" || strings.HasPrefix(id, "curl-") || id == "jwt" || id == "jwt-base64" || id == "kubernetes-secret-yaml" {
			continue // reggen does not end for some
		}
		generator, err := reggen.NewGenerator(rule.Regex.String())
		if err != nil {
			t.Fatal(err)
		}
		for seed := range int64(4) {
			generator.SetSeed(seed)
			texts = append(texts, utils.GenerateSampleSecrets(id, generator.Generate(1))...)
		}
	}
	finds, missed := 0, 0
	for _, text := range texts {
		out, _, err := r.Text(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range whole.DetectString(text) {
			finds++
			if strings.Contains(marker.ReplaceAllString(out, ""), f.Secret) && (f.RuleID != "generic-api-key" || !identity.MatchString(f.Secret)) {
				missed++
				t.Errorf("%s: %q is not found in %.300q, which became %.300q", f.RuleID, f.Secret, text, out)
			}
		}
	}
	t.Logf("%d secrets that gitleaks finds in %d texts, %d missed", finds, len(texts), missed)
	if finds < 500 {
		t.Error("this test tells little")
	}
}

// literals are the texts in the source of the rules of gitleaks: true positives and
// false ones.
func literals(t *testing.T) (out []string) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/zricethezav/gitleaks/v8").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "cmd", "generate", "config", "rules", "*.go"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil && len(s) > 12 {
					out = append(out, s)
				}
			}
			return true
		})
	}
	return out
}

// TestNoSecretIsMissedThatGitleaksFinds holds the shortcuts against gitleaks
// itself, over texts made from the names, the separators and the values that its
// rules look for.
func TestNoSecretIsMissedThatGitleaksFinds(t *testing.T) {
	whole, r := gitleaks(t), redactor(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	var words []string
	for k := range whole.Config.Keywords {
		words = append(words, k)
	}
	slices.Sort(words)
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/_-=.ſ\u212a"
	value := func() string {
		var b strings.Builder
		letters := []rune(alphabet)[:[]int{26, 62, 64, 68, 70}[rnd.IntN(5)]]
		for range []int{4, 10, 16, 20, 24, 32, 36, 40, 64, 90}[rnd.IntN(10)] {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		return b.String()
	}
	known := []string{githubToken, awsKey, somePassword, privateKey, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"}
	finds := 0
	for range 6000 {
		var b strings.Builder
		for range 1 + rnd.IntN(6) {
			switch rnd.IntN(6) {
			case 0:
				b.WriteString(known[rnd.IntN(len(known))])
			case 1, 2:
				b.WriteString(words[rnd.IntN(len(words))])
			case 3, 4:
				b.WriteString(value())
			default:
				b.WriteString([]string{"kind: Secret\ndata:\n  a: ", "the ", "AUTH", "my-api-Key", "Token\t"}[rnd.IntN(5)])
			}
			b.WriteString([]string{" ", "=", ": ", "='", `":"`, " => ", "\n", ",", ""}[rnd.IntN(9)])
		}
		text := b.String()
		for _, f := range whole.DetectString(text) {
			finds++
			out, _, err := r.Text(t.Context(), text)
			if err != nil || strings.Contains(out, f.Secret) && !strings.Contains("redacted", f.Secret) {
				t.Fatalf("%s is not found by %s in %q: %q %v", f.Secret, f.RuleID, text, out, err)
			}
		}
	}
	if finds < 1000 {
		t.Errorf("gitleaks found %d secrets: this test tells little", finds)
	}
	t.Logf("%d secrets", finds)
}
