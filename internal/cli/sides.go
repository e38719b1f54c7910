package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/schemas"
)

// A side says who types a command. Each command that reads a configuration reads the same
// one: the file that is named, or the person's own. None reads that of its folder, which
// somebody else may have written.
type side int

const (
	// A person, or an agent that works for one, types the command in a work tree. Secrets go
	// to that address alone with which they were configured.
	persons side = iota
	// Who runs changetrail types the command. It says which file it reads.
	operators
	// The command reads no configuration.
	nobodys
)

// sides has every command, without the name of the program.
var sides = map[string]side{
	"up": operators, "demo": operators, "web": operators, "gateway": operators, "enrich": operators, "sink": operators,
	"setup": operators, "letters": operators, "export": operators, "import": operators, "config": operators,

	"publish": persons, "attach scan": persons, "attach tests": persons, "attach sbom": persons, "attach request": persons,
	"hook claude-code": persons, "hook codex": persons, "hook flush": persons, "hook prepare-commit-msg": persons, "hook commit-msg": persons,
	"mcp": persons, "show": persons, "query": persons, "replay": persons, "doctor": persons, "controls": persons,
	"policy test": persons, "policy explain": persons, "policy diff": persons, "policy history": persons,

	"attach": nobodys, "hook": nobodys, "hook install": nobodys, "policy": nobodys, "gateway token": nobodys, "gateway key": nobodys, "gateway init": nobodys,
}

// sideOf returns the side of a command: the careful one where none is said.
func sideOf(cmd *cobra.Command) side {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	return sides[name]
}

// personalFile is where a person has the configuration of their own; "" where they have
// no home.
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

// loadSettings reads the file that was asked for or the person's own, then the
// environment. What lies in a relative path of the file is not to be chosen by the folder
// in which somebody works, so that it begins where the file lies.
func loadSettings(file string, environ []string, folder string) (Settings, error) {
	own := personalFile(getenvOf(environ))
	s := defaults()
	asked := file != ""
	if !asked {
		file = own
	}
	if file != "" {
		text, err := os.ReadFile(file)
		switch {
		case err == nil:
			s.file = file
			if err := s.fromFile(text); err != nil {
				return s, fmt.Errorf("%s: %w", file, err)
			}
			if err := s.settle(file); err != nil {
				return s, err
			}
		case asked || !errors.Is(err, fs.ErrNotExist):
			return s, fmt.Errorf("configuration: %w", err)
		}
	}
	s.ofTree(folder, file, own)
	return s, s.fromEnvironment(environ)
}

// settle makes the relative paths of a file begin in its folder.
func (s *Settings) settle(file string) error {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	s.keys(func(path string, v reflect.Value, tags reflect.StructTag) {
		if s.origins[path] != fromFile || tags.Get("path") == "" {
			return
		}
		name := v.String()
		if name == "" || filepath.IsAbs(name) || strings.Contains(name, "://") || path == "store" && (name == schemas.OpenSearch || name == schemas.Elasticsearch) {
			return
		}
		v.SetString(filepath.Join(dir, name))
	})
	return nil
}

// A treeFile is what a work tree may say of itself, which is the word of who wrote it.
type treeFile struct{ Agent, LogsURL string }

// maxTree bounds changetrail.yaml of a work tree, in bytes.
const maxTree = 1 << 20

