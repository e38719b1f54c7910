package otlp_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/proto"

	"github.com/changetrail/changetrail/sinks/otlp"
	common "go.opentelemetry.io/proto/otlp/common/v1"
)

// FuzzTheWayBack: what is encoded leads back to the same document, also over the wire. A number may
// come back as the string of its digits, and never as another number.
func FuzzTheWayBack(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `{"a":[1,2.5,-0,-3e7,1e400,0.1,123456789012345678901234567890,9223372036854775807,9223372036854775808],"b":{"c":null,"d":true,"":"\u0000\ud83d\ude00"}}`,
		`[[[[]]]]`, `"x"`, `{"b":1,"a":2}`, `1.0000000000000000000001`, `100`, `1e2`, `-0.0`, `5e-324`, `4e-324`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !jsontext.Value(text).IsValid() { // a name that an object has twice is not valid either
			return
		}
		v, err := otlp.Value(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		wire, err := proto.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back common.AnyValue
		if err := proto.Unmarshal(wire, &back); err != nil {
			return // nested more deeply than protobuf reads
		}
		if !same(decode(t, text), decode(t, string(otlp.JSON(&back)))) {
			t.Errorf("%s comes back as %s", text, otlp.JSON(&back))
		}
	})
}

// A number is the text of a JSON number.
type number string

func decode(t *testing.T, text string) (v any) {
	t.Helper()
	keep := json.UnmarshalFromFunc(func(d *jsontext.Decoder, v *any) error {
		if d.PeekKind() != '0' {
			return errors.ErrUnsupported
		}
		raw, err := d.ReadValue()
		*v = number(raw)
		return err
	})
	if err := json.Unmarshal([]byte(text), &v, json.WithUnmarshalers(keep)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func same(a, b any) bool {
	switch a := a.(type) {
	case number:
		if s, is := b.(string); is {
			return s == string(a)
		}
		n, is := b.(number)
		return is && equal(string(a), string(n))
	case []any:
		b, is := b.([]any)
		if !is || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, is := b.(map[string]any)
		if !is || len(a) != len(b) {
			return false
		}
		for k := range a {
			if !same(a[k], b[k]) {
				return false
			}
		}
		return true
	}
	return a == b
}

// equal compares two numbers exactly. Those with large exponents take too long, and are compared as
// floats of a high precision.
func equal(a, b string) bool {
	x, _, err1 := big.ParseFloat(a, 10, 4000, big.ToNearestEven)
	y, _, err2 := big.ParseFloat(b, 10, 4000, big.ToNearestEven)
	return err1 == nil && err2 == nil && x.Cmp(y) == 0
}
