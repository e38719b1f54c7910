package pack

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/replay"
)

// A Pack is what is packed.
type Pack struct {
	Population *audit.Population
	Sample     *audit.Sample
	// Rules are the policies and control matrices by which the changes of the sample were judged.
	Rules []Rule
	// Absent says what else belongs into the pack and could not be read.
	Absent []string
}

// A Rule is a policy or a control matrix.
type Rule struct {
	Kind    string // policy or matrix
	Digest  string
	Content []byte // as it was recorded
}

// A Source is where the stories of changes and their files are read.
type Source struct {
	Index replay.Index
	Files blobs.Getter // nil if there is none
}

// A packed change is a change of the sample with what was written of it.
type packed struct {
	audit.Item
	n        int    // its place in the sample, from 1
	folder   string // of its evidence, in the pack
	story    *replay.Story
	manifest *replay.Manifest
	lacks    []string // what its record rests on and the pack does not contain
}

// Write writes the pack to out, and returns what it does not contain. It needs the space of the pack
// in the folder for temporary files.
func (p *Pack) Write(ctx context.Context, from Source, out io.Writer) (lacks []string, err error) {
	dir, err := os.MkdirTemp("", "changetrail-pack-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	w := &writer{pack: p, dir: dir}
	if err := w.fill(ctx, from); err != nil {
		return nil, err
	}
	return w.lacks(), zipped(dir, out)
}

// A writer writes the files of a pack to a folder.
type writer struct {
	pack    *Pack
	dir     string
	changes []*packed
}

func (w *writer) fill(ctx context.Context, from Source) error {
	for i, item := range w.pack.Sample.Items {
		c, err := w.change(ctx, from, i+1, item)
		if err != nil {
			return fmt.Errorf("%s: %w", item.Change, err)
		}
		w.changes = append(w.changes, c)
	}
	var population, sample, index bytes.Buffer
	if err := w.pack.Population.WriteCSV(&population); err != nil {
		return err
	}
	if err := w.pack.Sample.WriteCSV(&sample); err != nil {
		return err
	}
	if err := w.index(&index); err != nil {
		return err
	}
	summary, err := w.summary()
	if err != nil {
		return err
	}
	files := map[string][]byte{"population.csv": population.Bytes(), "sample.csv": sample.Bytes(), "index.html": index.Bytes(), "audit.json": summary}
	for _, r := range w.pack.Rules {
		files[r.path()] = r.Content
	}
	for name, content := range files {
		if err := w.put(name, content); err != nil {
			return err
		}
	}
	return w.sums()
}

// path is where a rule is in the pack.
func (r Rule) path() string {
	return path.Join("rules", r.Kind+"-"+strings.ReplaceAll(r.Digest, ":", "-")+".yaml")
}

// change writes the record, the events and the evidence of a change.
func (w *writer) change(ctx context.Context, from Source, n int, item audit.Item) (*packed, error) {
	c := &packed{Item: item, n: n, folder: fmt.Sprintf("changes/%03d", n)}
	var err error
	if c.story, err = replay.Load(ctx, from.Index, item.Change); err != nil {
		return nil, err
	}
	if got := c.story.Record.Trail.EvidenceDigest; got != item.Digest {
		return nil, fmt.Errorf("the record was written again while the pack was made (%s, it was %s); make the pack again", got, item.Digest)
	}
	dir := filepath.Join(w.dir, filepath.FromSlash(c.folder))
	// The time of the manifest is the end of the window, so that the same evidence has the same bytes.
	if c.manifest, err = c.story.Save(ctx, dir, from.Files, w.pack.Population.Question.To); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // it was only read
	checked, err := replay.Check(root.FS())
	if err != nil {
		return nil, err
	}
	c.lacks = checked.Absent
	return c, nil
}

// summary is the population without its items, and the sample: for programs.
func (w *writer) summary() ([]byte, error) {
	p := *w.pack.Population
	p.Items, p.ReadAt = nil, time.Time{}
	return json.Marshal(struct {
		Population audit.Population `json:"population"`
		Sample     *audit.Sample    `json:"sample"`
		Lacks      []string         `json:"lacks"`
	}{p, w.pack.Sample, w.lacks()}, jsontext.WithIndent("  "), json.Deterministic(true), json.FormatNilSliceAsNull(false))
}

// lacks lists what belongs into the pack and is not there.
func (w *writer) lacks() []string {
	out := slices.Clone(w.pack.Absent)
	for _, c := range w.changes {
		for _, lack := range c.lacks {
			out = append(out, fmt.Sprintf("%s: %s", c.Change, lack))
		}
	}
	return out
}

func (w *writer) put(name string, content []byte) error {
	to := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// sumsName is the file with the digests of all others, as sha256sum writes and checks it.
const sumsName = "SHA256SUMS"

func (w *writer) sums() error {
	var out bytes.Buffer
	err := filesOf(w.dir, func(name string, content io.Reader) error {
		sum := sha256.New()
		if _, err := io.Copy(sum, content); err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), name)
		return nil
	})
	if err != nil {
		return err
	}
	return w.put(sumsName, out.Bytes())
}

// filesOf calls f with each file of a folder, in the order of their names.
func filesOf(dir string, f func(name string, content io.Reader) error) error {
	return filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		content, err := os.Open(at) // #nosec G304 -- a file that this package wrote
		if err != nil {
			return err
		}
		defer func() { _ = content.Close() }() // it was only read
		return f(filepath.ToSlash(name), content)
	})
}

// zipped writes the files of a folder as a zip without times, so that the same files are the same
// bytes.
func zipped(dir string, out io.Writer) error {
	z := zip.NewWriter(out)
	err := filesOf(dir, func(name string, content io.Reader) error {
		to, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			return err
		}
		_, err = io.Copy(to, content)
		return err
	})
	if err != nil {
		return err
	}
	return z.Close()
}
