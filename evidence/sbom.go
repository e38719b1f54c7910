package evidence

import (
	"bytes"
	"cmp"
	"slices"

	spdxjson "github.com/spdx/tools-golang/json"

	"github.com/changetrail/changetrail/internal/ecosystem"
	"github.com/changetrail/changetrail/record"
)

// Delta returns the changes from one bill of materials to another, sorted by name: an update has
// both versions, a new package no From, a removed one no To. Bills are CycloneDX (JSON, XML) or
// SPDX 2 (JSON), and their formats may differ. Errors wrap [ErrUnreadable].
func Delta(before, after []byte) ([]record.DependencyUpdate, error) {
	old, err := components(before)
	if err != nil {
		return nil, err
	}
	now, err := components(after)
	if err != nil {
		return nil, err
	}
	var out []record.DependencyUpdate
	for key, versions := range now {
		gone := slices.DeleteFunc(slices.Clone(old[key]), func(v string) bool { return slices.Contains(versions, v) })
		came := slices.DeleteFunc(slices.Clone(versions), func(v string) bool { return slices.Contains(old[key], v) })
		out = append(out, updates(key, gone, came)...)
	}
	for key, versions := range old {
		if _, there := now[key]; !there {
			out = append(out, updates(key, versions, nil)...)
		}
	}
	slices.SortFunc(out, func(a, b record.DependencyUpdate) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return out, nil
}

// updates pairs the versions that are gone with those that are new, lowest first, since a lock file
// may contain a package in several versions.
func updates(key component, gone, came []string) []record.DependencyUpdate {
	ecosystem.Sort(key.ecosystem, gone)
	ecosystem.Sort(key.ecosystem, came)
	var out []record.DependencyUpdate
	for i := range max(len(gone), len(came)) {
		u := record.DependencyUpdate{Name: key.name, Ecosystem: key.ecosystem}
		if i < len(gone) {
			u.From = gone[i]
		}
		if i < len(came) {
			u.To = came[i]
		}
		out = append(out, u)
	}
	return out
}

type component struct{ ecosystem, name string }

// components returns the packages of a bill with their versions.
func components(file []byte) (map[component][]string, error) {
	file = textOf(file)
	s, err := look(file)
	if err != nil {
		return nil, err
	}
	out := make(map[component][]string)
	add := func(purl, name, version string) {
		c := component{name: name}
		if eco, n, v, ok := ecosystem.SplitPURL(purl); ok {
			c.ecosystem, c.name, version = eco, n, v
		}
		if c.name != "" && !slices.Contains(out[c], version) {
			out[c] = append(out[c], version)
		}
	}
	switch {
	case s.text("bomFormat") == "CycloneDX" || s.root == "bom":
		var s scan
		bom, err := decodeBOM(&s, file)
		if err != nil {
			return nil, err
		}
		if len(s.gaps) > 0 { // a skipped package would look like a removed one
			return nil, unreadable("CycloneDX: %s", s.gaps[0])
		}
		for _, c := range flatten(nil, bom.Components) {
			name := c.Name
			if c.Group != "" {
				name = c.Group + "/" + c.Name
			}
			add(c.PURL, name, c.Version)
		}
	case s.has("spdxVersion", '"'):
		doc, err := spdxjson.Read(bytes.NewReader(file))
		if err != nil {
			return nil, unreadable("SPDX: %v", err)
		}
		described := make(map[string]bool) // the product is not one of its own parts
		for _, r := range doc.Relationships {
			if r.Relationship == "DESCRIBES" {
				described[string(r.RefB.ElementRefID)] = true
			}
		}
		for _, p := range doc.Packages {
			purl := ""
			for _, r := range p.PackageExternalReferences {
				if r.RefType == "purl" {
					purl = r.Locator
				}
			}
			if !described[string(p.PackageSPDXIdentifier)] {
				add(purl, p.PackageName, p.PackageVersion)
			}
		}
	default:
		return nil, unreadable("it is not a bill of materials; supported formats are CycloneDX (JSON, XML) and SPDX 2 (JSON)")
	}
	return out, nil
}
