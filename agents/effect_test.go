package agents

import (
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/changetrail/changetrail/internal/gittest"
)

func TestEffects(t *testing.T) {
	reads, unknown := Effect{}, Effect{Does: Writes, More: true}
	writes := func(files ...string) Effect { return Effect{Does: Writes, Files: files} }
	for name, c := range map[string]struct {
		tool, input string
		want        Effect
	}{
		"Claude Code reads":                       {"Read", `{"file_path":"/w/a"}`, reads},
		"Claude Code searches":                    {"Grep", `{"pattern":"x"}`, reads},
		"a sub-agent is asked call by call":       {"Task", `{"prompt":"delete all"}`, reads},
		"Codex notes its plan":                    {"update_plan", `{}`, reads},
		"an edit":                                 {"Edit", `{"file_path":"/w/a","old_string":"x","new_string":"y"}`, writes("/w/a")},
		"a file outside of the project":           {"Write", `{"file_path":"/etc/passwd"}`, writes("/etc/passwd")},
		"a way out of the project":                {"Write", `{"file_path":"/w/../etc/passwd"}`, writes("/w/../etc/passwd")},
		"a notebook":                              {"NotebookEdit", `{"notebook_path":"n.ipynb"}`, writes("n.ipynb")},
		"a patch of Codex":                        {"apply_patch", `{"command":"*** Begin Patch\n*** Update File: a.py\n*** Move to: auth/b.py\n*** Add File: c\n*** Delete File: d\n*** End Patch"}`, writes("a.py", "auth/b.py", "c", "d")},
		"a patch that names nothing":              {"apply_patch", `{"command":"*** Begin Patch"}`, unknown},
		"an edit that claims to view":             {"Edit", `{"file_path":"/w/a","command":"view"}`, writes("/w/a")},
		"an editor that views":                    {"str_replace_editor", `{"path":"/w/a","command":"view"}`, reads},
		"an edit that names two files by one key": {"Edit", `{"file_path":"docs/a","file_path":"auth/b"}`, unknown},
		"an edit of no file":                      {"Edit", `{}`, unknown},
		"an edit that is no JSON":                 {"Edit", `{`, unknown},
		"an edit that is no text":                 {"Edit", "{\"file_path\":\"\xff\"}", unknown},
		"a tool that nobody knows":                {"Frobnicate", `{}`, unknown},
		"reading in another case":                 {"read", `{}`, unknown},
		"a tool of MCP":                           {"mcp__files__read_file", `{}`, unknown},
		"a tool of MCP that pushes":               {"mcp__github__push_files", `{}`, Effect{Does: Pushes, More: true}},
		"a tool of MCP that merges":               {"mcp__github__merge_pull_request", `{}`, Effect{Does: Pushes, More: true}},
		"a tool of MCP with our name":             {"mcp__changetrail__check_authorization", `{}`, unknown},
		"a skill":                                 {"Skill", `{"skill":"x"}`, unknown},
		"a command in two ways":                   {"Bash", `{"command":"ls","cmd":"rm a"}`, unknown},
		"no command":                              {"Bash", `{}`, unknown},
		"a command that is no text":               {"Bash", `{"command":7}`, unknown},
		"a command as words":                      {"shell", `{"command":["bash","-lc","ls -l"]}`, reads},
		"a program as words":                      {"shell", `{"command":["ls","-l","x"]}`, unknown},
		"a huge command":                          {"Bash", `{"command":"ls ` + strings.Repeat("a ", 1<<20) + `"}`, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, EffectOf(Use{Tool: c.tool, Input: []byte(c.input), AtRoot: true}), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// commandsThatRead and commandsThatWrite are read by a shell in the folder of .git.
var commandsThatRead = []string{
	"ls", "ls -la src | head -3", "cat a.go 2>/dev/null", "cd src && ls", "cat 'a b' \"c d\"", "grep -rn 'func main' . 2>&1", "git status --short", "git --no-pager log --oneline -5", "git diff HEAD -- a.go",
	"git branch --show-current", "git stash list", "rg -n x; wc -l a.go", "find . -name '*.go' -o -type d", "ls\ncat a.go", "sort -n a.go", "ls *.go", "echo done && pwd || true", "git grep -n x", "cat a > /dev/null",
}

var commandsThatWrite = map[string]string{
	"rm -rf a": Writes, "cat a > b": Writes, "ls\nrm a": Writes, "ls; rm a": Writes, "ls & rm a": Writes, "ls &": Writes, "ls $(rm a)": Writes, "ls `rm a`": Writes, `ls "$(rm a)"`: Writes, "ls <(rm a)": Writes, "ls $X": Writes,
	"cat a | sh": Writes, "X=1 ls": Writes, "PATH=. ls": Writes, "./ls": Writes, "/bin/ls": Writes, "l\\s": Writes, "find . -delete": Writes, "find . -exec rm {} +": Writes, "find *": Writes, "sort -o a b": Writes, "sort -nob a": Writes,
	"sort --outp=a b": Writes, "sort *": Writes, "rg --pre ./x y": Writes, "git diff --output=a": Writes, "git log --outp=x": Writes, "git grep -Ovi x": Writes, "git -c core.pager=x log": Writes, "git -C d status": Writes, "cd d && git status": Writes,
	"git branch x": Writes, "git stash": Writes, "git worktree": Writes, "git commit -m x": Writes, "git config user.name": Writes, "printf -v 'x[$(rm a)]' y": Writes, "[ -v 'x[$(rm a)]' ]": Writes, "env rm a": Writes, "uniq a b": Writes, "date 1": Writes, "tee a": Writes,
	"sed -n 'w b' a": Writes, "awk 'BEGIN{system(\"rm a\")}'": Writes, "{ rm a; }": Writes, "ls # rm": Writes, "! ls": Writes, "ls ~": Writes, "ls 'a": Writes, "": Writes, ";": Writes, "ls ;;": Writes, "ls >/dev/nullx": Writes, "ls \x00": Writes, "ls \u00a0rm": Writes,
	"eval 'git push'": Pushes, "git push origin main": Pushes, "ls && git push": Pushes, "gh pr merge 7": Pushes, "kubectl apply -f x": Deploys, "cd infra; terraform apply": Deploys, "npm publish": Deploys, "docker push x": Deploys, "aws ec2 run-instances": Spends,
	"kubectl get pods": Deploys, "npm test": Writes,
}

func TestCommands(t *testing.T) {
	use := func(line string) Use {
		input, err := json.Marshal(map[string]string{"command": line})
		if err != nil {
			t.Fatal(err)
		}
		return Use{Tool: "Bash", Input: input, AtRoot: true}
	}
	for _, line := range commandsThatRead {
		if e := EffectOf(use(line)); e.Does != Reads {
			t.Errorf("%q: %+v", line, e)
		}
	}
	for line, does := range commandsThatWrite {
		if e := EffectOf(use(line)); e.Does != does || !e.More {
			t.Errorf("%q: %+v, want %s", line, e, does)
		}
	}
	u := use("git status")
	if u.AtRoot = false; EffectOf(u).Does != Writes {
		t.Error("git reads its settings from a folder that anybody may have committed")
	}
}

func TestWhatThePersonAllowsIsHarmless(t *testing.T) {
	for _, c := range []struct {
		tool, input, entry string
		harmless           bool
	}{
		{"mcp__changetrail__explain_change", `{}`, "mcp__changetrail__*", true},
		{"mcp__changetrails__x", `{}`, "mcp__changetrail__*", false},
		{"Bash", `{"command":"npm test"}`, "Bash(npm test)", true},
		{"Bash", `{"command":"npm test -- x | head"}`, "Bash(npm test *)", true},
		{"Bash", `{"command":"npm testing"}`, "Bash(npm test)", false},
		{"Bash", `{"command":"npm test; rm a"}`, "Bash(npm test*)", false},
		{"Bash", `{"command":"npm test > a"}`, "Bash(npm test*)", false},
		{"Bash", `{"command":"npm test $(rm a)"}`, "Bash(npm test*)", false},
		{"Bash", `{"command":"rm a"}`, "Bash", true},
		{"Write", `{"file_path":"/tmp/a"}`, "Write(/tmp/*)", true},
		{"Edit", `{"file_path":"/tmp/a"}`, "Write(/tmp/*)", false},
		{"apply_patch", `{"command":"*** Add File: /tmp/a\n*** Add File: /w/a"}`, "apply_patch(/tmp/*)", false},
		{"Write", `{}`, "Write(*)", false},
	} {
		if e := EffectOf(Use{Tool: c.tool, Input: []byte(c.input), Harmless: []string{c.entry}}); (e.Does == Reads) != c.harmless {
			t.Errorf("%s %s with %s: %+v", c.tool, c.input, c.entry, e)
		}
	}
}

// TestWhatReadsWritesNothing runs random commands that count as reading in a real shell, among files
// with hostile names: no file may change.
func TestWhatReadsWritesNothing(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	gittest.Run(t, dir, "init", "-q")
	for _, name := range []string{"a", "b", "-delete", "-o", "--output=z", "-oz", "-exec", "--pre=x", "-C", "x.go", "-O"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("touch z\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fragments := []string{
		"ls", "cat", "sort", "find", "git", "tree", "file", "grep", "head", "cd", "uniq", "tee", "echo", "status", "diff", "log", "branch", "grep", "touch", "rm", "sh", "printf", "xargs",
		"a", "b", "z", "*", "-*", "?o*", "-o", "-oz", "--output=z", "--out", "-delete", "-exec", "-O", "-C", "-v", "--", "-n", "'x[$(touch z)]'", "$(touch z)", "`touch z`", "\"$(touch z)\"", "'touch z'", "{a,-delete}", "~", "$HOME", "\\;",
		"|", ";", "&&", "||", "\n", "&", ">", "2>&1", ">z", "> /dev/null", "&>z", "2>/dev/null", "<(touch z)", "z=1", "#", "!", "(", ")", "'", "\"",
	}
	before := snapshot(t, dir)
	random := rand.New(rand.NewPCG(1, 2))
	ran := 0
	for range 60_000 {
		var b strings.Builder
		for range 1 + random.IntN(5) {
			b.WriteString(fragments[random.IntN(len(fragments))])
			if random.IntN(8) > 0 {
				b.WriteByte(' ')
			}
		}
		line := b.String()
		parts, ok := simple(line)
		if !ok || slices.ContainsFunc(parts, func(c simpleCommand) bool { return !c.reads(true) }) {
			continue
		}
		if ran++; ran > 400 {
			break
		}
		cmd := exec.Command(shell, "-c", line)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1"}
		_ = cmd.Run() // most commands complain
		if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
			t.Fatalf("%q counts as reading: %s", line, diff)
		}
	}
	if ran < 400 {
		t.Errorf("only %d commands ran", ran)
	}
}

// snapshot returns the files below a folder with their contents, without the cache of git.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "index" {
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzEffect(f *testing.F) {
	for _, line := range commandsThatRead {
		f.Add("Bash", line)
	}
	for line := range commandsThatWrite {
		f.Add("Bash", line)
	}
	f.Add("apply_patch", "*** Move to: x")
	f.Fuzz(func(t *testing.T, tool, line string) {
		input, err := json.Marshal(map[string]string{"command": line, "file_path": line})
		if err != nil {
			return // no input of a tool: JSON has no invalid UTF-8
		}
		e := EffectOf(Use{Tool: tool, Input: input, AtRoot: true})
		if e.Does == Reads && (e.More || len(e.Files) > 0) || e.Does != Reads && !e.More && len(e.Files) == 0 {
			t.Errorf("%+v", e)
		}
	})
}
