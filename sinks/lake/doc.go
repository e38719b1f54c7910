// Package lake writes documents to object storage as files that query engines such as Athena and
// DuckDB read: JSON lines, or Parquet of OCSF events. Files are partitioned by the day on which
// something happened.
//
// A document is in exactly one file, although the process may be killed at any moment, and a batch
// may be cut differently when it is read again. This is how:
//
//   - A batch is a range of offsets of one partition of a topic. Its end is committed as a plan, a
//     note beside the group's offset, before the first file of the batch is written.
//   - The name of a file is derived from the range, and a file is created only if there is none of
//     its name. Files of a batch differ only by table and day, which depend on the document alone.
//   - After the last file the offset of the next batch is committed. Whoever reads the partition
//     after a crash gets the plan, cuts the same batch, and writes the files that are missing.
//   - If the group has lost its offsets, the names of the files say how far they go.
//
// It imports sinks for what a message contains, and knows the stores only as blobs.Bucket. Package
// lake/parquet has the other format, with a library that is too large for most builds.
package lake
