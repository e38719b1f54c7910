package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
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
	s := Settings{c}
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

// TestComposeFileMatchesTheBinary loads docker-compose.yml as Docker does and
// checks each command line and each environment variable of our services.
func TestComposeFileMatchesTheBinary(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"}, cli.WithName("changetrail"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	made := initialised(t, project.Services["init"])
	ours := 0
	for name, service := range project.Services {
		if service.Build == nil {
			if tag := service.Image[strings.LastIndexByte(service.Image, ':')+1:]; !strings.ContainsAny(tag, "0123456789") {
				t.Errorf("%s: image %s is not pinned to a version", name, service.Image)
			}
		} else {
			ours++
			checkService(t, name, service, made)
		}
		if service.HealthCheck == nil && service.Restart != "no" {
			t.Errorf("%s has no health check", name)
		}
	}
	if ours < 3 {
		t.Errorf("%d services are ours, want setup, enricher and sink at least", ours)
	}
}

// A volume is a folder of a container, and what lies there.
type volume struct{ name, target, dir string }

// initialised does what the service init does, in a folder in place of its volume, and holds
// that it shows tokens once.
func initialised(t *testing.T, service types.ServiceConfig) volume {
	t.Helper()
	if len(service.Command) != 3 || len(service.Volumes) != 1 || service.Command[2] != service.Volumes[0].Target {
		t.Fatalf("init is not what makes the first credentials: %v %v", service.Command, service.Volumes)
	}
	made := volume{service.Volumes[0].Source, service.Volumes[0].Target, t.TempDir()}
	var said [2]string
	for i := range said {
		var out bytes.Buffer
		if code := Run(t.Context(), []string{service.Command[0], service.Command[1], made.dir}, nil, &out, &out, nil); code != 0 {
			t.Fatal(out.String())
		}
		said[i] = out.String()
	}
	if strings.Count(said[0], "ct_") != 4 || strings.Contains(said[1], "ct_") {
		t.Errorf("it says %s and at the next start %s", said[0], said[1])
	}
	return made
}

// withVolume makes the settings name what lies in a volume, and fails for a service that
// does not have it.
func (s *Settings) withVolume(t *testing.T, name string, service types.ServiceConfig, v volume) {
	t.Helper()
	for _, path := range []*string{&s.Gateway.Credentials, &s.SigningKeyFile} {
		rest, within := strings.CutPrefix(*path, v.target)
		if !within {
			t.Errorf("%s: %q is not what init makes", name, *path)
		}
		*path = v.dir + rest
		if *path == v.dir {
			*path = ""
		}
	}
	if _, waits := service.DependsOn["init"]; !waits || !slices.ContainsFunc(service.Volumes, func(m types.ServiceVolumeConfig) bool { return m.Source == v.name && m.Target == v.target }) {
		t.Errorf("%s does not wait for init, or does not see what it makes", name)
	}
}

func checkService(t *testing.T, name string, service types.ServiceConfig, made volume) {
	t.Helper()
	var environ []string
	for k, v := range service.Environment {
		if v != nil {
			environ = append(environ, k+"="+*v)
		}
	}
	c, err := config.Source{Environ: environ, Folder: t.TempDir()}.Load()
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	s := Settings{c}
	if name == "gateway" || name == "enricher" || name == "sink" {
		if s.Gateway.Credentials == "" {
			s.Gateway.Credentials = made.target // nobody sends to it
		}
		s.withVolume(t, name, service, made)
		if keys, err := s.signingKeys(); err != nil || !keys.Any() {
			t.Errorf("%s has no key: %v", name, err)
		}
	}
	if err := mayListen(&s, service.Command); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, line := range [][]string{service.Command, healthCommand(service)} {
		if len(line) == 0 {
			continue
		}
		cmd, rest, err := newRoot(nil).Find(line)
		if err != nil || cmd.Parent() == nil {
			t.Errorf("%s: %v is no command of changetrail: %v", name, line, err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v: %v", name, line, err)
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %v: %v", name, line, err)
		}
	}
}

// mayListen reports why a service does not start.
func mayListen(s *Settings, command []string) error {
	var errs []error
	if s.Telemetry.Listen != "" {
		errs = append(errs, s.metricsAt())
	}
	if slices.Equal(command, []string{"gateway"}) {
		known, err := s.credentials()
		errs = append(errs, err, s.gatewayAt("gateway.listen", s.Gateway.Listen, known, nil).may())
		if !known.Any() {
			errs = append(errs, errors.New("it asks nobody who they are, so that what it takes proves nothing"))
		}
	}
	return errors.Join(errs...)
}

// healthCommand is the command line of a health check that runs the binary.
func healthCommand(service types.ServiceConfig) []string {
	if service.HealthCheck == nil || len(service.HealthCheck.Test) < 3 || !strings.HasSuffix(service.HealthCheck.Test[1], "changetrail") {
		return nil
	}
	return service.HealthCheck.Test[2:]
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
