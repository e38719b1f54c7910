// Package cloud makes the buckets of S3 (s3://), Google Cloud Storage (gs://)
// and Azure Blob Storage (azblob://) known to package blobs. It is apart because
// what it brings along is larger than all the rest; credentials and regions are
// those of each cloud's own environment.
package cloud

import (
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
)
