// Package blobs keeps files under the digest of their content: the reports
// that evidence is read from, the data of events that are too large for Kafka,
// policies and control matrices. Where they lie is a URL: a folder (file://), or
// a bucket of S3 (s3://), Google Cloud Storage (gs://) or Azure (azblob://), for
// which package blobs/cloud must be imported.
//
// What is under a digest never changes, so writing is idempotent and needs no
// lock. The digest is checked on writing and on reading.
//
// It imports no other package of changetrail.
package blobs
