package phrase

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

type form struct {
	Text string    `json:"text"`
	N    int       `json:"n"`
	At   time.Time `json:"at"`
	List []form    `json:"list"`
}

// leaks are words of libraries and of Go that no message may contain.
var leaks = []string{"jsontext", "json:", "unmarshal", "strconv", "parsing", "time.Time", "mistake.", "phrase.", "form", "Go ", "offset", "syntax error", "openat", "EOF"}

func TestJSONInWords(t *testing.T) {
	for text, want := range map[string]string{
		"not json":               "line 1, column 2: this is not JSON: 'o' is not expected at byte 2",
		`{"text":"a"`:            "line 1, column 12: this JSON ends in the middle of a value; is all of it there?",
		"{\n \"text\": 3}":       "line 2, column 10: text: expected a text, found a number",
		`{"n":"x"}`:              "n: expected a whole number, found a text",
		`{"n":1,"n":2}`:          `the name "n" is given twice in one object`,
		`{"at":"yesterday"}`:     `at: "yesterday" is not a time, for example 2026-11-12T03:47:00Z`,
		`{"list":[{"text":[]}]}`: "list.0.text: expected a text, found a list",
		`[]`:                     "expected an object, found a list",
		"{\"text\":\"\xff\"}":    "it is not text in UTF-8",
		``:                       "this JSON ends in the middle of a value",
	} {
		err := json.Unmarshal([]byte(text), new(form))
		if err == nil {
			t.Fatalf("%q is read", text)
		}
		check(t, text, JSON([]byte(text), err).Error(), want)
	}
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
	for _, leak := range leaks {
		if strings.Contains(got, leak) {
			t.Errorf("%s: %q says %q", what, got, leak)
		}
	}
}

func TestErrorsOfLibrariesInWords(t *testing.T) {
	dir := t.TempDir()
	_, number := strconv.Atoi("x1")
	_, instant := time.Parse(time.RFC3339, "soon")
	_, code := base64.StdEncoding.DecodeString("a?")
	_, row := csv.NewReader(strings.NewReader("a,b\nc\n")).ReadAll()
	_, quote := csv.NewReader(strings.NewReader("a,\"b\n")).ReadAll()
	markup := xml.Unmarshal([]byte("<a>\n<b></a>"), new(form))
	_, missing := os.ReadFile(dir + "/nowhere")
	_, folder := os.ReadFile(dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, busy := net.Listen("tcp", l.Addr().String())
	_ = l.Close()
	_, away := net.Dial("tcp", l.Addr().String())
	for want, err := range map[string]error{
		`"x1" is not a number`:                    number,
		`"soon" is not a time`:                    instant,
		"character 2 is not base64":               code,
		"another number of values":                row,
		"quotation mark is not closed":            quote,
		"line 2: this is not XML":                 markup,
		"there is no file " + dir + "/nowhere":    missing,
		dir + " is a folder":                      folder,
		l.Addr().String() + " is in use":          busy,
		"nothing listens at " + l.Addr().String(): away,
		"it ends in the middle":                   io.ErrUnexpectedEOF,
	} {
		check(t, want, Error(fmt.Errorf("one: %w", errors.Join(errors.New("two"), fmt.Errorf("three: %w", err)))), want)
	}
	if got := Error(errors.New("as it is")) + Error(nil); got != "as it is" {
		t.Error(got)
	}
}
