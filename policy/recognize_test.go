package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

func TestRecognize(t *testing.T) {
	own := `
agents:
  - {id: night-owl, accounts: ["owl[bot]"], branches: ["owl/*"], trailers: ["Agent-Execution: owl-*"], mails: ["*@owls.acme.example"], services: ["*"]}
  - {id: claude-code, accounts: [acme-claude], services: ["*"]}
bots: [merge-robot, "renovate[bot]"]
`
	trailer := func(key, value string) record.Marks {
		return record.Marks{Accounts: []string{"ana"}, Trailers: []record.Trailer{{Key: key, Value: value}}}
	}
	for _, c := range []struct {
		name   string
		policy string
		marks  record.Marks
		agent  string
		by     []string
	}{
		{"a person is no agent", own, record.Marks{Accounts: []string{"ana"}, Branch: "fix/claude"}, "", nil},
		{"by an account of the policy", own, record.Marks{Accounts: []string{"owl[bot]"}}, "night-owl", []string{"account owl[bot]"}},
		{"by the branch", own, record.Marks{Accounts: []string{"ana"}, Branch: "owl/fix-7"}, "night-owl", []string{"branch owl/fix-7"}},
		{"by a trailer of the policy", own, trailer("Agent-Execution", "owl-77"), "night-owl", []string{"trailer Agent-Execution"}},
		{"by the mail of a commit's author", own, record.Marks{Mails: []string{"Bot7@owls.acme.example"}}, "night-owl", []string{"mail Bot7@owls.acme.example"}},
		{"by all marks that it has", own, record.Marks{Accounts: []string{"owl[bot]"}, Branch: "owl/x"}, "night-owl", []string{"account owl[bot]", "branch owl/x"}},
		{"Claude Code by the co-author of a person's commit", own, trailer("Co-authored-by", "Claude Opus 4.5 <noreply@anthropic.com>"), "claude-code", []string{"trailer Co-authored-by"}},
		{"Copilot by its account", "", record.Marks{Accounts: []string{"copilot-swe-agent[bot]"}}, "copilot", []string{"account copilot-swe-agent[bot]"}},
		{"Codex by its branch", "", record.Marks{Accounts: []string{"ana"}, Branch: "codex/fix-the-date"}, "codex", []string{"branch codex/fix-the-date"}},
		{"by Assisted-by as Linux asks for it", "", trailer("Assisted-by", "Claude:claude-opus-4-5 [coccinelle]"), "claude-code", []string{"trailer Assisted-by"}},
		{"a bot that nobody knows is an agent of that name", "", record.Marks{Accounts: []string{"dependabot[bot]"}}, "dependabot", []string{"account dependabot[bot]"}},
		{"a bot without brackets, as the code host says", "", record.Marks{Accounts: []string{"robot-7"}, Bot: true}, "robot-7", []string{"account robot-7"}},
		{"a bot that the policy lists is no agent", own, record.Marks{Accounts: []string{"renovate[bot]"}, Bot: true}, "", nil},
		{"known agents are not known where the policy says own", "recognize: own", trailer("Co-authored-by", "Claude <noreply@anthropic.com>"), "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse([]byte(c.policy))
			if err != nil {
				t.Fatal(err)
			}
			agent, by := p.Recognize(c.marks)
			if agent != c.agent {
				t.Errorf("agent %q, want %q", agent, c.agent)
			}
			if diff := cmp.Diff(c.by, by); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheKnownAgentsAreWrittenRight(t *testing.T) {
	agents, err := known()
	if err != nil || len(agents) < 5 {
		t.Fatal(len(agents), err)
	}
	for _, a := range agents {
		if err := a.checkMarks(place{name: a.ID}); err != nil {
			t.Error(err)
		}
	}
}

func TestMarksThatAreLikeEverythingAreRefused(t *testing.T) {
	for _, text := range []string{
		`agents: [{id: a, services: ["*"], branches: ["*"]}]`,
		`agents: [{id: a, services: ["*"], trailers: ["Assisted-by"]}]`,
		`recognize: all`,
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}
