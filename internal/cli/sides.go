package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// A side says who types a command. Each command that reads a configuration reads the same
// one: the file that is named, or the person's own. None reads that of its folder, which
// somebody else may have written.
type side int

const (
	// A person, or an agent that works for one, types the command in a work tree. Secrets go
	// to that address alone with which they were configured.
	persons side = iota
	// Who runs changetrail types the command. It says which file it reads.
	operators
	// The command reads no configuration.
	nobodys
)

// sides has every command, without the name of the program.
var sides = map[string]side{
	"up": operators, "demo": operators, "web": operators, "gateway": operators, "enrich": operators, "sink": operators,
	"setup": operators, "letters": operators, "export": operators, "import": operators, "config": operators, "redact again": operators,

	"publish": persons, "attach scan": persons, "attach tests": persons, "attach sbom": persons, "attach request": persons,
	"hook claude-code": persons, "hook codex": persons, "hook flush": persons, "hook steer": persons, "hook prepare-commit-msg": persons, "hook commit-msg": persons,
	"mcp": persons, "show": persons, "query": persons, "replay": persons, "doctor": persons, "controls": persons,
	"policy test": persons, "policy explain": persons, "policy diff": persons, "policy history": persons,

	"attach": nobodys, "hook": nobodys, "version": nobodys, "hook install": nobodys, "policy": nobodys, "gateway token": nobodys, "gateway key": nobodys, "gateway init": nobodys, "redact": nobodys,
}

// sideOf returns the side of a command: the careful one where none is said.
func sideOf(cmd *cobra.Command) side {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	return sides[name]
}
