package agents

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/agents/product"
)

func TestWritten(t *testing.T) {
	for name, c := range map[string]struct {
		tool, arguments string
		want            []string
	}{
		"Claude Code edits a file of the work tree":     {"Edit", `{"file_path":"/w/shop/a.py","old_string":"x"}`, []string{"a.py"}},
		"and one outside of it":                         {"Write", `{"file_path":"/etc/passwd"}`, []string{"/etc/passwd"}},
		"reading writes nothing":                        {"Read", `{"file_path":"/w/shop/a.py"}`, nil},
		"running writes what nobody knows":              {"Bash", `{"command":"rm a.py"}`, nil},
		"Codex names the files in a patch":              {"apply_patch", `{"input":"*** Begin Patch\n*** Update File: a.py\n*** Add File: b/c.py\n"}`, []string{"a.py", "b/c.py"}},
		"which may be a word of a command":              {"apply_patch", `{"command":["apply_patch","*** Delete File: a.py\n"]}`, []string{"a.py"}},
		"or stand in one":                               {"exec_command", `{"cmd":"apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: a.py\n@@\n*** End Patch\nEOF"}`, []string{"a.py"}},
		"or the arguments themselves":                   {"apply_patch", `"*** Update File: a.py\n"`, []string{"a.py"}},
		"tools of others call it path":                  {"write_file", `{"path":"shop/app.py","content":"x"}`, []string{"shop/app.py"}},
		"an editor that replaces":                       {"str_replace_based_edit_tool", `{"command":"str_replace","path":"/w/shop/a.py"}`, []string{"a.py"}},
		"an editor that looks":                          {"str_replace_based_edit_tool", `{"command":"view","path":"/w/shop/a.py"}`, nil},
		"a tool for something else that has edit in it": {"edit_ticket_status", `{"path":"x"}`, nil},
		"arguments that are no object":                  {"edit", `[1]`, nil},
		"no arguments":                                  {"edit", ``, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Written(c.tool, []byte(c.arguments), "/w/shop"); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestBounded(t *testing.T) {
	small, large := `{"a":1}`, `"`+strings.Repeat("x", product.MaxContent)+`"`
	if got := string(Bounded([]byte(small))); got != small {
		t.Error(got)
	}
	if got := string(Bounded([]byte(large))); !strings.HasPrefix(got, `{"omitted_bytes":262146,"sha256":"sha256:`) {
		t.Errorf("%.200s", got)
	}
}

func TestAResultSaysThatTheCallFailed(t *testing.T) {
	const mcp = `{"isError":true,"content":[{"type":"text","text":"no"}]}`
	for result, want := range map[string]bool{
		mcp: true, " \n" + mcp: true, strconv.Quote(mcp): true, `{"jsonrpc":"2.0","id":1,"result":` + mcp + `}`: true, `{"output":` + strconv.Quote(mcp) + `}`: true,
		`{"response":{"result":` + mcp + `}}`: true, `[{"type":"tool_result","is_error":true}]`: true, `{"type":"tool_result","is_error":true}`: true,
		`{"isError":true,"isError":true}`: true,

		"": false, "null": false, "{": false, `{"isError":false}`: false, `{"isError":"true"}`: false, `{"content":[{"type":"text","text":"{\"isError\":true}"}]}`: false,
		`"isError: true"`: false, `[{"isError":true}]`: false, `{"file":{"isError":true}}`: false,
		strings.Repeat(`{"result":`, 10_000) + "1" + strings.Repeat("}", 10_000): false,
	} {
		if got := Failed([]byte(result)); got != want {
			t.Errorf("%.80s: %v", result, got)
		}
	}
}

func FuzzFailed(f *testing.F) {
	f.Add([]byte(`{"result":"{\"isError\":true}"}`))
	f.Fuzz(func(_ *testing.T, result []byte) { Failed(result) })
}
