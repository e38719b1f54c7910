package config

import (
	"fmt"
	"os"
	"strings"
)

// Secret returns the secret of a key: its value, or the content of the file that the key with
// the suffix _file names.
func (c *Config) Secret(key string) (string, error) {
	values := c.values()
	value, file := values[key].String(), values[key+"_file"].String()
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("configuration: %s and %s_file are both set; keep one", key, key)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("configuration: %s_file: %w", key, err)
	}
	return strings.TrimSpace(string(b)), nil
}
