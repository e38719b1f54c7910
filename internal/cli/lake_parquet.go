//go:build parquet

package cli

import (
	"github.com/changetrail/changetrail/sinks/lake"
	"github.com/changetrail/changetrail/sinks/lake/parquet"
)

func parquetFormat() (lake.Format, error) { return parquet.Format{}, nil }
