package controls

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/strictyaml"
	"github.com/changetrail/changetrail/record"
)

// A Control is one row of the matrix.
type Control struct {
	Tag       string  `yaml:"tag"`       // framework-id, such as pci-dss-6.3.2
	Framework string  `yaml:"framework"` // name and version, such as PCI DSS 4.0.1
	Title     string  `yaml:"title"`     // in the team's own words
	Applies   Applies `yaml:"applies"`
	// Evidence lists what in a record shows that the control was met. If it is empty, the evidence
	// of the catalogue applies.
	Evidence []string `yaml:"evidence"`
}

// Applies is the scope of a control. Every condition that is given must be met, and one of its
// values is enough. No condition at all means every change.
type Applies struct {
	Services        []string `yaml:"services"` // globs over service names
	Classifications []string `yaml:"classifications"`
	DataClasses     []string `yaml:"data_classes"`
	Kinds           []string `yaml:"kinds"`        // kinds of change
	Environments    []string `yaml:"environments"` // where it was deployed
	InitiatedBy     []string `yaml:"initiated_by"` // agent, human
}

// A Matrix is a parsed control matrix.
type Matrix struct {
	Controls []Control `yaml:"controls"`

	resolved []record.ResolvedControl // of each control
	content  []byte
	digest   string
}

// Parse reads the matrix that the compliance team keeps, in a format that it detects from the
// content: YAML, a table (CSV), or an OSCAL component definition (JSON or YAML). It reports all
// mistakes at once.
func Parse(text []byte) (*Matrix, error) {
	m, err := decode(text)
	if err != nil {
		return nil, err
	}
	catalogue, err := DefaultCatalogue()
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, c := range m.Controls {
		at := fmt.Sprintf("controls[%d]", i)
		if c.Tag == "" {
			errs = append(errs, mistake.At(at, "%s: tag is missing; an example is pci-dss-6.3.2", at))
		}
		m.resolved = append(m.resolved, c.resolve(catalogue))
		for _, name := range c.Evidence {
			if _, known := shows[name]; !known {
				errs = append(errs, mistake.At(at+".evidence", "%s: evidence: %s", c.Tag, nearest.NotOne(name, EvidenceNames())))
			}
		}
		for _, glob := range c.Applies.Services {
			if !doublestar.ValidatePattern(glob) {
				errs = append(errs, mistake.At(at+".applies.services", "%s: services: %q is not a pattern of names; check the * and the brackets", c.Tag, glob))
			}
		}
		for _, who := range c.Applies.InitiatedBy {
			if who != "agent" && who != "human" {
				errs = append(errs, mistake.At(at+".applies.initiated_by", "%s: initiated_by: %s", c.Tag, nearest.NotOne(who, []string{"agent", "human"})))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, strictyaml.Locate(text, err)
	}
	m.content = text
	m.digest = digests.Of(text)
	return m, nil
}

// resolve returns what the control means, by the catalogue. Words of the matrix replace those of
// the catalogue.
func (c Control) resolve(catalogue *Catalogue) record.ResolvedControl {
	out := catalogue.Resolve(c.Tag, c.Framework)
	if out.Match == Unknown && (c.Title != "" || c.Evidence != nil) {
		out.Match = Custom
	}
	if c.Title != "" {
		out.Title = c.Title
	}
	if c.Evidence != nil {
		out.Evidence = slices.Clone(c.Evidence)
	}
	return out
}

func decode(text []byte) (*Matrix, error) {
	first, _, _ := bytes.Cut(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\ufeff")), []byte("\n"))
	if !bytes.ContainsAny(first, "{:#") && bytes.ContainsAny(first, ",;") {
		return readCSV(text)
	}
	if m, is, err := readOSCAL(text); is {
		return m, err
	}
	m := new(Matrix)
	if err := strictyaml.Decode(text, m); err != nil {
		return nil, err
	}
	if len(m.Controls) == 0 && len(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))) > 0 {
		return nil, errors.New("the matrix has no control; list them under controls, each with its tag, or omit the file")
	}
	return m, nil
}

// Content returns the bytes that the digest covers.
func (m *Matrix) Content() []byte { return m.content }

// Resolved returns what each control of m means, in order.
func (m *Matrix) Resolved() []record.ResolvedControl { return m.resolved }

// Tag returns the controls that apply to r, in the order of the matrix, with the meaning of each
// and the evidence that is missing for it. It returns nil if none applies. The service and the
// answers of r must be set.
func (m *Matrix) Tag(r *record.Record) *record.ControlFacts {
	var out *record.ControlFacts
	for i, c := range m.Controls {
		if !c.Applies.to(r) {
			continue
		}
		if out == nil {
			out = &record.ControlFacts{MatrixDigest: m.digest}
		}
		if slices.Contains(out.Tags, c.Tag) {
			continue
		}
		resolved := m.resolved[i]
		evidence := resolved.Evidence
		resolved.Evidence = asked(r, evidence)
		resolved.Missing = missing(r, resolved.Evidence)
		resolved.Status = status(r, evidence, resolved)
		out.Tags = append(out.Tags, c.Tag)
		if f := resolved.Framework; f != "" && !slices.Contains(out.Frameworks, f) {
			out.Frameworks = append(out.Frameworks, f)
		}
		by := byStatus(out, resolved.Status)
		*by = append(*by, c.Tag)
		out.Resolved = append(out.Resolved, resolved)
	}
	return out
}

// byStatus returns the list of the tags whose control has a status.
func byStatus(f *record.ControlFacts, status string) *[]string {
	switch status {
	case Shown:
		return &f.Shown
	case Missing:
		return &f.Missing
	case Pending:
		return &f.Pending
	case NotAsked:
		return &f.NotAsked
	}
	return &f.NotEvaluated
}

func (a Applies) to(r *record.Record) bool {
	service := r.Trail.Service
	if service == nil {
		service = &record.ServiceFacts{}
	}
	return anyMatches(a.Services, service.Names, doublestar.MatchUnvalidated) &&
		anyMatches(a.Classifications, []string{service.Classification}, equal) &&
		anyMatches(a.DataClasses, service.DataClasses, equal) &&
		anyMatches(a.Kinds, []string{r.Trail.Change.Kind}, equal) &&
		anyMatches(a.Environments, r.Trail.Environment, equal) &&
		anyMatches(a.InitiatedBy, []string{r.Trail.Change.InitiatedBy}, equal)
}

func equal(want, have string) bool { return want == have }

// anyMatches reports whether one of have is wanted. An empty want is no condition.
func anyMatches(want, have []string, match func(want, have string) bool) bool {
	return len(want) == 0 || slices.ContainsFunc(want, func(w string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return match(w, h) })
	})
}
