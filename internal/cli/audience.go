package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// An audience says who runs a command. All commands read the same configuration: the file that is
// named, or the user's own. None reads the file of the working folder, which somebody else may
// have written.
type audience int

const (
	// A person, or an agent that works for one, runs the command in a work tree. Secrets are
	// sent only to the address with which they were configured.
	persons audience = iota
	// The operator of changetrail runs the command. It prints which file it reads.
	operators
	// The command reads no configuration.
	nobody
)

// audiences lists every command, without the name of the program.
var audiences = map[string]audience{
	"up": operators, "demo": operators, "web": operators, "gateway": operators, "enrich": operators, "sink": operators, "health": operators, "gate admission": operators,
	"setup": operators, "letters": operators, "export": operators, "import": operators, "config": operators, "redact again": operators,

	"publish": persons, "attach scan": persons, "attach tests": persons, "attach sbom": persons, "attach request": persons,
	"hook claude-code": persons, "hook codex": persons, "hook flush": persons, "hook steer": persons, "hook gate": persons, "hook install": persons, "hook prepare-commit-msg": persons, "hook commit-msg": persons,
	"mcp": persons, "gate": persons, "gate break-glass": persons, "approvals list": persons, "approvals grant": persons, "approvals revoke": persons, "show": persons, "query": persons, "replay": persons, "doctor": persons, "controls": persons,
	"policy test": persons, "policy explain": persons, "policy diff": persons, "policy what-if": persons, "policy history": persons,
	"audit population": persons, "audit sample": persons, "audit pack": persons, "audit reconcile": persons,

	"attach": nobody, "approvals": nobody, "hook": nobody, "version": nobody, "policy": nobody, "audit": nobody, "gateway token": nobody, "gateway key": nobody, "gateway init": nobody, "redact": nobody,
}

// audienceOf returns the audience of a command: the careful one if it is not listed.
func audienceOf(cmd *cobra.Command) audience {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	return audiences[name]
}
