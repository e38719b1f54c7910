package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/agents/hook"
	"github.com/changetrail/changetrail/internal/secrets"
)

// maxPartitions is more than any cluster has of one topic.
const maxPartitions = 1 << 20

// Validate reports every value that cannot be.
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
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		errs = append(errs, fmt.Errorf("configuration: log.level %q is none of debug, info, warn, error", c.Log.Level))
	}
	if _, err := secrets.ParseMode(c.Content); err != nil {
		errs = append(errs, fmt.Errorf("configuration: content: %w", err))
	}
	for name, step := range map[string]string{"hook.forbidden": c.Hook.Forbidden, "hook.approval": c.Hook.Approval} {
		if !slices.Contains([]string{hook.Off, hook.Ask, hook.Deny}, step) {
			errs = append(errs, fmt.Errorf("configuration: %s %q is none of off, ask, deny", name, step))
		}
	}
	if c.Gateway.Rate < 1 || c.Gateway.Concurrency < 1 || c.Gateway.MaxBody < 1 || c.Gateway.MaxMemory < 8 || c.Gateway.BlobRate < 1 || c.Gateway.Timeout < 1 {
		errs = append(errs, errors.New("configuration: gateway.rate, concurrency, max_body, max_memory, blob_rate and timeout must be above 0"))
	}
	if c.Enricher.MaxMemory < 8<<20 {
		errs = append(errs, errors.New("configuration: enricher.max_memory is below 8388608 (8 MiB)"))
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		errs = append(errs, fmt.Errorf("configuration: log.format %q is neither text nor json", c.Log.Format))
	}
	return errors.Join(errs...)
}
