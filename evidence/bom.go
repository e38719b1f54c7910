package evidence

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A bom is the part of a CycloneDX bill of materials that is read: versions 1.0 to 1.7 and the
// vulnerability extension of 1.1 to 1.3, in JSON and in XML.
type bom struct {
	Metadata struct {
		Tools     bomTools      `json:"tools" xml:"tools"`
		Component *bomComponent `json:"component" xml:"component"` // what the bill describes
	} `json:"metadata" xml:"metadata"`
	Components      []bomComponent      `json:"components" xml:"components>component"`
	Services        []bomComponent      `json:"services" xml:"services>service"`
	Vulnerabilities *bomVulnerabilities `json:"vulnerabilities" xml:"vulnerabilities"`
}

type bomComponent struct {
	Ref             string              `json:"bom-ref" xml:"bom-ref,attr"`
	Group           string              `json:"group" xml:"group"`
	Name            string              `json:"name" xml:"name"`
	Version         string              `json:"version" xml:"version"`
	PURL            string              `json:"purl" xml:"purl"`
	Components      []bomComponent      `json:"components" xml:"components>component"`
	Services        []bomComponent      `json:"services" xml:"services>service"` // within a service
	Vulnerabilities *bomVulnerabilities `json:"vulnerabilities" xml:"vulnerabilities"`
}

// bomTools is a list of tools, or since 1.5 an object with a list of components.
type bomTools struct {
	All        []bomComponent `xml:"tool"`
	Components []bomComponent `xml:"components>component"`
}

// UnmarshalJSONFrom reads either form.
func (t *bomTools) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '[' {
		return json.UnmarshalDecode(d, &t.All)
	}
	var v struct {
		Components []bomComponent `json:"components"`
	}
	err := json.UnmarshalDecode(d, &v)
	t.Components = v.Components
	return err
}

// bomVulnerabilities is a list that may be there and empty.
type bomVulnerabilities struct {
	All []bomVulnerability `xml:"vulnerability"`
}

// UnmarshalJSONFrom reads the list.
func (v *bomVulnerabilities) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return json.UnmarshalDecode(d, &v.All)
}

type bomVulnerability struct {
	Ref    string `json:"ref" xml:"ref,attr"` // of the extension
	ID     string `json:"id" xml:"id"`
	Source struct {
		URL string `json:"url" xml:"url"`
	} `json:"source" xml:"source"`
	References []struct {
		ID string `json:"id" xml:"id"`
	} `json:"references" xml:"references>reference"`
	Ratings        []bomRating  `json:"ratings" xml:"ratings>rating"`
	CWEs           []string     `json:"cwes" xml:"cwes>cwe"`
	Description    string       `json:"description" xml:"description"`
	Detail         string       `json:"detail" xml:"detail"`
	Recommendation string       `json:"recommendation" xml:"recommendation"`
	Affects        []bomAffects `json:"affects" xml:"affects>target"`
	Analysis       struct {
		State string `json:"state" xml:"state"`
	} `json:"analysis" xml:"analysis"`
}

type bomRating struct {
	Score    bomScore `json:"score" xml:"score"`
	Severity string   `json:"severity" xml:"severity"`
	Method   string   `json:"method" xml:"method"`
	Vector   string   `json:"vector" xml:"vector"`
}

type bomAffects struct {
	Ref      string       `json:"ref" xml:"ref"`
	Versions []bomVersion `json:"versions" xml:"versions>version"`
}

type bomVersion struct {
	Version string `json:"version" xml:"version"`
	Range   string `json:"range" xml:"range"`
	Status  string `json:"status" xml:"status"`
}

// bomScore is a number, or in the extension an object with the base score.
type bomScore struct{ value float64 }

// UnmarshalJSONFrom reads either form.
func (s *bomScore) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		var v jsontext.Value
		err := json.UnmarshalDecode(d, &v)
		s.value, _ = strconv.ParseFloat(strings.Trim(string(v), `"`), 64)
		return err
	}
	var v struct {
		Base float64 `json:"base"`
	}
	err := json.UnmarshalDecode(d, &v)
	s.value = v.Base
	return err
}

// UnmarshalXML reads either form.
func (s *bomScore) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var v struct {
		Text string `xml:",chardata"`
		Base string `xml:"base"`
	}
	err := d.DecodeElement(&v, &start)
	s.value, _ = strconv.ParseFloat(strings.TrimSpace(orElse(v.Base, v.Text)), 64)
	return err
}

func decodeBOM(s *scan, file []byte) (*bom, error) {
	if len(file) == 0 || file[0] != '<' {
		b, err := parse[bom](s, file)
		return &b, err
	}
	b, err := readXML[bom](file)
	return &b, err
}

// tool returns the tool that made the bill.
func (b *bom) tool() (name, version string) {
	for _, list := range [][]bomComponent{b.Metadata.Tools.Components, b.Metadata.Tools.All} {
		if len(list) > 0 {
			return list[0].Name, list[0].Version
		}
	}
	return "", ""
}

// parts returns the component that the bill describes, its components and services, and those
// within them.
func (b *bom) parts() []bomComponent {
	var out []bomComponent
	if b.Metadata.Component != nil {
		out = flatten(out, []bomComponent{*b.Metadata.Component})
	}
	return flatten(flatten(out, b.Components), b.Services)
}

func flatten(out, list []bomComponent) []bomComponent {
	for _, c := range list {
		out = flatten(flatten(append(out, c), c.Components), c.Services)
	}
	return out
}
