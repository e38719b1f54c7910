package config

import (
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"
)

// hidden replaces a secret when settings are printed.
const hidden = "(hidden)"

// String returns the settings as YAML without their secrets: fields with the tag secret, and the
// credentials in addresses.
func (c Config) String() string {
	c.Keys(func(_ string, v reflect.Value, tags reflect.StructTag) {
		switch {
		case v.Kind() == reflect.String && v.Len() > 0 && tags.Get("secret") != "":
			v.SetString(hidden)
		case v.Kind() == reflect.String:
			v.SetString(Shown(v.String()))
		case v.Type() == reflect.TypeFor[[]string]():
			list := slices.Clone(v.Interface().([]string)) // the caller has the same one
			for i := range list {
				list[i] = Shown(list[i])
			}
			v.Set(reflect.ValueOf(list))
		}
	})
	text, err := yaml.Marshal(c)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// LogValue is the settings in a log.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// inAddress matches the user part of an address, and secrets in its query.
var inAddress = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(://)[^\s/"'<>]*@|([?&;][\w.-]*(?:token|key|sig|signature|secret|password|passwd|pwd|pass|auth|credentials?)=)[^\s&;"']+`)
})

// Shown returns a text without the secrets of the addresses in it. (url.URL.Redacted shows a
// token that is in the place of the user.)
func Shown(text string) string {
	return inAddress().ReplaceAllStringFunc(text, func(m string) string {
		part := inAddress().FindStringSubmatch(m)
		if part[1] != "" {
			return part[1] + "xxxxx@"
		}
		return part[2] + "xxxxx"
	})
}

// ShownAttr is shown for the attributes of a log.
func ShownAttr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(Shown(v))
	case error:
		a.Value = slog.StringValue(Shown(v.Error()))
	case []string:
		list := slices.Clone(v)
		for i := range list {
			list[i] = Shown(list[i])
		}
		a.Value = slog.AnyValue(list)
	}
	return a
}
