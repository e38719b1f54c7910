package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/phrase"
)

// A format is one kind of report: how it is recognized, and how it is read. A reader sees only
// files that its format recognized.
type format struct {
	name  string
	tests bool // results of tests, otherwise of a scan
	is    func(shape) bool
	read  func(file []byte) (Result, error)
}

// formats are all kinds of reports. A format is recognized by what its tool always writes and no
// other tool does. A file that matches two formats is refused.
var formats = slices.Concat(scanFormats, testFormats)

var testFormats = []format{
	{name: "in-toto-test-result", tests: true, is: func(s shape) bool {
		return strings.HasPrefix(s.text("predicateType"), testResultType) || s.text("payloadType") == intotoPayload
	}, read: readTestResult},
	{name: "go-test", tests: true, is: func(s shape) bool {
		return !s.array && s.has("Action", '"') && (s.has("Package", '"') || s.has("ImportPath", '"'))
	}, read: readGoTest},
	{name: "junit", tests: true, is: func(s shape) bool { return s.root == "testsuites" || s.root == "testsuite" }, read: junit.readTests},
	{name: "trx", tests: true, is: func(s shape) bool {
		return s.root == "TestRun" && strings.Contains(s.text("xmlns"), "VisualStudio")
	}, read: trx.readTests},
	{name: "nunit", tests: true, is: func(s shape) bool { return s.root == "test-run" || s.root == "test-results" }, read: nunit.readTests},
	{name: "xunit", tests: true, is: func(s shape) bool {
		return s.root == "assemblies" || s.root == "assembly" && s.text("total") != ""
	}, read: xunit.readTests},
	{name: "sonar-tests", tests: true, is: func(s shape) bool { return s.root == "testExecutions" || s.root == "unitTest" }, read: sonarTests.readTests},
	{name: "tap", tests: true, is: func(s shape) bool { return s.tap }, read: readTAP},
}

// formatOf detects the format of a file from its content.
func formatOf(file []byte) (format, error) {
	s, err := look(file)
	if err != nil {
		return format{}, err
	}
	var fit []format
	var names, known []string
	for _, f := range formats {
		known = append(known, f.name)
		if f.is(s) {
			fit, names = append(fit, f), append(names, f.name)
		}
	}
	names, known = distinct(names), distinct(known)
	switch {
	case len(names) == 1:
		return fit[0], nil
	case len(names) > 1:
		return format{}, unreadable("the format is ambiguous: it may be %s", strings.Join(names, " or "))
	case s.root != "":
		return format{}, unreadable("it is XML of <%s>, an unknown format; supported XML formats are JUnit, TRX, NUnit, xUnit.net, Sonar's test executions, CycloneDX, Checkstyle, PMD and SpotBugs", s.root)
	}
	return format{}, unreadable("it is JSON of an unknown format; supported formats are %s", strings.Join(known, ", "))
}

// A shape is what can be seen of a file before its format is known: the root element of XML, or the
// members of the first JSON object, which is the file itself, the first of a stream, or the first
// element of an array.
type shape struct {
	root    string // XML; its attributes are among the texts
	space   string // its namespace
	tap     bool
	array   bool
	empty   bool // an array without elements
	members map[string]jsontext.Kind
	texts   map[string]string
	values  map[string]jsontext.Value
}

// has reports whether there is a member of that kind; kind 0 means any.
func (s shape) has(name string, kind jsontext.Kind) bool {
	k, ok := s.members[name]
	return ok && (kind == 0 || k == kind)
}

func (s shape) text(name string) string { return s.texts[name] }

// in returns the shape of a member, which is an object or an array, of which it describes the first
// element.
func (s shape) in(name string) shape {
	inner, _ := look(s.values[name])
	return inner
}

// only reports whether there are no other members than these.
func (s shape) only(names ...string) bool {
	for name := range s.members {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return len(s.members) > 0
}

func look(file []byte) (shape, error) {
	if len(file) == 0 {
		return shape{}, unreadable("the file is empty")
	}
	if file[0] == '<' {
		return rootOf(file)
	}
	if file[0] != '{' && file[0] != '[' {
		if isTAP(file) {
			return shape{tap: true}, nil
		}
		return shape{}, unreadable("it is neither JSON nor XML; attach the tool's machine-readable output (the only plain text that is supported is TAP)")
	}
	s := shape{array: file[0] == '[', members: make(map[string]jsontext.Kind), texts: make(map[string]string), values: make(map[string]jsontext.Value)}
	d := newDecoder(file)
	if s.array {
		_, _ = d.ReadToken()
		if s.empty = d.PeekKind() == ']'; s.empty {
			return s, nil
		}
	}
	if d.PeekKind() != '{' {
		return s, nil
	}
	_, _ = d.ReadToken()
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return s, unreadable("%v", phrase.JSON(file, err))
		}
		key := name.String()
		v, err := d.ReadValue()
		if err != nil {
			return s, unreadable("%v", phrase.JSON(file, err))
		}
		s.members[key] = v.Kind()
		s.values[key] = file[int(d.InputOffset())-len(v) : d.InputOffset()]
		if v.Kind() == '"' && len(v) < 256 {
			var text string
			_ = json.Unmarshal(v, &text, lenient)
			s.texts[key] = text
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return s, unreadable("%v", phrase.JSON(file, err))
	}
	return s, nil
}

func rootOf(file []byte) (shape, error) {
	d := xml.NewDecoder(bytes.NewReader(file))
	for {
		token, err := d.Token()
		if err != nil {
			return shape{}, unreadable("%v", err)
		}
		t, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		s := shape{root: t.Name.Local, space: t.Name.Space, texts: make(map[string]string)}
		for _, a := range t.Attr {
			s.texts[a.Name.Local] = a.Value
		}
		return s, nil
	}
}

// lenient accepts repeated members, which some tools write.
var lenient = jsontext.AllowDuplicateNames(true)

func newDecoder(file []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewReader(file), lenient)
}

// decodeJSON decodes file as one T.
func decodeJSON[T any](file []byte) (T, error) {
	var v T
	if err := json.Unmarshal(file, &v, lenient); err != nil {
		return v, unreadable("%v", phrase.JSON(file, err))
	}
	return v, nil
}

// values yields the JSON values of a stream, or the elements of a top-level array, one by one.
func values[T any](file []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		d := newDecoder(file)
		array := d.PeekKind() == '['
		if array {
			_, _ = d.ReadToken()
		}
		for {
			var v T
			if array && d.PeekKind() == ']' {
				return
			}
			err := json.UnmarshalDecode(d, &v, lenient)
			if errors.Is(err, io.EOF) && !array {
				return
			}
			if err != nil {
				yield(v, unreadable("%v", err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}
