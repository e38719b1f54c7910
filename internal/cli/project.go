package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/internal/files"
)

// A project is the folder whose files an agent may attach: its work tree, or the working folder
// if that is not in a work tree.
type project struct{ root *os.Root }

func openProject() (project, error) {
	dir, err := os.Getwd()
	if err != nil {
		return project{}, err
	}
	home, _ := os.UserHomeDir() // without one there is nothing to protect
	for _, one := range []string{notes.Look(dir).Root, dir} {
		if one == "" || one == filepath.Dir(one) || one == filepath.Clean(home) {
			continue // a root or home folder is not a project
		}
		root, err := files.Folder(one)
		return project{root}, err
	}
	return project{}, nil
}

func (p project) close() {
	if p.root != nil {
		_ = p.root.Close() // nothing was written
	}
}

// read reads a report in the project. Links must not lead out of it.
func (p project) read(name string) ([]byte, error) {
	if p.root == nil {
		return nil, errors.New("path: this program was not started in a project, so it cannot read files; give content")
	}
	dir := filepath.Clean(p.root.Name())
	inside := p.inside(dir, name)
	if inside == "" {
		return nil, fmt.Errorf("path: %s is not in the project %s; copy it there, or give content", name, dir)
	}
	text, err := files.ReadIn(p.root, inside, evidence.MaxReport)
	if err != nil {
		return nil, fmt.Errorf("path: %w; a report is a regular file in the project %s of at most %d MiB", err, dir, evidence.MaxReport>>20)
	}
	return text, nil
}

// inside returns a path relative to the project, by its name, else by the target of its links; ""
// if it is outside.
func (project) inside(dir, name string) string {
	full, err := filepath.Abs(name)
	if err != nil {
		return ""
	}
	if rel, err := filepath.Rel(dir, full); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	target, err1 := filepath.EvalSymlinks(full)
	dir, err2 := filepath.EvalSymlinks(dir)
	if rel, err := filepath.Rel(dir, target); errors.Join(err, err1, err2) == nil && filepath.IsLocal(rel) {
		return rel
	}
	return ""
}
