package evidence

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

type sarifText struct { // 3.12
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
}

type sarifMessage struct { // 3.11
	Text      string   `json:"text"`
	Markdown  string   `json:"markdown"`
	ID        string   `json:"id"`
	Arguments []string `json:"arguments"`
}

type sarifLocation struct { // 3.28
	Physical struct { // 3.29
		Artifact sarifArtifactPlace `json:"artifactLocation"`
		Region   sarifRegion        `json:"region"`
		Address  jsontext.Value     `json:"address"`
	} `json:"physicalLocation"`
	Logical []sarifLogical `json:"logicalLocations"`
	Message sarifMessage   `json:"message"`
}

type sarifRegion struct { // 3.30
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn"`
	EndLine     int `json:"endLine"`
	EndColumn   int `json:"endColumn"`
	CharOffset  int `json:"charOffset"`
	CharLength  int `json:"charLength"`
	ByteOffset  int `json:"byteOffset"`
	ByteLength  int `json:"byteLength"`
}

type sarifLogical struct { // 3.33
	Name  string `json:"name"`
	Full  string `json:"fullyQualifiedName"`
	Index *int   `json:"index"`
}

type sarifArtifactPlace struct { // 3.4
	URI   string `json:"uri"`
	Base  string `json:"uriBaseId"`
	Index *int   `json:"index"`
}

type sarifArtifact struct { // 3.24
	Location sarifArtifactPlace `json:"location"`
	Parent   *int               `json:"parentIndex"`
}

// Limits on the text of a result: many results may share the text of one rule.
const (
	maxMessage = 4096
	maxFilled  = 32 // placeholders that are filled
)

var placeholder = regexp.MustCompile(`\{\d+\}|\{\{|\}\}`)

// text returns the text of a message: its own, or the one of the rule or the component with its id.
// Placeholders are replaced by the arguments (3.11.5, 3.11.7).
func (m sarifMessage) text(rule *sarifRule, component *sarifComponent) string {
	text := orElse(m.Text, m.Markdown)
	if text == "" && m.ID != "" && rule != nil {
		t, ok := rule.Messages[m.ID]
		if !ok && component != nil {
			t = component.Messages[m.ID]
		}
		text = orElse(t.Text, t.Markdown)
	}
	if text == "" {
		return strings.TrimSpace(m.ID + " " + strings.Join(m.Arguments, " "))
	}
	if text = clip(text, maxMessage); len(m.Arguments) == 0 {
		return text
	}
	filled := 0
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if p == "{{" || p == "}}" {
			return p[:1]
		}
		if n, err := strconv.Atoi(p[1 : len(p)-1]); err == nil && n < len(m.Arguments) && filled < maxFilled {
			filled++
			return clip(m.Arguments[n], maxTitle)
		}
		return p
	})
}

// A sarifSpot is where a result is: the file and line that people look at, and the whole location,
// which distinguishes results on one line.
type sarifSpot struct {
	path  string
	line  int
	whole string
}

func (run *sarifRun) place(at sarifLocation) sarifSpot {
	p := at.Physical
	spot := sarifSpot{path: run.path(p.Artifact), line: p.Region.StartLine}
	var names []string
	for _, l := range at.Logical {
		names = append(names, run.logical(l))
	}
	spot.whole = fmt.Sprint(spot.path, p.Artifact.Base, p.Region, string(canonical(p.Address)), names, at.Message.text(nil, nil))
	if p.Artifact.Index != nil {
		spot.whole += fmt.Sprint(" artifact ", *p.Artifact.Index)
	}
	if spot.path == "" && len(names) > 0 {
		spot.path = names[0]
	}
	return spot
}

// logical returns the full name of a logical location, which may be in the run's own list (3.33.3).
func (run *sarifRun) logical(l sarifLogical) string {
	if name := orElse(l.Full, l.Name); name != "" || l.Index == nil || *l.Index < 0 || *l.Index >= len(run.Logical) {
		return name
	}
	return orElse(run.Logical[*l.Index].Full, run.Logical[*l.Index].Name)
}

// path returns the path of an artifact: from its own address, or else from the run's list (3.4.5),
// within the artifact that contains it (3.24.3).
func (run *sarifRun) path(a sarifArtifactPlace) string {
	if a.URI != "" || a.Index == nil {
		return run.resolve(a)
	}
	var parts []string
	for i, n := *a.Index, 0; i >= 0 && i < len(run.Artifacts) && n < maxNested; n++ {
		parts = append(parts, run.resolve(run.Artifacts[i].Location))
		if run.Artifacts[i].Parent == nil {
			break
		}
		i = *run.Artifacts[i].Parent
	}
	slices.Reverse(parts)
	return strings.Join(distinct(parts), "/")
}

// resolve returns the path of an address under its base (3.14.14). A base that is the root of the
// scan is removed, since paths in a repository begin at its root. A base is the root by its name,
// or if its only parent is a folder of the machine that scanned.
func (run *sarifRun) resolve(a sarifArtifactPlace) string {
	path := unescaped(a.URI)
	if a.Base == "" || strings.Contains(path, "://") || strings.HasPrefix(path, "/") {
		return path
	}
	base, there := run.bases[a.Base]
	if !there {
		base = run.base(a.Base)
		run.bases[a.Base] = base
	}
	return base + path
}

// maxNested is the number of nested artifacts or bases that are followed.
const maxNested = 8

// base returns the path of a base.
func (run *sarifRun) base(id string) string {
	path := ""
	for n := 0; id != "" && n < maxNested && !isRoot(id) && !strings.HasPrefix(path, "/"); n++ {
		base, ok := run.BaseIDs[id]
		if !ok {
			break
		}
		path = run.belowRoot(unescaped(base.URI)) + path
		id = base.Base
	}
	return path
}

// isRoot reports whether the name of a base says that it is the root of the scan.
func isRoot(id string) bool { return strings.Contains(strings.ToUpper(id), "ROOT") }

// belowRoot removes the root from the address of a base.
func (run *sarifRun) belowRoot(base string) string {
	for id, root := range run.BaseIDs {
		if r := unescaped(root.URI); isRoot(id) && len(r) > 1 && strings.HasPrefix(base, r) {
			return base[len(r):]
		}
	}
	if base != "" && !strings.HasSuffix(base, "/") {
		base += "/"
	}
	return base
}

// unescaped returns the address of a file as a path, and any other address unchanged.
func unescaped(uri string) string {
	rest, isFile := strings.CutPrefix(uri, "file:")
	if !isFile && strings.Contains(uri, ":") {
		return uri
	}
	if isFile {
		rest = strings.Replace(strings.TrimPrefix(rest, "//"), "//", "/", 1)
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		path = rest
	}
	if len(path) > 2 && path[0] == '/' && path[2] == ':' { // /C:/code
		path = path[1:]
	}
	return path
}

// canonical returns a JSON value in the canonical form of RFC 8785.
func canonical(v jsontext.Value) jsontext.Value {
	v = v.Clone()
	_ = v.Canonicalize(lenient)
	return v
}
