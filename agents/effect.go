package agents

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What a call of a tool does, the gravest last.
const (
	Reads   = ""
	Writes  = "write"
	Pushes  = "push"
	Spends  = "spend"
	Deploys = "deploy"
)

// An Effect says what a call of a tool does, before it is made.
type Effect struct {
	Does  string
	Files []string // that it writes, as the call names them
	// More says that it may write other files, too: the call does not say which, or it says it in a
	// form that this package does not know.
	More bool
}

// A Use is a call of a tool that is about to be made.
type Use struct {
	Tool  string
	Input []byte // JSON
	// AtRoot says that the call is made in the folder that contains .git. Elsewhere git may read its
	// settings, which name programs that it starts, from a folder that somebody committed.
	AtRoot bool
	// Harmless are the calls that the person at the machine allows whatever they do: NAME of a tool,
	// or NAME(command or file). A * at the end of either means any rest.
	Harmless []string
}

// readers are the tools of Claude Code and Codex that write no file and run no program. A tool that
// starts another agent is one of them: each call of that agent is a call of its own. A list of tasks
// is no file. Skills and commands of a project are not here, because their text may run programs.
var readers = words("Read Glob Grep LS NotebookRead WebFetch WebSearch TodoRead TodoWrite Task Agent TaskCreate TaskGet TaskList TaskUpdate TaskOutput TaskStop BashOutput KillShell KillBash " +
	"AskUserQuestion EnterPlanMode ExitPlanMode ToolSearch ListMcpResourcesTool ReadMcpResourceTool " +
	"update_plan view_image web_search read_file list_dir grep_files list_mcp_resources list_mcp_resource_templates read_mcp_resource")

// shells are the tools that run a command.
var shells = words("Bash shell local_shell exec_command shell_command")

func words(text string) map[string]bool {
	out := make(map[string]bool)
	for w := range strings.FieldsSeq(text) {
		out[w] = true
	}
	return out
}

// EffectOf says what a call does. Unknown tools, and commands that may do more than read,
// count as writing.
func EffectOf(u Use) Effect {
	switch {
	case readers[u.Tool]:
		return Effect{}
	case !utf8.Valid(u.Input):
		return Effect{Does: Writes, More: true}
	case shells[u.Tool]:
		return u.ofCommand()
	}
	e := Effect{Does: Writes, More: true}
	if writer.MatchString(u.Tool) {
		e = u.ofEdit()
	} else if strings.HasPrefix(u.Tool, "mcp__") {
		e.Does = doesOf(u.Tool)
	}
	if e.Does != Reads && u.harmless(e.Files) {
		return Effect{}
	}
	return e
}

// ofEdit returns what a tool for files writes.
func (u Use) ofEdit() Effect {
	named, ok := filesOf(u.Input)
	if !ok {
		return Effect{Does: Writes, More: true}
	}
	if named.views && strings.HasPrefix(strings.ToLower(u.Tool), "str") {
		return Effect{}
	}
	return Effect{Does: Writes, Files: named.files, More: len(named.files) == 0}
}

// ofCommand returns what a shell runs.
func (u Use) ofCommand() Effect {
	line, ok := commandIn(u.Input)
	if !ok {
		return Effect{Does: Writes, More: true}
	}
	parts, ok := simple(line)
	stays := !slices.ContainsFunc(parts, func(c simpleCommand) bool { return c.words[0] == "cd" })
	if ok && !slices.ContainsFunc(parts, func(c simpleCommand) bool {
		return !c.reads(u.AtRoot && stays) && !u.harmless([]string{strings.Join(c.words, " ")})
	}) {
		return Effect{}
	}
	return Effect{Does: doesOf(line), More: true}
}

// harmless reports whether the person allows calls of the tool whatever they do, or with each of
// these arguments.
func (u Use) harmless(arguments []string) bool {
	all := func(a string) bool {
		return slices.ContainsFunc(u.Harmless, func(entry string) bool {
			name, argument, some := strings.Cut(strings.TrimSuffix(entry, ")"), "(")
			return matches(name, u.Tool) && (!some || a != "" && matches(argument, a))
		})
	}
	if len(arguments) == 0 {
		return all("")
	}
	return !slices.ContainsFunc(arguments, func(a string) bool { return !all(a) })
}

// matches reports whether a text is a pattern, or begins with it if the pattern ends with *.
func matches(pattern, text string) bool {
	if start, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(text, start)
	}
	return pattern == text
}

// commandIn returns the command in the arguments of a shell: a text, or the words bash -lc TEXT.
func commandIn(arguments []byte) (line string, ok bool) {
	var input struct {
		Command jsontext.Value `json:"command"`
		Cmd     jsontext.Value `json:"cmd"`
	}
	if json.Unmarshal(arguments, &input) != nil || (input.Command == nil) == (input.Cmd == nil) {
		return "", false
	}
	v := slices.Concat(input.Command, input.Cmd)
	if json.Unmarshal(v, &line) == nil {
		return line, true
	}
	var argv []string
	if json.Unmarshal(v, &argv) != nil || len(argv) != 3 || argv[0] != "bash" && argv[0] != "sh" && argv[0] != "zsh" || argv[1] != "-c" && argv[1] != "-lc" {
		return strings.Join(argv, " "), false
	}
	return argv[2], true
}

// publishers are words of commands, and what they say about the command. The word after them, where
// one is named, must follow somewhere.
var publishers = []struct{ does, words, then string }{
	{Deploys, "kubectl oc helm helmfile terraform tofu terragrunt pulumi argocd flux skaffold ansible-playbook cdk serverless sls sam goreleaser twine vercel netlify flyctl fly heroku wrangler deploy", ""},
	{Deploys, "npm pnpm yarn cargo bun poetry uv", "publish"},
	{Deploys, "docker podman gem buildah skopeo crane", "push"},
	{Spends, "aws gcloud az doctl hcloud linode-cli oci ibmcloud stripe eksctl", ""},
	{Pushes, "gh glab hub", ""},
	{Pushes, "git hg jj mcp", "push"},
	{Pushes, "mcp", "merge"},
}

// maxCommand is the longest command, in bytes, whose words are looked at.
const maxCommand = 64 << 10

// doesOf names what a command, or a tool with such a name, does beyond writing files, from its words.
// It serves those who are asked for an approval, and decides nothing: a command can hide its words.
func doesOf(line string) string {
	at := make(map[string]int) // the last place of each word
	place := 0
	line = line[:min(len(line), maxCommand)]
	for w := range strings.FieldsFuncSeq(strings.ReplaceAll(strings.ToLower(line), "__", " "), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
	}) {
		place++
		at[w] = place
	}
	for _, p := range publishers {
		for w := range strings.FieldsSeq(p.words) {
			if from, ok := at[w]; ok && (p.then == "" || at[p.then] > from) {
				return p.does
			}
		}
	}
	return Writes
}
