package replay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/digests"
)

// A Manifest lists the files of a saved story.
type Manifest struct {
	Change         string    `json:"change"`
	Revision       int64     `json:"revision"`
	EvidenceDigest string    `json:"evidence_digest"`
	SavedAt        time.Time `json:"saved_at"`
	Events         int64     `json:"events"` // lines of events.jsonl
	Files          []File    `json:"files"`
	Missing        []string  `json:"missing"` // evidence that the story names and that could not be saved
}

// A File is an entry of a manifest.
type File struct {
	Path   string `json:"path"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	What   string `json:"what"`
}

// The files in the folder, except evidence.
const (
	ManifestName = "manifest.json"
	recordName   = "record.json"
	eventsName   = "events.jsonl"
	storyName    = "story.txt"
)

// A saver writes the files of a story to a folder.
type saver struct {
	*Manifest
	dir string
}

// Save writes the story to a folder: the record, the events, the files that they name, and a
// manifest with the digest of each.
func (s *Story) Save(ctx context.Context, dir string, files blobs.Getter, now time.Time) (*Manifest, error) {
	if err := os.MkdirAll(filepath.Join(dir, "evidence"), 0o750); err != nil {
		return nil, err
	}
	t := s.Record.Trail
	w := &saver{&Manifest{Change: string(s.ID()), Revision: t.Revision, EvidenceDigest: t.EvidenceDigest, SavedAt: now.UTC().Truncate(time.Second), Missing: []string{}}, dir}
	if err := w.put(recordName, "the record as it is indexed", append(s.Raw.Clone(), '\n')); err != nil {
		return nil, err
	}
	if err := w.events(ctx, s); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := s.Print(&text); err != nil {
		return nil, err
	}
	if err := w.put(storyName, "what happened, as text", text.Bytes()); err != nil {
		return nil, err
	}
	if err := w.evidence(ctx, s, files); err != nil {
		return nil, err
	}
	body, err := json.Marshal(w.Manifest, jsontext.WithIndent("  "), json.FormatNilSliceAsNull(false))
	if err != nil {
		return nil, err
	}
	return w.Manifest, os.WriteFile(filepath.Join(dir, ManifestName), append(body, '\n'), 0o640) // #nosec G306 -- for the reviewers' group
}

// put writes content to a file.
func (w *saver) put(name, what string, content []byte) error {
	return w.write(name, what, func(out io.Writer) error {
		_, err := out.Write(content)
		return err
	})
}

// write writes a file and records its digest.
func (w *saver) write(name, what string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(filepath.Join(w.dir, filepath.FromSlash(name)), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640) // #nosec G302 -- for the reviewers' group
	if err != nil {
		return err
	}
	sum, size := sha256.New(), new(counter)
	buffer := bufio.NewWriter(io.MultiWriter(f, sum, size))
	if err := errors.Join(fill(buffer), buffer.Flush(), f.Close()); err != nil {
		return err
	}
	w.Files = append(w.Files, File{name, digests.Sum(sum), int64(*size), what})
	return nil
}

// A counter counts the bytes that are written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// events streams the events from the index, since there may be thousands.
func (w *saver) events(ctx context.Context, s *Story) error {
	return w.write(eventsName, "the events of the change, one a line", func(out io.Writer) error {
		return s.Each(ctx, func(doc jsontext.Value) error {
			w.Events++
			_, err := out.Write(append(doc.Clone(), '\n'))
			return err
		})
	})
}

// evidence writes the files that the story names.
func (w *saver) evidence(ctx context.Context, s *Story, files blobs.Getter) error {
	for _, digest := range s.Digests() {
		var content []byte
		err := errors.New("no blob store is configured")
		if files != nil {
			content, err = files.Get(ctx, digest)
		}
		if err != nil {
			w.Missing = append(w.Missing, fmt.Sprintf("%s (%s): %v", digest, s.names(digest), err))
			continue
		}
		if err := w.put("evidence/"+strings.ReplaceAll(digest, ":", "-"), s.names(digest), content); err != nil {
			return err
		}
	}
	return nil
}

// names returns the steps that a file proves.
func (s *Story) names(digest string) string {
	var out []string
	for _, step := range s.Steps {
		if step.Digest == digest {
			out = append(out, string(step.Stage)+": "+step.Title)
		}
	}
	if len(out) == 0 {
		return "named by an event"
	}
	return strings.Join(slices.Compact(out), "; ")
}
