package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/settings"
)

// maxPartitions is more than a topic has in any cluster.
const maxPartitions = 1 << 20

// Choices returns the values that a key may have; nil if it may have any.
func Choices(key string) []string {
	switch key {
	case "content":
		return []string{string(secrets.MetadataOnly), string(secrets.Redacted), string(secrets.Full)}
	case "enricher.compression":
		return []string{"lz4", "zstd", "snappy", "gzip", "none", ""}
	case "hook.forbidden", "hook.approval":
		return []string{settings.Off, settings.Ask, settings.Deny}
	case "kafka.sasl.mechanism":
		return []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", ""}
	case "log.format":
		return []string{"text", "json"}
	case "log.level":
		return []string{"debug", "info", "warn", "error"}
	case "sink.engine":
		return []string{settings.OpenSearch, settings.Elasticsearch, settings.Splunk, settings.OTLP, settings.Syslog, settings.Lake, settings.OCSFTopic}
	case "sink.lake.format":
		return []string{"json", "parquet"}
	case "sink.syslog.format":
		return []string{"json", "cef"}
	}
	return nil
}

// Validate reports every invalid value.
func (c *Config) Validate() error {
	var errs []error
	if c.Namespace == "" || strings.ToLower(c.Namespace) != c.Namespace || strings.ContainsAny(c.Namespace, `\/*?"<>| ,#:-`) || len(c.Namespace) > 100 {
		errs = append(errs, fmt.Errorf("configuration: namespace %q: lower-case letters, digits, dots and underscores, at most 100", c.Namespace))
	}
	if c.Retention < Duration(24*time.Hour) {
		errs = append(errs, errors.New("configuration: retention is under a day"))
	}
	for i, t := range c.Trust.Unsigned {
		if err := t.Check(); err != nil {
			errs = append(errs, fmt.Errorf("configuration: trust.unsigned[%d]: %w", i, err))
		}
	}
	if c.Kafka.Partitions < 1 || c.Kafka.Partitions > maxPartitions {
		errs = append(errs, fmt.Errorf("configuration: kafka.partitions %d is not between 1 and %d", c.Kafka.Partitions, maxPartitions))
	}
	if c.Kafka.Replication < -1 || c.Kafka.Replication > math.MaxInt16 {
		errs = append(errs, fmt.Errorf("configuration: kafka.replication %d is neither -1 nor a number of brokers", c.Kafka.Replication))
	}
	c.Keys(func(path string, v reflect.Value, _ reflect.StructTag) {
		if of := Choices(path); of != nil && !slices.Contains(of, v.String()) {
			errs = append(errs, fmt.Errorf("configuration: %s: %s", path, nearest.NotOne(v.String(), of)))
		}
	})
	if c.Gateway.Rate < 1 || c.Gateway.Concurrency < 1 || c.Gateway.MaxBody < 1 || c.Gateway.MaxMemory < 8 || c.Gateway.BlobRate < 1 || c.Gateway.Timeout < 1 {
		errs = append(errs, errors.New("configuration: gateway.rate, concurrency, max_body, max_memory, blob_rate and timeout must be above 0"))
	}
	if c.Enricher.MaxMemory < 8<<20 {
		errs = append(errs, errors.New("configuration: enricher.max_memory is below 8388608 (8 MiB)"))
	}
	if l := c.Sink.Lake; l.FileBytes < 1 || l.MaxMemory < l.FileBytes || l.FileAge < 1 {
		errs = append(errs, errors.New("configuration: sink.lake.file_bytes and file_age must be above 0, and max_memory not below file_bytes"))
	}
	return errors.Join(append(errs, c.checkSignIn()...)...)
}

// checkSignIn checks how people sign in.
func (c *Config) checkSignIn() (errs []error) {
	s := c.SignIn
	for i, g := range s.Roles {
		if err := g.Check(); err != nil {
			errs = append(errs, fmt.Errorf("configuration: sign_in.roles[%d]: %w", i, err))
		}
	}
	if s.Issuer != "" && len(s.Proxy.Addresses) > 0 {
		errs = append(errs, errors.New("configuration: sign_in.issuer and sign_in.proxy.addresses are both set; people sign in at one of them"))
	}
	if s.Issuer == "" && len(s.Proxy.Addresses) == 0 && (s.ClientID != "" || len(s.Roles) > 0) {
		errs = append(errs, errors.New("configuration: sign_in says who may do what, but not where people sign in: set sign_in.issuer or sign_in.proxy.addresses"))
	}
	if s.Idle < Duration(time.Minute) || s.Length < s.Idle {
		errs = append(errs, errors.New("configuration: sign_in.idle is below a minute, or above sign_in.length"))
	}
	return errs
}
