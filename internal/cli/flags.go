package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/nearest"
)

// A choice is the value of a flag that accepts one of several words.
type choice struct {
	to *string
	of []string
}

func (c choice) String() string { return *c.to }

// Type is the name of the value in help.
func (c choice) Type() string { return strings.Join(c.of, "|") }

// Set parses the value.
func (c choice) Set(text string) error {
	if !slices.Contains(c.of, text) {
		return errors.New(nearest.NotOne(text, c.of))
	}
	*c.to = text
	return nil
}

// outputFlag makes the flag -o; the first format is the default.
func outputFlag(cmd *cobra.Command, to *string, usage string, of ...string) {
	*to = of[0]
	cmd.Flags().VarP(choice{to, of}, "output", "o", usage)
	complete(cmd, "output", of)
}

// complete makes a shell complete the value of a flag.
func complete(cmd *cobra.Command, flag string, values []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag was just made
}

// A span is the value of a flag that is a time span, such as 90d.
type span struct{ to *time.Duration }

func spanOf(to *time.Duration, otherwise time.Duration) span {
	*to = otherwise
	return span{to}
}

func (s span) String() string {
	if s.to == nil || *s.to == 0 {
		return ""
	}
	text, _ := config.Duration(*s.to).MarshalText() // it never fails
	return string(text)
}

// Type is the name of the value in help.
func (span) Type() string { return "duration" }

// Set parses the value.
func (s span) Set(text string) error {
	var d config.Duration
	err := d.UnmarshalText([]byte(text))
	*s.to = time.Duration(d)
	return err
}

// flagError explains what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	var value *pflag.InvalidValueError
	var none *pflag.ValueRequiredError
	switch {
	case errors.As(err, &missing):
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		given := "--" + missing.GetSpecifiedName()
		if missing.GetSpecifiedShortnames() != "" {
			given = "-" + missing.GetSpecifiedName()
		}
		return usageError{fmt.Errorf("%s has no flag %s%s", cmd.CommandPath(), given, orList(nearest.Hint(given, known), cmd))}
	case errors.As(err, &value):
		f := value.GetFlag()
		what := fmt.Sprintf("%q is not %s", value.GetValue(), kindOfFlag(f))
		switch f.Value.(type) {
		case choice, span:
			what = value.Unwrap().Error()
		}
		return usageError{fmt.Errorf("--%s: %s", f.Name, what)}
	case errors.As(err, &none):
		return usageError{fmt.Errorf("--%s needs a value; %s --help says which", none.GetFlag().Name, cmd.CommandPath())}
	}
	return usageError{err}
}

// orList returns the hint, or the command that lists all names.
func orList(hint string, cmd *cobra.Command) string {
	if hint != "" {
		return hint
	}
	return "; " + cmd.CommandPath() + " --help lists them"
}

// kindOfFlag describes what the value of a flag must be.
func kindOfFlag(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int", "int64", "uint64", "int32":
		return "a whole number"
	case "bool":
		return "true or false"
	}
	return "a valid value"
}

// group makes a command that only has subcommands.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(below...)
	cmd.Args = noSuchCommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// noSuchCommand refuses an unknown subcommand of a command that only has subcommands.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known, everywhere []string
	for _, c := range cmd.Commands() {
		known = append(known, c.Name())
		for _, below := range c.Commands() {
			if below.Name() == args[0] {
				everywhere = append(everywhere, below.CommandPath())
			}
		}
	}
	hint := nearest.Hint(args[0], known)
	if hint == "" && len(everywhere) > 0 {
		hint = "; did you mean " + nearest.List(everywhere) + "?"
	}
	return usageError{fmt.Errorf("there is no command %s %s%s", cmd.CommandPath(), args[0], orList(hint, cmd))}
}
