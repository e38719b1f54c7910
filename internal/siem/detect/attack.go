package detect

import (
	"fmt"
	"slices"
	"strings"
)

// A Threat is a tactic of MITRE ATT&CK with the techniques that a rule sees of it, in the form of
// Elastic's rules.
type Threat struct {
	Framework string      `json:"framework"`
	Tactic    Named       `json:"tactic"`
	Technique []Technique `json:"technique"`
}

// Named is an entry of ATT&CK.
type Named struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Reference string `json:"reference"`
}

// A Technique is one of ATT&CK, perhaps with one of its sub-techniques.
type Technique struct {
	Named
	Subtechnique []Named `json:"subtechnique,omitempty"`
}

// tactics are the tactics of ATT&CK that the rules name, by the name in a tag.
var tactics = map[string]Named{
	"initial-access":    {"TA0001", "Initial Access", ""},
	"execution":         {"TA0002", "Execution", ""},
	"persistence":       {"TA0003", "Persistence", ""},
	"defense-evasion":   {"TA0005", "Defense Evasion", ""},
	"credential-access": {"TA0006", "Credential Access", ""},
	"impact":            {"TA0040", "Impact", ""},
}

// techniques are the techniques of ATT&CK that the rules name, each with its tactics.
var techniques = map[string]struct {
	name    string
	tactics []string
}{
	"T1036":     {"Masquerading", []string{"defense-evasion"}},
	"T1059":     {"Command and Scripting Interpreter", []string{"execution"}},
	"T1070":     {"Indicator Removal", []string{"defense-evasion"}},
	"T1072":     {"Software Deployment Tools", []string{"execution"}},
	"T1078":     {"Valid Accounts", []string{"defense-evasion", "initial-access", "persistence"}},
	"T1098":     {"Account Manipulation", []string{"persistence"}},
	"T1195":     {"Supply Chain Compromise", []string{"initial-access"}},
	"T1195.001": {"Compromise Software Dependencies and Development Tools", []string{"initial-access"}},
	"T1195.002": {"Compromise Software Supply Chain", []string{"initial-access"}},
	"T1199":     {"Trusted Relationship", []string{"initial-access"}},
	"T1552":     {"Unsecured Credentials", []string{"credential-access"}},
	"T1552.001": {"Credentials In Files", []string{"credential-access"}},
	"T1554":     {"Compromise Host Software Binary", []string{"persistence"}},
	"T1556":     {"Modify Authentication Process", []string{"credential-access", "defense-evasion", "persistence"}},
	"T1562":     {"Impair Defenses", []string{"defense-evasion"}},
	"T1562.001": {"Disable or Modify Tools", []string{"defense-evasion"}},
	"T1565":     {"Data Manipulation", []string{"impact"}},
	"T1565.001": {"Stored Data Manipulation", []string{"impact"}},
	"T1656":     {"Impersonation", []string{"defense-evasion"}},
}

// Threats returns the tactics of a rule with their techniques.
func (r *Rule) Threats() ([]Threat, error) { return threats(r.Tags) }

// threats returns the tactics in tags, each with those of the techniques in tags that belong to it.
func threats(tags []string) (out []Threat, err error) {
	var ids []string
	for _, tag := range tags {
		name, ok := strings.CutPrefix(tag, "attack.")
		id := strings.ToUpper(name)
		switch {
		case !ok:
		case techniques[id].name != "":
			ids = append(ids, id)
		case tactics[name].Name != "":
			t := tactics[name]
			t.Reference = "https://attack.mitre.org/tactics/" + t.ID + "/"
			out = append(out, Threat{Framework: "MITRE ATT&CK", Tactic: t, Technique: []Technique{}})
		default:
			return nil, fmt.Errorf("%s is no tactic or technique that is known here", tag)
		}
	}
	for _, id := range ids {
		placed := false
		for i := range out {
			if tactic := out[i].Tactic; slices.ContainsFunc(techniques[id].tactics, func(t string) bool { return tactics[t].ID == tactic.ID }) {
				out[i].add(id)
				placed = true
			}
		}
		if !placed {
			return nil, fmt.Errorf("%s belongs to none of the tactics in the tags; it belongs to %s", id, strings.Join(techniques[id].tactics, ", "))
		}
	}
	return out, nil
}

// add adds a technique, or a sub-technique within its technique.
func (t *Threat) add(id string) {
	above, sub, isSub := strings.Cut(id, ".")
	i := slices.IndexFunc(t.Technique, func(have Technique) bool { return have.ID == above })
	if i < 0 {
		i = len(t.Technique)
		t.Technique = append(t.Technique, Technique{Named: Named{above, techniques[above].name, "https://attack.mitre.org/techniques/" + above + "/"}})
	}
	if isSub {
		t.Technique[i].Subtechnique = append(t.Technique[i].Subtechnique, Named{id, techniques[id].name, "https://attack.mitre.org/techniques/" + above + "/" + sub + "/"})
	}
}
