package hook

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/record"
)

// A Commit is what a commit message says about the agent that makes the commit.
type Commit struct {
	Agent     string // id, or product, of the agent
	Model     string
	Run       string
	LogsURL   string
	LogDigest string

	Seen, Done, Validated, Refused []string
}

// RunIn reports from the environment whether an agent works here, and in which run:
// Claude Code and Codex pass it to the programs that they start; any other agent may
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
	for _, said := range []*string{&c.Agent, &c.Model, &c.Run, &c.LogsURL} {
		*said = oneLine(*said)
	}
	if c.Run != "" && c.Agent == "" {
		c.Agent = "agent"
	}
	return c, c.Run != ""
}

// oneLine returns a text as one line of a message. A line break in it could otherwise begin another
// trailer.
func oneLine(s string) string {
	s = printable.OneLine(s)
	return strings.ToValidUTF8(s[:min(len(s), maxLine)], "")
}

// maxLine bounds such a text, in bytes.
const maxLine = 1000

// test matches commands that validate something.
var test = regexp.MustCompile(`(?i)\b(tests?|pytest|jest|vitest|tox|nox|rspec|phpunit|check|verify|lint|ruff|eslint|clippy|vet|mypy|tsc|build|compile|semgrep|trivy|grype|osv-scanner|govulncheck|audit)\b`)

// Sum describes in a few words what was seen, done and validated in actions.
func (c *Commit) Sum(actions []event.Event) {
	for _, e := range actions {
		a := new(record.Action)
		if json.Unmarshal(e.Data(), a) != nil { // it was written here, so this never happens
			continue
		}
		c.Model = cmp.Or(c.Model, a.Agent.Model)
		line, what := input(a)
		switch {
		case a.Outcome == "refused":
			c.Refused = add(c.Refused, strings.TrimSpace(a.Tool+" "+what))
		case len(a.Files) > 0:
			for _, f := range a.Files {
				c.Done = add(c.Done, f)
			}
		case a.Tool == "Read" || a.Tool == "WebFetch":
			c.Seen = add(c.Seen, what)
		case what != "" && (a.Tool == "Bash" || a.Tool == "shell" || a.Tool == "exec_command") && test.MatchString(line):
			c.Validated = add(c.Validated, fmt.Sprintf("%s (%s)", what, map[string]string{"success": "passed", "failure": "failed"}[a.Outcome]))
		}
	}
	for i, v := range c.Validated {
		c.Validated[i] = strings.TrimSuffix(v, " ()") // its outcome is not known
	}
}

// maxSummed is how many of each a message lists.
const maxSummed = 12

