package web

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A filler fills pages with data: every field of every kind, and texts from a source. Two fillers of
// one seed make pages that differ in their texts only.
type filler struct {
	random *rand.Rand
	text   func() string
}

// allPages are the pages, filled.
func (f filler) allPages() map[string]page {
	var c changePage
	var s searchPage
	var o overviewPage
	var e evidencePage
	var list []answeredQuery
	var in inboxPage
	var a approvalsPage
	var gave givenPage
	var wi whatIfPage
	var un unsentPage
	for _, v := range []any{&c, &s, &o, &e, &list, &in, &a, &gave, &wi, &un} {
		f.fill(reflect.ValueOf(v).Elem())
	}
	in.Away, a.Away, wi.Away = "", "", "" // pages with everything; those without are the same with less
	pages := map[string]page{
		"change": c.page(), "search": s.page(), "overview": o.page(), "evidence": e.page(), "queries": queriesPage(list, []string{f.text()}),
		"inbox": in.page(), "approvals": a.page(), "given": gave.page(), "what if": wi.page(), "unsent": un.page(), "away": (&inboxPage{Away: f.text()}).page(),
		"error": errorPage(f.text(), f.text(), nil), "sign-in": signInPage(access.ByToken, "", f.text(), "x"+f.text()),
		"sign-in at a provider": signInPage(access.AtProvider, f.text(), f.text(), ""), "signed out": signedOutPage(f.text()),
	}
	for name, p := range pages {
		p.Store, p.Who, p.Roles, p.FormToken, p.Inbox, p.Waits = f.text(), f.text(), f.text(), f.text(), true, 3
		pages[name] = p
	}
	return pages
}

func (f filler) fill(v reflect.Value) {
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = noon.Add(time.Duration(f.random.IntN(1000)) * time.Hour)
		return
	case *time.Duration:
		*at = time.Duration(f.random.IntN(1000)) * time.Millisecond
		return
	case *query.Node, *record.Marks, *record.Judged: // no page shows them
		return
	case *cell:
		f.cell(at)
		return
	case *heading:
		*at = heading{f.text(), f.text(), []string{"", "ascending", "descending"}[f.random.IntN(3)]}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(f.random.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.random.IntN(4)))
	case reflect.Float64:
		v.SetFloat(float64(f.random.IntN(1000)) / 7)
	case reflect.Uint8:
		v.SetUint('0')
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+f.random.IntN(2), 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i))
			}
		}
	}
}

// cell fills a cell of one of the kinds that there are.
func (f filler) cell(c *cell) {
	c.Label, c.Values = f.text(), []string{f.text(), f.text(), f.text(), f.text()}
	switch f.random.IntN(5) {
	case 0:
		c.Field = "answers"
	case 1:
		c.Field = "changetrail.gaps"
	case 2:
		c.Field, c.Link = "changetrail.change.id", "/"+f.text()
	case 3:
		c.Time = noon
	case 4:
		c.Field, c.Values = f.text(), c.Values[:f.random.IntN(4)]
	}
}

// parsed is a page as a browser reads it.
func parsed(t *testing.T, p page) *html.Node {
	t.Helper()
	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// outline is the structure of a page: its elements, and the names of their attributes. Left out is
// what a text may change: where an identifier may break, and whether a link leads anywhere.
func outline(root *html.Node) string {
	var out strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode || n.Data == "wbr" {
			continue
		}
		depth := 0
		for range n.Ancestors() {
			depth++
		}
		fmt.Fprintf(&out, "%*s%d %s", depth, "", n.Type, n.Data)
		for _, a := range n.Attr {
			if a.Key != "href" {
				out.WriteString(" " + a.Key)
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

var scheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)

// harm is what a page could do to its reader, as the URL standard reads addresses: it ignores spaces
// before an address, tabs and line ends within it, and takes \ for /.
func harm(root *html.Node) (found []string) {
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "style" || n.Data == "script" && (n.FirstChild != nil || len(n.Attr) == 0 || n.Attr[0].Val != "/static/script.js") {
			found = append(found, "element "+n.Data)
		}
		for _, a := range n.Attr {
			to := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimLeft(a.Val, string(upTo(' '))))
			switch {
			case a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "srcdoc" || a.Key == "srcset":
				found = append(found, "attribute "+a.Key)
			case a.Key != "href" && a.Key != "src" && a.Key != "action" && a.Key != "formaction":
			case strings.HasPrefix(to, "//"), scheme.MatchString(to) && !strings.HasPrefix(strings.ToLower(to), "http://") && !strings.HasPrefix(strings.ToLower(to), "https://"), !scheme.MatchString(to) && !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "#"):
				found = append(found, a.Key+" "+a.Val)
			}
		}
	}
	return found
}

// upTo are the characters from 0 to c.
func upTo(c rune) (out []rune) {
	for r := range c + 1 {
		out = append(out, r)
	}
	return out
}

// harmless is a text of letters and line ends, as long as another.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return 'a'
	}, text)
}

