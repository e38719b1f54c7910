package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/internal/printable"
)

// A Tree is what a work tree may set. It is a claim of whoever wrote the work tree.
type Tree struct{ Agent, LogsURL string }

// maxTree bounds changetrail.yaml of a work tree, in bytes.
const maxTree = 1 << 20

// ofTree reads changetrail.yaml of a work tree, unless that is the file in force. What it
// may not set is ignored, and named in a warning.
func (c *Config) ofTree(folder, inForce, own string) {
	text, err := readTree(folder, inForce)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var root yaml.Node
	if err == nil {
		err = yaml.Unmarshal(text, &root)
	}
	if err != nil {
		c.warnings = append(c.warnings, fmt.Sprintf("%s of this folder is ignored: %s", defaultFile, printable.Line(err.Error())))
		return
	}
	var ignored []string
	leaves(&root, "", func(path string, v *yaml.Node) {
		switch {
		case path == "hook.agent" && isName(v):
			c.tree.Agent = v.Value
		case path == "hook.logs_url" && isAddress(v):
			c.tree.LogsURL = v.Value
		default:
			ignored = append(ignored, cmp.Or(printable.Line(path), "what it holds"))
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
	c.warnings = append(c.warnings, fmt.Sprintf("what %s of this folder sets is ignored: %s. It may set only hook.agent and hook.logs_url, since whoever wrote the folder must not decide what is sent, and where. Put it into %s; or name the file with --config %s or %sCONFIG, if you trust it",
		defaultFile, strings.Join(ignored, ", "), own, defaultFile, envPrefix))
}

// readTree reads changetrail.yaml of a folder; there is none where it is the file in force.
func readTree(folder, inForce string) ([]byte, error) {
	root, err := files.Folder(folder)
	if err != nil {
		return nil, fs.ErrNotExist // there is no working folder
	}
	defer func() { _ = root.Close() }() // it was only read
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
	return v.Kind == yaml.ScalarNode && v.Tag == "!!str" && len(v.Value) <= 256 && printable.Line(v.Value) == v.Value
}

func isAddress(v *yaml.Node) bool {
	u, err := url.Parse(v.Value)
	return isName(v) && err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}
