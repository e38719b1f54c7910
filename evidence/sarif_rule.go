package evidence

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type sarifTool struct { // 3.18
	Driver     sarifComponent   `json:"driver"`
	Extensions []sarifComponent `json:"extensions"`
}

type sarifComponent struct { // 3.19
	Name            string               `json:"name"`
	GUID            string               `json:"guid"`
	Version         string               `json:"version"`
	SemanticVersion string               `json:"semanticVersion"`
	Rules           []sarifRule          `json:"rules"`
	Notifications   []sarifRule          `json:"notifications"`
	Taxa            []sarifRule          `json:"taxa"`
	Messages        map[string]sarifText `json:"globalMessageStrings"`
}

func (c *sarifComponent) version() string { return orElse(c.Version, c.SemanticVersion) }

type sarifRule struct { // 3.49 reportingDescriptor
	ID               string               `json:"id"`
	GUID             string               `json:"guid"`
	DeprecatedIDs    []string             `json:"deprecatedIds"`
	ShortDescription sarifText            `json:"shortDescription"`
	FullDescription  sarifText            `json:"fullDescription"`
	Help             sarifText            `json:"help"`
	Messages         map[string]sarifText `json:"messageStrings"`
	HelpURI          string               `json:"helpUri"`
	Default          sarifConfiguration   `json:"defaultConfiguration"`
	Relationships    []struct {
		Target sarifReference `json:"target"`
		Kinds  []string       `json:"kinds"`
	} `json:"relationships"`
	Properties jsontext.Value `json:"properties"`
}

type sarifConfiguration struct { // 3.50
	Level string `json:"level"`
}

type sarifOverride struct { // 3.51
	Descriptor    sarifReference     `json:"descriptor"`
	Configuration sarifConfiguration `json:"configuration"`
}

type sarifReference struct { // 3.52 reportingDescriptorReference
	ID        string `json:"id"`
	Index     *int   `json:"index"`
	GUID      string `json:"guid"`
	Component struct {
		Name  string `json:"name"`
		Index *int   `json:"index"`
		GUID  string `json:"guid"`
	} `json:"toolComponent"` // 3.54
}

// id returns the rule that a result names: ruleId and rule.id mean the same (3.27.7).
func (r *sarifResult) id() string { return orElse(r.RuleID, r.Rule.ID) }

// ruleOf returns the rule of a result and the component that contains it; both are empty if the run
// describes none. Fields that rule lacks are beside it (3.27.7).
func (run *sarifRun) ruleOf(r *sarifResult) (*sarifRule, *sarifComponent) {
	ref := r.Rule
	ref.ID = r.id()
	if ref.Index == nil {
		ref.Index = r.RuleIndex
	}
	return run.rules.find(ref)
}

// A lookup finds descriptors of one kind, in the components of a tool or in taxonomies. It is built
// once for each run, since a report may have many of both.
type lookup struct {
	first      *sarifComponent // used if no component is named
	indexed    []sarifComponent
	list       func(*sarifComponent) []sarifRule
	components map[string]*sarifComponent // by guid and by name
	within     map[*sarifComponent]map[string]*sarifRule
	anywhere   map[string]described
}

type described struct {
	rule  *sarifRule
	owner *sarifComponent
}

func newLookup(first *sarifComponent, indexed []sarifComponent, list func(*sarifComponent) []sarifRule) *lookup {
	l := &lookup{
		first: first, indexed: indexed, list: list,
		components: make(map[string]*sarifComponent), within: make(map[*sarifComponent]map[string]*sarifRule), anywhere: make(map[string]described),
	}
	l.addComponent(first)
	for i := range indexed {
		l.addComponent(&indexed[i])
	}
	return l
}

func (l *lookup) addComponent(c *sarifComponent) {
	for _, name := range []string{guidKey(c.GUID), c.Name} {
		if _, there := l.components[name]; !there {
			l.components[name] = c
		}
	}
	own := make(map[string]*sarifRule)
	rules := l.list(c)
	for i := range rules {
		for _, name := range []string{rules[i].ID, guidKey(rules[i].GUID)} {
			if _, there := own[name]; !there {
				own[name] = &rules[i]
			}
			if _, there := l.anywhere[name]; !there {
				l.anywhere[name] = described{&rules[i], c}
			}
		}
	}
	l.within[c] = own
}

// guidKey returns the key of a guid in the same map as names of rules and components.
func guidKey(guid string) string { return "\x00" + strings.ToLower(guid) }

// find returns a descriptor (3.52.3) of the component that is named, or of the others by guid and
// id, since tools omit the name. If an index and an id disagree, the id counts.
func (l *lookup) find(ref sarifReference) (*sarifRule, *sarifComponent) {
	named := l.component(ref)
	if rules := l.list(named); ref.Index != nil && *ref.Index >= 0 && *ref.Index < len(rules) {
		if rule := &rules[*ref.Index]; ref.ID == "" || underRule(rule.ID, ref.ID) {
			return rule, named
		}
	}
	var names []string
	if ref.GUID != "" {
		names = append(names, guidKey(ref.GUID))
	}
	for id := ref.ID; id != "" && len(names) < 8; { // 3.5.4: "a/b/c", then "a/b"
		names = append(names, id)
		id = id[:max(strings.LastIndexByte(id, '/'), 0)]
	}
	for _, name := range names {
		if rule := l.within[named][name]; rule != nil {
			return rule, named
		}
		if d, ok := l.anywhere[name]; ok {
			return d.rule, d.owner
		}
	}
	return new(sarifRule), named
}

