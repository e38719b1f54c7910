package policy

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestOwnersOfFiles(t *testing.T) {
	const gitlab = `* @all
# Docs
[Docs][2] @writers @acme/docs/team # of the section
*.md
docs/secret.md @lead
!docs/free.md

^[Optional] @nobody-asks
*.go

[docs]
*.txt @text.person
`
	for _, c := range []struct{ name, text, file, want string }{
		{"the last line that matches", "* @a\n/src/ @b @c/d\n", "src/x", "@b @c/d"},
		{"a line without owners", "* @a\n/src/\n", "src/x", ""},
		{"a line that cannot be read is left out", "* @a\n/src/ nobody\n/lib/ @b\n", "src/x", "@a"},
		{"a byte order mark", "\ufeff* @a\n", "x", "@a"},
		{"a role, an account with a dot, an address", "* @@maintainers @ana.p ana@acme.example\n", "x", "@@maintainers @ana.p ana@acme.example"},
		{"no section", gitlab, "x", "@all"},
		{"a section has owners of its own", gitlab, "README.md", "@all; @acme/docs/team @writers"},
		{"a line of a section with its own", gitlab, "docs/secret.md", "@all; @lead"},
		{"what a section leaves out", gitlab, "docs/free.md", "@all"},
		{"an optional section asks for nothing", gitlab, "a.go", "@all"},
		{"a section goes on", gitlab, "a.txt", "@all; @text.person"},
	} {
		t.Run(c.name, func(t *testing.T) {
			owners, err := readCodeOwners([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, set := range owners.of(c.file) {
				got = append(got, strings.Join(set, " "))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "; ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestEachSectionOfAFileIsADemand(t *testing.T) {
	p := owned(t, "services: [{name: s, repositories: [host/a/b], classification: high}]\ncodeowners: {host/a/b: CODEOWNERS}\nrules: [{name: r, when: 'true', verdict: review-required, reason: x, by: [owners]}]", "[Code]\n* @coder\n[Docs] @writer\n*.md\n")
	v := p.Decide(Request{Repository: "host/a/b", Paths: []string{"a.md", "b.go"}})
	if diff := cmp.Diff([]string{"s review by @coder", "s review by @writer"}, brief(v.Demands)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A file that is not known may have any owners, and none where no section has some for each.
func TestOwnersOfAFileThatIsNotKnown(t *testing.T) {
	for text, want := range map[string]string{
		"/docs/ @a\n":                          "@a; service",
		"* @a\n/docs/ @b\n":                    "@a; @b",
		"* @a\n/docs/\n":                       "@a; service",
		"* @a\n[Docs] @b\n*.md\n/free.md @c\n": "@a; @b; @c",
		"* @a\n[Docs]\n*.md @b\n!/free.md\n":   "@a; @b",
		"^[Docs]\n* @b\n":                      "service",
	} {
		owners, err := readCodeOwners([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, set := range owners.all([]string{"service"}) {
			got = append(got, strings.Join(set, " "))
		}
		if diff := cmp.Diff(want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestWhereAComponentLives(t *testing.T) {
	for name, c := range map[string]struct{ annotations, repository, paths string }{
		"a slug":                        {"github.com/project-slug: a/b", "github.com/a/b", ""},
		"a slug at another host":        {"github.com/project-slug: a/b\n    backstage.io/source-location: url:https://ghe.acme.example/a/b/", "ghe.acme.example/a/b", ""},
		"a slug, and a page elsewhere":  {"github.com/project-slug: a/b\n    backstage.io/source-location: url:https://GHE.acme.example:443/A/b/tree/main/x/?plain=1", "ghe.acme.example/a/b", ""},
		"a folder with a space":         {"backstage.io/source-location: url:https://www.github.com/A/b.git/tree/main/my%20pay/", "github.com/a/b", "my pay/**"},
		"a file at the top":             {"backstage.io/source-location: url:https://github.com/a/b/blob/main/catalog-info.yaml", "github.com/a/b", ""},
		"a file at the top, at GitLab":  {"backstage.io/source-location: url:https://gitlab.example/g/p/-/blob/main/catalog-info.yaml", "gitlab.example/g/p", ""},
		"a file in a folder":            {"backstage.io/source-location: url:https://github.com/a/b/blob/main/pay/catalog-info.yaml", "github.com/a/b", "pay/**"},
		"a folder":                      {"backstage.io/source-location: url:https://gitlab.example/g/p/-/tree/main/pay/", "gitlab.example/g/p", "pay/**"},
		"the whole of a branch":         {"backstage.io/source-location: url:https://github.com/a/b/tree/main/", "github.com/a/b", ""},
		"a slug of GitLab of one's own": {"gitlab.com/project-slug: g/p\n    backstage.io/source-location: url:https://git.acme.example/g/p/", "git.acme.example/g/p", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := "kind: Component\nmetadata:\n  name: x\n  annotations:\n    changetrail.dev/classification: high\n    " + c.annotations + "\n"
			p, err := Load(fstest.MapFS{"policy.yaml": {Data: []byte("catalogs: [c.yaml]\n")}, "c.yaml": {Data: []byte(text)}}, "policy.yaml")
			if err != nil {
				t.Fatal(err)
			}
			s := p.Services[0]
			if got := strings.Join(s.Repositories, " "); got != c.repository || strings.Join(s.Paths, " ") != c.paths {
				t.Errorf("%s %v", got, s.Paths)
			}
		})
	}
}
