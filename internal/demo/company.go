package demo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/policy"
)

// A service of the company.
type service struct {
	name, repo, prefix string // prefix: folder in a repository that it shares
	class              string
	data               []string
	language           string
	team               int
}

// teams and their people. The account of a person is the name.
var teams = []struct {
	id      string
	members []string
}{
	{"team-payments", []string{"mira.s", "jonas.k", "amara.o", "li.wen"}},
	{"team-health", []string{"ines.p", "tomasz.w", "grace.h", "noor.a"}},
	{"team-finance", []string{"paul.d", "yuki.t", "sofia.r", "omar.b"}},
	{"team-identity", []string{"elena.v", "david.c", "fatima.z", "sven.l"}},
	{"team-platform", []string{"kofi.m", "hannah.g", "raj.p", "lucia.f"}},
	{"team-shop", []string{"anna.n", "marco.b", "chloe.d", "ivan.s"}},
	{"team-data", []string{"zoe.k", "ahmed.r", "maya.j", "felix.w"}},
	{"team-docs", []string{"nina.q", "oscar.t", "ruth.e", "bela.h"}},
}

// catalogue lists the services that each team runs.
var catalogue = []struct {
	team  int
	class string
	data  []string
	names string
}{
	{0, "critical", []string{"cardholder", "pii"}, "payments/go card-vault/go checkout/node refunds/go"},
	{0, "high", []string{"cardholder"}, "fraud-scoring/python settlement/go"},
	{1, "critical", []string{"phi", "pii"}, "patient-portal/node claims/go"},
	{1, "high", []string{"phi"}, "appointments/python lab-results/go telehealth/node"},
	{2, "critical", []string{"financial"}, "ledger/go"},
	{2, "high", []string{"financial"}, "invoicing/python payroll/go tax-engine/python reporting/node"},
	{3, "critical", []string{"pii"}, "login/go session-store/go"},
	{3, "high", []string{"pii"}, "user-profile/node consent/python directory/go"},
	{4, "high", []string{"cui"}, "api-gateway/go config-service/go build-farm/go"},
	{4, "medium", nil, "feature-flags/node metrics-relay/go scheduler/go"},
	{5, "medium", []string{"pii"}, "storefront/node basket/node search/python"},
	{5, "medium", nil, "catalogue/python images/node recommendations/python"},
	{6, "medium", nil, "warehouse/python event-archive/go"},
	{6, "low", nil, "notebooks/python dashboards/node"},
	{7, "low", nil, "docs-site/node handbook/node"},
	{7, "low", nil, "changelog-page/node"},
}

// shared are the services that live in one repository.
var shared = map[string]bool{"ledger": true, "invoicing": true, "payroll": true, "scheduler": true}

func services() []service {
	var out []service
	for _, c := range catalogue {
		for entry := range strings.FieldsSeq(c.names) {
			name, language, _ := strings.Cut(entry, "/")
			s := service{name: name, repo: "github.com/acme/" + name, class: c.class, data: c.data, language: language, team: c.team}
			if shared[name] {
				s.repo, s.prefix = "github.com/acme/platform", "services/"+name+"/"
			}
			out = append(out, s)
		}
	}
	return out
}

// agents of the company. The policy does not know the last one.
var agents = []struct{ id, provider, model, scope string }{
	{"agent-bot-3000", "anthropic", "claude-sonnet-4-5", `["*"]`},
	{"dependency-shepherd", "openai", "gpt-5", `["*"]`},
	{"patch-pilot", "anthropic", "claude-opus-4-1", `["*"]`},
	{"test-mender", "google", "gemini-2.5-pro", `["*"]`},
	{"doc-scribe", "mistral_ai", "mistral-large", `["docs-site", "handbook", "changelog-page"]`},
	{"night-intern", "openai", "gpt-5", ""},
}

const (
	docScribe = 4
	stranger  = 5
)

// policyDays is the number of days for which the policy has been in force. It is less than Days, so
// that some changes are older than the policy, on whatever weekday the days begin.
const policyDays = Days - 3

