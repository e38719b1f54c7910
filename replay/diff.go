package replay

import (
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/record"
)

// A DiffLine is one line of what an action changed.
type DiffLine struct {
	Kind string // added, removed, place or kept
	Text string
}

// maxDiff is the number of lines of one action that are shown.
const maxDiff = 400

// An edit replaces a text, in the form of the tools of Claude Code and others.
type edit struct {
	OldString string `json:"old_string"`
	NewString string `json:"new_string"`
	OldStr    string `json:"old_str"`
	NewStr    string `json:"new_str"`
}

// diffIn returns what an action changed, if its arguments contain a patch, or edits with the text
// before and after. rest is the rest of the arguments.
func diffIn(arguments record.RawJSON) (diff []DiffLine, rest string) {
	var text string
	if json.Unmarshal(arguments, &text) == nil {
		return patch(text), ""
	}
	var all map[string]any
	var edits struct {
		edit
		Edits []edit `json:"edits"`
	}
	if json.Unmarshal(arguments, &all) != nil || json.Unmarshal(arguments, &edits) != nil {
		return nil, ""
	}
	for _, e := range append([]edit{edits.edit}, edits.Edits...) {
		diff = append(diff, e.lines()...)
	}
	used := []string{"old_string", "new_string", "old_str", "new_str", "edits"}
	for _, name := range []string{"patch", "diff", "input", "command"} {
		if text, ok := all[name].(string); ok && diff == nil {
			if diff = patch(text); diff != nil {
				used = append(used, name)
			}
		}
	}
	if diff == nil {
		return nil, ""
	}
	for _, name := range used {
		delete(all, name)
	}
	if len(all) > 0 {
		if left, err := json.Marshal(all, json.Deterministic(true)); err == nil {
			rest = free(record.RawJSON(left))
		}
	}
	return cut(diff), rest
}

func (e edit) lines() []DiffLine {
	return append(linesOf(e.OldString+e.OldStr, "removed"), linesOf(e.NewString+e.NewStr, "added")...)
}

func linesOf(text, kind string) (out []DiffLine) {
	if text == "" {
		return nil
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		out = append(out, DiffLine{kind, line})
	}
	return out
}

// patch parses a unified diff, or a patch of Codex's apply_patch. It returns nil for any other
// text.
func patch(text string) (out []DiffLine) {
	begins := false
	for _, mark := range []string{"*** Begin Patch", "--- ", "diff --git ", "@@ "} {
		begins = begins || strings.HasPrefix(text, mark)
	}
	if !begins {
		return nil
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		kind := "kept"
		switch {
		case strings.HasPrefix(line, "***"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "@@"), strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "index "):
			out = append(out, DiffLine{"place", line})
			continue
		case strings.HasPrefix(line, "+"):
			kind, line = "added", line[1:]
		case strings.HasPrefix(line, "-"):
			kind, line = "removed", line[1:]
		case strings.HasPrefix(line, " "):
			line = line[1:]
		}
		out = append(out, DiffLine{kind, line})
	}
	return cut(out)
}

func cut(diff []DiffLine) []DiffLine {
	if more := len(diff) - maxDiff; more > 0 {
		return append(diff[:maxDiff:maxDiff], DiffLine{"place", plural(int64(more), "more line") + ", which are in the event"})
	}
	return diff
}
