package hook

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A Commit is what a commit message is to say of the agent that makes it.
type Commit struct {
	Agent     string // id, or product, of the agent
	Model     string
	Run       string
	LogsURL   string
	LogDigest string

	Seen, Done, Validated, Refused []string
}

// RunIn tells from the environment whether an agent works here, and in which run:
// Claude Code and Codex tell it to the programs that they start; any other agent may
// with AGENT_EXECUTION, AGENT_ID, AGENT_MODEL and AGENT_LOGS_URL.
func RunIn(getenv func(string) string) (Commit, bool) {
	c := Commit{Agent: getenv("AGENT_ID"), Model: getenv("AGENT_MODEL"), Run: getenv("AGENT_EXECUTION"), LogsURL: getenv("AGENT_LOGS_URL")}
	for _, known := range []struct{ agent, variable string }{
		{ClaudeCode, "CLAUDE_CODE_SESSION_ID"}, {Codex, "CODEX_SESSION_ID"}, {Codex, "CODEX_THREAD_ID"},
	} {
		if id := getenv(known.variable); c.Run == "" && id != "" {
			c.Run = id
			c.Agent = cmp.Or(c.Agent, known.agent)
		}
	}
	if c.Run != "" && c.Agent == "" {
		c.Agent = "agent"
	}
	return c, c.Run != ""
}

// test is how commands look that validate something.
var test = regexp.MustCompile(`(?i)\b(tests?|pytest|jest|vitest|tox|nox|rspec|phpunit|check|verify|lint|ruff|eslint|clippy|vet|mypy|tsc|build|compile|semgrep|trivy|grype|osv-scanner|govulncheck|audit)\b`)

// Sum says in a few words each what was seen, done and validated in actions.
func (c *Commit) Sum(actions []event.Event) {
	for _, e := range actions {
		a := new(record.Action)
		if json.Unmarshal(e.Data(), a) != nil { // it was written here: cannot be
			continue
		}
		c.Model = cmp.Or(c.Model, a.Agent.Model)
		what := input(a)
		switch {
		case a.Outcome == "refused":
			c.Refused = add(c.Refused, strings.TrimSpace(a.Tool+" "+what))
		case len(a.Files) > 0:
			for _, f := range a.Files {
				c.Done = add(c.Done, f)
			}
		case a.Tool == "Read" || a.Tool == "Grep" || a.Tool == "Glob" || a.Tool == "WebFetch" || a.Tool == "WebSearch":
			c.Seen = add(c.Seen, what)
		case what != "" && (a.Tool == "Bash" || a.Tool == "shell" || a.Tool == "exec_command") && test.MatchString(what):
			c.Validated = add(c.Validated, fmt.Sprintf("%s (%s)", what, map[string]string{"success": "passed", "failure": "failed"}[a.Outcome]))
		}
	}
	for i, v := range c.Validated {
		c.Validated[i] = strings.TrimSuffix(v, " ()") // how it ended is not known
	}
}

// maxSummed bounds what a message lists of each.
const maxSummed = 12

func add(list []string, s string) []string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" || slices.Contains(list, s) || len(list) > maxSummed {
		return list
	}
	if len(list) == maxSummed {
		return append(list, "and more")
	}
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return append(list, s)
}

// input is what of the input of a tool tells people most.
func input(a *record.Action) string {
	var in struct {
		Command string `json:"command"`
		File    string `json:"file_path"`
		Pattern string `json:"pattern"`
		URL     string `json:"url"`
		Query   string `json:"query"`
	}
	_ = json.Unmarshal(a.Arguments, &in) // of another form, it tells nothing
	if in.File != "" {
		return path.Base(in.File)
	}
	for _, s := range []string{in.Command, in.Pattern, in.URL, in.Query} {
		if s != "" {
			return s
		}
	}
	return ""
}

// heading is the first line of the body.
const heading = "What the agent did:"

// Body is the paragraph that says it. None of its lines looks like a trailer.
func (c *Commit) Body() string {
	var b strings.Builder
	for _, part := range []struct {
		verb string
		list []string
	}{{"saw", c.Seen}, {"changed", c.Done}, {"validated with", c.Validated}, {"was refused", c.Refused}} {
		if len(part.list) > 0 {
			fmt.Fprintf(&b, "- %s %s\n", part.verb, strings.Join(part.list, ", "))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return heading + "\n" + b.String()
}

// Trailers lead from the commit to the run.
func (c *Commit) Trailers() []record.Trailer {
	assisted := c.Agent
	if c.Model != "" {
		assisted += ":" + c.Model
	}
	out := []record.Trailer{{Key: record.TrailerAssistedBy, Value: assisted}, {Key: record.TrailerExecution, Value: c.Run}}
	if c.LogsURL != "" {
		out = append(out, record.Trailer{Key: record.TrailerLogsURL, Value: c.LogsURL})
	}
	if c.LogDigest != "" {
		out = append(out, record.Trailer{Key: record.TrailerLog, Value: c.LogDigest})
	}
	return out
}

// Names reports whether a message names the run already.
func (c *Commit) Names(message string) bool {
	return slices.ContainsFunc(record.Trailers(message), func(t record.Trailer) bool {
		return t.Key == record.TrailerExecution && t.Value == c.Run
	})
}

// Write writes the body and the trailers into the file of a commit message. Lines
// that begin with comment are what git tells the person at the editor.
func (c *Commit) Write(file string, comment string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, insert(text, c.Body(), comment), 0o600); err != nil {
		return err
	}
	args := []string{"interpret-trailers", "--in-place", "--no-divider", "--if-exists", "addIfDifferent"}
	for _, t := range c.Trailers() {
		args = append(args, "--trailer", t.Key+": "+t.Value)
	}
	out, err := exec.Command("git", append(args, file)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("git interpret-trailers: %w: %s", err, out)
	}
	return nil
}

// trailerLine is how a line of the last paragraph looks that is a trailer.
var trailerLine = regexp.MustCompile(`^([A-Za-z0-9-]+\s*:|\s+\S|\(cherry picked from)`)

// insert puts a body behind the message and before its trailers and git's comments.
func insert(message []byte, body, comment string) []byte {
	if body == "" {
		return message
	}
	text, rest := message, []byte(nil)
	if comment != "" {
		for at := 0; at < len(message); {
			end := bytes.IndexByte(message[at:], '\n')
			if bytes.HasPrefix(message[at:], []byte(comment)) {
				text, rest = message[:at], message[at:]
				break
			}
			if end < 0 {
				break
			}
			at += end + 1
		}
	}
	if bytes.Contains(text, []byte("\n"+heading+"\n")) {
		return message // it is said already: the commit is made again
	}
	paragraphs := strings.Split(strings.TrimRight(string(text), "\n"), "\n\n")
	last := len(paragraphs)
	if last > 1 && !slices.ContainsFunc(strings.Split(paragraphs[last-1], "\n"), func(l string) bool { return !trailerLine.MatchString(l) }) {
		last-- // the last paragraph is trailers
	}
	paragraphs = slices.Insert(paragraphs, last, strings.TrimRight(body, "\n"))
	out := strings.Join(paragraphs, "\n\n") + "\n"
	if len(rest) > 0 {
		out += "\n" + string(rest)
	}
	return []byte(out)
}