// Policy returns the policy.yaml of the company. Its changes end at a time.
func Policy(end time.Time) []byte {
	since := end.AddDate(0, 0, -policyDays)
	var b strings.Builder
	fmt.Fprintf(&b, "# The policy of the demo: who may change what, and whom that takes.\nsince: %s\nservices:\n", since.UTC().Format(time.RFC3339))
	for _, s := range services() {
		fmt.Fprintf(&b, "  - name: %s\n    repositories: [%s]\n", s.name, s.repo)
		if s.prefix != "" {
			fmt.Fprintf(&b, "    paths: [%q]\n", s.prefix+"**")
		}
		fmt.Fprintf(&b, "    classification: %s\n    environments: [production]\n    owner: %s\n", s.class, teams[s.team].id)
		if len(s.data) > 0 {
			fmt.Fprintf(&b, "    data_classes: [%s]\n", strings.Join(s.data, ", "))
		}
	}
	b.WriteString("agents:\n")
	for _, a := range agents[:stranger] {
		fmt.Fprintf(&b, "  - id: %s\n    accounts: [%q]\n    services: %s\n", a.id, a.id+"[bot]", a.scope)
	}
	b.WriteString("people:\n")
	for _, t := range teams {
		for _, p := range t.members {
			fmt.Fprintf(&b, "  - id: %s\n    accounts: [%s]\n", p, p)
		}
	}
	b.WriteString("bots: [\"*-bot\"]\nteams:\n")
	for _, t := range teams {
		fmt.Fprintf(&b, "  - id: %s\n    members: [%s]\n", t.id, strings.Join(t.members, ", "))
	}
	b.WriteString(`gate:
  services: ["*"]
rules:
  - name: access rights
    when: change.paths.exists(p, glob(p, "**/iam/**"))
    verdict: forbidden
    reason: no agent changes who may access what
  - name: authentication in critical services
    when: service.classification == "critical" && change.paths.exists(p, glob(p, "**/auth/**"))
    verdict: approval-required
    reason: the owners of a critical service approve each change of its authentication beforehand
    by: [owners]
  - name: critical services
    when: service.classification == "critical"
    verdict: review-required
    reason: the owners of a critical service review each change of it
    by: [owners]
  - name: documentation
    when: change.kind == "documentation" && service.classification == "low"
    verdict: autonomous
    reason: words in a service of low criticality
  - name: patches outside critical services
    when: service.classification in ["low", "medium"] && change.jump == "patch"
    verdict: autonomous
    reason: a patch release of a dependency in a service that is not critical
default: review-required
`)
	return []byte(b.String())
}

// Controls returns the controls.yaml of the company.
func Controls() []byte {
	return []byte(`# The control matrix of the demo: which controls a change is in the scope of.
controls:
  - {tag: pci-dss-6.2.3, framework: PCI DSS 4.0.1, title: own software is reviewed before release, applies: {data_classes: [cardholder]}}
  - {tag: pci-dss-6.3.2, framework: PCI DSS 4.0.1, title: inventory of own software and third-party components, applies: {data_classes: [cardholder], kinds: [dependency-update, vulnerability-fix]}}
  - {tag: pci-dss-6.3.3, framework: PCI DSS 4.0.1, title: patches are installed in time, applies: {data_classes: [cardholder], kinds: [vulnerability-fix]}}
  - {tag: pci-dss-6.5.1, framework: PCI DSS 4.0.1, title: changes to production follow change control, applies: {data_classes: [cardholder]}}
  - {tag: soc2-cc8.1, framework: SOC 2 TSC 2017, title: "changes are authorized, tested, approved and implemented", applies: {classifications: [critical, high]}}
  - {tag: iso27001-a.8.32, framework: "ISO/IEC 27001:2022", title: change management}
  - {tag: hipaa-164.312b, framework: HIPAA (45 CFR 164), title: audit controls, applies: {data_classes: [phi]}}
  - {tag: sox-itgc-change, framework: SOX (the organisation's own control), title: "changes to systems of record are authorized, tested and approved", applies: {data_classes: [financial]}}
  - {tag: cmmc-3.4.3, framework: CMMC L2 (NIST SP 800-171 r2), title: "changes are tracked, reviewed, approved or refused, and logged", applies: {data_classes: [cui]}}
`)
}

// Rules returns [Policy] and [Controls], parsed.
func Rules(end time.Time) (*policy.Policy, *controls.Matrix, error) {
	p, err := policy.Parse(Policy(end))
	m, errControls := controls.Parse(Controls())
	return p, m, errors.Join(err, errControls)
}
