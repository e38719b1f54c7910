package agents

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// Products of which a hook and telemetry tell the same.
const (
	ClaudeCode = "claude-code"
	Codex      = "codex"
)

// Source is the CloudEvents source of what a session of a product did. With the id of
// the call it is one event, whether a hook or telemetry tells of it.
func Source(product, session string) string { return "/" + product + "/" + session }

// SaidID is the id of what is said and is told like a call: a prompt, an answer.
func SaidID(kind, id string) string { return kind + "-" + id }

// Provider is that of the models of a product, "" where it is not known.
func Provider(product string) string {
	switch product {
	case ClaudeCode:
		return "anthropic"
	case Codex:
		return "openai"
	}
	return ""
}

// MaxContent is how much of the arguments or the result of one call is sent, in
// bytes.
const MaxContent = 256 << 10

// Bounded is content that is not too large to be sent; else what it was.
func Bounded(v []byte) record.Free {
	if len(v) <= MaxContent {
		return record.Free(v)
	}
	b, _ := json.Marshal(map[string]any{"omitted_bytes": len(v), "sha256": digests.Of(v)}, json.Deterministic(true)) // of plain values: cannot fail
	return b
}

// maxWrapped is in how much the result of MCP may be wrapped.
const maxWrapped = 6

// Failed reports whether a result says of itself that the call failed, as those of MCP do
// (isError) and those in messages to models (is_error). Frameworks wrap the result.
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
		_ = json.Unmarshal(v, &blocks, jsontext.AllowInvalidUTF8(true)) // of another form, it tells nothing
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

// writer is how tools are called that write the file which their arguments name:
// Edit, MultiEdit, Write and NotebookEdit of Claude Code, apply_patch of Codex,
// write_file, str_replace_editor and the like of others.
var writer = regexp.MustCompile(`(?i)^(multi_?edit|edit|write|notebook_?edit|apply_?patch|(write|edit|create|update|replace|patch|delete)_?(to_?)?(text_?)?file|str_?replace(_[a-z_]+)?|replace|file_?(write|edit))$`)

// patched is how a patch names the files that it changes, as Codex writes it.
var patched = regexp.MustCompile(`(?m)^\*\*\* (?:Add|Update|Delete) File: (.+)$`)

// Written returns the files that a call of a tool changes, relative to the work tree
// at root where they lie there. root may be empty.
func Written(tool string, arguments []byte, root string) []string {
	if !writer.MatchString(tool) && !bytes.Contains(arguments, []byte("*** Begin Patch")) {
		return nil
	}
	var input struct {
		Text     jsontext.Value `json:"input"`
		Command  jsontext.Value `json:"command"`
		Cmd      jsontext.Value `json:"cmd"`
		FilePath string         `json:"file_path"`
		Notebook string         `json:"notebook_path"`
		Path     string         `json:"path"`
		FileName string         `json:"filename"`
		File     string         `json:"file"`
	}
	if jsontext.Value(arguments).Kind() == '"' { // of Codex: the patch itself
		input.Text = arguments
	} else {
		_ = json.Unmarshal(arguments, &input, jsontext.AllowInvalidUTF8(true)) // of another form, it names none
	}
	var command string
	if json.Unmarshal(input.Command, &command) == nil && command == "view" { // an editor that also reads
		return nil
	}
	files := []string{input.FilePath, input.Notebook, input.Path, input.FileName, input.File}
	for _, text := range []string{texts(input.Text), texts(input.Command), texts(input.Cmd)} {
		for _, m := range patched.FindAllStringSubmatch(text, -1) {
			files = append(files, strings.TrimSpace(m[1]))
		}
	}
	var out []string
	for _, f := range files {
		if rel, err := filepath.Rel(root, f); root != "" && filepath.IsAbs(f) && err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			f = rel
		}
		if f = filepath.ToSlash(f); f != "" && len(f) <= 1024 && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// texts are the texts in a value, which is one or a list of them.
func texts(v jsontext.Value) string {
	var one string
	if json.Unmarshal(v, &one) == nil {
		return one
	}
	var many []string
	_ = json.Unmarshal(v, &many) // else there is none
	return strings.Join(many, "\n")
}
