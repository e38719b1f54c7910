package schemas

import (
	"crypto/sha256"
	"reflect"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// Fit cuts the texts of a fact that are longer than its schema allows. It is for facts of
// platforms, which do not know these limits and are not refused for them. A cut text ends with an
// ellipsis and the beginning of the digest of the whole, so that two names with the same beginning
// remain different. A URL is removed instead, since a cut one would lead elsewhere.
func Fit(fact record.Fact) { fitStruct(reflect.ValueOf(fact).Elem()) }

func fitStruct(v reflect.Value) {
	for _, r := range rulesOf(v.Type()) {
		fitValue(v.FieldByIndex(r.index), r)
	}
}

func fitValue(v reflect.Value, r rule) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fitValue(v.Elem(), r)
		}
	case reflect.String:
		if s := v.String(); r.enum == nil && r.format == "" && r.tooLong(s) {
			v.SetString(r.fit(s))
		}
	case reflect.Slice:
		if v.Type() == freeType {
			return
		}
		for i := range v.Len() {
			fitValue(v.Index(i), r)
		}
	case reflect.Struct:
		if v.Type() != timeType {
			fitStruct(v)
		}
	}
}

// fit returns s, which is too long, in the form that r allows.
func (r *rule) fit(s string) string {
	if !r.required && (r.name == "url" || strings.HasSuffix(r.name, "_url")) {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	mark := "…" + hexOf(sum[:4])
	keep := int(r.max) - len([]rune(mark))
	return string([]rune(s)[:max(keep, 0)]) + mark
}
