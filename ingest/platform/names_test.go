package platform

import (
	"testing"

	"github.com/changetrail/changetrail/record"
)

// TestHowACodeHostNamesARepository reads identities and former names, which have the form of
// GitHub's schemas for repository webhooks.
func TestHowACodeHostNamesARepository(t *testing.T) {
	const github = `"repository":{"id":4711,"full_name":"core/payments","html_url":"https://github.com/core/payments","updated_at":"2026-03-01T03:00:00Z"}`
	for _, c := range []struct{ name, typ, body, id, former string }{
		{"renamed", "com.github.repository.renamed", `{"action":"renamed","changes":{"repository":{"name":{"from":"Pay"}}},` + github + `}`, "github.com#4711", "github.com/core/pay"},
		{"transferred by an organisation", "com.github.repository.transferred", `{"action":"transferred","changes":{"owner":{"from":{"organization":{"login":"Acme","id":1}}}},` + github + `}`, "github.com#4711", "github.com/acme/payments"},
		{"transferred by a person", "com.github.repository.transferred", `{"action":"transferred","changes":{"owner":{"from":{"user":{"login":"ana","id":1}}}},` + github + `}`, "github.com#4711", "github.com/ana/payments"},
		{"renamed as it is called already", "com.github.repository.renamed", `{"action":"renamed","changes":{"repository":{"name":{"from":"payments"}}},` + github + `}`, "github.com#4711", ""},
		{"changes of another form", "com.github.repository.renamed", `{"action":"renamed","changes":[1],` + github + `}`, "github.com#4711", ""},
		{"a name that is none", "com.github.repository.renamed", `{"action":"renamed","changes":{"repository":{"name":{"from":"a/../b c"}}},` + github + `}`, "github.com#4711", ""},
		{"edited", "com.github.repository.edited", `{"action":"edited","changes":{"repository":{"name":{"from":"pay"}}},` + github + `}`, "github.com#4711", ""},
		{"another event that says renamed", "com.github.label.renamed", `{"action":"renamed","changes":{"repository":{"name":{"from":"pay"}}},` + github + `}`, "github.com#4711", ""},
		{"any event", "com.github.star.created", `{"action":"created",` + github + `}`, "github.com#4711", ""},
		{"without a number", "com.github.star.created", `{"action":"created","repository":{"full_name":"core/payments"}}`, "", ""},
		{"a pipeline", "com.gitlab.push", `{"object_kind":"push","project":{"id":74,"web_url":"https://gitlab.com/g/p"},"ref":"refs/heads/b","after":"1111111111111111111111111111111111111111"}`, "gitlab.com#74", ""},
		{"a pipeline of a fork is of the project that it is for", "com.gitlab.pipeline.running", `{"object_kind":"pipeline","project":{"id":75,"web_url":"https://gitlab.com/fork/p"},"merge_request":{"iid":7,"url":"https://gitlab.com/g/p/-/merge_requests/7","source_project_id":75,"target_project_id":74},"object_attributes":{"id":1,"status":"running","sha":"1111111111111111111111111111111111111111"}}`, "gitlab.com#74", ""},
		{"the address of a vulnerability alone", "com.gitlab.vulnerability.detected", `{"object_kind":"vulnerability","object_attributes":{"id":1,"state":"detected","url":"https://gitlab.com/g/p/-/security/vulnerabilities/1"}}`, "", ""},
	} {
		r, err := Read(c.typ, []byte(c.body), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r.ID != c.id || r.Former != record.Repository(c.former) {
			t.Errorf("%s: %q, formerly %q; want %q, %q", c.name, r.ID, r.Former, c.id, c.former)
		}
	}
}
