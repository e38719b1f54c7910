package controls

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

func TestResolve(t *testing.T) {
	c, err := DefaultCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ tag, stated, match, version, id, related, note string }{
		{"pci-dss-6.3.2", "", Exact, "4.0.1", "6.3.2", "", "In PCI DSS 3.2.1, 6.3.2 was: code is reviewed before release; that is 6.2.3, 6.2.3.1 now."},
		{"pci-dss-6.3.2", "PCI DSS 4.0.1", Exact, "4.0.1", "6.3.2", "", "In PCI DSS 3.2.1, 6.3.2 was: code is reviewed before release; that is 6.2.3, 6.2.3.1 now."},
		{"pci-dss-6.3.2", "PCI DSS v3.2.1", Renumbered, "3.2.1", "6.3.2", "6.2.3 6.2.3.1", "6.3.2 of PCI DSS 3.2.1 is 6.2.3, 6.2.3.1 in 4.0.1."},
		{"pci-dss-v3.2.1-6.3.2", "", Renumbered, "3.2.1", "6.3.2", "6.2.3 6.2.3.1", "6.3.2 of PCI DSS 3.2.1 is 6.2.3, 6.2.3.1 in 4.0.1."},
		{"pci-dss-4.0.1-6.2.3", "", Exact, "4.0.1", "6.2.3", "", ""},
		{"pci-dss-6.4.5", "", Renumbered, "3.2.1", "6.4.5", "6.5.1", "6.4.5 of PCI DSS 3.2.1 is 6.5.1 in 4.0.1."},
		{"pci-dss-6.3", "", Related, "4.0.1", "6.3", "6.3.1 6.3.2 6.3.3", ""},
		{"pci-dss-6.5.1.a", "", Related, "4.0.1", "6.5.1.a", "6.5.1", ""},
		{"pci-dss-12.99", "", Unknown, "4.0.1", "12.99", "", ""},
		{"soc2-cc8.1", "SOC 2 TSC 2017", Exact, "2017", "cc8.1", "", ""},
		{"SOC2-CC8.1", "", Exact, "2017", "cc8.1", "", ""},
		{"soc2-cc6", "", Related, "2017", "cc6", "cc6.1 cc6.3", ""},
		{"iso27001-a.8.32", "ISO/IEC 27001:2022", Exact, "2022", "a.8.32", "", ""},
		{"iso27001-a.12.1.2", "ISO/IEC 27001:2013", Renumbered, "2013", "a.12.1.2", "a.8.32", "a.12.1.2 of ISO/IEC 27001 2013 is a.8.32 in 2022."},
		{"hipaa-164.312(b)", "", Exact, "2013", "164.312b", "", ""},
		{"hipaa-164.312b", "HIPAA (45 CFR 164)", Exact, "2013", "164.312b", "", ""},
		{"hipaa-164.308(a)(1)(ii)(D)", "", Exact, "2013", "164.308a1iid", "", ""},
		{"sox-itgc-change", "", Exact, "2002", "itgc-change", "", ""},
		{"sox-itgc-17", "", Custom, "2002", "itgc-17", "", ""},
		{"cmmc-3.4.3", "", Exact, "2.0", "3.4.3", "", ""},
		{"nist-800-53-cm-3", "", Exact, "r5.2", "cm-3", "", ""},
		{"dora-art.17", "", Exact, "2024", "art17", "", ""},
		{"acme-change-7", "Acme change policy", Custom, "", "", "", ""},
		{"acme-change-7", "", Unknown, "", "", "", ""},
	} {
		t.Run(test.tag+" of "+test.stated, func(t *testing.T) {
			r := c.Resolve(test.tag, test.stated)
			got := []string{r.Match, r.Version, r.ID, strings.Join(r.Related, " "), r.Note}
			if diff := cmp.Diff([]string{test.match, test.version, test.id, test.related, test.note}, got); diff != "" || r.Tag != test.tag {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestTheCatalogueIsWhole: every kind of evidence exists, and every number that changed is found
// under its new number.
func TestTheCatalogueIsWhole(t *testing.T) {
	c, err := DefaultCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Frameworks {
		for _, k := range f.Controls {
			if k.Title == "" || len(k.Evidence) == 0 {
				t.Errorf("%s %s: no title or no evidence", f.ID, k.ID)
			}
			for _, e := range k.Evidence {
				if shows[e].holds == nil {
					t.Errorf("%s %s: evidence %q is none", f.ID, k.ID, e)
				}
			}
			if r := c.Resolve(f.ID+"-"+k.ID, ""); r.Match != Exact {
				t.Errorf("%s-%s is %s", f.ID, k.ID, r.Match)
			}
		}
		for _, e := range f.Before {
			for _, k := range e.Controls {
				for _, now := range k.Now {
					if index(f.Controls, now) < 0 {
						t.Errorf("%s %s %s is now %s, which is not there", f.ID, e.Version, k.ID, now)
					}
				}
			}
		}
	}
}

const table = "\ufefftag,framework,title,data classes,kinds,initiated_by,owner\n" +
	"pci-dss-6.3.2,PCI DSS 4.0.1,\"inventory, kept\",cardholder,dependency-update;vulnerability-fix,agent,mira\n" +
	"soc2-cc8.1,,,,,,\n"

const component = `{"component-definition": {"uuid": "a", "components": [
  {"type": "software", "title": "payments", "props": [{"name": "data-classes", "value": "cardholder"}],
   "control-implementations": [{"source": "https://example.org/NIST_SP-800-53_rev5_catalog.json",
     "implemented-requirements": [{"control-id": "CM-3", "description": "changes are reviewed", "props": [{"name": "kinds", "value": "code"}]}]}]},
  {"type": "policy", "title": "Change policy",
   "control-implementations": [{"source": "urn:own", "props": [{"name": "framework", "value": "soc2"}], "implemented-requirements": [{"control-id": "cc8.1"}]}]}]}}`

func TestMatrices(t *testing.T) {
	want := Control{Tag: "pci-dss-6.3.2", Framework: "PCI DSS 4.0.1", Title: "inventory, kept", Applies: Applies{DataClasses: []string{"cardholder"}, Kinds: []string{"dependency-update", "vulnerability-fix"}, InitiatedBy: []string{"agent"}}}
	for name, c := range map[string]struct {
		text string
		want []Control
	}{
		"YAML":                      {"controls: [{tag: pci-dss-6.3.2, framework: PCI DSS 4.0.1, title: 'inventory, kept', applies: {data_classes: [cardholder], kinds: [dependency-update, vulnerability-fix], initiated_by: [agent]}}, {tag: soc2-cc8.1}]", []Control{want, {Tag: "soc2-cc8.1"}}},
		"a table":                   {table, []Control{want, {Tag: "soc2-cc8.1"}}},
		"a table with semicolons":   {"Tag;Services\npci-dss-6.3.2;payments|ledger\n", []Control{{Tag: "pci-dss-6.3.2", Applies: Applies{Services: []string{"payments", "ledger"}}}}},
		"an OSCAL component":        {component, []Control{{Tag: "nist-800-53-cm-3", Title: "changes are reviewed", Applies: Applies{Services: []string{"payments"}, DataClasses: []string{"cardholder"}, Kinds: []string{"code"}}}, {Tag: "soc2-cc8.1"}}},
		"nothing":                   {"", nil},
		"a comment before the YAML": {"# controls, ours\ncontrols: [{tag: a}]", []Control{{Tag: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, m.Controls); diff != "" || len(m.Resolved()) != len(c.want) {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestComponentDefinitionsInOtherForms: the output of OSCAL tools, and a matrix that only mentions
// a component-definition.
func TestComponentDefinitionsInOtherForms(t *testing.T) {
	const definition = `{"component-definition":{"components":[{"type":"software","title":"pay","control-implementations":[{"source":"https://x/800-53.json","implemented-requirements":[{"control-id":"ac-2","description":"d"}]}]}]}}`
	own := []Control{{Tag: "nist-800-53-ac-2", Title: "d", Applies: Applies{Services: []string{"pay"}}}}
	for name, c := range map[string]struct {
		text string
		want []Control
	}{
		"JSON that escapes /":         {strings.ReplaceAll(definition, "https://", `https:\/\/`), own},
		"JSON that escapes an emoji":  {strings.Replace(definition, `"d"`, `"\ud83d\ude00"`, 1), []Control{{Tag: "nist-800-53-ac-2", Title: "😀", Applies: own[0].Applies}}},
		"JSON with a mark before it":  {"\ufeff" + definition, own},
		"controls of a capability":    {strings.Replace(definition, `"components":[{"type":"software","title"`, `"capabilities":[{"name"`, 1), []Control{{Tag: "nist-800-53-ac-2", Title: "d"}}},
		"YAML":                        {"component-definition:\n  components:\n  - {type: software, title: pay, control-implementations: [{source: 800-53, implemented-requirements: [{control-id: ac-2, description: d}]}]}\n", own},
		"a YAML matrix that names it": {"controls:\n  - {tag: pci-dss-6.3.2, title: see the component-definition}\n", []Control{{Tag: "pci-dss-6.3.2", Title: "see the component-definition"}}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, m.Controls); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestAMatrixSaysTitleAndEvidence, in each form. What it omits comes from the catalogue.
func TestAMatrixSaysTitleAndEvidence(t *testing.T) {
	for name, text := range map[string]string{
		"YAML":                    "controls: [{tag: brezel-1, title: a person looks, evidence: [review, approval]}, {tag: brezel-2, title: nothing more}, {tag: pci-dss-6.2.3}, {tag: pci-dss-6.3.2, evidence: [scan-at-head]}]",
		"a table":                 "tag,title,evidence\nbrezel-1,a person looks,review;approval\nbrezel-2,nothing more,\npci-dss-6.2.3,,\npci-dss-6.3.2,,scan-at-head\n",
		"a table with semicolons": "tag;title;evidence\nbrezel-1;a person looks;review|approval\nbrezel-2;nothing more;\npci-dss-6.2.3;;\npci-dss-6.3.2;;\"scan-at-head\"\n",
		"OSCAL": `{"component-definition": {"components": [{"type": "policy", "title": "ours", "control-implementations": [{"source": "urn:ours", "props": [{"name": "framework", "value": "x"}], "implemented-requirements": [
			{"control-id": "1", "description": "long words", "props": [{"name": "tag", "value": "brezel-1"}, {"name": "title", "value": "a person looks"}, {"name": "evidence", "value": "review, approval"}]},
			{"control-id": "2", "description": "nothing more", "props": [{"name": "tag", "value": "brezel-2"}]},
			{"control-id": "3", "props": [{"name": "tag", "value": "pci-dss-6.2.3"}]},
			{"control-id": "4", "props": [{"name": "tag", "value": "pci-dss-6.3.2"}, {"name": "evidence", "value": "scan-at-head"}]}]}]}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var got [][]string
			for _, c := range m.Resolved() {
				got = append(got, append([]string{c.Tag, c.Match, c.Title}, c.Evidence...))
			}
			want := [][]string{
				{"brezel-1", Custom, "a person looks", "review", "approval"},
				{"brezel-2", Custom, "nothing more"},
				{"pci-dss-6.2.3", Exact, "own software is reviewed before release", "scan-at-head", "review"},
				{"pci-dss-6.3.2", Exact, "inventory of own software and third-party components", "scan-at-head"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestWhatARecordSaysOfAControl: nothing counts as met unless it was checked, and changes by people
// lack nothing that is required only of agents.
func TestWhatARecordSaysOfAControl(t *testing.T) {
	m, err := Parse([]byte("controls: [{tag: own-1, title: ours}, {tag: own-2, evidence: [trigger, decision]}, {tag: own-3, evidence: [decision, review]}, {tag: own-4, evidence: [stream]}]"))
	if err != nil {
		t.Fatal(err)
	}
	merged := time.Date(2026, 11, 12, 3, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		by   string
		at   time.Time
		want []string
	}{
		"an agent's":         {"agent", merged, []string{"own-1 not-evaluated", "own-2 missing trigger decision", "own-3 missing decision review", "own-4 shown"}},
		"a person's":         {"human", merged, []string{"own-1 not-evaluated", "own-2 not-asked", "own-3 missing review", "own-4 shown"}},
		"an agent's, open":   {"agent", time.Time{}, []string{"own-1 not-evaluated", "own-2 pending trigger decision", "own-3 pending decision review", "own-4 shown"}},
		"nobody knows whose": {"", merged, []string{"own-1 not-evaluated", "own-2 not-asked", "own-3 missing review", "own-4 shown"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &record.Record{}
			r.Trail.Change = record.Change{InitiatedBy: c.by, MergedAt: c.at}
			r.Trail.Answers = &record.Answers{Trigger: record.Unproven, Alternatives: record.Unproven, Authorized: record.Unproven, Reviewed: record.Unproven}
			var got []string
			facts := m.Tag(r)
			for _, x := range facts.Resolved {
				got = append(got, strings.Join(append([]string{x.Tag, x.Status}, x.Missing...), " "))
				for _, e := range x.Missing {
					if !slices.Contains(x.Evidence, e) {
						t.Errorf("%s lacks %s, which it does not ask for", x.Tag, e)
					}
				}
				for status, tags := range map[string][]string{Shown: facts.Shown, Missing: facts.Missing, Pending: facts.Pending, NotEvaluated: facts.NotEvaluated, NotAsked: facts.NotAsked} {
					if slices.Contains(tags, x.Tag) != (status == x.Status) {
						t.Errorf("the controls that are %s are %v; %s is %s", status, tags, x.Tag, x.Status)
					}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestClaimsShowNothing: claims of the agent about others are no evidence for a control, even
// beside observations of another kind, such as a deployment that failed or an approval that was
// refused.
func TestClaimsShowNothing(t *testing.T) {
	r := &record.Record{}
	r.Trail.Change = record.Change{HeadSHA: "1", SBOMDigest: "sha256:1", DeployedAt: time.Now(), Claimed: []string{"dependencies"}}
	r.Trail.Tier = &record.Tiers{Deployment: record.Observed, Decision: record.Claimed}
	r.Trail.Decision = &record.DecisionFacts{DelegatedBy: "mira"}
	r.Trail.Deployments = []record.DeploymentFact{{Deployer: "argo", Outcome: "success", Tier: record.Claimed}, {Deployer: "argo", Outcome: "failure", Tier: record.Observed}}
	r.Trail.Approvals = []record.ApprovalFact{{Approver: "mira", Tier: record.Claimed}, {Approver: "mira", Tier: record.Human, Verdict: "refused"}}
	r.Trail.Scans = []record.ScanFact{{CommitSHA: "1", Scanned: true, Tier: record.Claimed}}
	names := []string{"sbom-delta", "deployment", "deployer-not-author", "approval", "scan-at-head", "delegator"}
	if diff := cmp.Diff(names, missing(r, names)); diff != "" {
		t.Error(diff)
	}
	r.Trail.Change.Claimed, r.Trail.Approvals[0].Tier, r.Trail.Tier.Decision = nil, record.Human, record.Signed
	r.Trail.Deployments[0].Tier, r.Trail.Scans[0].Tier = record.Observed, record.Observed
	if got := missing(r, names); got != nil {
		t.Errorf("missing is %v", got)
	}
}

func TestMatricesThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key":        {"controls: [{tag: a, aplies: {}}]", "aplies"},
		"no tag":                {"controls: [{title: a}]", "controls[0]: tag is missing"},
		"a misspelt column":     {"tag,data_clases\na,b\n", "did you mean data_classes?"},
		"no column tag":         {"title,kinds\na,b\n", "there is no column tag"},
		"a row too long":        {"tag,kinds\na,b,c\n", "another number of values than the header"},
		"evidence of no kind":   {"controls: [{tag: a, evidence: [revue]}]", `evidence: "revue" is not one of approval, authorization, decision`},
		"OSCAL of nothing":      {`{"component-definition":{"components":[{"type":"software","title":"pay","control-implementations":[]}]}}`, "there is no control"},
		"OSCAL that is empty":   {"component-definition:\n", "is empty"},
		"broken JSON of OSCAL":  {`{"component-definition":{"components":[{"title":"pay"`, "ends in the middle of a value"},
		"who else":              {"tag,initiated_by\na,robot\n", `"robot" is not one of agent, human`},
		"OSCAL of no framework": {`{"component-definition": {"components": [{"title": "x", "control-implementations": [{"source": "#1", "implemented-requirements": [{"control-id": "a"}]}]}]}}`, "names no framework"},
		"a glob":                {"controls: [{tag: a, applies: {services: ['[']}}]", "is not a pattern of names"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

// TestWhatIsMissing: a control names the evidence that a record lacks.
func TestWhatIsMissing(t *testing.T) {
	m, err := Parse([]byte("controls: [{tag: pci-dss-6.3.2}, {tag: pci-dss-6.2.3}, {tag: pci-dss-6.5.1}, {tag: hipaa-164.312b}, {tag: soc2-cc8.1, applies: {classifications: [critical]}}]"))
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Record{}
	r.Trail.Change = record.Change{InitiatedBy: "agent", HeadSHA: "abc", SBOMDigest: "sha256:1"}
	r.Trail.Answers = &record.Answers{Trigger: record.Proven, Alternatives: record.Partial, Authorized: record.Proven, Reviewed: record.Proven}
	r.Trail.Scans = []record.ScanFact{{Scanned: true, CommitSHA: "other", At: time.Now()}}
	got := make(map[string][]string)
	for _, c := range m.Tag(r).Resolved {
		got[c.Tag] = c.Missing
	}
	want := map[string][]string{"pci-dss-6.3.2": nil, "pci-dss-6.2.3": {"scan-at-head"}, "pci-dss-6.5.1": {"decision", "validation"}, "hipaa-164.312b": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(table))
	f.Add([]byte(component))
	f.Add([]byte("controls: [{tag: pci-dss-6.3.2}]"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Parse(b) })
}

// A matrix without controls would silently put no change in scope.
func TestAMatrixWithoutControlsIsAnError(t *testing.T) {
	for _, text := range []string{
		`{"component-definition":{"components":[{"type":"software","title":"pay","control-implementations":[]}]}}`,
		`{"component-definition":{"components":[{"type":"software","title":"pay","control-implementations":[{"source":"800-53","implemented-requirements":[]}]}]}}`,
		`{"component-definition":{}}`, `{"component-definition":null}`,
		"component-definition:\n  components: []\n", "component-definition:\n",
		"controls: []\n", "controls:\n", "# to come\n", "---\n", "{}", "tag,title\n", "tag;title\r\n\r\n", "\ufefftag,title",
	} {
		if m, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q gives %d controls and no error", text, len(m.Controls))
		}
	}
	for _, text := range []string{"", " \n", "\ufeff"} { // no matrix is given
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
