package cli

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/config"
)

// A composeService is what is looked at of a service in docker-compose.yml. That Docker
// reads the same is a test of internal/e2e.
type composeService struct {
	Image       string
	Build       string
	Command     []string
	Environment map[string]string
	Volumes     []string
	Restart     string
	DependsOn   map[string]any `yaml:"depends_on"`
	HealthCheck *struct{ Test []string }
}

// volumes are the sources and targets of a service.
func (s composeService) volumes() (out []volume) {
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":")
		out = append(out, volume{name: parts[0], target: parts[1]})
	}
	return out
}

// TestComposeFileMatchesTheBinary checks each command line and each environment variable
// of our services in docker-compose.yml.
func TestComposeFileMatchesTheBinary(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var project struct{ Services map[string]composeService }
	if err := yaml.Unmarshal(text, &project); err != nil {
		t.Fatal(err)
	}
	made := initialised(t, project.Services["init"])
	ours := 0
	for name, service := range project.Services {
		if service.Build == "" {
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
func initialised(t *testing.T, service composeService) volume {
	t.Helper()
	volumes := service.volumes()
	if len(service.Command) != 3 || len(volumes) != 1 || service.Command[2] != volumes[0].target {
		t.Fatalf("init is not what makes the first credentials: %v %v", service.Command, service.Volumes)
	}
	made := volume{volumes[0].name, volumes[0].target, t.TempDir()}
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
func (s *Settings) withVolume(t *testing.T, name string, service composeService, v volume) {
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
	if _, waits := service.DependsOn["init"]; !waits || !slices.Contains(service.volumes(), volume{name: v.name, target: v.target}) {
		t.Errorf("%s does not wait for init, or does not see what it makes", name)
	}
}

func checkService(t *testing.T, name string, service composeService, made volume) {
	t.Helper()
	var environ []string
	for k, v := range service.Environment {
		environ = append(environ, k+"="+v)
	}
	c, err := config.Source{Environ: environ, Folder: t.TempDir()}.Load()
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	s := Settings{Config: c}
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
			errs = append(errs, errors.New("it has no authentication, so what it accepts proves nothing"))
		}
	}
	return errors.Join(errs...)
}

// healthCommand is the command line of a health check that runs the binary.
func healthCommand(service composeService) []string {
	if service.HealthCheck == nil || len(service.HealthCheck.Test) < 3 || !strings.HasSuffix(service.HealthCheck.Test[1], "changetrail") {
		return nil
	}
	return service.HealthCheck.Test[2:]
}
