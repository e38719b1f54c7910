package record

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParseRepository(t *testing.T) {
	for in, want := range map[string]string{
		"github.com/acme/payments":                                "github.com/acme/payments",
		" https://GitHub.com/Acme/payments.git\n":                 "github.com/acme/payments",
		"gitlab.com/group/sub/proj/":                              "gitlab.com/group/sub/proj",
		"gitlab.acme.example:8443/g/p":                            "gitlab.acme.example:8443/g/p",
		"https://gitlab.acme.example:443/g/p":                     "gitlab.acme.example/g/p",
		"http://gitlab.acme.example:80/g/p":                       "gitlab.acme.example/g/p",
		"http://localhost:3000/acme/shop":                         "localhost:3000/acme/shop",
		"https://[::1]:3000/acme/shop":                            "[::1]:3000/acme/shop",
		"https://api.github.com/repos/Acme/Shop/pulls/1":          "github.com/acme/shop",
		"https://raw.githubusercontent.com/Acme/Shop/main/a.yaml": "github.com/acme/shop",
		"https://github.com@evil.example/acme/shop":               "evil.example/acme/shop",
		"https://github.com.evil.example/acme/shop":               "github.com.evil.example/acme/shop",
		"git@github.com-evil.example:acme/shop":                   "github.com-evil.example/acme/shop",
		"https://github.com-work/acme/shop":                       "github.com-work/acme/shop", // only SSH has aliases
		"https://gitlab.com/scm/g/p":                              "gitlab.com/scm/g/p",
		"https://gitlab.com/g/tree":                               "gitlab.com/g/tree",
		"payments":                                                "",
		"acme/payments":                                           "",
		"exec-1":                                                  "",
		"session:a/b":                                             "",
		"a b/c/d":                                                 "",
		"https://github.com/acme":                                 "",
		"https://github.com/acme/../evil":                         "",
		"https://github.com/acme/.git":                            "",
		`https://evil.example\@github.com/acme/shop`:              "",
		"https://github.com/acme/%zz":                             "",
		"ftp://github.com/acme/shop":                              "",
		"https:///acme/shop/x":                                    "",
		"../../a/b":                                               "",
		"/srv/git/shop.git":                                       "",
		"C:/code/acme/shop":                                       "",
		"https://dev.azure.com/acme/pay":                          "",
	} {
		if got, err := ParseRepository(in); string(got) != want || (err == nil) != (want != "") {
			t.Errorf("ParseRepository(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// TestRepositorySpellings checks that every spelling of one repository gives the same name.
func TestRepositorySpellings(t *testing.T) {
	for want, spellings := range map[string][]string{
		"github.com/acme/shop": {
			"https://x-access-token:abc@github.com/acme/shop", "git://github.com/acme/shop.git", "git+https://github.com/acme/shop.git@v1.2#egg=shop",
			"git+ssh://git@github.com:acme/shop.git", "ssh+git://git@github.com/acme/shop", "ssh://git@ssh.github.com:443/acme/shop.git", "git@ssh.github.com:acme/shop",
			"git@github.com-work:acme/shop.git", "ssh://git@github.com-acme_2/acme/shop", "org-123@github.com:acme/shop.git", "[git@github.com:22]:acme/shop", "github:acme/shop",
			"https://www.github.com/acme/shop/", "https://github.com./acme/shop", "https://github.com/acme/shop/blob/main/a/b.go#L3", "https://github.com/acme/shop/tree/main/a/",
			"https://github.com/acme/shop/pull/3/files?w=1", "url:https://github.com/acme/shop/tree/main/", "scm:git:git://github.com/acme/shop.git", "git::https://github.com/acme/shop",
			"https://github.com/acme%2Fshop", "https://github.com/%61cme/shop", "https://github.com//acme//shop.git/",
		},
		"gitlab.com/group/sub/p": {
			"https://gitlab.com/group/sub/p/-/blob/main/x.go", "https://gitlab.com/group/sub/p/-/tree/main", "git@gitlab.com:group/sub/p.git", "ssh://git@altssh.gitlab.com:443/group/sub/p.git",
			"git@gitlab.com-work:group/sub/p", "gitlab:group/sub/p", "https://oauth2:x@gitlab.com/group/sub/p.git", "https://gitlab.com/group/sub/p/tree/main/x",
		},
		"git.acme.example/g/p": {
			"ssh://git@git.acme.example:2222/g/p.git", "git@git.acme.example:g/p.git", "git@git.acme.example:/g/p.git", "https://git.acme.example/g/p/src/branch/main/x",
			"https://git.acme.example/g/p/tree/main/x", "https://git.acme.example/g/p/-/raw/main/x", "https://git.acme.example/g/p/+/refs/heads/main/x",
		},
		"bitbucket.org/acme/shop": {
			"https://user@bitbucket.org/acme/shop.git", "git@bitbucket.org:acme/shop.git", "ssh://git@altssh.bitbucket.org:443/acme/shop.git", "https://bitbucket.org/acme/shop/src/main/x",
			"https://bitbucket.org/acme/shop/pull-requests/3", "bitbucket:acme/shop",
		},
		"bb.acme.example/scm/pay/shop": {
			"https://bb.acme.example/scm/PAY/shop.git", "ssh://git@bb.acme.example:7999/pay/shop.git", "https://bb.acme.example/projects/PAY/repos/shop/browse/x?at=main",
		},
		"bb.acme.example/scm/~ann/shop": {
			"https://bb.acme.example/scm/~ann/shop.git", "ssh://git@bb.acme.example:7999/~ann/shop.git", "https://bb.acme.example/users/ann/repos/shop/browse",
		},
		"dev.azure.com/acme/pay%20ments/_git/shop": {
			"https://acme@dev.azure.com/acme/Pay%20ments/_git/shop", "git@ssh.dev.azure.com:v3/acme/Pay%20ments/shop", "ssh://git@ssh.dev.azure.com:22/v3/acme/Pay%20ments/shop",
			"https://acme.visualstudio.com/Pay%20ments/_git/shop", "https://acme.visualstudio.com/DefaultCollection/Pay%20ments/_git/shop", "acme@vs-ssh.visualstudio.com:v3/acme/Pay%20ments/shop",
			"https://dev.azure.com/acme/Pay%20ments/_git/shop?path=/x&version=GBmain", "https://dev.azure.com/acme/Pay%20ments/_git/shop/pullrequest/3",
			"ssh://acme@acme.visualstudio.com:22/Pay%20ments/_ssh/shop",
		},
		"dev.azure.com/acme/shop/_git/shop":                    {"https://dev.azure.com/acme/_git/shop", "git@ssh.dev.azure.com:v3/acme/shop/shop", "https://acme.visualstudio.com/_git/shop"},
		"tfs.acme.example/tfs/defaultcollection/pay/_git/shop": {"https://tfs.acme.example/tfs/DefaultCollection/pay/_git/shop/pullrequest/2"},
	} {
		for _, s := range append(spellings, want, "https://"+want, "https://"+want+".git", "https://someone:secret@"+want+"/") {
			if got, err := ParseRepository(s); string(got) != want {
				t.Errorf("%s is %q, %v; want %s", s, got, err, want)
			}
		}
	}
}

// TestRepositoryWrittenAnyhow generates spellings: what people, Git and package managers write
// around a host, an owner and a name.
func TestRepositoryWrittenAnyhow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	anyCase := func(s string) string {
		return strings.Map(func(c rune) rune {
			if c < 'a' || c > 'z' || r.IntN(3) > 0 {
				return c
			}
			return c - 'a' + 'A'
		}, s)
	}
	for range 10_000 {
		host, path := one("github.com", "gitlab.com", "bitbucket.org", "git.acme.example"), one("acme/shop", "a-b/c.d_e", "0/1")
		if host == "gitlab.com" {
			path = one("", "g/", "g/h/") + path
		}
		name, host, path := host+"/"+path, anyCase(host), anyCase(path)
		git := path + one("", "/", ".git", ".git/", ".GIT")
		web := one("", "git+") + one("http://", "https://", "HTTPS://") + one("", "ann@", "ann:p%40ss@", "x-access-token:a@") + host
		ssh := one("", "git+") + one("ssh://", "git+ssh://"[4:], "git://") + one("", "git@") + host
		s := one(
			web+"/"+git, web+"/"+path+one("/tree/main", "/blob/main/a.go", "/-/tree/main/a", "/-/blob/a/b?x=1#L1", "?tab=readme", "#readme", "/commits/main"),
			ssh+one("", ":22", ":2222")+"/"+git, one("git", "ann")+"@"+host+":"+one("", "/")+git, host+":"+git, host+"/"+git, "[git@"+host+":2222]:"+git,
		)
		got, err := ParseRepository(one("", " ") + s + one("", "\n"))
		if string(got) != name {
			if host == "0" || strings.HasPrefix(s, host+":0/") {
				continue // a number without a user is a port
			}
			t.Fatalf("%s is %q, %v; want %s", s, got, err, name)
		}
	}
}

func TestRepositoryAt(t *testing.T) {
	for remote, want := range map[string]string{
		"https://github.com/acme/shop.git":             "github.com/acme/shop",
		"https://x-access-token:abc@github.com/acme/a": "github.com/acme/a",
		"git@github.com:acme/shop.git":                 "github.com/acme/shop",
		"ssh://git@gitlab.acme.example:2222/g/sub/p":   "gitlab.acme.example/g/sub/p",
		"https://gitlab.acme.example:8443/g/p.git":     "gitlab.acme.example:8443/g/p",
		"git@gitserver:g/p":                            "gitserver/g/p",
		"github.com/acme/shop":                         "", // Git reads it as a folder
		"/srv/git/shop.git":                            "",
		"../shop":                                      "",
		"./a/b/c":                                      "",
		"file:///srv/git/shop.git":                     "",
		`C:\work\shop`:                                 "",
		"":                                             "",
	} {
		if got := RepositoryAt(remote); string(got) != want {
			t.Errorf("%s is %q, want %q", remote, got, want)
		}
	}
}

// FuzzParseRepository checks that a name is read as itself, and that a change of it has it as its
// repository.
func FuzzParseRepository(f *testing.F) {
	for _, s := range []string{
		"https://u:p@github.com:443/a/b.git?x#y", "git@ssh.dev.azure.com:v3/a/b%20c/d", "ssh://git@h.example:7999/a/b", "[git@h.example:1]:a/b", "https://[::1]:8443/a/b", "h:80/a/b",
		"https://a.visualstudio.com/b/_git/c", "https://h.example/projects/a/repos/b", "git+https://h.example/a/b@v1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		repo, err := ParseRepository(s)
		if err != nil {
			return
		}
		if again, err := ParseRepository(string(repo)); err != nil || again != repo {
			t.Fatalf("%q gives %q, which gives %q, %v", s, repo, again, err)
		}
		if id, err := ParseChange(string(repo.Change("/pull/1"))); err != nil || id.Repository() != repo {
			t.Fatalf("%q: the change %q of %q, %v", s, id, repo, err)
		}
	})
}
