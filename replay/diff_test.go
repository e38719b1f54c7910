package replay

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

func TestDiffs(t *testing.T) {
	for name, c := range map[string]struct {
		arguments string
		want      []DiffLine
		rest      string
	}{
		"an edit":                 {`{"file_path":"a.go","old_string":"x\ny\n","new_string":"z"}`, []DiffLine{{"removed", "x"}, {"removed", "y"}, {"added", "z"}}, "file_path: a.go"},
		"an edit of another tool": {`{"path":"a","old_str":"x","new_str":"y"}`, []DiffLine{{"removed", "x"}, {"added", "y"}}, "path: a"},
		"several edits":           {`{"edits":[{"old_string":"a","new_string":"b"},{"old_string":"c","new_string":""}]}`, []DiffLine{{"removed", "a"}, {"added", "b"}, {"removed", "c"}}, ""},
		"a patch":                 {`{"patch":"--- a\n+++ b\n@@ -1 +1 @@\n kept\n-old\n+new\n"}`, []DiffLine{{"place", "--- a"}, {"place", "+++ b"}, {"place", "@@ -1 +1 @@"}, {"kept", "kept"}, {"removed", "old"}, {"added", "new"}}, ""},
		"a patch that is all":     {`"*** Begin Patch\n*** Update File: a\n-x\n+y\n*** End Patch"`, []DiffLine{{"place", "*** Begin Patch"}, {"place", "*** Update File: a"}, {"removed", "x"}, {"added", "y"}, {"place", "*** End Patch"}}, ""},
		"a command":               {`{"command":"make test"}`, nil, ""},
		"no object":               {`[1]`, nil, ""},
		"other types":             {`{"old_string":1}`, nil, ""},
		"nothing":                 {``, nil, ""},
	} {
		diff, rest := diffIn(record.RawJSON(c.arguments))
		if d := cmp.Diff(c.want, diff); d != "" || rest != c.rest {
			t.Errorf("%s: %s, rest %q", name, d, rest)
		}
	}
}

func TestALongDiffSaysThatItIsCut(t *testing.T) {
	diff, _ := diffIn(record.RawJSON(`{"new_string":"` + strings.Repeat(`x\n`, maxDiff+2) + `"}`))
	if len(diff) != maxDiff+1 || diff[maxDiff].Text != "2 more lines, which are in the event" {
		t.Errorf("%d lines, the last is %+v", len(diff), diff[len(diff)-1])
	}
}
