package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/strictyaml"
)

// fromFile sets what a file says. Keys by their former names are read, too.
func (c *Config) fromFile(text []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return strictyaml.Decode(text, c) // which says what is wrong, and where
	}
	renamed := c.rename(&root, "")
	if renamed {
		var err error
		if text, err = yaml.Marshal(&root); err != nil {
			return err
		}
	}
	leaves(&root, "", func(path string, _ *yaml.Node) { c.origins[path] = fromFile })
	err := strictyaml.Decode(text, c)
	if err != nil && renamed { // it has other lines than the file
		return mistake.Each(err, func(m *mistake.Mistake) { m.Line, m.Column = 0, 0 })
	}
	return err
}

// formerNames are the keys that have another name today.
var formerNames = map[string]string{
	"stamp_key": "signing_key", "stamp_key_file": "signing_key_file", "trust.unstamped": "trust.unsigned",
}

// rename gives the keys of a file the names that they have today, and notes which had
// former ones.
func (c *Config) rename(n *yaml.Node, prefix string) (renamed bool) {
	if n.Kind == yaml.DocumentNode {
		for _, part := range n.Content {
			renamed = c.rename(part, prefix) || renamed
		}
		return renamed
	}
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		path := prefix + n.Content[i].Value
		if name, former := formerNames[path]; former {
			c.warnings = append(c.warnings, fmt.Sprintf("configuration: %s is called %s now; the former name will not be read by version 1.0", path, name))
			n.Content[i].Value, renamed = name[strings.LastIndexByte(name, '.')+1:], true
		}
		renamed = c.rename(n.Content[i+1], path+".") || renamed
	}
	return renamed
}

// personalFile returns the path of the user's own configuration; "" if the user has no home.
func personalFile(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // one that is not would lie in the work tree
		dir = ""
	}
	switch runtime.GOOS {
	case "windows", "darwin", "ios", "plan9":
		if own, err := os.UserConfigDir(); dir == "" && err == nil {
			dir = own
		}
	default:
		if home := getenv("HOME"); dir == "" && filepath.IsAbs(home) {
			dir = filepath.Join(home, ".config")
		}
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "changetrail", defaultFile)
}

// A Source is where settings come from, beside flags.
type Source struct {
	File    string   // the file that was asked for; the person's own, if there is one, where empty
	Environ []string // as of [os.Environ]; CHANGETRAIL_CONFIG names a file, too
	Folder  string   // the folder in which the command runs
}

// Load reads the configuration file, then the environment. Relative paths in the file
// begin in the folder of the file, so that the folder in which somebody works does not
// choose what they name.
func (f Source) Load() (Config, error) {
	getenv := getenvOf(f.Environ)
	own := personalFile(getenv)
	file := cmp.Or(f.File, getenv(envPrefix+"CONFIG"))
	c := Defaults()
	asked := file != ""
	if !asked {
		file = own
	}
	if err := c.readFile(file); err != nil && (asked || !errors.Is(err, fs.ErrNotExist)) {
		return c, err
	}
	c.ofTree(f.Folder, file, own)
	return c, c.fromEnvironment(f.Environ)
}

// readFile reads a configuration file, if one is named.
func (c *Config) readFile(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	c.file = file
	if err := c.fromFile(text); err != nil {
		return mistake.In(file, err)
	}
	return c.settle(file)
}

// settle resolves the relative paths of a file from its folder.
func (c *Config) settle(file string) error {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	c.Keys(func(path string, v reflect.Value, tags reflect.StructTag) {
		if c.origins[path] != fromFile || tags.Get("path") == "" {
			return
		}
		name := v.String()
		if name == "" || filepath.IsAbs(name) || strings.Contains(name, "://") || path == "store" && (name == settings.OpenSearch || name == settings.Elasticsearch) {
			return
		}
		v.SetString(filepath.Join(dir, name))
	})
	return nil
}

// getenvOf is [os.Getenv] for an environment.
func getenvOf(environ []string) func(string) string {
	return func(name string) (value string) {
		for _, e := range environ {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				value = v
			}
		}
		return value
	}
}
