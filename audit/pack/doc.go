// Package pack writes an evidence pack: one file with everything that an auditor needs to examine a
// sample, offline and without changetrail. index.html is the way in; the other files are what it
// rests on. The same population, sample and evidence give the same bytes.
//
// It imports audit, blobs, digests, record, replay and say.
package pack
