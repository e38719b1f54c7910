package record

import (
	"errors"
	"strings"
	"testing"
)

func TestParseChange(t *testing.T) {
	sha := strings.Repeat("3f786850", 5)
	for _, c := range []struct{ name, in, want string }{
		{"the id itself", "github.com/acme/payments/pull/4829", "github.com/acme/payments/pull/4829"},
		{"the URL", "https://github.com/acme/payments/pull/4829", "github.com/acme/payments/pull/4829"},
		{"the URL of a page below it", "https://github.com/acme/payments/pull/4829/files?w=1#x", "github.com/acme/payments/pull/4829"},
		{"a host in capitals", "https://GitHub.com/acme/payments/pull/4829", "github.com/acme/payments/pull/4829"},
		{"a repository in capitals", "https://github.com/Acme/Payments/pull/4829", "github.com/acme/payments/pull/4829"},
		{"the short form in capitals", "ACME/payments#4829", "github.com/acme/payments/pull/4829"},
		{"the short form of GitHub", "acme/payments#4829", "github.com/acme/payments/pull/4829"},
		{"the short form of GitLab", "group/proj!12", "gitlab.com/group/proj/merge_requests/12"},
		{"the short form with subgroups", "group/sub/proj!12", "gitlab.com/group/sub/proj/merge_requests/12"},
		{"the URL of GitLab", "https://gitlab.com/g/sub/p/-/merge_requests/12/diffs", "gitlab.com/g/sub/p/merge_requests/12"},
		{"an own host with a port", "https://git.acme.example:8443/g/p/-/merge_requests/1", "git.acme.example:8443/g/p/merge_requests/1"},
		{"a commit", "github.com/acme/payments/commit/" + strings.ToUpper(sha), "github.com/acme/payments/commit/" + sha},
		{"space around it", "  acme/payments#1\n", "github.com/acme/payments/pull/1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseChange(c.in)
			if err != nil || string(got) != c.want {
				t.Errorf("ParseChange(%q) = %q, %v; want %q", c.in, got, err, c.want)
			}
			if again, err := ParseChange(string(got)); err != nil || again != got {
				t.Errorf("the id %q is not read as itself: %q, %v", got, again, err)
			}
			if back, err := ParseChange(got.URL()); err != nil || back != got {
				t.Errorf("the URL %s leads to %q, %v", got.URL(), back, err)
			}
		})
	}
	for _, in := range []string{
		"", "4829", "acme/payments", "payments#4829", "acme/payments#0", "acme/payments#-1", "acme/payments#04", "acme/payments#x",
		"github.com/acme/payments/issues/3", "github.com/pull/1", "https://github.com/acme/payments", "github.com//payments/pull/1",
		"github.com/acme/../pull/1", "github.com/acme/payments/commit/xyz", "https:///a/b/pull/1", "acme/pay ments#1",
	} {
		if got, err := ParseChange(in); !errors.Is(err, ErrNotAChange) {
			t.Errorf("ParseChange(%q) = %q, %v; want an error", in, got, err)
		}
	}
}

func FuzzParseChange(f *testing.F) {
	for _, s := range []string{"acme/payments#4829", "group/proj!12", "https://github.com/a/b/pull/1", "github.com/a/b/commit/abcdef0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseChange(s)
		if err != nil {
			return
		}
		if again, err := ParseChange(string(id)); err != nil || again != id {
			t.Errorf("%q gives %q, which gives %q, %v", s, id, again, err)
		}
		repo, kind, number := id.Split()
		if repo == "" || kind == "" || number == "" {
			t.Errorf("%q has no parts", id)
		}
	})
}
