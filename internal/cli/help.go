package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/changetrail/changetrail/internal/config"
)

// parts are the groups of commands in help.
var parts = []struct {
	title    string
	commands []string
}{
	{"Start here:", []string{"demo", "up", "doctor"}},
	{"Ask:", []string{"show", "query", "replay", "gate", "approvals", "web", "controls", "policy", "audit"}},
	{"Send:", []string{"publish", "attach", "hook", "mcp"}},
	{"Run as services beside Kafka and a search engine:", []string{"setup", "gateway", "enrich", "sink", "health"}},
	{"Operate:", []string{"letters", "export", "import", "redact", "config", "version"}},
}

// arrange puts the commands in their groups.
func arrange(root *cobra.Command) {
	for _, p := range parts {
		root.AddGroup(&cobra.Group{ID: p.title, Title: p.title})
		for _, name := range p.commands {
			for _, c := range root.Commands() {
				if c.Name() == name {
					c.GroupID = p.title
				}
			}
		}
	}
	root.SetUsageFunc(usage)
}

// usage writes the end of the help of a command. A template would do the same, but executing one
// calls methods by names that are not known before: then the linker keeps every method of every type
// in the binary.
func usage(c *cobra.Command) error {
	var out strings.Builder
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&out, "Usage:\n  %s COMMAND\n", c.CommandPath())
	} else {
		fmt.Fprintf(&out, "Usage:\n  %s\n", c.UseLine())
	}
	if c.HasExample() {
		fmt.Fprintf(&out, "\nExamples:\n%s\n", c.Example)
	}
	for _, group := range c.Groups() {
		list(&out, group.Title, c, func(below *cobra.Command) bool { return below.GroupID == group.ID })
	}
	if len(c.Groups()) == 0 {
		list(&out, "Commands:", c, (*cobra.Command).IsAvailableCommand)
	}
	if c.HasAvailableLocalFlags() {
		fmt.Fprintf(&out, "\nFlags:\n%s\n", strings.TrimRight(c.LocalFlags().FlagUsages(), " \n"))
	}
	if c.HasAvailableInheritedFlags() {
		fmt.Fprintf(&out, "\nGlobal flags:\n%s\n", strings.TrimRight(c.InheritedFlags().FlagUsages(), " \n"))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&out, "\n%s COMMAND --help describes a command.\n", c.CommandPath())
	}
	_, err := fmt.Fprintf(c.OutOrStderr(), "%s\nExit codes: 0 success, 1 failure, 2 wrong usage or configuration.\n", &out)
	return err
}

// list writes the commands below c that belong to a group.
func list(out *strings.Builder, title string, c *cobra.Command, belongs func(*cobra.Command) bool) {
	if !c.HasAvailableSubCommands() {
		return
	}
	fmt.Fprintf(out, "\n%s\n", title)
	for _, below := range c.Commands() {
		if belongs(below) {
			fmt.Fprintf(out, "  %-*s %s\n", below.NamePadding(), below.Name(), below.Short)
		}
	}
}

// completeFlags makes shells complete the flags whose values are known.
func completeFlags(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		for _, key := range f.Annotations[settingKey] {
			if of := config.Choices(key); of != nil && strings.Join(of, "") != "" {
				complete(cmd, f.Name, of)
			}
			if key == "store" || key == "local.data" {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)) // another flag may have registered the same
			}
		}
	})
	for _, below := range cmd.Commands() {
		completeFlags(below)
	}
}
