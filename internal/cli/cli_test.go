package cli

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/internal/config"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"changetrail": func() {
		os.Exit(Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
	}})
}

// TestScripts types commands as a user does. None of them reaches a server.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			example, err := filepath.Abs("../../deploy/example")
			if err != nil {
				return err
			}
			e.Setenv("EXAMPLE", example)
			e.Setenv("EVIDENCE", filepath.Join(filepath.Dir(filepath.Dir(example)), "evidence", "testdata"))
			return nil
		},
	})
}

func TestSettingsComeFromFlagsThenEnvironmentThenFileThenDefault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("namespace: file\nretention: 90d\nkafka: {prefix: file, brokers: [a:1, b:2]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got Settings
	root := newRoot([]string{"CHANGETRAIL_CONFIG=" + file, "CHANGETRAIL_KAFKA_PREFIX=env", "CHANGETRAIL_NAMESPACE=env", "CHANGETRAIL_SINK_ADDRESSES=http://x, http://y"})
	a := &app{environ: []string{"CHANGETRAIL_CONFIG=" + file, "CHANGETRAIL_KAFKA_PREFIX=env", "CHANGETRAIL_NAMESPACE=env", "CHANGETRAIL_SINK_ADDRESSES=http://x, http://y"}}
	cmd := &cobra.Command{Use: "x", RunE: func(cmd *cobra.Command, _ []string) error {
		var err error
		got, err = a.settings(cmd)
		return err
	}}
	a.flag(cmd.Flags(), "namespace", "namespace", "")
	root.AddCommand(cmd)
	root.SetArgs([]string{"x", "--namespace", "flag"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	want := []any{"flag", "env", []string{"a:1", "b:2"}, []string{"http://x", "http://y"}, "opensearch"}
	if have := []any{got.Namespace, got.Kafka.Prefix, got.Kafka.Brokers, got.Sink.Addresses, got.Sink.Engine}; !reflect.DeepEqual(have, want) {
		t.Errorf("got %v, want %v", have, want)
	}
}

// TestTheExampleConfigurationIsRead holds deploy/example against the binary.
func TestTheExampleConfigurationIsRead(t *testing.T) {
	c, err := config.Source{File: "../../deploy/example/changetrail.yaml", Folder: "."}.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Config: c}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	p, m, err := s.policyAndControls()
	if err != nil || len(p.Services) == 0 || len(m.Controls) == 0 {
		t.Errorf("%v", err)
	}
}

// TestEveryCommandSaysHowItIsUsed looks at the help of each command.
func TestEveryCommandSaysHowItIsUsed(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			if sub.Short == "" || !sub.HasSubCommands() && sub.Example == "" {
				t.Errorf("%s has no summary or no example", sub.CommandPath())
			}
			walk(sub)
		}
	}
	walk(newRoot(nil))
}

// Whatever a command prints, text of others steers no terminal: not what is found, not what
// an error quotes.
func TestTextOfOthersSteersNoTerminal(t *testing.T) {
	dir := t.TempDir()
	matrix := filepath.Join(dir, "controls.yaml")
	text, err := os.ReadFile("../../deploy/example/controls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(matrix, []byte(strings.Replace(string(text), "tag: ", `tag: "\e]52;c;aGk=\a\u202E" #`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"controls", "--controls", matrix},
		{"sho\x1b[2Jw"},
		{"show", "acme/payments#1\x1b]0;x\x07\u202e"},
		{"publish", filepath.Join(dir, "\x1b[31m.json")},
		{"config", "--namespace", "\u202e\x9b31m"},
	} {
		var out, errOut strings.Builder
		Run(t.Context(), args, strings.NewReader(""), &out, &errOut, nil)
		all := out.String() + errOut.String()
		if strings.ContainsAny(all, "\x1b\x07\x7f\u009b\u202e") || strings.Contains(all, "\x9b") {
			t.Errorf("%q prints %q", args, all)
		}
		if all == "" {
			t.Errorf("%q prints nothing", args)
		}
	}
}
