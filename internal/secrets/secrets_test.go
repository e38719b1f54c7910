package secrets

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// Assembled here, so that scanners of this repository find nothing in it.
var (
	githubToken  = "ghp" + "_" + "x7Kq2mVbT9sLw4RzNf1YcHp8DgJeA3uB6iOt"
	awsKey       = "AKIA" + "Q3EGRBLGY5XEX2MP"
	somePassword = "hunter7" + "Zq81kVx0Lw93"
	privateKey   = "-----BEGIN " + "RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEA1c7z5Pad7OejecsQ0buwv\n", 4) + "-----END " + "RSA PRIVATE KEY-----"
)

func redactor(t testing.TB, mode Mode) *Redactor {
	t.Helper()
	r, err := New(mode, []byte("a key of the test"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func quote(s string) string {
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}

func TestSecretsAreReplacedWhereverAgentsWriteFreely(t *testing.T) {
	for name, c := range map[string]struct {
		data   string
		secret string
		rule   string
	}{
		"a token in a command":          {`{"tool":"Bash","arguments":{"command":"git push https://x:` + githubToken + `@github.com/acme/payments"}}`, githubToken, "github-pat"},
		"a key deep in a result":        {`{"result":[{"env":["AWS_ACCESS_KEY_ID=` + awsKey + `"]}]}`, awsKey, "aws-access-token"},
		"a private key over many lines": {`{"result":` + quote("cat id_rsa\n"+privateKey) + `}`, "MIIEpAIBAAKCAQEA1c7z5Pad7OejecsQ0buwv", "private-key"},
		"a value that its name betrays": {`{"arguments":{"api_key":"` + somePassword + `"}}`, somePassword, "named-secret"},
		"one that asks to be allowed":   {`{"rationale":"token ` + githubToken + ` gitleaks:allow"}`, githubToken, "github-pat"},
		"in text that is escaped":       {`{"arguments":{"body":"{\"token\":\"` + githubToken + `\"}"}}`, githubToken, "github-pat"},
	} {
		t.Run(name, func(t *testing.T) {
			out, rules, err := redactor(t, Redacted).JSON(t.Context(), []byte(c.data), nil)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(out), c.secret) || !strings.Contains(string(out), "[redacted:"+c.rule+":") {
				t.Errorf("it became %s", out)
			}
			if !jsontext.Value(out).IsValid() {
				t.Errorf("it is no JSON: %s", out)
			}
			if len(rules) == 0 || rules[0] != c.rule {
				t.Errorf("rules are %v, want %s", rules, c.rule)
			}
		})
	}
}

func TestWhatIsJoinedByIsNeverChanged(t *testing.T) {
	for name, data := range map[string]string{
		"a commit, a digest, an account": `{"agent":{"id":"dependency-shepherd-81xQz"},"author":"q8Zk1vTx-Lw93mB","commit_sha":"2d711642b726b04401627ca9fbac32f5c8530fb1","token":"sha256:` + strings.Repeat("9f86d081", 8) + `"}`,
		"a commit within arguments":      `{"arguments":{"key":"2d711642b726b04401627ca9fbac32f5c8530fb1","auth":"0b8e3a8c-8f7e-4f0e-9d39-5d5b2a1c7e11"}}`,
		"nothing at all":                 `{ "tool" : "go test" }`,
	} {
		t.Run(name, func(t *testing.T) {
			out, rules, err := redactor(t, Redacted).JSON(t.Context(), []byte(data), nil)
			if err != nil {
				t.Fatal(err)
			}
			var want, got jsontext.Value = jsontext.Value(data), out
			_, _ = want.Canonicalize(), got.Canonicalize()
			if diff := cmp.Diff(string(want), string(got)); diff != "" || len(rules) > 0 {
				t.Errorf("rules %v (-want +got):\n%s", rules, diff)
			}
		})
	}
}

func TestTheModesKeepMoreOrLess(t *testing.T) {
	data := `{"tool":"Bash","arguments":{"token":"` + githubToken + `"},"result":"ok","rationale":"` + awsKey + `"}`
	for mode, want := range map[Mode]string{
		Full:         data,
		MetadataOnly: `{"tool":"Bash","rationale":"[redacted:aws-access-token:MARK]"}`,
		Redacted:     `{"tool":"Bash","arguments":{"token":"[redacted:github-pat:MARK]"},"result":"ok","rationale":"[redacted:aws-access-token:MARK]"}`,
	} {
		out, _, err := redactor(t, mode).JSON(t.Context(), []byte(data), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := string(out)
		for _, rule := range []string{"github-pat:", "aws-access-token:"} {
			if i := strings.Index(got, "[redacted:"+rule); i >= 0 {
				at := i + len("[redacted:"+rule)
				got = got[:at] + "MARK" + got[at+16:]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mode, diff)
		}
	}
	if _, err := ParseMode("some"); err == nil {
		t.Error("a mode that is none is taken")
	}
}

func TestTheSameSecretHasTheSameMarkerUnderOneKey(t *testing.T) {
	one, _, _ := redactor(t, Redacted).Text(t.Context(), "token "+githubToken)
	two, _, _ := redactor(t, Redacted).Text(t.Context(), "again "+githubToken)
	if a, b := one[strings.Index(one, "["):], two[strings.Index(two, "["):]; a != b {
		t.Errorf("%s and %s", a, b)
	}
	other, err := New(Redacted, []byte("another key"))
	if err != nil {
		t.Fatal(err)
	}
	if three, _, _ := other.Text(t.Context(), "token "+githubToken); three == one {
		t.Error("another key gives the same marker")
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"arguments":{"token":"` + githubToken + `"}}`)
	f.Add(`[1,"` + awsKey + `",null,{"a":[]}]`)
	f.Add(`{"a":`)
	r := redactor(f, Redacted)
	f.Fuzz(func(t *testing.T, data string) {
		out, _, err := r.JSON(t.Context(), []byte(data), nil)
		if err == nil && jsontext.Value(data).IsValid() && !jsontext.Value(out).IsValid() {
			t.Errorf("%q became %q", data, out)
		}
	})
}

func BenchmarkCleanEvent(b *testing.B) {
	r := redactor(b, Redacted)
	data := []byte(`{"agent":{"id":"agent-bot-3000","provider":"anthropic"},"tool":"run_tests","arguments":{"command":"go test ./... -run TestAll -count=1"},"result":"` + strings.Repeat("ok  github.com/acme/payments/internal/ledger 0.342s coverage: 81.2% of statements ", 22) + `"}`)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, _, err := r.JSON(b.Context(), data, nil); err != nil {
			b.Fatal(err)
		}
	}
}
