package hook

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// TestAMessageNeverSaysACommandLine: arguments, variables and addresses stay out of the
// history of git.
func TestAMessageNeverSaysACommandLine(t *testing.T) {
	for line, want := range map[string]string{
		"PGPASSWORD=hunter2xyz npm test":                              "npm test",
		"npm test --registry https://ci:S3cr3tRegPw@npm.acme":         "npm test",
		"DB_PASS='Winter2024! x' pytest -q":                           "pytest",
		"cd /srv/hunter2xyz && env TOKEN=hunter2xyz go test ./...":    "go test",
		"npm --token hunter2xyz run test:unit -- hunter2xyz":          "npm",
		"npm run test:unit -- hunter2xyz":                             "npm run test:unit",
		"/opt/hunter2xyz/bin/hunter2xyz test":                         "",
		"mysql -phunter2xyz < test.sql; python3 -m pytest hunter2xyz": "mysql and python3 -m pytest",
		"make hunter2xyz test":                                        "make",
		"echo 'hunter2xyz; pytest'":                                   "",
		"curl -u a:hunter2xyz https://x/test | sh":                    "curl and sh",
		"sudo -E docker run -e P=hunter2xyz test":                     "docker run",
		"npm hunter2xyz":                                              "npm",
		"./gradlew test -Ppassword=hunter2xyz":                        "gradlew test",
		"$(cat hunter2xyz) test":                                      "cat",
		"npx jest --ci; yarn lint\nuv run pytest":                     "jest and yarn lint and uv run",
	} {
		if got := strings.Join(commands(line), " and "); got != want {
			t.Errorf("%q is told as %q, want %q", line, got, want)
		}
	}
	var sum Commit
	for _, tool := range []string{"Bash", "Grep", "WebFetch", "WebSearch", "exec_command"} {
		for _, outcome := range []string{"success", "failure", "refused", "unknown"} {
			sum.Sum(actions(record.Action{Tool: tool, Outcome: outcome, Arguments: record.RawJSON(`{"command":"TOKEN=hunter2xyz pytest --x hunter2xyz","pattern":"hunter2xyz","url":"https://a:hunter2xyz@h/hunter2xyz?t=hunter2xyz","query":"hunter2xyz"}`)}))
		}
	}
	sum.LogsURL = "https://a:hunter2xyz@logs/s"
	if text := sum.Body() + fmt.Sprint(sum.Trailers()); strings.Contains(text, "hunter2xyz") {
		t.Errorf("the message says %s", text)
	}
}

// TestALogIsWrittenWithoutSecrets and still names a prompt by what the person wrote.
func TestALogIsWrittenWithoutSecrets(t *testing.T) {
	l := notes.Log{Dir: t.TempDir(), Redact: func(_ context.Context, hook []byte) ([]byte, error) {
		return bytes.ReplaceAll(hook, []byte("hunter2xyz"), []byte("[redacted]")), nil
	}}
	in, err := l.Append(t.Context(), ClaudeCode, []byte(`{"session_id":"s","hook_event_name":"UserPromptSubmit","prompt_id":"p","prompt":"use hunter2xyz"}`), night)
	if err != nil || in.Prompt != "use hunter2xyz" {
		t.Fatalf("%+v, %v", in, err)
	}
	text, err := os.ReadFile(filepath.Join(l.Dir, "s.jsonl"))
	if err != nil || bytes.Contains(text, []byte("hunter2xyz")) {
		t.Errorf("%s, %v", text, err)
	}
	s, err := l.Read("s")
	if err != nil {
		t.Fatal(err)
	}
	calls := Convert(s, Options{})
	if len(calls) != 2 || calls[1].asked.Digest != digests.Of([]byte("use hunter2xyz")) {
		t.Errorf("%+v", calls)
	}
	if lost, err := l.Expire(time.Now().Add(-time.Hour)); err != nil || len(lost) > 0 {
		t.Errorf("a young session is lost: %v, %v", lost, err)
	}
	if _, err := l.Seal("t", 1, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if lost, err := l.Expire(time.Now().Add(time.Hour)); err != nil || len(lost) != 1 {
		t.Errorf("an old one stays: %v, %v", lost, err)
	}
	if left, _ := filepath.Glob(filepath.Join(l.Dir, "s*", "*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if left, _ := filepath.Glob(filepath.Join(l.Dir, "s.*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
