package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Blobs are the files that prove something, by their digests.
type Blobs interface {
	Get(ctx context.Context, digest string) ([]byte, error)
}

// A Manifest lists the files of a story that was saved.
type Manifest struct {
	Change         string    `json:"change"`
	Revision       int64     `json:"revision"`
	EvidenceDigest string    `json:"evidence_digest"`
	SavedAt        time.Time `json:"saved_at"`
	Files          []File    `json:"files"`
	Missing        []string  `json:"missing"` // digests that the story names and nobody holds
}

// A File of a manifest.
type File struct {
	Path   string `json:"path"`
	Digest string `json:"digest"`
	Size   int    `json:"size"`
	What   string `json:"what"`
}

// ManifestName is the name of the manifest in the folder.
const ManifestName = "manifest.json"

// Save writes the story to a folder: record, events, the files that they name
// and a manifest with the digest of each.
func (s *Story) Save(ctx context.Context, dir string, files Blobs, now time.Time) (*Manifest, error) {
	if err := os.MkdirAll(filepath.Join(dir, "evidence"), 0o750); err != nil {
		return nil, err
	}
	m := &Manifest{Change: string(s.Record.Trail.Change.ID), Revision: s.Record.Trail.Revision, EvidenceDigest: s.Record.Trail.EvidenceDigest, SavedAt: now.UTC().Truncate(time.Second), Missing: []string{}}
	write := func(name, what string, content []byte) error {
		m.Files = append(m.Files, File{name, digestOf(content), len(content), what})
		return os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), content, 0o640)
	}
	if err := write("record.json", "the record as it is indexed", append(s.Raw.Clone(), '\n')); err != nil {
		return nil, err
	}
	var events bytes.Buffer
	for _, e := range s.Events {
		events.Write(e.Raw)
		events.WriteByte('\n')
	}
	if err := write("events.jsonl", "the events of the change, one a line", events.Bytes()); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := s.Print(&text); err != nil {
		return nil, err
	}
	if err := write("story.txt", "what happened, to be read", text.Bytes()); err != nil {
		return nil, err
	}
	for _, digest := range s.Digests() {
		var content []byte
		err := errors.New("no blob store is configured")
		if files != nil {
			content, err = files.Get(ctx, digest)
		}
		if err != nil {
			m.Missing = append(m.Missing, fmt.Sprintf("%s: %v", digest, err))
			continue
		}
		if err := write("evidence/"+strings.ReplaceAll(digest, ":", "-"), s.names(digest), content); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(m, jsontext.WithIndent("  "), json.FormatNilSliceAsNull(false))
	if err != nil {
		return nil, err
	}
	return m, os.WriteFile(filepath.Join(dir, ManifestName), append(body, '\n'), 0o640)
}

// names says which steps a file proves.
func (s *Story) names(digest string) string {
	var out []string
	for _, step := range s.Steps {
		if step.Digest == digest {
			out = append(out, string(step.Stage)+": "+step.Title)
		}
	}
	if len(out) == 0 {
		return "data of an event"
	}
	return strings.Join(slices.Compact(out), "; ")
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Check reads a folder that Save wrote and holds each file against the manifest,
// and each piece of evidence against the name that it is known by.
func Check(dir fs.FS) (*Manifest, error) {
	body, err := fs.ReadFile(dir, ManifestName)
	if err != nil {
		return nil, fmt.Errorf("no manifest: %w", err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestName, err)
	}
	var errs []error
	for _, f := range m.Files {
		content, err := fs.ReadFile(dir, f.Path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		digest := digestOf(content)
		if digest != f.Digest {
			errs = append(errs, fmt.Errorf("%s was changed: the manifest says %s, the file has %s", f.Path, f.Digest, digest))
		} else if named := strings.ReplaceAll(path.Base(f.Path), "-", ":"); path.Dir(f.Path) == "evidence" && named != digest {
			errs = append(errs, fmt.Errorf("%s is not the file that it is named after: it has %s", f.Path, digest))
		}
	}
	return m, errors.Join(errs...)
}
