//go:build !parquet

package cli

import (
	"errors"

	"github.com/changetrail/changetrail/sinks/lake"
)

// parquetFormat says what a build without the library of Parquet can do instead.
func parquetFormat() (lake.Format, error) {
	return nil, errors.New("this build of changetrail does not have parquet: build it with -tags parquet (docs/lake.md), or set it to json")
}
