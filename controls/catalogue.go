package controls

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/record"
)

//go:embed catalogue.yaml
var catalogueYAML []byte

// A Catalogue is the knowledge about frameworks: what a tag can mean.
type Catalogue struct {
	Frameworks []Framework `yaml:"frameworks"`
}

// A Framework is one framework in its current version.
type Framework struct {
	ID       string        `yaml:"id"` // the prefix of its tags, such as pci-dss
	Name     string        `yaml:"name"`
	Version  string        `yaml:"version"`
	Own      bool          `yaml:"own"` // the organization's own numbers
	Controls []Requirement `yaml:"controls"`
	Before   []Earlier     `yaml:"before"`
}

// An Earlier is an earlier version, with the numbers that have changed since.
type Earlier struct {
	Version  string        `yaml:"version"`
	Controls []Requirement `yaml:"controls"`
}

// A Requirement is one control of a framework.
type Requirement struct {
	ID       string   `yaml:"id"`
	Title    string   `yaml:"title"`
	Evidence []string `yaml:"evidence"`
	Verified bool     `yaml:"verified"`
	Now      []string `yaml:"now"` // for an earlier version: its numbers today
}

// DefaultCatalogue returns the catalogue that ships with changetrail.
func DefaultCatalogue() (*Catalogue, error) {
	c := new(Catalogue)
	d := yaml.NewDecoder(bytes.NewReader(catalogueYAML))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("controls: catalogue: %w", err)
	}
	return c, nil
}

// How a tag matched the catalogue.
const (
	Exact      = "exact"      // the number exists in that version
	Renumbered = "renumbered" // an earlier version has it, under a number that changed since
	Related    = "related"    // a part of it, or what it is a part of, exists there
	Custom     = "custom"     // the organization's own
	Unknown    = "unknown"
)

// Resolve returns what a tag means. The framework that the matrix states for it, such as "PCI DSS
// 3.2.1", determines the version; without one it is the current version.
func (c *Catalogue) Resolve(tag, stated string) record.ResolvedControl {
	out := record.ResolvedControl{Tag: tag, Match: Unknown}
	f, id := c.split(tag)
	if f == nil {
		if stated != "" {
			out.Match, out.Framework = Custom, stated
		}
		return out
	}
	out.Framework, out.Version, out.ID = f.Name, f.Version, id
	version, id := versionIn(f, id, stated)
	out.ID = id
	for _, e := range f.Before {
		i := index(e.Controls, id)
		if i < 0 {
			continue
		}
		if e.Version == version {
			return f.renumbered(out, e, e.Controls[i])
		}
		out.Note = fmt.Sprintf("In %s %s, %s was: %s; that is %s now.", f.Name, e.Version, id, e.Controls[i].Title, strings.Join(e.Controls[i].Now, ", "))
	}
	if i := index(f.Controls, id); i >= 0 {
		k := f.Controls[i]
		out.Match, out.Title, out.Evidence, out.Verified = Exact, k.Title, k.Evidence, k.Verified
		return out
	}
	if out.Note != "" { // the number exists in an earlier version only
		for _, e := range f.Before {
			if i := index(e.Controls, id); i >= 0 {
				return f.renumbered(out, e, e.Controls[i])
			}
		}
	}
	for _, k := range f.Controls {
		if within(k.ID, id) || within(id, k.ID) {
			out.Match = Related
			out.Related = append(out.Related, k.ID)
			out.Evidence = append(out.Evidence, k.Evidence...)
		}
	}
	slices.Sort(out.Evidence)
	out.Evidence = slices.Compact(out.Evidence)
	if out.Match == Unknown && f.Own {
		out.Match = Custom
	}
	return out
}

func (f *Framework) renumbered(out record.ResolvedControl, e Earlier, was Requirement) record.ResolvedControl {
	out.Match, out.Version, out.Title, out.Related = Renumbered, e.Version, was.Title, was.Now
	out.Note = fmt.Sprintf("%s of %s %s is %s in %s.", was.ID, f.Name, e.Version, strings.Join(was.Now, ", "), f.Version)
	out.Verified = len(was.Now) > 0 // only where each control that took its place is
	for _, now := range was.Now {
		i := index(f.Controls, now)
		if i < 0 {
			out.Verified = false
			continue
		}
		out.Evidence = append(out.Evidence, f.Controls[i].Evidence...)
		out.Verified = out.Verified && f.Controls[i].Verified
	}
	slices.Sort(out.Evidence)
	out.Evidence = slices.Compact(out.Evidence)
	return out
}

// split returns the framework with the longest prefix that matches the tag, and the rest of the
// tag.
func (c *Catalogue) split(tag string) (*Framework, string) {
	tag = normal(tag)
	var best *Framework
	for i := range c.Frameworks {
		f := &c.Frameworks[i]
		if strings.HasPrefix(tag, f.ID+"-") && (best == nil || len(f.ID) > len(best.ID)) {
			best = f
		}
	}
	if best == nil {
		return nil, ""
	}
	return best, tag[len(best.ID)+1:]
}

var brackets = strings.NewReplacer("(", "", ")", "", " ", "", ".art.", ".art", "article", "art", "art.", "art")

// normal returns a number in the form of the catalogue: 164.312(b) becomes 164.312b.
func normal(s string) string { return brackets.Replace(strings.ToLower(s)) }

var versionLike = regexp.MustCompile(`(?:^|[ :-])[vr]?(\d+(?:\.\d+)*)$`)

// versionIn returns the version that a tag (pci-dss-v3.2.1-6.3.2) or the matrix states, and the
// number without it.
func versionIn(f *Framework, id, stated string) (version, number string) {
	versions := []string{f.Version}
	for _, e := range f.Before {
		versions = append(versions, e.Version)
	}
	for _, v := range versions {
		for _, prefix := range []string{v + "-", "v" + v + "-", v + ":", "v" + v + ":"} {
			if rest, ok := strings.CutPrefix(id, prefix); ok {
				return v, rest
			}
		}
	}
	if m := versionLike.FindStringSubmatch(stated); m != nil && slices.Contains(versions, m[1]) {
		return m[1], id
	}
	return f.Version, id
}

func index(list []Requirement, id string) int {
	return slices.IndexFunc(list, func(k Requirement) bool { return normal(k.ID) == id })
}

// within reports whether number a is a part of b, as 6.3.2 is of 6.3.
func within(a, b string) bool {
	a, b = normal(a), normal(b)
	return len(a) > len(b) && strings.HasPrefix(a, b) && (a[len(b)] == '.' || a[len(b)] == '-' || b[len(b)-1] >= '0' && b[len(b)-1] <= '9' && a[len(b)] >= 'a')
}
