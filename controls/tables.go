package controls

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/phrase"
	"github.com/changetrail/changetrail/internal/strictyaml"
)

// columns are the columns of a matrix that is a table. Those with a nil field are for people.
var columns = map[string]func(*Control) *[]string{
	"services":        func(c *Control) *[]string { return &c.Applies.Services },
	"classifications": func(c *Control) *[]string { return &c.Applies.Classifications },
	"data_classes":    func(c *Control) *[]string { return &c.Applies.DataClasses },
	"kinds":           func(c *Control) *[]string { return &c.Applies.Kinds },
	"environments":    func(c *Control) *[]string { return &c.Applies.Environments },
	"initiated_by":    func(c *Control) *[]string { return &c.Applies.InitiatedBy },
	"evidence":        func(c *Control) *[]string { return &c.Evidence },
	"tag":             nil, "framework": nil, "title": nil, "owner": nil, "notes": nil, "note": nil, "comment": nil, "source": nil,
}

// readCSV reads a matrix from a table with a header: tag, framework, title, evidence, and a column
// for each condition, with values separated by semicolons. Any other column is an error, since a
// misspelt condition would put every change in scope.
func readCSV(text []byte) (*Matrix, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	if line, _, _ := bytes.Cut(text, []byte("\n")); bytes.Count(line, []byte(";")) > bytes.Count(line, []byte(",")) {
		r.Comma = ';' // spreadsheets write it if the comma is for decimals
	}
	header, err := r.Read()
	if err != nil {
		return nil, &mistake.Mistake{What: phrase.Error(err)}
	}
	for i, name := range header {
		header[i] = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
		if _, known := columns[header[i]]; !known {
			return nil, &mistake.Mistake{Line: 1, Column: firstColumn(r, i), What: "column " + nearest.NotOne(name, slices.Sorted(maps.Keys(columns)))}
		}
	}
	if !slices.Contains(header, "tag") {
		return nil, &mistake.Mistake{Line: 1, What: "there is no column tag; it names the control, such as pci-dss-6.3.2"}
	}
	m := new(Matrix)
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) && len(m.Controls) == 0 {
			return nil, &mistake.Mistake{Line: 1, What: "there is no row below the header, and so no control"}
		}
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, &mistake.Mistake{What: phrase.Error(err)}
		}
		var c Control
		for i, value := range row {
			value = strings.TrimSpace(value)
			switch header[i] {
			case "tag":
				c.Tag = value
			case "framework":
				c.Framework = value
			case "title":
				c.Title = value
			default:
				if field := columns[header[i]]; field != nil {
					*field(&c) = list(value)
				}
			}
		}
		m.Controls = append(m.Controls, c)
	}
}

// firstColumn returns the column of the text at which a value of the last row begins.
func firstColumn(r *csv.Reader, i int) int {
	_, column := r.FieldPos(i)
	return column
}

