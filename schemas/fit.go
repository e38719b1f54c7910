package schemas

import (
	"crypto/sha256"
	"reflect"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// Fit cuts the texts of a fact that are longer than its schema allows, for facts of
// platforms, which know no such bounds and are not refused for them. What was cut ends
// with an ellipsis and the beginning of the digest of the whole, so that two names which
// begin in the same way stay two. An address that was cut would lead elsewhere, and is
// left out.
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

// fit is s, which is too long, as r allows it.
func (r *rule) fit(s string) string {
	if !r.required && (r.name == "url" || strings.HasSuffix(r.name, "_url")) {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	mark := "…" + hexOf(sum[:4])
	keep := int(r.max) - len([]rune(mark))
	return string([]rune(s)[:max(keep, 0)]) + mark
}
