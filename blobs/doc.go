// Package blobs keeps files under the digest of their content: the reports that evidence is read
// from, the data of events that are too large for Kafka, policies and control matrices. This
// package keeps them in a folder; package blobs/cloud opens any URL, such as that of a bucket.
//
// The content under a digest never changes, so writing is idempotent and needs no lock. The digest
// is checked on writing and on reading.
//
// It imports no other package of changetrail.
package blobs
