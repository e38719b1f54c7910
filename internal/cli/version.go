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
		Short: "Print the version, and from which commit it was built",
		Long: `Prints what the Go tool wrote into this binary: the version, the commit and its time,
whether there were changes that are not committed, and how it was built.`,
		Example: "  changetrail version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), thisBuild())
			return err
		},
	}
}

// A build is what a binary knows of how it was made.
type build struct {
	version  string // of the module; "devel" where it is not known
	commit   string
	at       string // of the commit
	changed  bool   // there were changes that are not committed
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

// String is a line for each thing that is known.
func (b build) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "changetrail %s\n", b.version)
	switch {
	case b.commit == "":
		out.WriteString("commit: not known; go build in a clone of the repository writes it down, go run does not\n")
	case b.changed:
		fmt.Fprintf(&out, "commit: %s of %s, with changes that are not committed\n", b.commit, b.at)
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
