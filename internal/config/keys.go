package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/changetrail/changetrail/internal/strictyaml"

	"github.com/changetrail/changetrail/internal/nearest"
)

const (
	envPrefix   = "CHANGETRAIL_"
	defaultFile = "changetrail.yaml"
)

// Keys visits every key: its path, as kafka.brokers, its value and the tags of its field.
func (c *Config) Keys(visit func(path string, v reflect.Value, tags reflect.StructTag)) {
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			path := prefix + f.Tag.Get("yaml")
			if f.Type.Kind() == reflect.Struct {
				walk(v.Field(i), path+".")
			} else {
				visit(path, v.Field(i), f.Tag)
			}
		}
	}
	walk(reflect.ValueOf(c).Elem(), "")
}

// values are the values of all keys.
func (c *Config) values() map[string]reflect.Value {
	out := make(map[string]reflect.Value)
	c.Keys(func(path string, v reflect.Value, _ reflect.StructTag) { out[path] = v })
	return out
}

// EnvName is the environment variable of a key.
func EnvName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// formerVariables are the environment variables of formerNames.
func formerVariables() map[string]string {
	out := make(map[string]string, len(formerNames))
	for former, now := range formerNames {
		out[EnvName(former)] = EnvName(now)
	}
	return out
}

// fromEnvironment sets what the environment says.
func (c *Config) fromEnvironment(environ []string) error {
	if !slices.ContainsFunc(environ, isSetting) {
		return nil // and a hook need not know the keys
	}
	formerly := formerVariables()
	fields, names := make(map[string]reflect.Value), make(map[string]string)
	for path, v := range c.values() {
		fields[EnvName(path)], names[EnvName(path)] = v, path
	}
	var errs []error
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !isSetting(e) {
			continue
		}
		if now, former := formerly[name]; former {
			c.warnings = append(c.warnings, fmt.Sprintf("environment: %s is called %s now; the former name will not be read by version 1.0", name, now))
			name = now
		}
		field, ok := fields[name]
		if !ok {
			errs = append(errs, fmt.Errorf("environment: %s is not a setting of changetrail%s; changetrail config --list has all of them", name, nearest.Hint(name, slices.Sorted(maps.Keys(fields)))))
			continue
		}
		if err := setText(field, value); err != nil {
			errs = append(errs, fmt.Errorf("environment: %s: %w", name, err))
		}
		c.origins[names[name]] = fromCall
	}
	return errors.Join(errs...)
}

// isSetting reports whether a variable of an environment, NAME=VALUE, sets a key.
func isSetting(e string) bool {
	return strings.HasPrefix(e, envPrefix) && !strings.HasPrefix(e, envPrefix+"CONFIG=")
}

// Set sets a key from the text of a flag.
func (c *Config) Set(key, text string) error {
	if err := setText(c.values()[key], text); err != nil {
		return fmt.Errorf("flag for %s: %w", key, err)
	}
	c.origins[key] = fromCall
	return nil
}

// setText sets a key from text: a list from its parts between commas, one of structures
// from YAML.
func setText(v reflect.Value, text string) error {
	if d, ok := v.Addr().Interface().(*Duration); ok {
		return d.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(int64(n))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			return strictyaml.Decode([]byte(text), v.Addr().Interface())
		}
		var list []string
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		v.Set(reflect.ValueOf(list))
	}
	return nil
}
