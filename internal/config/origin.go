package config

import (
	"errors"
	"fmt"
)

// An origin says where a setting comes from.
type origin int

const (
	fromDefault origin = iota
	fromFile
	fromCall // the environment, or a flag
)

// IsSet reports whether a key is set: by a file, the environment or a flag.
func (c *Config) IsSet(key string) bool { return c.origins[key] != fromDefault }

// secretsOf are the keys of an address with the secrets that are sent there.
var secretsOf = []struct {
	address string
	secrets []string
	// strict: one of the call is not sent to an address of the file either.
	strict bool
}{
	{"producer.gateway", []string{"producer.token", "producer.token_file"}, true},
	{"web.gateway", []string{"web.gateway_token", "web.gateway_token_file"}, true},
	{"kafka.brokers", []string{"kafka.sasl.password", "kafka.sasl.password_file", "kafka.tls.key_file"}, false},
	{"sink.addresses", []string{"sink.password", "sink.password_file", "sink.api_key", "sink.api_key_file", "sink.token", "sink.token_file", "sink.key_file"}, false},
}

// CheckSecrets reports secrets that would be sent to an address with which they were not
// configured.
func (c *Config) CheckSecrets() error {
	var errs []error
	for _, pair := range secretsOf {
		to := c.origins[pair.address]
		for _, secret := range pair.secrets {
			from := c.origins[secret]
			if from == to || from == fromDefault || to == fromDefault || from == fromCall && !pair.strict {
				continue
			}
			said := map[origin]string{fromFile: "the configuration file", fromCall: "the environment or a flag"}
			errs = append(errs, fmt.Errorf("configuration: %s comes from %s and %s from %s: a secret is sent only to the address with which it was configured. Set both in one file, or both in the environment (%s, %s)",
				secret, said[from], pair.address, said[to], EnvName(secret), EnvName(pair.address)))
		}
	}
	return errors.Join(errs...)
}