func list(s string) []string {
	var out []string
	for _, v := range strings.FieldsFunc(s, func(r rune) bool { return r == ';' || r == '|' || r == ',' }) {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// oscal is the part of an OSCAL component definition that is read
// (https://pages.nist.gov/OSCAL-Reference/models/latest/component-definition/json-outline/).
type oscal struct {
	Definition *struct {
		Components   []oscalComponent `yaml:"components" json:"components"`
		Capabilities []oscalComponent `yaml:"capabilities" json:"capabilities"`
	} `yaml:"component-definition" json:"component-definition"`
}

// An oscalComponent is a component, or a capability, which has a name instead of a title.
type oscalComponent struct {
	Type            string                `yaml:"type" json:"type"`
	Title           string                `yaml:"title" json:"title"`
	Name            string                `yaml:"name" json:"name"`
	Props           []oscalProp           `yaml:"props" json:"props"`
	Implementations []oscalImplementation `yaml:"control-implementations" json:"control-implementations"`
}

type oscalImplementation struct {
	Source       string             `yaml:"source" json:"source"`
	Props        []oscalProp        `yaml:"props" json:"props"`
	Requirements []oscalRequirement `yaml:"implemented-requirements" json:"implemented-requirements"`
}

type oscalRequirement struct {
	Control     string      `yaml:"control-id" json:"control-id"`
	Description string      `yaml:"description" json:"description"`
	Props       []oscalProp `yaml:"props" json:"props"`
}

type oscalProp struct {
	Name  string `yaml:"name" json:"name"`
	Value string `yaml:"value" json:"value"`
}

// readOSCAL reads an OSCAL component definition, and reports whether text is one. A JSON text is
// read as JSON, since YAML has other escapes.
func readOSCAL(text []byte) (m *Matrix, is bool, err error) {
	var o oscal
	text = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\ufeff")))
	if bytes.HasPrefix(text, []byte("{")) {
		err = json.Unmarshal(text, &o)
	}
	if o.Definition == nil {
		var top map[string]yaml.Node
		if yaml.Unmarshal(text, &top) != nil {
			return nil, false, nil // the reader of our own format reports what is wrong
		}
		if _, is := top["component-definition"]; !is {
			return nil, false, nil
		}
		if err = yaml.Unmarshal(text, &o); err == nil && o.Definition == nil {
			err = errors.New("component-definition is empty")
		}
	}
	if err != nil {
		return nil, true, inOSCAL(text, err)
	}
	m, err = o.matrix()
	return m, true, err
}

// inOSCAL explains an error in a component definition.
func inOSCAL(text []byte, err error) error {
	if bytes.HasPrefix(text, []byte("{")) {
		return phrase.JSON(text, err)
	}
	return strictyaml.Plain(err)
}

// matrix returns each implemented requirement as a control of its component. It applies to the
// service with the component's name. It applies to all services if the component is a policy, a
// plan or a process, or if it belongs to a capability. Properties with the names of table columns
// add conditions and texts; the property "framework" gives the prefix of tags if the source does
// not.
func (o oscal) matrix() (*Matrix, error) {
	m := new(Matrix)
	for _, component := range o.Definition.Components {
		ofService := !slices.Contains([]string{"policy", "plan", "process-procedure", "standard", "guidance"}, component.Type)
		if err := m.implemented(component, component.Title, ofService); err != nil {
			return nil, err
		}
	}
	for _, capability := range o.Definition.Capabilities {
		if err := m.implemented(capability, cmp.Or(capability.Title, capability.Name), false); err != nil {
			return nil, err
		}
	}
	if len(m.Controls) == 0 {
		return nil, errors.New("no component or capability has an implemented requirement, and so there is no control")
	}
	return m, nil
}

func (m *Matrix) implemented(component oscalComponent, title string, ofService bool) error {
	for _, impl := range component.Implementations {
		for _, req := range impl.Requirements {
			c, err := req.control(impl, slices.Concat(component.Props, impl.Props, req.Props))
			if err != nil {
				return fmt.Errorf("%s: %w", title, err)
			}
			if ofService && len(c.Applies.Services) == 0 {
				c.Applies.Services = []string{title}
			}
			m.Controls = append(m.Controls, c)
		}
	}
	return nil
}

// maxTitle is the longest description that may serve as the title of a control.
const maxTitle = 200

// control returns a requirement as a control, with the properties of everything that contains it.
func (req oscalRequirement) control(impl oscalImplementation, props []oscalProp) (Control, error) {
	c := Control{Title: strings.TrimSpace(req.Description)}
	if len(c.Title) > maxTitle {
		c.Title = ""
	}
	prefix := frameworkOf(impl.Source)
	for _, p := range props {
		name := strings.ReplaceAll(p.Name, "-", "_")
		switch {
		case name == "framework":
			prefix = p.Value
		case name == "tag":
			c.Tag = p.Value
		case name == "title":
			c.Title = p.Value
		case columns[name] != nil:
			field := columns[name](&c)
			*field = append(*field, list(p.Value)...)
		}
	}
	if c.Tag == "" {
		if prefix == "" {
			return c, fmt.Errorf("%s: the source %q names no framework; set the property framework, for example to pci-dss", req.Control, impl.Source)
		}
		c.Tag = prefix + "-" + strings.ToLower(req.Control)
	}
	return c, nil
}

func frameworkOf(source string) string {
	source = strings.ToLower(source)
	for _, f := range []struct{ in, id string }{{"800-53", "nist-800-53"}, {"800-171", "cmmc"}, {"cmmc", "cmmc"}, {"pci", "pci-dss"}, {"soc2", "soc2"}, {"soc_2", "soc2"}, {"27001", "iso27001"}, {"hipaa", "hipaa"}, {"dora", "dora"}} {
		if strings.Contains(source, f.in) {
			return f.id
		}
	}
	return ""
}
