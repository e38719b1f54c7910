package cli

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the commit from which it was built",
		Long: `Prints what the Go tool recorded in this binary: the version, the commit and its time,
whether there were uncommitted changes, and how it was built.`,
		Example: "  changetrail version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), thisBuild())
			return err
		},
	}
}

// A build describes how a binary was built.
type build struct {
	version  string // of the module; "devel" if it is not known
	commit   string
	at       string // of the commit
	changed  bool   // there were uncommitted changes
	compiler string
	platform string
	tags     string
}

func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{version: "devel"}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) build {
	set := make(map[string]string)
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	b := build{
		version: strings.Trim(info.Main.Version, "()"), commit: set["vcs.revision"], at: set["vcs.time"], changed: set["vcs.modified"] == "true",
		compiler: info.GoVersion, platform: set["GOOS"] + "/" + set["GOARCH"], tags: set["-tags"],
	}
	if b.version == "" {
		b.version = "devel"
	}
	return b
}

// String returns a line for each known property.
func (b build) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "changetrail %s\n", b.version)
	switch {
	case b.commit == "":
		out.WriteString("commit: unknown; go build in a clone of the repository records it, go run does not\n")
	case b.changed:
		fmt.Fprintf(&out, "commit: %s of %s, with uncommitted changes\n", b.commit, b.at)
	default:
		fmt.Fprintf(&out, "commit: %s of %s\n", b.commit, b.at)
	}
	if b.compiler != "" {
		fmt.Fprintf(&out, "built: %s for %s", b.compiler, b.platform)
		if b.tags != "" {
			fmt.Fprintf(&out, ", with the tags %s", b.tags)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