var hostile = []string{
	`"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `</title><script>alert(1)</script>`, `</textarea></pre></svg><style>*{display:none}</style>`,
	`" onclick="alert(1)`, "` onfocus=alert(1) autofocus x=`", `a b=c d="e`, `<!--`, `-->`, `]]>`, `<![CDATA[`, `&lt;script&gt;`, `&#34;&gt;`, `{{.}}`, `${alert(1)}`,
	"javascript:alert(1)", " JavaScript:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)", "javascript&colon;alert(1)", "vbscript:x", "data:text/html,<script>alert(1)</script>",
	"//evil.example/", `/\evil.example/`, `\\evil.example`, "/\t/evil.example", "http:evil", "https:/evil", "file:///etc/passwd", "blob:x", "view-source:x", "x:y", "%6aavascript:alert(1)", "javascript%3aalert(1)",
	"https://example.org/a?b=c d&e='f'#(g)", "http://[::1", "https://exa mple/%zz", "/changes?q=<b>", "#\"><b>",
	"nul\x00nul", "\u202egnp.exe\u2066\u2069", "\xff\xfe\xc3(", "\ufeff", "\u2028\u2029", "\r\n<b>\r", "line\n<li>line\n</ul>", "<\x00script>", strings.Repeat("<b>", 600), "", " ",
}

// FuzzHostileTextsAreTexts: whatever a text in the data is, a page has the elements and attributes
// that it has with a harmless one, and no address that runs code.
func FuzzHostileTextsAreTexts(f *testing.F) {
	for i, text := range hostile {
		f.Add(uint64(i), text)
	}
	f.Fuzz(samePages)
}

func samePages(t *testing.T, seed uint64, text string) {
	bad := filler{rand.New(rand.NewPCG(seed, 1)), func() string { return text }}.allPages()
	good := filler{rand.New(rand.NewPCG(seed, 1)), func() string { return harmless(text) }}.allPages()
	for name, p := range bad {
		root := parsed(t, p)
		if diff := cmp.Diff(outline(parsed(t, good[name])), outline(root)); diff != "" {
			t.Errorf("seed %d: with %q, the page %s has other elements:\n%.2000s", seed, text, name, diff)
		}
		for _, h := range harm(root) {
			t.Errorf("seed %d: with %q, the page %s has the %s", seed, text, name, h)
		}
	}
}

// TestHarmIsSeen: the judge of the test above sees what it looks for.
func TestHarmIsSeen(t *testing.T) {
	for _, bad := range []string{
		`<a href="javascript:alert(1)">`, `<a href=" JaVaScRiPt:x">`, "<a href='java\nscript:x'>", `<a href="//evil.example">`, `<a href="/\evil.example">`, `<a href="data:x">`, `<a href="x">`,
		`<script>alert(1)</script>`, `<script src="/other.js"></script>`, `<style></style>`, `<p style="">`, `<p onclick="">`, `<form action="javascript:x">`,
	} {
		root, err := html.Parse(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if harm(root) == nil {
			t.Errorf("%s is taken for harmless", bad)
		}
	}
}

// TestLinksThatLeadSomewhere: addresses of pages stay links.
func TestLinksThatLeadSomewhere(t *testing.T) {
	for to, want := range map[string]string{
		"https://github.com/acme/pay/pull/7#issue": "https://github.com/acme/pay/pull/7#issue", "http://gitlab.local:8080/a?b=c&d=%20e": "http://gitlab.local:8080/a?b=c&d=%20e",
		"/changes?q=a+b": "/changes?q=a+b", "#events": "#events", "https://host/a b?c='ä'": "https://host/a%20b?c=%27%c3%a4%27", "https://host/100%": "https://host/100%25",
		"": "", "javascript:alert(1)": "", "host/path": "", "mailto:a@b": "", "//host/path": "", "///host/path": "", "https:///path": "",
	} {
		got := ""
		for n := range parsed(t, page{Body: anchor(to)}).Descendants() {
			for _, a := range n.Attr {
				if n.Data == "a" && a.Key == "href" && n.Parent.Data == "main" {
					got = a.Val
				}
			}
		}
		if got != want {
			t.Errorf("%q becomes %q, want %q", to, got, want)
		}
	}
}

// TestOnlyOnePlaceMakesAddresses: elsewhere the names of elements and attributes are constants, and
// so are addresses; no text is written as it is.
func TestOnlyOnePlaceMakesAddresses(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set, calls := token.NewFileSet(), 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && slices.Contains([]string{"address", "el", "attr", "flag", "num"}, f.Name.Name) {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					calls++
					if why := unsafe(call); why != "" {
						t.Errorf("%s: %s", set.Position(call.Pos()), why)
					}
				}
				return true
			})
		}
	}
	if calls < 1000 {
		t.Errorf("only %d calls were looked at", calls)
	}
}

// unsafe says why a call may make a page unsafe.
func unsafe(call *ast.CallExpr) string {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	constant := func(i int) string {
		if len(call.Args) > i {
			if literal, ok := call.Args[i].(*ast.BasicLit); ok {
				return strings.Trim(literal.Value, `"`)
			}
		}
		return ""
	}
	switch first := constant(0); name {
	case "Raw", "Rawf":
		return name + " writes a text as it is"
	case "El", "Attr":
		return name + " of gomponents is copied into its caller: use el, attr or flag"
	case "el", "num", "flag", "attr":
		if first == "" || strings.HasPrefix(first, "on") || first == "style" || first == "srcdoc" || first == "srcset" {
			return fmt.Sprintf("%s(%q …) may run code", name, first)
		}
		if name == "attr" && slices.Contains([]string{"href", "src", "action", "formaction", "xlink:href"}, first) && constant(1) == "" {
			return "an address is made of a value: use address"
		}
	}
	return ""
}
