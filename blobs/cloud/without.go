//go:build !clouds

package cloud

import (
	"context"
	"fmt"

	"github.com/changetrail/changetrail/blobs"
)

// other says what a build without the libraries of a cloud can do instead.
func other(_ context.Context, where, cloud string) (blobs.Bucket, error) {
	return nil, fmt.Errorf("blobs: %s:// needs %s, which this build of changetrail does not have: build it with -tags clouds (docs/operations.md), or use a folder or s3://", blobs.Scheme(where), cloud)
}
