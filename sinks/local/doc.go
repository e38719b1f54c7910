// Package local is the index of the embedded mode: records, events and findings
// in one SQLite file, with an index over the records in memory.
//
// The file is the source of truth. It keeps the terms and numbers (including dates) of each record
// as integers, so that the index in memory, which has bitmaps by term and columns of numbers, is
// built from it without reading JSON. Every process that opens the folder keeps its own index in
// memory and updates it before each search from what was written since. There is one writer.
//
// It answers the queries of package query as the two engines do, and refuses documents as they do,
// using the same mapping.
//
// It imports query, schemas and sinks. Only this package imports SQLite and roaring.
package local
