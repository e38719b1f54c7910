package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/changetrail/changetrail/internal/digests"
)

// TestNoReportIsRefusedForItsBytes writes one run with a failure in many encodings.
func TestNoReportIsRefusedForItsBytes(t *testing.T) {
	junit := func(name string) string {
		return `<testsuite name="s"><testcase classname="Kasse" name="` + name + `"><failure>x</failure></testcase><testcase name="b"/></testsuite>`
	}
	gotest := func(output string) string {
		return `{"Action":"run","Package":"p","Test":"zählt"}` + "\n" + `{"Action":"output","Package":"p","Test":"zählt","Output":"` + output + `"}` + "\n" +
			`{"Action":"fail","Package":"p","Test":"zählt"}` + "\n" + `{"Action":"pass","Package":"p","Test":"b"}` + "\n" + `{"Action":"fail","Package":"p"}` + "\n"
	}
	declared := func(charset, body string) string {
		return `<?xml version="1.0" encoding="` + charset + `"?>` + "\n" + body
	}
	for name, c := range map[string]struct{ file, failing string }{
		"UTF-8 with a mark":                      {"\ufeff" + junit("zählt"), "Kasse zählt"},
		"UTF-16, little end first":               {encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), declared("utf-8", junit("zählt"))), "Kasse zählt"},
		"UTF-16, big end first":                  {encoded(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), junit("zählt")), "Kasse zählt"},
		"UTF-16 without a mark":                  {encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), junit("zählt")), "Kasse zählt"},
		"UTF-16 without a mark, big end":         {encoded(t, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), declared("UTF-16", junit("zählt"))), "Kasse zählt"},
		"UTF-16 cut in a character":              {encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), junit("zählt")+"\n") + "\n", "Kasse zählt"},
		"UTF-32":                                 {encoded(t, utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), junit("zählt")), "Kasse zählt"},
		"UTF-16 is declared and not true":        {declared("utf-16", junit("zählt")), "Kasse zählt"},
		"ISO-8859-1":                             {encoded(t, charmap.ISO8859_1, declared("ISO-8859-1", junit("zählt"))), "Kasse zählt"},
		"windows-1251":                           {encoded(t, charmap.Windows1251, declared("windows-1251", junit("счёт"))), "Kasse счёт"},
		"a code page of DOS":                     {encoded(t, charmap.CodePage850, declared("IBM850", junit("zählt"))), "Kasse zählt"},
		"Shift_JIS":                              {encoded(t, japanese.ShiftJIS, declared("Shift_JIS", junit("表示"))), "Kasse 表示"},
		"a charset that nobody knows":            {declared("x-mine", junit("zählt")), "Kasse zählt"},
		"a charset that browsers refuse":         {declared("iso-2022-kr", junit("zählt")), "Kasse zählt"},
		"no charset, and no UTF-8":               {junit("z\xe4hlt"), "Kasse z\ufffdhlt"},
		"colours":                                {junit("\x1b[31mred"), "Kasse \ufffd[31mred"},
		"colours as a reference":                 {junit("&#27;[31mred"), "Kasse \ufffd[31mred"},
		"colours as a reference of 16":           {junit("&#x1B;[31mred"), "Kasse \ufffd[31mred"},
		"zero, half a pair, and what is none":    {junit("&#x0;&#xd83d;&#xFFFE;&#99999999999;"), "Kasse \ufffd\ufffd\ufffd\ufffd"},
		"a reference that is right":              {junit("&#228;&#x1F600;"), "Kasse ä😀"},
		"U+FFFE":                                 {junit("\ufffe"), "Kasse \ufffd"},
		"XML 1.1":                                {`<?xml version="1.1"?>` + junit("a&#x7;b"), "Kasse a\ufffdb"},
		"files that were put together":           {"<testsuites>\n\ufeff" + declared("ISO-8859-1", junit("a")) + declared("utf-8", junit("b")) + "</testsuites>", "Kasse a"},
		"go test: UTF-16, as PowerShell writes":  {encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), gotest("x")), "p zählt"},
		"go test: UTF-16 without a mark":         {encoded(t, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), gotest("x")), "p zählt"},
		"go test: half a pair":                   {gotest(`\ud83d`), "p zählt"},
		"go test: the other half":                {gotest(`\ude00\ud83d\ud83d\ude00`), "p zählt"},
		"go test: control characters":            {gotest("\x1b[31m\x00\t\x7f"), "p zählt"},
		"go test: bytes that are not UTF-8":      {gotest("\xff\xfe\xe4"), "p zählt"},
		"go test: separators between the values": {"\x1e" + gotest("x") + "\x1e\ufeff" + `{"Action":"start","Package":"q"}` + "\x1a", "p zählt"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read([]byte(c.file))
			if err != nil || len(r.Failing) == 0 || r.Failing[0] != c.failing || r.Conclusion != "failure" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestBytesOfScans: the same holds for scans, in JSON and XML.
func TestBytesOfScans(t *testing.T) {
	sarif := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"ruleId":"r","message":{"text":"%s"}}]}]}`
	bom := `<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library" bom-ref="a"><name>a</name><version>1</version></component></components>` +
		`<vulnerabilities><vulnerability><id>CVE-1</id><description>z%s</description></vulnerability></vulnerabilities></bom>`
	latin := encoded(t, charmap.ISO8859_1, `<?xml version="1.1" encoding="ISO-8859-1"?>`+fmt.Sprintf(bom, "ähl &#27;[1m"))
	for name, file := range map[string]string{
		"SARIF in UTF-16":             encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), fmt.Sprintf(sarif, "ä")),
		"SARIF with half a pair":      fmt.Sprintf(sarif, `\ud83d`),
		"SARIF with colours":          fmt.Sprintf(sarif, "\x1b[31m"),
		"CycloneDX, Latin-1, XML 1.1": latin,
		"CycloneDX in JSON, a half":   `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a"}],"vulnerabilities":[{"id":"CVE-1","description":"\ud83d` + "\x1b" + `"}]}`,
	} {
		if r, err := Read([]byte(file)); err != nil || r.Summary.Findings != 1 || !r.Summary.Scanned {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if _, err := Delta([]byte(latin), []byte(latin)); err != nil {
		t.Errorf("bills of materials: %v", err)
	}
}

// TestDigestIsThatOfTheFile: the digest is of the original bytes, not of the decoded text.
func TestDigestIsThatOfTheFile(t *testing.T) {
	file := []byte(encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), `<testsuite><testcase name="a"/></testsuite>`))
	v, _, err := Validation(file)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ReadValidation(v); err != nil || !bytes.Equal(back, file) || v.Report.Digest != digests.Of(file) || v.Passed != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestBase64OfEveryKind(t *testing.T) {
	for length := range 9 {
		want := bytes.Repeat([]byte{0xfb, 0xff, 0xfe}, 3)[:length]
		for _, by := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			if got, err := decodeBase64(by.EncodeToString(want) + "\n"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%x: %x, %v", want, got, err)
			}
		}
	}
	if _, err := decodeBase64("a?b"); err == nil {
		t.Error("what is not base64 is read")
	}
}

