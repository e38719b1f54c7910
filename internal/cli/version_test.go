package cli

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	platform := []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}}
	commit := append(platform, debug.BuildSetting{Key: "vcs.revision", Value: "2d71"}, debug.BuildSetting{Key: "vcs.time", Value: "2026-03-01T03:47:00Z"})
	for name, c := range map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"a release": {debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}, Settings: commit}, "changetrail v1.2.3\ncommit: 2d71 of 2026-03-01T03:47:00Z\nbuilt: go1.26.8 for linux/arm64\n"},
		"a work tree": {
			debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3+dirty"}, Settings: append(commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"}, debug.BuildSetting{Key: "-tags", Value: "clouds"})},
			"changetrail v1.2.3+dirty\ncommit: 2d71 of 2026-03-01T03:47:00Z, with uncommitted changes\nbuilt: go1.26.8 for linux/arm64, with the tags clouds\n",
		},
		"go run":  {debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: platform}, "changetrail devel\ncommit: unknown; go build in a clone of the repository records it, go run does not\nbuilt: go1.26.8 for linux/arm64\n"},
		"nothing": {want: "changetrail devel\ncommit: unknown; go build in a clone of the repository records it, go run does not\n"},
	} {
		if got := buildOf(&c.info).String(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	var out strings.Builder
	if code := Run(t.Context(), []string{"version"}, nil, &out, &out, nil); code != 0 || !strings.HasPrefix(out.String(), "changetrail ") {
		t.Errorf("%d %s", code, &out)
	}
}
