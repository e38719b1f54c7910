package query

import (
	"errors"
	"testing"
)

const aDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestWhatPeoplePasteIsFound(t *testing.T) {
	pull := `(changetrail.change.id:"github.com/acme/payments/pull/1058" OR changetrail.change.other_ids:"github.com/acme/payments/pull/1058" OR changetrail.change.part_of:"github.com/acme/payments/pull/1058")`
	cve := `(vulnerability.id:"CVE-2022-32149" OR changetrail.trigger.finding:"CVE-2022-32149" OR message:"CVE-2022-32149")`
	for text, want := range map[string]string{
		"acme/payments#1058":                                      pull,
		`"acme/payments#1058"`:                                    pull,
		"github.com/acme/payments/pull/1058":                      pull,
		"https://github.com/acme/payments/pull/1058":              pull,
		"https://github.com/Acme/payments/pull/1058/files?w=1#d":  pull,
		"github.com/acme/payments/pull/1058.":                     pull,
		"#1058":                                                   `changetrail.change.number:"1058"`,
		"https://gitlab.com/g/s/p/-/merge_requests/12":            `(changetrail.change.id:"gitlab.com/g/s/p/merge_requests/12" OR changetrail.change.other_ids:"gitlab.com/g/s/p/merge_requests/12" OR changetrail.change.part_of:"gitlab.com/g/s/p/merge_requests/12")`,
		"group/proj!12":                                           `(changetrail.change.id:"gitlab.com/group/proj/merge_requests/12" OR changetrail.change.other_ids:"gitlab.com/group/proj/merge_requests/12" OR changetrail.change.part_of:"gitlab.com/group/proj/merge_requests/12")`,
		"https://github.com/acme/payments":                        `(changetrail.change.repository:"github.com/acme/payments" OR changetrail.change.other_names:"github.com/acme/payments")`,
		"git@github.com:acme/payments.git":                        `(changetrail.change.repository:"github.com/acme/payments" OR changetrail.change.other_names:"github.com/acme/payments")`,
		"acme/payments":                                           `(changetrail.change.repository:*\/acme\/payments OR changetrail.change.other_names:*\/acme\/payments)`,
		"CVE-2022-32149":                                          cve,
		"cve-2022-32149":                                          cve,
		`"CVE-2022-32149"`:                                        cve,
		"ghsa-35JH-r3h4-6jhm":                                     `(vulnerability.id:"GHSA-35jh-r3h4-6jhm" OR changetrail.trigger.finding:"GHSA-35jh-r3h4-6jhm" OR message:"GHSA-35jh-r3h4-6jhm")`,
		aDigest:                                                   anyOf(aDigest, digestFields...),
		aDigest[7:]:                                               anyOf(aDigest, digestFields...),
		aDigest[:19] + "…":                                        beginning(`sha256\:9f86d081884c`, digestFields...),
		"8C1F0F5ad3":                                              beginning("8c1f0f5ad3", commitFields...),
		"8c1f0f5ad3e64b8fbf2ab9a3d1c5ee6a4c0f7d21":                anyOf("8c1f0f5ad3e64b8fbf2ab9a3d1c5ee6a4c0f7d21", commitFields...),
		"CVE-2022-32149 AND -service.name:payments":               cve + " AND -service.name:payments",
		"+(acme/payments#1058 OR tags:a) -8c1f0f5ad3":             "+(" + pull + " OR tags:a) -" + beginning("8c1f0f5ad3", commitFields...),
		"https://github.com/acme/payments/commit/8c1f0f5ad3e64b8": `((changetrail.change.id:"github.com/acme/payments/commit/8c1f0f5ad3e64b8" OR changetrail.change.other_ids:"github.com/acme/payments/commit/8c1f0f5ad3e64b8" OR changetrail.change.part_of:"github.com/acme/payments/commit/8c1f0f5ad3e64b8") OR ` + beginning("8c1f0f5ad3e64b8", commitFields...) + ")",

		// Other words are unchanged.
		"defaced": "defaced", "20261112": "20261112", "lodash": "lodash", "a-b": "a-b", "v1.2": "v1.2",
		"tags:acme-b":             "tags:acme-b",
		`tags:"acme/payments#1"`:  `tags:"acme/payments#1"`,
		`vulnerability.id:CVE-*`:  `vulnerability.id:CVE-*`,
		`"two words CVE-2022-1"`:  `"two words CVE-2022-1"`,
		`service.name:(pay OR b)`: `service.name:(pay OR b)`,
	} {
		n, lucene, err := Read(text, fields(t), now)
		if err != nil || lucene != want {
			t.Errorf("%q is read as\n%s\nwant\n%s\n%v", text, lucene, want, err)
			continue
		}
		again, same, err := Read(lucene, fields(t), now)
		if err != nil || same != lucene || write(again) != write(n) {
			t.Errorf("%q: %q is read as %q, %v", text, lucene, same, err)
		}
	}
}

func TestWhatWasMeantIsSuggested(t *testing.T) {
	for text, want := range map[string]string{
		"agent:claude":                       "gen_ai.agent.id:claude",
		"services.name:pay":                  "service.name:pay",
		"service.nam:pay AND tags:a":         "service.name:pay AND tags:a",
		"lodash tag:a":                       "lodash tags:a",
		"cve:CVE-2022-1":                     "vulnerability.id:CVE-2022-1",
		"changetrail.answer.reviewed:proven": "changetrail.answers.reviewed:proven",
		"changetrail.change.id:github.com/a/b/pull/1 tags:a": `changetrail.change.id:"github.com/a/b/pull/1" tags:a`,
		"zzzzzzzzzzz:1": "",
	} {
		_, err := Parse(text, fields(t), now)
		var e *Error
		if !errors.As(err, &e) || e.Suggest != want {
			t.Errorf("%q: %v suggests %q, want %q", text, err, e.Suggest, want)
			continue
		}
		if want != "" {
			if _, err := Parse(want, fields(t), now); err != nil {
				t.Errorf("%q is suggested and cannot be read: %v", want, err)
			}
		}
	}
}

// FuzzRead: what is read as Lucene's syntax is read again as the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"acme/payments#1", "CVE-2022-1 AND x", `-"https://github.com/a/b/pull/3"`, aDigest, "+8c1f0f5ad3 (a b/c)", "git@github.com:a/b", "a!1"} {
		f.Add(seed)
	}
	all := fields(f)
	f.Fuzz(func(t *testing.T, text string) {
		n, lucene, err := Read(text, all, now)
		if err != nil {
			return
		}
		again, same, err := Read(lucene, all, now)
		if len(lucene) > maxText {
			return // it is longer than what people write
		}
		if err != nil || same != lucene || write(again) != write(n) {
			t.Errorf("%q is read as %q, that as %q: %v", text, lucene, same, err)
		}
	})
}
