package schemas

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/record"
)

// A rule is what the tags of one field require. In this package, constraints are written down only
// in the tags.
type rule struct {
	name      string // JSON name
	index     []int  // reflect path, through embedded structs
	typ       reflect.Type
	required  bool
	omitempty bool
	min, max  int64 // length of a string, value of a number; max < 0: no limit
	maxItems  int
	enum      []string
	format    string
	doc       string
	mapping   string // the `index` tag
}

var (
	timeType = reflect.TypeFor[time.Time]()
	freeType = reflect.TypeFor[record.RawJSON]()
)

var rules sync.Map // reflect.Type → []rule

// rulesOf returns the rules of the JSON fields of struct type t.
func rulesOf(t reflect.Type) []rule {
	if r, ok := rules.Load(t); ok {
		return r.([]rule)
	}
	var out []rule
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" || !f.IsExported() || name == "-" {
			continue
		}
		out = append(out, parseRule(f, name, options))
	}
	rules.Store(t, out)
	return out
}

func parseRule(f reflect.StructField, name, options string) rule {
	r := rule{
		name: name, index: f.Index, typ: f.Type, max: -1, maxItems: -1,
		omitempty: strings.Contains(options, "omit"), doc: f.Tag.Get("doc"), mapping: f.Tag.Get("index"),
	}
	for _, part := range strings.Split(f.Tag.Get("schema"), ",") {
		key, value, _ := strings.Cut(part, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "required":
			r.required = true
		case "min":
			r.min = n
		case "max":
			r.max = n
		case "maxitems":
			r.maxItems = int(n)
		case "enum":
			r.enum = strings.Split(value, "|")
		case "format":
			r.format = value
		}
	}
	return r
}

// Check reports at most ten ways in which fact breaks its schema, each with the path of the field.
func Check(fact record.Fact) error { return CheckAs("data", fact) }

// CheckAs is [Check] for any pointer to a struct with the tags of facts. Each path begins with
// name.
func CheckAs(name string, v any) error {
	var errs []error
	checkStruct(reflect.ValueOf(v).Elem(), name, &errs)
	return errors.Join(errs...)
}

func checkStruct(v reflect.Value, path string, errs *[]error) {
	for _, r := range rulesOf(v.Type()) {
		if len(*errs) >= 10 {
			return
		}
		checkValue(v.FieldByIndex(r.index), r, path+"."+r.name, errs)
	}
}

func checkValue(v reflect.Value, r rule, path string, errs *[]error) {
	fail := func(format string, args ...any) {
		*errs = append(*errs, fmt.Errorf(path+": "+format, args...))
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			if r.required {
				fail("is missing")
			}
			return
		}
		checkValue(v.Elem(), r, path, errs)
	case reflect.String:
		checkString(v.String(), r, fail)
	case reflect.Int64, reflect.Int:
		if v.Int() < r.min {
			fail("%d is below %d", v.Int(), r.min)
		}
	case reflect.Slice:
		if v.Type() == freeType {
			return
		}
		if r.required && v.IsNil() {
			fail("is missing")
			return
		}
		if r.maxItems >= 0 && v.Len() > r.maxItems {
			fail("%d items; at most %d are allowed", v.Len(), r.maxItems)
			return
		}
		item := r
		item.required = v.Type().Elem().Kind() == reflect.String
		for i := range v.Len() {
			if len(*errs) >= 10 {
				return
			}
			checkValue(v.Index(i), item, path+"["+strconv.Itoa(i)+"]", errs)
		}
	case reflect.Struct:
		if v.Type() != timeType {
			checkStruct(v, path, errs)
			return
		}
		switch t := v.Interface().(time.Time); {
		case t.IsZero() && r.required:
			fail("is missing")
		case t.IsZero():
		case t.Year() < 1 || t.Year() > 9999:
			fail("year %d is out of range", t.Year())
		}
	}
}

// allows reports whether s satisfies the rule.
func (r *rule) allows(s string) bool {
	if s == "" {
		return !r.required
	}
	return !r.tooLong(s) && (r.enum == nil || slices.Contains(r.enum, s)) && r.hasForm(s)
}

func (r *rule) tooLong(s string) bool {
	return r.max >= 0 && int64(len(s)) > r.max && int64(utf8.RuneCountInString(s)) > r.max
}

func (r *rule) hasForm(s string) bool {
	switch r.format {
	case "digest":
		return digests.Is(s)
	case "commit":
		return record.IsCommit(s)
	}
	return true
}

var forms = map[string]string{
	"digest": "a digest; want sha256: and 64 lower-case hex digits",
	"commit": "a commit; want 7 to 64 hex digits",
}

func checkString(s string, r rule, fail func(string, ...any)) {
	if s == "" {
		if r.required {
			fail("is missing or empty")
		}
		return
	}
	if r.tooLong(s) {
		fail("%d characters; at most %d are allowed", utf8.RuneCountInString(s), r.max)
	}
	if r.enum != nil {
		if !slices.Contains(r.enum, s) {
			fail("%s", nearest.NotOne(s, r.enum))
		}
		return
	}
	if !r.hasForm(s) {
		fail("%q is not %s", s, forms[r.format])
	}
}
