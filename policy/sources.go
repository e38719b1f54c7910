package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/strictyaml"
	"github.com/changetrail/changetrail/record"
)

// A Source is one of the files that a policy was read from.
type Source struct {
	Name    string `json:"name"`
	Content []byte `json:"content"`
}

// Load reads a policy file and the files that it names, relative to it: catalogs and CODEOWNERS.
// The digest covers all of them.
func Load(files fs.FS, name string) (*Policy, error) {
	p, err := load(name, func(name string) ([]byte, error) { return fs.ReadFile(files, name) })
	if err != nil {
		return nil, err
	}
	if err := p.misspelt(); err != nil {
		return nil, mistake.In(name, strictyaml.Locate(p.sources[0].Content, err))
	}
	return p, nil
}

// FromSources reads a policy from what [Policy.Sources] returned. A policy that was in force stays
// in force, so a condition that uses a member that never existed is no error here.
func FromSources(sources []Source) (*Policy, error) {
	if len(sources) == 0 {
		return Parse(nil)
	}
	return load(sources[0].Name, func(name string) ([]byte, error) {
		for _, s := range sources {
			if s.Name == name {
				return s.Content, nil
			}
		}
		return nil, fmt.Errorf("the recorded policy has no file %s", name)
	})
}

// load reads a policy through read, which returns the content of a file.
func load(name string, read func(string) ([]byte, error)) (*Policy, error) {
	text, err := read(name)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	p, err := decode(text)
	if err != nil {
		return nil, mistake.In(name, err)
	}
	p.sources = []Source{{name, text}}
	beside := func(file string) ([]byte, error) {
		file = path.Join(path.Dir(name), file)
		text, err := read(file)
		if err == nil {
			p.sources = append(p.sources, Source{file, text})
		}
		return text, err
	}
	if err := p.readCatalogs(beside); err != nil {
		return nil, err
	}
	if err := p.readOwners(beside); err != nil {
		return nil, err
	}
	if err := p.validate(); err != nil {
		return nil, mistake.In(name, strictyaml.Locate(text, err))
	}
	p.seal()
	return p, nil
}

func (p *Policy) readCatalogs(read func(string) ([]byte, error)) error {
	for _, c := range p.Catalogs {
		text, err := read(c)
		if err != nil {
			return fmt.Errorf("policy: catalogs: %w", err)
		}
		services, err := readCatalog(text)
		if err != nil {
			return mistake.In(path.Join(path.Dir(p.sources[0].Name), c), err)
		}
		p.Services = append(p.Services, services...)
	}
	return nil
}

func (p *Policy) readOwners(read func(string) ([]byte, error)) error {
	p.owners = make(map[record.Repository]codeOwners, len(p.CodeOwners))
	for _, repo := range slices.Sorted(maps.Keys(p.CodeOwners)) {
		text, err := read(p.CodeOwners[repo])
		if err != nil {
			return fmt.Errorf("policy: codeowners: %w", err)
		}
		id, err := record.ParseRepository(repo)
		if err != nil {
			return fmt.Errorf("policy: codeowners: %w", err)
		}
		if p.owners[repositoryKey(id)], err = readCodeOwners(p.CodeOwners[repo], id, text); err != nil {
			return fmt.Errorf("policy: codeowners: %w", err)
		}
	}
	return nil
}

// entity is an entity of a Backstage catalog
// (https://backstage.io/docs/features/software-catalog/descriptor-format).
type entity struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name        string            `yaml:"name"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
	Spec struct {
		Owner string `yaml:"owner"`
	} `yaml:"spec"`
}

// The annotations of a component that make it a service of the policy, beside
// Backstage's own for the repository.
const (
	annotationClass        = "changetrail.dev/classification"
	annotationData         = "changetrail.dev/data-classes"
	annotationEnvironments = "changetrail.dev/environments"
	annotationPaths        = "changetrail.dev/paths"
	annotationGitHub       = "github.com/project-slug"
	annotationGitLab       = "gitlab.com/project-slug"
	annotationSource       = "backstage.io/source-location"
)

// readCatalog returns the components of a catalog-info.yaml that state their repository and
// classification. It skips other entities.
func readCatalog(text []byte) ([]Service, error) {
	var out []Service
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var e entity
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, strictyaml.Plain(err)
		}
		if e.Kind != "Component" {
			continue
		}
		a := e.Metadata.Annotations
		repo, path := repositoryOf(a)
		switch {
		case repo == "":
			return nil, fmt.Errorf("component %s: its repository is unknown; add the annotation %s, %s or %s", e.Metadata.Name, annotationGitHub, annotationGitLab, annotationSource)
		case a[annotationClass] == "":
			return nil, fmt.Errorf("component %s: annotation %s is missing; it is %s", e.Metadata.Name, annotationClass, nearest.List(Classifications))
		}
		s := Service{
			Name: e.Metadata.Name, Repositories: []string{repo}, Classification: a[annotationClass], DataClasses: words(a[annotationData]),
			Environments: words(a[annotationEnvironments]), Paths: words(a[annotationPaths]), Owner: e.Spec.Owner,
		}
		if i := strings.LastIndexByte(s.Owner, '/'); i >= 0 { // group:default/team
			s.Owner = s.Owner[i+1:]
		}
		s.Owner = strings.TrimPrefix(strings.TrimPrefix(s.Owner, "group:"), "user:")
		if len(s.Paths) == 0 && path != "" {
			s.Paths = []string{path}
		}
		out = append(out, s)
	}
}

// repositoryOf returns the repository of a component, and the glob of its folder if its source is a
// folder within the repository. A slug names no host, so the host comes from the source, if there
// is one.
func repositoryOf(a map[string]string) (repo, glob string) {
	repo, glob = sourceOf(a[annotationSource])
	for _, slug := range []struct{ name, host string }{{a[annotationGitHub], "github.com"}, {a[annotationGitLab], "gitlab.com"}} {
		if slug.name != "" {
			if repo != "" {
				slug.host, _, _ = strings.Cut(repo, "/")
			}
			return slug.host + "/" + slug.name, ""
		}
	}
	return repo, glob
}

// sourceOf parses the address of a folder, or of a file in it, at a code host:
// url:https://HOST/PATH/tree/BRANCH/FOLDER/ of GitHub, with /-/ before tree of GitLab.
func sourceOf(address string) (repo, glob string) {
	_, rest, ok := strings.Cut(address, "://")
	id, err := record.ParseRepository(address)
	if !ok || err != nil {
		return "", ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	if rest, err = url.PathUnescape(rest); err != nil {
		return string(id), ""
	}
	folder := ""
	if _, in, ok := strings.Cut(rest, "/tree/"); ok {
		_, folder, _ = strings.Cut(in, "/") // after the branch
	} else if _, in, ok := strings.Cut(rest, "/blob/"); ok {
		if _, file, ok := strings.Cut(in, "/"); ok && path.Dir(file) != "." {
			folder = path.Dir(file)
		}
	}
	if folder = strings.Trim(folder, "/"); folder != "" {
		return string(id), folder + "/**"
	}
	return string(id), ""
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