// component returns a tool component (3.54.2): by index among the extensions, by guid anywhere,
// otherwise the driver. The standard ignores the name; here it decides if nothing else is given.
func (l *lookup) component(ref sarifReference) *sarifComponent {
	c := ref.Component
	key := c.Name
	if c.GUID != "" {
		key = guidKey(c.GUID)
	}
	switch x, ok := l.components[key]; {
	case c.Index != nil && *c.Index >= 0 && *c.Index < len(l.indexed):
		return &l.indexed[*c.Index]
	case ok && key != "":
		return x
	}
	return l.first
}

// underRule reports whether an id is that of a rule or below it in the hierarchy (3.5.4):
// "CA1000/1" is below "CA1000", "CA10001" is not.
func underRule(rule, id string) bool {
	return rule != "" && (rule == id || strings.HasPrefix(id, rule+"/"))
}

// prepare builds the lookups for the results of a run.
func (run *sarifRun) prepare() {
	t := &run.Tool
	run.rules = newLookup(&t.Driver, t.Extensions, func(c *sarifComponent) []sarifRule { return c.Rules })
	run.notes = newLookup(&t.Driver, t.Extensions, func(c *sarifComponent) []sarifRule { return c.Notifications })
	run.taxa = newLookup(new(sarifComponent), run.Taxonomies, func(c *sarifComponent) []sarifRule { return c.Taxa })
	run.facts = make(map[*sarifRule]ruleFacts)
	run.bases = make(map[string]string)
	for _, i := range run.Invocations {
		levels := make(map[*sarifRule]string)
		for _, o := range i.RuleOverrides {
			rule, _ := run.rules.find(o.Descriptor)
			levels[rule] = orElse(levels[rule], o.Configuration.Level)
		}
		run.levels = append(run.levels, levels)
	}
}

// level follows 3.27.10: the result's own level; none for a kind other than fail; the override of
// the invocation; the default of the rule; warning.
func (run *sarifRun) level(r *sarifResult, rule *sarifRule) string {
	switch {
	case r.Level != "":
		return r.Level
	case r.Kind == "open" || r.Kind == "review":
		return "none"
	}
	invocation := 0
	if i := r.Provenance.Invocation; i != nil && *i >= 0 {
		invocation = *i
	} else if len(run.levels) > 1 {
		invocation = len(run.levels) // the invocation is unknown
	}
	if invocation < len(run.levels) && run.levels[invocation][rule] != "" {
		return run.levels[invocation][rule]
	}
	return orElse(rule.Default.Level, "warning")
}

// levelOfNote returns the level of a notification (3.58.6).
func (run *sarifRun) levelOfNote(i *sarifInvocation, n sarifNotification) string {
	if n.Level != "" {
		return n.Level
	}
	descriptor, _ := run.notes.find(n.Descriptor)
	for _, o := range i.NoteOverrides[:min(len(i.NoteOverrides), 1000)] {
		if found, _ := run.notes.find(o.Descriptor); found == descriptor && o.Configuration.Level != "" {
			return o.Configuration.Level
		}
	}
	return orElse(descriptor.Default.Level, "warning")
}

// ruleFacts are what a rule says about all its results.
type ruleFacts struct {
	aliases []string
	score   float64
	purl    string
}

// factsOf returns what a rule says about its results, and caches it: former ids, the classes that
// it belongs to (3.27.8), the classes in its tags.
func (run *sarifRun) factsOf(rule *sarifRule) ruleFacts {
	f, there := run.facts[rule]
	if there {
		return f
	}
	f.aliases = append(f.aliases, rule.DeprecatedIDs[:min(len(rule.DeprecatedIDs), maxAliases)]...)
	for _, x := range rule.Relationships[:min(len(rule.Relationships), maxAliases)] {
		if slices.Contains(x.Kinds, "superset") || slices.Contains(x.Kinds, "equal") || len(x.Kinds) == 0 {
			f.aliases = append(f.aliases, run.taxon(x.Target))
		}
	}
	f.aliases = append(f.aliases, weaknesses(tagsOf(rule.Properties)...)...)
	f.score, f.purl = securitySeverity(rule.Properties), purlIn(rule.Properties)
	run.facts[rule] = f
	return f
}

// taxon returns the name of a class; CWE classes have numbers.
func (run *sarifRun) taxon(ref sarifReference) string {
	taxon, owner := run.taxa.find(ref)
	taxonomy, id := orElse(ref.Component.Name, owner.Name), orElse(ref.ID, taxon.ID)
	if _, err := strconv.Atoi(id); err == nil && taxonomy != "" {
		return taxonomy + "-" + id
	}
	return id
}

func tagsOf(bag jsontext.Value) []string {
	var p struct {
		Tags []string       `json:"tags"`
		CWE  jsontext.Value `json:"cwe"`
	}
	if bag.Kind() != '{' || json.Unmarshal(bag, &p, lenient) != nil {
		return nil
	}
	return append(p.Tags[:min(len(p.Tags), maxAliases):min(len(p.Tags), maxAliases)], clip(string(p.CWE), maxPath))
}

// securitySeverity reads the property of that name that GitHub code scanning defines: a CVSS score,
// which most tools write as a string and some as a number.
func securitySeverity(bag jsontext.Value) float64 {
	var p struct {
		Severity jsontext.Value `json:"security-severity"`
	}
	if bag.Kind() != '{' || json.Unmarshal(bag, &p, lenient) != nil {
		return 0
	}
	if score, err := strconv.ParseFloat(strings.Trim(string(p.Severity), `"`), 64); err == nil && score >= 0 && score <= 10 {
		return score
	}
	return 0
}
