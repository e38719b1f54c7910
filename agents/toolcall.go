package agents

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/agents/product"
	"github.com/changetrail/changetrail/record"
)

// Products whose hooks and telemetry report the same events.
const (
	ClaudeCode = product.ClaudeCode
	Codex      = product.Codex
)

// Source returns the CloudEvents source of what a session of a product did. Source and call id
// identify one event, whether a hook or telemetry reports it.
func Source(product, session string) string { return "/" + product + "/" + session }

// MessageID returns the id of a message that is reported like a call: a prompt, an answer.
func MessageID(kind, id string) string { return kind + "-" + id }

// Provider returns the provider of a product's models, or "" if it is unknown.
func Provider(product string) string {
	switch product {
	case ClaudeCode:
		return "anthropic"
	case Codex:
		return "openai"
	}
	return ""
}

// Bounded is content that is not too large to be sent; else what it was.
func Bounded(v []byte) record.RawJSON { return product.Bounded(v) }

// maxWrapped is the number of wrappers around a result of MCP that are removed.
const maxWrapped = 6

// Failed reports whether a result itself says that the call failed, as those of MCP do (isError)
// and those in messages to models (is_error). Frameworks wrap the result.
func Failed(result []byte) bool { return failed(result, maxWrapped) }

func failed(v jsontext.Value, depth int) bool {
	if v = bytes.TrimSpace(v); len(v) == 0 || depth == 0 {
		return false
	}
	switch v.Kind() {
	case '"': // JSON in a text
		text, err := jsontext.AppendUnquote(nil, v)
		if text = bytes.TrimSpace(text); err != nil || len(text) == 0 || text[0] != '{' && text[0] != '[' {
			return false
		}
		return failed(text, depth-1)
	case '[':
		var blocks []struct {
			Type    string `json:"type"`
			IsError bool   `json:"is_error"`
		}
		_ = json.Unmarshal(v, &blocks, jsontext.AllowInvalidUTF8(true)) // in another form it is ignored
		for _, b := range blocks {
			if b.Type == "tool_result" && b.IsError {
				return true
			}
		}
	case '{':
		var r struct {
			MCP      jsontext.Value `json:"isError"`
			Message  jsontext.Value `json:"is_error"`
			Result   jsontext.Value `json:"result"` // JSON-RPC, ADK
			Output   jsontext.Value `json:"output"`
			Response jsontext.Value `json:"response"`
		}
		if json.Unmarshal(v, &r, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) != nil {
			return false
		}
		return string(r.MCP) == "true" || string(r.Message) == "true" || failed(r.Result, depth-1) || failed(r.Output, depth-1) || failed(r.Response, depth-1)
	}
	return false
}

// writer matches the names of tools that write the file named in their arguments: Edit, MultiEdit,
// Write and NotebookEdit of Claude Code, apply_patch of Codex, write_file, str_replace_editor and
// others.
var writer = regexp.MustCompile(`(?i)^(multi_?edit|edit|write|notebook_?edit|apply_?patch|(write|edit|create|update|replace|patch|delete)_?(to_?)?(text_?)?file|str_?replace(_[a-z_]+)?|replace|file_?(write|edit))$`)

// patched matches the names of changed files in a patch of Codex.
var patched = regexp.MustCompile(`(?m)^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+)$`)

// Written returns the files that a tool call changes, relative to the work tree at root if they are
// in it. root may be empty.
func Written(tool string, arguments []byte, root string) []string {
	if !writer.MatchString(tool) && !bytes.Contains(arguments, []byte("*** Begin Patch")) {
		return nil
	}
	named, _ := filesOf(arguments) // in another form it names no file
	if named.views {               // an editor that can also read
		return nil
	}
	var out []string
	for _, f := range named.files {
		if rel, err := filepath.Rel(root, f); root != "" && filepath.IsAbs(f) && err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			f = rel
		}
		if f = filepath.ToSlash(f); len(f) <= 1024 && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// A naming is what the arguments of a tool say about files.
type naming struct {
	files []string // in the order in which they are named
	views bool     // an editor only shows them
}

// filesOf returns the files that arguments of a tool name, and those of a patch in them. It fails if
// the arguments have a form in which a name might be overlooked.
func filesOf(arguments []byte) (n naming, ok bool) {
	var input struct {
		Text     jsontext.Value `json:"input"`
		Command  jsontext.Value `json:"command"`
		Cmd      jsontext.Value `json:"cmd"`
		Patch    jsontext.Value `json:"patch"`
		FilePath string         `json:"file_path"`
		Notebook string         `json:"notebook_path"`
		Path     string         `json:"path"`
		FileName string         `json:"filename"`
		File     string         `json:"file"`
	}
	if jsontext.Value(arguments).Kind() == '"' { // Codex: the patch itself
		input.Text, ok = arguments, jsontext.Value(arguments).IsValid()
	} else {
		ok = json.Unmarshal(arguments, &input, jsontext.AllowInvalidUTF8(true)) == nil
	}
	var command string
	n.views = json.Unmarshal(input.Command, &command) == nil && command == "view"
	files := []string{input.FilePath, input.Notebook, input.Path, input.FileName, input.File}
	for _, text := range []string{texts(input.Text), texts(input.Command), texts(input.Cmd), texts(input.Patch)} {
		for _, m := range patched.FindAllStringSubmatch(text, -1) {
			files = append(files, strings.TrimSpace(m[1]))
		}
	}
	n.files = slices.DeleteFunc(files, func(f string) bool { return f == "" })
	return n, ok
}

// texts returns the texts in a value, which is one text or a list of them.
func texts(v jsontext.Value) string {
	var one string
	if json.Unmarshal(v, &one) == nil {
		return one
	}
	var many []string
	_ = json.Unmarshal(v, &many) // otherwise there is none
	return strings.Join(many, "\n")
}
