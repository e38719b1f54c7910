package identity

import (
	"strings"
	"testing"
)

func TestWhatACredentialMayState(t *testing.T) {
	_, digest := NewToken()
	for line, want := range map[string]string{
		"platform: ci, may: [tests, scans]":       "",
		"platform: ci, history: true":             "",
		"agent: a, history: true":                 "",
		"platform: ci, may: [merges]":             `may: "merges" is not one of changes, pushes, reviews, approvals, tests, scans, deployments, requests, gates`,
		"agent: a, may: [tests]":                  "may is for platforms",
		"person: ana, may: [reviews]":             "may is for platforms",
		"platform: gateway":                       "platform gateway is changetrail itself",
		"platform: ci, may: [tests], hysteria: 1": "there is no key hysteria",
	} {
		_, err := Parse([]byte("tokens: [{name: x, sha256: " + digest + ", " + line + "}]"))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func TestJobsStateTestsAndScansUnlessMaySaysMore(t *testing.T) {
	const line = "oidc: [{name: github, issuer: https://token.actions.githubusercontent.com, audience: a, claims: {repository_owner: acme}"
	for rest, want := range map[string]string{"": "tests scans", ", may: [deployments]": "deployments", ", agent: a": ""} {
		c, err := Parse([]byte(line + rest + "}]"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.issuers[0].principal().May, " "); got != want {
			t.Errorf("%s: may %s, want %s", rest, got, want)
		}
	}
}
