package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span as people write it: 90d, 24h, 5ms.
type Duration time.Duration

// maxDays is as many days as a Duration holds.
const maxDays = math.MaxInt64 / int64(24*time.Hour)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > maxDays {
			return fmt.Errorf("%q is not a time span, as 90d, 24h or 5ms, of at most %d days", s, maxDays)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if s == "" {
		v, err = 0, nil
	}
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time span, as 90d, 24h or 5ms", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) {
	if day := 24 * time.Hour; d > 0 && time.Duration(d)%day == 0 {
		return []byte(strconv.Itoa(int(time.Duration(d)/day)) + "d"), nil
	}
	return []byte(time.Duration(d).String()), nil
}
