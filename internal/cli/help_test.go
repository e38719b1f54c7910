package cli

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/changetrail/changetrail/internal/generated"
)

var update = flag.Bool("update", false, "write docs/commands.md")

// TestTheCommandsOfTheDocumentation compares docs/commands.md with the commands.
func TestTheCommandsOfTheDocumentation(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nWritten by `go test ./internal/cli -run TestTheCommands -update`.\n\n")
	root := newRoot(nil)
	fmt.Fprintf(&b, "%s\n\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration. `changetrail completion SHELL` prints completion for bash, zsh, fish and PowerShell.\n\n", root.Long)
	flagsOf(&b, "Flags of all commands", root.PersistentFlags())
	for _, p := range parts {
		fmt.Fprintf(&b, "## %s\n\n", strings.TrimSuffix(p.title, ":"))
		for _, name := range p.commands {
			cmd, _, err := root.Find([]string{name})
			if err != nil || cmd == root {
				t.Fatalf("there is no command %s: %v", name, err)
			}
			describe(&b, cmd)
		}
	}
	file := generated.File{Path: filepath.Join("..", "..", "docs", "commands.md"), Command: "go test ./internal/cli -run TestTheCommands -update"}
	file.Check(t, []byte(b.String()), *update)
}

func describe(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "### %s\n\n%s.\n\n", cmd.CommandPath(), strings.TrimSuffix(cmd.Short, "."))
	if cmd.Long != "" {
		fmt.Fprintf(b, "%s\n\n", strings.TrimSpace(cmd.Long))
	}
	if !cmd.HasSubCommands() || cmd.Example != "" {
		fmt.Fprintf(b, "```sh\n%s\n```\n\n", strings.ReplaceAll(strings.TrimSpace(cmd.Example), "\n  ", "\n"))
	}
	flagsOf(b, "Flags", cmd.LocalNonPersistentFlags())
	for _, below := range cmd.Commands() {
		if !below.Hidden {
			describe(b, below)
		}
	}
}

func flagsOf(b *strings.Builder, title string, set *pflag.FlagSet) {
	var rows strings.Builder
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		otherwise := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "0" {
			otherwise = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", name, strings.ReplaceAll(f.Usage, "|", "\\|"), otherwise)
	})
	if rows.Len() > 0 {
		fmt.Fprintf(b, "| %s | | default |\n|---|---|---|\n%s\n", strings.ToLower(title), rows.String())
	}
}

// TestEachCommandHasAGroup, so that help lists it.
func TestEachCommandHasAGroup(t *testing.T) {
	for _, c := range newRoot(nil).Commands() {
		if c.GroupID == "" && c.IsAvailableCommand() && c.Name() != "help" && c.Name() != "completion" {
			t.Errorf("%s is in no group", c.Name())
		}
	}
}

// notPlain are words of ours that nobody else uses, or uses otherwise.
var notPlain = []string{" leave ", " leave,", "leave of", "hand in", "hands in", "handed in", " held ", "as far as", "of which", "be it", " told ", " stands ", "is none of"}

// TestHelpIsPlainEnglish reads the help of each command.
func TestHelpIsPlainEnglish(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		text := strings.ToLower(c.Short + "\n" + strings.Join(strings.Fields(c.Long), " ") + "\n" + c.Example)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { text += "\n" + strings.ToLower(f.Usage) })
		for _, word := range notPlain {
			if i := strings.Index(" "+text+" ", word); i >= 0 {
				t.Errorf("%s: %q in %q", c.CommandPath(), word, text[max(0, i-30):min(len(text), i+40)])
			}
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(newRoot(nil))
}
