//go:build servers

package embedded

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheFirstTryOfTheReadmeProvesWhatItSays types what docs/first-change.md says to type, with the
// tokens that changetrail up prints, and holds the answers against those that stand there.
func TestTheFirstTryOfTheReadmeProvesWhatItSays(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	typed, shown := firstTry(t, filepath.Join(root, "docs", "first-change.md"))
	if len(typed) < 10 || len(shown) < 5 {
		t.Fatalf("docs/first-change.md has the commands %q and the answers %q", typed, shown)
	}
	deploy := filepath.Join(folder, "deploy")
	if err := os.Symlink(filepath.Join(root, "deploy"), deploy); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(deploy) })
	out := tryFirst(t, typed, true)
	rest := out
	for _, line := range shown {
		for part := range strings.SplitSeq(line, "…") { // what is left out
			_, after, found := strings.Cut(rest, part)
			if !found {
				t.Fatalf("docs/first-change.md shows %q of the line %q, the command does not:\n%s", part, line, out)
			}
			rest = after
		}
	}
	out = tryFirst(t, typed, false)
	if proven := regexp.MustCompile(`(trigger|alternatives|authorized|reviewed) +proven:`); proven.MatchString(out) || !strings.Contains(out, "unverified-source") {
		t.Errorf("what comes without a token proves something:\n%s", out)
	}
}

// tryFirst runs commands beside a fresh changetrail up, with its tokens or without any, and
// returns what changetrail show says.
func tryFirst(t *testing.T, typed []string, tokens bool) string {
	t.Helper()
	data := filepath.Join(folder, "changetrail-data") // where every command looks first
	defer os.RemoveAll(data)
	p, err := start("up", "--policy", "deploy/example/policy.yaml", "--controls", "deploy/example/controls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop(syscall.SIGINT)
	if err := p.until("proves nothing", time.Minute); err != nil {
		t.Fatal(err)
	}
	var script []string
	for _, command := range typed {
		switch {
		case strings.HasPrefix(command, "go build"), strings.HasPrefix(command, "changetrail up"):
			continue
		case strings.HasPrefix(command, "export CHANGETRAIL_PRODUCER_GATEWAY"):
			command = "export CHANGETRAIL_PRODUCER_GATEWAY=" + p.page
		case strings.HasPrefix(command, "export CODE_HOST="):
			command = "export CODE_HOST=" + p.token(t, "code-host") + " CI=" + p.token(t, "ci") + " AGENT=" + p.token(t, "agent-bot-3000")
		case strings.HasPrefix(command, "changetrail show"):
			command = "for i in $(seq 100); do " + command + " | grep -q 'made from 8 events' && break; sleep 0.2; done >&2; " + command
		case strings.HasPrefix(command, "changetrail "):
			command += " >&2"
		}
		if _, bare, ok := strings.Cut(command, "changetrail "); ok && strings.HasPrefix(command, "CHANGETRAIL_PRODUCER_TOKEN=") && !tokens {
			command = "changetrail " + bare
		}
		script = append(script, command)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", strings.Join(script, "\n"))
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"), "CHANGETRAIL_STORE=changetrail-data") // the demo of other tests runs here, too
	var other strings.Builder
	cmd.Stderr = &other
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &other)
	}
	return string(out)
}

// token returns the token of a name that changetrail up printed.
func (p *process) token(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`: ` + regexp.QuoteMeta(name) + ` +(ct_\S+)`).FindStringSubmatch(p.out.String())
	if m == nil {
		t.Fatalf("no token of %s was printed: %s", name, p.out)
	}
	return m[1]
}

// firstTry returns the commands of a section of docs/first-change.md and the answers that it shows.
func firstTry(t *testing.T, path string) (typed, shown []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Send the events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	changing := regexp.MustCompile(`[0-9hms]+ after the merge`) // how long ago it was
	for line := range strings.Lines(section) {
		line, code := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		switch {
		case !code || line == "Answers":
		case strings.HasPrefix(line, "  "):
			shown = append(shown, changing.ReplaceAllString(line, "… after the merge"))
		default:
			command, _, _ := strings.Cut(line, "  #")
			typed = append(typed, strings.TrimSpace(command))
		}
	}
	return typed, shown
}
