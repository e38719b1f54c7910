package policy

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/hmarr/codeowners"
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
			owners, err := readCodeOwners("CODEOWNERS", "host/a/b", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			sets, _ := owners.of(c.file)
			var got []string
			for _, set := range sets {
				got = append(got, strings.Join(set, " "))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, "; ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Each of these lines is between two readable lines, which still count. The owners of a file that
// the bad line may match are unknown.
func TestABadLineOfCodeownersIsNotKnown(t *testing.T) {
	for _, c := range []struct {
		line   string
		about  []string // files that it may be about
		beside []string // files that it cannot be about
		says   string
	}{
		{"/src/ nobody", []string{"src/a"}, []string{"b"}, `"nobody" is not an @account`},
		{"/src/ @a, @b", []string{"src/a"}, []string{"b"}, `"@a," is not an @account`},
		{"/src/ @", []string{"src/a"}, []string{"b"}, `"@" is not an @account`},
		{"/src/ @a/", []string{}, []string{"b"}, ""},
		{"/a/*** @x", []string{"a/b"}, nil, ""},
		{"a/**b @x", nil, nil, ""},
		{"app/[slug]/page.tsx @web", []string{"app/[slug]/page.tsx", "app/x/page.tsx"}, []string{"b", "app/x/y/page.tsx"}, "[ and ]"},
		{"!/src/ @a", []string{"src/a"}, []string{"b"}, "only GitLab"},
		{"!", []string{"src/a", "b"}, nil, "only GitLab"},
	} {
		p := owned(t, "services: [{name: s, repositories: [host/a/b], classification: high}]\ncodeowners: {host/a/b: CODEOWNERS}\nrules: [{name: r, when: 'true', verdict: review-required, reason: x, by: [owners]}]", "* @all\r\n"+c.line+" # why\r\n/docs/ @writer\r\n")
		demands := func(file string) []Demand {
			return p.Decide(Request{Repository: "host/a/b", Paths: []string{file}}).Demands
		}
		if c.says != "" {
			if w := p.Warnings(); len(w) != 1 || !strings.Contains(w[0], c.says) || !strings.Contains(w[0], "line 2 of CODEOWNERS") {
				t.Errorf("%s: it is said %q, want %q", c.line, w, c.says)
			}
		}
		if got := brief(demands("docs/a.md")); len(got) != 1 || !strings.Contains(got[0], "@writer") {
			t.Errorf("%s: a later line does not count: %v", c.line, got)
		}
		for _, file := range c.beside {
			if got := demands(file); len(got) != 1 || got[0].Nobody || !slices.Equal(got[0].By, []string{"@all"}) {
				t.Errorf("%s: %s asks for %v", c.line, file, got)
			}
		}
		for _, file := range c.about {
			v := p.Decide(Request{Repository: "host/a/b", Paths: []string{file}})
			if c.says == "" {
				continue
			}
			if !slices.ContainsFunc(v.Demands, func(d Demand) bool {
				return len(d.By) == 1 && strings.HasPrefix(d.By[0], "line 2") && !p.InGroup("all", d.By)
			}) {
				t.Errorf("%s: an approval of @all would do for %s: %v", c.line, file, v.Demands)
			}
			if len(v.LeastDemands) != 1 || len(v.LeastDemands[0].By) != 0 {
				t.Errorf("%s: %s surely needs %v", c.line, file, v.LeastDemands)
			}
		}
		unseen := p.Decide(Request{Repository: "host/a/b", Unseen: Unseen{Paths: true}})
		if c.says != "" && !slices.ContainsFunc(unseen.Demands, func(d Demand) bool { return len(d.By) == 1 && strings.HasPrefix(d.By[0], "line 2") }) {
			t.Errorf("%s: nothing is asked of files that are not known: %v", c.line, unseen.Demands)
		}
	}
}

// What code hosts accept.
func TestLinesOfCodeowners(t *testing.T) {
	for _, c := range []struct{ name, text, file, want string }{
		{"a blank in the name", `docs/my\ notes/* @w`, "docs/my notes/a.md", "@w"},
		{"a # in the name", `\#notes @w`, "#notes", "@w"},
		{"a # behind a name", "a#b @w", "a", ""},
		{"letters of any language", "/größe/*.日本 @w", "größe/x.日本", "@w"},
		{"and what is like them", "/größe/ @w", "grosse/x", "@all"},
		{"characters that shells know", "/a~b/{c}$d,e=f&g';:^%| @w", "a~b/{c}$d,e=f&g';:^%|", "@w"},
		{"a comment behind the owners", "/a @w # @nobody", "a", "@w"},
		{"a comment at once", "/a @w #@nobody", "a", "@w"},
		{"tabs", "/a\t@w\t@v", "a", "@v @w"},
		{"a bot and a nested group", "/a @x[bot] @a/b/c", "a", "@a/b/c @x[bot]"},
		{"an address", "/a Ada.L+x@mail.acme.example", "a", "Ada.L+x@mail.acme.example"},
		{"a role", "/a @@developer", "a", "@@developer"},
		{"a section that gives no owners", "[Docs]\n/a", "a", "@all"},
		{"a section with a blank before its owners", "[Docs][2]   @w @v # why\n/a", "a", "@all; @v @w"},
		{"an optional section", "^[Docs] @w\n/a", "a", "@all"},
		{"what a section leaves out stays out", "[Docs]\n!/a/\n/a/b @w", "a/b", "@all"},
		{"white space before", "   /a @w", "a", "@w"},
	} {
		owners, err := readCodeOwners("CODEOWNERS", "gitlab.example/a/b", []byte("\ufeff* @all\r\n"+strings.ReplaceAll(c.text, "\n", "\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		sets, unsure := owners.of(c.file)
		for _, set := range sets {
			got = append(got, strings.Join(set, " "))
		}
		if diff := cmp.Diff(c.want, strings.Join(got, "; ")); diff != "" || len(unsure) > 0 {
			t.Errorf("%s: %v -want +got:\n%s", c.name, unsure, diff)
		}
	}
}

// No content of a file stops its reading, and the library reads the same if it can read it.
func FuzzCodeOwners(f *testing.F) {
	for _, text := range []string{"* @a\n", "[S][2] @a\n*.md\n!x\n", "a\\ b @c\n", "\\", "/x[", "a/**/b @x/y\n", "*.md @w # x"} {
		f.Add(text, "a/b.md")
	}
	f.Fuzz(func(t *testing.T, text, file string) {
		owners, err := readCodeOwners("f", "github.com/a/b", []byte(text))
		if err != nil {
			return
		}
		sets, unsure := owners.of(file)
		rules, err := codeowners.ParseFile(strings.NewReader(text))
		if err != nil || len(unsure) > 0 || len(owners) > 1 || strings.ContainsAny(text, "!\\\r\v\f\u0085\u00a0") || !utf8.ValidString(text) {
			return
		}
		var want []string
		if rule, err := rules.Match(file); err == nil && rule != nil {
			for _, o := range rule.Owners {
				want = append(want, o.String())
			}
		}
		slices.Sort(want)
		if got := slices.Concat(sets...); !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("%q: owners of %q are %v, the library says %v", text, file, got, want)
		}
	})
}

func TestEachSectionOfAFileIsADemand(t *testing.T) {
	p := owned(t, "services: [{name: s, repositories: [host/a/b], classification: high}]\ncodeowners: {host/a/b: CODEOWNERS}\nrules: [{name: r, when: 'true', verdict: review-required, reason: x, by: [owners]}]", "[Code]\n* @coder\n[Docs] @writer\n*.md\n")
	v := p.Decide(Request{Repository: "host/a/b", Paths: []string{"a.md", "b.go"}})
	if diff := cmp.Diff([]string{"s review by @coder", "s review by @writer"}, brief(v.Demands)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// An unknown file may have any owners, and none if no section has owners for every file.
func TestOwnersOfAFileThatIsNotKnown(t *testing.T) {
	for text, want := range map[string]string{
		"/docs/ @a\n":                          "@a; service",
		"* @a\n/docs/ @b\n":                    "@a; @b",
		"* @a\n/docs/\n":                       "@a; service",
		"* @a\n[Docs] @b\n*.md\n/free.md @c\n": "@a; @b; @c",
		"* @a\n[Docs]\n*.md @b\n!/free.md\n":   "@a; @b",
		"^[Docs]\n* @b\n":                      "service",
	} {
		owners, err := readCodeOwners("CODEOWNERS", "github.com/a/b", []byte(text))
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