func add(list []string, s string) []string {
	s = oneLine(s)
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

// input returns the command of a call, and the part of its input that a message may contain: the
// name of a file, the programs of a command, the host of a URL. Everything else stays in the log.
func input(a *record.Action) (line, what string) {
	var in struct {
		Command string `json:"command"`
		File    string `json:"file_path"`
		URL     string `json:"url"`
	}
	_ = json.Unmarshal(a.Arguments, &in) // of another form, it says nothing
	switch {
	case in.File != "":
		return "", path.Base(in.File)
	case in.Command != "":
		found := commands(in.Command)
		if validating := slices.DeleteFunc(slices.Clone(found), func(c string) bool { return !test.MatchString(c) }); len(validating) > 0 && a.Outcome != "refused" {
			found = validating
		}
		return in.Command, strings.Join(found, " and ")
	}
	if u, err := url.Parse(in.URL); err == nil {
		return "", u.Hostname()
	}
	return "", ""
}

// heading returns the first line of the body.
const heading = "What the agent did:"

// Body returns the paragraph for the message. None of its lines looks like a trailer.
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

// Trailers returns the trailers that name the run in the commit.
func (c *Commit) Trailers() []record.Trailer {
	assisted := c.Agent
	if c.Model != "" {
		assisted += ":" + c.Model
	}
	out := []record.Trailer{{Key: record.TrailerAssistedBy, Value: assisted}, {Key: record.TrailerExecution, Value: c.Run}}
	if u, err := url.Parse(c.LogsURL); err == nil && c.LogsURL != "" {
		u.User = nil // readers log in themselves
		out = append(out, record.Trailer{Key: record.TrailerLogsURL, Value: u.String()})
	}
	if c.LogDigest != "" {
		out = append(out, record.Trailer{Key: record.TrailerLog, Value: c.LogDigest})
	}
	for i := range out { // settings and transcripts are reported by others, too
		out[i].Value = oneLine(out[i].Value)
	}
	return out
}

// Names reports whether a message already names the run.
func (c *Commit) Names(message string) bool {
	return slices.ContainsFunc(record.Trailers(message), func(t record.Trailer) bool {
		return t.Key == record.TrailerExecution && t.Value == c.Run
	})
}

// Write writes the body and the trailers into the file of a commit message. Where an
// editor opens, git writes something for the person at the end, in comments; elsewhere a line
// that begins with # is the author's, as one that names an issue.
func (c *Commit) Write(file string, editor bool) error {
	message, err := ReadMessage(file)
	if err != nil {
		return err
	}
	text, comments := message, []byte(nil)
	if editor {
		text, comments = cutComments(message, commentString(message))
	}
	text = insert(text, c.Body())
	args := []string{"-c", "core.commentChar=" + unused(text), "interpret-trailers", "--no-divider", "--if-exists", "addIfDifferent"}
	for _, t := range c.Trailers() {
		args = append(args, "--trailer", t.Key+": "+t.Value)
	}
	var out, said bytes.Buffer
	git := exec.Command("git", args...)
	git.Stdin, git.Stdout, git.Stderr = bytes.NewReader(text), &out, &said
	if err := git.Run(); err != nil {
		return fmt.Errorf("git interpret-trailers: %w: %s", err, said.Bytes())
	}
	if len(comments) > 0 {
		out.WriteString("\n")
		out.Write(comments)
	}
	return os.WriteFile(file, out.Bytes(), 0o600)
}

// ReadMessage reads the file of a commit message, which must be a regular file of bounded size.
func ReadMessage(file string) ([]byte, error) { return files.Read(file, maxMessage) }

// maxMessage is the maximum size of a commit message, in bytes: git commit --verbose adds the diff.
const maxMessage = 64 << 20

// commentChars are the characters from which git chooses one that no line of a message begins with
// (core.commentChar auto).
const commentChars = "#;@!$%^&|:"

// commentString returns how comments begin in a message.
func commentString(message []byte) string {
	for _, name := range []string{"core.commentString", "core.commentChar"} {
		out, err := exec.Command("git", "config", name).Output()
		if set := strings.TrimSpace(string(out)); err == nil && set != "" && set != "auto" {
			return set
		} else if set == "auto" { // that of git's own lines, which are the last ones
			lines := bytes.Split(bytes.TrimSpace(message), []byte("\n"))
			if last := lines[len(lines)-1]; len(last) > 0 && strings.ContainsRune(commentChars, rune(last[0])) {
				return string(last[:1])
			}
		}
	}
	return "#"
}

// unused returns a character with which no line of text begins, so that git treats no line as a
// comment.
func unused(text []byte) string {
	for _, char := range commentChars {
		if !bytes.HasPrefix(text, []byte(string(char))) && !bytes.Contains(text, []byte("\n"+string(char))) {
			return string(char)
		}
	}
	return "\x1f"
}

// scissors is the line that git writes above what is not part of the message.
const scissors = " ------------------------ >8 ------------------------"

// cutComments returns a message without the comments that git adds for the person at its end, and those comments.
func cutComments(message []byte, comment string) (text, comments []byte) {
	lines := bytes.SplitAfter(message, []byte("\n"))
	is := func(line []byte) bool { // git writes a space or a tab after it
		rest, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte(comment))
		return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
	}
	end := slices.IndexFunc(lines, func(l []byte) bool { return string(bytes.TrimRight(l, "\r\n")) == comment+scissors })
	if end < 0 {
		for end = len(lines); end > 0 && len(bytes.TrimSpace(lines[end-1])) == 0; end-- {
		}
	}
	begin := end
	for ; begin > 0 && is(lines[begin-1]); begin-- {
	}
	if begin == end && (end == len(lines) || !is(lines[end])) {
		return message, nil
	}
	return bytes.Join(lines[:begin], nil), bytes.Join(lines[begin:], nil)
}

// trailerLine matches a line of the last paragraph that is a trailer.
var trailerLine = regexp.MustCompile(`^([A-Za-z0-9-]+\s*:|\s+\S|\(cherry picked from)`)

// insert puts a body after the message and before its trailers.
func insert(message []byte, body string) []byte {
	if body == "" || bytes.Contains(message, []byte("\n"+heading+"\n")) {
		return message // the message has it: the commit is made again
	}
	paragraphs := strings.Split(strings.TrimRight(string(message), "\n"), "\n\n")
	last := len(paragraphs)
	if last > 1 && !slices.ContainsFunc(strings.Split(paragraphs[last-1], "\n"), func(l string) bool { return !trailerLine.MatchString(l) }) {
		last-- // the last paragraph is trailers
	}
	paragraphs = slices.Insert(paragraphs, last, strings.TrimRight(body, "\n"))
	return []byte(strings.Join(paragraphs, "\n\n") + "\n")
}
