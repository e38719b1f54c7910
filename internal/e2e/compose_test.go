package e2e

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// A service is what the tests of the commands look at of docker-compose.yml.
type service struct {
	Image       string
	Built       bool `yaml:"-"`
	Command     []string
	Environment map[string]string
	Volumes     []string
	Restart     string
	DependsOn   map[string]any `yaml:"depends_on"`
	HealthCheck struct{ Test []string }
}

// TestComposeFileIsReadByDockerAsItStands: Docker's own library reads docker-compose.yml
// as a reader of plain YAML does, which the tests of the commands are.
func TestComposeFileIsReadByDockerAsItStands(t *testing.T) {
	const file = "../../docker-compose.yml"
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("changetrail"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var plain struct {
		Services map[string]struct {
			service `yaml:",inline"`
			Build   string
		}
	}
	if err := yaml.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	want, have := make(map[string]service), make(map[string]service)
	for name, s := range plain.Services {
		s.Built = s.Build != ""
		for on := range s.DependsOn {
			s.DependsOn[on] = true
		}
		want[name] = s.service
	}
	for name, s := range project.Services {
		have[name] = read(s, project.WorkingDir)
	}
	if diff := gocmp.Diff(want, have); diff != "" || len(want) < 3 {
		t.Errorf("%d services; plain YAML and Docker read (-plain +Docker):\n%s", len(want), diff)
	}
}

// read takes what is looked at; paths begin where the file lies.
func read(s types.ServiceConfig, folder string) service {
	out := service{Image: s.Image, Built: s.Build != nil, Command: s.Command, Restart: s.Restart}
	for k, v := range s.Environment {
		if out.Environment == nil {
			out.Environment = make(map[string]string)
		}
		out.Environment[k] = *cmp.Or(v, new(string))
	}
	for _, v := range s.Volumes {
		name := strings.Replace(v.Source, folder, ".", 1) + ":" + v.Target
		if v.ReadOnly {
			name += ":ro"
		}
		out.Volumes = append(out.Volumes, name)
	}
	for on := range s.DependsOn {
		if out.DependsOn == nil {
			out.DependsOn = make(map[string]any)
		}
		out.DependsOn[on] = true
	}
	if s.HealthCheck != nil {
		out.HealthCheck.Test = slices.Clone([]string(s.HealthCheck.Test))
	}
	return out
}
