package evidence

import (
	"slices"
	"strings"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// vulnMessage is one object of govulncheck -format json
// (golang.org/x/vuln/internal/govulncheck).
type vulnMessage struct {
	Config *struct {
		Version string `json:"scanner_version"`
	} `json:"config"`
	SBOM *struct {
		Modules []struct {
			Path string `json:"path"`
		} `json:"modules"`
	} `json:"SBOM"`
	OSV     *osvVulnerability `json:"osv"`
	Finding *vulnFinding      `json:"finding"`
}

type vulnFinding struct {
	OSV   string      `json:"osv"`
	Fixed string      `json:"fixed_version"`
	Trace []vulnFrame `json:"trace"` // from the vulnerable symbol to the code that calls it
}

type vulnFrame struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Package  string `json:"package"`
	Function string `json:"function"`
	Position struct {
		File string `json:"filename"`
		Line int    `json:"line"`
	} `json:"position"`
}

// readGovulncheck reads a stream. An "osv" object describes a weakness of some module and is no
// finding. One weakness has up to three findings: of the module, the package and the symbol, of
// which the last is the most precise. A stream with only a config is a run that failed.
func readGovulncheck(file []byte) (Result, error) {
	s := scan{tool: "govulncheck"}
	osv := make(map[string]*osvVulnerability)
	found := make(map[string]vulnFinding)
	var order []string
	for m, err := range streamed[vulnMessage](&s, file) {
		switch {
		case err != nil:
			return Result{}, err
		case m.Config != nil:
			s.version = m.Config.Version
		case m.SBOM != nil:
			s.looked = s.looked || len(m.SBOM.Modules) > 0
		case m.OSV != nil:
			s.looked = true
			osv[m.OSV.ID] = m.OSV
		case m.Finding != nil:
			if len(m.Finding.Trace) == 0 {
				m.Finding.Trace = []vulnFrame{{}}
			}
			at := m.Finding.Trace[0]
			key := m.Finding.OSV + "\x00" + at.Module + "\x00" + at.Version
			old, seen := found[key]
			if !seen {
				order = append(order, key)
			}
			if !seen || !old.called() && m.Finding.called() {
				found[key] = *m.Finding
			}
		}
	}
	for _, key := range order {
		s.add(found[key].finding(osv[found[key].OSV]))
	}
	return s.result()
}

func (v vulnFinding) called() bool { return v.Trace[0].Function != "" }

func (v vulnFinding) finding(o *osvVulnerability) record.Finding {
	at := v.Trace[0]
	installed := strings.TrimPrefix(at.Version, "v")
	f := record.Finding{
		ID: v.OSV, URL: "https://pkg.go.dev/vuln/" + v.OSV, Package: at.Module, Ecosystem: ecosystem.Go, Installed: installed,
		PURL: ecosystem.PURL(ecosystem.Go, at.Module, at.Version), Fixed: ecosystem.LowestFix(ecosystem.Go, []string{strings.TrimPrefix(v.Fixed, "v")}, installed),
	}
	if o != nil {
		f.Aliases, f.Title = slices.Clone(o.Aliases), o.Summary
	}
	if !v.called() {
		f.Title = strings.TrimPrefix(f.Title+" (the vulnerable code is not called)", " ")
	}
	own := v.Trace[len(v.Trace)-1].Module // the code that was scanned
	for _, frame := range v.Trace {
		if frame.Module == own && frame.Position.File != "" {
			f.Path, f.Line = frame.Position.File, frame.Position.Line
			break
		}
	}
	return f
}
