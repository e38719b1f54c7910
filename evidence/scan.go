package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/phrase"
	"github.com/changetrail/changetrail/record"
)

// A scan is what a reader of scans collects: the findings, each once, and what the reader did not
// understand or the tool did not do.
type scan struct {
	tool, version string
	looked        bool // the report shows that something was scanned

	findings []record.Finding
	seen     map[string]bool
	count    int
	highest  string
	gaps     []string
}

// partial records why the report is incomplete.
func (s *scan) partial(why string) {
	if !slices.Contains(s.gaps, why) && len(s.gaps) < maxGaps {
		s.gaps = append(s.gaps, clip(why, maxGap))
	}
}

// Limits on the reasons why a report is incomplete.
const (
	maxGaps = 8
	maxGap  = 256
)

// result returns the collected result.
func (s *scan) result() (Result, error) {
	r := Result{Tool: clip(s.tool, maxToolName), ToolVersion: clip(s.version, maxToolName), Findings: s.findings, Partial: s.gaps}
	for i := range r.Findings { // a finding names its tool if the report has several
		if f := &r.Findings[i]; f.Scanner == r.Tool && f.ScannerVersion == r.ToolVersion {
			f.Scanner, f.ScannerVersion = "", ""
		}
	}
	r.Summary = record.ScanSummary{Findings: s.count, Highest: s.highest, Scanned: s.count > 0 || s.looked}
	return r, nil
}

// parse reads file as one T. Values of another kind than the field of T are skipped and recorded.
func parse[T any](s *scan, file []byte) (T, error) {
	var v T
	if err := json.Unmarshal(file, &v, lenient, s.tolerant()); err != nil {
		return v, unreadable("%v", phrase.JSON(file, err))
	}
	return v, nil
}

// tolerant is the option that skips values of the wrong kind, so that one unknown element does not
// make the whole report unreadable.
func (s *scan) tolerant() json.Options {
	return json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, v any) error {
		to := reflect.ValueOf(v).Elem()
		if fits(d.PeekKind(), to.Type()) {
			return errors.ErrUnsupported
		}
		at := d.StackPointer()
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		if !number(to, raw) {
			s.partial("a " + kindName(raw.Kind()) + " at " + string(at) + " is not understood")
		}
		return nil
	}))
}

// fits reports whether a JSON value of kind k can be decoded into a Go type directly. Integers
// always need a closer look.
func fits(k jsontext.Kind, t reflect.Type) bool {
	if k == 'n' || reflect.PointerTo(t).Implements(reflect.TypeFor[json.UnmarshalerFrom]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return k == '{'
	case reflect.Slice, reflect.Array:
		return k == '[' || t == reflect.TypeFor[jsontext.Value]()
	case reflect.String:
		return k == '"'
	case reflect.Bool:
		return k == 't' || k == 'f'
	case reflect.Float64:
		return k == '0'
	case reflect.Int, reflect.Int64:
		return false
	}
	return true
}

// number reads a number into a field for an integer or a text.
func number(to reflect.Value, raw jsontext.Value) bool {
	switch {
	case raw.Kind() != '0':
		return false
	case to.Kind() == reflect.String:
		to.SetString(string(raw))
		return true
	case to.CanInt():
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || f != float64(int32(f)) {
			return false
		}
		to.SetInt(int64(f))
		return true
	}
	return false
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "object"
	case '[':
		return "list"
	case '"':
		return "text"
	case '0':
		return "number"
	}
	return "value"
}

// readXML reads file as one T.
func readXML[T any](file []byte) (T, error) {
	var v T
	if err := xml.NewDecoder(bytes.NewReader(file)).Decode(&v); err != nil {
		return v, unreadable("%v", err)
	}
	return v, nil
}

// claims records that a report counts findings and lists none of them.
func (s *scan) claims(counted, listed int) {
	if counted > 0 && listed == 0 {
		s.partial("the report counts " + strconv.Itoa(counted) + " findings and lists none")
	}
}

// listIn reads file as a list, or as an object with the list as a member.
func listIn[T any](s *scan, file []byte, member string) ([]T, error) {
	if len(file) > 0 && file[0] == '[' {
		return parse[[]T](s, file)
	}
	members, err := parse[map[string]jsontext.Value](s, file)
	if err != nil || len(members[member]) == 0 {
		return nil, err
	}
	return parse[[]T](s, members[member])
}

// streamed yields the values of a stream one by one, each read like [parse] does.
func streamed[T any](s *scan, file []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for raw, err := range values[jsontext.Value](file) {
			var v T
			if err == nil {
				v, err = parse[T](s, raw)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}
