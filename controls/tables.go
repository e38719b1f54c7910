package controls

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// columns of a matrix kept as a table. Those with a nil field are for people.
var columns = map[string]func(*Control) *[]string{
	"services":        func(c *Control) *[]string { return &c.Applies.Services },
	"classifications": func(c *Control) *[]string { return &c.Applies.Classifications },
	"data_classes":    func(c *Control) *[]string { return &c.Applies.DataClasses },
	"kinds":           func(c *Control) *[]string { return &c.Applies.Kinds },
	"environments":    func(c *Control) *[]string { return &c.Applies.Environments },
	"initiated_by":    func(c *Control) *[]string { return &c.Applies.InitiatedBy },
	"tag":             nil, "framework": nil, "title": nil, "owner": nil, "notes": nil, "note": nil, "comment": nil, "source": nil,
}

// readCSV reads a matrix from a table with a header: tag, framework, title, and
// a column for each condition, values separated by semicolons. A column that
// is none of these is an error, since a misspelt condition would put every
// change in scope.
func readCSV(text []byte) (*Matrix, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	if line, _, _ := bytes.Cut(text, []byte("\n")); bytes.Count(line, []byte(";")) > bytes.Count(line, []byte(",")) {
		r.Comma = ';' // as spreadsheets write it where the comma is for decimals
	}
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("controls: CSV: %w", err)
	}
	for i, name := range header {
		header[i] = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
		if _, known := columns[header[i]]; !known {
			return nil, fmt.Errorf("controls: CSV: column %q is none of tag, framework, title, services, classifications, data_classes, kinds, environments, initiated_by, owner, source, notes", name)
		}
	}
	if !slices.Contains(header, "tag") {
		return nil, errors.New("controls: CSV: there is no column tag")
	}
	m := new(Matrix)
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, fmt.Errorf("controls: CSV: %w", err)
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
// YAML is a form of it, and JSON is YAML.
type oscal struct {
	Definition struct {
		Components []struct {
			Type            string      `yaml:"type"`
			Title           string      `yaml:"title"`
			Props           []oscalProp `yaml:"props"`
			Implementations []struct {
				Source       string      `yaml:"source"`
				Props        []oscalProp `yaml:"props"`
				Requirements []struct {
					Control     string      `yaml:"control-id"`
					Description string      `yaml:"description"`
					Props       []oscalProp `yaml:"props"`
				} `yaml:"implemented-requirements"`
			} `yaml:"control-implementations"`
		} `yaml:"components"`
	} `yaml:"component-definition"`
}

type oscalProp struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// readOSCAL reads each implemented requirement as a control of its component:
// the service of that name, unless the component is a policy, a plan or a
// process, which are for all. Properties named as the columns of a table say
// more; the property "framework" says how tags begin where the source does not.
func readOSCAL(text []byte) (*Matrix, error) {
	var o oscal
	if err := yaml.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("controls: OSCAL: %w", err)
	}
	m := new(Matrix)
	for _, component := range o.Definition.Components {
		for _, impl := range component.Implementations {
			for _, req := range impl.Requirements {
				c := Control{Title: strings.TrimSpace(req.Description)}
				if len(c.Title) > 200 {
					c.Title = ""
				}
				prefix := frameworkOf(impl.Source)
				for _, p := range slices.Concat(component.Props, impl.Props, req.Props) {
					name := strings.ReplaceAll(p.Name, "-", "_")
					switch {
					case name == "framework":
						prefix = p.Value
					case name == "tag":
						c.Tag = p.Value
					case columns[name] != nil:
						field := columns[name](&c)
						*field = append(*field, list(p.Value)...)
					}
				}
				if c.Tag == "" {
					if prefix == "" {
						return nil, fmt.Errorf("controls: OSCAL: %s: %s: the source %q tells no framework; set the property framework, as pci-dss", component.Title, req.Control, impl.Source)
					}
					c.Tag = prefix + "-" + strings.ToLower(req.Control)
				}
				if !slices.Contains([]string{"policy", "plan", "process-procedure", "standard", "guidance"}, component.Type) && len(c.Applies.Services) == 0 {
					c.Applies.Services = []string{component.Title}
				}
				m.Controls = append(m.Controls, c)
			}
		}
	}
	return m, nil
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
