package replay

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
)

// A Checked is a folder that Save wrote, after it was checked.
type Checked struct {
	*Manifest
	Made int64 // number of events that the record states it was made from
	// Absent lists what the record is based on and the folder does not contain.
	Absent []string
}

// Check reads a folder that Save wrote. It compares each file with the manifest, each piece of
// evidence with its name, the record with its own digest, and the events with what the record and
// they themselves name. It returns an error for what was changed, and lists what is missing in the
// result.
func Check(dir fs.FS) (*Checked, error) {
	body, err := fs.ReadFile(dir, ManifestName)
	if err != nil {
		return nil, fmt.Errorf("no manifest: %w", err)
	}
	c := &Checked{Manifest: new(Manifest)}
	if err := json.Unmarshal(body, c.Manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestName, err)
	}
	var errs []error
	for _, f := range c.Files {
		errs = append(errs, checkFile(dir, f))
	}
	errs = append(errs, c.record(dir), c.events(dir))
	for _, m := range c.Missing {
		c.Absent = append(c.Absent, "missing: "+m)
	}
	return c, errors.Join(errs...)
}

func checkFile(dir fs.FS, f File) error {
	file, err := dir.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	digest := digests.Sum(sum)
	if digest != f.Digest {
		return fmt.Errorf("%s was changed: the manifest says %s, the file has %s", f.Path, f.Digest, digest)
	}
	if named := strings.ReplaceAll(path.Base(f.Path), "-", ":"); path.Dir(f.Path) == "evidence" && named != digest {
		return fmt.Errorf("%s is not the file that it is named after: it has %s", f.Path, digest)
	}
	return nil
}

// record checks the digest of the record.
func (c *Checked) record(dir fs.FS) error {
	text, err := fs.ReadFile(dir, recordName)
	if err != nil {
		return nil // reported already by the check of the file
	}
	var r record.Record
	if err := json.Unmarshal(text, &r, jsontext.AllowInvalidUTF8(true)); err != nil {
		return fmt.Errorf("%s: %w", recordName, err)
	}
	c.Made = r.Trail.Events + r.Trail.LeftOut
	digest, err := unsealed(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", recordName, err)
	case digest != r.Trail.EvidenceDigest:
		return fmt.Errorf("%s was changed: its evidence digest is %s, its content has %s", recordName, r.Trail.EvidenceDigest, digest)
	case digest != c.EvidenceDigest || string(r.Trail.Change.ID) != c.Change || r.Trail.Revision != c.Revision:
		return fmt.Errorf("%s is not the record that %s names: revision %d of %s", recordName, ManifestName, r.Trail.Revision, r.Trail.Change.ID)
	}
	return nil
}

// unsealed returns the evidence digest of a record: the digest of its canonical form with revision
// 0 and no digest. It keeps members that this version does not know.
func unsealed(text jsontext.Value) (string, error) {
	var all, trail map[string]jsontext.Value
	if err := json.Unmarshal(text, &all, jsontext.AllowInvalidUTF8(true)); err != nil {
		return "", err
	}
	if err := json.Unmarshal(all["changetrail"], &trail, jsontext.AllowInvalidUTF8(true)); err != nil {
		return "", err
	}
	trail["revision"], trail["evidence_digest"] = jsontext.Value("0"), jsontext.Value(`""`)
	var err error
	if all["changetrail"], err = json.Marshal(trail, jsontext.AllowInvalidUTF8(true)); err != nil {
		return "", err
	}
	whole, err := json.Marshal(all, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return "", err
	}
	v := jsontext.Value(whole)
	if err := v.Canonicalize(); err != nil {
		return "", err
	}
	return digests.Of(v), nil
}

// events counts the events, and looks for the files that they name.
func (c *Checked) events(dir fs.FS) error {
	file, err := dir.Open(eventsName)
	if err != nil {
		return nil // reported already by the check of the file
	}
	defer func() { _ = file.Close() }() // it was only read
	var n int64
	in := bufio.NewReader(file)
	for {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			n++
			e, bad := read("", jsontext.Value(line))
			if bad != nil {
				return fmt.Errorf("%s: line %d: %w", eventsName, n, bad)
			}
			c.look(e)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", eventsName, err)
		}
	}
	if c.Events == 0 { // an earlier version did not count them
		c.Events = n
	}
	if n != c.Events {
		return fmt.Errorf("%s has %d events; %s says %d", eventsName, n, ManifestName, c.Events)
	}
	if c.Made > n {
		c.Absent = append(c.Absent, fmt.Sprintf("events: the record is made from %d; %d are here", c.Made, n))
	}
	return nil
}

// look records the files that an event names and that are neither here nor listed as missing.
func (c *Checked) look(e *found) {
	for _, digest := range e.Files {
		here := slices.ContainsFunc(c.Files, func(f File) bool { return f.Digest == digest && path.Dir(f.Path) == "evidence" })
		said := slices.ContainsFunc(c.Missing, func(m string) bool { return strings.HasPrefix(m, digest) })
		if !here && !said {
			c.Absent = append(c.Absent, fmt.Sprintf("%s: event %s of %s names it, and it is not here", digest, e.ID, e.Source))
		}
	}
}
