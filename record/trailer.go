package record

import "strings"

// A Trailer is a line "Key: value" in a commit message (git-interpret-trailers). The committer
// writes it, so it is a claim.
type Trailer struct {
	Key   string `json:"key" schema:"required,min=1,max=64" index:"keyword"`
	Value string `json:"value" schema:"required,min=1,max=1024" index:"keyword"`
}

// Keys of the trailers that name agents.
const (
	TrailerAssistedBy = "Assisted-by"       // AGENT:MODEL [TOOL…], as Linux asks for (Documentation/process/coding-assistants.rst)
	TrailerCoauthor   = "Co-authored-by"    // NAME <MAIL>
	TrailerExecution  = "Agent-Execution"   // the run that made the commit
	TrailerLogsURL    = "Agent-Logs-Url"    // where people read its log
	TrailerLog        = "Agent-Log"         // digest of its log, sha256:…
	TrailerSession    = "Claude-Session"    // of Claude Code
	TrailerCheckpoint = "Entire-Checkpoint" // of Entire
)

var trailerKeys = []string{TrailerAssistedBy, TrailerCoauthor, TrailerExecution, TrailerLogsURL, TrailerLog, TrailerSession, TrailerCheckpoint}

// MaxTrailers is how many trailers of one message, or of one change, are kept.
const MaxTrailers = 50

// Trailers returns the trailers that name agents, anywhere in a commit message: a squash merge
// moves them from the end into the body, where git itself no longer sees them as trailers.
func Trailers(message string) []Trailer {
	var out []Trailer
	open := false // the previous trailer may continue
	for line := range strings.Lines(message) {
		line = strings.TrimRight(line, "\r\n")
		if open && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) && strings.TrimSpace(line) != "" {
			last := &out[len(out)-1]
			last.Value = cut(last.Value+" "+strings.TrimSpace(line), 1024)
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		open = false
		if value = strings.TrimSpace(value); !ok || value == "" {
			continue
		}
		for _, k := range trailerKeys {
			if strings.EqualFold(strings.TrimSpace(key), k) {
				if len(out) == MaxTrailers {
					return out
				}
				out, open = append(out, Trailer{k, cut(value, 1024)}), true
			}
		}
	}
	return out
}

// cut shortens s to at most n bytes, at the beginning of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// runsOf returns the runs that trailers name.
func runsOf(trailers []Trailer) []string {
	var out []string
	for _, t := range trailers {
		switch t.Key {
		case TrailerExecution, TrailerLogsURL, TrailerSession:
			out = append(out, t.Value)
		}
	}
	return out
}
