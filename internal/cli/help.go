package cli

import (
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
	{"Ask:", []string{"show", "query", "replay", "web", "controls", "policy"}},
	{"Send:", []string{"publish", "attach", "hook", "mcp"}},
	{"Run as services beside Kafka and a search engine:", []string{"setup", "gateway", "enrich", "sink"}},
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
	root.SetUsageTemplate(usage + "\nExit codes: 0 success, 1 failure, 2 wrong usage or configuration.\n")
}

// usage is the end of the help of each command.
const usage = `Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{else}}
  {{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$all := .Commands}}{{if .Groups}}{{range $group := .Groups}}

{{.Title}}{{range $all}}{{if eq .GroupID $group.ID}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{else}}

Commands:{{range $all}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND --help describes a command.{{end}}
`

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