// FuzzText: the text is UTF-8, decoding it again changes nothing, and the standard library reads
// the same JSON from it.
func FuzzText(f *testing.F) {
	for _, seed := range []string{`{"a":"\ud83d\ude00 \ud83d \" \\"}`, "\xff\xfe<\x00a\x00>\x00", "<?xml version='1.1' encoding='latin1'?><a b='&#27;'/>", "[\"\x1b\"]\x00{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		text := textOf(file)
		if !utf8.Valid(text) {
			t.Errorf("%q is not UTF-8", text)
		}
		var plain, read any
		if utf8.Valid(file) && json.Unmarshal(file, &plain) == nil && len(text) > 0 && (text[0] == '{' || text[0] == '[') {
			if err := json.Unmarshal(text, &read); err != nil || fmt.Sprint(plain) != fmt.Sprint(read) {
				t.Errorf("%q became %q: %v", file, text, err)
			}
		}
		if len(text) > 0 && text[0] == '<' {
			d := xml.NewDecoder(bytes.NewReader(text))
			for {
				if _, err := d.Token(); err != nil {
					if !errors.Is(err, io.EOF) && bytes.Contains([]byte(err.Error()), []byte("illegal character code")) {
						t.Errorf("%q: %v", text, err)
					}
					break
				}
			}
		}
	})
}

func encoded(t *testing.T, to encoding.Encoding, text string) string {
	t.Helper()
	out, err := to.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
