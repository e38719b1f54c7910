package cli

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
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

// TestTheExampleOfStatusesIsRead holds deploy/status against the binary, and says which settings do not
// go together.
func TestTheExampleOfStatusesIsRead(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		with  func(*config.Config)
		hosts int
		says  string
	}{
		"as it is":        {func(*config.Config) {}, 2, ""},
		"without GitLab":  {func(c *config.Config) { c.Gateway.Status.GitLab.TokenFile = "" }, 1, ""},
		"a token and app": {func(c *config.Config) { c.Gateway.Status.GitHub.Token = "x" }, 0, "both a token and an app"},
		"no key":          {func(c *config.Config) { c.Gateway.Status.GitHub.AppKeyFile = "" }, 0, "app_key_file"},
		"no such key":     {func(c *config.Config) { c.Gateway.Status.GitHub.AppKeyFile = "/nowhere" }, 0, "gateway.status.github.app_key_file"},
		"no key in it":    {func(c *config.Config) { c.Gateway.Status.GitHub.AppKeyFile, c.Gateway.Status.GitHub.AppKey = "", "x" }, 0, "gateway.status.github.app_key: it is not a private key"},
		"no URL":          {func(c *config.Config) { c.Gateway.Status.GitHub.URL = "api.github.com" }, 0, "gateway.status.github.url"},
	} {
		loaded, err := config.Source{File: "../../deploy/status/changetrail.yaml", Folder: "."}.Load()
		if err != nil {
			t.Fatal(err)
		}
		s := Settings{Config: loaded}
		s.Gateway.Status.GitHub.AppKeyFile, s.Gateway.Status.GitLab.TokenFile = file, file
		c.with(&s.Config)
		hosts, err := s.statusHosts()
		if len(hosts) != c.hosts || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d hosts, %v", name, len(hosts), err)
		}
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