// ofTree reads changetrail.yaml of a work tree, unless that is the file in force. What it
// may not set is ignored, and named in a warning.
func (s *Settings) ofTree(folder, inForce, own string) {
	text, err := readTree(folder, inForce)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var root yaml.Node
	if err == nil {
		err = yaml.Unmarshal(text, &root)
	}
	if err != nil {
		s.warnings = append(s.warnings, fmt.Sprintf("%s of this folder is ignored: %s", defaultFile, printable(err.Error())))
		return
	}
	var ignored []string
	leaves(&root, "", func(path string, v *yaml.Node) {
		switch {
		case path == "hook.agent" && isName(v):
			s.tree.Agent = v.Value
		case path == "hook.logs_url" && isAddress(v):
			s.tree.LogsURL = v.Value
		default:
			ignored = append(ignored, cmp.Or(printable(path), "what it holds"))
		}
	})
	if len(ignored) == 0 {
		return
	}
	const most = 30
	if n := len(ignored); n > most {
		ignored = append(ignored[:most], fmt.Sprintf("and %d more", n-most))
	}
	if own == "" {
		own = "a file of your own"
	}
	s.warnings = append(s.warnings, fmt.Sprintf("what %s of this folder sets is ignored: %s. It may set hook.agent and hook.logs_url alone, since whoever wrote the folder must not say what is sent, and where. Put it into %s; or name the file with --config %s or %sCONFIG, if you trust it",
		defaultFile, strings.Join(ignored, ", "), own, defaultFile, envPrefix))
}

// readTree reads changetrail.yaml of a folder; there is none where it is the file in force.
func readTree(folder, inForce string) ([]byte, error) {
	root, err := files.Folder(folder)
	if err != nil {
		return nil, fs.ErrNotExist // somebody works in no folder
	}
	defer func() { _ = root.Close() }() // it was read or is written already
	here, err := root.Stat(defaultFile)
	if err != nil {
		return nil, err
	}
	if there, err := os.Stat(inForce); err == nil && os.SameFile(here, there) {
		return nil, fs.ErrNotExist
	}
	return files.ReadIn(root, defaultFile, maxTree)
}

// leaves visits what a document sets, by its path, as kafka.brokers.
func leaves(n *yaml.Node, prefix string, visit func(path string, v *yaml.Node)) {
	switch {
	case n.Kind == yaml.DocumentNode:
		for _, c := range n.Content {
			leaves(c, prefix, visit)
		}
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		for i := 0; i+1 < len(n.Content); i += 2 {
			path := n.Content[i].Value
			if prefix != "" {
				path = prefix + "." + path
			}
			leaves(n.Content[i+1], path, visit)
		}
	case n.Kind != 0:
		visit(prefix, n)
	}
}

func isName(v *yaml.Node) bool {
	return v.Kind == yaml.ScalarNode && v.Tag == "!!str" && len(v.Value) <= 256 && printable(v.Value) == v.Value
}

func isAddress(v *yaml.Node) bool {
	u, err := url.Parse(v.Value)
	return isName(v) && err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// maxShown bounds what is shown of such a text, in bytes.
const maxShown = 300

// printable is a text of somebody else's as it may be shown in one line of a terminal.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}

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

// An origin says where a setting comes from.
type origin int

const (
	fromDefault origin = iota
	fromFile
	fromCall // the environment, or a flag
)

// secretsOf are the keys of an address with the secrets that are sent there.
var secretsOf = []struct {
	address string
	secrets []string
	// strict: one of the call is not sent to an address of the file either.
	strict bool
}{
	{"producer.gateway", []string{"producer.token", "producer.token_file"}, true},
	{"kafka.brokers", []string{"kafka.sasl.password", "kafka.sasl.password_file", "kafka.tls.key_file"}, false},
	{"sink.addresses", []string{"sink.password", "sink.password_file", "sink.api_key", "sink.api_key_file"}, false},
}

// together reports secrets that would be sent to an address with which they were not
// configured.
func (s *Settings) together() error {
	var errs []error
	for _, pair := range secretsOf {
		to := s.origins[pair.address]
		for _, secret := range pair.secrets {
			from := s.origins[secret]
			if from == to || from == fromDefault || to == fromDefault || from == fromCall && !pair.strict {
				continue
			}
			said := map[origin]string{fromFile: "the configuration file", fromCall: "the environment or a flag"}
			errs = append(errs, fmt.Errorf("configuration: %s comes from %s and %s from %s: a secret is sent to that alone with which it was configured. Set both in one file, or both in the environment (%s, %s)",
				secret, said[from], pair.address, said[to], envName(secret), envName(pair.address)))
		}
	}
	return errors.Join(errs...)
}
